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
# Numbers are only measured here: as strings, so that 10,000 digits are no trouble.
_READER = json.JSONDecoder(parse_int=str, parse_float=str)


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

    def edited(self, edits: Mapping[str, str]) -> bytes:
        """The body with the values of these members replaced by JSON text; members it lacks are put first, in order."""
        text = self.raw.decode()
        present = sorted(((*self._span(text, key), edits[key]) for key in edits if key in self.value), reverse=True)
        for start, end, replacement in present:
            text = text[:start] + replacement + text[end:]
        if missing := [f"{json.dumps(key)}:{edits[key]}" for key in edits if key not in self.value]:
            brace = text.index("{") + 1
            text = text[:brace] + ",".join(missing) + ("," if self.value else "") + text[brace:]
        return text.encode()

    def text_of(self, key: str) -> str:
        """The JSON text of a member's value, as it stands in the body. Raises KeyError."""
        if key not in self.value:
            raise KeyError(key)
        text = self.raw.decode()
        start, end = self._span(text, key)
        return text[start:end]

    def _span(self, text: str, key: str) -> tuple[int, int]:
        """Where the value of a member that is there begins and ends; of several with one name, the last counts."""
        if (start := _only_place(text, key)) is not None:
            return start, _READER.raw_decode(text, start)[1]
        return [(start, end) for name, start, end in _members(text) if name == key][-1]


def _only_place(text: str, key: str) -> int | None:
    """Where the value begins if `"key":` stands but once in the text, at whatever depth: then it is the member.

    This finds it in megabytes of images without reading them. A quoted name that no backslash precedes is a whole
    string of its own: inside another string its first quote would be escaped.
    """
    quoted, found, at = json.dumps(key), None, -1
    while (at := text.find(quoted, at + 1)) >= 0:
        colon = _skip(text, at + len(quoted))
        if text[at - 1] != "\\" and text[colon] == ":":
            if found is not None:
                return None
            found = _skip(text, colon + 1)
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


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
