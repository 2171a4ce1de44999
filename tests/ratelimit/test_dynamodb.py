"""The shared table: exact across processes, one write a request, and what it says when it cannot (FAULTS F)."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from handler.aws import AwsError
from handler.ratelimit.dynamodb import DynamoStore
from handler.ratelimit.gcra import SECOND, Quota
from handler.ratelimit.limiter import StoreError
from tests.support.aws import TABLE, SimulatedAws, dynamodb, pool, simulated_aws

QUOTA = Quota(limit=5, burst=2)
NOW = 1_800_000_000 * SECOND


@pytest.fixture(scope="module")
def aws() -> Iterator[SimulatedAws]:
    with simulated_aws() as running:
        running.make_table()
        yield running


class Counting:
    """A service that counts its calls; `lose` many of them fail as a lost race does."""

    def __init__(self, inner: Any, lose: int = 0) -> None:
        self._inner, self.calls, self._lose = inner, 0, lose

    async def call(self, operation: str, parameters: Any) -> Any:
        self.calls += 1
        if self.calls <= self._lose:
            raise AwsError("ConditionalCheckFailedException", {})
        return await self._inner.call(operation, parameters)


@pytest.fixture
async def service(aws: SimulatedAws) -> AsyncIterator[Counting]:
    transport = pool()
    yield Counting(dynamodb(aws.account(), transport))
    await transport.aclose()


async def test_a_request_is_one_conditional_write(service: Counting) -> None:
    store = DynamoStore(service, TABLE)
    for count in range(1, 8):
        assert (await store.hit("one-write", QUOTA, NOW)).allowed
        assert service.calls == count
    assert not (await store.hit("one-write", QUOTA, NOW)).allowed
    assert service.calls == 8


async def test_an_instance_that_knows_nothing_learns_from_the_failed_write(service: Counting) -> None:
    first, second = (DynamoStore(service, TABLE) for _ in range(2))
    await first.hit("two", QUOTA, NOW)
    assert (await second.hit("two", QUOTA, NOW)).remaining == 3
    assert service.calls == 3


async def test_rl10_several_processes_and_forty_requests_at_once_pass_exactly_limit_and_burst(
    aws: SimulatedAws,
) -> None:
    arguments = [aws.url, TABLE, "crowd", "20", "5", "2"]
    command = [sys.executable, "-m", "tests.ratelimit.shared_hits", *arguments]
    processes = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(2)]
    outputs = [(await process.communicate())[0].split() for process in processes]
    assert sum(int(passed) for passed, _ in outputs) == 7
    assert [int(undecided) for _, undecided in outputs] == [0, 0]


async def test_rl12_an_instance_whose_clock_lags_gives_no_more(service: Counting) -> None:
    ahead, behind = (DynamoStore(service, TABLE) for _ in range(2))
    passed = [await ahead.hit("clocks", QUOTA, NOW) for _ in range(7)]
    late = [await behind.hit("clocks", QUOTA, NOW - 30 * SECOND) for _ in range(7)]
    assert sum(each.allowed for each in passed + late) == 7
    assert {each.remaining for each in late} == {0}
    assert all(1 <= each.retry_after <= 61 for each in late)


async def test_rl12_what_has_expired_counts_as_full_swept_or_not(service: Counting, aws: SimulatedAws) -> None:
    store = DynamoStore(service, TABLE)
    for _ in range(7):
        await store.hit("old", QUOTA, NOW)
    later = NOW + QUOTA.horizon
    fresh = DynamoStore(service, TABLE)
    assert (await fresh.hit("old", QUOTA, later)).remaining == 4
    item = aws.dynamodb.get_item(TableName=TABLE, Key={"client": {"S": "old"}})["Item"]
    assert int(item["expires"]["N"]) > (later + QUOTA.interval) // SECOND


async def test_a_race_lost_three_times_is_undecided(service: Counting) -> None:
    losing = Counting(service, lose=3)
    with pytest.raises(StoreError):
        await DynamoStore(losing, TABLE).hit("race", QUOTA, NOW)
    assert losing.calls == 3
    twice = Counting(service, lose=2)
    assert (await DynamoStore(twice, TABLE).hit("race", QUOTA, NOW)).allowed


async def test_a_table_that_is_not_there_or_holds_something_else_is_undecided(
    service: Counting, aws: SimulatedAws
) -> None:
    with pytest.raises(StoreError):
        await DynamoStore(service, "nowhere").hit("x", QUOTA, NOW)
    aws.dynamodb.put_item(TableName=TABLE, Item={"client": {"S": "odd"}, "full_at": {"S": "x"}})
    with pytest.raises(StoreError):
        await DynamoStore(service, TABLE).hit("odd", QUOTA, NOW)


async def test_lo8_an_item_holds_a_name_that_says_nothing_and_two_numbers(service: Counting, aws: SimulatedAws) -> None:
    await DynamoStore(service, TABLE).hit("0123456789abcdef", QUOTA, NOW)
    item = aws.dynamodb.get_item(TableName=TABLE, Key={"client": {"S": "0123456789abcdef"}})["Item"]
    assert {name: list(value) for name, value in item.items()} == {
        "client": ["S"],
        "full_at": ["N"],
        "expires": ["N"],
    }


async def test_the_memory_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handler.ratelimit.dynamodb.MAX_REMEMBERED", 3)

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"Attributes": {"full_at": {"N": str(NOW + QUOTA.interval)}}})

    from handler.aws import Account

    store = DynamoStore(dynamodb(Account("r", "a", "b"), httpx.MockTransport(respond)), TABLE)
    for number in range(20):
        await store.hit(f"client-{number}", QUOTA, NOW)
    assert len(store._seen) <= 3
