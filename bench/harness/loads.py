"""Requests to a server by one client pinned to its own CPU, and what they cost: the one
measurement that all commands share.

`run(setting, subject, load)` is a whole sample: fresh processes, fresh network namespace.
"""

import dataclasses
import json
import math
import pathlib
import re
import subprocess

from harness import http, process, sample, site
from harness.noise import Watch
from harness.sample import SampleFailed
from harness.servers import Demand, Server

CLIENT_DEADLINE_S = 120
WARM_S = 0.05
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
WRK_TIMEOUT_S = 30  # its own 2 s could end a download
WRK_PIPELINE = pathlib.Path(__file__).resolve().parent / "wrk_pipeline.lua"
VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What every sample is given."""
    build: pathlib.Path  # holds ringserve, ringload and the programs of the benchmarks
    root: pathlib.Path  # the directory that is served
    work: pathlib.Path  # logs and configurations
    congestion: str  # of the samples' namespaces

    def ringload(self):
        return self.build / "ringload"


@dataclasses.dataclass(frozen=True)
class Load:
    """What a client asks for. `path`, or the paths of `paths_file` by `popularity`."""
    path: str = "/"
    paths_file: pathlib.Path = None
    popularity: str = "uniform"
    connections: int = 64
    seconds: float = 1.0
    pipeline: int = 1
    new_connection: bool = False  # for each request; the server closes
    headers: tuple = ()
    conditional: bool = False  # with the validators the server gave; it answers 304
    status: int = 200
    body_bytes: int = None  # of each answer; None: they differ
    rate_per_s: float = None  # an open loop
    generator: str = "ringload"  # or "wrk"
    warm_s: float = WARM_S
    files: int = 1  # different ones, for caches of open files


@dataclasses.dataclass
class Done:
    """What one run of a client came to."""
    requests: int  # all that were answered
    bytes: float  # of their bodies, or heads and bodies where bodies differ
    requests_per_s: float
    bytes_per_s: float
    percentiles_us: dict = dataclasses.field(default_factory=dict)


def run(setting, subject, load):
    """A sample: {"metrics": {...}, "others_cpu_share": x}. Throws SampleFailed."""
    return sample.run(lambda: in_namespace(setting, subject, load), setting.congestion)


def in_namespace(setting, subject, load):
    demand = Demand(load.connections, load.files)
    if load.paths_file:
        site.bring_in(setting.root, load.paths_file)
    with Server(subject, setting.root, setting.work, demand) as server:
        load = ready(server, load)
        if load.warm_s > 0:
            ask(setting, server, warming(load))
        with Watch(server) as watch:
            metrics = measure(setting, server, load)
        return {"metrics": metrics, "others_cpu_share": round(watch.share, 3)}


def ready(server, load):
    """Asks once, as the client will: the answer must be what the load says."""
    path = load.path
    if load.paths_file:
        with open(load.paths_file) as paths:
            path = paths.readline().strip()
    headers = server.subject.request_headers
    if headers is None:
        headers = (*load.headers, *(validators(server, path) if load.conditional else ()))
    answer = http.get(server, path, headers, close=load.new_connection)
    if answer.status != load.status:
        raise SampleFailed(f"{server.name}: GET {path}: status {answer.status}, not {load.status}")
    if load.body_bytes is not None and answer.body_bytes != load.body_bytes:
        raise SampleFailed(f"{server.name}: GET {path}: {answer.body_bytes} bytes, "
                           f"not {load.body_bytes}")
    return dataclasses.replace(load, headers=headers)


def validators(server, path):
    answer = http.get(server, path)
    found = [f"{asked}: {answer.field(given)}" for given, asked in VALIDATORS.items()
             if answer.field(given)]
    if not found:
        raise SampleFailed(f"{server.name}: GET {path}: neither ETag nor Last-Modified")
    return tuple(found[:1])


def warming(load):
    """Brings files and connections' memory in; never on a schedule, never counted."""
    return dataclasses.replace(load, seconds=load.warm_s, rate_per_s=None, generator="ringload")


def measure(setting, server, load):
    """One run of the client, with the CPU time of both sides; {metric: value}."""
    client_s, server_s = process.ended_children_cpu_s(), server.cpu_s()
    done = ask(setting, server, load)
    client_s = process.ended_children_cpu_s() - client_s
    server_s = server.cpu_s() - server_s
    if done.requests == 0 or server_s <= 0:
        raise SampleFailed(f"{server.name}: no answer within {load.seconds} s")
    return {
        "requests_per_s": done.requests_per_s,
        "bytes_per_s": done.bytes_per_s,
        "cpu_us_per_request": server_s / done.requests * 1e6,
        "client_cpu_us_per_request": client_s / done.requests * 1e6,
        **({"cpu_s_per_gb": server_s / done.bytes * 1e9,
            "bytes_per_cpu_s": done.bytes / server_s} if done.bytes else {}),
        "rss_bytes": server.rss_bytes(),
        **done.percentiles_us,
    }


def ask(setting, server, load):
    return {"ringload": ask_ringload, "wrk": ask_wrk}[load.generator](setting, server, load)


def run_client(command):
    """What it printed. Throws SampleFailed."""
    child = process.start(command, process.CLIENT_CPU, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    try:
        output, errors = child.communicate(timeout=CLIENT_DEADLINE_S)
    except subprocess.TimeoutExpired:
        raise SampleFailed(f"{command[0]} did not end within {CLIENT_DEADLINE_S} s") from None
    if child.returncode != 0:
        raise SampleFailed(f"{' '.join(map(str, command))}: status {child.returncode}: "
                           f"{errors.decode(errors='replace').strip()}")
    return output.decode()


def ringload_command(setting, server, load):
    urls = [server.url("/")] if load.paths_file else [server.url(load.path)]
    command = [setting.ringload(), "--quiet", "--json", "/dev/stdout", "-t", 1,
               "-c", load.connections, "-d", f"{round(load.seconds * 1000)}ms"]
    if load.paths_file:
        command += ["--paths", load.paths_file, "--popularity", load.popularity]
    if load.pipeline > 1:
        command += ["--pipeline", load.pipeline]
    if load.new_connection:
        command += ["--new-connection", "--close-by", "server"]
    if load.rate_per_s:
        command += ["--rate", round(load.rate_per_s)]
    for header in load.headers:
        command += ["-H", header]
    return command + urls


def ask_ringload(setting, server, load):
    report = json.loads(run_client(ringload_command(setting, server, load)))
    trouble = ringload_trouble(report, load.status)
    if trouble:
        raise SampleFailed(f"ringload on {server.name}: {trouble}: {server.said()}")
    # `bytes` ends with the measured part; the CPU time holds the late answers too.
    answered = report["requests"] + report["answered_late"]
    size = load.body_bytes
    if size is None:
        size = report["bytes"] / max(1, report["requests"])
    return Done(answered, answered * size, report["rate_per_s"], report["bytes_per_s"],
                {f"{which}_us": report["latency_us"][which] for which in ("p50", "p99", "p999")
                 if answered})


def ringload_trouble(report, status):
    """What makes a run worthless, or None."""
    if report["errors_total"]:
        return str(report["errors"])
    if set(report["statuses"]) - {str(status)}:
        return f"statuses {report['statuses']}, expected only {status}"
    if report["unanswered"]:
        return f"{report['unanswered']} requests were never answered"
    return None


def ask_wrk(setting, server, load):
    seconds = math.ceil(load.seconds)  # wrk knows whole ones only
    command = [process.find_program("wrk"), "-t1", f"-c{load.connections}", f"-d{seconds}s",
               f"--timeout={WRK_TIMEOUT_S}s", "--latency"]
    for header in (*load.headers, *(["Connection: close"] if load.new_connection else [])):
        command += ["-H", header]
    if load.pipeline > 1:
        command += ["-s", WRK_PIPELINE, server.url(load.path), "--", load.pipeline]
    else:
        command += [server.url(load.path)]
    output = run_client(command)
    for trouble in ("Socket errors", "Non-2xx"):
        if trouble in output:
            raise SampleFailed(f"wrk on {server.name}: " + " ".join(output.split()))
    return read_wrk(output, load)


def read_wrk(output, load):
    found = re.search(r"(\d+) requests in ([\d.]+)(s|ms|m), ([\d.]+)([KMGT]?)B read", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if not found or not rate:
        raise SampleFailed("wrk printed something else than expected: " + output.strip())
    requests, _, _, number, unit = found.groups()
    requests, rate = int(requests), float(rate.group(1))
    body = load.body_bytes
    if body is None:
        body = float(number) * UNITS[unit] / max(1, requests)
    return Done(requests, requests * body, rate, rate * body)
