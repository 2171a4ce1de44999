"""Routes over real sockets: what reaches the upstream, and what comes back."""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from handler.relay import Relay
from handler.simulator import create_simulator
from handler.translate.exchange import UpstreamRequest
from handler.transport import Pool, Timeouts
from tests.support.proxy import KEY, proxied
from tests.support.raw_client import call, connected, post
from tests.support.raw_upstream import RawUpstream, Request, Wire, raw_upstream
from tests.support.recorder import Recorder
from tests.support.server import serving

OWN = "sk-ant-api03-the-callers-own"
BODY = {"model": "claude-opus-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}


async def object_answer(_: Request, wire: Wire) -> None:
    wire.json(b'{"id":"x"}')


def line(upstream: RawUpstream) -> str:
    return upstream.requests[-1].line


STATEFUL = [
    ("POST", "/v1/messages/batches"),
    ("GET", "/v1/messages/batches"),
    ("GET", "/v1/messages/batches/msgbatch_1"),
    ("DELETE", "/v1/messages/batches/msgbatch_1"),
    ("GET", "/v1/messages/batches/msgbatch_1/results"),
    ("POST", "/v1/messages/batches/msgbatch_1/cancel"),
    ("POST", "/v1/files"),
    ("GET", "/v1/files"),
    ("GET", "/v1/files/file_1"),
    ("DELETE", "/v1/files/file_1"),
    ("GET", "/v1/files/file_1/content"),
]


@pytest.mark.parametrize(("method", "path"), STATEFUL)
async def test_a_route_that_holds_state_wants_the_callers_own_key(method: str, path: str) -> None:
    async with raw_upstream(object_answer) as upstream, proxied(upstream.url) as url, httpx.AsyncClient() as client:
        options: Any = {"json": {}} if method == "POST" else {}
        refused = await client.request(method, f"{url}/min{path}", **options)
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
        assert upstream.requests == []
        headers = {"x-api-key": OWN}
        answer = await client.request(method, f"{url}/min{path}?beta=true&limit=2", headers=headers, **options)
        assert answer.status_code == 200
        assert line(upstream) == f"{method} {path}?beta=true&limit=2 HTTP/1.1"
        assert upstream.requests[-1].header("x-api-key") == OWN.encode()


async def test_a_multipart_upload_goes_up_byte_for_byte() -> None:
    data = bytes(range(256)) * 4000
    async with raw_upstream(object_answer) as upstream, proxied(upstream.url) as url, httpx.AsyncClient() as client:
        request = client.build_request("POST", f"{url}/v1/files", files={"file": ("a.bin", data)})
        request.headers["x-api-key"] = OWN
        sent = b"".join([part async for part in request.stream])
        request = httpx.Request("POST", request.url, headers=request.headers, content=sent)
        assert (await client.send(request)).status_code == 200
        assert upstream.requests[0].body == sent
        assert upstream.requests[0].header("content-type") == request.headers["content-type"].encode()


@pytest.mark.parametrize("kind", [b"application/octet-stream", b"application/json", b"application/x-jsonl", b""])
async def test_a_download_is_streamed_of_whatever_type(kind: bytes) -> None:
    async def answer(_: Request, wire: Wire) -> None:
        head = b"content-type: " + kind + b"\r\n" if kind else b""
        wire.write(b"HTTP/1.1 200 OK\r\n" + head + b"transfer-encoding: chunked\r\n\r\n")
        wire.chunk(b"first")
        await wire.drain()
        await gate.wait()
        wire.chunk(b'{"not": "json"')
        wire.write(b"0\r\n\r\n")

    gate = asyncio.Event()
    path = "/v1/files/file_1/content"
    async with raw_upstream(answer) as upstream, proxied(upstream.url) as url, connected(url) as client:
        client.send(f"GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {OWN}\r\n\r\n".encode())
        assert await client.chunk() == b"first"
        gate.set()
        whole = await client.answer()
    assert (whole.body, whole.complete) == (b'first{"not": "json"', True)
    assert whole.headers.get("content-type", "").encode() == kind


async def test_a_download_that_is_cut_is_cut_and_never_looks_complete() -> None:
    async def answer(_: Request, wire: Wire) -> None:
        wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await wire.sent()
        wire.reset()

    async with raw_upstream(answer) as upstream, proxied(upstream.url) as url:
        got = await call(url, f"GET /v1/files/f/content HTTP/1.1\r\nhost: x\r\nx-api-key: {OWN}\r\n\r\n".encode())
    assert not got.complete
    assert b"error" not in got.body


@pytest.mark.parametrize("query", ["?limit=2&after_id=a%20b", "?beta=true", "?x[]=%2F&y", ""])
async def test_a_query_string_reaches_the_upstream_as_it_is(query: str) -> None:
    async with raw_upstream(object_answer) as upstream, proxied(upstream.url) as url:
        await call(url, f"GET /pt/v1/models{query} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    assert line(upstream) == f"GET /v1/models{query} HTTP/1.1"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/claude-opus-5", "/v1/files", "/v1/messages/batches"])
async def test_head_is_not_get(path: str) -> None:
    async with raw_upstream(object_answer) as upstream, proxied(upstream.url) as url, httpx.AsyncClient() as client:
        answer = await client.head(f"{url}{path}", headers={"x-api-key": OWN})
        assert answer.status_code == 405
        assert "HEAD" not in answer.headers["allow"]
        assert upstream.requests == []


@pytest.mark.parametrize("prefix", ["", "/full", "/min", "/pt"])
@pytest.mark.parametrize("path", ["", "/", "/api/hello"])
async def test_claude_codes_warm_up_is_answered_here(prefix: str, path: str) -> None:
    async with raw_upstream(object_answer) as upstream, proxied(upstream.url, auth_token="t") as url:
        got = await call(url, f"HEAD {prefix + path or '/'} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        assert (got.status, upstream.requests) == (200, [])


@pytest.mark.parametrize(
    "path",
    ["/v1/models/.", "/v1/models/..", "/v1/../v1/models", "/v1/files/../../v1/organizations", "/v1/messages/./batches"],
)
async def test_a_path_with_dots_goes_nowhere(path: str) -> None:
    async with raw_upstream(object_answer) as upstream, proxied(upstream.url) as url:
        got = await call(url, f"GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {OWN}\r\n\r\n".encode())
        assert (got.status, upstream.requests) == (404, [])


async def test_an_alias_changes_the_models_value_and_no_other_byte() -> None:
    raw = b'{ "max_tokens":5,"model" : "gpt-4o" , "messages":[{"role":"user","content":"\\u0048i"}] }'
    async with (
        raw_upstream(object_answer) as upstream,
        proxied(upstream.url, model_aliases="gpt-4o=claude-opus-5-5") as url,
    ):
        await call(url, post("/min/v1/messages", raw))
    assert upstream.requests[0].body == raw.replace(b"gpt-4o", b"claude-opus-5-5")


async def test_all_pages_of_the_models_are_one_list_for_openai() -> None:
    async def pages(request: Request, wire: Wire) -> None:
        after = b"after_id=b" in request.head
        data = [{"id": "c", "created_at": "2026-01-01T00:00:00Z"}] if after else [{"id": "a"}, {"id": "b"}]
        wire.json(json.dumps({"data": data, "has_more": not after, "last_id": data[-1]["id"]}).encode())

    async with raw_upstream(pages) as upstream, proxied(upstream.url) as url, httpx.AsyncClient() as client:
        listed = (await client.get(f"{url}/min/openai/v1/models")).json()
    assert [each["id"] for each in listed["data"]] == ["a", "b", "c"]
    assert listed["data"][2]["created"] == 1_767_225_600
    assert [each.line.split()[1] for each in upstream.requests] == [
        "/v1/models?limit=1000",
        "/v1/models?limit=1000&after_id=b",
    ]
    assert {each.header("x-api-key") for each in upstream.requests} == {KEY.encode()}


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("claude-opus-5", 200, None),
        ("anthropic/claude-opus-5", 200, None),
        ("gpt-4", 404, "model_not_found"),
        ("a/b/c", 404, "model_not_found"),
        ("a:b", 404, "model_not_found"),
    ],
)
async def test_one_model_is_found_for_openai_or_is_a_404(name: str, status: int, code: str | None) -> None:
    async with (
        serving(create_simulator()) as upstream,
        proxied(upstream) as url,
        httpx.AsyncClient() as client,
    ):
        answer = await client.get(f"{url}/openai/v1/models/{name}")
    assert answer.status_code == status
    if code:
        assert answer.json()["error"]["code"] == code
        assert answer.headers["request-id"]


@pytest.mark.parametrize("path", ["/openai/v1/models/gpt-4o", "/v1/models/gpt-4o", "/openai/v1/models/openai/gpt-4o"])
async def test_an_alias_is_found_among_the_models(path: str) -> None:
    aliases = "gpt-4o=claude-opus-5-5,openai/gpt-4o=claude-opus-5-5"
    async with (
        serving(create_simulator()) as upstream,
        proxied(upstream, model_aliases=aliases) as url,
        httpx.AsyncClient() as client,
    ):
        assert (await client.get(f"{url}{path}")).json()["id"] == "claude-opus-5-5"


LIMITED = (
    b"request-id: req_up\r\nretry-after: 9\r\nanthropic-ratelimit-requests-limit: 5\r\n"
    b"anthropic-ratelimit-requests-remaining: 0\r\nx-foo: bar\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
)
REFUSAL = b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}'
ASKED = [
    ("GET", "/openai/v1/models", 429),
    ("GET", "/openai/v1/models", 200),
    ("GET", "/openai/v1/models/claude-opus-5-5", 200),
    ("POST", "/openai/v1/chat/completions", 429),
    ("POST", "/v1/messages", 429),
    ("POST", "/v1/messages", 529),
    ("POST", "/openai/v1/chat/completions", 529),
]


@pytest.mark.parametrize(("method", "path", "status"), ASKED)
@pytest.mark.parametrize("prefix", ["", "/pt"])
async def test_every_answer_has_the_upstreams_id_and_its_limits(
    method: str, path: str, status: int, prefix: str
) -> None:
    """529 comes with a page of HTML, of which we say ourselves what it was."""
    body = {200: b'{"data":[],"id":"a","type":"model"}', 429: REFUSAL, 529: b"<html>"}[status]

    async def limited(_: Request, wire: Wire) -> None:
        wire.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n%b" % (status, LIMITED))
        wire.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))

    async with raw_upstream(limited) as upstream, proxied(upstream.url) as url, httpx.AsyncClient() as client:
        options: Any = {"json": BODY} if method == "POST" else {}
        answer = await client.request(method, f"{url}{prefix}{path}", **options)
    headers = answer.headers
    assert answer.status_code == (502 if status == 529 else status)
    assert [headers.get_list(name) for name in ("request-id", "x-request-id")] == [["req_up"]] * 2
    assert (headers["retry-after"], len(headers.get_list("date"))) == ("9", 1)
    if status == 529:
        assert "529" in answer.json()["error"]["message"]
        return
    assert headers.get("x-foo") == ("bar" if prefix == "/pt" else None)
    if "openai" in path:
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert headers["openai-processing-ms"].isdecimal()


async def test_what_models_can_do_is_asked_once_and_after_an_answer() -> None:
    recorder = Recorder(create_simulator())
    async with serving(recorder) as upstream, proxied(upstream) as url, httpx.AsyncClient() as client:
        for _ in range(3):
            assert (await client.post(f"{url}/openai/v1/chat/completions", json=BODY)).status_code == 200
        for _ in range(200):
            if any(each.method == "GET" for each in recorder.seen):
                break
            await asyncio.sleep(0.01)
    methods = [each.method for each in recorder.seen]
    assert methods[0] == "POST"
    assert methods.count("GET") == 1


async def test_an_upstream_with_a_path_of_its_own_keeps_it() -> None:
    async with raw_upstream(object_answer) as upstream, proxied(f"{upstream.url}/gateway/") as url:
        await call(url, post("/v1/messages", BODY))
    assert line(upstream) == "POST /gateway/v1/messages HTTP/1.1"


async def test_a_compressed_download_of_several_members_is_whole() -> None:
    lines = [b'{"custom_id":"1"}\n', b'{"custom_id":"2"}\n', b'{"custom_id":"3"}\n']
    body = b"".join(map(gzip.compress, lines))

    async def results(_: Request, wire: Wire) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-jsonl\r\ncontent-encoding: gzip\r\n"
        wire.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)

    async with raw_upstream(results) as upstream, proxied(upstream.url) as url, httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/v1/messages/batches/b/results", headers={"x-api-key": OWN})
    assert answer.content == b"".join(lines)


class Renewing(httpx.Auth):
    """Waits for ever for another key."""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        yield request
        await asyncio.Event().wait()


async def test_cl1_a_caller_who_leaves_while_a_key_is_renewed_leaves_no_connection() -> None:
    async def refuses(_: Request, wire: Wire) -> None:
        wire.write(b"HTTP/1.1 401 No\r\ncontent-length: 5000\r\n\r\n")
        await wire.gone()

    async with raw_upstream(refuses) as upstream:
        relay = Relay(Pool(Timeouts(connect=2, first_byte=2, idle=2)), upstream.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await relay.whole(UpstreamRequest("GET", b"/", [], ()), Renewing())
        await upstream.until_idle(2)
