"""The measuring of bench/paths: every send path at every size, by the real ringserve.

Paths take turns size by size in ABBA order; the default one takes part twice, as a control. Never
judges: path_choice.py does.
"""

import dataclasses
import json
import pathlib
import time

from harness import loads, path_choice, rounds, servers
from harness.path_choice import (CANDIDATES, FILE_PATHS, MEMORY, MEMORY_BODY_BYTES_CEILING,
                                 size_text)

AGAIN = "again"  # the default path once more
PATHS = (*CANDIDATES, "read-write", "writev", "sendfile", "splice", "uring-send", "uring-splice",
         "send-zc")
CONNECTIONS_MAX, IN_FLIGHT_BYTES_MAX = 16, 16 << 20
OVERHEAD_S = 0.15  # of a sample, besides its load
# ringserve keeps no body in memory that changed this recently (kRacyChangeNs in site.cc).
FILE_AGE_MIN_S = 2.5


@dataclasses.dataclass
class Plan:
    setting: loads.Setting
    site: object  # harness.site.Site
    default: dict  # the tuning that is built in
    pairs: int
    seconds: float

    def sample_s(self):
        return self.seconds + loads.WARM_S + OVERHEAD_S


def connections(size):
    """16 for small files, fewer where so many would only fill buffers."""
    return max(1, min(CONNECTIONS_MAX, IN_FLIGHT_BYTES_MAX // size))


def paths_at(size, paths):
    """Without memory, where ringserve keeps no body of that size."""
    return [path for path in paths if path != MEMORY or size <= MEMORY_BODY_BYTES_CEILING]


def write_tunings(plan):
    """{candidate: a tuning that leaves `auto` no other choice}."""
    limits = {MEMORY: {"memory_body_bytes_max": MEMORY_BODY_BYTES_CEILING}}
    for path in FILE_PATHS:
        limits[path_choice.auto_by(path)] = {"memory_body_bytes_max": 0, "bands": [{"path": path}]}
    files = {}
    for name, tuning in limits.items():
        files[name] = pathlib.Path(plan.setting.work) / f"{name}.json"
        files[name].write_text(json.dumps({**plan.default, **tuning}))
    return files


def subject(plan, path, size, tunings):
    """The server that serves by this path; AGAIN is the default of the size."""
    real = path_choice.default_path(plan.default, size) if path == AGAIN else path
    how = ("--tuning", tunings[real]) if real in tunings else ("--send-path", real)
    return servers.ringserve(plan.setting.build / "ringserve", *how, name=path)


def write_files(plan, sizes):
    """Makes them, and waits until they are old enough to be kept in memory."""
    for size in sizes:
        plan.site.file(size)
    newest = max((plan.site.root / plan.site.file(size)[1:]).stat().st_ctime for size in sizes)
    time.sleep(max(0.0, min(FILE_AGE_MIN_S, newest + FILE_AGE_MIN_S - time.time())))


def measure(plan, size, paths, progress):
    """The samples of one size: [{"size_bytes", "path", "round", "metrics", "others_cpu_share"}].
    Throws SampleFailed."""
    tunings = write_tunings(plan)
    load = loads.Load(path=plan.site.file(size), connections=connections(size),
                      seconds=plan.seconds, body_bytes=size)
    samples = []
    for number, path in rounds.turns(paths, plan.pairs):
        result = loads.run(plan.setting, subject(plan, path, size, tunings), load)
        samples.append({"size_bytes": size, "path": path, "round": number, **result})
        metrics = result["metrics"]
        progress.step(plan.sample_s(), f"{size_text(size)} {path}: round {number + 1}, "
                      f"{metrics['cpu_us_per_request']:,.2f} µs of CPU per response")
    return samples


def by_path(samples, size, metric="cpu_us_per_request"):
    """{path: {round: value}} of one size."""
    values = {}
    for sample in samples:
        if sample["size_bytes"] == size:
            values.setdefault(sample["path"], {})[sample["round"]] = sample["metrics"][metric]
    return values
