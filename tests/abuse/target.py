"""What is abused: a running proxy in front of a running simulator, and the routes it is abused on.

async with chained(auth_token="t") as chain:
    answer = await chain.call(target.ask("Hello"))
    refused(answer, target.family, 401)
    chain.posts, chain.seen                            what reached the upstream
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from handler.simulator import create_simulator
from tests.faults.families import ANTHROPIC, OPENAI, Family, reveals_nothing
from tests.support.proxy import proxied
from tests.support.raw_client import Answer, call, post
from tests.support.recorder import Recorder, Seen
from tests.support.server import serving

TOKEN = "the-proxys-own-token-of-forty-characters"
OWN_KEY = "sk-ant-api03-the-callers-own"
OWN_OAUTH = "sk-ant-oat01-the-callers-own"
OWNERS_OAUTH = "sk-ant-oat01-the-owners-own"
OAUTH_REFUSAL = (
    "system: This credential is only authorized for use with Claude Code and cannot be used for other API requests."
)

MODES = ("", "/full", "/min", "/pt")


@dataclass(frozen=True)
class Target:
    """One route that takes a prompt; `path` with its mode's prefix."""

    path: str
    family: Family

    def ask(self, prompt: str = "Hello", *, stream: bool = False, **headers: str) -> bytes:
        """A good request as bytes; `headers` as in `post`."""
        return post(self.path, self.family.body(stream=stream, prompt=prompt), **headers)

    def with_field(self, name: str, value: str, **headers: str) -> bytes:
        """A good request but for one member, whose value is JSON text."""
        body = self.family.body(prompt="Hello")
        body.pop(name, None)
        text = json.dumps(body)
        return post(
            self.path, f"{text[:-1]}, {json.dumps(name)}: {value}}}".encode("utf-8", "surrogatepass"), **headers
        )


TARGETS = (
    Target("/v1/messages", ANTHROPIC),
    Target("/min/v1/messages", ANTHROPIC),
    Target("/pt/v1/messages", ANTHROPIC),
    Target("/v1/chat/completions", OPENAI),
    Target("/openai/v1/chat/completions", OPENAI),
    Target("/min/v1/chat/completions", OPENAI),
)
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.path)
each_family = pytest.mark.parametrize("target", [TARGETS[0], TARGETS[3]], ids=lambda target: target.family.name)


class Chain:
    """A running proxy in front of a running simulator."""

    def __init__(self, url: str, upstream: str, recorder: Recorder) -> None:
        self.url, self.upstream, self.seen = url, upstream, recorder.seen

    @property
    def posts(self) -> list[Seen]:
        """What was posted upstream; the proxy's own look at the models list is none of it."""
        return [seen for seen in self.seen if seen.method == "POST"]

    async def call(self, request: bytes) -> Answer:
        """One request on a connection of its own."""
        return await call(self.url, request)

    async def alive(self, **headers: str) -> bool:
        """Whether the next ordinary request is answered."""
        return (await self.call(TARGETS[1].ask("Still there?", **headers))).status == 200


@asynccontextmanager
async def chained(**settings: Any) -> AsyncIterator[Chain]:
    """The chain in the running loop; `settings` are the proxy's."""
    recorder = Recorder(create_simulator())
    async with serving(recorder) as upstream, proxied(upstream, **settings) as url:
        yield Chain(url, upstream, recorder)


def refused(answer: Answer, family: Family, *statuses: int) -> dict[str, Any]:
    """The error object of a complete error answer with one of these statuses, in the family's shape."""
    assert answer.status in statuses, (answer.status, answer.body[:300])
    assert answer.complete
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    body = answer.json()
    error: dict[str, Any] = body["error"]
    if family is OPENAI:
        assert set(body) == {"error"}
        assert set(error) == {"message", "type", "param", "code"}
    else:
        assert body["type"] == "error"
        assert body["request_id"] == answer.headers["request-id"]
        assert set(error) - {"details"} == {"type", "message"}
    assert error["type"] == family.types.get(answer.status, "invalid_request_error")
    assert error["message"]
    reveals_nothing(answer)
    return error


def request(line: str, *headers: bytes, body: bytes = b"") -> bytes:
    """A request of these header lines, as they are, behind a Host."""
    return b"\r\n".join([f"{line} HTTP/1.1".encode("latin-1"), b"host: localhost", *headers, b"", body])


def get(path: str, **headers: str) -> bytes:
    """A GET."""
    return request(f"GET {path}", *(f"{name.replace('_', '-')}: {value}".encode() for name, value in headers.items()))


def credentials_of(seen: Seen) -> list[tuple[str, str]]:
    """Every header that carries a credential, and its value."""
    return [(name, value) for name in ("x-api-key", "authorization") for value in seen.headers.get_list(name)]


def prompt_of(seen: Seen) -> str:
    """The text of the last message upstream."""
    content = json.loads(seen.body)["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def everything_of(seen: Seen) -> str:
    """All that was sent in one request."""
    headers = "\n".join(f"{name}: {value}" for name, value in seen.headers.multi_items())
    return "\n".join([f"{seen.path}?{seen.query}", headers, seen.body.decode("utf-8", "replace")])
