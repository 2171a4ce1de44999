"""Names and ids that the upstream takes (`^[a-zA-Z0-9_-]+$`), made from any others.

Always the same way, so that the upstream sees the same bytes again and its prompt cache holds, and with a piece of a
digest, so that two names never become one.
"""

import re
from hashlib import sha256

_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
MAX_TOOL_NAME = 128
MAX_ID = 256


def tool_name(name: str) -> str:
    """A tool's name upstream: `fs.read` -> `fs_read_1f0c6a12`."""
    return _legal(name, MAX_TOOL_NAME)


def call_id(identifier: str) -> str:
    """A tool call's id upstream."""
    return _legal(identifier, MAX_ID)


def _legal(text: str, limit: int) -> str:
    plain = _ILLEGAL.sub("_", text)
    if plain == text and len(text) <= limit:
        return text
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[: limit - 9]}_{digest}"
