"""What the tests of deploy/ share: where its files are, the programs, and a server that is started
by the words of a unit or under a filter of system calls."""

import os
import pathlib
import re
import subprocess
import sys
import time
import unittest
import urllib.request

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
DEPLOY = TOP / "deploy"
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(TOP / "tests" / "clients"))

import support  # noqa: E402  (the tests of clients have the real server)
from harness import process  # noqa: E402

BUILD = support.BUILD
RINGSERVE = support.BINARY
RINGLOAD = os.environ.get("RINGLOAD_BINARY") or str(BUILD / "ringload")
RINGTUNE = os.environ.get("RINGTUNE_BINARY") or str(BUILD / "ringtune")
DEADLINE_S = support.DEADLINE_S
SANITIZED = bool(os.environ.get("RINGSERVE_SANITIZED"))


def find(name):
    """The path of a validator; without it the test is skipped."""
    found = process.find_program(name)
    if not found:
        raise unittest.SkipTest(f"{name} is not installed")
    return found


def installed_or_unpacked(path):
    """A file of a package, installed or unpacked by ./check (scripts/setup.sh, unpack_missing)."""
    installed = pathlib.Path("/", path)
    return installed if installed.exists() else TOP / "build" / "tools" / path


def output_of(command, **more):
    """What it says on stdout; its stderr, where it fails, is in the error."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=DEADLINE_S, **more)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def eventually(what, attempt):
    """Tries until the result is true, and returns it."""
    end = time.monotonic() + DEADLINE_S
    while not (found := attempt()):
        if time.monotonic() > end:
            raise AssertionError(f"never: {what}")
        time.sleep(support.POLL_S)
    return found


def get(url):
    """The body of a reply, straight from the server: no proxy of the environment's."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=DEADLINE_S) as reply:
        return reply.read()


def metrics_of(address):
    """Name to {labels: value}, as /metrics serves them; a histogram's or a counter's name whole."""
    families = {}
    for line in get(f"http://{address}/metrics").decode().splitlines():
        if line.startswith("# TYPE "):
            families.setdefault(line.split()[2], {})
        elif line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(\{.*\})? (\S+)", line).groups()
            families.setdefault(name, {})[labels or ""] = float(value)
    return families




def make_package(work):
    """The Debian package of the programs of this build, made below `work`; its path and version."""
    programs = {"ringserve": RINGSERVE, "ringload": RINGLOAD, "ringtune": RINGTUNE}
    missing = [path for path in programs.values() if not os.access(path, os.X_OK)]
    if missing:
        raise unittest.SkipTest(f"not built: {missing}")
    for program in ("cmake", "cpack", "dpkg-deb", "dpkg-shlibdeps", "strip"):
        find(program)
    (work / "programs").mkdir()
    for name, path in programs.items():
        (work / "programs" / name).symlink_to(path)
    version = output_of([RINGSERVE, "--version"]).split()[-1]
    output_of(["cmake", "-S", DEPLOY / "packaging", "-B", work / "build",
               f"-DPROGRAMS={work / 'programs'}", f"-DVERSION={version}"])
    output_of(["cpack", "--config", work / "build" / "CPackConfig.cmake", "-B", work / "out"])
    return next((work / "out").glob("*.deb")), version


def main():
    support.main()
