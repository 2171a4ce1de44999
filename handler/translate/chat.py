"""The Chat Completions exchange: the answer leaves in OpenAI's words.

One chunk of a stream goes through five steps, each its own thing: bytes to events (`sse`), events to objects
(`json_text`), is it legal now (`Lifecycle`), what does it mean (`ChatStream`), how is it written (`chat_frames`).
"""

from collections.abc import Callable

from handler import sse
from handler.errors import ProxyError, openai_body
from handler.translate import chat_answer, chat_frames, outcomes
from handler.translate.chat_stream import ChatStream
from handler.translate.exchange import Headers, UpstreamRequest
from handler.translate.openai_headers import openai_headers
from handler.wire import json_text
from handler.wire.anthropic import IllegalEventError, Json, Lifecycle, Phase
from handler.wire.reading import Reading


class Chat:
    """One Chat Completions request. `keep` filters the answer's headers, `created` is its receipt in epoch seconds,
    `losses` are the names of what could not be said."""

    # Only JSON and events are understood, and both leave as others.
    download = False
    rewrites = True

    def __init__(
        self,
        upstream: UpstreamRequest,
        reading: Reading,
        keep: Callable[[Headers], list[tuple[bytes, bytes]]],
        *,
        created: int,
        losses: tuple[str, ...],
    ) -> None:
        self.upstream = upstream
        self._keep = keep
        self._reading = reading
        self._created = created
        self._losses = losses
        self._decoder = sse.Decoder()
        self._lifecycle = Lifecycle()
        self._stream = ChatStream(reading, created)
        self._usage: dict[str, int] = {}
        self._unsent = b""
        self._failed = False

    @property
    def done(self) -> bool:
        """True after `message_stop`, an `error` event or `fail`."""
        return self._failed or self._lifecycle.phase is Phase.ENDED

    @property
    def usage(self) -> dict[str, int]:
        """The token counts of the answer, or of the stream so far."""
        return self._usage or outcomes.token_counts(self._stream.usage)

    def headers(self, upstream: Headers) -> list[tuple[bytes, bytes]]:
        """Ours, what the upstream says about the request and its limits, and the losses by name."""
        headers = openai_headers(self._keep(upstream), upstream, self._created)
        if self._losses:
            headers.append((b"x-dropped", ",".join(self._losses).encode()))
        return headers

    def answer(self, body: bytes) -> bytes:
        """The ChatCompletion. Raises ProxyError (502) when `body` is no Message."""
        try:
            message = json_text.read(body)
        except ValueError:
            raise ProxyError(502, "The upstream's answer is not valid JSON.") from None
        said = chat_answer.answer(message, self._reading, self._created)
        self._usage = outcomes.token_counts(message.get("usage"))
        return json_text.utf8(json_text.write(said))

    def refuse(self, status: int, body: bytes) -> bytes:
        """OpenAI's error body, with the upstream's message. Raises ProxyError (502) when it has none."""
        refusal = outcomes.refusal_of(status, body)
        if refusal.status != status:
            raise refusal
        return openai_body(refusal)

    def feed(self, chunk: bytes) -> bytes:
        """The frames for the events `chunk` completes; nothing once done.

        Raises ProxyError (502) when the stream cannot be trusted any further; what came before is kept for `fail`.
        """
        frames: list[bytes] = []
        if self.done:
            return b""
        try:
            for event in self._decoder.feed(chunk):
                frames.append(self._told(event))
                if self.done:
                    break
        except (sse.EventTooLargeError, IllegalEventError, ProxyError) as error:
            self._unsent = b"".join(frames)
            raise _failure(error) from None
        return b"".join(frames)

    def close(self) -> bytes:
        """Nothing: a stream that is done has said it all. Raises ProxyError (502) for one that is not."""
        if not self.done:
            message = "The upstream's stream ended before the answer was complete."
            raise ProxyError(502, message, code="upstream_disconnected")
        return b""

    def fail(self, error: ProxyError) -> bytes:
        """What was not sent yet, then one error frame; nothing when the stream had its last word."""
        if self.done:
            return b""
        self._failed = True
        return self._unsent + chat_frames.error(error)

    def _told(self, event: sse.Event) -> bytes:
        if not event.data:
            return b""
        said = _object(event)
        if self._lifecycle.advance(said):
            return self._stream.feed(said)
        return chat_frames.PING if said["type"] == "ping" else b""


def _object(event: sse.Event) -> Json:
    try:
        said = json_text.read(event.data)
    except ValueError:
        raise ProxyError(502, "The upstream's stream has an event that is not valid JSON.") from None
    if type(said) is not dict:
        raise ProxyError(502, "The upstream's stream has an event that is no object.")
    # The type inside decides; only where it is missing the event's name does.
    said.setdefault("type", event.name)
    return said


def _failure(error: Exception) -> ProxyError:
    match error:
        case ProxyError():
            return error
        case sse.EventTooLargeError():
            return ProxyError(502, "The upstream sent an event that is too large.")
    return ProxyError(502, "The upstream's stream is not in order.")
