"""The workloads of the comparison: what is asked for, what counts most, and who takes part."""

import dataclasses
import typing

from harness import loads
from harness.loads import Load
from harness.site import KIB, MANY_ASKED, MIB, MIXED_FILES

import special

THROUGHPUT = ("cpu_us_per_request", "requests_per_s", "client_cpu_us_per_request", "p50_us",
              "p99_us", "p999_us", "rss_bytes")
BYTES = ("bytes_per_cpu_s", "cpu_s_per_gb", "bytes_per_s")
LATENCY = ("p99_us", "p50_us", "p999_us", "cpu_us_per_request", "requests_per_s", "rss_bytes")
WRK = ("cpu_us_per_request", "requests_per_s", "client_cpu_us_per_request")
HIGHER_IS_BETTER = ("requests_per_s", "bytes_per_s", "bytes_per_cpu_s")
RANGE, RANGE_BYTES = "Range: bytes=1024-65535", 63 * KIB
PIPELINED = 16
WARM_S, WARM_MANY_S = 0.05, 1.0  # many files: until open-file caches have what is popular


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    load: typing.Callable  # Site -> Load, without seconds
    metrics: tuple = THROUGHPUT  # the first one counts most
    measure: typing.Callable = loads.run  # setting, subject, load -> sample
    floor: bool = True
    wrk: bool = False  # measured with wrk too
    quick: bool = False  # part of --quick
    slices: float = 1  # of --seconds
    warm_s: float = WARM_S
    beside_s: float = 0.1  # what a sample takes besides
    capacity_of: str = ""  # an open loop, at a share of what this workload came to
    on_disk: bool = False  # reads from one

    @property
    def main_metric(self):
        return self.metrics[0]

    @property
    def lower_is_better(self):
        return self.main_metric not in HIGHER_IS_BETTER


def of_size(size_bytes, **options):
    return lambda site: Load(path=site.file(size_bytes), body_bytes=size_bytes, **options)


def mixed(site):
    return Load(paths_file=site.mixed(), popularity="zipf:1.0", files=MIXED_FILES)


def million(site):
    return Load(paths_file=site.many(), files=MANY_ASKED, body_bytes=KIB)


def ranges(site):
    return Load(path=site.file(MIB), headers=(RANGE,), status=206, body_bytes=RANGE_BYTES)


def cold(site):
    site.cold()
    return Load(path=site.file(KIB), body_bytes=KIB, connections=8)


def crowd(connections, **options):
    return Workload(f"c{connections}", f"1 KiB, {connections} connection"
                    f"{'s' if connections > 1 else ''}", of_size(KIB, connections=connections),
                    **options)


ALL = {workload.name: workload for workload in (
    Workload("small", "1 KiB, 64 connections", of_size(KIB), wrk=True, quick=True),
    Workload("mixed", "mixed site: 10,000 files of log-normal sizes, Zipf popularity", mixed,
             floor=False, quick=True, warm_s=WARM_MANY_S),
    Workload("100k", "100 KiB, 64 connections", of_size(100 * KIB), THROUGHPUT + BYTES, wrk=True,
             quick=True),
    Workload("1m", "1 MiB, 16 connections", of_size(MIB, connections=16), THROUGHPUT + BYTES,
             quick=True),
    Workload("100m", "100 MiB, 4 connections", of_size(100 * MIB, connections=4),
             BYTES + THROUGHPUT, quick=True, beside_s=0.2),
    Workload("pipelined", f"1 KiB, {PIPELINED} requests at once on each of 64 connections",
             of_size(KIB, pipeline=PIPELINED), ("requests_per_s", *THROUGHPUT), wrk=True,
             quick=True),
    Workload("connection", "1 KiB, a connection for each request, closed by the server",
             of_size(KIB, new_connection=True), wrk=True, quick=True),
    Workload("ranges", "63 KiB of a 1 MiB file, by Range", ranges),
    Workload("notmodified", "304: If-None-Match with the server's own ETag",
             lambda site: Load(path=site.file(KIB), conditional=True, status=304, body_bytes=0)),
    Workload("idle", f"{special.IDLE_CONNECTIONS} idle connections",
             of_size(KIB, connections=special.IDLE_CONNECTIONS),
             ("rss_bytes_per_connection", "rss_bytes"), special.idle, floor=False, slices=0,
             beside_s=1.2),
    Workload("cold", "1 KiB, 8 connections, beside six cold files of 100 MB", cold,
             ("p99_us", "p50_us", "p999_us", "requests_per_s", "bytes_per_s", "rss_bytes"),
             special.cold, floor=False, slices=0, beside_s=1.2, on_disk=True),
    Workload("million", "1,000,000 files of 1 KiB, of which any 100,000 are asked for", million,
             floor=False, warm_s=WARM_MANY_S, beside_s=0.3),
    crowd(1), crowd(8), crowd(512, slices=2), crowd(4096, slices=4, beside_s=0.5),
    Workload("openloop", "1 KiB, open loop at 70 % of the slowest peer's capacity", of_size(KIB),
             LATENCY, floor=False, quick=True, slices=2, capacity_of="small"),
    Workload("openloop-mixed", "mixed site, open loop at 70 % of the slowest peer's capacity",
             mixed, LATENCY, floor=False, slices=2, warm_s=WARM_MANY_S, capacity_of="mixed"),
)}


def metrics_of(workload, generator):
    """wrk's latencies are of a closed loop, from its own clock: they are not compared."""
    if generator == "wrk":
        return (workload.main_metric, *(name for name in WRK if name != workload.main_metric))
    return tuple(dict.fromkeys(workload.metrics))
