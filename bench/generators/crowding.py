"""A private network namespace with 28,000 sockets in TIME_WAIT, for what tracking them costs.

The namespace goes with its last process, and the sockets with it; the machine's own settings and
ports are never touched. Needs root.
"""

import contextlib
import ctypes
import os
import pathlib

import namespace
from measuring import ClientFailed

SOCKETS = 28000
SETTINGS = {
    "ip_local_port_range": "1024 65535",
    "tcp_tw_reuse": "0",  # else a new connection takes one of them over after a second
    "tcp_max_tw_buckets": "262144",
}
FILLING_CONNECTIONS = 32
FILLING_SECONDS_MAX = 40  # the first ones leave TIME_WAIT 60 s after they entered it


@contextlib.contextmanager
def private_namespace():
    """Within the `with` block this process, and what it starts, is in a new namespace."""
    with open("/proc/self/ns/net") as before:
        namespace.enter(namespace.congestion_control())
        try:
            for name, value in SETTINGS.items():
                pathlib.Path("/proc/sys/net/ipv4", name).write_text(value)
            yield
        finally:
            return_to(before)


def return_to(before):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(before.fileno(), namespace.CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns(CLONE_NEWNET): {os.strerror(number)}")


def fill(ringload, url):
    """One connection per request, closed by us: each leaves a socket in TIME_WAIT here."""
    ringload.report(url, FILLING_CONNECTIONS, "--new-connection", "-n", SOCKETS,
                    "-d", f"{FILLING_SECONDS_MAX}s")


def require_crowd(sockets):
    """`sockets` of ringload's JSON. With fewer in TIME_WAIT the cost would be of something else."""
    fewest = min(sockets["time_wait_start"], sockets["time_wait_end"])
    if fewest < SOCKETS:
        raise ClientFailed(f"only {fewest} sockets in TIME_WAIT, of {SOCKETS}: either they could "
                           f"not be made within {FILLING_SECONDS_MAX} s, or they left too early")
