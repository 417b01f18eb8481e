"""The load generators that are compared: how each is called, and what its output says.

Each runs to its own end on CLIENT_CPU. A generator that met an error has not measured what was
asked for: SampleFailed.
"""

import dataclasses
import json
import pathlib
import re

from harness.loads import UNITS, run_client
from harness.process import ended_children_cpu_s
from harness.sample import SampleFailed

PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client"}
VERSION_OPTIONS = {"wrk": "-v", "h2load": "--version"}
WRK_TIMEOUT_S = 30  # its own 2 s could end a download


@dataclasses.dataclass
class Load:
    """What one run came to: by the generator's own output, and by the kernel's account."""
    requests: int
    bytes: int
    rate_per_s: float
    client_cpu_s: float = 0
    server_cpu_s: float = 0


class Ringload:
    name = "ringload"

    def __init__(self, program, work, *options):
        self.program, self.options = str(program), options
        self.json = pathlib.Path(work) / "ringload.json"

    def report(self, url, connections, *options):
        """One run, as ringload's JSON tells it (client/load/report/JSON.md)."""
        run_client([self.program, "--quiet", "--json", str(self.json), "-t", "1",
                    "-c", str(connections), *self.options, *map(str, options), url])
        report = json.loads(self.json.read_text())
        if report["errors_total"] > 0:
            raise SampleFailed(f"ringload on {url}: {report['errors']}")
        return report

    def load(self, url, connections, seconds, body_size):
        report = self.report(url, connections, "-d", f"{seconds}s")
        # `bytes` ends with the measured part; the CPU time holds the late answers too.
        answered = report["requests"] + report["answered_late"]
        return Load(answered, answered * body_size, report["rate_per_s"])


class Wrk:
    name = "wrk"

    def __init__(self, program):
        self.program = program

    def load(self, url, connections, seconds, _body_size):
        output = run_client([self.program, "-t1", f"-c{connections}", f"-d{seconds}s",
                             f"--timeout={WRK_TIMEOUT_S}s", url])
        for trouble in ("Socket errors", "Non-2xx"):
            if trouble in output:
                raise SampleFailed(f"wrk on {url}: " + " ".join(output.split()))
        requests, number, unit = find(
            r"(\d+) requests in [^,]+, ([\d.]+)([KMGT]?)B read", output, self.name)
        rate, = find(r"Requests/sec:\s+([\d.]+)", output, self.name)
        return Load(int(requests), round(float(number) * UNITS[unit]), float(rate))


class H2load:
    name = "h2load"

    def __init__(self, program):
        self.program = program

    def load(self, url, connections, seconds, _body_size):
        output = run_client([self.program, "--h1", "-t1", f"-c{connections}", f"-D{seconds}", url])
        done, succeeded, failed, errored, timeout = map(int, find(
            r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout",
            output, self.name))
        if failed or errored or timeout or succeeded != done:
            raise SampleFailed(f"h2load on {url}: " + " ".join(output.split()))
        rate, = find(r"finished in [^,]+, ([\d.]+) req/s", output, self.name)
        size, = find(r"traffic: \S+ \((\d+)\) total", output, self.name)
        return Load(done, int(size), float(rate))


def find(pattern, output, name):
    found = re.search(pattern, output)
    if not found:
        raise SampleFailed(f"{name} printed something else than expected: " + output.strip())
    return found.groups()


def load(generator, server, path, connections, seconds, body_size):
    """One run of a generator, with the CPU time of both sides. The client's is user and system
    time of its whole process, from its start to its exit, the start of its threads included."""
    client_cpu, server_cpu = ended_children_cpu_s(), server.cpu_s()
    done = generator.load(server.url(path), connections, seconds, body_size)
    done.client_cpu_s = ended_children_cpu_s() - client_cpu
    done.server_cpu_s = server.cpu_s() - server_cpu
    if done.requests == 0:
        raise SampleFailed(f"{generator.name} had no answer within {seconds} s")
    return done
