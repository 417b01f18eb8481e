"""The floor: bench_floor, which answers every request with the same bytes. The bytes are those
that ringserve answers with, so that what is compared is the work and not the size of the heads.

It does not parse: it tells requests from each other by the length of the first one. So all that
is sent to it must be equally long: it is asked with what ringserve was asked with.
"""

import dataclasses
import re

from harness import http, loads, sample, servers

MEMORY_BYTES_MAX = 6 << 10  # as ringserve's tuning has it: a larger body leaves from its file


def subject(setting, load):
    """A servers.Subject named "floor" for this load. Throws SampleFailed."""
    ours = servers.ringserve(setting.build / "ringserve")
    response = setting.work / "floor-response"
    captured = sample.run(lambda: capture(setting, ours, load, response), setting.congestion)
    command = [str(setting.build / "bench_floor"), "--listen", "127.0.0.1:@PORT@",
               "--response", str(response)]
    if captured["body_bytes"] > MEMORY_BYTES_MAX:
        command += ["--body", str(setting.root / load.path[1:]), "--body-begin",
                    str(captured["body_begin"]), "--body-bytes", str(captured["body_bytes"])]
    if load.new_connection:
        command += ["--close"]
    return servers.Subject("floor", tuple(command), announces=True,
                           request_headers=tuple(captured["headers"]))


def capture(setting, ours, load, response):
    """Writes the head, and the body unless it is large."""
    with servers.Server(ours, setting.root, setting.work) as server:
        asked = loads.ready(server, dataclasses.replace(load, paths_file=None))
        answer = http.get(server, load.path, asked.headers, MEMORY_BYTES_MAX + 1,
                          load.new_connection)
    if answer.body_bytes > MEMORY_BYTES_MAX:
        answer.body = b""
    response.write_bytes(answer.head + answer.body)
    part = re.match(r"bytes (\d+)-", answer.field("Content-Range") or "bytes 0-")
    return {"body_begin": int(part.group(1)), "body_bytes": answer.body_bytes,
            "headers": asked.headers}
