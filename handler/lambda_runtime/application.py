"""The app of this process: built once, its lifespan run once, whatever loop delivers the events.

A start that fails (a setting, an import) prints one line without secrets and leaves an app that answers 503, because a
process that exits is started again and again. What an invocation adds to the scope is added here:

    state                                  the lifespan's state, a copy
    extensions["claude_proxy.deadline"]    {"at": time.monotonic() seconds when the answer must have ended}
    extensions["claude_proxy.invocation"]  {"request_id": ..., "cold": bool}
"""

import asyncio
import logging
import time
import traceback
from pathlib import Path

from mangum.types import ASGI, Message, Receive, Scope, Send

from handler.lambda_runtime import refusal

DEFAULT_MARGIN_SECONDS = 10.0

# A child of the logger that the app's own lines go to; before that exists, its lines go to stderr as they are.
_log = logging.getLogger("claude-code-proxy.lambda")


class Application:
    """An ASGI app with the two settings its runtime needs: `mode` (PROXY_RESPONSE_MODE) and `margin` in seconds."""

    def __init__(self, app: ASGI, mode: str = "auto", margin: float = DEFAULT_MARGIN_SECONDS) -> None:
        self.mode = mode
        self.margin = margin
        self._app = app
        self._lifespan = Lifespan(app)
        self._cold = True

    async def start(self) -> None:
        """Runs the lifespan's startup; where that fails, all requests are answered 503 from now on."""
        try:
            await self._lifespan.start()
        except Exception as error:
            _log.error(_explanation(error))
            self._app = _not_started

    async def stop(self) -> None:
        """Runs the lifespan's shutdown."""
        await self._lifespan.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. `scope["aws.context"]` knows its id and the time left."""
        context = scope["aws.context"]
        left = context.get_remaining_time_in_millis() / 1000
        scope["state"] = self._lifespan.state.copy()
        scope["extensions"] = {
            "claude_proxy.deadline": {"at": time.monotonic() + left - self.margin},
            "claude_proxy.invocation": {"request_id": context.aws_request_id, "cold": self._cold},
        }
        self._cold = False
        await self._app(scope, receive, send)


class Lifespan:
    """The lifespan protocol of one app, for the life of the process; `state` is what the app keeps there."""

    def __init__(self, app: ASGI) -> None:
        self.state: dict[str, object] = {}
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises what the app's startup raises. An app without a lifespan starts as well."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._app(scope, self._inbox.get, self._outbox.put))
        await self._say(self._task, "lifespan.startup")

    async def stop(self) -> None:
        """Raises what the app's shutdown raises."""
        if self._task is not None and not self._task.done():
            await self._say(self._task, "lifespan.shutdown")
            await self._task

    async def _say(self, task: asyncio.Task[None], message: str) -> None:
        await self._inbox.put({"type": message})
        heard = asyncio.ensure_future(self._outbox.get())
        await asyncio.wait({task, heard}, return_when=asyncio.FIRST_COMPLETED)
        if not heard.done():
            heard.cancel()
        elif heard.result()["type"] != f"{message}.complete":
            await task
            raise RuntimeError(f"the app answered {message} with {heard.result()['type']}")
        if task.done():
            task.result()


def build() -> Application:
    """The proxy as the environment says; one that answers 503 where that makes no sense."""
    try:
        from handler.app import create_app
        from handler.settings import load

        settings = load()
        return Application(create_app(settings), settings.proxy_response_mode, settings.deadline_margin_seconds)
    except Exception as error:
        _log.error(_explanation(error))
        return Application(_not_started)


async def _not_started(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return
    answer = refusal.whole(refusal.NOT_STARTED, scope["path"], scope["aws.context"].aws_request_id)
    await send({"type": "http.response.start", "status": answer["status"], "headers": answer["headers"]})
    await send({"type": "http.response.body", "body": answer["body"], "more_body": False})


def _explanation(error: Exception) -> str:
    """One line. Only messages known to hold no value are quoted; of any other error, its type and place."""
    kind = type(error).__name__
    if kind == "SettingsError" or isinstance(error, ImportError):
        return f"The proxy cannot start: {kind}: {'; '.join(str(error).splitlines())}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"The proxy cannot start: {kind} in {Path(frame.filename).name}, line {frame.lineno}"
