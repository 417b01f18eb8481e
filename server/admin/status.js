// Keeps the status page up to date: asks for /status.json once a second, puts the texts where they
// belong and draws the plots. Texts come formatted from the server (figures.cc); only the plots are
// given numbers. Nothing is ever put into the page as HTML.
"use strict";

const kPollInterval_ms = 1000;
const kRetryInterval_ms = 2000;
const kPatience_ms = 5000; // for one answer
const kSpan_s = 300; // of the plots
const kGap_s = 3; // samples further apart are not joined
const kHeight = 150;
const kMargin = { top: 10, right: 2, bottom: 18, left: 54 };
const kSvg = "http://www.w3.org/2000/svg";

// ---- Texts: each element is made when it is missing and changed when it differs, so that what
// somebody has selected stays selected.

function updateText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function child(parent, index, tag) {
  return parent.children[index] ?? parent.appendChild(document.createElement(tag));
}

function updateList(parent, items, tag, update) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  items.forEach((item, index) => update(child(parent, index, tag), item));
}

// `parts`: of what element each part of a figure is the text, in their order.
function updateFigure(parts) {
  return (element, figure) => {
    element.classList.toggle("alarming", figure.alarming);
    parts.forEach(([tag, part], index) => updateText(child(element, index, tag), figure[part]));
  };
}

function updateTable(section, table) {
  updateText(child(section, 0, "h2"), table.title);
  const body = child(child(section, 1, "table"), 0, "tbody");
  updateList(body, table.rows, "tr", updateFigure([["th", "label"], ["td", "remark"], ["td", "value"]]));
}

function updateTexts(status) {
  updateList(document.getElementById("headline"), status.headline, "li",
    updateFigure([["span", "label"], ["b", "value"], ["small", "remark"]]));
  updateList(document.getElementById("tables"), status.tables, "section", updateTable);
}

// ---- Numbers of the plots.

function scaled(value, units) {
  let unit = 0;
  while (value >= 999.5 && unit + 1 < units.length) {
    value /= 1000;
    ++unit;
  }
  const digits = value >= 100 || Number.isInteger(value) ? 0 : 1;
  return value.toFixed(digits) + units[unit];
}

const kUnits = {
  count: (value) => scaled(value, ["", "k", "M", "G"]),
  bytes: (value) => scaled(value, [" B", " kB", " MB", " GB"]),
  percent: (value) => value.toFixed(value < 10 && value > 0 ? 1 : 0) + " %",
};

// The next of 1, 2, 4, 5, 10 times a power of ten: its half is a short number too.
function roundedUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 4, 5, 10].find((step) => step * power >= value * (1 - 1e-9));
}

// ---- Plots.

function shape(parent, tag, attributes, text) {
  const element = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return parent.appendChild(element);
}

class Plot {
  constructor(figure) {
    this.keys = figure.dataset.series.split(" ");
    this.labels = figure.dataset.labels.split("|");
    this.unit = kUnits[figure.dataset.unit];
    this.least = Number(figure.dataset.least);
    this.stacked = "stacked" in figure.dataset;
    this.title = figure.querySelector("h2").textContent;
    this.box = figure.querySelector(".canvas");
    this.values = this.labels.map((label) => {
      const key = figure.querySelector("figcaption").appendChild(document.createElement("span"));
      key.className = "key";
      key.append(label + " ");
      return key.appendChild(document.createElement("b"));
    });
  }

  // `cursor_s`: the age of the sample that is pointed at, or null.
  draw(history, cursor_s) {
    const width = this.box.clientWidth;
    if (width === 0) return;
    const times = history.at_s;
    const latest = times.length > 0 ? times[times.length - 1] : 0;
    const pointed = cursor_s === null ? times.length - 1 : nearest(times, latest - cursor_s);
    const lists = this.keys.map((key) => history[key]);
    lists.forEach((list, index) =>
      updateText(this.values[index], list.length > 0 ? this.unit(list[pointed]) : "–"));
    const stacked = this.stacked
      ? lists.map((_, upTo) => times.map((_, at) =>
          lists.slice(0, upTo + 1).reduce((sum, list) => sum + list[at], 0)))
      : lists;
    const top = roundedUp(Math.max(this.least, ...stacked.flat()));
    const scale = {
      x: (at_s) => width - kMargin.right -
        ((latest - at_s) / kSpan_s) * (width - kMargin.left - kMargin.right),
      y: (value) => kHeight - kMargin.bottom -
        (value / top) * (kHeight - kMargin.top - kMargin.bottom),
    };
    const svg = document.createElementNS(kSvg, "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${kHeight}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${this.title}: ${this.values.map((v, index) =>
      `${this.labels[index]} ${v.textContent}`).join(", ")}`);
    this.drawGrid(svg, scale, latest, top, width);
    // The topmost of a stack first, so that the others lie over it.
    for (let index = stacked.length - 1; index >= 0; --index) {
      drawSeries(svg, scale, times, stacked[index], index > 0 ? " second" : "");
    }
    if (cursor_s !== null && times.length > 0) {
      const x = scale.x(times[pointed]);
      shape(svg, "line", { class: "cursor", x1: x, x2: x, y1: kMargin.top,
        y2: kHeight - kMargin.bottom });
    }
    this.box.replaceChildren(svg);
  }

  drawGrid(svg, scale, latest, top, width) {
    for (const value of [0, top / 2, top]) {
      const y = Math.round(scale.y(value)) + 0.5;
      shape(svg, "line", { class: "grid", x1: kMargin.left, x2: width, y1: y, y2: y });
      shape(svg, "text", { x: kMargin.left - 6, y: y + 3.5, "text-anchor": "end" },
        this.unit(value).replace(" ", "\u00a0"));
    }
    for (let age_s = 0; age_s <= kSpan_s; age_s += 60) {
      const anchor = age_s === 0 ? "end" : age_s === kSpan_s ? "start" : "middle";
      shape(svg, "text", { x: scale.x(latest - age_s), y: kHeight - 3, "text-anchor": anchor },
        age_s === 0 ? "now" : `${age_s / 60} min`);
    }
  }
}

// The index of the sample nearest to a time.
function nearest(times, at_s) {
  let best = times.length - 1;
  times.forEach((time, index) => {
    if (Math.abs(time - at_s) < Math.abs(times[best] - at_s)) best = index;
  });
  return best;
}

function drawSeries(svg, scale, times, values, extraClass) {
  const pieces = [];
  times.forEach((time, index) => {
    const point = [scale.x(time).toFixed(1), scale.y(values[index]).toFixed(1)];
    const joined = index > 0 && time - times[index - 1] < kGap_s;
    if (joined) pieces[pieces.length - 1].push(point);
    else pieces.push([point]);
  });
  const base = scale.y(0).toFixed(1);
  const line = pieces.map((piece) => "M" + piece.map((point) => point.join(" ")).join("L"));
  const area = pieces.map((piece, index) =>
    `${line[index]}L${piece[piece.length - 1][0]} ${base}L${piece[0][0]} ${base}Z`);
  shape(svg, "path", { class: "area" + extraClass, d: area.join("") });
  shape(svg, "path", { class: "line" + extraClass, d: line.join("") });
}

// ---- The page.

const plots = Array.from(document.querySelectorAll("#plots figure"), (figure) => new Plot(figure));
let shown = null; // the last /status.json
let cursor_s = null;

function drawPlots() {
  if (shown !== null) plots.forEach((plot) => plot.draw(shown.history, cursor_s));
}

function pointAt(event) {
  const canvas = event.target.closest(".canvas");
  cursor_s = null;
  if (canvas !== null) {
    const box = canvas.getBoundingClientRect();
    const share = (box.right - kMargin.right - event.clientX) /
      (box.width - kMargin.left - kMargin.right);
    if (share >= 0 && share <= 1) cursor_s = share * kSpan_s;
  }
  drawPlots();
}

function notice(text, stale) {
  updateText(document.getElementById("notice"), text);
  updateText(document.getElementById("live"), stale ? "" : "live");
  document.body.classList.toggle("stale", stale);
}

let answered = new Date();

async function refresh() {
  try {
    const response = await fetch("/status.json", { signal: AbortSignal.timeout(kPatience_ms) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    shown = await response.json();
  } catch (error) {
    notice(`No answer since ${answered.toLocaleTimeString()} (${error.message}); trying again.`, true);
    return kRetryInterval_ms;
  }
  answered = new Date();
  notice(shown.draining ? "This server is draining: it takes no new connections." : "", false);
  updateTexts(shown);
  drawPlots();
  return kPollInterval_ms;
}

// Nobody looks at a hidden page.
function visible() {
  return new Promise((resolve) => {
    if (!document.hidden) return resolve();
    document.addEventListener("visibilitychange", () => resolve(), { once: true });
  });
}

async function run() {
  for (;;) {
    await visible();
    const pause_ms = await refresh();
    await new Promise((resolve) => setTimeout(resolve, pause_ms));
  }
}

document.getElementById("plots").addEventListener("pointermove", pointAt);
document.getElementById("plots").addEventListener("pointerleave", pointAt);
window.addEventListener("resize", drawPlots);
run();
