"""Who would send the proxy elsewhere, or put words into its requests (FAULTS.md A, IN-14 to IN-16 and IN-18)."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from handler.app import create_app
from tests.abuse.target import (
    Chain,
    Target,
    each_family,
    each_target,
    everything_of,
    refused,
    request,
)
from tests.faults.families import ANTHROPIC, OPENAI
from tests.support.asgi import asked
from tests.support.proxy import settings
from tests.support.raw_client import post
from tests.support.raw_upstream import RawUpstream, raw_upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def trap() -> AsyncIterator[RawUpstream]:
    """A host that nobody may connect to."""

    async def answer(_: Any, wire: Any) -> None:
        wire.json(b"{}")

    async with raw_upstream(answer) as upstream:
        yield upstream


def leading_to(url: str) -> list[dict[str, str]]:
    host = urlsplit(url).netloc
    return [
        {"host": host},
        {"host": "evil.example"},
        {"x-forwarded-host": host},
        {"x-forwarded-server": host, "x-forwarded-proto": "http", "x-forwarded-port": "1"},
        {"x-host": host},
        {"x-original-url": f"{url}/v1/organizations"},
        {"x-rewrite-url": "/v1/organizations"},
        {"x-original-host": host},
        {"forwarded": f"host={host};proto=http"},
        {"x-portkey-custom-host": url, "x-portkey-provider": "openai", "x-portkey-config": "{}"},
        {"x-base-url": url, "x-api-base": url, "api-base": url, "x-upstream": url, "x-target-url": url},
        {"helicone-target-url": url, "openai-base-url": url, "anthropic-base-url": url, "x-litellm-api-base": url},
        {"x-http-method-override": "DELETE", "x-method-override": "GET"},
    ]


@each_target
async def test_in14_in15_no_header_leads_elsewhere(chain: Chain, trap: RawUpstream, target: Target):
    for headers in leading_to(trap.url):
        answer = await chain.call(target.ask(**headers))
        assert answer.status == 200, headers

    upstream = urlsplit(chain.upstream).netloc
    assert {(seen.path, seen.headers["host"]) for seen in chain.posts} == {("/v1/messages", upstream)}
    assert not trap.connections


@each_target
async def test_in14_an_absolute_target_is_served_here_or_refused(chain: Chain, trap: RawUpstream, target: Target):
    body = target.ask().partition(b"\r\n\r\n")[2]
    headers = (b"content-type: application/json", b"content-length: %d" % len(body))
    answer = await chain.call(request(f"POST {trap.url}{target.path}", *headers, body=body))

    assert answer.status == 200 or 400 <= answer.status < 500
    assert {seen.headers["host"] for seen in chain.seen} <= {urlsplit(chain.upstream).netloc}
    assert not trap.connections


async def test_in14_no_tunnel_is_opened(chain: Chain, trap: RawUpstream):
    answer = await chain.call(request(f"CONNECT {urlsplit(trap.url).netloc}", b"connection: close"))

    assert 400 <= answer.status < 500
    assert not trap.connections


@each_target
async def test_in15_no_field_leads_elsewhere_or_becomes_a_header(chain: Chain, trap: RawUpstream, target: Target):
    fields: dict[str, Any] = {
        "api_base": trap.url,
        "base_url": trap.url,
        "api_key": "sk-ant-api03-from-the-body",
        "fallbacks": [{"model": "x", "api_base": trap.url}],
        "extra_headers": {"x-from-body": "yes", "host": "evil.example"},
        "headers": {"x-from-body": "yes"},
        "extra_body": {"stream": True},
        "extra_query": {"x-from-body": "yes"},
        "proxy": trap.url,
        "callbacks": [trap.url],
    }
    for name, value in fields.items():
        answer = await chain.call(post(target.path, {**target.family.body(), name: value}))
        assert answer.status < 500, name

    for seen in chain.posts:
        assert "x-from-body" not in seen.headers
        assert seen.headers["host"] == urlsplit(chain.upstream).netloc
        assert seen.headers["x-api-key"] != "sk-ant-api03-from-the-body"
        assert "from-body" not in seen.query
    assert not trap.connections


@each_target
async def test_in15_no_query_leads_elsewhere(chain: Chain, trap: RawUpstream, target: Target):
    query = f"?base_url={trap.url}&api_base={trap.url}&url={trap.url}&path=/v1/organizations"
    body = target.family.body(prompt="Hello")
    answer = await chain.call(post(target.path + query, body))

    assert answer.status == 200
    assert [seen.path for seen in chain.posts] == ["/v1/messages"]
    assert not trap.connections


def images(target: Target, url: str) -> dict[str, Any]:
    part: Any = {"type": "image_url", "image_url": {"url": url}}
    if target.family is ANTHROPIC:
        part = {"type": "image", "source": {"type": "url", "url": url}}
    return {**target.family.body(), "messages": [{"role": "user", "content": [part]}]}


@each_target
@pytest.mark.parametrize("path", ["/image.png", "/latest/meta-data/iam/security-credentials/", "/?x=1#y"])
async def test_in16_an_image_by_address_is_never_fetched(chain: Chain, trap: RawUpstream, target: Target, path: str):
    answer = await chain.call(post(target.path, images(target, trap.url + path)))

    assert answer.status < 500
    assert not trap.connections


@each_family
@pytest.mark.parametrize("scheme", ["file", "FILE", "ftp", "gopher", "jar:file", "blob"])
async def test_in16_no_file_is_read(chain: Chain, target: Target, tmp_path: Path, scheme: str):
    secret = tmp_path / "secret.png"
    secret.write_text("\x89PNG a secret of the machine")
    answer = await chain.call(post(target.path, images(target, f"{scheme}://{secret}")))

    assert answer.status < 500
    if target.family is OPENAI:
        refused(answer, OPENAI, 400)
    encoded = base64.b64encode(secret.read_bytes()).decode()[:20]
    for said in [answer.body.decode(), *map(everything_of, chain.seen)]:
        assert "a secret of the machine" not in said
        assert encoded not in said


@pytest.mark.parametrize(
    "url",
    ["data:", "data:image/png", "data:image/png;base64", "data:image/png;base64,", "data:image/png;base64,!!!!",
     "data:image/png;base64,AAAA%", "data:;base64,/9j/", "data:text/html,<script>", "data:image/svg+xml,<svg/>",
     "data:,", "data:application/octet-stream;base64,AAAA", "", " ", "image.png", "/etc/passwd", "//host/a.png"],
)  # fmt: skip
async def test_in16_a_broken_data_url_is_refused_or_passed_on(chain: Chain, url: str):
    target = Target("/v1/chat/completions", OPENAI)
    answer = await chain.call(post(target.path, images(target, url)))

    assert answer.status < 500
    if answer.status != 200:
        assert answer.json()["error"]["type"] == "invalid_request_error"


BREAKS = {
    "CRLF in the version": b"anthropic-version: 2023-06-01\r\n x-injected: yes",
    "CR in the version": b"anthropic-version: 2023-06-01\rx-injected: yes",
    "NUL in the version": b"anthropic-version: 2023-06-01\x00x-injected: yes",
    "CR in a beta": b"anthropic-beta: a\r\r\nx-injected: yes",
    "CR in the user agent": b"user-agent: a\rx-injected: yes",
    "CR in a name": b"x-a\rx-injected: yes",
}


@each_target
@pytest.mark.parametrize("line", BREAKS.values(), ids=BREAKS)
async def test_in18_a_line_break_in_a_header_injects_none(chain: Chain, target: Target, line: bytes):
    body = target.ask().partition(b"\r\n\r\n")[2]
    headers = (b"content-type: application/json", b"content-length: %d" % len(body), line)
    answer = await chain.call(request(f"POST {target.path}", *headers, body=body))

    assert answer.status < 500
    assert not any("x-injected" in seen.headers for seen in chain.seen)


@each_target
@pytest.mark.parametrize("query", ["a=%0d%0ax-injected:%20yes", "%0d%0a%0d%0aGET%20/x", "a=%00", "a=\xe9"])
async def test_in18_a_line_break_in_the_query_injects_nothing(chain: Chain, target: Target, query: str):
    answer = await chain.call(Target(f"{target.path}?{query}", target.family).ask())

    assert answer.status < 500
    assert not any("x-injected" in seen.headers for seen in chain.seen)
    assert {seen.path for seen in chain.posts} <= {"/v1/messages"}


IN_EVENTS: dict[str, dict[str, Any]] = {
    "header": {"headers": [(b"anthropic-version", b"2023-06-01\r\nx-injected: yes")]},
    "LF": {"headers": [(b"anthropic-beta", b"a\nx-injected: yes")]},
    "query": {"query_string": b"a=1 HTTP/1.1\r\nx-injected: yes\r\n\r\n"},
    "own key": {"headers": [(b"x-api-key", b"sk-ant-api03-a\r\nx-injected: yes")]},
}


@pytest.mark.parametrize("changes", IN_EVENTS.values(), ids=IN_EVENTS)
@pytest.mark.parametrize("path", ["/v1/messages", "/pt/v1/messages"])
async def test_in18_a_line_break_that_no_server_stopped_is_refused(chain: Chain, path: str, changes: dict[str, Any]):
    """As an event brings it, whose headers are JSON strings."""
    headers = [(b"content-type", b"application/json"), *changes.get("headers", [])]
    body = json.dumps(ANTHROPIC.body()).encode()
    answer = await asked(create_app(settings(chain.upstream)), path, body=body, **changes | {"headers": headers})

    assert 400 <= answer.status < 500
    assert not chain.seen
