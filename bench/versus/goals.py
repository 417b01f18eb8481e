"""The goals, and whether a result reaches them.

A goal is held against the interval of the ratio taken round by round: reached when the whole
interval is on the right side of the limit, not reached when the whole of it is on the wrong side,
else it cannot be told.

"best peer" is the peer with the best median of the metric, which is then compared pairwise. The
best of each round would be the luckiest of several noisy values: a bar that none of them reaches.
Choosing by the median still favours the peer a little, never ringserve.

A goal between two workloads pairs the rounds of the same number, though these did not run side by
side: what the machine did differently between them is part of the ratio.
"""

from typing import NamedTuple

from readings import FLOOR, OURS, Readings
from units import metric as metric_of

ABSOLUTE, BEST, EVERY = "absolute", "best peer", "every peer"
YES, NO, CANNOT_TELL, NOT_MEASURED = "yes", "no", "cannot tell", "not measured"
_WORST_FIRST = (NO, CANNOT_TELL, YES)
_LEAST = 1e-3  # of an absolute limit: what is less, such as memory that did not grow, counts as 0


class Goal(NamedTuple):
    what: str
    workload: str
    metric: str
    against: str  # a subject, or BEST, EVERY, ABSOLUTE, "workload NAME", "generator NAME"
    limit: float  # of the ratio; of the value itself when ABSOLUTE
    at_most: bool = True


GOALS = (
    Goal("1 KiB", "small", "cpu_us_per_request", FLOOR, 1.08),
    Goal("1 KiB", "small", "cpu_us_per_request", "nginx", 0.62),
    Goal("1 KiB", "small", "cpu_us_per_request", BEST, 0.78),
    Goal("mixed site", "mixed", "cpu_us_per_request", BEST, 0.80),
    Goal("100 KiB", "100k", "cpu_us_per_request", BEST, 0.90),
    Goal("1 MiB", "1m", "cpu_us_per_request", BEST, 0.90),
    Goal("100 MiB", "100m", "bytes_per_cpu_s", BEST, 1.05, at_most=False),
    Goal("100 MiB", "100m", "bytes_per_cpu_s", FLOOR, 0.95, at_most=False),
    Goal("pipelined ×16", "pipelined", "requests_per_s", BEST, 6.0, at_most=False),
    Goal("connection per request", "connection", "cpu_us_per_request", BEST, 0.95),
    Goal("304s", "notmodified", "cpu_us_per_request", BEST, 0.75),
    Goal("8000 idle connections", "idle", "rss_bytes_per_connection", ABSOLUTE, 256),
    Goal("4096 connections", "c4096", "cpu_us_per_request", "workload small", 1.15),
    Goal("open loop, 1 KiB", "openloop", "p99_us", EVERY, 1.0),
    Goal("open loop, mixed site", "openloop-mixed", "p99_us", EVERY, 1.0),
    Goal("ringload", "small", "client_cpu_us_per_request", "generator wrk", 0.80),
)


class Unanswerable(Exception):
    """Why there is nothing to compare."""


def evaluate(result, compare):
    """A list of dictionaries, one a goal, for result.json.

    compare(pairs, confidence=0.95) gives the ratio, low and high of bench_paired; high is None when
    the pairs are too few.
    """
    readings = Readings(result)
    return [_evaluated(goal, readings, compare) for goal in GOALS]


def limit_text(goal):
    """"≤ 0.62 × nginx"; `goal` as in the list of evaluate()."""
    sign = "≤" if goal["at_most"] else "≥"
    if goal["against"] == ABSOLUTE:
        return f"{sign} {metric_of(goal['metric']).text(goal['limit'])}"
    against = goal["against"].removeprefix("workload ").removeprefix("generator ")
    return f"{sign} {goal['limit']:.2f} × {against}"


def _evaluated(goal, readings, compare):
    fields = goal._asdict()
    text = f"{goal.what}: {metric_of(goal.metric).words} {limit_text(fields)}"
    entry = {"text": text, **fields, "to": None, "pairs": 0, "measured": None,
             "low": None, "high": None, "reached": NOT_MEASURED, "remark": ""}
    try:
        ours = _ours(goal, readings)
        opponents = _opponents(goal, readings)
    except Unanswerable as why:
        entry["remark"] = str(why)
        return entry
    outcomes = [_outcome(goal, ours, name, values, compare) for name, values in opponents]
    entry.update(min(outcomes, key=lambda outcome: _badness(goal, outcome)))
    if len(outcomes) > 1:
        entry["remark"] = entry["remark"] or f"the worst of {len(outcomes)} peers"
    return entry


def _ours(goal, readings):
    generator = "ringload" if goal.against.startswith("generator ") else None
    return _required(goal, readings, goal.workload, generator, OURS)


def _required(goal, readings, workload, generator, subject):
    """{round: value}, or why there is none."""
    by = f" by {generator}" if generator else ""
    entry = readings.entry(workload, generator)
    if entry is None:
        raise Unanswerable(f"{workload}{by} was not run")
    values = readings.by_round(workload, entry["generator"], subject, goal.metric)
    if not values:
        words = metric_of(goal.metric).words
        raise Unanswerable(f"no {words} of {subject} on {workload}{by}")
    return values


def _opponents(goal, readings):
    """[(name, {round: value})]: one, except for "every peer"."""
    kind, _, name = goal.against.partition(" ")
    if goal.against == ABSOLUTE:
        rounds = _required(goal, readings, goal.workload, None, OURS)
        return [("", dict.fromkeys(rounds, goal.limit))]
    if kind == "workload":
        return [(name, _required(goal, readings, name, None, OURS))]
    if kind == "generator":
        return [(name, _required(goal, readings, goal.workload, name, OURS))]
    if goal.against not in (BEST, EVERY):
        return [(goal.against, _required(goal, readings, goal.workload, None, goal.against))]
    return _peers(goal, readings)


def _peers(goal, readings):
    generator = readings.entry(goal.workload)["generator"]
    asked = {peer: (goal.workload, generator, peer, goal.metric) for peer in readings.peers}
    measured = {peer: key for peer, key in asked.items() if readings.values(*key)}
    if not measured:
        raise Unanswerable("no peer was measured")
    if goal.against == BEST:
        choose = min if metric_of(goal.metric).lower_is_better else max
        best = choose(measured, key=lambda peer: readings.median(*measured[peer]))
        measured = {best: measured[best]}
    return [(peer, readings.by_round(*key)) for peer, key in measured.items()]


def _outcome(goal, ours, name, theirs, compare):
    rounds = sorted(ours.keys() & theirs.keys())
    pairs = [[ours[number], theirs[number]] for number in rounds]
    if goal.against == ABSOLUTE:
        pairs = [[max(value, _LEAST * limit), limit] for value, limit in pairs]
    outcome = {"to": name, "pairs": len(pairs), "reached": CANNOT_TELL}
    if len(pairs) < 2:
        return outcome | {"remark": f"{len(pairs)} round(s) in common: an interval needs two"}
    if any(a <= 0 or b <= 0 for a, b in pairs):
        return outcome | {"remark": "a value that is not above 0 gives no ratio"}
    compared = compare(pairs)
    outcome["measured"] = _value(goal, compared["ratio"])
    if compared["high"] is None:
        return outcome | {"remark": f"{len(pairs)} rounds are too few for an interval"}
    low, high = (_value(goal, compared[end]) for end in ("low", "high"))
    return outcome | {"low": low, "high": high, "remark": "", "reached": _reached(goal, low, high)}


def _value(goal, ratio):
    """What the ratio to the limit of an absolute goal stands for; else the ratio itself."""
    if goal.against != ABSOLUTE:
        return ratio
    return ratio * goal.limit if ratio > _LEAST * 1.001 else 0.0


def _reached(goal, low, high):
    if goal.at_most:
        return YES if high <= goal.limit else NO if low > goal.limit else CANNOT_TELL
    return YES if low >= goal.limit else NO if high < goal.limit else CANNOT_TELL


def _badness(goal, outcome):
    """The worst has the smallest."""
    measured = outcome.get("measured")
    distance = 0 if measured is None else -measured if goal.at_most else measured
    return _WORST_FIRST.index(outcome["reached"]), distance
