"""Server-sent events, incremental and sans-IO (WHATWG HTML 9.2.6).

Two steps, so that a relay pays for the first only. `Framer` finds where whole events end in a byte stream and hands
on everything up to there, unchanged: it holds back the bytes of an event that is not complete yet. `events` reads the
fields of whole events. `Decoder` is both in one.

Line ends are LF, CR or CRLF, in any mixture, cut anywhere; an event ends at a blank line.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

# A line end followed by a blank line. A lone CR counts as a line end at once (a CR-only stream must not lag by an
# event); where it turns out to be the first half of a CRLF, the LF is an empty line before the next event.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"

# One web search result may be megabytes; an event without an end must not fill the memory.
MAX_EVENT_BYTES = 32 * 1024 * 1024


class EventTooLargeError(ValueError):
    """An event grew past `MAX_EVENT_BYTES` without an end."""


class Event(NamedTuple):
    """One dispatched event: its name (`message` unless given) and its data, lines joined by LF."""

    name: str
    data: bytes


class Framer:
    """Cuts a byte stream after whole events; what it hands on, joined, is what it was fed."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """The bytes of every event that `chunk` completes, or b"" when none does.

        Raises EventTooLargeError.
        """
        if not self._held and chunk.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")):
            return chunk
        # Only the seam and what is new can hold a boundary: a 2 MB event fed four bytes at a time stays linear.
        seam = max(0, len(self._held) - 3)
        self._held += chunk
        if (end := _last_boundary(self._held, seam)) == 0:
            if len(self._held) > MAX_EVENT_BYTES:
                raise EventTooLargeError
            return b""
        whole = bytes(self._held[:end])
        del self._held[:end]
        return whole

    def rest(self) -> bytes:
        """What is left of an event that never ended; empties the framer."""
        rest = bytes(self._held)
        self._held.clear()
        return rest


def _last_boundary(data: bytearray, start: int) -> int:
    end = 0
    for match in _BLANK_LINE.finditer(data, start):
        end = match.end()
    return end


def blocks(whole: bytes) -> Iterator[bytes]:
    """`whole` cut after each blank line; joined, the pieces are `whole`."""
    start = 0
    for match in _BLANK_LINE.finditer(whole):
        yield whole[start : match.end()]
        start = match.end()
    if start < len(whole):
        yield whole[start:]


def events(whole: bytes) -> Iterator[Event]:
    """The events in `whole`, which ends where an event ends. Comments, `id` and `retry` are passed over."""
    name = ""
    data: list[bytes] = []
    for line in _LINE_END.split(whole):
        if not line:
            if data:
                yield Event(name or "message", b"\n".join(data))
            name, data = "", []
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")


class Decoder:
    """Bytes in, events out: `Framer` and `events` together."""

    def __init__(self) -> None:
        self._framer = Framer()
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that `chunk` completes. Raises EventTooLargeError."""
        whole = self._framer.feed(chunk)
        if whole and not self._begun:  # a stream may begin with a byte order mark
            self._begun = True
            whole = whole.removeprefix(_BOM)
        return events(whole)


def encode(name: str, data: bytes) -> bytes:
    """One event with a name. `data` is one line (compact JSON)."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
