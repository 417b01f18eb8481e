"""One plain request over a socket of its own, for looking at an answer before it is measured."""

import dataclasses
import re
import socket

from harness.sample import SampleFailed

DEADLINE_S = 30
READ_BYTES = 1 << 16
HEAD_BYTES_MAX = 1 << 16


@dataclasses.dataclass
class Answer:
    status: int
    head: bytes  # with the empty line
    body_bytes: int
    body: bytes  # its beginning, at most as much as was asked for

    def field(self, name):
        """The value of a header field, or None."""
        found = re.search(rb"\r\n" + name.encode() + rb":[ \t]*([^\r]*)", self.head, re.IGNORECASE)
        return found.group(1).decode("latin-1").strip() if found else None


def get(server, path, headers=(), keep_bytes=0, close=False):
    """Asks once. Throws SampleFailed when the answer is not complete."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *headers]
    lines += ["Connection: close"] if close else []
    try:
        with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as connection:
            connection.sendall("\r\n".join(lines + ["", ""]).encode())
            return read_answer(connection, keep_bytes)
    except (OSError, SampleFailed) as error:
        raise SampleFailed(f"{server.name}: GET {path}: {error}: {server.said()}") from None


def read_answer(connection, keep_bytes):
    head, separator, rest = b"", b"", b""
    while not separator:
        part = connection.recv(READ_BYTES)
        if not part or len(head) > HEAD_BYTES_MAX:
            raise SampleFailed("the connection ended before the head did")
        head, separator, rest = (head + part).partition(b"\r\n\r\n")
        if not separator:
            continue
    answer = Answer(int(head[9:12]), head + separator, len(rest), rest[:keep_bytes])
    length = int(answer.field("Content-Length") or 0) if answer.status != 304 else 0
    while answer.body_bytes < length:
        part = connection.recv(READ_BYTES)
        if not part:
            raise SampleFailed(f"{answer.body_bytes} of {length} bytes of the body came")
        answer.body_bytes += len(part)
        answer.body += part[:max(0, keep_bytes - len(answer.body))]
    return answer
