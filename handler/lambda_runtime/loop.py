"""The life of a sandbox: start once, take events and answer them until told to stop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator

from handler.lambda_runtime import refusal
from handler.lambda_runtime.api import Delivery, RuntimeApi
from handler.lambda_runtime.application import Application
from handler.lambda_runtime.event import Gateway, MalformedEventError, parsed, streams
from handler.lambda_runtime.invocation import Context, refuse, run, seconds_left
from handler.lambda_runtime.outlet import Buffered, Outlet, Render, Streamed

# How long after its deadline the app may still be ending its answer, at most; half of the margin where that is less.
OBEDIENCE_SECONDS = 3.0
# How long the app's shutdown may take; Lambda itself leaves a sandbox two seconds.
SHUTDOWN_SECONDS = 1.0

_log = logging.getLogger("claude-code-proxy.lambda")


class Sandbox:
    """One process and the app in it. `local` is AWS_SAM_LOCAL: a caller who takes no streams."""

    def __init__(self, api: RuntimeApi, application: Application, *, local: bool = False) -> None:
        self._api = api
        self._application = application
        self._local = local
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Lets the answer under way end, or ends it with an error, and returns from `serve`."""
        self._stop.set()

    async def serve(self) -> None:
        """Starts the app and takes events until told to stop. Raises RuntimeApiError when the Runtime API is gone."""
        await self._application.start()
        try:
            while (delivery := await self._next()) is not None:
                await self._answer(delivery)
        finally:
            self._api.close()
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await self._application.stop()

    async def _next(self) -> Delivery | None:
        """The next invocation; None when told to stop."""
        while not self._stop.is_set():
            polled = asyncio.create_task(self._api.next())
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait({polled, stopped}, return_when="FIRST_COMPLETED")
            stopped.cancel()
            if not polled.done():
                polled.cancel()
            elif (delivery := polled.result()) is not None:
                return delivery
        return None

    async def _answer(self, delivery: Delivery) -> None:
        """One invocation, whose failure is never the next one's."""
        try:
            await self._run(delivery)
        except OSError as error:
            _log.warning("answer not delivered", extra={"reason": str(error), "request_id": delivery.request_id})
        except Exception as error:
            facts = {"error": type(error).__name__, "request_id": delivery.request_id}
            _log.error("invocation failed", extra=facts)
            with contextlib.suppress(OSError):
                await self._api.fail(delivery.request_id, "Proxy.Failed", refusal.FAILED.message)

    async def _run(self, delivery: Delivery) -> None:
        left = seconds_left(delivery.deadline_ms, time.time())
        context = Context(delivery.request_id, kill_at=time.monotonic() + left)
        event: object = None
        try:
            event = parsed(delivery.event)
            gateway = Gateway(event, context)
            scope, body = gateway.scope, gateway.body
        except MalformedEventError as error:
            _log.warning("malformed event", extra={"reason": str(error), "request_id": delivery.request_id})
            with self._outlet(event, delivery, "", refusal.document) as outlet:
                await refuse(outlet, refusal.MALFORMED, "", delivery.request_id)
            return
        margin = self._application.margin
        guard = context.kill_at - margin + min(OBEDIENCE_SECONDS, margin / 2)
        with self._outlet(event, delivery, scope["path"], gateway) as outlet:
            await run(self._application, scope, body, outlet, guard, self._stop)

    @contextlib.contextmanager
    def _outlet(self, event: object, delivery: Delivery, path: str, render: Render) -> Iterator[Outlet]:
        outlet: Outlet
        if streams(event, self._application.mode, local=self._local):
            outlet = Streamed(self._api, delivery.request_id)
        else:
            outlet = Buffered(self._api, delivery.request_id, path, render)
        try:
            yield outlet
        finally:
            outlet.release()
