"""A private network namespace for the run, so that a congestion control can be chosen.

BBR paces with timers: on a loopback that costs the server several times what the send path does,
and hides it. The namespace leaves the machine's own setting alone.
"""

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
SETTING = "/proc/sys/net/ipv4/tcp_congestion_control"


def congestion_control():
    with open(SETTING) as setting:
        return setting.read().strip()


def enter(congestion):
    """Moves this process, and all it will start, into a new namespace. Throws OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare(CLONE_NEWNET): {os.strerror(number)} (needs root)")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    try:
        with open(SETTING, "w") as setting:
            setting.write(congestion)
    except OSError as error:
        raise OSError(error.errno, f"{SETTING}: {congestion}: {error.strerror} (allowed in a "
                      "namespace: what tcp_allowed_congestion_control names)") from None
