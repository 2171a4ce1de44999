"""The one interface between a wire format and the relay.

An `Exchange` is made per request. The relay sends `upstream`, then hands it the answer's bytes in one of three ways:

    an error status             refuse(status, body)                   -> the body to send, in the caller's format
    a whole answer (2xx JSON)   answer(body)                           -> the body to send
    a stream of events          feed(chunk)*, then close() or fail(e)  -> bytes to send, possibly none

After `close` or `fail`, or once `done`, nothing more is fed. A new format is one new class; the relay knows no other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from handler.errors import ProxyError
from handler.wire.json_object import Pieces

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """What goes upstream, credential aside: `target` is the raw path with its query string; no `body` is `()`."""

    method: str
    target: bytes
    headers: Headers
    body: Pieces = field(repr=False)


class Exchange(Protocol):
    """One request and its answer, bytes in and bytes out; no I/O."""

    upstream: UpstreamRequest

    @property
    def download(self) -> bool:
        """Whether a good answer is handed on as it comes, of whatever content type."""

    @property
    def rewrites(self) -> bool:
        """Whether bodies leave in another format than they came in."""

    @property
    def done(self) -> bool:
        """True once the stream has said its last word (a complete end, or an error event): nothing may follow."""

    @property
    def usage(self) -> dict[str, int]:
        """Token counts seen so far, by their Anthropic names; for the log and the metrics."""

    def headers(self, upstream: Headers) -> list[tuple[bytes, bytes]]:
        """The caller's response headers, from the upstream's; content-type, ids and framing aside."""

    def answer(self, body: bytes) -> bytes:
        """A whole successful JSON answer. Raises ProxyError (502) when it is not one."""

    def refuse(self, status: int, body: bytes) -> bytes:
        """The upstream's error body, in the caller's format. Raises ProxyError (502) when it is not JSON."""

    def feed(self, chunk: bytes) -> bytes:
        """Bytes of the stream in, whole events out. Raises ProxyError when the stream cannot go on."""

    def close(self) -> bytes:
        """The upstream ended its stream: the last bytes. Raises ProxyError when the stream was not complete."""

    def fail(self, error: ProxyError) -> bytes:
        """The stream's last words after a failure: one error event in the caller's format."""
