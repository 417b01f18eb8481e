"""A private network namespace (network_namespaces(7)) for one sample, or for a whole command.

Its ports, sockets in TIME_WAIT and TCP metrics are its own and go with its last process; the
machine's settings are never touched. Root keeps its identity. An ordinary user gets a user
namespace (user_namespaces(7)) in which it is still itself, so that servers find the user that
their configuration names.
"""

import argparse
import ctypes
import errno
import fcntl
import os
import pathlib
import socket
import struct

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
TCP_SETTINGS = pathlib.Path("/proc/sys/net/ipv4")
CONGESTION = TCP_SETTINGS / "tcp_congestion_control"
LIBC = ctypes.CDLL(None, use_errno=True)  # here, not later: children of fork() need it loaded
# More ports than the default, so that none runs out with a connection for each request; servers
# listen below them, or a client that is too early could connect to itself.
PORTS_SETTING, PORTS = TCP_SETTINGS / "ip_local_port_range", "10240 65535"


def congestion_control():
    return CONGESTION.read_text().strip()


def choose_congestion(asked):
    """The congestion control for the samples. BBR paces with timers: on a loopback that costs a
    server several times what its send path does, and hides it; so reno stands in for it."""
    if asked == "host" or (not asked and not congestion_control().startswith("bbr")):
        return congestion_control()
    return asked or "reno"


def call(name, *arguments):
    """A function of libc that returns 0. Throws OSError."""
    if getattr(LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {errno.errorcode[number]} ({os.strerror(number)})")


def unshare_network():
    if os.geteuid() == 0:
        call("unshare", CLONE_NEWNET)
        return
    user, group = os.geteuid(), os.getegid()
    try:
        call("unshare", CLONE_NEWUSER | CLONE_NEWNET)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}: this user may not make namespaces; allow "
                      "it (user.max_user_namespaces, kernel.unprivileged_userns_clone, AppArmor, "
                      "a container's seccomp profile) or run this as root") from None
    for name, line in {"setgroups": "deny", "uid_map": f"{user} {user} 1",
                       "gid_map": f"{group} {group} 1"}.items():
        pathlib.Path("/proc/self", name).write_text(line)


def enter(congestion):
    """Moves this process, and all it will start, into a new network namespace with `lo` up and
    this congestion control. Only in a process with one thread. Throws OSError."""
    unshare_network()
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    PORTS_SETTING.write_text(PORTS)
    if congestion_control() != congestion:
        set_congestion(congestion)


def set_congestion(congestion):
    try:
        CONGESTION.write_text(congestion)
    except OSError as error:
        raise OSError(error.errno, f"{CONGESTION}: {congestion}: {error.strerror}; here there are "
                      f"{' '.join(available_congestion_controls())}") from None


def available_congestion_controls():
    return (TCP_SETTINGS / "tcp_available_congestion_control").read_text().split()


def congestion_argument(text):
    """For an option --congestion: what choose_congestion() takes. Throws ArgumentTypeError."""
    known = [*available_congestion_controls(), "host"]
    if text not in known:
        raise argparse.ArgumentTypeError(f"{text}: here there are {', '.join(known)}")
    return text
