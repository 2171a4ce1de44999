"""One event through the app: received, answered, ended in time.

The app ends its own answers at the deadline and when it is cancelled. This is the last resort behind it: a while after
the deadline, or when the process is told to stop, the app is cancelled, and an answer that is then still open is ended
here: a stream of events by an error event, any other that has begun by the Runtime API's trailers (callers of a
function URL never see those, nor may `/error` be used by then), and one that has not begun by a complete error.
"""

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from typing import Any

from mangum.types import ASGI, Message, Scope

from handler.errors import ProxyError
from handler.lambda_runtime import refusal
from handler.lambda_runtime.outlet import Outlet

# A deadline before 1973 is no time of day: cargo-lambda sends the milliseconds that are left.
EPOCH_FROM_MS = 100_000_000_000
# Where no deadline is told, Lambda's own longest.
LONGEST_SECONDS = 900.0
# How long an answer may go on once the process is told to stop, and how long its end may take.
STOP_SECONDS = 1.0
END_SECONDS = 1.0

_log = logging.getLogger("claude-code-proxy.lambda")


def seconds_left(deadline_ms: int | None, now: float) -> float:
    """What is left at `now` (epoch seconds) until the sandbox is killed: `Lambda-Runtime-Deadline-Ms`, read kindly."""
    if deadline_ms is None:
        return LONGEST_SECONDS
    return deadline_ms / 1000 - (now if deadline_ms > EPOCH_FROM_MS else 0.0)


@dataclass(frozen=True, slots=True)
class Context:
    """What Mangum calls the Lambda context. `kill_at` is a moment of the monotonic clock."""

    aws_request_id: str
    kill_at: float

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the kill."""
        return max(0, math.floor((self.kill_at - time.monotonic()) * 1000))


class Cycle:
    """One ASGI request: the app's `receive` and `send`."""

    def __init__(self, body: bytes, outlet: Outlet) -> None:
        self._body: bytes | None = body
        self._outlet = outlet
        self.events = False
        """Whether the answer that has begun is a stream of events."""
        self.last = False
        """Whether its last bytes were handed over."""
        self.end: asyncio.Task[None] | None = None
        """The end of the answer on its way, once the app has said it."""

    async def receive(self) -> Message:
        """The request, then, once the answer has ended or nobody listens, the disconnect."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._outlet.over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """One message of the answer. Raises OSError when nobody listens (ASGI 2.4)."""
        if message["type"] == "http.response.start":
            headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
            self.events = any(
                name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers
            )
            await self._outlet.start(message["status"], headers)
        elif message["type"] == "http.response.body":
            self.last = not message.get("more_body", False)
            await self._outlet.chunk(message.get("body", b""))
            if not message.get("more_body", False):
                # The app may be cancelled while this waits; an end that is only half said would spoil the next event.
                self.end = asyncio.create_task(self._outlet.end())
                await asyncio.shield(self.end)


async def run(app: ASGI, scope: Scope, body: bytes, outlet: Outlet, guard: float, stop: asyncio.Event) -> None:
    """Runs one request to its end; `guard` is the monotonic moment until which the app is waited for.

    Raises OSError when the end of the answer cannot be delivered.
    """
    cycle = Cycle(body, outlet)
    failure = await _settled(asyncio.create_task(_called(app, scope, cycle)), guard, stop)
    if cycle.end is not None:
        await cycle.end
    elif cycle.last and not outlet.over.is_set():
        await outlet.end()
    elif not outlet.over.is_set():
        context = scope["aws.context"]
        facts = {"failed_after_start": failure.status, "reason": failure.message, "request_id": context.aws_request_id}
        _log.error("answer ended by the runtime", extra=facts)
        await _end(outlet, failure, scope["path"], context.aws_request_id, events=cycle.events)


async def _called(app: ASGI, scope: Scope, cycle: Cycle) -> None:
    await app(scope, cycle.receive, cycle.send)


async def refuse(outlet: Outlet, error: ProxyError, path: str, request_id: str) -> None:
    """A complete answer that is an error. Raises OSError."""
    answer = refusal.whole(error, path, request_id)
    await outlet.start(answer["status"], [(name, value) for name, value in answer["headers"]])
    await outlet.chunk(answer["body"])
    await outlet.end()


async def _end(outlet: Outlet, failure: ProxyError, path: str, request_id: str, *, events: bool) -> None:
    if not outlet.started:
        await refuse(outlet, failure, path, request_id)
    elif events:
        await outlet.chunk(refusal.last_event(failure, path, request_id))
        await outlet.end()
    else:
        await outlet.fail(failure)


async def _settled(app: "asyncio.Task[None]", guard: float, stop: asyncio.Event) -> ProxyError:
    """Waits for the app while it may take, then cancels it. Returns what to say if its answer is still open."""
    stopped = asyncio.create_task(stop.wait())
    waited: set[asyncio.Task[Any]] = {app, stopped}
    await asyncio.wait(waited, timeout=max(0.0, guard - time.monotonic()), return_when="FIRST_COMPLETED")
    if stop.is_set():
        await asyncio.wait({app}, timeout=STOP_SECONDS)
    stopped.cancel()
    failure = refusal.STOPPING if stop.is_set() else refusal.OVERRAN
    if not app.done():
        app.cancel()
        await asyncio.wait({app}, timeout=END_SECONDS)
        return failure
    if (error := app.exception()) is not None:
        # Its message may quote the request.
        _log.error("the app raised", extra={"error": type(error).__name__})
    return refusal.FAILED
