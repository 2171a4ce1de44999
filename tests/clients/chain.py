"""The chain a client test stands at: client -> running proxy -> simulator, and what each of them said to the next.

async with chained(auth_token="t") as chain:               in the test's own event loop
with chained_for_blocking() as chain:                      in threads, for clients that block
with python_sdk(chain.url + "/pt") as (client, sent):      the official client; `sent` are its requests as they left it
assert_relayed("/pt", sent, chain.seen)                    the upstream saw them as the mode promises
"""

import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx
import httpx2

from handler import sse
from handler.simulator import create_simulator
from tests.support.proxy import KEY, proxied, proxied_for_blocking
from tests.support.recorder import Recorder, Seen
from tests.support.server import served, serving

MODES = ("", "/full", "/min", "/pt")
FULL_MODES = ("", "/full")
PLAIN_MODES = ("/min", "/pt")

MODEL = "claude-opus-5-5"
AUTH_TOKEN = "the-proxys-own-token"
OWN_KEY = "sk-ant-api03-the-callers-own"
OWN_OAUTH = "sk-ant-oat01-the-callers-own"
OWNERS_OAUTH = "sk-ant-oat01-the-owners-own"
SECRETS = (AUTH_TOKEN, KEY, OWN_KEY, OWN_OAUTH, OWNERS_OAUTH)

PROMPT = "You are Claude Code, Anthropic's official CLI for Claude."
BLOCK = {"type": "text", "text": PROMPT}
_BLOCK = json.dumps(BLOCK, separators=(",", ":")).encode()


@dataclass
class Said:
    """One answer of the upstream as it left it; `times` are monotonic seconds, one for each of `chunks`."""

    status: int
    headers: httpx.Headers
    chunks: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


class Answers:
    """An ASGI application that remembers what another one answered."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.said: list[Said] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                scope["said"] = Said(message["status"], httpx.Headers(message["headers"]))
                self.said.append(scope["said"])
            elif message["type"] == "http.response.body" and message.get("body"):
                scope["said"].times.append(time.monotonic())
                scope["said"].chunks.append(message["body"])
            await send(message)

        await self._app(scope, receive, noted)


class Chain:
    """A running proxy in front of a running simulator: `seen` reached the upstream, `said` are its answers."""

    def __init__(self, url: str, recorder: Recorder, answers: Answers) -> None:
        self.url = url
        self.seen: list[Seen] = recorder.seen
        self.said: list[Said] = answers.said

    def forget(self) -> None:
        """What was seen and said so far."""
        self.seen.clear()
        self.said.clear()


def _upstream() -> tuple[Recorder, Answers]:
    answers = Answers(create_simulator())
    return Recorder(answers), answers


@asynccontextmanager
async def chained(**settings: Any) -> AsyncIterator[Chain]:
    """The chain in the running loop; `settings` are the proxy's."""
    recorder, answers = _upstream()
    async with serving(recorder) as upstream, proxied(upstream, **settings) as url:
        yield Chain(url, recorder, answers)


@contextmanager
def chained_for_blocking(**settings: Any) -> Iterator[Chain]:
    """The same, each server in a thread of its own."""
    recorder, answers = _upstream()
    with served(recorder) as upstream, proxied_for_blocking(upstream, **settings) as url:
        yield Chain(url, recorder, answers)


@contextmanager
def python_sdk(url: str, **options: Any) -> Iterator[tuple[anthropic.Anthropic, list[httpx2.Request]]]:
    """The official client and the requests it sends; without a credential in `options` it has a dummy one."""
    sent: list[httpx2.Request] = []
    http = anthropic.DefaultHttpxClient(verify=False, event_hooks={"request": [sent.append]})
    with anthropic.Anthropic(base_url=url, http_client=http, **_with_defaults(options)) as client:
        yield client, sent


@asynccontextmanager
async def async_python_sdk(
    url: str, **options: Any
) -> AsyncIterator[tuple[anthropic.AsyncAnthropic, list[httpx2.Request]]]:
    """The same, asynchronous."""
    sent: list[httpx2.Request] = []

    async def note(request: httpx2.Request) -> None:
        sent.append(request)

    http = anthropic.DefaultAsyncHttpxClient(verify=False, event_hooks={"request": [note]})
    async with anthropic.AsyncAnthropic(base_url=url, http_client=http, **_with_defaults(options)) as client:
        yield client, sent


def _with_defaults(options: dict[str, Any]) -> dict[str, Any]:
    credential = {} if "auth_token" in options else {"api_key": "dummy"}
    return {"max_retries": 0, **credential, **options}


def asking(text: str, **more: Any) -> dict[str, Any]:
    """The arguments of a Messages call with one user message."""
    return {"model": MODEL, "max_tokens": 1024, "messages": [{"role": "user", "content": text}], **more}


def simulate(**script: Any) -> str:
    """A prompt that tells the simulator what to do."""
    return f"simulate: {json.dumps(script)}"


def events_of(stream: bytes) -> list[Any]:
    """The events of a stream as clients see them: what each holds, pings aside."""
    events = [json.loads(event.data) for event in sse.events(stream)]
    return [event for event in events if event["type"] != "ping"]


def credential_of(seen: Seen) -> tuple[str, str]:
    """The one header that carries a credential, and its value; more or fewer than one fail the test."""
    found = [(name, value) for name in ("x-api-key", "authorization") for value in seen.headers.get_list(name)]
    assert len(found) == 1, f"{len(found)} credentials went upstream"
    return found[0]


def secrets_in(requests: Iterable[Seen]) -> set[str]:
    """Those of `SECRETS` that stand anywhere in a path, a query, a header or a body."""
    said = b"\n".join(
        part
        for seen in requests
        for part in (f"{seen.path}?{seen.query}".encode(), *(value for _, value in seen.headers.raw), seen.body)
    )
    return {secret for secret in SECRETS if secret.encode() in said}


def assert_relayed(mode: str, sent: Sequence[httpx2.Request], seen: Sequence[Seen]) -> None:
    """The requests the client sent are those the upstream saw, target and body; calls made at once in any order.

    In full mode a body has the one system block put first, and nothing else is changed.
    """
    asked = sorted((request.method, request.url.raw_path.decode(), request.content) for request in sent)
    got = sorted((each.method, mode + _target(each), each.body) for each in seen)
    assert [each[:2] for each in asked] == [each[:2] for each in got]
    for (_, _, before), (_, _, after) in zip(asked, got, strict=True):
        assert_same_body(mode, before, after)


def _target(seen: Seen) -> str:
    return f"{seen.path}?{seen.query}" if seen.query else seen.path


def assert_same_body(mode: str, before: bytes, after: bytes) -> None:
    """The body `after` the proxy is the one `before` it, but for the system block that full mode puts first."""
    if mode in FULL_MODES and before:
        assert json.loads(after)["system"][0] == BLOCK
        after = without_block(after, json.loads(before).get("system"))
    same = after == before  # not told to assert, which would print megabytes
    assert same, f"the body is changed: {len(before)} bytes before, {len(after)} after"


def without_block(body: bytes, system: Any) -> bytes:
    """`body` with the inserted block taken out again; `system` is what its sender had there, None for nothing."""
    if system is None:
        return _cut(body, b'"system":[' + _BLOCK + b"],")
    if isinstance(system, list):
        return _cut(body, _BLOCK + (b"," if system else b""))
    opening = b"[" + _BLOCK + b',{"type":"text","text":'
    start = len(body[: body.index(opening)].decode())
    text = _cut(body, opening).decode()
    end = json.JSONDecoder().raw_decode(text, start)[1]
    assert text[end : end + 2] == "}]"
    return (text[:end] + text[end + 2 :]).encode()


def _cut(body: bytes, inserted: bytes) -> bytes:
    assert body.count(inserted) == 1
    return body.replace(inserted, b"")
