"""A JSON object that came as bytes and leaves as the same bytes, but for the members that are replaced.

Re-serialising a body changes it (spaces, escapes, numbers, order) and costs its sender the prompt cache. So a body is
parsed to be read, and edited where it stands: everything outside an edit leaves byte for byte.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import from_json

from handler.errors import ProxyError

_SPACE = re.compile(r"[ \t\n\r]*")
# Numbers are only measured here: as strings, so that 10,000 digits are no trouble.
_READER = json.JSONDecoder(parse_int=str, parse_float=str)


class JsonObject:
    """`raw` as received, `value` as read. Raises ProxyError (400) for anything but one JSON object in UTF-8."""

    __slots__ = ("raw", "value")

    def __init__(self, raw: bytes) -> None:
        try:
            value = from_json(raw, allow_inf_nan=False)
        except ValueError:
            raise ProxyError(400, "The request body is not valid JSON. Send one JSON object, in UTF-8.") from None
        if not isinstance(value, dict):
            raise ProxyError(400, "The request body must be a JSON object.")
        self.raw = raw
        self.value: dict[str, Any] = value

    def edited(self, edits: Mapping[str, str]) -> bytes:
        """The body with the values of these members replaced by JSON text; members it lacks are put first, in order."""
        text = self.raw.decode()
        spans = {key: (start, end) for key, start, end in _members(text)}
        missing = [f"{json.dumps(key)}:{edits[key]}" for key in edits if key not in spans]
        for (start, end), key in sorted(((spans[key], key) for key in edits if key in spans), reverse=True):
            text = text[:start] + edits[key] + text[end:]
        if missing:
            brace = text.index("{") + 1
            comma = "," if self.value else ""
            text = text[:brace] + ",".join(missing) + comma + text[brace:]
        return text.encode()

    def text_of(self, key: str) -> str:
        """The JSON text of a member's value, as it stands in the body. Raises KeyError."""
        text = self.raw.decode()
        for name, start, end in reversed(list(_members(text))):
            if name == key:
                return text[start:end]
        raise KeyError(key)


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
