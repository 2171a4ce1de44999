"""A connected socket, whichever of a name's addresses answers (FAULTS LA-15)."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest

from handler.transport import dial as module
from handler.transport.dial import STAGGER_SECONDS, dial


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    async def found(*_: Any) -> list[Any]:
        return [(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port)) for host, port in addresses]

    monkeypatch.setattr(module, "_addresses", found)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_name_or_an_address_is_connected_to(port: int, host: str) -> None:
    with closing(await dial(host, port)) as sock:
        assert sock.getpeername()[:2] == ("127.0.0.1", port)
        assert sock.getblocking() is False


async def test_an_address_that_refuses_gives_way_to_the_next_at_once(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        refusing = unused.getsockname()[1]
    resolves_to(monkeypatch, ("127.0.0.1", refusing), ("127.0.0.1", port))
    with closing(await dial("name", 0)) as sock:
        assert sock.getpeername()[1] == port


async def test_an_address_that_is_silent_gives_way_after_a_moment(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module._connected

    async def connected(family: Any, address: Any) -> socket.socket:
        if address[0] == "127.0.0.2":
            await asyncio.sleep(60)
        return await real(family, address)

    monkeypatch.setattr(module, "_connected", connected)
    resolves_to(monkeypatch, ("127.0.0.2", port), ("127.0.0.1", port))
    begun = time.monotonic()
    with closing(await dial("name", 0)) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"
    assert STAGGER_SECONDS <= time.monotonic() - begun < 5


async def test_a_late_winner_is_used_when_all_others_failed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module._connected

    async def connected(family: Any, address: Any) -> socket.socket:
        if address[0] == "127.0.0.2":
            raise OSError("no route")
        await asyncio.sleep(STAGGER_SECONDS * 1.5)
        return await real(family, address)

    monkeypatch.setattr(module, "_connected", connected)
    resolves_to(monkeypatch, ("127.0.0.1", port), ("127.0.0.2", port))
    with closing(await dial("name", 0)) as sock:
        assert sock.getpeername()[0] == "127.0.0.1"


async def test_a_socket_that_comes_too_late_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []
    real = module._connected

    async def connected(family: Any, address: Any) -> socket.socket:
        sock = await real(family, address)
        made.append(sock)
        return sock

    monkeypatch.setattr(module, "_connected", connected)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await dial("127.0.0.1", port)
    for _ in range(5):
        await asyncio.sleep(0)
    assert all(sock.fileno() == -1 for sock in made)


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.name.invalid"])
async def test_a_name_that_nobody_answers_for_is_an_error(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(OSError, match=r".+"):
        await dial(host, port)


async def test_families_take_turns_beginning_with_the_resolvers_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [("2001:db8::1", 6), ("2001:db8::2", 6), ("192.0.2.1", 4), ("192.0.2.2", 4)]
    families = {6: socket.AF_INET6, 4: socket.AF_INET}

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(families[version], socket.SOCK_STREAM, 6, "", (host, 443)) for host, version in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    addresses = await module._addresses("name", 443)
    assert [address[0] for _, address in addresses] == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]
