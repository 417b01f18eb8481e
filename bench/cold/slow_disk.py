"""A disk that gives so many bytes a second to some processes and is as it was to all others: the
throttle of the kernel's block layer (cgroup v1 blkio, or v2 io). It needs root.

Reads are charged to the process that needs the page, also those that threads of io_uring do.
"""

import contextlib
import os
import pathlib

from harness.sample import SampleFailed

MOUNTS = pathlib.Path("/proc/self/mounts")
NAME = "ringserve-bench-cold"


class NoThrottle(RuntimeError):
    """What is missing, and what to do."""


def disk_of(directory):
    """"MAJOR:MINOR" of the whole disk that a directory is on."""
    device = os.stat(directory).st_dev
    node = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not node.exists():
        raise NoThrottle(f"{directory} is not on a block device: choose another directory "
                         "(--keep-files DIR)")
    if (node / "partition").exists():
        return (node.resolve().parent / "dev").read_text().strip()
    return (node / "dev").read_text().strip()


def hierarchies():
    """[(mount point, version)] of those that can throttle."""
    found = []
    for line in MOUNTS.read_text().splitlines():
        _, point, kind, options = line.split()[:4]
        if kind == "cgroup" and "blkio" in options.split(","):
            found.append((pathlib.Path(point), 1))
        if kind == "cgroup2":
            controllers = pathlib.Path(point) / "cgroup.controllers"
            if controllers.exists() and "io" in controllers.read_text().split():
                found.append((pathlib.Path(point), 2))
    return found


class SlowDisk:
    """`with SlowDisk(...) as disk:`, and in it `with disk.for_children():`."""

    def __init__(self, directory, bytes_per_s):
        self.device, self.bytes_per_s = disk_of(directory), bytes_per_s
        self.group = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise NoThrottle("a slow disk is made with a cgroup, which takes root: run it as root, "
                             "or only --scenes full-speed")
        there = hierarchies()
        if not there:
            raise NoThrottle("no cgroup hierarchy here has the controller blkio (v1) or io (v2): "
                             "mount one: mount -t cgroup -o blkio blkio /tmp/blkio")
        self.point, version = there[0]
        self.group = self.point / f"{NAME}-{os.getpid()}"
        if version == 2:
            (self.point / "cgroup.subtree_control").write_text("+io")
        self.group.mkdir()
        limit, line = (("blkio.throttle.read_bps_device", f"{self.device} {self.bytes_per_s}")
                       if version == 1 else ("io.max", f"{self.device} rbps={self.bytes_per_s}"))
        try:
            (self.group / limit).write_text(line)
        except OSError as error:
            self.__exit__()
            raise NoThrottle(f"{self.group / limit}: {line}: {error.strerror}") from None
        return self

    def __exit__(self, *_):
        self.group.rmdir()

    @contextlib.contextmanager
    def for_children(self):
        """Processes started meanwhile have the slow disk; not we, nor those of before or after."""
        before = own_group(self.point)
        move_to(self.group)
        try:
            yield
        finally:
            move_to(before)


def own_group(point):
    """The cgroup of this process in the hierarchy mounted there."""
    device = os.stat(point).st_dev
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        is_it = "blkio" in controllers.split(",") or (number == "0" and controllers == "")
        group = point / path.lstrip("/")
        if is_it and group.exists() and os.stat(group).st_dev == device:
            return group
    return point


def move_to(group):
    try:
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        raise SampleFailed(f"{group}/cgroup.procs: {error.strerror}") from None


