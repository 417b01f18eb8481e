"""What others used of the machine while something was measured: CPU time from /proc/stat that is
neither the server's nor ours. It counts ticks of 10 ms, so over short times it is coarse."""

import os
import resource
import time

WARNING_SHARE = 0.10  # of one CPU, used by others than server and client


def machine_busy_s():
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(
            int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_cpu_s():
    used = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        used += usage.ru_utime + usage.ru_stime
    return used


class Watch:
    """`with Watch(server) as watch: ...`, then `watch.share`: of one CPU, by others."""

    def __init__(self, server):
        self.server, self.share = server, 0.0

    def __enter__(self):
        self.began, self.before = time.monotonic(), self._others_s()
        return self

    def __exit__(self, *_):
        elapsed_s = time.monotonic() - self.began
        self.share = max(0.0, (self._others_s() - self.before) / elapsed_s)

    def _others_s(self):
        return machine_busy_s() - own_cpu_s() - self.server.cpu_s()
