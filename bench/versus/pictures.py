"""The pictures of the report, as scripts for gnuplot: one function a kind of picture.

A picture shows every sample or says what it summarises, and on a logarithmic axis it says so.
"""

import math
from typing import NamedTuple

import summary
import units
from harness import plots
from readings import FLOOR, OURS, is_number, quartiles

COLOURS = {OURS: plots.BLUE, "ringserve-again": plots.SKY, FLOOR: plots.GREEN,
           "nginx": plots.ORANGE, "h2o": plots.PURPLE, "lighttpd": plots.BROWN}
CONNECTIONS = {"c1": 1, "c8": 8, "small": 64, "c512": 512, "c4096": 4096}
PERCENTILES = (("p50_us", "p50", plots.BLUE), ("p99_us", "p99", plots.GREEN),
               ("p999_us", "p99.9", plots.ORANGE))
RATES = ("requests_per_s", "bytes_per_cpu_s")  # shown as the CPU they cost
ROW_HEIGHT, FRAME_HEIGHT = 20, 76
LETTER_WIDTH = 0.9  # of what gnuplot holds for one
TIC_STEPS = ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7,
                                                     8, 9))
TICS_MAX, TICS_MIN = 5, 3
LOG_AXIS_LEAST = 1.5  # from one end to the other


class Picture(NamedTuple):
    title: str
    caption: str
    script: str


class Group(NamedTuple):
    title: str
    caption: str
    pictures: list


def groups_of(readings):
    """What there is to draw: groups that would be empty are left out."""
    groups = [
        Group("Ratios", "ringserve / peer with its 95 % interval, on the main metric of each "
              "workload; where more is better the ratio is turned over, so that left of the line "
              "at 1 is always where ringserve is ahead. Filled dots: ringserve wins; squares: the "
              "peer wins; open dots: cannot be told.", _forests(readings)),
        Group("Number of connections", "1 KiB file; medians, and bars from the first to the third "
              "quartile; both axes logarithmic.", _connections(readings)),
        Group("Latency, open loop", "Every server gets the same rate; medians over the rounds, "
              "and lines from the first to the third quartile; logarithmic.",
              _latencies(readings)),
        Group("Every sample", "A dot is one sample, the rounds of a server from top to bottom; "
              "the bar is their median; logarithmic.", _samples(readings)),
    ]
    return [group for group in groups if group.pictures]


def _colour(subject):
    return int(COLOURS.get(subject, plots.GREY).lstrip("#"), 16)


def _rows_axis(names):
    """A named row for each, the first one on top. gnuplot would take letters for wider than they
    are, and leave too little for the rest."""
    tics = ", ".join(f"{plots.quoted(name)} {number}" for number, name in enumerate(names, 1))
    return (f"set yrange [{len(names) + 0.6}:0.4]\nset ytics ({tics})\n"
            "set grid noytics xtics\nset tmargin 0.3\nset rmargin 2\n"
            f"set lmargin {LETTER_WIDTH * max(map(len, names)) + 3:.1f}\n")


def _height(rows):
    return FRAME_HEIGHT + ROW_HEIGHT * rows


def _log_axis(axis, values):
    """A logarithmic x or y axis that holds the values, with a few tics at round numbers; never so
    short that noise looks like a difference."""
    low, high = min(values) / 1.08, max(values) * 1.08
    widen = max(1, math.sqrt(LOG_AXIS_LEAST * low / high))
    low, high = low / widen, high * widen
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for steps in TIC_STEPS:
        tics = [step * 10.0**decade for decade in decades for step in steps]
        inside = [tic for tic in tics if low <= tic <= high]
        if len(inside) >= TICS_MIN:
            break
    if len(inside) > TICS_MAX:
        inside = inside[::math.ceil(len(inside) / TICS_MAX)]
    listed = ", ".join(f"{plots.quoted(f'{tic:.6g}')} {tic:.6g}" for tic in inside)
    return (f"set logscale {axis}\nset {axis}range [{low:.6g}:{high:.6g}]\n"
            f"set {axis}tics ({listed}) nomirror\n")


# Ratios.


def _forests(readings):
    shown = {peer: _forest_rows(readings, peer) for peer in readings.peers}
    return [Picture(f"ringserve / {peer}", "", _forest(peer, rows))
            for peer, rows in shown.items() if rows]


def _forest_rows(readings, peer):
    """(label, ratio, low, high, outcome), turned so that less is better."""
    rows = []
    for workload in readings.workloads:
        metric = workload["main_metric"]
        entry = readings.comparison(workload["name"], workload["generator"], metric, peer)
        ends = [entry.get(key) for key in ("ratio", "low", "high")] if entry else [None]
        if not all(is_number(end) and end > 0 for end in ends):
            continue
        if not units.metric(metric).lower_is_better:
            ends = [1 / ends[0], 1 / ends[2], 1 / ends[1]]
        rows.append((readings.label(workload), *ends, summary.outcome_of(entry)))
    return rows


def _forest(peer, rows):
    looks = {summary.WIN: (7, plots.GREEN), summary.LOSS: (5, plots.ORANGE),
             summary.UNCLEAR: (6, plots.GREY)}
    data = [(number, ratio, low, high, looks[kind][0], int(looks[kind][1][1:], 16))
            for number, (_, ratio, low, high, kind) in enumerate(rows, 1)]
    return (plots.head(f"ratios_{peer}", height=_height(len(rows)))
            + plots.block("ratios", data) + _rows_axis([label for label, *_ in rows])
            + _log_axis("x", [1.0, *(end for _, *row in rows for end in row[:3])])
            + f"set nokey\nset xlabel {plots.quoted(f'ringserve / {peer}')}\n"
            "set arrow 1 from first 1,graph 0 to first 1,graph 1 nohead lc rgb '#222222' back\n"
            "plot $ratios using 3:1:($4-$3):(0):6 with vectors nohead lw 2 lc rgb variable, "
            "$ratios using 2:1:5:6 with points ps 0.6 lw 1.5 pt variable lc rgb variable\n")


# Connections.


def _connections(readings):
    metric = "cpu_us_per_request"
    lines = {}
    for subject in readings.subjects:
        points = [(count, *quartiles(values)) for name, count in CONNECTIONS.items()
                  if (values := _of_own_generator(readings, name, subject, metric))]
        if len(points) > 1:
            lines[subject] = points
    if not lines:
        return []
    script = plots.head("connections", width=540, height=340) + "".join(
        plots.block(subject, [(count, middle, low, high) for count, low, middle, high in points])
        for subject, points in lines.items())
    counts = ", ".join(f"'{count}' {count}" for count in CONNECTIONS.values())
    script += ("set key above horizontal samplen 1.5 width -5 maxcols 4\n"
               "set logscale x 2\nset xrange [0.8:5200]\n"
               f"set xtics ({counts}) nomirror\nset xlabel 'connections'\n"
               "set ylabel 'µs of server CPU per request'\n")
    script += _log_axis("y", [value for points in lines.values() for _, *row in points
                              for value in row])
    script += "plot "
    script += ", ".join(
        f"${plots.identifier(subject)} using 1:2:3:4 with yerrorlines pt 7 ps 0.6 lw 1.6 "
        f"lc rgb '{COLOURS.get(subject, plots.GREY)}' title {plots.quoted(subject)}"
        for subject in lines)
    return [Picture("CPU per request by number of connections", "", script + "\n")]


def _of_own_generator(readings, name, subject, metric):
    workload = readings.entry(name)
    if workload is None:
        return []
    found = readings.by_round(name, workload["generator"], subject, metric)
    return list(_above_zero(found).values())


# Latency.


def _latencies(readings):
    pictures = []
    for workload in readings.workloads:
        if workload["name"].startswith("openloop"):
            pictures += _latency(readings, workload)
    return pictures


def _latency(readings, workload):
    shown = {subject: found for subject in readings.subjects
             if (found := _percentiles(readings, workload, subject))}
    if not shown:
        return []
    size, unit = units.metric("p99_us").scale(
        max(value for found in shown.values() for ends in found.values() for value in ends))
    rows = [(number, middle / size, low / size, high / size, int(colour[1:], 16))
            for number, found in enumerate(shown.values(), 1)
            for colour, (low, middle, high) in found.items()]
    label = readings.label(workload)
    keys = "".join(f"set label '{title}' at graph {0.05 + 0.35 * number},1.1 "
                   f"point pt 7 ps 0.7 lc rgb '{colour}' offset 1,-0.3\n"
                   for number, (_, title, colour) in enumerate(PERCENTILES))
    script = (plots.head(f"latency_{label}", height=_height(len(shown)) + ROW_HEIGHT)
              + plots.block("latency", rows) + _rows_axis(shown)
              + _log_axis("x", [value for row in rows for value in row[1:4]])
              + f"set nokey\n{keys}set tmargin 2\nset xlabel '{unit}'\n"
              "plot $latency using 3:1:($4-$3):(0):5 with vectors nohead lw 2 lc rgb variable, "
              "$latency using 2:1:5 with points pt 7 ps 0.7 lc rgb variable\n")
    return [Picture(label, workload.get("title") or "", script)]


def _percentiles(readings, workload, subject):
    """{colour: quartiles} of those percentiles that have values."""
    found = {}
    for metric, _, colour in PERCENTILES:
        values = readings.values(workload["name"], workload["generator"], subject, metric)
        if values and min(values) > 0:
            found[colour] = quartiles(values)
    return found


# Every sample.


def _samples(readings):
    return [picture for workload in readings.workloads
            if (picture := _dots(readings, workload)) is not None]


def _dots(readings, workload):
    name, generator = workload["name"], workload["generator"]
    metric = workload["main_metric"]
    if metric in RATES and "cpu_us_per_request" in readings.metrics_of(workload):
        metric = "cpu_us_per_request"
    values = {subject: found for subject in readings.subjects
              if (found := _above_zero(readings.by_round(name, generator, subject, metric)))}
    if not values:
        return None
    size, unit = units.metric(metric).scale(max(max(found.values()) for found in values.values()))
    dots, medians = [], []
    for number, (subject, found) in enumerate(values.items(), 1):
        scaled = [found[round_number] / size for round_number in sorted(found)]
        colour = _colour(subject)
        dots += [(value, number + _offset(place, len(scaled)), colour)
                 for place, value in enumerate(scaled)]
        medians.append((quartiles(scaled)[1], number))
    label = readings.label(workload)
    script = (plots.head(f"samples_{label}", height=_height(len(values)))
              + plots.block("dots", dots) + plots.block("medians", medians)
              + _rows_axis(list(values)) + _log_axis("x", [value for value, *_ in dots])
              + f"set nokey\nset xlabel {plots.quoted(units.heading(metric, unit))}\n"
              "plot $dots using 1:2:3 with points pt 7 ps 0.35 lc rgb variable, "
              "$medians using 1:($2-0.45):(0):(0.9) with vectors nohead lw 1.2 lc rgb '#222222'\n")
    return Picture(label, workload.get("title") or "", script)


def _above_zero(values):
    """A logarithmic axis has no place for the others."""
    return {number: value for number, value in values.items() if value > 0}


def _offset(place, count):
    """Rounds one below the other within the row, so that none hides another."""
    return 0 if count < 2 else 0.6 * (place / (count - 1) - 0.5)
