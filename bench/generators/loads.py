"""The workloads. Each returns its samples by contender, and the figures they are held against.

The server is always ringserve with one thread; the generators take turns in loading it.
"""

import dataclasses
import typing

from harness import sample, servers
from harness.progress import say, short
from harness.site import KIB, MIB

import crowding
from generators import H2load, Ringload, Wrk, load
from measuring import Figure, alternate, pairs, ratio_figure, say_sample

CONNECTIONS, WARM_SECONDS = 64, 1
LARGE_CONNECTIONS = 4
CAPACITY_SECONDS = 2
LOW_RATE_PER_S = 1000
SECONDS_MAX = 100  # harness.loads.CLIENT_DEADLINE_S ends a generator that hangs
TRACKED_SECONDS, TRACKED_CONNECTIONS, TRACKED_RATE_PER_S = 10, 4, 100


@dataclasses.dataclass
class Setting:
    """What every workload is given."""
    tools: object  # directory of ringload and ringserve
    site: object
    work: object
    congestion: str
    rivals: dict  # of the installed ones, name and path of the program
    rounds: int
    seconds: int
    noise: object

    def server(self):
        """To be used with `with`; in the network namespace of whoever calls."""
        return servers.Server(servers.ringserve(self.tools / "ringserve"), self.site.root,
                              self.work, servers.Demand(CONNECTIONS))

    def ringload(self, *options):
        return Ringload(self.tools / "ringload", self.work, *options)

    def rival(self, name):
        return {"wrk": Wrk, "h2load": H2load}[name](self.rivals[name])


@dataclasses.dataclass
class Contender:
    """Whose turn it is. `name` is what the tables call it."""
    name: str
    server: object
    measure: typing.Callable  # seconds -> {unit: value}

    def cpu_s(self):
        """For Noise: what neither this nor the ended generator has used, others have."""
        return self.server.cpu_s()


def take_turns(contenders, setting):
    """The first run of each, a short one, is not counted."""
    for contender in contenders:
        contender.measure(WARM_SECONDS)
    return alternate(contenders, setting.rounds,
                     lambda contender: contender.measure(setting.seconds), setting.noise)


def small(setting):
    """1 KiB, keep-alive, 64 connections"""
    with setting.server() as server:
        def contender(generator):
            return Contender(generator.name, server,
                             lambda seconds: per_request(
                                 generator, server, setting.site.file(KIB), seconds))

        samples = take_turns([contender(setting.ringload()),
                              *(contender(setting.rival(name)) for name in setting.rivals)],
                             setting)
    return samples, [
        ratio_figure(f"1 KiB: client CPU per request, ringload / {name}", True, 0.85,
                     pairs(samples, "client CPU µs/req", "ringload", name))
        for name in setting.rivals]


def per_request(generator, server, path, seconds):
    done = load(generator, server, path, CONNECTIONS, seconds, KIB)
    return {"client CPU µs/req": done.client_cpu_s / done.requests * 1e6,
            "server CPU µs/req": done.server_cpu_s / done.requests * 1e6,
            "req/s": done.rate_per_s}


def large(setting):
    """1 MiB and 100 MiB, 4 connections; ringload discards or copies the bodies"""
    generators = {"discard": setting.ringload("--body", "discard"),
                  "copy": setting.ringload("--body", "copy")}
    if "wrk" in setting.rivals:
        generators["wrk"] = setting.rival("wrk")
    samples, figures = {}, []
    for size, size_bytes in {"1 MiB": MIB, "100 MiB": 100 * MIB}.items():
        path = setting.site.file(size_bytes)
        with setting.server() as server:
            def contender(name):
                return Contender(f"{size} {name}", server, lambda seconds: per_byte(
                    generators[name], server, path, size_bytes, seconds))

            samples |= take_turns([contender(name) for name in generators], setting)
        if "wrk" in generators:
            figures.append(ratio_figure(
                f"{size}: bytes per client CPU second, ringload / wrk", False, 2,
                pairs(samples, "GB/client CPU-s", f"{size} discard", f"{size} wrk")))
    return samples, figures


def per_byte(generator, server, path, size_bytes, seconds):
    done = load(generator, server, path, LARGE_CONNECTIONS, seconds, size_bytes)
    gigabytes = done.bytes / 1e9
    return {"GB/client CPU-s": gigabytes / done.client_cpu_s,
            "GB/server CPU-s": gigabytes / done.server_cpu_s,
            "req/s": done.rate_per_s}


def rate(setting):
    """1 KiB, open loop, 64 connections: at half the capacity, and at 1000/s"""
    with setting.server() as server:
        ringload, path = setting.ringload(), setting.site.file(KIB)
        closed = ringload.report(server.url(path), CONNECTIONS,
                                 "--warmup", f"{WARM_SECONDS}s", "-d", f"{CAPACITY_SECONDS}s")
        capacity = closed["rate_per_s"]
        say(f"  capacity, by a closed loop: {short(capacity)} req/s")
        wanted = {"half capacity": round(capacity / 2), f"{LOW_RATE_PER_S}/s": LOW_RATE_PER_S}

        def contender(name):
            return Contender(name, server, lambda seconds: on_schedule(
                ringload, server.url(path), wanted[name], seconds))

        samples = take_turns([contender(name) for name in wanted], setting)
    figures = []
    for name, rounds in samples.items():
        figures += [Figure(f"open loop, {name}: rate off by", True, 0.1,
                           [sample["% off"] for sample in rounds], "%"),
                    Figure(f"open loop, {name}: schedule error p99", True, 100,
                           [sample["µs schedule error p99"] for sample in rounds], "µs")]
    return samples, figures


def on_schedule(ringload, url, wanted, seconds):
    """An answer that came after the end counts for the rate: it was asked for in time. One that
    never came, or was never asked for, does not."""
    report = ringload.report(url, CONNECTIONS, "--rate", wanted,
                             "-d", f"{seconds}s")
    achieved = (report["requests"] + report["answered_late"]) / report["duration_s"]
    late, latency = report["schedule_error_us"], report["latency_us"]
    return {"req/s": achieved, "% off": abs(achieved / wanted - 1) * 100,
            "not asked or not answered": report["unsent"] + report["unanswered"],
            **{f"µs schedule error {which}": late[which] for which in ("p50", "p99", "max")},
            **{f"µs latency {which}": latency[which] for which in ("p50", "p99", "max")}}


def tracking(setting):
    """what ringload's looking at the sockets costs at 28,000 in TIME_WAIT, 100 req/s"""
    samples = []
    for number in range(setting.rounds):
        samples.append(sample.run(lambda: looking(setting), setting.congestion))
        say_sample(number, setting.rounds, "ringload", samples[-1])
    return {"ringload": samples}, [
        Figure("tracking at 28,000 in TIME_WAIT: of one core", True, 1,
               [sample["% of one core"] for sample in samples], "%")]


def looking(setting):
    crowding.keep_time_wait()
    with setting.server() as server:
        url, ringload = server.url(setting.site.file(KIB)), setting.ringload()
        crowding.fill(ringload, url)
        report = ringload.report(url, TRACKED_CONNECTIONS, "--rate", TRACKED_RATE_PER_S,
                                 "-d", f"{TRACKED_SECONDS}s")
    sockets = report["sockets"]
    crowding.require_crowd(sockets)
    return {"% of one core": sockets["cost_cpu_s"] / report["duration_s"] * 100,
            "looks": sockets["looks"], "dumps": sockets["dumps"],
            "in TIME_WAIT at the end": sockets["time_wait_end"]}


ALL = {"small": small, "large": large, "rate": rate, "tracking": tracking}
