"""Server-sent events by the letter of WHATWG HTML 9.2.6, read whole: what the product's own reader is held against.

And streams for hypothesis: every line end, comments, unknown fields, text that a cut may hurt; and cuts anywhere.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from hypothesis import strategies as st

BOM = b"\xef\xbb\xbf"
LINE_ENDS = (b"\n", b"\r\n", b"\r")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """One event: its name and its data."""

    name: str
    data: bytes


def lines(stream: bytes) -> Iterator[tuple[bytes, bool]]:
    """The lines, and whether each has its end; the last one has none."""
    *ended, last = _LINE_END.split(stream)
    yield from ((line, True) for line in ended)
    yield last, False


def events(stream: bytes) -> list[Event]:
    """The events that are dispatched; one without its blank line is not."""
    found, name, data = [], "", []
    for line, ended in lines(stream.removeprefix(BOM)):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not ended:
            break
        if not line:
            if data:
                found.append(Event(name or "message", b"\n".join(data)))
            name, data = "", []
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return found


def is_whole(stream: bytes) -> bool:
    """Whether these bytes end where an event ends: behind a blank line, or before anything came."""
    told = list(lines(stream))
    return told[-1] == (b"", False) and (len(told) == 1 or told[-2][0] == b"")


def pieces(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    """The stream cut at these places."""
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in pairwise(places)]


cuts = st.lists(st.integers(min_value=0, max_value=1 << 16), max_size=12)

_LINES = (
    b"",
    b"",
    b"data: one",
    b"data:two",
    b"data:  three ",
    b"data",
    b"data:",
    "data: Grüße 🎈".encode(),
    b"event: named",
    b"event",
    b": a comment",
    b":",
    b"id: 7",
    b"retry: 3000",
    b"novel: field",
    b" data: not a field",
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Lines of every kind, each with an end of its own; the last event may be cut short."""
    told = draw(st.lists(st.tuples(st.sampled_from(_LINES), st.sampled_from(LINE_ENDS)), max_size=14))
    begin = draw(st.sampled_from((b"", BOM)))
    last = draw(st.sampled_from((b"", b"\n\n", b"\r\n\r\n", b"\r\r", b"data: half")))
    return begin + b"".join(line + end for line, end in told) + last
