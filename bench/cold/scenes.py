"""What goes on beside the hot file: each scene drops its cold files from memory, lets one client
fetch them, another ask for the hot file for as long, and returns what that one saw."""

import contextlib
import dataclasses
import json
import pathlib
import signal
import subprocess

from harness import loads, process, sample
from harness.noise import Watch
from harness.sample import SampleFailed
from harness.servers import Demand, Server
from harness.site import COLD_FILES, drop_from_page_cache

DISK_BYTES_PER_S = 50_000_000
HOT_CONNECTIONS, HOT_BYTES = 8, 1024
SMALL_CONNECTIONS = 64
# So many that the slow disk takes longer for them than a sample.
SMALL_FILES, SMALL_BYTES, SMALL_PER_DIRECTORY = 2000, 128 * 1024, 20
HOT_ANSWERS_MIN = 200  # fewer have no 99th percentile
READ_BYTES_PER_S_MIN = 1_000_000  # less is not the disk, but nothing
PERCENTILES = ("p50", "p99", "p999", "max")
DROP_CACHES = pathlib.Path("/proc/sys/vm/drop_caches")


@dataclasses.dataclass(frozen=True)
class Scene:
    title: str
    cold: str = ""  # "large", "small" or nothing
    slow_disk: bool = True
    metadata: bool = False  # names and inodes are dropped, too: those of the whole machine


ALL = {
    "quiet": Scene("nothing cold", slow_disk=False),
    "large": Scene("six cold files of 100 MB, from 50 MB/s", "large"),
    "small": Scene("2000 cold files of 128 KiB, from 50 MB/s", "small"),
    "metadata": Scene("the same, names and inodes cold too", "small", metadata=True),
    "full-speed": Scene("six cold files of 100 MB, at the disk's speed", "large", slow_disk=False),
}


@dataclasses.dataclass(frozen=True)
class Files:
    """Lists of paths, and the path of the hot file."""
    large: pathlib.Path
    small: pathlib.Path
    hot: str


def make_files(site):
    files = Files(site.cold(), site.small(SMALL_FILES, SMALL_BYTES, SMALL_PER_DIRECTORY),
                  site.file(HOT_BYTES))
    site.age()
    return files


def run(setting, subject, scene, files, slow_disk, seconds):
    """A sample: {"hot": {...}, "cold_bytes_per_s": x, ...}. Throws SampleFailed."""
    return sample.run(lambda: measure(setting, subject, scene, files, slow_disk, seconds),
                      setting.congestion)


def measure(setting, subject, scene, files, slow_disk, seconds):
    listed = {"large": files.large, "small": files.small}.get(scene.cold)
    paths = listed.read_text().split() if listed else []
    for path in paths:
        drop_from_page_cache(setting.root / path[1:])
    if scene.metadata:
        DROP_CACHES.write_text("3\n")
    confined = slow_disk.for_children() if scene.slow_disk else contextlib.nullcontext()
    demand = Demand(HOT_CONNECTIONS + SMALL_CONNECTIONS, 1 + SMALL_FILES)
    with confined:
        server = Server(subject, setting.root, setting.work, demand)
    with server:
        load = loads.ready(server, loads.Load(files.hot, connections=HOT_CONNECTIONS,
                                              seconds=seconds, body_bytes=HOT_BYTES))
        loads.ask(setting, server, loads.warming(load))
        with Watch(server) as watch, cold_clients(setting, server, scene, listed) as clients:
            hot = report_of(process.start(loads.ringload_command(setting, server, load),
                                          process.CLIENT_CPU, **PIPES), "hot")
            cold = end(clients)
    return worth(scene, hot, cold, watch)


PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


@contextlib.contextmanager
def cold_clients(setting, server, scene, listed):
    """ringloads on the cold files, on the CPU of the hot one: one for each large file, so that none
    is shared; one for all of the small ones."""
    common = [setting.ringload(), "--quiet", "--json", "/dev/stdout", "-t", 1, "-d", "1h",
              "--timeout", "1m"]
    each = {"": [],
            "small": [["-c", SMALL_CONNECTIONS, "--paths", listed, server.url("/")]],
            "large": [["-c", 1, server.url(path)] for path in (listed.read_text().split()
                                                               if listed else [])]}[scene.cold]
    clients = [process.start([*common, *words], process.CLIENT_CPU, **PIPES) for words in each]
    try:
        yield clients
    finally:
        for client in clients:
            process.kill(client.pid)
            client.wait()


def end(clients):
    """Their reports. All are told before any is waited for."""
    for client in clients:
        client.send_signal(signal.SIGINT)
    return [report_of(client, "cold", 130) for client in clients]


def report_of(client, what, status=0):
    output, errors = client.communicate(timeout=loads.CLIENT_DEADLINE_S)
    if client.returncode != status:
        raise SampleFailed(f"ringload on the {what} files: status {client.returncode}, expected "
                           f"{status}: {errors.decode(errors='replace').strip()}")
    return json.loads(output)


def worth(scene, hot, cold, watch):
    """What is kept of a sample. Throws SampleFailed where it says nothing."""
    trouble = loads.ringload_trouble(hot, 200)
    if trouble:
        raise SampleFailed(f"the hot file: {trouble}")
    if hot["requests"] < HOT_ANSWERS_MIN:
        raise SampleFailed(f"only {hot['requests']} answers of the hot file")
    errors = [report["errors"] for report in cold if report["errors_total"]]
    if errors:
        raise SampleFailed(f"the cold files: {errors[0]}")
    cold_bytes_per_s = sum(report["bytes_per_s"] for report in cold)
    if scene.cold and cold_bytes_per_s < READ_BYTES_PER_S_MIN:
        raise SampleFailed(f"only {cold_bytes_per_s:.0f} bytes of cold files a second")
    return {"hot_us": {which: hot["latency_us"][which] for which in PERCENTILES},
            "hot_requests_per_s": hot["rate_per_s"],
            "cold_bytes_per_s": cold_bytes_per_s,
            "others_cpu_share": round(watch.share, 3)}
