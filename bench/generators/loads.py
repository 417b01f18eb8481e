"""The workloads. Each returns its samples by contender, and the figures they are held against.

The server is always ringserve with one thread; who takes turns are the generators.
"""

import dataclasses
import typing

import crowding
import generators
from generators import H2load, Ringload, Wrk
from measuring import alternate, ratios, say, short
from workloads import CONNECTIONS, FILE_SIZES, LARGE_PATH, SMALL_PATH, WARM_SECONDS, Figure

MEDIUM_PATH, MEDIUM_SIZE = "/medium-1MiB.bin", 1 << 20
LARGE_FILES = {"1 MiB": (MEDIUM_PATH, MEDIUM_SIZE), "100 MiB": (LARGE_PATH, FILE_SIZES[LARGE_PATH])}
LARGE_CONNECTIONS = 4
CAPACITY_SECONDS = 2
LOW_RATE_PER_S = 1000
TIME_WAIT_SOCKETS = 28000
FILLING_CONNECTIONS = 32
FILLING_SECONDS_MAX = 40  # the first ones leave TIME_WAIT 60 s after they entered it
TRACKED_SECONDS = 10
TRACKED_CONNECTIONS, TRACKED_RATE_PER_S = 4, 100


@dataclasses.dataclass
class Contender:
    """Whose turn it is. `name` is what the tables call it."""
    name: str
    server: object
    measure: typing.Callable  # seconds -> {unit: value}

    def cpu_s(self):
        """For Noise, which takes what is left for that of others."""
        return self.server.cpu_s()


def take_turns(contenders, setting):
    """The first run of each, short, is not counted."""
    for contender in contenders:
        contender.measure(WARM_SECONDS)
    return alternate(contenders, setting.rounds,
                     lambda contender: contender.measure(setting.seconds), setting.noise)


def ringload_with(setting, *options):
    return Ringload(setting.tools / "ringload", setting.work, *options)


def small(setting):
    """1 KiB, keep-alive, 64 connections, one thread"""
    rivals = [setting.peer_classes[name](path) for name, path in setting.peers.items()]
    with setting.launcher() as launcher:
        server = launcher.ringserve_with()
        contenders = [
            Contender(each.name, server, lambda seconds, each=each: per_request(
                each, server, seconds))
            for each in [ringload_with(setting), *rivals]]
        samples = take_turns(contenders, setting)
    return samples, [
        Figure(f"1 KiB: client CPU per request, ringload / {rival.name}", True, 0.85,
               ratios(samples, "client CPU µs/req", "ringload", [rival.name], min))
        for rival in rivals]
