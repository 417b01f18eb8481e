"""The servers that are compared: how each is started, pinned, read and ended.

Every server runs in the foreground as our child with one worker, on the same port: each sample has
a network of its own. What a server must hold at once (Demand) is told to all alike.
"""

import dataclasses
import grp
import os
import pathlib
import pwd
import re
import socket
import time

from harness import process
from harness.sample import SampleFailed

PEERS_DIRECTORY = pathlib.Path(__file__).resolve().parent.parent / "versus" / "peers"
PORT = 8080
START_DEADLINE_S = 20
RETRY_S = 0.002
CONNECTIONS_MIN, OPEN_FILES_MIN, SPARE_DESCRIPTORS = 1024, 1024, 128

PEER_COMMANDS = {
    "nginx": ["nginx", "-e", "stderr", "-p", "@DIR@", "-c", "@CONF@"],
    "h2o": ["h2o", "-m", "worker", "-c", "@CONF@"],
    "lighttpd": ["lighttpd", "-D", "-f", "@CONF@"],
    "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", "@CONF@"],
}
PEER_ENVIRONMENTS = {
    "caddy": {"GOMAXPROCS": "1", "HOME": "@DIR@", "XDG_CONFIG_HOME": "@DIR@",
              "XDG_DATA_HOME": "@DIR@"},
}
PACKAGES = {"nginx": "nginx-light", "h2o": "h2o", "lighttpd": "lighttpd", "caddy": "caddy"}
VERSION_OPTIONS = {"nginx": "-v", "h2o": "--version", "lighttpd": "-v", "caddy": "version"}


@dataclasses.dataclass(frozen=True)
class Demand:
    """What a workload asks a server to hold at once."""
    connections: int = 64
    files: int = 1


@dataclasses.dataclass(frozen=True)
class Subject:
    """A server that takes turns with others. Words of `command` and the configuration may hold
    @PORT@, @ROOT@, @DIR@ (a directory for its own files), @CONF@ and what `values_for` names."""
    name: str
    command: tuple
    configuration: str = ""  # a template
    environment: dict = dataclasses.field(default_factory=dict)
    announces: bool = False  # prints "listening ADDRESS" when it does
    request_headers: tuple = None  # if it cannot be asked for its validators: what to ask with


def ringserve(binary, *options, name="ringserve"):
    command = (str(binary), "--listen", "127.0.0.1:@PORT@", "--print-listen", "--threads", "1",
               "--open-files", "@FILES@", *map(str, options), "@ROOT@")
    return Subject(name, command, announces=True)


def peer(name):
    """A Subject, or None when it is not installed."""
    program = process.find_program(name)
    if not program:
        return None
    return Subject(name, (program, *PEER_COMMANDS[name][1:]),
                   (PEERS_DIRECTORY / f"{name}.conf").read_text(),
                   PEER_ENVIRONMENTS.get(name, {}))


class Server:
    """One running server; `with` ends it. Throws SampleFailed when it does not start."""

    def __init__(self, subject, root, directory, demand=Demand()):
        self.subject, self.name, self.port = subject, subject.name, PORT
        self.directory = pathlib.Path(directory)
        self.log = self.directory / f"{self.name}.log"
        values = values_for(root, self.directory, self.name, demand)
        pathlib.Path(values["CONF"]).write_text(fill(subject.configuration, values))
        with open(self.log, "wb") as log:
            self.process = process.start(
                [fill(word, values) for word in subject.command], process.SERVER_CPU,
                {key: fill(value, values) for key, value in subject.environment.items()},
                stdout=log, stderr=log)
        self._wait_until_it_listens()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in process.tree(self.process.pid):
            process.kill(pid)
        self.process.wait()

    def _wait_until_it_listens(self):
        end = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < end:
            self.require_alive("did not start")
            if self._announced() if self.subject.announces else self._accepts():
                return
            time.sleep(RETRY_S)
        raise SampleFailed(f"{self.name} did not listen within {START_DEADLINE_S} s: {self.said()}")

    def _announced(self):
        return re.search(r"^listening \S+$", self.log.read_text(errors="replace"), re.MULTILINE)

    def _accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def said(self):
        return self.log.read_text(errors="replace").strip() or "it logged nothing"

    def require_alive(self, what="ended"):
        if self.process.poll() is not None:
            raise SampleFailed(
                f"{self.name} {what} (status {self.process.returncode}): {self.said()}")

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu_s(self):
        self.require_alive()
        return process.cpu_s(process.tree(self.process.pid))

    def rss_bytes(self):
        self.require_alive()
        return process.rss_bytes(process.tree(self.process.pid))


def descriptors_needed(demand):
    """Fewer, and a server could not hold the connections and a sensible number of open files."""
    return max(CONNECTIONS_MIN, demand.connections) + SPARE_DESCRIPTORS + OPEN_FILES_MIN


def values_for(root, directory, name, demand):
    """Descriptors are shared out: what connections do not need may hold open files."""
    connections = max(CONNECTIONS_MIN, 2 * demand.connections)
    spare = process.nofile_max() - connections - SPARE_DESCRIPTORS
    return {
        "PORT": PORT, "ROOT": root, "DIR": directory, "CONF": directory / f"{name}.conf",
        "NOFILE": process.nofile_max(), "CONNECTIONS": connections,
        "FILES": max(1, min(spare, max(OPEN_FILES_MIN, 2 * demand.files))),
        "ROOTONLY": "" if os.geteuid() == 0 else "# ",  # in front of what others may not ask for
        **account(),
    }


def account():
    """Only root's servers are told whom to run as; in a container others may have no name."""
    if os.geteuid() != 0:
        return {"USER": os.getuid(), "GROUP": os.getgid()}
    return {"USER": pwd.getpwuid(os.getuid()).pw_name, "GROUP": grp.getgrgid(os.getgid()).gr_name}


def fill(template, values):
    return re.sub("@([A-Z]+)@", lambda found: str(values[found.group(1)]), template)
