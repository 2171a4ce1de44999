"""Answers that break off or break the protocol, by name.

`CUT`: plain ones. `EMPTY`: streams without an event. `ENDS`: how streams end that have begun. `SILENT`: no answer.
"""

import gzip

from tests.faults.upstreams import BEGUN, BEGUN_TEXT, BODY, EVENT_LIST, LAST, PING, REST, STREAM, chunk, unended, writes
from tests.support.raw_upstream import JSON, Wire


def _gzipped(body: bytes, head: bytes = JSON) -> bytes:
    return head + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body


SHORT = JSON + b"content-length: %d\r\n\r\n" % (len(BODY) + 1) + BODY
CHUNKED = JSON + b"transfer-encoding: chunked\r\n\r\n" + b"%x\r\n" % len(BODY) + BODY + b"\r\n"
ZIPPED = gzip.compress(BODY)
CUT = {
    "short of its content-length": writes(SHORT, Wire.close),
    "short of its content-length, reset": writes(SHORT, Wire.reset),
    "no last chunk": writes(CHUNKED, Wire.close),
    "no last chunk, reset": writes(CHUNKED, Wire.reset),
    "cut inside a chunk": writes(CHUNKED[:-10], Wire.close),
    "a chunk size that is none": writes(CHUNKED + b"zz\r\n\r\n", Wire.close),
    "gzip that is corrupt": writes(_gzipped(ZIPPED[:30] + bytes(8) + ZIPPED[38:])),
    "gzip that is cut short": writes(_gzipped(ZIPPED[:-12])),
    "gzip with a wrong checksum": writes(_gzipped(ZIPPED[:-8] + bytes(8))),
    "gzip that is none": writes(_gzipped(BODY)),
    "an encoding nobody asked for": writes(_gzipped(BODY).replace(b"gzip", b"br")),
    "gzip that swells past every limit": writes(_gzipped(gzip.compress(bytes(33 << 20)))),
}


EMPTY = {
    "closed": writes(unended(b""), Wire.close),
    "reset": writes(unended(b""), Wire.reset),
    "well ended": writes(unended(b"") + LAST),
    "comments only": writes(unended(b": hello\n\n") + LAST),
    "half an event": writes(unended(STREAM[:40]), Wire.close),
    "half an event, well ended": writes(unended(STREAM[:40]) + LAST),
    "no headers": writes(b"HTTP/1.1 200 OK\r\ncontent-type: text/ev", Wire.close),
}


ENDS = {
    "FIN without the last chunk": (b"", Wire.close),
    "RST": (b"", Wire.reset),
    "a clean end without message_stop": (LAST, None),
    "half an event and a FIN": (chunk(REST[:30]), Wire.close),
    "half an event and a clean end": (chunk(REST[:30]) + LAST, None),
    "a ping and a FIN": (chunk(PING), Wire.close),
    "half a chunk": (b"ff\r\nevent: content", Wire.close),
    "a chunk size that is none": (b"zz\r\n", None),
    "all but the last event": (chunk(b"".join(EVENT_LIST[-2:-1])), Wire.close),
    "message_stop without its blank line": (chunk(EVENT_LIST[-1][:-1]) + LAST, None),
}


SILENT = {
    "closed": writes(b"", Wire.close),
    "reset": writes(b"", Wire.reset),
    "no HTTP": writes(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "HTTP/2": writes(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), Wire.close),
    "half a status line": writes(b"HTTP/1.1 20", Wire.close),
    "half a head": writes(JSON[:-3], Wire.close),
    "an informational answer only": writes(b"HTTP/1.1 103 Early Hints\r\n\r\n", Wire.close),
    "a protocol nobody asked for": writes(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"
    ),
    "a head with a NUL": writes(JSON + b"x-nul: \x00\r\ncontent-length: 2\r\n\r\n{}"),
    "two lengths": writes(JSON + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}}"),
}


def _begun(more, end):
    return writes(unended(BEGUN) + more, end)


# name: (answer, whether the request is for a stream, the text that comes before the error)
ALL = {
    **{f"a plain answer: {name}": (answer, False, "") for name, answer in CUT.items()},
    **{f"a stream, {name}": (answer, True, "") for name, answer in EMPTY.items()},
    **{
        f"a stream, {name}": (writes(unended(BEGUN) + more, end), True, BEGUN_TEXT)
        for name, (more, end) in ENDS.items()
    },
    **{f"no answer: {name}": (answer, False, "") for name, answer in SILENT.items()},
    **{f"no stream: {name}": (answer, True, "") for name, answer in SILENT.items()},
}
