"""Requests that are too large, lie about their size, or hide another one (FAULTS.md A, IN-8 to IN-12)."""

import asyncio
import gzip
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.abuse.target import Chain, Target, chained, each_family, each_target, prompt_of, refused, request
from tests.support.program import running
from tests.support.proxy import KEY
from tests.support.raw_client import call, connected, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
SETTLED_SECONDS = 0.3  # how long a connection is listened to before it counts as silent


def _chunked(path: str, body: bytes) -> bytes:
    head = post(path, b"", content_length="", transfer_encoding="chunked")
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@each_target
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, gzip", "x-unknown"])
async def test_in8_a_compressed_body_is_refused(chain: Chain, target: Target, encoding: str):
    answer = await chain.call(target.ask(content_encoding=encoding))

    refused(answer, target.family, 415)
    assert not chain.seen


@pytest.mark.skipif(sys.platform != "linux", reason="reads a process's memory from /proc")
async def test_in8_a_bomb_is_not_unpacked(tmp_path: Path):
    bomb = gzip.compress(b'{"a": "' + bytes(80 * MIB) + b'"}')
    with running(tmp_path, ANTHROPIC_API_KEY=KEY, UPSTREAM_BASE_URL="http://127.0.0.1:9") as program:
        url = await asyncio.to_thread(lambda: program.url)
        before = program.peak_bytes()
        for path in ("/v1/messages", "/v1/chat/completions"):
            assert (await call(url, post(path, bomb, content_encoding="gzip"))).status == 415
        assert program.peak_bytes() - before < 20 * MIB


@each_family
async def test_in9_a_length_over_the_limit_is_refused_before_the_body_comes(chain: Chain, target: Target):
    async with connected(chain.url) as client:
        client.send(post(target.path, b"{", content_length=str(40 * MIB)))
        answer = await client.answer()

    refused(answer, target.family, 413)
    assert not chain.seen
    assert await chain.alive()


@each_family
async def test_in9_a_chunked_body_over_the_limit_is_refused_before_its_end(target: Target):
    async with chained(max_request_bytes=MIB) as chain, connected(chain.url) as client:
        client.send(_chunked(target.path, bytes(MIB + 1)).removesuffix(b"\r\n0\r\n\r\n"))
        answer = await client.answer()

        refused(answer, target.family, 413)
        assert not chain.seen
        assert await chain.alive()


@each_family
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
async def test_in9_40_megabytes_are_refused_though_all_are_sent(chain: Chain, target: Target, chunked: bool):
    body = bytes(40 * MIB)
    answer = await chain.call(_chunked(target.path, body) if chunked else post(target.path, body))

    refused(answer, target.family, 413)
    assert not chain.seen
    assert await chain.alive()


@each_target
async def test_in9_4_megabytes_pass_whole(chain: Chain, target: Target):
    prompt = "0123456789abcdef" * (MIB // 4)
    answer = await chain.call(target.ask(prompt))

    same = [prompt_of(seen) == prompt for seen in chain.posts]  # not told to assert, which would print megabytes
    assert (answer.status, same) == (200, [True])


@each_family
async def test_in9_the_limit_is_exact(target: Target):
    body = target.ask().partition(b"\r\n\r\n")[2]
    async with chained(max_request_bytes=len(body)) as chain:
        assert (await chain.call(post(target.path, body))).status == 200
        refused(await chain.call(post(target.path, body + b" ")), target.family, 413)
        assert (await chain.call(_chunked(target.path, body))).status == 200
        refused(await chain.call(_chunked(target.path, body + b" ")), target.family, 413)
        assert len(chain.posts) == 2


@each_target
async def test_in10_a_caller_who_leaves_before_the_body_is_whole_reaches_nothing(chain: Chain, target: Target):
    async with connected(chain.url) as client:
        client.send(target.ask(content_length="100000"))
        await client.writer.drain()
    assert await chain.alive()
    assert [prompt_of(seen) for seen in chain.posts] == ["Still there?"]


HIDDEN = post("/min/v1/messages", b'{"model": "hidden"}')
SMUGGLED = {
    "a length and chunks": ([b"content-length: %d", b"transfer-encoding: chunked"], b"0\r\n\r\n"),
    "chunks and a length": ([b"transfer-encoding: chunked", b"content-length: %d"], b"0\r\n\r\n"),
    "two lengths": ([b"content-length: 2", b"content-length: %d"], b"{}"),
    "two lengths in one": ([b"content-length: 2, %d"], b"{}"),
    "xchunked": ([b"content-length: %d", b"transfer-encoding: xchunked"], b"0\r\n\r\n"),
    "a space before the colon": ([b"content-length: %d", b"transfer-encoding : chunked"], b"0\r\n\r\n"),
    "a tab before the value": ([b"content-length: %d", b"transfer-encoding:\tchunked"], b"0\r\n\r\n"),
    "a folded line": ([b"content-length: %d", b"transfer-encoding:\r\n chunked"], b"0\r\n\r\n"),
    "chunked twice": ([b"content-length: %d", b"transfer-encoding: chunked, chunked"], b"0\r\n\r\n"),
    "identity": ([b"content-length: %d", b"transfer-encoding: chunked, identity"], b"0\r\n\r\n"),
    "a length with a sign": ([b"content-length: +2", b"content-length: %d"], b"{}"),
}


@each_family
@pytest.mark.parametrize(("headers", "body"), SMUGGLED.values(), ids=SMUGGLED)
async def test_in11_a_request_hidden_behind_another_is_not_served(
    chain: Chain, target: Target, headers: list[bytes], body: bytes
):
    length = len(body + HIDDEN)
    lines = [line % length if b"%d" in line else line for line in headers]
    sent = request(f"POST {target.path}", b"content-type: application/json", *lines, body=body + HIDDEN)

    answers = await _answers(chain.url, sent)

    assert len(answers) <= 1
    assert not chain.seen


async def _answers(url: str, sent: bytes) -> list[bytes]:
    """The status lines of all that comes back until the connection is closed, or silent."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(sent)
    received = b""
    try:
        while data := await asyncio.wait_for(reader.read(65536), SETTLED_SECONDS):
            received += data
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.transport.abort()
    return [line for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.")]


TOO_MANY = {
    "3,000 headers": [b"x-%d: a" % number for number in range(3000)],
    "300 headers": [b"x-%d: a" % number for number in range(300)],
    "one of 300 kB": [b"x-large: " + b"a" * 300_000],
    "a name of 300 kB": [b"x" * 300_000 + b": a"],
    "70 kB in all": [b"x-%d: %b" % (number, b"a" * 700) for number in range(100)],
}


@each_family
@pytest.mark.parametrize("headers", TOO_MANY.values(), ids=TOO_MANY)
async def test_in12_headers_too_many_or_too_large_are_refused(chain: Chain, target: Target, headers: list[bytes]):
    sent = request(f"POST {target.path}", b"content-type: application/json", b"content-length: 2", *headers, body=b"{}")
    try:
        answer = await chain.call(sent)
    except ConnectionError:
        pass  # closed unanswered
    else:
        assert 400 <= answer.status < 500
    assert not chain.seen
    assert await chain.alive()
