"""An ASGI application that remembers what it was asked, around another one (the simulator, say)."""

from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True)
class Seen:
    """One request as it arrived: header names in lower case, the body's bytes."""

    method: str
    path: str
    query: str
    headers: httpx.Headers
    body: bytes = field(repr=False)


class Recorder:
    """`seen` grows by one for each whole request."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.seen: list[Seen] = []

    @property
    def last(self) -> Seen:
        """The last request."""
        return self.seen[-1]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        headers = httpx.Headers(scope["headers"])
        path = scope["raw_path"].decode("latin-1")
        self.seen.append(Seen(scope["method"], path, scope["query_string"].decode("latin-1"), headers, body))
        given = False

        async def again() -> Any:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)
