"""Connections that do not come about, and certificates that are not to be trusted (FAULTS D, UPS-6 and 26)."""

import socket
import sys
import time
from contextlib import closing, suppress

import pytest
import trustme

from tests.faults.families import (
    ANTHROPIC,
    each_family,
    each_manner,
    is_error,
    is_good,
    is_stream_error,
    is_whole,
    is_whole_stream,
)
from tests.faults.upstreams import (
    BEGUN,
    BEGUN_TEXT,
    TEXT,
    good,
    in_turn,
    server_side,
    unended,
    upstream_that,
    writes,
)
from tests.support.proxy import proxied
from tests.support.raw_client import call
from tests.support.raw_upstream import Wire


def _bound() -> tuple[socket.socket, str]:
    """A socket that listens to nobody yet, and the URL it will have."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock, f"http://127.0.0.1:{sock.getsockname()[1]}"


@each_family
@each_manner
async def test_ups6_a_refused_connection_is_our_502_and_the_next_one_is_tried(family, stream):
    sock, address = _bound()
    with closing(sock):
        async with proxied(address) as url:
            started = time.monotonic()
            refused = await call(url, family.request(stream=stream))
            assert time.monotonic() - started < 5
            async with upstream_that(good, listener=sock) as upstream:
                alive = await call(url, family.request(stream=stream))
    is_error(refused, 502, family)
    is_good(alive, family, TEXT, stream=stream)
    assert len(upstream.posts) == 1


@each_family
@each_manner
@pytest.mark.parametrize("end", [Wire.close, Wire.reset], ids=["closed", "reset"])
async def test_ups6_a_connection_that_ends_on_accept_is_our_502(family, stream, end):
    ends = [end]

    def welcome(wire):
        if ends:
            ends.pop()(wire)

    async with upstream_that(good, welcome=welcome) as upstream, proxied(upstream.url) as url:
        refused = await call(url, family.request(stream=stream))
        alive = await call(url, family.request(stream=stream))
    is_error(refused, 502, family)
    is_good(alive, family, TEXT, stream=stream)
    assert len(upstream.posts) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="a full backlog is silent on Linux only")
@each_family
@each_manner
async def test_ups6_a_connect_that_hangs_is_our_504_within_the_connect_timeout(family, stream):
    sock, address = _bound()
    sock.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for other in waiting:
        other.setblocking(False)
        with suppress(BlockingIOError):
            other.connect(sock.getsockname())
    with closing(sock):
        async with proxied(address, upstream_connect_timeout_seconds=0.3) as url:
            started = time.monotonic()
            refused = await call(url, family.request(stream=stream))
            assert time.monotonic() - started < 2
            for other in waiting:
                other.close()
            async with upstream_that(good, listener=sock) as upstream:
                alive = await call(url, family.request(stream=stream))
    is_error(refused, 504, family)
    is_good(alive, family, TEXT, stream=stream)
    assert len(upstream.posts) == 1


@each_family
@each_manner
async def test_ups6_a_name_that_does_not_resolve_is_our_502_and_is_resolved_anew(family, stream, trusted, monkeypatch):
    known = []
    real = socket.getaddrinfo

    def resolve(host, *rest, **options):
        if host == "upstream.test":
            if not known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = known[0]
        return real(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    tls = server_side(trusted, "upstream.test")
    async with (
        upstream_that(good, tls=tls) as upstream,
        proxied(upstream.url.replace("localhost", "upstream.test")) as url,
    ):
        refused = await call(url, family.request(stream=stream))
        known.append("127.0.0.1")
        alive = await call(url, family.request(stream=stream))
    assert "upstream.test" not in refused.body.decode()
    is_error(refused, 502, family)
    is_good(alive, family, TEXT, stream=stream)
    assert len(upstream.posts) == 1


@each_family
@each_manner
async def test_ups26_a_certificate_of_an_unknown_authority_is_our_502_before_a_byte_is_sent(family, stream):
    tls = server_side(trustme.CA(), "localhost")
    async with upstream_that(good, tls=tls) as upstream, proxied(upstream.url) as url:
        answer = await call(url, family.request(stream=stream))
    is_error(answer, 502, family)
    assert (upstream.requests, upstream.connections) == ([], 0)


@each_family
async def test_ups26_a_certificate_for_another_name_is_our_502_before_a_byte_is_sent(family, trusted):
    async with upstream_that(good, tls=server_side(trusted, "other.test")) as upstream, proxied(upstream.url) as url:
        answer = await call(url, family.request())
    is_error(answer, 502, family)
    assert (upstream.requests, upstream.connections) == ([], 0)


@each_family
async def test_ups26_an_upstream_that_speaks_no_tls_is_our_502(family):
    def welcome(wire):
        wire.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    async with (
        upstream_that(good, welcome=welcome) as upstream,
        proxied(upstream.url.replace("http://127.0.0.1", "https://localhost")) as url,
    ):
        answer = await call(url, family.request())
    is_error(answer, 502, family)
    assert upstream.requests == []


@each_family
async def test_ups26_a_handshake_that_hangs_is_our_504(family):
    async with upstream_that(good) as upstream:
        address = upstream.url.replace("http://127.0.0.1", "https://localhost")
        async with proxied(address, upstream_connect_timeout_seconds=0.3) as url:
            answer = await call(url, family.request())
        await upstream.until_idle()
    is_error(answer, 504, family)
    assert upstream.requests == []


@each_family
async def test_ups26_a_certificate_that_is_trusted_opens_the_way(family, trusted):
    cut = writes(unended(BEGUN), Wire.close)
    tls = server_side(trusted, "localhost")
    async with upstream_that(in_turn(good, good, cut, good), tls=tls) as upstream, proxied(upstream.url) as url:
        is_whole(await call(url, family.request()), family, TEXT)
        is_whole_stream(await call(url, family.request(stream=True)), family, TEXT)
        is_stream_error(await call(url, family.request(stream=True)), family, BEGUN_TEXT)
        is_whole(await call(url, family.request()), family, TEXT)
    assert len(upstream.posts) == 4
    if family is ANTHROPIC:
        assert upstream.connections == 2
