"""The files that are served. Each kind is made once, when it is first asked for, from fixed seeds,
so that every run and every machine has the same ones.
"""

import ctypes
import mmap
import os
import pathlib
import random
import time

KIB, MIB = 1 << 10, 1 << 20
BLOCK_BYTES = 4 * MIB
# ringserve keeps no body in memory that changed this recently (kRacyChangeNs in site.cc).
AGE_MIN_S = 2.5

MIXED_FILES, MIXED_MEDIAN_BYTES, MIXED_SIGMA, MIXED_BYTES_MAX = 10_000, 8 * KIB, 1.8, 4 * MIB
MIXED_SEED, MIXED_FILES_PER_DIRECTORY = 1, 100

COLD_FILES, COLD_BYTES = 6, 100_000_000

MANY_DIRECTORIES, MANY_FILES_PER_DIRECTORY, MANY_BYTES = (100, 100), 100, KIB
MANY_ASKED, MANY_SEED = 100_000, 2

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long)
LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
LIBC.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
MAP_FAILED = ctypes.c_void_p(-1).value


class Site:
    """Below `root`, which the caller makes and removes. Paths are as in a request."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.lists = self.root.parent
        self.block = None
        self.written_at = None

    def age(self):
        """Returns when every file is so old that servers take it for settled."""
        if self.written_at is not None:
            time.sleep(max(0.0, self.written_at + AGE_MIN_S - time.monotonic()))

    def file(self, size_bytes):
        """The path of a file of this size."""
        path = f"/{size_bytes}-bytes.bin"
        self._write(self.root / path[1:], size_bytes)
        return path

    def mixed(self):
        """A list of paths for ringload: 10,000 files with log-normal sizes, most popular first.
        Their order has nothing to do with their sizes."""
        listed = self.lists / "mixed.txt"
        if not listed.exists():
            paths = []
            for number, size in enumerate(mixed_sizes()):
                path = f"mixed/{number // MIXED_FILES_PER_DIRECTORY:02}/{number}.bin"
                self._write(self.root / path, size)
                paths.append(f"/{path}\n")
            self._settle(listed, paths)
        return listed

    def cold(self):
        """A list of the paths of files that are to be read from the disk."""
        listed = self.lists / "cold.txt"
        if not listed.exists():
            paths = [f"/cold/{number}.bin" for number in range(COLD_FILES)]
            for path in paths:
                self._write(self.root / path[1:], COLD_BYTES)
            self._settle(listed, [path + "\n" for path in paths])
        return listed

    def small(self, count, size_bytes, per_directory):
        """A list of the paths of small files that are to be read from the disk."""
        listed = self.lists / f"small-{count}-{size_bytes}.txt"
        if not listed.exists():
            paths = [f"/small/{size_bytes}/{number // per_directory:03}/{number}.bin"
                     for number in range(count)]
            for path in paths:
                self._write(self.root / path[1:], size_bytes)
            self._settle(listed, [path + "\n" for path in paths])
        return listed

    def many(self):
        """A list of 100,000 paths, chosen among the 1,000,000 files that are there. Their content
        is a hole (truncate(2)): it takes no blocks of the disk, and once read is in the page
        cache like any other. Not links to one file: each has an inode and a cache of its own."""
        listed = self.lists / "million.txt"
        if not listed.exists():
            paths = []
            for outer in range(MANY_DIRECTORIES[0]):
                for inner in range(MANY_DIRECTORIES[1]):
                    paths += self._many_in(f"million/{outer:02}/{inner:02}")
            self._settle(listed, random.Random(MANY_SEED).sample(paths, MANY_ASKED))
        return listed

    def hole(self, path):
        """One file like those of many()."""
        file = self.root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        make_hole(file)
        self.written_at = time.monotonic()

    def _many_in(self, folder):
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        paths = []
        directory = os.open(self.root / folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for number in range(MANY_FILES_PER_DIRECTORY):
                make_hole(f"{number}.bin", directory)
                paths.append(f"/{folder}/{number}.bin\n")
        finally:
            os.close(directory)
        return paths

    def _write(self, file, size_bytes):
        if file.exists() and file.stat().st_size == size_bytes:
            return
        self.block = self.block or os.urandom(BLOCK_BYTES)
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "wb") as out:
            for start in range(0, size_bytes, BLOCK_BYTES):
                out.write(self.block[:min(BLOCK_BYTES, size_bytes - start)])
        self.written_at = time.monotonic()

    def _settle(self, listed, lines):
        """The list last, as the sign that all is there; and nothing is left for the disk to write
        while something is measured."""
        os.sync()
        listed.write_text("".join(lines))
        self.written_at = time.monotonic()


def many_paths():
    """Of all files of many(), in order, as in a request."""
    return [f"/million/{outer:02}/{inner:02}/{number}.bin" for outer in range(MANY_DIRECTORIES[0])
            for inner in range(MANY_DIRECTORIES[1]) for number in range(MANY_FILES_PER_DIRECTORY)]


def make_hole(name, directory=None):
    file = os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=directory)
    os.ftruncate(file, MANY_BYTES)
    os.close(file)


def mixed_sizes():
    """Of the files of the mixed site, always the same."""
    chance = random.Random(MIXED_SEED)
    sizes = (chance.lognormvariate(0, MIXED_SIGMA) * MIXED_MEDIAN_BYTES for _ in range(MIXED_FILES))
    return [max(1, min(MIXED_BYTES_MAX, round(size))) for size in sizes]


def bring_in(root, paths_file):
    """Reads every file of the list, so that all are in the page cache: kernels that reclaim what
    has been idle for some seconds would have each server find another share of them there."""
    with open(paths_file) as paths:
        for path in paths:
            file = os.open(f"{root}{path.rstrip()}", os.O_RDONLY)
            while os.read(file, BLOCK_BYTES):
                pass
            os.close(file)


def drop_from_page_cache(file):
    """Throws OSError when the file's data stays: a file system without a disk keeps it."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    if cached_share(file) > 0:
        raise OSError(f"{file} stays in the page cache: put the files on a disk (--keep-files DIR)")


def cached_share(file):
    """Of its pages, those in the page cache: mincore(2). (A read with RWF_NOWAIT would tell too,
    but starts to read ahead.) The file must be ours and not empty."""
    with open(file, "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        address = LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, opened.fileno(), 0)
        if address == MAP_FAILED:
            raise OSError(ctypes.get_errno(), f"mmap {file}: {os.strerror(ctypes.get_errno())}")
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    status = LIBC.mincore(address, size, pages)
    number = ctypes.get_errno()
    LIBC.munmap(address, size)
    if status != 0:
        raise OSError(number, f"mincore {file}: {os.strerror(number)}")
    return sum(page & 1 for page in pages) / len(pages)
