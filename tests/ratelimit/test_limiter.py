"""A shared store decides while it can; when it cannot, this process goes on with a count of its own."""

import asyncio
import time
from typing import Any

import pytest

from handler.ratelimit.gcra import Decision, Quota
from handler.ratelimit.limiter import PAUSE_SECONDS, WAIT_SECONDS, Limiter, StoreError
from handler.ratelimit.memory import MemoryStore

QUOTA = Quota(limit=5, burst=2)
SHARED = Quota(limit=99, burst=0)  # what tells a shared decision from one of this process's own


class Shared:
    """A shared store: a roomier one than the process's own, which fails or hangs when told to."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self.asked = 0
        self.failing: Exception | None = None
        self.hanging = False

    async def hit(self, client: str, quota: Quota, now: int) -> Decision:
        self.asked += 1
        if self.hanging:
            await asyncio.Event().wait()
        if self.failing is not None:
            raise self.failing
        return await self._store.hit(client, SHARED, now)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reports() -> list[bool]:
    return []


@pytest.fixture
def limiter(shared: Shared, clock: Clock, reports: list[bool]) -> Limiter:
    return Limiter(QUOTA, shared, reports.append, clock)


async def test_without_a_shared_store_this_process_decides(clock: Clock):
    limiter = Limiter(QUOTA, clock=clock)
    assert [(await limiter.hit("c")).allowed for _ in range(8)] == [True] * 7 + [False]
    clock.now += 12
    assert (await limiter.hit("c")).allowed


async def test_the_shared_store_decides_while_it_can(limiter: Limiter, shared: Shared, reports: list[bool]):
    decisions = [await limiter.hit("c") for _ in range(20)]

    assert {each.limit for each in decisions} == {99}
    assert all(each.allowed for each in decisions)
    assert reports == [True] * 20


async def test_rl11_a_store_that_fails_is_replaced_by_this_processs_count(
    limiter: Limiter, shared: Shared, reports: list[bool]
):
    shared.failing = StoreError("down")
    decisions = [await limiter.hit("c") for _ in range(8)]

    assert [each.allowed for each in decisions] == [True] * 7 + [False]
    assert {each.limit for each in decisions} == {5}
    assert reports == [False]


async def test_rl11_what_passed_before_the_failure_counts(limiter: Limiter, shared: Shared):
    for _ in range(5):
        await limiter.hit("c")
    shared.failing = StoreError("down")
    assert [(await limiter.hit("c")).allowed for _ in range(3)] == [True, True, False]


async def test_rl11_a_store_that_hangs_is_waited_for_a_fifth_of_a_second(
    limiter: Limiter, shared: Shared, reports: list[bool]
):
    shared.hanging = True
    before = time.monotonic()
    decision = await limiter.hit("c")

    assert WAIT_SECONDS == 0.2
    assert 0.15 < time.monotonic() - before < 2
    assert decision.limit == 5
    assert reports == [False]


async def test_who_leaves_while_the_store_is_asked_is_not_taken_for_its_failure(
    limiter: Limiter, shared: Shared, reports: list[bool]
):
    shared.hanging = True
    hit = asyncio.create_task(limiter.hit("c"))
    while not shared.asked:
        await asyncio.sleep(0)
    hit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hit
    assert reports == []


async def test_rl11_a_failed_store_is_left_alone_for_a_while_and_then_asked_again(
    limiter: Limiter, shared: Shared, clock: Clock, reports: list[bool]
):
    shared.failing = StoreError("down")
    await limiter.hit("c")
    clock.now += PAUSE_SECONDS - 0.1
    await limiter.hit("c")
    assert shared.asked == 1

    clock.now += 0.2
    await limiter.hit("c")
    assert shared.asked == 2
    assert reports == [False, False]


async def test_rl11_a_store_that_is_back_decides_again(
    limiter: Limiter, shared: Shared, clock: Clock, reports: list[bool]
):
    shared.failing = StoreError("down")
    await limiter.hit("c")
    shared.failing = None
    clock.now += PAUSE_SECONDS

    assert (await limiter.hit("c")).limit == 99
    assert reports == [False, True]


async def test_while_a_store_is_paused_a_hundred_at_once_wait_for_nothing(limiter: Limiter, shared: Shared):
    shared.hanging = True
    await limiter.hit("c")
    before = time.monotonic()
    await asyncio.gather(*(limiter.hit(f"c-{at}") for at in range(100)))

    assert shared.asked == 1
    assert time.monotonic() - before < WAIT_SECONDS


async def test_any_other_error_is_a_defect_and_not_hidden(limiter: Limiter, shared: Shared):
    shared.failing = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await limiter.hit("c")


async def test_by_default_the_clock_is_the_walls():
    before = time.time()
    decision: Any = await Limiter(QUOTA).hit("c")
    assert before < decision.reset <= time.time() + 13
