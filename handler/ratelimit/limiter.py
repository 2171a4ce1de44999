"""Who passes: a bucket per client, shared by all instances where there is a table, in this process otherwise.

The process keeps its own count beside a shared one. When the table fails or is slow, that count goes on: the limit is
then this instance's own, never none and never a closed door. The table is left alone for a while and then tried again.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from handler.ratelimit.gcra import Decision, Quota
from handler.ratelimit.memory import MemoryStore

WAIT_SECONDS = 0.2
PAUSE_SECONDS = 5.0


class StoreError(Exception):
    """A store that did not decide."""


class Store(Protocol):
    """Where buckets are kept."""

    async def hit(self, client: str, quota: Quota, now: int) -> Decision:
        """Takes one token of `client`'s bucket, if it has one, in one step. Raises StoreError."""


class Limiter:
    """Decides for each request. `report(True)` is called when the shared store decided, `report(False)` when not."""

    def __init__(
        self,
        quota: Quota,
        shared: Store | None = None,
        report: Callable[[bool], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._quota, self._shared, self._report, self._clock = quota, shared, report, clock
        self._own = MemoryStore()
        self._paused_until = 0.0

    async def hit(self, client: str) -> Decision:
        """Takes one token of `client`'s bucket."""
        now = self._clock()
        moment = int(now * 1_000_000)
        own = await self._own.hit(client, self._quota, moment)
        if self._shared is None or now < self._paused_until:
            return own
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                decision = await self._shared.hit(client, self._quota, moment)
        except (StoreError, TimeoutError):
            self._paused_until = now + PAUSE_SECONDS
            self._report(False)
            return own
        self._report(True)
        return decision
