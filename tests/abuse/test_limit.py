"""Who asks too often (FAULTS.md F, RL-1 to RL-9)."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from handler.envelope import Envelope
from handler.ratelimit.gcra import Quota
from handler.ratelimit.limiter import Limiter
from handler.telemetry import Telemetry
from tests.abuse.target import (
    TARGETS,
    TOKEN,
    Chain,
    Target,
    chained,
    each_family,
    each_target,
    get,
    refused,
    request,
)
from tests.faults.families import ANTHROPIC, OPENAI
from tests.support.program import running
from tests.support.raw_client import Answer, call, connected, post
from tests.support.server import serving

LIMIT, BURST = 5, 2


def limited(**settings: object) -> AbstractAsyncContextManager[Chain]:
    values = {"rate_limit_enabled": True, "rate_limit_per_minute": LIMIT, "rate_limit_burst": BURST, **settings}
    return chained(**values)


def figures(answer: Answer) -> tuple[int, int, int]:
    """Limit, remaining and reset."""
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    limit, remaining, reset = (int(answer.headers[name]) for name in names)
    return limit, remaining, reset


@each_target
async def test_rl1_of_twelve_requests_as_many_pass_as_the_bucket_holds(target: Target):
    async with limited() as chain:
        answers = [await chain.call(target.ask()) for _ in range(12)]

    assert [answer.status for answer in answers] == [200] * 7 + [429] * 5
    for answer in answers[7:]:
        refused(answer, target.family, 429)
    assert len(chain.posts) == 7


async def test_rl2_every_answer_carries_the_figures():
    async with limited() as chain:
        before = time.time()
        answers = [await chain.call(TARGETS[at % 6].ask(stream=at % 2 == 1)) for at in range(9)]

    assert [figures(answer)[:2] for answer in answers] == [(5, 4), (5, 3), (5, 2), (5, 1), *[(5, 0)] * 5]
    resets = [figures(answer)[2] for answer in answers]
    assert resets == sorted(resets)
    assert all(before < reset <= before + 90 for reset in resets)
    assert [answer.headers.get("retry-after") is not None for answer in answers] == [False] * 7 + [True] * 2
    assert all(1 <= int(answer.headers["retry-after"]) <= 61 for answer in answers[7:])


@each_family
async def test_rl2_so_does_every_refusal(target: Target):
    async with limited(auth_token=TOKEN) as chain:
        answers = [
            await chain.call(target.ask()),
            await chain.call(post(target.path, b"{", x_api_key=TOKEN)),
            await chain.call(get("/nowhere")),
            await chain.call(get(target.path)),
            await chain.call(get("/v1/%2e%2e/x")),
        ]

    assert [answer.status for answer in answers] == [401, 400, 404, 405, 404]
    assert [figures(answer)[1] for answer in answers] == [4, 3, 2, 1, 0]


async def test_rl2_the_default_is_sixty_a_minute_and_ten_more():
    async with chained(rate_limit_enabled=True) as chain:
        answers = [await chain.call(get("/nowhere")) for _ in range(70)]
    assert figures(answers[0])[:2] == (60, 59)
    assert [answer.status for answer in answers] == [404] * 70


CLAIMS = (
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "forwarded-for",
    "fastly-client-ip",
)


def claiming(at: int) -> bytes:
    claim = f"198.51.100.{at}"
    return TARGETS[at % 6].ask(**{name: f"for={claim}" if name == "forwarded" else claim for name in CLAIMS})


async def test_rl3_a_claimed_address_is_not_believed():
    async with limited() as chain:
        answers = [await chain.call(claiming(at)) for at in range(12)]

    assert [answer.status for answer in answers] == [200] * 7 + [429] * 5


async def test_rl3_not_even_by_the_server_as_it_is_started(tmp_path: Path):
    settings = {"RATE_LIMIT_PER_MINUTE": "5", "RATE_LIMIT_BURST": "2", "UPSTREAM_BASE_URL": "http://127.0.0.1:9"}
    with running(tmp_path, **settings) as program:
        url = await asyncio.to_thread(lambda: program.url)
        answers = [await call(url, claiming(at)) for at in range(12)]

    assert [answer.status for answer in answers] == [401] * 7 + [429] * 5


async def test_rl3_nor_is_what_stands_before_the_trusted_hop():
    async with limited(trusted_proxy_hops=1) as chain:
        answers = [
            await chain.call(TARGETS[0].ask(x_forwarded_for=f"203.0.113.{at}, 198.51.100.7")) for at in range(12)
        ]
        other = await chain.call(TARGETS[0].ask(x_forwarded_for="198.51.100.8"))

    assert [answer.status for answer in answers] == [200] * 7 + [429] * 5
    assert other.status == 200


async def test_rl4_routes_modes_and_queries_share_one_budget():
    asked = [
        *(target.ask() for target in TARGETS),
        post("/v1/messages?beta=true&x=1", ANTHROPIC.body()),
        get("/v1/models"),
        get("/openai/v1/models"),
        post("/pt/v1/messages/count_tokens", ANTHROPIC.body()),
        get("/nowhere"),
        request("OPTIONS /v1/messages", b"content-length: 0"),
    ]
    async with limited() as chain:
        statuses = [(await chain.call(each)).status for each in asked]

    assert statuses == [200] * 7 + [429] * 5


@each_family
async def test_rl5_thirty_at_once_get_no_more(target: Target):
    async with limited() as chain:
        answers = await asyncio.gather(*(chain.call(target.ask()) for _ in range(30)))

    assert sorted(answer.status for answer in answers) == [200] * 7 + [429] * 23
    assert len(chain.posts) == 7


@each_family
async def test_rl6_wrong_tokens_are_counted(target: Target):
    async with limited(auth_token=TOKEN) as chain:
        statuses = [(await chain.call(target.ask(x_api_key=f"guess-{at}"))).status for at in range(20)]
        assert (await chain.call(target.ask(x_api_key=TOKEN))).status == 429

    assert statuses == [401] * 7 + [429] * 13
    assert not chain.seen


async def test_rl7_health_and_the_warm_ups_are_neither_limited_nor_counted():
    free = [get("/health"), request("HEAD /", b"connection: close"), request("HEAD /api/hello", b"connection: close")]
    async with limited() as chain:
        for asked in free * 10:
            answer = await chain.call(asked)
            assert answer.status == 200
            assert "x-ratelimit-limit" not in answer.headers
        assert figures(await chain.call(TARGETS[0].ask()))[:2] == (5, 4)


async def test_rl8_at_reset_the_whole_bucket_is_open_again():
    moment = 1_000_000.0

    async def nothing(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    limiter = Limiter(Quota(LIMIT, BURST), clock=lambda: moment)
    app = Envelope(nothing, Telemetry("CRITICAL", b"salt", "limit"), limiter, 0)
    async with serving(app, lifespan="off") as url:
        first = [await call(url, get("/")) for _ in range(8)]
        assert [answer.status for answer in first] == [204] * 7 + [429]
        moment += int(first[-1].headers["retry-after"])
        assert [(await call(url, get("/"))).status for _ in range(2)] == [204, 429]
        moment = figures(await call(url, get("/")))[2]
        assert [(await call(url, get("/"))).status for _ in range(8)] == [204] * 7 + [429]


@each_family
async def test_rl9_two_hundred_refusals_cost_little(target: Target):
    async with limited() as chain:
        for _ in range(7):
            await chain.call(get("/nowhere"))
        before = time.monotonic()
        answers = await asyncio.gather(*(chain.call(target.ask()) for _ in range(200)))
        assert time.monotonic() - before < 6

    assert {answer.status for answer in answers} == {429}
    assert not chain.seen


@each_family
async def test_rl9_a_refused_body_is_not_read(target: Target):
    async with limited() as chain:
        for _ in range(7):
            await chain.call(get("/nowhere"))
        async with connected(chain.url) as client:
            client.send(target.ask(content_length="30000000"))
            refused(await client.answer(), target.family, 429)


async def test_rl9_no_credential_is_read_for_a_refusal(tmp_path):
    """A file that is missing answers 503 to whoever passes, and 429 to whoever does not."""
    async with limited(claude_credentials_file=tmp_path / "missing", anthropic_api_key=None) as chain:
        statuses = [(await chain.call(TARGETS[0].ask())).status for _ in range(9)]

    assert statuses == [503] * 7 + [429] * 2


async def test_without_the_limit_no_figures_are_sent():
    async with chained(rate_limit_enabled=False) as chain:
        answer = await chain.call(get("/nowhere"))
    assert "x-ratelimit-limit" not in answer.headers


@pytest.mark.parametrize("path", ["/openai/v1/nowhere", "/min/openai/v1/chat/completions"])
async def test_a_refusal_below_openai_speaks_its_shape(path: str):
    async with limited() as chain:
        for _ in range(7):
            await chain.call(get("/nowhere"))
        refused(await chain.call(get(path)), OPENAI, 429)
