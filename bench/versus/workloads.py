"""The workloads. Each returns its samples by server, and the figures they are held against."""

import dataclasses
import socket
import statistics
import subprocess
import time

import measuring
from measuring import alternate, ratios, run_client, say
from servers import CLIENT_CPU, START_DEADLINE_S, Launcher, pin

SMALL_PATH, LARGE_PATH = "/small-1KiB.bin", "/large-100MiB.bin"
FILE_SIZES = {SMALL_PATH: 1 << 10, LARGE_PATH: 100 << 20}
SEND_PATHS = ["auto", "read-write", "writev", "sendfile", "splice", "uring-send", "uring-splice",
              "send-zc"]
CONNECTIONS, PIPELINED = 64, 16
WARM_SECONDS = 1
IDLE_CONNECTIONS = 8000
IDLE_DEADLINE_S = 60
STARTS = 21
SETTLE_S = 0.5


@dataclasses.dataclass
class Figure:
    """A goal of the project: `values` (one a round; their median counts) against `goal`."""
    what: str
    at_most: bool
    goal: float
    values: list
    unit: str = "×"

    def reached(self):
        median = statistics.median(self.values)
        return median <= self.goal if self.at_most else median >= self.goal


@dataclasses.dataclass
class Setting:
    """What every workload is given."""
    ringserve: str
    root: object
    work: object
    peers: list  # names of those that are installed
    tools: object  # directory of bench_fetch and bench_idle
    wrk: str
    rounds: int
    seconds: int
    noise: object

    def launcher(self):
        return Launcher(self.ringserve, self.root, self.work)


def against_all(setting, measure):
    """`measure` takes a server and seconds. The first run of each server is not counted."""
    with setting.launcher() as launcher:
        servers = [launcher.ringserve_with(), *map(launcher.peer, setting.peers)]
        for server in servers:
            measure(server, WARM_SECONDS)
        return alternate(servers, setting.rounds,
                         lambda server: measure(server, setting.seconds), setting.noise)


def small(setting):
    """1 KiB, keep-alive, 64 connections"""
    samples = against_all(setting, lambda server, seconds: measuring.with_wrk(
        setting.wrk, server, SMALL_PATH, seconds, CONNECTIONS))
    figures = []
    unit = "CPU µs/req"
    if "nginx" in samples:
        figures.append(Figure("1 KiB: server CPU per request, ringserve / nginx", True, 0.65,
                              ratios(samples, unit, "ringserve", ["nginx"], min)))
    if setting.peers:
        figures.append(Figure(f"1 KiB: the same / best of {', '.join(setting.peers)}", True, 0.80,
                              ratios(samples, unit, "ringserve", setting.peers, min)))
    return samples, figures


def pipelined(setting):
    """1 KiB, 16 requests in one write, 64 connections"""
    samples = against_all(setting, lambda server, seconds: pipeline(setting, server, seconds))
    figures = []
    if setting.peers:
        figures.append(Figure(f"pipelined: req/s, ringserve / best of {', '.join(setting.peers)}",
                              False, 5.0,
                              ratios(samples, "req/s", "ringserve", setting.peers, max)))
    return samples, figures


def pipeline(setting, server, seconds):
    cpu = server.cpu_s()
    fields = run_tool(setting, "bench_pipeline", server, SMALL_PATH, CONNECTIONS, PIPELINED,
                      seconds)
    cpu = server.cpu_s() - cpu
    requests = int(fields["requests"])
    return {"req/s": requests / float(fields["seconds"]), "CPU µs/req": cpu / requests * 1e6}


def run_tool(setting, tool, server, *arguments):
    """Runs one of our clients; what it printed as name=value."""
    output = run_client([str(setting.tools / tool), "127.0.0.1", str(server.port),
                         *map(str, arguments)])
    return dict(field.split("=") for field in output.split())


def large(setting):
    """100 MiB to one client that discards, by every send path"""
    unit = "GB/CPU-s"
    with setting.launcher() as launcher:
        servers = [launcher.ringserve_with("--send-path", path, name=path) for path in SEND_PATHS]
        if "nginx" in setting.peers:
            servers.append(launcher.peer("nginx"))
        count = {server.name: fetches_in(setting, server) for server in servers}
        samples = alternate(servers, setting.rounds,
                            lambda server: fetch(setting, server, count[server.name]),
                            setting.noise)
    figures = [Figure("100 MiB: GB per server CPU second, auto / read-write", False, 2.5,
                      ratios(samples, unit, "auto", ["read-write"], max))]
    if "nginx" in samples:
        figures.append(Figure("100 MiB: the same, auto / nginx (sendfile)", False, 1.0,
                              ratios(samples, unit, "auto", ["nginx"], max)))
    return samples, figures


def fetches_in(setting, server):
    """So many that a round takes about the seconds asked for; this also warms."""
    warm = fetch(setting, server, 3)
    return max(3, round(setting.seconds * warm["GB/s"] * 1e9 / FILE_SIZES[LARGE_PATH]))


def fetch(setting, server, count):
    cpu = server.cpu_s()
    fields = run_tool(setting, "bench_fetch", server, LARGE_PATH, count)
    cpu = server.cpu_s() - cpu
    if int(fields["bytes"]) != count * FILE_SIZES[LARGE_PATH]:
        raise measuring.ClientFailed(f"{server.name} sent {fields['bytes']} bytes")
    gigabytes = int(fields["bytes"]) / 1e9
    return {"GB/CPU-s": gigabytes / cpu, "GB/s": gigabytes / float(fields["seconds"])}


def idle(setting):
    """8000 idle keep-alive connections: growth of RSS per connection, after a warm-up"""
    samples = {}
    for number in range(setting.rounds):
        for name in ["ringserve"] + [peer for peer in setting.peers if peer == "nginx"]:
            with setting.launcher() as launcher:  # fresh: memory once taken is kept
                server = (launcher.ringserve_with() if name == "ringserve"
                          else launcher.peer(name))
                sample = {"bytes/connection": bytes_per_idle_connection(setting, server)}
            samples.setdefault(name, []).append(sample)
            say(f"  round {number + 1}/{setting.rounds}  {name:<18} "
                f"{sample['bytes/connection']:.0f} bytes/connection")
    values = [sample["bytes/connection"] for sample in samples["ringserve"]]
    return samples, [Figure("idle: RSS per connection at 8000", True, 300, values, " bytes")]


def bytes_per_idle_connection(setting, server):
    client = subprocess.Popen(
        [str(setting.tools / "bench_idle"), "127.0.0.1", str(server.port), SMALL_PATH,
         str(IDLE_CONNECTIONS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=pin(CLIENT_CPU))
    try:
        warm = rss_when(client, "warm", server)
        client.stdin.write("\n")
        client.stdin.flush()
        return (rss_when(client, "idle", server) - warm) / IDLE_CONNECTIONS
    finally:
        client.stdin.close()
        client.stdout.close()
        try:
            client.wait(IDLE_DEADLINE_S)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()


def rss_when(client, word, server):
    if client.stdout.readline().strip() != word:
        raise measuring.ClientFailed("bench_idle ended early")
    time.sleep(SETTLE_S)  # let the server see the last close
    return server.rss_bytes()


def start(setting):
    """from exec to the listening line, and to the first connection"""
    command = [str(setting.ringserve), "--listen", "127.0.0.1:0", "--print-listen",
               str(setting.root)]
    samples = [one_start(command) for _ in range(STARTS)]
    return {"ringserve": samples}, [
        Figure("start: exec to listening", True, 100,
               [sample["ms to listening"] for sample in samples], " ms")]


def one_start(command):
    begin = time.monotonic()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True)
    try:
        words = server.stdout.readline().split()
        listening = time.monotonic()
        if len(words) != 2 or words[0] != "listening":
            raise RuntimeError(f"ringserve did not start: {' '.join(command)}")
        host, port = words[1].rsplit(":", 1)
        socket.create_connection((host, int(port)), timeout=START_DEADLINE_S).close()
        connected = time.monotonic()
    finally:
        server.terminate()
        server.stdout.close()
        server.wait()
    return {"ms to listening": (listening - begin) * 1e3,
            "ms to connected": (connected - begin) * 1e3}


ALL = {"small": small, "pipelined": pipelined, "large": large, "idle": idle, "start": start}
