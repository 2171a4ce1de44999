"""The two families of routes as a fault sees them: what is asked, what a good answer and a failed one look like.

    ANTHROPIC   /v1/messages             OPENAI   /v1/chat/completions

`is_whole` and `is_whole_stream` say that an answer is good, `is_error` that it is a complete error, `is_stream_error`
that a stream ended with one error and nothing that pretends to be a good end.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.event_stream import events
from tests.support.proxy import KEY
from tests.support.raw_client import Answer, post

Json = dict[str, Any]

PROMPT = "A question that no log may hold."
MODEL = "claude-opus-5-5"

_REVEALING = re.compile(r"Traceback|\.py\b|/handler|site-packages|127\.0\.0\.1|localhost|::1|" + re.escape(KEY))


@dataclass(frozen=True)
class Family:
    """A family; `types` are its error types by status, `pieces` reads the text of one streamed object."""

    name: str
    path: str
    types: Mapping[int, str]
    text: Callable[[Json], str]
    piece: Callable[[Json], str]
    error_keys: frozenset[str]

    def request(self, *, stream: bool = False, prompt: str = PROMPT, mode: str = "", **headers: str) -> bytes:
        """A request as bytes, in a mode ("", "/min", "/pt"); `headers` as in `post`."""
        return post(mode + self.path, self.body(stream=stream, prompt=prompt), **headers)

    def body(self, *, stream: bool = False, prompt: str = PROMPT) -> Json:
        """A request's body."""
        body: Json = {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": prompt}]}
        return body | {"stream": True} if stream else body

    def kind(self, status: int) -> str:
        """The error type that belongs to a status."""
        return self.types[status]


_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "server_error",
    503: "server_error",
    504: "server_error",
    529: "server_error",
}


def _anthropic_text(message: Json) -> str:
    return "".join(block["text"] for block in message["content"])


def _anthropic_piece(event: Json) -> str:
    return event["delta"].get("text", "") if event.get("type") == "content_block_delta" else ""


def _openai_text(completion: Json) -> str:
    return completion["choices"][0]["message"]["content"]


def _openai_piece(chunk: Json) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in chunk.get("choices", ()))


ANTHROPIC = Family(
    "anthropic", "/v1/messages", _ANTHROPIC_TYPES, _anthropic_text, _anthropic_piece, frozenset({"type", "message"})
)
OPENAI = Family(
    "openai",
    "/v1/chat/completions",
    _OPENAI_TYPES,
    _openai_text,
    _openai_piece,
    frozenset({"message", "type", "param", "code"}),
)

each_family = pytest.mark.parametrize("family", [ANTHROPIC, OPENAI], ids=lambda family: family.name)
each_manner = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


def said(body: bytes, family: Family) -> str:
    """The text of a stream so far; what is no JSON says nothing."""
    return "".join(family.piece(value) for value in _objects(body))


def reveals_nothing(answer: Answer) -> None:
    """No traceback, path, address or key, in body or headers."""
    everything = answer.body.decode("utf-8", "replace") + "\n".join(answer.headers.values())
    assert not _REVEALING.search(everything), everything


def is_whole(answer: Answer, family: Family, text: str) -> None:
    """A good plain answer with this text."""
    assert (answer.status, answer.complete) == (200, True), answer.body[:500]
    assert answer.headers["content-type"].startswith("application/json")
    assert family.text(answer.json()) == text


def is_whole_stream(answer: Answer, family: Family, text: str) -> None:
    """A stream with this text and a good end."""
    assert (answer.status, answer.complete) == (200, True), answer.body[:500]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert said(answer.body, family) == text
    assert _good_ends(answer.body) == 1
    assert not _errors(answer.body)
    if family is OPENAI:
        assert events(answer.body)[-1].data == b"[DONE]"


def is_good(answer: Answer, family: Family, text: str, *, stream: bool) -> None:
    """A good answer of either manner."""
    (is_whole_stream if stream else is_whole)(answer, family, text)


def is_error(answer: Answer, status: int, family: Family) -> Json:
    """A complete error answer; its error object."""
    assert answer.status == status, (answer.status, answer.body[:500])
    assert answer.complete
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["request-id"]
    assert "location" not in answer.headers
    error = _error_object(answer.json(), family)
    assert error["type"] == family.kind(status)
    reveals_nothing(answer)
    return error


def is_stream_error(answer: Answer, family: Family, text: str, status: int | None = None) -> Json:
    """A stream with this text, then one error and a proper end; its error object. `status`: whose type it has."""
    assert (answer.status, answer.complete) == (200, True), (answer.status, answer.complete, answer.body[:500])
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["request-id"]
    assert said(answer.body, family) == text
    assert _good_ends(answer.body) == 0, answer.body[-500:]
    assert answer.body.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")), answer.body[-500:]
    assert len(_errors(answer.body)) == 1, answer.body[-1000:]
    last = [event for event in events(answer.body) if event.data != b"[DONE]"][-1]
    assert (last.name == "error") is (family is ANTHROPIC)
    error = _error_object(json.loads(last.data), family)
    assert error["type"] in ({family.kind(status)} if status else set(family.types.values()))
    reveals_nothing(answer)
    return error


def fails(answer: Answer, family: Family, text: str = "") -> Json:
    """An error with a status of 500 or more, or a stream that ends with one."""
    if answer.status == 200:
        return is_stream_error(answer, family, text)
    assert answer.status >= 500, answer.status
    return is_error(answer, answer.status, family)


def _objects(body: bytes) -> Iterator[Json]:
    for event in events(body):
        try:
            value = json.loads(event.data)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _errors(body: bytes) -> list[object]:
    named = [event for event in events(body) if event.name == "error"]
    inside = [value for value in _objects(body) if value.get("type") == "error" or "error" in value]
    return max(named, inside, key=len)


def _good_ends(body: bytes) -> int:
    """How many events say that the answer is complete."""
    reasons = [choice for value in _objects(body) for choice in value.get("choices", ()) if choice["finish_reason"]]
    return len(reasons) + sum(value.get("type") == "message_stop" for value in _objects(body))


def _error_object(value: Any, family: Family) -> Json:
    error = value["error"]
    if family is ANTHROPIC:
        assert value["type"] == "error"
        assert set(error) <= family.error_keys | {"details"}
    assert family.error_keys <= set(error)
    assert isinstance(error["message"], str)
    assert error["message"].strip()
    return error
