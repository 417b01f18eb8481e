"""One sample: a process of its own, in a fresh network namespace of its own, that measures once.

What it starts is in its process group and ends with it: at its end, at the deadline, when the
harness is interrupted, and when the harness is killed (PR_SET_PDEATHSIG).
"""

import json
import os
import selectors
import signal
import time
import traceback

from harness import namespace, process

DEADLINE_S = 300
READ_BYTES = 1 << 16


class SampleFailed(RuntimeError):
    """What could not be measured, and why, with the server's log when there is one."""


def run(measure, congestion, deadline_s=DEADLINE_S):
    """Returns what `measure()` returned, a dict of JSON values. Throws SampleFailed."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reader)
        measure_in_child(measure, congestion, parent, writer)
    os.close(writer)
    try:
        group_of_its_own(child)
        answer = read_all(reader, deadline_s)
    finally:
        os.close(reader)
        end_group(child)
    if not answer:
        raise SampleFailed(f"the sample ended without a result (deadline: {deadline_s} s)")
    answer = json.loads(answer)
    if "failed" in answer:
        raise SampleFailed(answer["failed"])
    return answer["result"]


def measure_in_child(measure, congestion, parent, writer):
    """Never returns: what the harness has open or registered is not this process's to end."""
    status = 1
    try:
        group_of_its_own(0)
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
        process.die_with_parent(signal.SIGTERM)
        process.adopt_orphans()
        if os.getppid() == parent:
            answer = json.dumps(measured(measure, congestion)).encode()
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(answer)
            status = 0
    finally:
        os._exit(status)


def measured(measure, congestion):
    try:
        namespace.enter(congestion)
        return {"result": measure()}
    except (SampleFailed, OSError) as error:
        return {"failed": str(error)}
    except Exception:  # a mistake of ours: where it is must reach the harness
        return {"failed": traceback.format_exc()}
    finally:
        process.end_descendants()


def group_of_its_own(pid):
    """Both sides do it, so that neither can be too early."""
    try:
        os.setpgid(pid, pid)
    except (PermissionError, ProcessLookupError):
        pass  # it has ended, or has done it


def end_group(child):
    """The group first, while the child, not yet waited for, keeps its number from others."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)  # interrupted before it had a group
    os.waitpid(child, 0)


def read_all(reader, deadline_s):
    """Until the end, or the deadline: then nothing."""
    parts, end = [], time.monotonic() + deadline_s
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while selector.select(max(0, end - time.monotonic())):
            part = os.read(reader, READ_BYTES)
            if not part:
                return b"".join(parts)
            parts.append(part)
    return b""
