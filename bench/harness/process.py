"""Processes that are measured: pinned, tied to the life of who started them, read by the kernel's
clocks."""

import ctypes
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before any fork()
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SERVER_CPU, CLIENT_CPU = 0, 1


def interrupted_by_signals():
    """SIGTERM and SIGHUP end a command as Ctrl-C does: what it made is cleaned up."""
    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def cpus_share_a_core():
    """Whether the CPUs are two threads of one core, whose speeds depend on each other."""
    try:
        listed = pathlib.Path(f"/sys/devices/system/cpu/cpu{SERVER_CPU}/topology/"
                              "thread_siblings_list").read_text()
    except OSError:
        return False
    spans = [[int(number) for number in part.split("-")] for part in listed.strip().split(",")]
    return any(span[0] <= CLIENT_CPU <= span[-1] for span in spans)


def require_cpus():
    """None, or what is missing."""
    if len(os.sched_getaffinity(0) & {SERVER_CPU, CLIENT_CPU}) < 2:
        return "needs CPUs 0 and 1, one for the server and one for the client"
    return None


def find_program(name):
    """Daemons live in sbin, which an ordinary user's PATH lacks. None: not installed."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def die_with_parent(number=signal.SIGKILL):
    LIBC.prctl(PR_SET_PDEATHSIG, int(number))


def adopt_orphans():
    """Processes whose parent ends become our children: the workers of a server that was ended."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_descendants():
    """Ends all that this process and its children have started, and waits until they are gone."""
    for pid in tree(os.getpid())[1:]:
        kill(pid)
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it has ended


def nofile_max():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def start(command, cpu, environment=None, **streams):
    """A child on one CPU, with all the descriptors it may have, that ends when we end."""
    def prepare():
        die_with_parent()
        os.sched_setaffinity(0, {cpu})
        resource.setrlimit(resource.RLIMIT_NOFILE, (nofile_max(), nofile_max()))
    streams = {"stdin": subprocess.DEVNULL, **streams}
    return subprocess.Popen([str(word) for word in command], preexec_fn=prepare,
                            env={**os.environ, **(environment or {})}, **streams)


def children_of(pid):
    try:
        listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [int(child) for child in listed]


def tree(pid):
    """The process and its descendants."""
    found, new = [], [pid]
    while new:
        found += new
        new = [child for parent in new for child in children_of(parent)]
    return found


def cpu_s(pids):
    """User and system time of every thread, ended ones too, in nanosecond resolution: the
    CPU-time clock of each process (clock_getcpuclockid(3))."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def ended_children_cpu_s():
    """Of children that were waited for; a running server is not among them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def rss_bytes(pids):
    """From smaps_rollup, which counts pages; the counter in statm is approximate."""
    total_kib = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total_kib += int(re.search(r"^Rss:\s+(\d+) kB", text, re.MULTILINE).group(1))
    return total_kib * 1024
