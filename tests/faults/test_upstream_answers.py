"""Faulty answers with a head: error statuses, bodies that are none, cuts, headers (FAULTS D, UPS-1 to 5, 9 to 12)."""

import gzip
import zlib

import pytest

from tests.faults.families import (
    ANTHROPIC,
    OPENAI,
    each_family,
    each_manner,
    is_error,
    is_good,
    reveals_nothing,
)
from tests.faults.upstreams import (
    BODY,
    HTML,
    SOON,
    STREAM,
    TEXT,
    answers,
    error_body,
    good,
    in_turn,
    upstream_that,
    writes,
)
from tests.faults.wire_faults import CUT
from tests.support.proxy import proxied
from tests.support.raw_client import call
from tests.support.raw_upstream import EVENTS, JSON, Wire

STATUSES = [400, 401, 403, 404, 413, 429, 500, 503, 529]
WORDS = "In the upstream's own words."


def _refusal(status, *headers):
    return answers(error_body(ANTHROPIC.kind(status), WORDS), b"%d Refused" % status, *headers)


@each_family
@each_manner
@pytest.mark.parametrize("status", STATUSES)
async def test_ups1_an_error_keeps_its_status_and_message(family, stream, status):
    async with (
        upstream_that(_refusal(status, b"request-id: req_the_upstreams")) as upstream,
        proxied(upstream.url) as url,
    ):
        answer = await call(url, family.request(stream=stream))
    error = is_error(answer, status, family)
    assert error["message"] == WORDS
    assert answer.headers["request-id"] == answer.headers["x-request-id"] == "req_the_upstreams"
    assert len(upstream.posts) == 1


@pytest.mark.parametrize("status", STATUSES)
async def test_ups1_an_error_body_reaches_an_anthropic_client_byte_for_byte(status):
    body = b' {"type" : "error",\n"error":{"type":"some_new_error","message":"caf\\u00e9 caf\xc3\xa9"}, "more": 1.0} '
    async with upstream_that(answers(body, b"%d No" % status)) as upstream, proxied(upstream.url) as url:
        answer = await call(url, ANTHROPIC.request())
    assert (answer.status, answer.body, answer.complete) == (status, body, True)


@each_manner
@pytest.mark.parametrize("kind", [b"text/plain", b"application/problem+json; charset=utf-8"])
async def test_ups1_an_openai_client_is_told_that_its_error_is_json(stream, kind):
    async with upstream_that(_refusal(400, b"content-type: " + kind)) as upstream, proxied(upstream.url) as url:
        answer = await call(url, OPENAI.request(stream=stream))
    assert is_error(answer, 400, OPENAI)["message"] == WORDS


@each_family
@each_manner
@pytest.mark.parametrize("status", [429, 529])
async def test_ups2_retry_after_is_kept(family, stream, status):
    refusal = _refusal(status, b"Retry-After: 17", b"retry-after-ms: 16500", b"x-should-retry: true")
    async with upstream_that(refusal) as upstream, proxied(upstream.url) as url:
        answer = await call(url, family.request(stream=stream))
    is_error(answer, status, family)
    kept = {name: answer.headers[name] for name in ("retry-after", "retry-after-ms", "x-should-retry")}
    assert kept == {"retry-after": "17", "retry-after-ms": "16500", "x-should-retry": "true"}


@each_family
@each_manner
@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_ups3_a_refusal_is_not_retried_behind_the_clients_back(family, stream, status):
    refusal = _refusal(status) if status != 502 else answers(HTML, b"502 Bad Gateway", b"content-type: text/html")
    async with upstream_that(in_turn(refusal, good)) as upstream, proxied(upstream.url) as url:
        answer = await call(url, family.request(stream=stream))
    is_error(answer, status, family)
    assert len(upstream.posts) == 1


NO_ANSWERS = {
    "an HTML page under 200": answers(HTML, b"200 OK", b"content-type: text/html"),
    "an HTML page under 403": answers(HTML, b"403 Forbidden", b"content-type: text/html; charset=utf-8"),
    "an HTML page under 502": answers(HTML, b"502 Bad Gateway", b"content-type: text/html"),
    "an HTML page that says it is JSON": answers(HTML, b"503 Service Unavailable"),
    "an error without a body": answers(b"", b"500 Internal Server Error"),
    "broken JSON": answers(BODY[:-1]),
    "JSON with more behind it": answers(BODY + b"}"),
    "an empty body": answers(b""),
    "an error under 200": answers(error_body("api_error", WORDS)),
    "a list": answers(b"[]"),
    "null": answers(b"null"),
    "bytes that are not UTF-8": answers(BODY.replace(b"answer", b"\xff\xfe")),
    "a body without a type": writes(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
}


@each_family
@each_manner
@pytest.mark.parametrize("body", NO_ANSWERS)
async def test_ups4_what_is_no_answer_is_our_502(family, stream, body):
    async with upstream_that(NO_ANSWERS[body]) as upstream, proxied(upstream.url) as url:
        answer = await call(url, family.request(stream=stream))
    is_error(answer, 502, family)
    assert b"nginx" not in answer.body
    assert b"<" not in answer.body
    assert len(upstream.posts) == 1


@each_family
@each_manner
@pytest.mark.parametrize("body", CUT)
async def test_ups5_a_body_that_is_cut_or_corrupt_is_our_502(family, stream, body):
    async with upstream_that(CUT[body]) as upstream, proxied(upstream.url, **SOON) as url:
        answer = await call(url, family.request(stream=stream))
    is_error(answer, 502, family)
    assert len(upstream.posts) == 1


@each_family
@each_manner
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_ups9_a_redirect_is_not_followed(family, stream, status):
    async with upstream_that(good) as other:
        redirect = answers(b"{}", b"%d Elsewhere" % status, b"location: " + other.url.encode() + b"/v1/messages")
        async with upstream_that(redirect) as upstream, proxied(upstream.url) as url:
            answer = await call(url, family.request(stream=stream))
    is_error(answer, 502, family)
    assert (len(upstream.posts), other.posts, other.connections) == (1, [], 0)


ENCODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "GZIP": gzip.compress,
}


@each_family
@each_manner
@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_ups10_a_compressed_answer_is_readable(family, stream, encoding):
    async def answer(request, wire):
        body = ENCODINGS[encoding](STREAM if stream else BODY)
        head = (EVENTS if stream else JSON + b"transfer-encoding: chunked\r\n\r\n").removesuffix(b"\r\n")
        wire.write(head + b"content-encoding: " + encoding.encode() + b"\r\n\r\n")
        for start in range(0, len(body), 50):
            wire.chunk(body[start : start + 50])
            await wire.drain()
        wire.write(b"0\r\n\r\n")

    async with upstream_that(answer) as upstream, proxied(upstream.url) as url:
        answer = await call(url, family.request(stream=stream))
    is_good(answer, family, TEXT, stream=stream)
    assert "content-encoding" not in answer.headers
    assert upstream.posts[0].header("accept-encoding") == b"identity"
    if family is ANTHROPIC:
        assert answer.body == (STREAM if stream else BODY)
    if not stream:
        assert answer.headers["content-length"] == str(len(answer.body))


NEVER = (
    b"connection: keep-alive, x-hop",
    b"x-hop: 1",
    b"keep-alive: timeout=5",
    b"proxy-authenticate: Basic",
    b"trailer: x-late",
    b"set-cookie: __cf_bm=secret; path=/",
    b"Set-Cookie: second=1",
    b"anthropic-organization-id: 0f2f-org",
)
KEPT = (
    b"Request-Id: req_the_upstreams",
    b"anthropic-ratelimit-requests-limit: 50",
    b"anthropic-ratelimit-requests-remaining: 49",
    b"anthropic-ratelimit-requests-reset: 2030-01-01T00:00:00Z",
    b"anthropic-ratelimit-tokens-remaining: 1000",
)


@each_family
@each_manner
@pytest.mark.parametrize("mode", ["", "/min", "/pt"])
async def test_ups11_headers_of_the_hop_and_of_identity_stay_behind(family, stream, mode):
    async def answer(request, wire):
        head = EVENTS if stream else JSON + b"transfer-encoding: chunked\r\n\r\n"
        wire.write(head.removesuffix(b"\r\n") + b"\r\n".join((*NEVER, *KEPT)) + b"\r\n\r\n")
        wire.chunk(STREAM if stream else BODY)
        wire.write(b"0\r\nx-late: trailing\r\n\r\n")

    async with upstream_that(answer) as upstream, proxied(upstream.url) as url:
        answer = await call(url, family.request(stream=stream, mode=mode))
    is_good(answer, family, TEXT, stream=stream)
    got = answer.headers
    assert not {line.partition(b":")[0].decode().lower() for line in NEVER} & set(got)
    assert "x-late" not in got
    assert got["request-id"] == got["x-request-id"] == "req_the_upstreams"
    for line in KEPT[1:]:
        name, _, value = line.decode().partition(": ")
        assert got[name] == value
    reveals_nothing(answer)


@each_family
@each_manner
@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
async def test_ups12_an_informational_answer_comes_before_the_real_one(family, stream, status):
    async def answer(request, wire):
        wire.write(b"HTTP/1.1 " + status + b"\r\nlink: </x>; rel=preload\r\n\r\n")
        await wire.sent()
        await good(request, wire)

    async with upstream_that(answer) as upstream, proxied(upstream.url) as url:
        first = await call(url, family.request(stream=stream))
        second = await call(url, family.request(stream=stream))
    for answer in (first, second):
        is_good(answer, family, TEXT, stream=stream)
        assert "link" not in answer.headers
    assert len(upstream.posts) == 2


@each_family
@each_manner
async def test_ups12_http_1_0_ends_with_its_connection(family, stream):
    kind, body = (b"text/event-stream", STREAM) if stream else (b"application/json", BODY)
    old = writes(b"HTTP/1.0 200 OK\r\ncontent-type: " + kind + b"\r\n\r\n" + body, Wire.close)
    async with upstream_that(old) as upstream, proxied(upstream.url) as url:
        answer = await call(url, family.request(stream=stream))
    is_good(answer, family, TEXT, stream=stream)
    assert len(upstream.posts) == 1


@each_family
@each_manner
async def test_ups12_240_kb_of_headers_are_our_502(family, stream):
    many = b"".join(b"x-%d: %s\r\n" % (n, b"v" * 1000) for n in range(240))
    full = writes(JSON + many + b"content-length: %d\r\n\r\n" % len(BODY) + BODY)
    async with upstream_that(in_turn(full, good)) as upstream, proxied(upstream.url) as url:
        refused = await call(url, family.request(stream=stream))
        alive = await call(url, family.request(stream=stream))
    is_error(refused, 502, family)
    is_good(alive, family, TEXT, stream=stream)
    assert len(upstream.posts) == 2
