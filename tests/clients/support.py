"""What the tests of clients share: a site in a directory of its own, the real ringserve in front of
it, and programs that were installed. A server that did not end well fails the test that used it."""

import html
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("RINGSERVE_BUILD", TOP / "build" / "release"))
BINARY = os.environ.get("RINGSERVE_BINARY") or str(BUILD / "ringserve")
sys.path.insert(0, str(TOP / "bench"))

from harness import process  # noqa: E402  (it lives in bench/)

DEADLINE_S = 100  # generous: sanitizers, and other tests beside this one
POLL_S = 0.02     # between two looks at what reports nothing by itself
OLD_S = 1704164645  # 2024-01-02 03:04:05 UTC: old enough for a strong Last-Modified
SKIPPED = 77      # what ctest takes for "skipped"
# In ./check no client may be missing.
REQUIRED = "RINGSERVE_CLIENTS_REQUIRED"
COMPLAINT = re.compile(rb"^\S+ (error|critical) |Sanitizer|runtime error:", re.MULTILINE)

# Names that a client, a page or a URL may get wrong.
ODD_NAMES = (
    "a b.txt", "100%.txt", "50%25.txt", "it's \"quoted\".txt", "gr\u00fc\u00dfe.txt",
    "\u65e5\u672c\u8a9e.txt", "plus+plus.txt", "hash#1.txt", "what?.txt", "a?b=c&d.txt",
    "semi;colon&amp;.txt", "back\\slash.txt", "tilde~.txt", "[brackets](x){y}.txt", "<b>bold.txt",
    "a:b.txt", "--dashes.txt", "comma,=.txt", "at@$!*.txt", "long" * 50 + ".txt",
    "sub dir/in ner%/leaf #2.txt", "caf\u00e9/\u00e0 la carte.txt", "dots.../..two.txt",
    "un/.dotted/below.txt",
)


def content(name, size):
    """Bytes that are the same for a name in every run, and compress badly."""
    return random.Random(f"{name} {size}").randbytes(size)


def require(name):
    """The path of a program; without it the test is skipped, or fails where all must be there."""
    found = process.find_program(name)
    if not found:
        missing(f"{name} is not installed")
    return found


def missing(what):
    if os.environ.get(REQUIRED):
        raise AssertionError(f"{what}, and {REQUIRED} is set")
    raise unittest.SkipTest(what)


def environment(**more):
    """Ours, without what would send a client elsewhere or make it speak another language."""
    kept = {name: value for name, value in os.environ.items()
            if not name.lower().endswith("_proxy") and not name.startswith("PIP_")}
    return {**kept, "no_proxy": "*", "LC_ALL": "C.UTF-8", **more}


def run(command, **more):
    """A client, to its end: subprocess.CompletedProcess with bytes."""
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, env=environment(**more), timeout=DEADLINE_S,
                          preexec_fn=process.die_with_parent)


class Server:
    """ringserve on a port of its own choice. `log`: an access log in JSON, to read after stop()."""

    def __init__(self, directory, arguments, log=False):
        self.stderr = pathlib.Path(tempfile.mkstemp(dir=directory, suffix=".stderr")[1])
        self.log_path = self.stderr.with_suffix(".log") if log else None
        command = [BINARY, "--listen", "127.0.0.1:0", "--print-listen", "--drain-timeout-s", "1"]
        if log:
            command += ["--access-log", self.log_path, "--access-log-format", "json"]
        with open(self.stderr, "wb") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in (*command, *arguments)], stdout=subprocess.PIPE,
                stderr=errors, preexec_fn=process.die_with_parent)
        self.status = None
        self.port = self._announced_port()
        self.host = f"127.0.0.1:{self.port}"
        self.origin = f"http://{self.host}"
        # What waits in TIME_WAIT of one that had this port before.
        self.earlier_ports = self._ports()

    def _announced_port(self):
        timer = threading.Timer(DEADLINE_S, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        found = re.fullmatch(rb"listening \S*:(\d+)\n", line)
        if not found:
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"ringserve did not start, it said {line!r}: {self.said()}")
        return int(found[1])

    def said(self):
        return self.stderr.read_text(errors="replace")

    def url(self, path):
        """`path` is the name of a file below the root, with its slash in front, not encoded."""
        return self.origin + urllib.parse.quote(path)

    def stop(self):
        """Ends the server, once, and asserts that it ended well."""
        if self.status is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.status = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.status = self.process.wait()
        self.process.stdout.close()
        if self.status != 0 or COMPLAINT.search(self.stderr.read_bytes()):
            raise AssertionError(f"ringserve ended with {self.status}, and said: {self.said()}")

    def requests(self, **wanted):
        """Lines of the access log whose fields have these values, in the order of the requests.
        Ends the server, so that all have been written."""
        self.stop()
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines()]
        return [line for line in sorted(lines, key=lambda line: line["time"])
                if all(line[name] == value for name, value in wanted.items())]

    def client_ports(self):
        """The ports that have been connected to this server, as far as the kernel remembers."""
        return self._ports() - self.earlier_ports

    def _ports(self):
        ports = set()
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, remote = (int(word.split(":")[1], 16) for word in line.split()[1:3])
            ports |= {{self.port: remote}.get(local), {self.port: local}.get(remote)}
        return ports - {None, 0}


class ClientTest(unittest.TestCase):
    """Each test has a directory: the site is in site/, a client's files are beside it."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="ringserve-clients-")
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.root = self.directory / "site"
        self.root.mkdir()

    def write(self, name, data, *, root=None, mtime_s=OLD_S):
        """A file of the site, in one step: a server never sees half of it."""
        path = (root or self.root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.directory / "draft"
        draft.write_bytes(data if isinstance(data, bytes) else data.encode())
        os.utime(draft, (mtime_s, mtime_s))
        draft.rename(path)
        return path

    def fill(self, name, size, **more):
        self.write(name, content(name, size), **more)
        return content(name, size)

    def compress(self, name, coding):
        """Writes the neighbour of a file of the site that has this coding; its content."""
        program, suffix = {"br": ("brotli", "br"), "zstd": ("zstd", "zst"),
                           "gzip": ("gzip", "gz")}[coding]
        packed = self.client([require(program), "--stdout", self.root / name])
        self.write(f"{name}.{suffix}", packed)
        return packed

    def serve(self, *options, root=None, log=False):
        return self.start((*options, root or self.root), log)

    def serve_config(self, text, log=False):
        path = self.directory / "ringserve.toml"
        path.write_text(text)
        return self.start(("--config", path), log)

    def start(self, arguments, log):
        server = Server(self.directory, arguments, log)
        self.addCleanup(server.stop)
        return server

    def eventually(self, what, attempt):
        """Tries until the result is true, and returns it: for a change that a server or a cache
        notices at a moment of its own."""
        end = time.monotonic() + DEADLINE_S
        while not (found := attempt()):
            self.assertLess(time.monotonic(), end, f"never: {what}")
            time.sleep(POLL_S)
        return found

    def client(self, command, *, status=0, **more):
        """Runs it to its end, which must have this status; its stdout."""
        done = run(command, **more)
        said = (done.stderr + done.stdout[-4000:]).decode(errors="replace")
        self.assertEqual(done.returncode, status, f"{command}: {said}")
        return done.stdout

    def assert_same_tree(self, copy, without=(), saved_as=str):
        """`saved_as`: a name of ours as the client writes it."""
        expected = {saved_as(name): data for name, data in read_tree(self.root).items()}
        got = {name: data for name, data in read_tree(copy).items() if name not in without}
        self.assertEqual(sorted(expected), sorted(got))
        self.assertEqual([name for name in expected if expected[name] != got[name]], [])

    def write_odd_site(self, links):
        """A tree of ODD_NAMES; with `links` every directory has a page that names its entries."""
        for name in ODD_NAMES:
            self.fill(name, 500 + len(name))
        if not links:
            return
        for directory in [self.root, *(path for path in self.root.rglob("*") if path.is_dir())]:
            entries = sorted(path.name + "/" * path.is_dir() for path in directory.iterdir())
            page = directory.relative_to(self.root) / "index.html"
            self.write(page, "<!doctype html><meta charset=utf-8><ul>" + "".join(
                f'<li><a href="./{urllib.parse.quote(name)}">{html.escape(name)}</a>'
                for name in entries))


def read_tree(root):
    return {str(path.relative_to(root)): path.read_bytes()
            for path in pathlib.Path(root).rglob("*") if path.is_file()}


def main():
    result = unittest.main(exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    # A class that is skipped as a whole counts as one skip, and runs no test.
    sys.exit(SKIPPED if result.skipped and len(result.skipped) >= result.testsRun else 0)
