"""A small ASGI app that does on request what an app may do, and the runtime loop around it as a program.

python -m tests.lambda_.program
"""

import asyncio
import json
import os
import sys
from typing import Any

from handler.lambda_runtime import __main__ as entry
from handler.lambda_runtime import application
from handler.lambda_runtime.application import Application

EVENTS = [(b"content-type", b"text/event-stream")]


class App:
    """Keeps what it was asked; `release` lets a waiting answer go on."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.lifespans = 0
        self.stopped = 0
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.left = asyncio.Event()
        self.sent = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        self.scopes.append(scope)
        message = await receive()
        assert message == {"type": "http.request", "body": message["body"], "more_body": False}
        self.bodies.append(message["body"])
        name = scope["path"].rpartition("/")[2] or "echo"
        await getattr(self, f"do_{name}", self.do_echo)(scope, receive, send)

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        self.lifespans += 1
        scope["state"]["lives"] = self.lifespans
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        self.stopped += 1
        await send({"type": "lifespan.shutdown.complete"})

    async def do_echo(self, scope: Any, receive: Any, send: Any) -> None:
        seen = {
            "method": scope["method"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "client": scope["client"][0],
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
            "body": self.bodies[-1].decode("latin-1"),
            "invocation": scope["extensions"]["claude_proxy.invocation"],
        }
        headers = [
            (b"content-type", b"application/json"),
            (b"Set-Cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"x-twice", b"one"),
            (b"x-twice", b"two"),
            (b"x-latin", b"caf\xe9"),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(seen).encode()})

    async def do_tokens(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        for number in range(5):
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
            await asyncio.sleep(0.3)
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async def do_empty(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def do_binary(self, scope: Any, receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/octet-stream")]}
        )
        await send({"type": "http.response.body", "body": bytes(range(256)), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body", "body": bytes(range(256))})

    async def do_large(self, scope: Any, receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/octet-stream")]}
        )
        for _ in range(160):
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
            self.sent += 1
        await send({"type": "http.response.body"})

    async def do_raise(self, scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a secret")

    async def do_break(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        await send({"type": "http.response.body", "body": b"data: 0\n\n", "more_body": True})
        raise RuntimeError("a secret")

    async def do_breakplain(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("a secret")

    async def do_obey(self, scope: Any, receive: Any, send: Any) -> None:
        """Ends its own answer when cancelled, as the proxy does."""
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            await send({"type": "http.response.body", "body": b"event: error\ndata: own\n\n"})

    async def do_hang(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        await send({"type": "http.response.body", "body": b"data: 0\n\n", "more_body": True})
        await self._until_cancelled()

    async def do_hangplain(self, scope: Any, receive: Any, send: Any) -> None:
        await self._until_cancelled()

    async def do_stubborn(self, scope: Any, receive: Any, send: Any) -> None:
        """Does not end when cancelled, and goes on sending later."""
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        while not self.release.is_set():
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
        await send({"type": "http.response.body", "body": b"data: late\n\n"})

    async def do_left(self, scope: Any, receive: Any, send: Any) -> None:
        """Streams until nobody listens."""
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        await send({"type": "http.response.body", "body": b"data: 0\n\n", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        try:
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        except OSError:
            self.left.set()

    async def do_after(self, scope: Any, receive: Any, send: Any) -> None:
        """Waits for the disconnect after a whole answer, as Starlette does beside a stream."""
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        waiting = asyncio.create_task(receive())
        await asyncio.sleep(0)
        assert not waiting.done()
        await send({"type": "http.response.body", "body": b"data: 0\n\n", "more_body": True})
        assert not waiting.done()
        await send({"type": "http.response.body"})
        assert (await waiting)["type"] == "http.disconnect"
        self.left.set()

    async def _until_cancelled(self) -> None:
        try:
            await self.release.wait()
        finally:
            self.cancelled.set()


if __name__ == "__main__":
    application.build = lambda: Application(App(), os.environ.get("PROXY_RESPONSE_MODE", "auto"))
    sys.exit(entry.main())
