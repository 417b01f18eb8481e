"""The units: what systemd itself says of them, and the real server started by their words, under
their filter of system calls, with the test in systemd's place."""

import json
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import deploying
import seccomp_exec
from deploying import DEPLOY, RINGSERVE, eventually, find, get, output_of, process

UNITS = DEPLOY / "systemd"
EXPOSURE_MAX = 20        # tenths: "OK" ends at 2.9
EXPOSURE_OPENED_MAX = 29  # of a unit that a drop-in gives more rights
# Opens what systemd hands over at 3, and says whom it is meant for.
HAND_OVER = 'exec 3<&"$1"; shift; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'


def settings(unit, key):
    """All values of a key, in the order of the file."""
    return re.findall(rf"^{key}=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)


def system_calls_of(words):
    """What a value of SystemCallFilter= stands for, without groups."""
    calls, groups = set(), [word for word in words if word.startswith("@")]
    calls |= {word for word in words if not word.startswith("@")}
    for group in groups:
        listed = output_of([find("systemd-analyze"), "syscall-filter", "--no-pager", group])
        inside = [line.strip() for line in listed.splitlines()[1:]]
        calls |= system_calls_of([line for line in inside if line and not line.startswith("#")])
    return calls


def filter_of_the_unit():
    """Its SystemCallFilter= as a profile that seccomp_exec.py reads."""
    allowed = set()
    for value in settings("ringserve.service", "SystemCallFilter"):
        words = value.removeprefix("~").split()
        allowed = (allowed - system_calls_of(words) if value.startswith("~")
                   else allowed | system_calls_of(words))
    # systemd allows these to every service: it needs them to start one.
    allowed |= system_calls_of(["@default"]) | {"execve"}
    return {"defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": sorted(allowed), "action": "SCMP_ACT_ALLOW"}]}


class UnitsTest(unittest.TestCase):
    """A copy of the units, as systemd would find them once the package is installed."""

    def setUp(self):
        self.analyze = find("systemd-analyze")
        temporary = tempfile.TemporaryDirectory(prefix="ringserve-units-")
        self.addCleanup(temporary.cleanup)
        self.units = pathlib.Path(temporary.name)
        for path in UNITS.glob("ringserve.*"):
            text = path.read_text().replace("/usr/bin/ringserve", RINGSERVE)
            (self.units / path.name).write_text(text)

    def add_drop_in(self, name):
        unit = "ringserve.socket" if name == "sockets.conf" else "ringserve.service"
        directory = self.units / f"{unit}.d"
        directory.mkdir(exist_ok=True)
        (directory / name).write_text((UNITS / "drop-ins" / name).read_text())

    def verify(self):
        """What systemd has to say, of our files: it also loads those of the machine."""
        done = subprocess.run(
            [self.analyze, "verify", "--man=no", "--no-pager", self.units / "ringserve.service",
             self.units / "ringserve.socket"], capture_output=True, text=True,
            timeout=deploying.DEADLINE_S, env=self.environment())
        ours = [line for line in done.stderr.splitlines() if "ringserve" in line]
        self.assertEqual((done.returncode, ours), (0, []))

    def exposure(self, limit):
        output_of([self.analyze, "security", "--offline=true", "--no-pager",
                   f"--threshold={limit}", self.units / "ringserve.service"],
                  env=self.environment())

    def environment(self):
        """With the drop-ins found beside the units."""
        return {**os.environ, "SYSTEMD_UNIT_PATH": f"{self.units}:"}

    def test_systemd_understands_every_line(self):
        self.verify()

    def test_a_line_that_systemd_does_not_know_is_noticed(self):
        with open(self.units / "ringserve.service", "a", encoding="utf-8") as unit:
            unit.write("[Service]\nProtectEverything=yes\n")
        with self.assertRaises(AssertionError):
            self.verify()

    def test_the_exposure_is_ok(self):
        self.exposure(EXPOSURE_MAX)
        with self.assertRaises(AssertionError):
            self.exposure(1)  # nothing that serves is that tight: the limit counts

    def test_nothing_takes_openat2_away(self):
        """RestrictSUIDSGID=, which DynamicUser= implies, answers it with ENOSYS."""
        self.assertEqual(settings("ringserve.service", "RestrictSUIDSGID"), [])
        self.assertEqual(settings("ringserve.service", "DynamicUser"), [])

    def test_every_drop_in_is_understood_and_leaves_it_ok(self):
        names = sorted(path.name for path in (UNITS / "drop-ins").glob("*.conf"))
        self.assertGreaterEqual(len(names), 3)
        for name in names:
            self.add_drop_in(name)
        self.verify()
        with self.assertRaises(AssertionError):
            self.exposure(EXPOSURE_MAX - 6)  # the drop-ins count: they open something
        self.exposure(EXPOSURE_OPENED_MAX)


@unittest.skipIf(deploying.SANITIZED, "LeakSanitizer traces processes, which no filter here allows")
class ServiceTest(deploying.support.ClientTest):
    """The server as ExecStart= has it, below the filter of the unit."""

    def setUp(self):
        super().setUp()
        if seccomp_exec.LIBRARY is None:
            self.skipTest("libseccomp.so.2 is not installed")
        self.fill("page.txt", 1000)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.config = self.directory / "ringserve.toml"
        self.config.write_text('threads = 2\ndrain-timeout-s = 1\n[[site]]\n'
                               f'names = ["localhost"]\nroot = "{self.root}"\n')
        self.profile = self.directory / "filter.json"
        self.profile.write_text(json.dumps(filter_of_the_unit()))
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.notices.close)
        self.notices.bind(str(self.directory / "notify"))
        self.notices.settimeout(deploying.DEADLINE_S)
        self.notified = ""

    def words(self, key, index=0):
        command = settings("ringserve.service", key)[index].split()
        names = {"/usr/bin/ringserve": RINGSERVE,
                 "/etc/ringserve/ringserve.toml": str(self.config)}
        return [names.get(word, word) for word in command]

    def start(self):
        """Starts it, and returns when it says that it is ready."""
        command = ["/bin/bash", "-c", HAND_OVER, "bash", str(self.listener.fileno()),
                   sys.executable, str(deploying.HERE / "seccomp_exec.py"), str(self.profile),
                   *self.words("ExecStart")]
        self.errors = open(self.directory / "stderr", "ab")
        self.addCleanup(self.errors.close)
        started = subprocess.Popen(
            command, pass_fds=[self.listener.fileno()], stderr=self.errors,
            env={**os.environ, "NOTIFY_SOCKET": str(self.directory / "notify")},
            preexec_fn=process.die_with_parent)
        self.addCleanup(self.end, started)
        self.wait_for("READY=1", started)
        return started

    def end(self, started):
        if started.poll() is None:
            started.kill()
        started.wait()

    def said(self):
        return (self.directory / "stderr").read_text(errors="replace")

    def wait_for(self, line, started):
        """A notice with a line that begins so; the rest of that line."""
        self.notices.settimeout(deploying.support.POLL_S)
        def read():
            try:
                self.notified += self.notices.recv(4096).decode() + "\n"
            except TimeoutError:
                self.assertIn(started.poll(), (None, 0), self.said())
            return re.search(rf"^{line}(.*)$", self.notified, re.MULTILINE)
        found = eventually(f"{line} in {self.notified!r}", read)
        self.notified = self.notified[found.end():]
        return found[1]

    def stop(self, started):
        started.send_signal(signal.SIGTERM)
        self.assertEqual(started.wait(deploying.DEADLINE_S), 0, self.said())

    def assert_served(self):
        self.assertEqual(get(f"http://{self.address}/page.txt"),
                         deploying.support.content("page.txt", 1000))

    def test_it_is_ready_under_the_filter_with_its_own_sandbox(self):
        started = self.start()
        self.assert_served()
        eventually("the line about its confinement", lambda: "seccomp" in self.said())
        self.stop(started)

    def test_a_client_that_connects_during_a_restart_is_served(self):
        self.stop(self.start())
        with socket.create_connection(self.listener.getsockname()) as client:
            client.sendall(b"GET /page.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.settimeout(deploying.DEADLINE_S)
            again = self.start()
            self.assertTrue(client.recv(64).startswith(b"HTTP/1.1 200 "))
        self.stop(again)

    def test_a_reload_is_checked_first_and_then_changes_the_site(self):
        started = self.start()
        good = self.config.read_text()
        self.config.write_text(good + 'nonsense = 1\n')
        checked = subprocess.run(self.words("ExecReload"), capture_output=True, check=False)
        self.assertEqual(checked.returncode, 2)
        self.config.write_text(good + 'header = ["X-Tried: yes"]\n')
        self.assertEqual(subprocess.run(self.words("ExecReload"), check=False,
                                        capture_output=True).returncode, 0)
        second = shlex.split(settings("ringserve.service", "ExecReload")[1])
        output_of([word.replace("$MAINPID", str(started.pid)) for word in second])
        self.wait_for("RELOADING=1", started)
        self.wait_for("READY=1", started)
        self.assertIn("X-Tried", self.head())
        self.stop(started)

    def head(self):
        with socket.create_connection(self.listener.getsockname()) as client:
            client.sendall(b"HEAD /page.txt HTTP/1.1\r\nHost: localhost\r\n"
                           b"Connection: close\r\n\r\n")
            return b"".join(iter(lambda: client.recv(4096), b"")).decode()

    def test_an_upgrade_names_the_new_main_process(self):
        started = self.start()
        started.send_signal(signal.SIGUSR2)
        successor = int(self.wait_for("MAINPID=", started))
        self.assertNotEqual(successor, started.pid)
        self.assertEqual(started.wait(deploying.DEADLINE_S), 0, self.said())
        self.assert_served()
        os.kill(successor, signal.SIGTERM)
        eventually("the successor ends", lambda: not has_process(successor))


def has_process(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] != "Z"  # an orphan here may have nobody who reaps it


if __name__ == "__main__":
    deploying.main()
