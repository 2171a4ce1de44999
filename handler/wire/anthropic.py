"""The Messages API's stream: which event may come when.

    AWAITING --message_start--> BETWEEN --message_stop--> ENDED
                                 |   ^
               content_block_start   content_block_stop
                                 v   |
                                INSIDE        `message_delta` leaves BETWEEN as it is, `content_block_delta` INSIDE;
                                              `error` ends every phase

The API may grow: an event type that is not in the table (`ping` is one) is legal anywhere and means nothing here. What
the table does know has to come in its place and in its shape, or the stream is not to be trusted.
Source: "Streaming Messages" of the API's documentation; `RawMessageStreamEvent` of the `anthropic` package.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

# One event or message, as read from JSON.
Json = dict[str, Any]

# The counts of `usage` that are worth a log line, by their names there.
TOKEN_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class Phase(Enum):
    """Where in its life a stream stands."""

    AWAITING = "awaiting message_start"
    BETWEEN = "between two content blocks"
    INSIDE = "inside a content block"
    ENDED = "ended"


_NEXT: Mapping[Phase, Mapping[str, Phase]] = MappingProxyType(
    {
        Phase.AWAITING: {
            "message_start": Phase.BETWEEN,
            "error": Phase.ENDED,
        },
        Phase.BETWEEN: {
            "content_block_start": Phase.INSIDE,
            "message_delta": Phase.BETWEEN,
            "message_stop": Phase.ENDED,
            "error": Phase.ENDED,
        },
        Phase.INSIDE: {
            "content_block_delta": Phase.INSIDE,
            "content_block_stop": Phase.BETWEEN,
            "error": Phase.ENDED,
        },
        Phase.ENDED: {},
    }
)
_KNOWN = frozenset(kind for row in _NEXT.values() for kind in row)

# The member that makes an event what it is: an object.
_BODY: Mapping[str, str] = MappingProxyType(
    {
        "message_start": "message",
        "content_block_start": "content_block",
        "content_block_delta": "delta",
        "message_delta": "delta",
    }
)

# Equal to no index.
_NO_BLOCK = object()


class IllegalEventError(ValueError):
    """An event the API cannot have meant: out of its order, or without its content."""


class Lifecycle:
    """Follows one stream. `phase` is where it stands now."""

    def __init__(self) -> None:
        self.phase = Phase.AWAITING
        self._open: object = _NO_BLOCK

    def advance(self, event: Json) -> bool:
        """Takes one event; False when it means nothing here. Raises IllegalEventError."""
        kind = event.get("type")
        # Nearly every event is this one: a delta of the block that is open, for which the table would say the same.
        if kind == "content_block_delta" and event.get("index") == self._open and type(event.get("delta")) is dict:
            return True
        if type(kind) is not str or kind not in _KNOWN:
            return False
        phase = _NEXT[self.phase].get(kind)
        if phase is None:
            raise IllegalEventError(f"{kind} cannot come when {self.phase.value}")
        if kind in _BODY and type(event.get(_BODY[kind])) is not dict:
            raise IllegalEventError(f"{kind} has no {_BODY[kind]}")
        if phase is Phase.INSIDE or self.phase is Phase.INSIDE:
            self._check_index(kind, event.get("index"))
        self.phase = phase
        return True

    def _check_index(self, kind: str, index: object) -> None:
        if kind == "content_block_start" and type(index) is int:
            self._open = index
        elif kind != "error" and index != self._open:
            raise IllegalEventError(f"{kind} names a content block that is not open")
        else:
            self._open = _NO_BLOCK
