"""What a run takes of the machine, so that what is missing is told before the first sample and not
after half an hour. Nothing is made for it but, for a moment, one small file (require_disk).
"""

import math
import os
import pathlib
import tempfile

from harness import process, servers, site
from harness.servers import Demand

BLOCK_BYTES = 4096  # what a small file or directory takes at least
SPARE_BYTES = 32 << 20  # for lists, logs and configurations
PATH_BYTES = 32  # of a line in the list of a million files, at most
PROBE_BYTES = 16 * BLOCK_BYTES


class Missing(RuntimeError):
    """What there is too little of, how much it takes, and what to do."""


class Wanted:
    """Stands in for a site.Site: makes nothing, but notes what making it would take: what is there
    already takes nothing."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.lists = self.root.parent
        self.asker = ""  # the workload that asks now
        self.parts = {}  # {path: (bytes, inodes, asker)}

    def file(self, size_bytes):
        path = f"/{size_bytes}-bytes.bin"
        self._note(self.root / path[1:], on_disk(size_bytes), 1)
        return path

    def mixed(self):
        sizes = site.mixed_sizes()
        directories = math.ceil(len(sizes) / site.MIXED_FILES_PER_DIRECTORY)
        return self._note(self.lists / "mixed.txt",
                          sum(map(on_disk, sizes)) + directories * BLOCK_BYTES,
                          len(sizes) + directories)

    def cold(self):
        return self._note(self.lists / "cold.txt", site.COLD_FILES * site.COLD_BYTES,
                          site.COLD_FILES)

    def many(self):
        directories = math.prod(site.MANY_DIRECTORIES)
        return self._note(self.lists / "million.txt",
                          directories * BLOCK_BYTES + site.MANY_ASKED * PATH_BYTES,
                          directories * (site.MANY_FILES_PER_DIRECTORY + 1))

    def _note(self, path, size_bytes, inodes):
        if not path.exists():
            self.parts.setdefault(path, (size_bytes, inodes, self.asker))
        return path


def on_disk(size_bytes):
    return math.ceil(size_bytes / BLOCK_BYTES) * BLOCK_BYTES


def require_room(directory, wanted, free=None, leave_out="--workloads"):
    """Throws Missing; `leave_out`: the option by which less is needed, or None. A file system without
    a fixed number of inodes (btrfs) says that it has none at all."""
    free = free or os.statvfs(directory)
    free_bytes = free.f_bavail * free.f_frsize - SPARE_BYTES
    free_inodes = free.f_favail if free.f_files else math.inf
    for at, there, size, unit in ((0, free_bytes, 10**6, "MB"), (1, free_inodes, 1, "inodes")):
        needed = sum(part[at] for part in wanted.parts.values())
        if needed and needed > there:
            largest = max(wanted.parts.values(), key=lambda part: part[at])
            raise Missing(
                f"{directory}: the files to serve need {math.ceil(needed / size):,} {unit} "
                f"({largest[2]}: {math.ceil(largest[at] / size):,}), "
                f"{max(0, there // size):,} are free: choose another disk (--keep-files DIR)"
                + (f", or leave {largest[2]} out ({leave_out})" if leave_out else ""))


def require_disk(directory, what):
    """Throws Missing where files do not leave the page cache, by trying it."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".probe-") as probe:
        probe.write(bytes(PROBE_BYTES))
        probe.flush()
        os.fsync(probe.fileno())
        try:
            site.drop_from_page_cache(probe.name)
        except OSError:
            raise Missing(f"{directory} is not on a disk, which {what} reads from: choose one "
                          f"(--keep-files DIR), or leave {what} out (--workloads)") from None


def require_descriptors(what, connections, limit=None):
    """Throws Missing."""
    limit = process.nofile_max() if limit is None else limit
    needed = servers.descriptors_needed(Demand(connections))
    if limit < needed:
        raise Missing(f"{what} needs {needed:,} descriptors, the hard limit is {limit:,} "
                      f"(RLIMIT_NOFILE): raise it (as root: ulimit -Hn {needed}), or leave {what} "
                      "out (--workloads)")


def directory_trouble(directory):
    """Why nothing can be written into the directory, which may not be there yet; or None."""
    directory = pathlib.Path(directory).absolute()
    nearest = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not nearest.is_dir():
        return f"{nearest} is not a directory"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} cannot be written to"
    return None
