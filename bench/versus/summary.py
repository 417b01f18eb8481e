"""What the report says, as tables and sentences without any markup.

The terminal, table.md and report.html show these same tables, so that they cannot disagree.
"""

import math
import statistics
from typing import NamedTuple

import goals
import units
from readings import FLOOR, OURS, SECOND_GENERATOR, is_number, quartiles

WIN, LOSS, UNCLEAR, EMPTY, SOFT = "win", "loss", "unclear", "empty", "soft"
MARKS = {WIN: "✓", LOSS: "✗", UNCLEAR: "~"}
FLOOR_COLUMN = "distance to the floor"
NOISY = "Machine too noisy: these figures are not to be trusted."
PARTIAL = "Only a part: this run was interrupted."
DOUBTS = "To know before believing these figures"


class Cell(NamedTuple):
    text: str
    kind: str = ""
    below: str = ""  # what stands below the text, smaller, or follows it


class Table(NamedTuple):
    title: str
    header: list
    rows: list  # of lists of Cell; the first one heads its row
    notes: list = []


# The short table.


def short_table(readings):
    columns = [*readings.peers, *([FLOOR] if FLOOR in readings.subjects else [])]
    header = ["workload", OURS, *readings.peers]
    if FLOOR in columns:
        header.append(FLOOR_COLUMN)
    rows = [_short_row(readings, workload, columns) for workload in readings.workloads]
    return Table("In short", header, rows, _legend(readings))


def _short_row(readings, workload, columns):
    name, generator, metric = (workload[key] for key in ("name", "generator", "main_metric"))
    value = readings.median(name, generator, OURS, metric)
    own = (Cell(units.metric(metric).text(value)) if value is not None
           else Cell("not measured", EMPTY))
    cells = [_ratio_cell(readings, name, generator, metric, subject) for subject in columns]
    return [Cell(readings.label(workload), below=workload.get("title") or ""), own, *cells]


def outcome_of(comparison):
    """WIN, LOSS (of ringserve) or UNCLEAR."""
    low, high = comparison["low"], comparison["high"]
    lower_is_better = units.metric(comparison["metric"]).lower_is_better
    if is_number(high) and high < 1:
        return WIN if lower_is_better else LOSS
    if is_number(low) and low > 1:
        return LOSS if lower_is_better else WIN
    return UNCLEAR


def _ratio_cell(readings, name, generator, metric, subject):
    comparison = readings.comparison(name, generator, metric, subject)
    if comparison is None or not is_number(comparison.get("ratio")):
        return Cell(_why_empty(readings, name, generator, metric, subject), EMPTY)
    low, high = comparison["low"], comparison["high"]
    kind = outcome_of(comparison)
    if subject == FLOOR and kind != UNCLEAR:
        kind = ""  # nobody competes with the floor
    text = f"{MARKS.get(kind, '')} {units.ratio(comparison['ratio'])}".strip()
    return Cell(text, kind, units.interval(low, high))


def _why_empty(readings, name, generator, metric, subject):
    ours = readings.values(name, generator, OURS, metric)
    theirs = readings.values(name, generator, subject, metric)
    if not ours or not theirs:
        return units.NOTHING
    if min(ours) <= 0 or min(theirs) <= 0:
        return "0: no ratio"
    return "too few rounds" if min(len(ours), len(theirs)) < 2 else "not compared"


def _legend(readings):
    notes = ["Numbers under a peer are ringserve / peer: the median of the ratios of the rounds, "
             "and its 95 % interval. ✓ ringserve wins, ✗ the peer wins, "
             "~ cannot be told. – not measured."]
    if any(workload["generator"] == SECOND_GENERATOR for workload in readings.workloads):
        notes.append(f"/{SECOND_GENERATOR}: the load comes from {SECOND_GENERATOR} instead of "
                     "ringload.")
    if FLOOR in readings.subjects:
        notes.append("The last column is ringserve / floor: the floor is a bare loop that sends "
                     "the same bytes without parsing, files or timeouts.")
    used = dict.fromkeys(workload["main_metric"] for workload in readings.workloads)
    for lower, words in ((True, "Less is better"), (False, "More is better")):
        names = [f"{metric.words} ({metric.scales[0][1]}{metric.suffix})".replace("( ", "(")
                 for metric in map(units.metric, used) if metric.lower_is_better == lower]
        if names:
            notes.append(f"{words}: {', '.join(names)}.")
    if readings.absent_peers:
        notes.append(f"Not in this run: {', '.join(readings.absent_peers)}.")
    return notes


# Where a peer wins.


def peer_wins(readings):
    """Sentences: one for every main metric that a peer wins, and one for all the other metrics."""
    workloads = {(workload["name"], workload["generator"]): workload
                 for workload in readings.workloads}
    sentences, others, compared = [], {}, 0
    for entry in readings.comparisons():
        workload = workloads.get((entry["workload"], entry["generator"]))
        if workload is None or entry["to"] not in readings.peers:
            continue
        label, metric = readings.label(workload), entry["metric"]
        compared += metric == workload["main_metric"]
        if outcome_of(entry) != LOSS or _is_repetition(metric, workload["main_metric"]):
            continue
        if metric == workload["main_metric"]:
            sentences.append(_win_sentence(label, entry))
        else:
            words = units.metric(metric).words
            others.setdefault(words, {}).setdefault(entry["to"], []).append(label)
    if compared and not sentences:
        sentences.append("As far as can be told, no peer wins the main metric of any workload.")
    if others:
        sentences.append("On other metrics peers win too: " + "; ".join(
            f"{words}: " + ", ".join(f"{peer} ({', '.join(labels)})"
                                     for peer, labels in by_peer.items())
            for words, by_peer in others.items()) + ".")
    return sentences


def _is_repetition(metric, main_metric):
    """CPU per GB says nothing that CPU per request did not; the client's CPU is not the
    server's merit."""
    if metric == main_metric:
        return False
    return (metric in units.SAME_AS or metric in units.OF_THE_CLIENT
            or metric == units.SAME_AS.get(main_metric))


def _win_sentence(label, entry):
    metric = units.metric(entry["metric"])
    better = "less" if metric.lower_is_better else "more"
    return (f"{entry['to']} wins {label}: ringserve / {entry['to']} is "
            f"{units.ratio(entry['ratio'])} {units.interval(entry['low'], entry['high'])} in "
            f"{metric.words} ({better} is better).")


def score(readings):
    """How often ringserve wins, loses, and cannot be told from a peer, on the main metrics."""
    last_peer = 2 + len(readings.peers)
    kinds = [cell.kind for row in short_table(readings).rows for cell in row[2:last_peer]]
    return {kind: kinds.count(kind) for kind in MARKS}


# Goals and controls.

_REACHED = {goals.YES: Cell("yes", WIN), goals.NO: Cell("NO", LOSS),
            goals.CANNOT_TELL: Cell("cannot tell", UNCLEAR)}


def goals_table(result):
    rows = [[Cell(f"{goal['what']}: {units.metric(goal['metric']).words}"),
             Cell(goals.limit_text(goal)), *_measured(goal),
             _REACHED.get(goal["reached"], Cell(goal["reached"], EMPTY)),
             Cell(goal.get("remark") or "", SOFT)] for goal in result.get("goals") or []]
    notes = ["yes: the whole 95 % interval is on the right side of the limit; NO: the whole of it "
             "is on the wrong side; each interval for itself, not all together. The best peer is "
             "the one with the best median, compared round by round."]
    header = ["goal", "limit", "measured", "95 % interval", "reached", "remark"]
    return Table("Goals", header, rows, notes if rows else ["The goals were not evaluated."])


def _measured(goal):
    if not is_number(goal["measured"]):
        return Cell(units.NOTHING, EMPTY), Cell(units.NOTHING, EMPTY)
    size, text = 1, f"{units.fine(goal['measured'])} × {goal['to']}"
    if goal["against"] == goals.ABSOLUTE:
        metric = units.metric(goal["metric"])
        size, text = metric.scale(goal["measured"])[0], metric.text(goal["measured"])
    if not is_number(goal["low"]) or not is_number(goal["high"]):
        return Cell(text), Cell(units.NOTHING, EMPTY)
    return Cell(text), Cell(units.interval(goal["low"] / size, goal["high"] / size, units.fine))


def controls_table(readings):
    rows = [_control_row(readings, control) for control in readings.result.get("controls") or []]
    notes = ["The same binary twice, as if it were a peer: the interval has to contain 1, else "
             "the machine was too noisy for anything else to be believed. The confidence is "
             "chosen for all controls together to contain 1 in 95 of 100 quiet runs."]
    header = ["workload", "metric", "ratio", "interval", "confidence",
              "contains 1"]
    return Table("Controls (A/A)", header, rows, notes if rows else ["No control was run."])


def _control_row(readings, control):
    workload = readings.entry(control["workload"], control["generator"])
    label = readings.label(workload) if workload else control["workload"]
    answer = {True: Cell("yes", WIN), False: Cell("NO", LOSS)}.get(control["contains_one"],
                                                                  Cell("too few rounds"))
    confidence = control.get("confidence")
    return [Cell(label), Cell(units.metric(control["metric"]).words),
            Cell(units.ratio(control["ratio"])),
            Cell(units.interval(control["low"], control["high"])),
            Cell(f"{100 * confidence:.2f} %" if is_number(confidence) else units.NOTHING),
            answer]


def warnings(result):
    """What must not be overlooked, above everything else: a heading and lines, or nothing."""
    reasons = [str(reason) for reason in result.get("reasons") or []]
    if result.get("noisy"):
        return [NOISY, *reasons]
    if result.get("partial"):
        return [PARTIAL, *reasons]
    return [DOUBTS, *reasons] if reasons else []


# Everything that was measured.


def detail_tables(readings):
    return [_detail_table(readings, workload) for workload in readings.workloads]


def _detail_table(readings, workload):
    name, generator = workload["name"], workload["generator"]
    metrics = readings.metrics_of(workload)
    scales = {metric: _column_scale(readings, name, generator, metric) for metric in metrics}
    header = ["", *(units.heading(metric, scales[metric][1]) for metric in metrics)]
    measured = [subject for subject in readings.subjects
                if any(readings.values(name, generator, subject, metric) for metric in metrics)]
    rows = [[Cell(subject), *(_quartiles_cell(readings.values(name, generator, subject, metric),
                                              scales[metric][0]) for metric in metrics)]
            for subject in measured]
    title = f"{readings.label(workload)}: {workload.get('title') or name}"
    return Table(title, header, rows, _detail_notes(readings, workload, measured))


def _detail_notes(readings, workload, measured):
    if not measured:
        return ["Nothing was measured."]
    absent = [subject for subject in readings.subjects if subject not in measured]
    rounds = max(len(readings.values(workload["name"], workload["generator"], subject,
                                     workload["main_metric"])) for subject in measured)
    shares = [sample["others_cpu_share"] for sample in readings.result.get("samples") or []
              if (sample["workload"], sample["generator"])
              == (workload["name"], workload["generator"])
              and is_number(sample.get("others_cpu_share"))]
    seconds = workload.get("seconds")
    note = f"{rounds} round{'' if rounds == 1 else 's'}"
    note += f" of {seconds:g} s" if is_number(seconds) else ""
    note += f", generator {workload['generator']}"
    if shares:
        note += f"; others used at most {max(shares):.0%} of a CPU meanwhile"
    return [note + ".", *([f"Not measured here: {', '.join(absent)}."] if absent else [])]


def _column_scale(readings, name, generator, metric):
    """One unit for the whole column: that of the middle one of the medians."""
    medians = [readings.median(name, generator, subject, metric) for subject in readings.subjects]
    return units.metric(metric).scale(
        statistics.median(value for value in medians if value is not None))


def _quartiles_cell(values, size):
    if not values:
        return Cell(units.NOTHING, EMPTY)
    low, middle, high = (units.digits(value / size) for value in quartiles(values))
    return Cell(middle, below=f"({low}–{high})" if len(values) > 1 else "(one sample)")


# The machine, and how to do it again.


def facts_table(readings):
    result = readings.result
    rows = [("started", result.get("started_at")), ("finished", result.get("finished_at")),
            ("commit", result.get("commit"))]
    rows += [(str(key).replace("_", " "), _fact(key, value))
             for key, value in (result.get("machine") or {}).items()]
    rows += [(name, version) for name, version in (result.get("versions") or {}).items()]
    rows += [(f"option {name}", _fact(name, value))
             for name, value in (result.get("options") or {}).items()]
    return Table("Machine, versions, options", ["", ""],
                 [[Cell(label), Cell(str(value))] for label, value in rows
                  if value not in (None, "")])


def _fact(key, value):
    if str(key).endswith("_bytes") and is_number(value):
        return units.METRICS["rss_bytes"].text(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_fact(name, inner)}" for name, inner in value.items())
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    return str(value)
