"""Files for a page, made from nothing: a PNG, a WAV, a WebM and a WebAssembly module. The formats
are those of their specifications; nothing here is meant for use outside of a test."""

import struct
import zlib

# (module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
WASM_ADD = bytes.fromhex("0061736d0100000001070160027f7f017f030201000707010361646400000a09010700"
                         "200020016a0b")
WAV_RATE_HZ, WAV_FRAME_BYTES = 48_000, 4  # 16 bits, stereo


def png(width, height, colour):
    """One colour, (red, green, blue)."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(
            ">I", zlib.crc32(name + data))
    row = b"\0" + bytes(colour) * width
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b""))


def wav(duration_s):
    """Silence, 192 kB a second."""
    size = duration_s * WAV_RATE_HZ * WAV_FRAME_BYTES
    return (struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 2,
                        WAV_RATE_HZ, WAV_RATE_HZ * WAV_FRAME_BYTES, WAV_FRAME_BYTES, 16, b"data",
                        size) + bytes(size))


def element(identity, *parts):
    """An EBML element (RFC 8794) whose size is told in eight bytes."""
    body = b"".join(parts)
    return bytes.fromhex(identity) + struct.pack(">Q", len(body) | 1 << 56) + body


def number(identity, value):
    return element(identity, struct.pack(">Q", value))


def webm(key_frame, width, height, frames, frame_ms=1000):
    """A video (RFC 9559) of one VP8 key frame, shown again and again, with an index (Cues) in
    front, so that a player may go anywhere at once."""
    head = element("1a45dfa3", number("4286", 1), number("42f7", 1), number("42f2", 4),
                   number("42f3", 8), element("4282", b"webm"), number("4287", 4),
                   number("4285", 2))
    information = element(
        "1549a966", number("2ad7b1", 1_000_000), element("4d80", b"test"), element("5741", b"test"),
        element("4489", struct.pack(">d", frames * frame_ms)))
    tracks = element("1654ae6b", element(
        "ae", number("d7", 1), number("73c5", 1), number("83", 1), element("86", b"V_VP8"),
        element("e0", number("b0", width), number("ba", height))))
    clusters = [element("1f43b675", number("e7", index * frame_ms),
                        element("a3", b"\x81\0\0\x80", key_frame)) for index in range(frames)]

    def cues(first):
        points, position = [], first
        for index, cluster in enumerate(clusters):
            points.append(element("bb", number("b3", index * frame_ms),
                                  element("b7", number("f7", 1), number("f1", position))))
            position += len(cluster)
        return element("1c53bb6b", *points)

    first = len(information) + len(tracks) + len(cues(0))  # positions count from the segment's data
    return head + element("18538067", information, tracks, cues(first), *clusters)


def vp8_of_webp(picture):
    """The key frame in a lossy WebP (RFC 9649), which is one of VP8."""
    at = 12
    while at + 8 <= len(picture):
        name, size = struct.unpack_from("<4sI", picture, at)
        if name == b"VP8 ":
            return picture[at + 8:at + 8 + size]
        at += 8 + size + size % 2
    raise ValueError("no VP8 in this picture")
