"""The workloads that are more than requests: idle connections, and cold files beside a hot one."""

import dataclasses
import json
import signal
import subprocess
import time

from harness import loads, process, sample
from harness.noise import Watch
from harness.sample import SampleFailed
from harness.servers import Demand, Server
from harness.site import COLD_BYTES, COLD_FILES, cached_share, drop_from_page_cache

IDLE_CONNECTIONS = 8000
IDLE_WARM_CONNECTIONS = 500  # bench_idle opens so many first, and closes them
QUIET_S, QUIET_DEADLINE_S = 0.02, 10
COLD_DEADLINE_S = 60
READ_SHARE_MIN = 0.5  # of a cold file, afterwards: the kernel may have taken some back
HOT_ANSWERS_MIN = 200  # fewer have no 99th percentile


def idle(setting, subject, load):
    """Growth of the resident memory from a warm server to one with idle connections."""
    return sample.run(lambda: idle_in_namespace(setting, subject, load), setting.congestion)


def idle_in_namespace(setting, subject, load):
    demand = Demand(IDLE_CONNECTIONS + IDLE_WARM_CONNECTIONS)
    with Server(subject, setting.root, setting.work, demand) as server, Watch(server) as watch:
        loads.ready(server, load)
        client = process.start(
            [setting.build / "bench_idle", "127.0.0.1", server.port, load.path, IDLE_CONNECTIONS],
            process.CLIENT_CPU, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        warm = rss_when(client, b"warm", server)
        client.stdin.write(b"\n")
        client.stdin.flush()
        full = rss_when(client, b"idle", server)
        client.communicate(b"\n")
    return {"metrics": {"rss_bytes_per_connection": (full - warm) / IDLE_CONNECTIONS,
                        "rss_bytes": full}, "others_cpu_share": round(watch.share, 3)}


def rss_when(client, word, server):
    if client.stdout.readline().strip() != word:
        raise SampleFailed(f"bench_idle: {client.stderr.read().decode(errors='replace').strip()}: "
                           f"{server.said()}")
    wait_until_quiet(server)
    return server.rss_bytes()


def wait_until_quiet(server):
    """Until it no longer runs: then it has seen the last connection come or go."""
    end, used = time.monotonic() + QUIET_DEADLINE_S, None
    while used != (used := server.cpu_s()):
        if time.monotonic() > end:
            raise SampleFailed(f"{server.name} is never idle")
        time.sleep(QUIET_S)


def cold(setting, subject, load):
    """Latency of a hot file for as long as others read cold ones, from the disk."""
    return sample.run(lambda: cold_in_namespace(setting, subject, load), setting.congestion)


def cold_in_namespace(setting, subject, load):
    files = [setting.root / f"cold/{number}.bin" for number in range(COLD_FILES)]
    for file in files:
        drop_from_page_cache(file)
    with Server(subject, setting.root, setting.work, Demand(load.connections, 8)) as server:
        load = loads.ready(server, load)
        loads.ask(setting, server, loads.warming(load))
        with Watch(server) as watch:
            hot_report, cold_reports = both(setting, server, load, files)
        rss_bytes = server.rss_bytes()
    require_worth(hot_report, cold_reports, files)
    latency = hot_report["latency_us"]
    return {"metrics": {
        **{f"{which}_us": latency[which] for which in ("p50", "p99", "p999")},
        "requests_per_s": hot_report["rate_per_s"],
        "bytes_per_s": COLD_FILES * COLD_BYTES / max(
            report["duration_s"] for report in cold_reports),
        "rss_bytes": rss_bytes}, "others_cpu_share": round(watch.share, 3)}


def both(setting, server, load, files):
    """The report of ringload on the hot file, and those of one on each cold file: the hot one is
    ended when the cold ones are there."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    cold_clients = [process.start(
        [setting.ringload(), "--quiet", "--json", "/dev/stdout", "-t", 1, "-c", 1, "-n", 1,
         server.url(f"/cold/{file.name}")], process.CLIENT_CPU, **options) for file in files]
    hot_client = process.start(loads.ringload_command(setting, server, dataclasses.replace(
        load, seconds=COLD_DEADLINE_S)), process.CLIENT_CPU, **options)
    cold_reports = [report_of(client, 0) for client in cold_clients]
    hot_client.send_signal(signal.SIGINT)
    return report_of(hot_client, 130), cold_reports


def report_of(client, status):
    try:
        output, errors = client.communicate(timeout=COLD_DEADLINE_S)
    except subprocess.TimeoutExpired:
        raise SampleFailed(f"ringload did not end within {COLD_DEADLINE_S} s") from None
    if client.returncode != status:
        raise SampleFailed(f"ringload: status {client.returncode}, expected {status}: "
                           f"{errors.decode(errors='replace').strip()}")
    return json.loads(output)


def require_worth(hot_report, cold_reports, files):
    """Throws SampleFailed. What the hot client had not got when it was ended does not count."""
    for report in (hot_report | {"unanswered": 0}, *cold_reports):
        trouble = loads.ringload_trouble(report, 200)
        if trouble:
            raise SampleFailed(f"ringload on {', '.join(report['run']['urls'])}: {trouble}")
    for file in files:
        if cached_share(file) < READ_SHARE_MIN:
            raise SampleFailed(f"{file} was not read, or not by way of the page cache")
    if hot_report["requests"] < HOT_ANSWERS_MIN:
        raise SampleFailed(f"only {hot_report['requests']} answers of the hot file while cold ones "
                           "were read")
