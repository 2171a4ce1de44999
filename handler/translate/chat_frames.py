"""The bytes of a chat.completion.chunk stream: one `data:` frame a chunk, and nothing else but comments.

All chunks of a stream share everything around their delta, so that is encoded once; a piece of text, which is what
nearly every chunk is, costs the encoding of its own characters.
"""

from handler.errors import ProxyError, openai_body
from handler.translate.outcomes import completion_usage
from handler.wire import json_text
from handler.wire.anthropic import Json

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"


class Frames:
    """Encodes the chunks of one answer. `usage` says whether every chunk but the last has a null usage."""

    def __init__(self, name: str, created: int, model: str, tier: str | None, *, usage: bool) -> None:
        shared = {
            "id": name,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "service_tier": tier,
            "system_fingerprint": None,
        }
        self._shared = b"data: " + json_text.utf8(json_text.write(shared))[:-1]
        self._head = self._shared + b',"choices":[{"index":0,"delta":'
        self._end = b'}],"usage":null}\n\n' if usage else b"}]}\n\n"
        self._tail = b',"logprobs":null,"finish_reason":null' + self._end
        self._text_head = self._head + b'{"content":'
        self._text_tail = b"}" + self._tail

    def text(self, text: str) -> bytes:
        """A piece of the content."""
        return self._text_head + json_text.quoted(text) + self._text_tail

    def string(self, before: bytes, text: str, after: bytes) -> bytes:
        """A delta that is JSON around one string."""
        return self._head + before + json_text.quoted(text) + after + self._tail

    def delta(self, delta: Json) -> bytes:
        """Any delta."""
        return self._head + json_text.utf8(json_text.write(delta)) + self._tail

    def finish(self, reason: str) -> bytes:
        """The one chunk with a finish_reason."""
        return self._head + b'{},"logprobs":null,"finish_reason":' + json_text.quoted(reason) + self._end

    def usage(self, counts: Json) -> bytes:
        """The chunk without a choice, which tells what the answer cost."""
        said = json_text.utf8(json_text.write(completion_usage(counts)))
        return self._shared + b',"choices":[],"usage":' + said + b"}\n\n"


def error(failure: ProxyError) -> bytes:
    """The frame that makes an OpenAI client raise."""
    return b"data: " + openai_body(failure) + b"\n\n"
