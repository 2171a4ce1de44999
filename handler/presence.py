"""The caller's side of an answer that is not there yet: is he still there, and until when may it take?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, cast

from handler.errors import ProxyError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class CallerLeftError(Exception):
    """The caller closed the connection; there is nobody to answer."""


class Presence:
    """While entered, the caller's leaving cancels the block, which then raises CallerLeftError."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = False

    async def __aenter__(self) -> Self:
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._watch = asyncio.create_task(self._until_disconnect())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        if self._left and kind is asyncio.CancelledError:
            self._task.uncancel()
            raise CallerLeftError

    async def _until_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel()


@asynccontextmanager
async def attended(receive: Receive, deadline: float | None) -> AsyncIterator[None]:
    """Ends the work inside when the caller leaves (CallerLeftError) or at `deadline`, a moment of the event loop's
    clock (ProxyError 504)."""
    try:
        async with Presence(receive), asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        message = "The time limit of this deployment ran out before the answer was complete."
        raise ProxyError(504, message) from None
