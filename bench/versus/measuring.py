"""Rounds in alternating order, what else the machine was doing meanwhile, and ratios."""

import os
import re
import resource
import statistics
import subprocess
import sys
import time

from servers import CLIENT_CPU, pin

NOISE_WARNING_SHARE = 0.10  # of one CPU, used by others than server and client
CLIENT_DEADLINE_S = 300


class ClientFailed(RuntimeError):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


class Noise:
    """CPU time used by others, from /proc/stat; the worst share of one CPU is kept."""

    def __init__(self):
        self.worst_share = 0.0

    def watch(self, server, action):
        start, busy, ours = time.monotonic(), machine_busy_s(), ours_s(server)
        result = action()
        elapsed = time.monotonic() - start
        others = (machine_busy_s() - busy) - (ours_s(server) - ours)
        if elapsed > 0.5:  # /proc/stat counts ticks of 10 ms
            self.worst_share = max(self.worst_share, others / elapsed)
        return result


def machine_busy_s():
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(
            int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def ours_s(server):
    used = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        used += usage.ru_utime + usage.ru_stime
    return used + server.cpu_s()


def run_client(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=CLIENT_DEADLINE_S, preexec_fn=pin(CLIENT_CPU))
    if done.returncode != 0:
        raise ClientFailed(f"{os.path.basename(command[0])}: {done.stderr.strip()}")
    return done.stdout


def with_wrk(wrk, server, path, seconds, connections):
    """One run of wrk against a server; req/s and the server's CPU per request."""
    cpu = server.cpu_s()
    output = run_client([wrk, "-t1", f"-c{connections}", f"-d{seconds}s", server.url(path)])
    cpu = server.cpu_s() - cpu
    for trouble in ("Socket errors", "Non-2xx"):
        if trouble in output:
            raise ClientFailed(f"wrk on {server.name}: " + " ".join(output.split()))
    requests = int(re.search(r"(\d+) requests in", output).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))
    return {"req/s": rate, "CPU µs/req": cpu / requests * 1e6}


def alternate(servers, rounds, measure, noise):
    """A B C, C B A, … so that a drift of the machine meets all alike. {name: [sample, …]}"""
    samples = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            sample = noise.watch(server, lambda: measure(server))
            samples[server.name].append(sample)
            values = ", ".join(f"{short(value)} {unit}" for unit, value in sample.items())
            say(f"  round {number + 1}/{rounds}  {server.name:<18} {values}")
    return samples


def ratios(samples, unit, ours, others, best):
    """Ours against the best of the others, round by round."""
    mine = [sample[unit] for sample in samples[ours]]
    theirs = [best(samples[name][i][unit] for name in others) for i in range(len(mine))]
    return [a / b for a, b in zip(mine, theirs)]


def short(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"


def spread(values):
    """Median, and the range when there is one."""
    middle = short(statistics.median(values))
    if len(values) < 2:
        return middle
    return f"{middle}  ({short(min(values))} – {short(max(values))})"
