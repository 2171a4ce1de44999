"""A connected socket for a name: its addresses are tried as RFC 8305 ("Happy Eyeballs") says.

The event loops differ in this (uvloop tries one address after the other, and a silent IPv6 address eats the whole
connect timeout), so it is done here for both.
"""

import asyncio
import ipaddress
import socket
from itertools import chain, zip_longest
from typing import Any

STAGGER_SECONDS = 0.25

Address = tuple[socket.AddressFamily, tuple[Any, ...]]


async def dial(host: str, port: int) -> socket.socket:
    """A connected, non-blocking socket. The next address is tried when one failed or was silent. Raises OSError."""
    addresses = await _addresses(host, port)
    attempts: list[asyncio.Task[socket.socket]] = []
    try:
        for address in addresses:
            attempts.append(asyncio.create_task(_connected(*address)))
            last = len(attempts) == len(addresses)
            if (winner := await _first(attempts, None if last else STAGGER_SECONDS)) is not None:
                attempts.remove(winner)
                return winner.result()
        raise OSError("no address of the name takes a connection")
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_discard)
            attempt.cancel()


async def _first(
    attempts: list["asyncio.Task[socket.socket]"], patience: float | None
) -> "asyncio.Task[socket.socket] | None":
    """The first attempt that connects; None when the newest failed, or `patience` seconds went by."""
    pending = {attempt for attempt in attempts if not attempt.done()}
    while pending:
        done, pending = await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for attempt in done:
            if attempt.exception() is None:
                return attempt
        if patience is not None and (not done or attempts[-1] in done):
            return None
    return None


def _discard(attempt: "asyncio.Task[socket.socket]") -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _addresses(host: str, port: int) -> list[Address]:
    """IPv6 and IPv4 by turns, beginning with the family the resolver puts first."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        pairs: list[Address] = [(family, address) for family, _, _, _, address in found]
        first = [pair for pair in pairs if pair[0] == pairs[0][0]]
        second = [pair for pair in pairs if pair[0] != pairs[0][0]]
        return [pair for pair in chain.from_iterable(zip_longest(first, second)) if pair is not None]
    return [(socket.AF_INET6 if version == 6 else socket.AF_INET, (host, port))]


async def _connected(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
