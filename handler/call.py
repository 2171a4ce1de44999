"""One request at its endpoint: its mode, its raw target, its body within the limits."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from handler.errors import ProxyError
from handler.modes import Mode
from handler.presence import CallerLeftError
from handler.telemetry import Visit


@dataclass(frozen=True, slots=True)
class Call:
    """One request, its body unread. `prefix` is the mode's part of its path."""

    mode: Mode
    prefix: str
    scope: Scope
    receive: Receive
    send: Send

    @property
    def visit(self) -> Visit:
        """What the log will say of it."""
        visit: Visit = self.scope["visit"]
        return visit

    @property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.scope["method"])

    @property
    def target(self) -> bytes:
        """The raw path below the mode prefix, with the query string as it came."""
        raw: bytes = self.scope.get("raw_path") or self.scope["path"].encode()
        query: bytes = self.scope.get("query_string", b"")
        path = raw[len(self.prefix) :]
        return path + b"?" + query if query else path

    @property
    def deadline(self) -> float | None:
        """When the answer must have ended, on the event loop's clock; None for never (all but Lambda)."""
        extension = self.scope.get("extensions", {}).get("claude_proxy.deadline", {})
        moment: float | None = extension.get("at")
        return moment

    async def json(self, limit: int) -> bytes:
        """The body of a JSON route, unread. Raises ProxyError: 415, and as `body` does."""
        media = Headers(scope=self.scope).get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise ProxyError(415, "Send the request as JSON, with content-type: application/json.")
        return await self.body(limit)

    async def body(self, limit: int) -> bytes:
        """The body, whole. Raises ProxyError: 413 before it is all read, 415 when it is compressed."""
        headers = Headers(scope=self.scope)
        too_large = ProxyError(413, f"The request body is larger than this proxy takes ({limit} bytes).")
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise ProxyError(415, "The request body is compressed; send it without content-encoding.")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > limit:
            raise too_large
        parts, size, more = [], 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise CallerLeftError
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise too_large
            parts.append(part)
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)
