"""What follows from the samples of bench/paths: which path is best at each size, where one
mechanism of `auto` overtakes another, and the tuning that says so. Pure functions; nothing is
measured here.

Values are server CPU per response, {path: {round: µs}}. Where the samples cannot tell two paths
apart, what `auto` does by default stays.
"""

import dataclasses
import math
import statistics

from harness import rounds

MEMORY = "auto-memory"
FILE_PATHS = ("sendfile", "splice")
FORMAT = "ringserve-tuning 1"
MEMORY_BODY_BYTES_CEILING = 512 << 10  # Tuning::kMemoryBodyBytesCeiling in server/send/tuning.h
BANDS_MAX, NOTES_MAX, TEXT_BYTES_MAX = 8, 100, 1000


@dataclasses.dataclass(frozen=True)
class Choice:
    """What `auto` does with a file of some size."""
    memory: bool  # from memory, when the cache holds it
    file: str  # otherwise: one of FILE_PATHS


def auto_by(file_path):
    """The name of `auto` as it uses this path for files: with its looks at the page cache."""
    return f"auto-{file_path}"


CANDIDATES = (MEMORY, *map(auto_by, FILE_PATHS))  # what a tuning chooses among


def default_choice(tuning, size):
    """The choice of a tuning as `ringserve --print-tuning` prints it."""
    for band in tuning["bands"]:
        if size <= band.get("up_to_bytes", math.inf):
            return Choice(size <= tuning["memory_body_bytes_max"], band["path"])
    raise ValueError("the last band has an end")


def default_path(tuning, size):
    choice = default_choice(tuning, size)
    return MEMORY if choice.memory else auto_by(choice.file)


def standings(values, compare_all):
    """Each path against the best one: {path: {"cpu_us", "ratio", "low", "high", "verdict"}}. The
    best one's verdict is "wins", or "as good" when some other cannot be told from it."""
    medians = {path: statistics.median(of.values()) for path, of in values.items()}
    best = min(medians, key=medians.get)
    others = [path for path in values if path != best]
    answers = compare_all([{"pairs": rounds.pairs(values[path], values[best])} for path in others])
    found = {path: {"cpu_us": medians[path],
                    **{key: answer[key] for key in ("ratio", "low", "high")},
                    "verdict": "more" if answer["verdict"] == "more" else "as good"}
             for path, answer in zip(others, answers)}
    alone = all(one["verdict"] == "more" for one in found.values())
    found[best] = {"cpu_us": medians[best], "ratio": 1.0, "low": 1.0, "high": 1.0,
                   "verdict": "wins" if alone else "as good"}
    return {path: found[path] for path in values}


def choose(size, values, tuning, compare_all):
    """(Choice, notes): the default, but for what is told to cost less."""
    default, notes = default_choice(tuning, size), []

    def overtaken(now, other):
        answer = compare_all([{"pairs": rounds.pairs(values[other], values[now])}])[0]
        if answer["verdict"] == "unclear":
            notes.append(f"{size_text(size)}: {now} kept, {other} cannot be told from it "
                         f"({interval_text(answer)})")
        return answer["verdict"] == "less"

    other, = set(FILE_PATHS) - {default.file}
    file = other if overtaken(auto_by(default.file), auto_by(other)) else default.file
    if MEMORY not in values:
        return Choice(False, file), notes
    now, rival = MEMORY, auto_by(file)
    if not default.memory:
        now, rival = rival, now
    return Choice(default.memory != overtaken(now, rival), file), notes


def between(choices):
    """The sizes to measure next: one in the middle of each two neighbours that differ. `choices`:
    {size: Choice}."""
    sizes, wanted = sorted(choices), []
    for low, high in zip(sizes, sizes[1:]):
        middle = middle_of(low, high)
        if choices[low] == choices[high] or not low < middle < high:
            continue
        if choices[low].file == choices[high].file and middle > MEMORY_BODY_BYTES_CEILING:
            continue
        wanted.append(middle)
    return wanted


def middle_of(low, high):
    """The geometric mean, in whole quarters of the lower size."""
    quarter = max(1, low // 4)
    return round(math.sqrt(low * high) / quarter) * quarter


def crossings(choices, default):
    """Where the better mechanism changes: [{"what", "from", "to", "up_to_bytes"}] in order, as the
    tuning that is written has them."""
    tuning = tuned(choices, default)
    found = [{"what": "file", "from": band["path"], "to": after["path"],
              "up_to_bytes": band["up_to_bytes"]}
             for band, after in zip(tuning["bands"], tuning["bands"][1:])]
    limit = tuning["memory_body_bytes_max"]
    if limit > 0:
        found.append({"what": "memory", "from": "memory", "to": default_file(tuning, limit),
                      "up_to_bytes": limit})
    return sorted(found, key=lambda one: (one["up_to_bytes"], one["what"]))


def default_file(tuning, size):
    return default_choice(tuning, size + 1).file


def tuned(choices, default):
    """{"memory_body_bytes_max", "bands"}: the choices where there are any, else the default's.
    Throws ValueError when the choices change more often than a tuning can say."""
    ends = sorted({*choices, default["memory_body_bytes_max"], MEMORY_BODY_BYTES_CEILING,
                   *(band["up_to_bytes"] for band in default["bands"] if "up_to_bytes" in band)})
    limit = 0
    for end in ends:
        if end == 0:
            continue
        if end > MEMORY_BODY_BYTES_CEILING or not choice_at(end, choices, default).memory:
            break
        limit = end
    bands = []
    for end in [*ends, math.inf]:
        path = choice_at(end, choices, default).file
        if bands and bands[-1]["path"] == path:
            bands.pop()
        bands.append({"up_to_bytes": end, "path": path})
    del bands[-1]["up_to_bytes"]
    if len(bands) > BANDS_MAX:
        raise ValueError(f"the better path changes {len(bands) - 1} times, which no tuning can say")
    return {"memory_body_bytes_max": limit, "bands": bands}


def choice_at(size, choices, default):
    """Where the default was confirmed on both sides, the default; otherwise the choice of the next
    size above. Beyond the last size, its choice for files, and the default for memory."""
    usual = default_choice(default, size)
    below = max((known for known in choices if known < size), default=None)
    above = min((known for known in choices if known >= size), default=None)
    return Choice(part_at("memory", usual, size, below, above, choices, default),
                  part_at("file", usual, size, below, above, choices, default))


def part_at(part, usual, size, below, above, choices, default):
    def confirmed(known):
        return getattr(choices[known], part) == getattr(default_choice(default, known), part)
    if above is None:
        keep_default = part == "memory" or confirmed(below)
        return getattr(usual if keep_default else choices[below], part)
    confirmed_around = confirmed(above) and (below is None or confirmed(below))
    if size != above and confirmed_around:
        return getattr(usual, part)
    return getattr(choices[above], part)


def size_text(size):
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0 and size > 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def interval_text(answer):
    high = "∞" if answer["high"] is None else f"{answer['high']:.3f}"
    return f"ratio {answer['ratio']:.3f}, {answer['low']:.3f} to {high}"
