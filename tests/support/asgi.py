"""One request straight into an ASGI application, as no server would let it through: for what events bring on Lambda.

answer = await asked(app, "/v1/messages", body=b"{}", headers=[(b"x", b"y")], client="192.0.2.1")
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Headers = Sequence[tuple[bytes, bytes]]


@dataclass
class Sent:
    """All messages an application sent."""

    messages: list[Any] = field(default_factory=list)

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


async def asked(
    app: Any, path: str = "/", *, method: str = "POST", headers: Headers = (), body: bytes = b"", **scope: Any
) -> Sent:
    """What the application answers; `scope` replaces or adds to the usual scope, the caller never leaves."""
    whole = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("192.0.2.1", 50000),
        "server": ("localhost", 443),
    }
    requests = iter([{"type": "http.request", "body": body, "more_body": False}])
    sent = Sent()

    async def receive() -> Any:
        return next(requests, None) or await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.messages.append(message)

    await app(whole | scope, receive, send)
    return sent
