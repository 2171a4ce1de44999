"""JSON as the two APIs write it: read strictly but for one mercy, written compactly and always as valid UTF-8.

The mercy is for half a surrogate pair: a model cut off in the middle of an emoji leaves an escape such as `\\ud83d`,
which the fast parser refuses. The text around it is worth keeping, so it is read by the slow one and written escaped.
"""

import json
import re
from json.encoder import encode_basestring
from typing import Any

from jiter import from_json

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def read(data: bytes) -> Any:
    """The value in `data`. Raises ValueError."""
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError:
        harmless = _SURROGATE.sub(rb"\\u0020", data)
        if harmless == data:
            raise
    # Everything else has to be right: the slow parser alone would take NaN and any depth.
    from_json(harmless, allow_inf_nan=False)
    return json.loads(data)


def write(value: object) -> str:
    """Compact JSON text; a number too large for a float is `null`, as in JavaScript."""
    try:
        return _encode(value)
    except ValueError:
        return _encode(json.loads(json.dumps(value), parse_constant=lambda _: None))


def quoted(text: str) -> bytes:
    """One JSON string, in UTF-8; half a surrogate pair leaves as the escape it came as."""
    return encode_basestring(text).encode("utf-8", "backslashreplace")


def utf8(text: str) -> bytes:
    """JSON text as bytes; half a surrogate pair leaves as the escape it came as."""
    return text.encode("utf-8", "backslashreplace")
