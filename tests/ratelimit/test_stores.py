"""What every store of buckets keeps to, whichever it is; and what the one in memory forgets."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from handler.ratelimit.dynamodb import DynamoStore
from handler.ratelimit.gcra import SECOND, Quota, decide
from handler.ratelimit.limiter import Store, StoreError
from handler.ratelimit.memory import MAX_CLIENTS, MemoryStore
from tests.support.aws import TABLE, SimulatedAws, dynamodb, pool, simulated_aws

QUOTA = Quota(limit=5, burst=2)
NOW = 1_800_000_000 * SECOND

_clients = itertools.count()


@pytest.fixture(scope="module")
def aws() -> Iterator[SimulatedAws]:
    with simulated_aws() as running:
        running.make_table()
        yield running


@asynccontextmanager
async def in_memory(_: pytest.FixtureRequest) -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def in_dynamodb(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    transport = pool()
    yield DynamoStore(dynamodb(request.getfixturevalue("aws").account(), transport), TABLE)
    await transport.aclose()


STORES = [in_memory, in_dynamodb]


@pytest.fixture(params=STORES, ids=lambda make: make.__name__)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    make: AbstractAsyncContextManager[Store] = request.param(request)
    async with make as made:
        yield made


@pytest.fixture
def client() -> str:
    """A name that no other test uses."""
    return f"client-{next(_clients)}"


async def test_a_client_not_seen_before_has_a_full_bucket_and_no_more(store: Store, client: str):
    decisions = [await store.hit(client, QUOTA, NOW) for _ in range(9)]

    assert [each.allowed for each in decisions] == [True] * 7 + [False] * 2
    assert [each.remaining for each in decisions] == [4, 3, 2, 1, 0, 0, 0, 0, 0]


async def test_every_decision_is_that_of_the_arithmetic(store: Store, client: str):
    full_at, moment = 0, NOW
    for gap in (0, 0, 0, 0, 0, 0, 0, 0, 1, 11, 12, 13, 1, 0, 30, 0, 0, 0, 200, 0, 84, 83, 0):
        moment += gap * SECOND
        expected = decide(QUOTA, full_at, moment)
        assert await store.hit(client, QUOTA, moment) == expected
        full_at = expected.full_at


async def test_each_client_has_a_bucket_of_its_own(store: Store, client: str):
    for _ in range(8):
        await store.hit(client, QUOTA, NOW)
    assert (await store.hit(f"{client}-other", QUOTA, NOW)).remaining == 4


async def test_a_bucket_is_full_again_after_its_time(store: Store, client: str):
    for _ in range(8):
        last = await store.hit(client, QUOTA, NOW)
    later = last.reset * SECOND
    assert [(await store.hit(client, QUOTA, later)).allowed for _ in range(8)] == [True] * 7 + [False]


async def test_a_refused_client_passes_after_retry_after(store: Store, client: str):
    for _ in range(8):
        last = await store.hit(client, QUOTA, NOW)
    assert (await store.hit(client, QUOTA, NOW + last.retry_after * SECOND)).allowed


async def test_all_at_once_get_no_more_than_the_bucket_holds(store: Store, client: str):
    hits = (store.hit(client, QUOTA, NOW) for _ in range(20))
    decisions = await asyncio.gather(*hits, return_exceptions=True)

    assert not [each for each in decisions if isinstance(each, BaseException) and not isinstance(each, StoreError)]
    # A store that others write to as well may lose a race too often to decide; it never decides wrongly.
    allowed = sum(not isinstance(each, BaseException) and each.allowed for each in decisions)
    assert allowed + sum(isinstance(each, StoreError) for each in decisions) >= 7
    assert allowed <= 7


async def test_a_clock_that_lags_gives_no_more(store: Store, client: str):
    for _ in range(7):
        await store.hit(client, QUOTA, NOW)
    assert not (await store.hit(client, QUOTA, NOW - 30 * SECOND)).allowed


async def test_memory_holds_no_more_clients_than_its_limit():
    store = MemoryStore(max_clients=10)
    for number in range(1000):
        await store.hit(f"client-{number}", QUOTA, NOW)
        assert len(store._full_at) <= 10


async def test_memory_is_bounded_without_being_told():
    store = MemoryStore()
    for number in range(MAX_CLIENTS + 100):
        await store.hit(str(number), QUOTA, NOW)
    assert len(store._full_at) <= MAX_CLIENTS


async def test_of_too_many_clients_the_one_not_seen_for_longest_is_forgotten():
    store = MemoryStore(max_clients=2)
    for name in ("busy", "idle", "busy", "new"):
        await store.hit(name, QUOTA, NOW)

    assert (await store.hit("busy", QUOTA, NOW)).remaining == 2
    assert (await store.hit("idle", QUOTA, NOW)).remaining == 4


async def test_full_buckets_are_forgotten_as_others_come():
    store = MemoryStore()
    for number in range(100):
        await store.hit(f"early-{number}", QUOTA, NOW)
    for number in range(100):
        await store.hit(f"late-{number}", QUOTA, NOW + QUOTA.horizon)
    assert len(store._full_at) == 100


async def test_a_bucket_in_use_is_not_forgotten_for_being_old():
    store = MemoryStore()
    for _ in range(8):
        await store.hit("greedy", QUOTA, NOW)
    for number in range(1000):
        await store.hit(f"other-{number}", QUOTA, NOW)
    assert not (await store.hit("greedy", QUOTA, NOW)).allowed
