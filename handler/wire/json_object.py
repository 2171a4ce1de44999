"""A JSON object that came as bytes and leaves as the same bytes, but for the members that are replaced.

Re-serialising a body changes it (spaces, escapes, numbers, order) and costs its sender the prompt cache. So a body is
parsed to be read, and edited where it stands: everything outside an edit leaves byte for byte.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from handler.errors import ProxyError
from handler.wire import json_text

_SPACE = re.compile(r"[ \t\n\r]*")
_AFTER = re.compile(rb"[ \t\n\r]*:[ \t\n\r]*")
_BACKSLASH = 0x5C
_ESCAPED_LETTERS = (b"\\u006", b"\\u007")
# Numbers are only measured here: as strings, so that 10,000 digits are no trouble.
_READER = json.JSONDecoder(parse_int=str, parse_float=str)


Pieces = tuple[bytes | memoryview, ...]
"""A body in pieces, sent one after the other: megabytes around an edit are not copied."""


class JsonObject:
    """`raw` as received, `value` as read. Raises ProxyError (400) for anything but one JSON object in UTF-8."""

    __slots__ = ("raw", "value")

    def __init__(self, raw: bytes) -> None:
        try:
            value = json_text.read(raw)
        except ValueError:
            raise ProxyError(400, "The request body is not valid JSON. Send one JSON object, in UTF-8.") from None
        if not isinstance(value, dict):
            raise ProxyError(400, "The request body must be a JSON object.")
        self.raw = raw
        self.value: dict[str, Any] = value

    def edited(self, edits: Mapping[str, str]) -> Pieces:
        """The body with the values of these members replaced by JSON text; members it lacks are put first, in order."""
        changes = [(*self._span(key), text.encode()) for key, text in edits.items() if key in self.value]
        if missing := [f"{json.dumps(key)}:{text}" for key, text in edits.items() if key not in self.value]:
            brace = self.raw.index(b"{") + 1
            changes.append((brace, brace, (",".join(missing) + ("," if self.value else "")).encode()))
        pieces: list[bytes | memoryview] = []
        done, whole = 0, memoryview(self.raw)
        for start, end, replacement in sorted(changes):
            pieces += (whole[done:start], replacement)
            done = end
        return (*pieces, whole[done:])

    def text_of(self, key: str) -> str:
        """The JSON text of a member's value, as it stands in the body. Raises KeyError."""
        if key not in self.value:
            raise KeyError(key)
        start, end = self._span(key)
        return self.raw[start:end].decode()

    def _span(self, key: str) -> tuple[int, int]:
        """Where the value of a member that is there begins and ends; of several with one name, the last counts."""
        if (start := _only_place(self.raw, key)) is not None:
            text = self.raw[start:].decode()
            _, end = _READER.raw_decode(text, 0)
            return start, start + (end if text.isascii() else len(text[:end].encode()))
        text = self.raw.decode()
        start, end = [(start, end) for name, start, end in _members(text) if name == key][-1]
        return len(text[:start].encode()), len(text[:end].encode())


def _only_place(raw: bytes, key: str) -> int | None:
    """Where the value begins if `"key":` stands but once in the body, at whatever depth: then it is the member.

    This finds it in megabytes of images without reading them. A quoted name that no backslash precedes is a whole
    string of its own: inside another string its first quote would be escaped.
    """
    if not (key.isascii() and key.isalpha() and key.islower()) or any(escape in raw for escape in _ESCAPED_LETTERS):
        return None  # the name may be written in other ways
    quoted, found, at = json.dumps(key).encode(), None, -1
    while (at := raw.find(quoted, at + 1)) >= 0:
        colon = _AFTER.match(raw, at + len(quoted))
        if colon and raw[at - 1] != _BACKSLASH:
            if found is not None:
                return None
            found = colon.end()
    return found


def _members(text: str) -> Iterator[tuple[str, int, int]]:
    """Key, start and end of every top-level member's value; `text` is known to be a JSON object."""
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = _READER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, end = _READER.raw_decode(text, start)
        yield key, start, end
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def elements(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every element; `text` is known to be a JSON list."""
    at = _skip(text, 1)
    while text[at] != "]":
        _, end = _READER.raw_decode(text, at)
        yield at, end
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
