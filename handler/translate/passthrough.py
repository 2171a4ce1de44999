"""The Anthropic routes: the answer leaves as it came.

Bodies, `ping` events, comments and unknown events are handed on byte for byte; a stream is only ever cut between two
events. The one thing read is where a stream ends and what it used: an event is decoded only when its bytes hold one of
four words, and text that merely contains such a word does not count, because its event's `type` says otherwise.
"""

import re
from collections.abc import Callable
from typing import Any

from handler import sse
from handler.errors import ProxyError, anthropic_body
from handler.translate.exchange import Headers, UpstreamRequest
from handler.wire import json_text
from handler.wire.anthropic import TOKEN_COUNTS

_NOT_JSON = "The upstream's answer is not valid JSON."
_INCOMPLETE = "The upstream's stream ended before it was complete."
_TOLD = re.compile(rb'"usage"|message_stop|event: ?error|"error"')


class Passthrough:
    """An exchange that changes nothing. `keep` filters the answer's headers."""

    rewrites = False

    def __init__(
        self,
        upstream: UpstreamRequest,
        keep: Callable[[Headers], list[tuple[bytes, bytes]]],
        *,
        download: bool = False,
    ) -> None:
        self.upstream = upstream
        self.download = download
        self.usage: dict[str, int] = {}
        self.done = False
        self._failed = False
        self._keep = keep
        self._framer = sse.Framer()

    def headers(self, upstream: Headers) -> list[tuple[bytes, bytes]]:
        """The headers the mode lets through."""
        return self._keep(upstream)

    def answer(self, body: bytes) -> bytes:
        """The body itself. Raises ProxyError (502) when it is not a JSON object, or is an error under a good status."""
        value = _json(body)
        if not isinstance(value, dict) or value.get("type") == "error":
            raise ProxyError(502, "The upstream answered 200 with something that is no answer.")
        self._count(value.get("usage"))
        return body

    def refuse(self, status: int, body: bytes) -> bytes:
        """The upstream's error body itself. Raises ProxyError (502) when it is not a JSON object."""
        if not isinstance(_json_or_none(body), dict):
            raise ProxyError(502, f"The upstream answered {status} with something that is no error body.")
        return body

    def feed(self, chunk: bytes) -> bytes:
        """The bytes of whole events, as they came; after an error event nothing."""
        if self._failed:
            return b""
        try:
            whole = self._framer.feed(chunk)
        except sse.EventTooLargeError:
            raise ProxyError(502, "The upstream sent an event that is too large.") from None
        if _TOLD.search(whole):
            return self._listen(whole)
        return whole

    def close(self) -> bytes:
        """What is left behind a complete stream. Raises ProxyError (502) when it was cut."""
        if not self.done:
            raise ProxyError(502, _INCOMPLETE)
        return b"" if self._failed else self._framer.rest()

    def fail(self, error: ProxyError) -> bytes:
        """One `error` event, in the words of the Anthropic API; nothing when the stream had its last word."""
        if self.done:
            return b""
        self.done = True
        return sse.encode("error", anthropic_body(error))

    def _listen(self, whole: bytes) -> bytes:
        """`whole`, or as much of it as ends with an error event: nothing follows one."""
        end = 0
        for block in sse.blocks(whole):
            end += len(block)
            if not _TOLD.search(block):
                continue
            for event in sse.events(block):
                data = _json_or_none(event.data)
                match data:
                    case {"type": "message_start", "message": {"usage": usage}}:
                        self._count(usage)
                    case {"type": "message_delta", "usage": usage}:
                        self._count(usage)
                    case {"type": "message_stop"}:
                        self.done = True
                if event.name == "error" or (isinstance(data, dict) and data.get("type") == "error"):
                    self.done = self._failed = True
                    return whole[:end]
        return whole

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self.usage.update({name: n for name in TOKEN_COUNTS if isinstance(n := usage.get(name), int)})


def _json(body: bytes) -> Any:
    try:
        return json_text.read(body)
    except ValueError:
        raise ProxyError(502, _NOT_JSON) from None


def _json_or_none(data: bytes) -> Any:
    try:
        return json_text.read(data)
    except ValueError:
        return None
