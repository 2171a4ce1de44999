"""Secrets, against moto and against a clock (FAULTS C)."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from handler.aws import AwsError
from handler.credentials import secrets_manager
from handler.credentials.secrets_manager import (
    CACHE_SECONDS,
    LAST_GOOD_SECONDS,
    RENEWALS,
    RETRY_SECONDS,
    Kept,
    SecretKey,
)
from handler.errors import ProxyError
from tests.support.aws import SimulatedAws, pool, secretsmanager, simulated_aws

KEY = "sk-ant-api03-from-the-secret"


@pytest.fixture(scope="module")
def aws() -> Iterator[SimulatedAws]:
    with simulated_aws() as running:
        yield running


class Source:
    """What a secret holds now; `broken` for a Secrets Manager that fails."""

    def __init__(self, value: str = "one") -> None:
        self.value, self.broken, self.fetches, self.said = value, False, 0, []
        self.now = 1_000_000.0
        self.kept: Kept[str] = Kept(self.fetch, "API key", self.said.append, lambda: self.now)

    async def fetch(self) -> str:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.broken:
            raise AwsError("ThrottlingException")
        return self.value


async def test_a_value_is_kept_for_five_minutes() -> None:
    source = Source()
    assert await source.kept.get() == "one"
    source.value = "two"
    source.now += CACHE_SECONDS - 1
    assert await source.kept.get() == "one"
    source.now += 1
    assert await source.kept.get() == "two"
    assert source.fetches == 2


async def test_cr8_twenty_who_wait_share_one_fetch() -> None:
    source = Source()
    assert await asyncio.gather(*(source.kept.get() for _ in range(20))) == ["one"] * 20
    assert source.fetches == 1


async def test_a_waiter_who_leaves_does_not_end_the_fetch_for_the_others() -> None:
    source = Source()
    leaving, staying = asyncio.create_task(source.kept.get()), asyncio.create_task(source.kept.get())
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == "one"
    assert source.fetches == 1


async def test_cr7_the_last_good_value_holds_for_an_hour_and_is_not_asked_for_all_the_time() -> None:
    source = Source()
    await source.kept.get()
    source.broken = True
    source.now += CACHE_SECONDS
    assert [await source.kept.get() for _ in range(5)] == ["one"] * 5
    assert source.fetches == 2
    source.now += RETRY_SECONDS
    await source.kept.get()
    assert source.fetches == 3
    source.now += LAST_GOOD_SECONDS
    with pytest.raises(ProxyError) as refused:
        await source.kept.get()
    assert refused.value.status == 503


async def test_cr7_without_a_value_it_is_a_503_and_asked_for_again_each_time() -> None:
    source = Source()
    source.broken = True
    for _ in range(2):
        with pytest.raises(ProxyError) as refused:
            await source.kept.get()
        assert refused.value.status == 503
    source.broken = False
    assert await source.kept.get() == "one"
    assert source.said == ["API key not read from Secrets Manager: ThrottlingException"] * 2


async def flow(auth: SecretKey, *statuses: int) -> list[str]:
    """The keys sent for answers with these statuses."""
    sent = []
    steps = auth.async_auth_flow(httpx.Request("POST", "https://upstream/v1/messages"))
    request = await anext(steps)
    for status in statuses:
        sent.append(request.headers["x-api-key"])
        try:
            request = await steps.asend(httpx.Response(status))
        except StopAsyncIteration:
            break
    return sent


async def test_cr6_after_a_401_a_different_key_is_tried_once() -> None:
    source = Source()
    auth = SecretKey(source.kept)
    await source.kept.get()
    source.value = "two"
    assert await flow(auth, 401, 401, 401) == ["one", "two"]
    assert await flow(auth, 200, 200) == ["two"]


async def test_cr6_after_a_401_the_same_key_is_not_sent_again() -> None:
    source = Source()
    assert await flow(SecretKey(source.kept), 401, 401) == ["one"]
    assert source.fetches == 2


async def test_cr6_a_key_that_another_request_renewed_meanwhile_is_not_fetched_again() -> None:
    source = Source()
    await source.kept.get()
    source.value = "two"
    assert await asyncio.gather(*(source.kept.renewed("one") for _ in range(5))) == ["two"] * 5
    assert source.fetches == 2


async def test_cr6_a_key_that_stays_refused_is_not_fetched_for_every_request() -> None:
    source = Source()
    for _ in range(50):
        await flow(SecretKey(source.kept), 401)
    assert source.fetches == 1 + RENEWALS
    source.now += RETRY_SECONDS
    for _ in range(50):
        await flow(SecretKey(source.kept), 401)
    assert source.fetches == 2 + RENEWALS


async def test_la1_who_joins_a_fetch_that_dies_has_one_of_his_own() -> None:
    """It may have begun before a freeze, and its connection is gone."""
    source = Source()
    source.broken = True
    warming = asyncio.create_task(source.kept.warm())
    await asyncio.sleep(0)
    asked = asyncio.create_task(source.kept.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    source.broken = False
    await warming
    assert await asked == "one"


async def test_a_401_while_secrets_manager_is_down_stays_a_401() -> None:
    source = Source()
    await source.kept.get()
    source.broken = True
    assert await flow(SecretKey(source.kept), 401, 401) == ["one"]


@pytest.mark.parametrize(
    ("name", "stored", "found"),
    [
        ("plain", KEY, KEY),
        ("padded", f" {KEY}\n", KEY),
        ("object#key", json.dumps({"key": KEY, "other": 1}), KEY),
    ],
)
async def test_a_secret_is_a_string_or_one_key_of_a_json_secret(
    aws: SimulatedAws, name: str, stored: str, found: str
) -> None:
    arn = aws.secrets.create_secret(Name=name.split("#")[0], SecretString=stored)["ARN"]
    transport = pool()
    for reference in (name, arn + name[len(name.split("#")[0]) :]):
        kept = secrets_manager.api_key(secretsmanager(aws.account(), transport), reference, print)
        assert await kept.get() == found
    await transport.aclose()


@pytest.mark.parametrize(
    ("name", "stored"),
    [("missing", None), ("blank", " "), ("not-json#key", "x"), ("no-such#key", "{}"), ("a-number#key", '{"key": 1}')],
)
async def test_a_secret_without_a_value_is_a_503_and_the_log_says_why(
    aws: SimulatedAws, name: str, stored: str | None
) -> None:
    if stored is not None:
        aws.secrets.create_secret(Name=name.split("#")[0], SecretString=stored)
    said: list[str] = []
    transport = pool()
    kept = secrets_manager.api_key(secretsmanager(aws.account(), transport), name, said.append)
    with pytest.raises(ProxyError) as refused:
        await kept.get()
    await transport.aclose()
    assert refused.value.status == 503
    assert len(said) == 1


async def test_cr9_the_current_and_the_pending_token_both_open_the_gate(aws: SimulatedAws) -> None:
    aws.secrets.create_secret(Name="token", SecretString="old")
    transport = pool()

    async def tokens() -> Any:
        return await secrets_manager.tokens(secretsmanager(aws.account(), transport), "token", print).get()

    assert tuple(await tokens()) == ("old",)
    version = aws.secrets.put_secret_value(SecretId="token", SecretString="new", VersionStages=["AWSPENDING"])
    assert sorted(await tokens()) == ["new", "old"]
    listed = aws.secrets.list_secret_version_ids(SecretId="token")["Versions"]
    current = next(each["VersionId"] for each in listed if "AWSCURRENT" in each["VersionStages"])
    aws.secrets.update_secret_version_stage(
        SecretId="token",
        VersionStage="AWSCURRENT",
        MoveToVersionId=version["VersionId"],
        RemoveFromVersionId=current,
    )
    assert set(await tokens()) == {"new"}
    await transport.aclose()


def test_nothing_secret_is_shown() -> None:
    source = Source("secret-value")
    asyncio.run(source.kept.get())
    assert "secret-value" not in repr(source.kept)
    assert "secret-value" not in repr(SecretKey(source.kept))
    with pytest.raises(TypeError):
        SecretKey(source.kept).__reduce__()
