"""The servers that are compared: how each is started, pinned, read and ended.

Every server runs in the foreground as our child, on a free port of the loopback, with one worker.
"""

import grp
import os
import pathlib
import pwd
import re
import resource
import shutil
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
SERVER_CPU, CLIENT_CPU = 0, 1
CONNECTIONS_MAX = 16384
START_DEADLINE_S = 10
STOP_DEADLINE_S = 10

PEER_COMMANDS = {
    "nginx": ["nginx", "-e", "stderr", "-p", "@DIR@", "-c", "@CONF@"],
    "h2o": ["h2o", "-m", "worker", "-c", "@CONF@"],
    "lighttpd": ["lighttpd", "-D", "-f", "@CONF@"],
}
PACKAGES = {"nginx": "nginx-light", "h2o": "h2o", "lighttpd": "lighttpd", "wrk": "wrk"}


def find_program(name):
    """Daemons live in sbin, which an ordinary user's PATH lacks."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def pin(cpu):
    """For preexec_fn: what is executed next, and its children, run on this CPU only."""
    return lambda: os.sched_setaffinity(0, {cpu})


def children_of(pid):
    try:
        listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [int(child) for child in listed]


class Server:
    """One running server. `name` is what the tables call it."""

    def __init__(self, name, command, log_path, port=None):
        self.name = name
        self.log_path = log_path
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=pin(SERVER_CPU))
        try:
            self.port = self._wait_until_it_answers(port)
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_answers(self, port):
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            known = port or self._printed_port()
            if known:
                try:
                    socket.create_connection(("127.0.0.1", known), timeout=1).close()
                    return known
                except OSError:
                    pass
            time.sleep(0.01)
        log = pathlib.Path(self.log_path).read_text(errors="replace").strip()
        raise RuntimeError(f"{self.name} did not start: {log or 'no message'}")

    def _printed_port(self):
        log = pathlib.Path(self.log_path).read_text(errors="replace")
        found = re.search(r"^listening 127\.0\.0\.1:(\d+)$", log, re.MULTILINE)
        return int(found.group(1)) if found else None

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def pids(self):
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [child for pid in new for child in children_of(pid)]
        return found

    def cpu_s(self):
        """User and system time of every thread, ended ones too, in nanosecond resolution: the
        CPU-time clock of each process (clock_getcpuclockid)."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids())

    def rss_bytes(self):
        """From smaps_rollup, which counts pages; the counter in statm is approximate."""
        total_kib = 0
        for pid in self.pids():
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total_kib += int(re.search(r"^Rss:\s+(\d+) kB", text, re.MULTILINE).group(1))
        return total_kib * 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Launcher:
    """Starts servers for one directory tree and ends them all when the `with` block ends."""

    def __init__(self, ringserve, root, work):
        self.ringserve, self.root, self.work = ringserve, root, pathlib.Path(work)
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.running:
            server.stop()

    def ringserve_with(self, *options, name="ringserve"):
        command = [str(self.ringserve), "--listen", "127.0.0.1:0", "--print-listen",
                   "--threads", "1", *options, str(self.root)]
        return self._launch(name, command)

    def peer(self, name):
        port = free_port()
        conf = self.work / f"{name}.conf"
        values = {
            "PORT": port, "ROOT": self.root, "DIR": self.work, "CONF": conf,
            "CONNECTIONS": CONNECTIONS_MAX,
            "NOFILE": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "USER": pwd.getpwuid(os.getuid()).pw_name,
            "GROUP": grp.getgrgid(os.getgid()).gr_name,
        }
        conf.write_text(fill((HERE / "peers" / conf.name).read_text(), values))
        command = [fill(word, values) for word in PEER_COMMANDS[name]]
        return self._launch(name, [find_program(name), *command[1:]], port)

    def stop(self, server):
        server.stop()
        self.running.remove(server)

    def _launch(self, name, command, port=None):
        server = Server(name, command, self.work / f"{name}.log", port)
        self.running.append(server)
        return server


def fill(template, values):
    return re.sub("@([A-Z]+)@", lambda found: str(values[found.group(1)]), template)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
