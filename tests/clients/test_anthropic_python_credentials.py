"""The official Python client with each kind of credential: exactly one goes upstream, and the gate's token never."""

import asyncio
import itertools
from typing import Any, NamedTuple

import anthropic
import pytest

from tests.clients.chain import (
    AUTH_TOKEN,
    FULL_MODES,
    MODEL,
    MODES,
    OWN_KEY,
    OWN_OAUTH,
    OWNERS_OAUTH,
    asking,
    assert_relayed,
    async_python_sdk,
    chained,
    chained_for_blocking,
    credential_of,
    python_sdk,
    secrets_in,
)
from tests.support.proxy import KEY

OAUTH_BETA = "oauth-2025-04-20"
ONLY_CLAUDE_CODE = {
    "type": "invalid_request_error",
    "message": "system: This credential is only authorized for use with Claude Code and cannot be used for other API "
    "requests.",
}
GATED = {"auth_token": AUTH_TOKEN}
OWNERS = {"claude_code_oauth_token": OWNERS_OAUTH}


class Caller(NamedTuple):
    """A client by its options, and the credential that must reach the upstream for it: None where it is refused."""

    name: str
    options: dict[str, Any]
    full: str
    plain: str | None


def beside(header: str) -> dict[str, Any]:
    """The client's option that sends a header `x-api-key` beside its own `Authorization: Bearer`."""
    return {"default_headers": {"x-api-key": header}}


# By what the proxy is set up with: its settings, and who calls.
PROXIES: dict[str, tuple[dict[str, Any], list[Caller]]] = {
    "a key": (
        {},
        [
            Caller("a dummy key", {}, KEY, KEY),
            Caller("a dummy token", {"auth_token": "dummy"}, KEY, KEY),
            Caller("own key", {"api_key": OWN_KEY}, OWN_KEY, OWN_KEY),
            Caller("own key as x-api-key", beside(OWN_KEY), OWN_KEY, OWN_KEY),
            Caller("own OAuth token", {"auth_token": OWN_OAUTH}, OWN_OAUTH, None),
            Caller("own OAuth token as x-api-key", beside(OWN_OAUTH), OWN_OAUTH, None),
            Caller("own key and own OAuth token", {"auth_token": OWN_OAUTH, **beside(OWN_KEY)}, OWN_KEY, OWN_KEY),
        ],
    ),
    "a key behind a gate": (
        GATED,
        [
            Caller("the token as api_key", {"api_key": AUTH_TOKEN}, KEY, KEY),
            Caller("the token as auth_token", {"auth_token": AUTH_TOKEN}, KEY, KEY),
            Caller("the token as x-api-key", beside(AUTH_TOKEN), KEY, KEY),
            Caller("the token in both", {"api_key": AUTH_TOKEN, **beside(AUTH_TOKEN)}, KEY, KEY),
            Caller("own key as x-api-key", {"api_key": AUTH_TOKEN, **beside(OWN_KEY)}, OWN_KEY, OWN_KEY),
            Caller("own key as api_key", {"api_key": OWN_KEY, **beside(AUTH_TOKEN)}, OWN_KEY, OWN_KEY),
            Caller("own OAuth token as x-api-key", {"api_key": AUTH_TOKEN, **beside(OWN_OAUTH)}, OWN_OAUTH, None),
            Caller("own OAuth token", {"auth_token": OWN_OAUTH, **beside(AUTH_TOKEN)}, OWN_OAUTH, None),
        ],
    ),
    "a key behind a gate with two tokens": (
        {"auth_token": f"an-older-token, {AUTH_TOKEN}"},
        [
            Caller("the second token", {"api_key": AUTH_TOKEN}, KEY, KEY),
            Caller("the first token, own key", {"auth_token": "an-older-token", **beside(OWN_KEY)}, OWN_KEY, OWN_KEY),
        ],
    ),
    "a key and the owner's OAuth token": (
        OWNERS,
        [
            Caller("a dummy key", {}, OWNERS_OAUTH, KEY),
            Caller("own key", {"api_key": OWN_KEY}, OWN_KEY, OWN_KEY),
            Caller("own OAuth token", {"auth_token": OWN_OAUTH}, OWN_OAUTH, None),
        ],
    ),
    "the owner's OAuth token alone, behind a gate": (
        {**OWNERS, **GATED, "anthropic_api_key": None},
        [
            Caller("the token", {"api_key": AUTH_TOKEN}, OWNERS_OAUTH, None),
            Caller("own key as x-api-key", {"api_key": AUTH_TOKEN, **beside(OWN_KEY)}, OWN_KEY, OWN_KEY),
        ],
    ),
}


@pytest.mark.parametrize("proxy", PROXIES)
async def test_exactly_one_credential_goes_upstream_and_it_is_the_right_one(proxy, subtests):
    settings, callers = PROXIES[proxy]
    async with chained(**settings) as chain:
        for caller, mode in itertools.product(callers, MODES):
            chain.forget()
            expected = caller.full if mode in FULL_MODES else caller.plain
            with subtests.test(caller=caller.name, mode=mode):
                async with async_python_sdk(chain.url + mode, **caller.options) as (client, sent):
                    if expected is None:
                        await assert_refused(client)
                        assert chain.seen == []
                    else:
                        await call_everything(client)
                        assert_sent_with(expected, mode, chain.seen)
                        assert_relayed(mode, sent, chain.seen)


async def call_everything(client):
    """Every kind of call at once."""

    async def streamed():
        async with client.messages.stream(**asking("Hi, in pieces.")) as stream:
            return await stream.get_final_text()

    count = {name: value for name, value in asking("Hi").items() if name != "max_tokens"}
    return await asyncio.gather(
        client.messages.create(**asking("Hi")),
        streamed(),
        client.messages.count_tokens(**count),
        client.models.list(limit=3),
        client.models.retrieve(MODEL),
    )


async def assert_refused(client):
    """In the words of the upstream, on every route."""
    for call in (client.messages.create(**asking("Hi")), client.models.list()):
        with pytest.raises(anthropic.BadRequestError) as refused:
            await call
        assert refused.value.body["type"] == "error"
        assert refused.value.body["error"] == ONLY_CLAUDE_CODE
        assert refused.value.request_id


def assert_sent_with(credential, mode, seen):
    """Every request has it, in the header of its kind and with the betas of its kind, and nobody's other secret."""
    oauth = credential.startswith("sk-ant-oat")
    header = ("authorization", f"Bearer {credential}") if oauth else ("x-api-key", credential)
    assert {credential_of(each) for each in seen} == {header}
    assert secrets_in(seen) == {credential}
    betas = ["claude-code-20250219", *([OAUTH_BETA] if oauth else [])] if mode in FULL_MODES else []
    assert [betas_of(each) for each in seen] == [betas] * len(seen)


def betas_of(seen):
    return [beta.strip() for beta in seen.headers.get("anthropic-beta", "").split(",") if beta.strip()]


async def test_the_clients_own_betas_stand_before_the_oauth_beta_which_comes_once():
    async with chained() as chain, async_python_sdk(chain.url, auth_token=OWN_OAUTH) as (client, _):
        await client.beta.messages.create(**asking("Hi"), betas=["one-1", "two-2"])
        await client.beta.messages.create(**asking("Hi"), betas=[OAUTH_BETA, "two-2"])
    assert betas_of(chain.seen[0]) == ["one-1", "two-2", "claude-code-20250219", OAUTH_BETA]
    assert betas_of(chain.seen[1]) == [OAUTH_BETA, "two-2", "claude-code-20250219"]


def test_away_from_loopback_a_callers_oauth_token_lists_models_and_no_more():
    with (
        chained_for_blocking(host="0.0.0.0", auth_token=AUTH_TOKEN) as chain,
        python_sdk(chain.url, auth_token=OWN_OAUTH, **beside(AUTH_TOKEN)) as (client, _),
    ):
        assert client.models.list(limit=1).data
        assert credential_of(chain.seen[0]) == ("authorization", f"Bearer {OWN_OAUTH}")
        with pytest.raises(anthropic.BadRequestError) as refused:
            client.messages.create(**asking("Hi"))
        assert refused.value.body["error"] == ONLY_CLAUDE_CODE
        assert len(chain.seen) == 1


WRONG = [
    {"api_key": "another-token"},
    {"auth_token": "another-token"},
    {"api_key": AUTH_TOKEN + "x"},
    {"api_key": OWN_KEY},
    {"auth_token": OWN_OAUTH, **beside("another-token")},
]


def test_a_wrong_token_is_an_authentication_error_and_nothing_goes_upstream(subtests):
    with chained_for_blocking(**GATED) as chain:
        for mode in MODES:
            for number, options in enumerate(WRONG):
                with subtests.test(mode=mode, number=number), python_sdk(chain.url + mode, **options) as (client, _):
                    with pytest.raises(anthropic.AuthenticationError) as refused:
                        client.messages.create(**asking("Hi"))
                    assert refused.value.type == "authentication_error"
                    assert "AUTH_TOKEN" in refused.value.api_message
                    assert refused.value.body["request_id"] == refused.value.request_id
        assert chain.seen == []


def test_without_any_credential_the_answer_says_how_to_supply_one(subtests):
    with chained_for_blocking(anthropic_api_key=None) as chain:
        for mode in MODES:
            missing = pytest.raises(anthropic.AuthenticationError, match="ANTHROPIC_API_KEY")
            with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, _), missing:
                client.messages.create(**asking("Hi"))
        assert chain.seen == []
