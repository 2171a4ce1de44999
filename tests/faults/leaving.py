"""Clients that leave before their answer is there."""

import socket
import struct
import time
from pathlib import Path

from tests.faults.upstreams import BEGUN, BODY, Held, unended, within
from tests.support.raw_client import connected
from tests.support.raw_upstream import JSON

# How far the upstream has come when the client leaves, and whether the request is for a stream.
MOMENTS = {
    "before the first token": (b"", True),
    "before the first event": (unended(b""), True),
    "in mid-stream": (unended(BEGUN), True),
    "before a plain answer": (b"", False),
    "in a plain answer": (JSON + b"content-length: %d\r\n\r\n" % len(BODY) + BODY[:20], False),
}


def open_files() -> int:
    """How many files this process has open, the sockets of client, proxy and upstream among them."""
    return len(list(Path("/dev/fd").iterdir()))


async def leave(url: str, request: bytes, held: Held, *, reset: bool = False) -> float:
    """A client that asks, and goes once the upstream has got so far; the monotonic time at which it went."""
    async with connected(url) as client:
        client.send(request)
        await within(5, held.begun.wait())
        if reset:
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        left = time.monotonic()
        client.writer.close()
    return left
