"""What goes upstream of who asks, and in which mode (FAULTS.md B, AU-7 to AU-9, AU-11, AU-12 and AU-15)."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.abuse.target import (
    MODES,
    OAUTH_REFUSAL,
    OWN_KEY,
    OWN_OAUTH,
    OWNERS_OAUTH,
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
    prompt_of,
    refused,
)
from tests.faults.families import ANTHROPIC, OPENAI, Family
from tests.support.proxy import KEY
from tests.support.raw_client import post

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORBIDDEN = {
    "cookie": "session=secret",
    "x-forwarded-for": "198.51.100.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "a.example",
    "forwarded": "for=198.51.100.7",
    "via": "1.1 a",
    "x-real-ip": "198.51.100.7",
    "x-client-ip": "198.51.100.7",
    "true-client-ip": "198.51.100.7",
    "cf-connecting-ip": "198.51.100.7",
    "cf-ray": "1",
    "x-amzn-trace-id": "Root=1",
    "x-amz-security-token": "secret",
    "x-amz-date": "20261125T000000Z",
    "proxy-authorization": "Basic dTpw",
    "origin": "https://a.example",
    "referer": "https://a.example/?q=secret",
    "te": "trailers",
    "trailer": "x-end",
    "keep-alive": "timeout=5",
    "proxy-connection": "keep-alive",
    "connection": "close, X-Named, x-also-named",
    "x-named": "1",
    "x-also-named": "1",
    "accept-encoding": "gzip, br",
}
# Connection: upgrade would make a server wait for another protocol; without it the header is just one to drop.
UPGRADE = {"upgrade": "h2c"}
FRAMING = {"host", "content-length", "accept-encoding", "x-api-key"}
MINIMAL = FRAMING | {"content-type", "accept", "anthropic-version", "anthropic-beta", "user-agent"}
FULL = MINIMAL | {"anthropic-dangerous-direct-browser-access", "x-claude-code-session-id", "x-stainless-lang"}
SENT = {
    "accept": "text/event-stream",
    "user-agent": "a-client/1.0",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "context-1m-2025-08-07",
    "anthropic-dangerous-direct-browser-access": "true",
    "x-claude-code-session-id": "a",
    "x-stainless-lang": "python",
    "x-app": "cli",
    "x-custom": "1",
}
ALLOWED = {"": FULL, "/full": FULL, "/min": MINIMAL, "/pt": FULL | {"x-app", "x-custom"}}
OAUTH_ROUTES: list[tuple[str, str, Family]] = [
    ("POST", "/v1/messages", ANTHROPIC),
    ("POST", "/v1/messages/count_tokens", ANTHROPIC),
    ("GET", "/v1/models", ANTHROPIC),
    ("GET", "/v1/models/claude-opus-5-5", ANTHROPIC),
    ("POST", "/v1/chat/completions", OPENAI),
    ("POST", "/openai/v1/chat/completions", OPENAI),
    ("GET", "/openai/v1/models", OPENAI),
]


@each_target
@pytest.mark.parametrize("headers", [{"x_api_key": TOKEN}, {"authorization": f"Bearer {TOKEN}"}], ids=["key", "bearer"])
async def test_au7_the_proxys_token_never_goes_upstream(target: Target, headers: dict[str, str]):
    async with chained(auth_token=TOKEN) as chain:
        for stream in (False, True):
            assert (await chain.call(target.ask(stream=stream, **headers))).status == 200
        assert (await chain.call(get("/v1/models", **headers))).status == 200
    assert len(chain.seen) >= 3
    assert not any(TOKEN in everything_of(seen) for seen in chain.seen)


CLAUDE_CODE = [{"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude."}]


@pytest.mark.parametrize("token", [TOKEN, OWN_KEY])
@pytest.mark.parametrize("said", ["{}", "Bearer {}"])
@pytest.mark.parametrize("name", ["api_key", "x_goog_api_key", "x_auth_token", "x_portkey_api_key"])
async def test_au7_au9_a_token_said_again_elsewhere_never_goes_upstream(token: str, said: str, name: str):
    """Continue sends its key as `api-key` too."""
    again = {"authorization": f"Bearer {token}", name: said.format(token)}
    gate = {"auth_token": TOKEN} if token == TOKEN else {}
    async with chained(**gate) as chain:
        for target in TARGETS:
            assert (await chain.call(target.ask(**again))).status == 200
        body = {**ANTHROPIC.body(), "system": CLAUDE_CODE}
        assert (await chain.call(post("/v1/messages", body, **again))).status == 200
    assert {len(credentials_of(seen)) for seen in chain.seen} == {1}
    assert {everything_of(seen).count(token) for seen in chain.seen} == {int(token == OWN_KEY)}


@each_target
async def test_au7_not_even_one_that_looks_like_an_upstream_key(target: Target):
    token = "sk-ant-the-proxys-own-token"
    async with chained(auth_token=token) as chain:
        for headers in ({"x_api_key": token}, {"x_api_key": token, "authorization": f"Bearer {token}"}):
            assert (await chain.call(target.ask(**headers))).status == 200
    assert [credentials_of(seen) for seen in chain.posts] == [[("x-api-key", KEY)]] * 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", [ANTHROPIC, OPENAI], ids=lambda family: family.name)
async def test_au8_no_header_about_the_caller_or_the_connection_goes_upstream(chain: Chain, mode: str, family: Family):
    target = Target(mode + family.path, family)
    answer = await chain.call(target.ask(**FORBIDDEN | UPGRADE | SENT))

    assert answer.status == 200
    (seen,) = chain.posts
    assert set(seen.headers) <= ALLOWED[mode]
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["host"] == urlsplit(chain.upstream).netloc
    everything = everything_of(seen)
    assert not any(word in everything for word in ("secret", "198.51.100.7", "a.example", "dTpw", "h2c"))


@each_target
async def test_au9_the_servers_key_goes_upstream_alone(chain: Chain, target: Target):
    assert (await chain.call(target.ask(authorization="Bearer dummy"))).status == 200
    assert [credentials_of(seen) for seen in chain.posts] == [[("x-api-key", KEY)]]


@each_target
async def test_au9_of_a_key_and_an_oauth_token_the_mode_chooses_one(target: Target):
    async with chained(claude_code_oauth_token=OWNERS_OAUTH) as chain:
        assert (await chain.call(target.ask(x_api_key="dummy"))).status == 200
    full = not target.path.startswith(("/min", "/pt"))
    expected = ("authorization", f"Bearer {OWNERS_OAUTH}") if full else ("x-api-key", KEY)
    assert [credentials_of(seen) for seen in chain.posts] == [[expected]]


@pytest.mark.parametrize("header", ["x_api_key", "authorization"])
@pytest.mark.parametrize(
    ("own", "expected"),
    [(OWN_KEY, ("x-api-key", OWN_KEY)), (OWN_OAUTH, ("authorization", f"Bearer {OWN_OAUTH}"))],
    ids=["API key", "OAuth"],
)
@each_family
async def test_au9_the_prefix_decides_which_header_a_credential_takes(
    chain: Chain, target: Target, own: str, header: str, expected: tuple[str, str]
):
    value = own if header == "x_api_key" else f"Bearer {own}"
    assert (await chain.call(target.ask(**{header: value}))).status == 200
    assert [credentials_of(seen) for seen in chain.posts] == [[expected]]


@pytest.mark.parametrize("mode", ["/min", "/pt"])
@pytest.mark.parametrize(("method", "path", "family"), OAUTH_ROUTES)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("header", ["x_api_key", "authorization"])
async def test_au11_a_callers_oauth_token_is_refused_outside_full_mode(
    chain: Chain, mode: str, method: str, path: str, family: Family, stream: bool, header: str
):
    headers = {header: OWN_OAUTH if header == "x_api_key" else f"Bearer {OWN_OAUTH}"}
    body = family.body(stream=stream)
    asked = get(mode + path, **headers) if method == "GET" else post(mode + path, body, **headers)

    assert refused(await chain.call(asked), family, 400)["message"] == OAUTH_REFUSAL
    assert not chain.seen


@pytest.mark.parametrize("mode", ["/min", "/pt"])
async def test_au11_so_is_the_servers_where_it_holds_no_key(mode: str):
    async with chained(anthropic_api_key=None, claude_code_oauth_token=OWNERS_OAUTH) as chain:
        for method, path, family in OAUTH_ROUTES:
            asked = get(mode + path) if method == "GET" else post(mode + path, family.body())
            assert refused(await chain.call(asked), family, 400)["message"] == OAUTH_REFUSAL
    assert not chain.seen


AWAY = {"another address": {"host": "0.0.0.0"}, "Lambda": {"aws_lambda_function_name": "proxy"}}
PROMPT = "You are Claude Code, Anthropic's official CLI for Claude."
FROM_CLAUDE_CODE = {**ANTHROPIC.body(), "system": [{"type": "text", "text": PROMPT}]}


@pytest.mark.parametrize("place", AWAY.values(), ids=AWAY)
async def test_au11_away_from_loopback_an_oauth_token_is_for_claude_code_alone(place: dict[str, Any]):
    async with chained(anthropic_api_key=None, **place) as chain:
        for method, path, family in OAUTH_ROUTES:
            if (method, path) == ("GET", "/v1/models"):
                continue
            body = family.body()
            asked = get(path, x_api_key=OWN_OAUTH) if method == "GET" else post(path, body, x_api_key=OWN_OAUTH)
            assert refused(await chain.call(asked), family, 400)["message"] == OAUTH_REFUSAL
    assert not chain.seen


@pytest.mark.parametrize("place", AWAY.values(), ids=AWAY)
async def test_au11_away_from_loopback_claude_code_is_relayed_untouched(place: dict[str, Any]):
    headers = {"authorization": f"Bearer {OWN_OAUTH}", "anthropic_beta": "oauth-2025-04-20,x", "x_app": "cli"}
    sent = post("/v1/messages?beta=true", FROM_CLAUDE_CODE, **headers)
    async with chained(anthropic_api_key=None, **place) as chain:
        assert (await chain.call(sent)).status == 200
        assert (await chain.call(get("/v1/models", **headers))).status == 200

    assert chain.posts[0].body == sent.partition(b"\r\n\r\n")[2]
    assert chain.posts[0].headers["anthropic-beta"] == "oauth-2025-04-20,x"
    assert chain.posts[0].headers["x-app"] == "cli"
    assert [credentials_of(seen) for seen in chain.seen] == [[("authorization", f"Bearer {OWN_OAUTH}")]] * 2


async def test_on_loopback_an_oauth_token_gets_the_beta_it_needs(chain: Chain):
    for body, betas in ((ANTHROPIC.body(), "x,claude-code-20250219,oauth-2025-04-20"), (FROM_CLAUDE_CODE, None)):
        sent = post("/v1/messages", body, authorization=f"Bearer {OWN_OAUTH}", anthropic_beta="x")
        assert (await chain.call(sent)).status == 200
        assert chain.posts[-1].headers["anthropic-beta"] == (betas or "x,oauth-2025-04-20")


@pytest.mark.parametrize(
    "prefix",
    ["/FULL", "/Min", "/PT", "/full/min", "/min/pt", "/pt/pt", "/%6din", "/min%00", "/min%20", "/;min", "/min;",
     "/min;x=1", "/minx", "/xmin", "/min.", "/./min", "/min/.", "//min", "/min/", "/passthrough", "/minimal",
     "/openai", "/openai/min"],
)  # fmt: skip
async def test_au12_a_mode_has_one_spelling(chain: Chain, prefix: str):
    answer = await chain.call(post(f"{prefix}/v1/messages", ANTHROPIC.body(), x_api_key=OWN_OAUTH))

    assert answer.status == 404
    assert not chain.seen


async def test_au15_twenty_callers_at_once_each_use_their_own_key():
    async with chained(anthropic_api_key=None) as chain:
        keys = {f"I am caller {number}.": f"{OWN_KEY}-{number:02}" for number in range(20)}
        answers = await asyncio.gather(
            *(
                chain.call(TARGETS[at % len(TARGETS)].ask(prompt, x_api_key=key, stream=at % 2 == 0))
                for at, (prompt, key) in enumerate(keys.items())
            )
        )

    assert {answer.status for answer in answers} == {200}
    assert {prompt_of(seen): credentials_of(seen) for seen in chain.posts} == {
        prompt: [("x-api-key", key)] for prompt, key in keys.items()
    }
