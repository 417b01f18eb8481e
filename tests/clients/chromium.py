"""Headless Chromium over the DevTools protocol, on a pair of pipes: pages are opened, asked and
listened to, without a wait that is not for an event."""

import fcntl
import json
import os
import select
import signal
import time

import support

PIPE_FROM, PIPE_TO = 3, 4  # where --remote-debugging-pipe reads commands and writes answers
SPARE_FD = 10
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--no-default-browser-check", "--disable-extensions", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--metrics-recording-only", "--mute-audio",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe", "about:blank")


class Browser:
    """`with` ends it. Its profile and what it says on stderr are in `directory`."""

    def __init__(self, directory):
        program = support.require("chromium")
        self.stderr = directory / "chromium.stderr"
        arguments = [program, f"--user-data-dir={directory / 'chromium'}", *SWITCHES]
        home = {name: str(directory) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        theirs_in, self.commands = os.pipe()
        self.answers, theirs_out = os.pipe()
        spare = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SPARE_FD) for fd in (theirs_in, theirs_out)]
        null = os.open(os.devnull, os.O_RDWR)
        said = os.open(self.stderr, os.O_WRONLY | os.O_CREAT, 0o600)
        # With its end of the pipes gone the browser ends: it cannot outlive this process.
        self.pid = os.posix_spawn(program, arguments, support.environment(**home), file_actions=[
            (os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1),
            (os.POSIX_SPAWN_DUP2, said, 2), (os.POSIX_SPAWN_DUP2, spare[0], PIPE_FROM),
            (os.POSIX_SPAWN_DUP2, spare[1], PIPE_TO)])
        for fd in (theirs_in, theirs_out, null, said, *spare):
            os.close(fd)
        self.pidfd = os.pidfd_open(self.pid)
        self.buffer, self.events, self.last_id = b"", [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.commands)
        if not wait_readable(self.pidfd, time.monotonic() + support.DEADLINE_S):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        os.close(self.answers)

    def call(self, method, session=None, **parameters):
        """The result of a command; events that come first are kept."""
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + support.DEADLINE_S
        while (answer := self._read(end)).get("id") != self.last_id:
            self.events.append(answer)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def wait_for(self, method, session):
        """The next event of that name; it and those before it stay in `events`."""
        end = time.monotonic() + support.DEADLINE_S
        while True:
            message = self._read(end)
            self.events.append(message)
            if message.get("method") == method and message.get("sessionId") == session:
                return message["params"]

    def _read(self, end):
        while b"\0" not in self.buffer:
            if not wait_readable(self.answers, end):
                raise AssertionError(f"chromium says nothing: {self.stderr.read_text()}")
            received = os.read(self.answers, 1 << 16)
            if not received:
                raise AssertionError(f"chromium has ended: {self.stderr.read_text()}")
            self.buffer += received
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def page(self):
        return Page(self)


class Page:
    """A tab. Scripts are asked by ask(); what went wrong in it is in complaints()."""

    def __init__(self, browser):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target,
                                    flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def open(self, url):
        """Returns when the page and all it refers to have been loaded."""
        started = self.call("Page.navigate", url=url)
        if "errorText" in started:
            raise AssertionError(f"{url}: {started['errorText']}")
        self.browser.wait_for("Page.loadEventFired", self.session)

    def reload(self):
        self.call("Page.reload")
        self.browser.wait_for("Page.loadEventFired", self.session)

    def ask(self, script):
        """The value of an expression in the page; of a promise, what it comes to."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise AssertionError(details.get("exception", details).get("description", details))
        return answer["result"].get("value")

    def _events(self, method):
        return [event["params"] for event in self.browser.events
                if event.get("sessionId") == self.session and event["method"] == method]

    def complaints(self):
        """Errors and warnings of the console, exceptions nobody caught."""
        logged = [event["entry"] for event in self._events("Log.entryAdded")]
        written = self._events("Runtime.consoleAPICalled")
        return ([entry for entry in logged if entry["level"] in ("error", "warning")]
                + [call for call in written if call["type"] in ("error", "warning", "assert")]
                + self._events("Runtime.exceptionThrown"))

    def responses(self, url):
        """(status, header fields by their names in lower case) of each response to this URL."""
        found = [event["response"] for event in self._events("Network.responseReceived")]
        return [(response["status"],
                 {name.lower(): value for name, value in response["headers"].items()})
                for response in found if response["url"] == url]


def wait_readable(fd, end):
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0, (end - time.monotonic()) * 1000)))
