"""Around every request: its visit, the rate limit, the headers of every answer, the errors, the log line.

Pure ASGI: an answer's first message gains headers, its chunks pass through one function, and whatever is raised below
becomes an answer in the shape of the route, or, once an answer has begun, a line in the log.
"""

import asyncio
import re
import secrets
import time
import traceback
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.callers import address
from handler.errors import ProxyError, Shape, body_for
from handler.modes import PREFIXES, header
from handler.presence import CallerLeftError
from handler.ratelimit.gcra import Decision
from handler.ratelimit.limiter import Limiter
from handler.telemetry import Telemetry, Visit

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 256
MAX_REQUEST_ID = 128

_PREFIX = re.compile("|".join(f"{prefix}(?=/|$)" for prefix in PREFIXES if prefix))
_PLAIN_PATH = re.compile(rb"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~:@!$&'()*+,=-]+)*/?")
_WARM_UPS = {"", "/", "/api/hello"}


class Envelope:
    """Around every request: its visit, the rate limit, the headers of every answer, the errors, the log line."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, limiter: Limiter | None, trusted_hops: int) -> None:
        self._app, self._telemetry, self._limiter, self._hops = app, telemetry, limiter, trusted_hops

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = _below_prefix(scope["path"])
        visit = scope["visit"] = _visit(scope, path)
        answer = _Answer(visit, send)
        try:
            client = address((scope.get("client") or ("unknown", 0))[0], scope["headers"], self._hops)
            visit.caller = self._telemetry.pseudonym(client)
            if self._limiter is not None and not _exempt(scope, path):
                answer.headers = _within(await self._limiter.hit(visit.caller))
            _check_head(scope)
            await self._app(scope, receive, answer.send)
        except CallerLeftError:
            visit.status = visit.status or 499
        except asyncio.CancelledError:  # the server stops, and waits no longer
            await answer.refuse(ProxyError(503, "The proxy is shutting down."))
        except ProxyError as error:
            await answer.refuse(error)
        except HTTPException as error:
            await answer.refuse(_no_route(error))
        except Exception as error:  # the last resort: nothing of it may reach the caller or the log
            self._telemetry.log.error("unexpected error", extra={"error": type(error).__name__, "at": _where(error)})
            await answer.refuse(ProxyError(500, "The proxy failed unexpectedly; its log has the request id."))
        finally:
            self._telemetry.record(visit)


class _Answer:
    """The way out: adds request id and rate headers to the start, notes status and first byte."""

    def __init__(self, visit: Visit, send: Send) -> None:
        self._visit, self._send = visit, send
        self.headers: list[tuple[bytes, bytes]] = []

    async def send(self, message: Message) -> None:
        """Every message of the answer passes here."""
        visit = self._visit
        if message["type"] == "http.response.start":
            visit.status = message["status"]
            headers = [*message.get("headers", ()), *self.headers]
            if visit.shape is Shape.OPENAI:
                spent = (time.perf_counter() - visit.started) * 1000
                headers.append((b"openai-processing-ms", b"%d" % spent))
            if given := header(headers, b"request-id"):
                visit.request_id = given[:MAX_REQUEST_ID].decode("latin-1")
            else:
                given = visit.request_id.encode()
                headers.append((b"request-id", given))
            headers.append((b"x-request-id", given))
            message["headers"] = headers
        elif visit.first_byte is None:
            visit.first_byte = time.perf_counter()
        await self._send(message)

    async def refuse(self, error: ProxyError) -> None:
        """An error of ours as a whole answer; when one has begun already there is nothing left to say."""
        if self._visit.status:
            self._visit.failure = error.status
            return
        if isinstance(error, _RateLimitedError):
            self.headers = error.rate_headers
        body = body_for(self._visit.shape, error, self._visit.request_id)
        headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


class _RateLimitedError(ProxyError):
    def __init__(self, decision: Decision) -> None:
        message = f"Rate limit of this proxy exceeded; try again in {decision.retry_after} s."
        super().__init__(429, message, headers={"retry-after": str(decision.retry_after)})
        self.rate_headers = _rate_headers(decision)


def _within(decision: Decision) -> list[tuple[bytes, bytes]]:
    if not decision.allowed:
        raise _RateLimitedError(decision)
    return _rate_headers(decision)


def _rate_headers(decision: Decision) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-ratelimit-limit", b"%d" % decision.limit),
        (b"x-ratelimit-remaining", b"%d" % decision.remaining),
        (b"x-ratelimit-reset", b"%d" % decision.reset),
    ]


def _below_prefix(path: str) -> str:
    match = _PREFIX.match(path)
    return path[match.end() :] if match else path


def _visit(scope: Scope, path: str) -> Visit:
    openai = path.startswith("/openai/") or path == "/v1/chat/completions"
    invocation = scope.get("extensions", {}).get("claude_proxy.invocation", {})
    visit = Visit(f"req_{secrets.token_hex(12)}", Shape.OPENAI if openai else Shape.ANTHROPIC)
    visit.invocation, visit.cold_start = invocation.get("request_id"), invocation.get("cold", False)
    return visit


def _exempt(scope: Scope, path: str) -> bool:
    return scope["path"] == "/health" or (scope["method"] == "HEAD" and path in _WARM_UPS)


def _check_head(scope: Scope) -> None:
    """The path is matched raw: what decoding would change is no route. Raises ProxyError (404, 431)."""
    raw = scope.get("raw_path")
    if raw is not None and not _PLAIN_PATH.fullmatch(raw):
        raise not_found()
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        raise ProxyError(431, "The request has too many headers, or too large ones.")


def _no_route(error: HTTPException) -> ProxyError:
    """What the router raises, in our words."""
    if error.status_code != 405:
        return not_found()
    allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
    return ProxyError(405, f"This route takes other methods only: {allowed}.", headers={"allow": allowed})


def not_found() -> ProxyError:
    """What an unknown path is told."""
    return ProxyError(404, "There is no such route here. Check the base URL and the path; the README lists both.")


def _where(error: BaseException) -> str:
    """The innermost frame's function and line: enough to find it, nothing of its values or the machine's paths."""
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else "unknown"
