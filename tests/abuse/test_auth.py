"""Who is let in (FAULTS.md B, AU-1 to AU-6, AU-10, AU-13, AU-14, AU-16 and AU-17)."""

import base64
import hmac
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.abuse.target import (
    MODES,
    OWN_KEY,
    TARGETS,
    TOKEN,
    Chain,
    Target,
    chained,
    credentials_of,
    each_family,
    each_target,
    everything_of,
    get,
    refused,
    request,
)
from tests.faults.families import ANTHROPIC, OPENAI
from tests.support.proxy import KEY
from tests.support.raw_client import post

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND_TOKEN = "the-token-that-comes-next-in-the-rotation"
CLOSED = [
    ("/v1/models", ANTHROPIC),
    ("/min/v1/models/claude-opus-5-5", ANTHROPIC),
    ("/v1/files", ANTHROPIC),
    ("/v1/messages/batches", ANTHROPIC),
    ("/openai/v1/models", OPENAI),
    ("/pt/openai/v1/models/claude-opus-5-5", OPENAI),
]
WRONG = {
    "a prefix": TOKEN[:-1],
    "one more": TOKEN + "x",
    "the suffix": TOKEN[1:],
    "upper case": TOKEN.upper(),
    "reversed": TOKEN[::-1],
    "one letter": TOKEN[0],
    "dummy": "dummy",
    "quoted": f'"{TOKEN}"',
    "a list": f"{TOKEN},{SECOND_TOKEN}",
    "twice": TOKEN + TOKEN,
    "a scheme too many": f"Bearer {TOKEN}",
    "base64": base64.b64encode(TOKEN.encode()).decode(),
    "SQL": "' OR '1'='1' --",
    "a pattern": ".*",
    "a path": "../../etc/passwd",
    "undefined": "undefined",
    "the upstream key": KEY,
    "an own key": OWN_KEY,
    "a template": "${AUTH_TOKEN}",
    "very long": "a" * 60_000,
}
WRONG_AUTHORIZATION = {
    "empty": "",
    "a scheme alone": "Bearer",
    "no scheme": TOKEN,
    "Basic": "Basic " + base64.b64encode(f"user:{TOKEN}".encode()).decode(),
    "Basic, the token as it is": f"Basic {TOKEN}",
    "Token": f"Token {TOKEN}",
    "Bearer in one word": f"Bearer{TOKEN}",
    "Bearer with a colon": f"Bearer: {TOKEN}",
    "two in one": f"Bearer {TOKEN}, Bearer {TOKEN}",
}
RIGHT = {
    "x-api-key": {"x_api_key": TOKEN},
    "Bearer": {"authorization": f"Bearer {TOKEN}"},
    "bearer": {"authorization": f"bearer {TOKEN}"},
    "BEARER": {"authorization": f"BEARER  {TOKEN}"},
    "both": {"x_api_key": TOKEN, "authorization": f"Bearer {TOKEN}"},
    "the second of two": {"x_api_key": SECOND_TOKEN},
    "a different one in each": {"x_api_key": TOKEN, "authorization": f"Bearer {SECOND_TOKEN}"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _gated() -> AsyncIterator[Chain]:
    async with chained(auth_token=f"{TOKEN},{SECOND_TOKEN}") as chain:
        yield chain


@pytest.fixture
def gated(_gated: Chain) -> Chain:
    """A proxy with two tokens and a key of its own."""
    _gated.seen.clear()
    return _gated


@each_target
async def test_au1_without_a_token_nobody_is_let_in(gated: Chain, target: Target):
    refused(await gated.call(target.ask()), target.family, 401)
    assert not gated.seen


@pytest.mark.parametrize(("path", "family"), CLOSED, ids=lambda value: value if isinstance(value, str) else "")
async def test_au1_nor_to_any_other_route(gated: Chain, path: str, family: Any):
    refused(await gated.call(get(path)), family, 401)
    assert not gated.seen


@each_target
async def test_au1_the_body_is_not_waited_for(gated: Chain, target: Target):
    refused(await gated.call(target.ask(content_length="100000")), target.family, 401)
    refused(await gated.call(target.ask(content_type="text/plain")), target.family, 401)


@each_family
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_au2_a_wrong_token_is_refused_and_not_repeated(gated: Chain, target: Target, wrong: str):
    for headers in ({"x_api_key": wrong}, {"authorization": f"Bearer {wrong}"}):
        answer = await gated.call(target.ask(**headers))
        refused(answer, target.family, 401)
        assert len(wrong) == 1 or wrong not in answer.body.decode() + str(answer.headers)
    assert not gated.seen


@each_family
@pytest.mark.parametrize("value", WRONG_AUTHORIZATION.values(), ids=WRONG_AUTHORIZATION)
async def test_au2_another_scheme_is_refused(gated: Chain, target: Target, value: str):
    refused(await gated.call(target.ask(authorization=value)), target.family, 401)
    assert not gated.seen


@each_target
@pytest.mark.parametrize("headers", RIGHT.values(), ids=RIGHT)
async def test_au3_a_right_token_opens_in_either_header(gated: Chain, target: Target, headers: dict[str, str]):
    answer = await gated.call(target.ask(**headers))

    assert answer.status == 200
    assert [credentials_of(seen) for seen in gated.posts] == [[("x-api-key", KEY)]]


@each_family
@pytest.mark.parametrize("value", [b"\xff\xfe", "Grüße".encode(), b"\xe9" * 40, b"a\x00b", b"a\x1b[31m"], ids=repr)
@pytest.mark.parametrize("name", [b"x-api-key: ", b"authorization: Bearer "], ids=["x-api-key", "authorization"])
async def test_au4_strange_bytes_are_a_wrong_token(gated: Chain, target: Target, name: bytes, value: bytes):
    line = f"POST {target.path}"
    answer = await gated.call(request(line, b"content-type: application/json", b"content-length: 0", name + value))

    assert answer.status in (400, 401)
    assert not gated.seen


@each_family
async def test_au5_a_token_elsewhere_does_not_count(gated: Chain, target: Target):
    body = target.family.body()
    for asked in (
        post(f"{target.path}?x-api-key={TOKEN}&api_key={TOKEN}&auth_token={TOKEN}&key={TOKEN}", body),
        post(target.path, body, cookie=f"x-api-key={TOKEN}; authorization=Bearer {TOKEN}"),
        post(target.path, {**body, "api_key": TOKEN, "auth_token": TOKEN, "x-api-key": TOKEN}),
        post(target.path, body, proxy_authorization=f"Bearer {TOKEN}"),
        post(target.path, body, x_auth_token=TOKEN, api_key=TOKEN, x_goog_api_key=TOKEN, x_authorization=TOKEN),
    ):
        refused(await gated.call(asked), target.family, 401)
    assert not gated.seen


ONE_RIGHT: dict[str, tuple[list[str], str | None]] = {
    "wrong Bearer": ([f"x-api-key: {TOKEN}", "authorization: Bearer wrong"], KEY),
    "wrong key": (["x-api-key: wrong", f"authorization: Bearer {TOKEN}"], KEY),
    "own Bearer": ([f"x-api-key: {TOKEN}", f"authorization: Bearer {OWN_KEY}"], OWN_KEY),
    "own key": ([f"x-api-key: {OWN_KEY}", f"authorization: Bearer {TOKEN}"], OWN_KEY),
    "own key after": ([f"authorization: Bearer {TOKEN}", f"x-api-key: {OWN_KEY}"], OWN_KEY),
    "wrong Basic": ([f"x-api-key: {TOKEN}", "authorization: Basic dTpw"], KEY),
    "two authorizations": ([f"authorization: Bearer {TOKEN}", "authorization: Bearer wrong"], None),
    "two authorizations, right last": (["authorization: Bearer wrong", f"authorization: Bearer {TOKEN}"], None),
    "two keys": ([f"x-api-key: {TOKEN}", f"x-api-key: {OWN_KEY}"], None),
    "two keys, right last": ([f"x-api-key: {OWN_KEY}", f"x-api-key: {TOKEN}"], None),
}


@each_family
@pytest.mark.parametrize(("headers", "upstream"), ONE_RIGHT.values(), ids=ONE_RIGHT)
async def test_au6_of_two_tokens_one_opens_and_the_other_is_used_only_if_it_is_a_credential(
    gated: Chain, target: Target, headers: list[str], upstream: str | None
):
    body = target.ask().partition(b"\r\n\r\n")[2]
    lines = [b"content-type: application/json", b"content-length: %d" % len(body), *(h.encode() for h in headers)]
    answer = await gated.call(request(f"POST {target.path}", *lines, body=body))

    if upstream is None:
        refused(answer, target.family, 401)
    assert [credentials_of(seen) for seen in gated.posts] == ([[("x-api-key", upstream)]] if upstream else [])
    assert not any(word in everything_of(seen) for seen in gated.seen for word in (TOKEN, "wrong", "dTpw"))


async def test_au10_health_needs_no_token_and_tells_nothing(gated: Chain):
    answer = await gated.call(get("/health"))

    assert answer.status == 200
    assert set(answer.json()) == {"status", "version", "uptime_seconds"}
    assert "127.0.0.1" not in answer.body.decode() + str(answer.headers)
    assert not gated.seen


@each_target
async def test_au13_without_any_credential_the_caller_is_told_how_to_bring_one(target: Target):
    async with chained(anthropic_api_key=None, auth_token=TOKEN) as chain:
        error = refused(await chain.call(target.ask(x_api_key=TOKEN)), target.family, 401)
    assert "ANTHROPIC_API_KEY" in error["message"]
    assert not chain.seen


@pytest.mark.parametrize("blank", ["", " ", ",", " , ", "a-token,", ",a-token", "a-token,,b"])
async def test_au13_a_blank_token_never_means_open(blank: str):
    with pytest.raises(ValueError, match=r"auth_token"):
        async with chained(auth_token=blank):
            pass


@pytest.mark.parametrize("path", ["/v1/messages", "/openai/v1/chat/completions", "/health", "/v1/models"])
async def test_au14_a_foreign_origin_is_not_invited(chain: Chain, path: str):
    origin = {"origin": "https://evil.example"}
    preflight = {"access_control_request_method": "POST", "access_control_request_headers": "x-api-key"}
    asked = [b"%b: %b" % (n.replace("_", "-").encode(), v.encode()) for n, v in (origin | preflight).items()]
    answers = [
        await chain.call(request(f"OPTIONS {path}", b"content-length: 0", *asked)),
        await chain.call(get(path, **origin)),
        await chain.call(post(path, ANTHROPIC.body(), **origin)),
    ]

    for answer in answers:
        assert answer.headers.get("access-control-allow-origin") is None
        assert answer.headers.get("access-control-allow-credentials") is None


async def test_au16_every_token_is_compared_by_its_digest_in_constant_time(
    gated: Chain, monkeypatch: pytest.MonkeyPatch
):
    compared: list[tuple[Any, Any]] = []
    real = hmac.compare_digest

    def spy(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    for key in (TOKEN, SECOND_TOKEN, "x", "x" * 1000):
        compared.clear()
        await gated.call(TARGETS[0].ask(x_api_key=key))
        assert len(compared) == 2
        assert {(type(value), len(value)) for pair in compared for value in pair} == {(bytes, 32)}


ON_LAMBDA = {"aws_lambda_function_name": "proxy"}


@each_target
@pytest.mark.parametrize("token", [None, "a-word", "x" * 31, f"{TOKEN},short"])
async def test_au17_on_lambda_a_key_behind_no_or_a_short_token_serves_nobody(target: Target, token: str | None):
    given = {} if token is None else {"auth_token": token}
    async with chained(function_url_auth_type="NONE", **ON_LAMBDA, **given) as chain:
        for headers in ({}, {"x_api_key": token or "x"}, {"x_api_key": OWN_KEY}):
            refused(await chain.call(target.ask(**headers)), target.family, 503)
        for mode in MODES:
            refused(await chain.call(get(f"{mode}/v1/models")), ANTHROPIC, 503)
        assert (await chain.call(get("/health"))).status == 200
    assert not chain.seen


async def test_au17_a_key_on_lambda_wants_a_token_also_where_aws_asks_who_calls():
    async with chained(function_url_auth_type="AWS_IAM", **ON_LAMBDA) as chain:
        refused(await chain.call(TARGETS[0].ask()), TARGETS[0].family, 503)
    assert not chain.seen


SAFE: dict[str, dict[str, Any]] = {
    "a long token": {"auth_token": "x" * 32, "function_url_auth_type": "NONE"},
    "AWS asks who calls": {"auth_token": "short", "function_url_auth_type": "AWS_IAM"},
    "no key of its own": {"anthropic_api_key": None, "function_url_auth_type": "NONE"},
}


@pytest.mark.parametrize("given", SAFE.values(), ids=SAFE)
async def test_au17_on_lambda_it_serves_where_that_is_safe(given: dict[str, Any]):
    async with chained(**ON_LAMBDA, **given) as chain:
        headers = {"x_api_key": given.get("auth_token", OWN_KEY)}
        assert (await chain.call(TARGETS[0].ask(**headers))).status == 200
