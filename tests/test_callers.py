from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from handler.callers import OAUTH_REFUSAL, Credential, Gate, Keyring, address, choose
from handler.credentials.header import api_key
from handler.credentials.oauth import FixedToken
from handler.errors import ProxyError
from handler.modes import FULL, MINIMAL, PASSTHROUGH, Mode

KEY = "sk-ant-api03-own"
OAUTH = "sk-ant-oat01-own"
SERVER_KEY = api_key("sk-ant-api03-the-servers")
OWNER = FixedToken(SecretStr("sk-ant-oat01-the-owners"))


def gate(*tokens: str, minimum_length: int = 0) -> Gate:
    async def fixed() -> Sequence[str]:
        return tokens

    return Gate(fixed if tokens else None, minimum_length)


def headers(**given: str) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]


def header_of(credential: Credential) -> tuple[str, str]:
    """The header a credential writes, and its value."""
    request = next(credential.auth.auth_flow(httpx.Request("POST", "https://localhost")))
    ((name, value),) = ((n, v) for n, v in request.headers.items() if n in ("x-api-key", "authorization"))
    return name, value


@pytest.mark.parametrize(
    ("given", "opens"),
    [
        ({"x_api_key": "t1"}, True),
        ({"x_api_key": "t2"}, True),
        ({"authorization": "Bearer t1"}, True),
        ({"authorization": "bearer  t1 "}, True),
        ({"x_api_key": "t1", "authorization": "Bearer t2"}, True),
        ({"x_api_key": "wrong", "authorization": "Bearer t1"}, True),
        ({"x_api_key": "t1", "authorization": "Basic x"}, True),
        ({}, False),
        ({"x_api_key": ""}, False),
        ({"x_api_key": "t"}, False),
        ({"x_api_key": "t11"}, False),
        ({"x_api_key": "T1"}, False),
        ({"x_api_key": "t1,t2"}, False),
        ({"authorization": "t1"}, False),
        ({"authorization": "Basic t1"}, False),
        ({"cookie": "t1"}, False),
    ],
)
async def test_one_of_the_tokens_opens_in_either_header(given: dict[str, str], opens: bool):
    if opens:
        assert await gate("t1", "t2").admit(headers(**given)) is None
    else:
        with pytest.raises(ProxyError) as refusal:
            await gate("t1", "t2").admit(headers(**given))
        assert refusal.value.status == 401


async def test_a_header_sent_twice_matches_nothing():
    with pytest.raises(ProxyError):
        await gate("t1").admit([(b"x-api-key", b"t1"), (b"x-api-key", b"t1")])


async def test_a_token_of_any_bytes_is_compared():
    assert await gate("Grüße").admit([(b"x-api-key", "Grüße".encode())]) is None
    with pytest.raises(ProxyError):
        await gate("Grüße").admit([(b"x-api-key", b"\xff\xfe")])


async def test_without_tokens_the_gate_stands_open():
    assert await gate().admit([]) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"x_api_key": "t1", "authorization": f"Bearer {KEY}"}, ("x-api-key", KEY)),
        ({"x_api_key": KEY, "authorization": "Bearer t1"}, ("x-api-key", KEY)),
        ({"x_api_key": "t1", "authorization": f"Bearer {OAUTH}"}, ("authorization", f"Bearer {OAUTH}")),
        ({"x_api_key": OAUTH, "authorization": "Bearer t1"}, ("authorization", f"Bearer {OAUTH}")),
        ({"x_api_key": "t1", "authorization": "Bearer dummy"}, None),
        ({"x_api_key": "t1", "authorization": f"Basic {KEY}"}, None),
        ({"x_api_key": "t1", "authorization": f"Bearer x{KEY}"}, None),
    ],
)
async def test_behind_a_gate_the_other_header_may_carry_the_callers_own(given: Any, expected: Any):
    own = await gate("t1").admit(headers(**given))
    assert (own and header_of(own)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"x_api_key": KEY}, ("x-api-key", KEY)),
        ({"authorization": f"Bearer {KEY}"}, ("x-api-key", KEY)),
        ({"x_api_key": OAUTH}, ("authorization", f"Bearer {OAUTH}")),
        ({"authorization": f"Bearer {OAUTH}"}, ("authorization", f"Bearer {OAUTH}")),
        ({"x_api_key": KEY, "authorization": f"Bearer {OAUTH}"}, ("x-api-key", KEY)),
        ({"authorization": f"Bearer {KEY}", "x_api_key": OAUTH}, ("authorization", f"Bearer {OAUTH}")),
        ({"x_api_key": "dummy", "authorization": f"Bearer {KEY}"}, ("x-api-key", KEY)),
        ({"x_api_key": "dummy"}, None),
        ({"x_api_key": "sk-proj-of-openai"}, None),
        ({}, None),
    ],
)
async def test_without_a_gate_the_prefix_tells_a_credential_and_x_api_key_wins(given: Any, expected: Any):
    own = await gate().admit(headers(**given))
    assert (own and header_of(own)) == expected
    assert own is None or own.own


@pytest.mark.parametrize(
    "value", [b"sk-ant-", b"sk-ant-a b", b"sk-ant-a,sk-ant-b", b"sk-ant-\xc3\xa9", b"sk-ant-a\r\nx"]
)
async def test_what_only_begins_like_a_credential_is_refused(value: bytes):
    with pytest.raises(ProxyError) as refusal:
        await gate().admit([(b"x-api-key", value)])
    assert refusal.value.status == 401


@pytest.mark.parametrize("tokens", [(), ("short",), ("x" * 31,), ("x" * 32, "short")])
async def test_a_gate_with_a_minimum_stays_shut_until_every_token_is_long_enough(tokens: tuple[str, ...]):
    with pytest.raises(ProxyError) as refusal:
        await gate(*tokens, minimum_length=32).admit(headers(x_api_key=tokens[0] if tokens else "x"))
    assert refusal.value.status == 503


async def test_a_gate_with_a_minimum_opens_to_long_tokens():
    assert await gate("x" * 32, minimum_length=32).admit(headers(x_api_key="x" * 32)) is None


OWN_KEY = Credential(api_key(KEY), own=True)
OWN_OAUTH = Credential(api_key(OAUTH), oauth=True, own=True)
NOTHING, ONLY_KEY, ONLY_OWNER, BOTH = Keyring(), Keyring(SERVER_KEY), Keyring(owner=OWNER), Keyring(SERVER_KEY, OWNER)

CHOSEN: list[tuple[Mode, Credential | None, Keyring, str | int]] = [
    (FULL, OWN_KEY, BOTH, "own"),
    (MINIMAL, OWN_KEY, BOTH, "own"),
    (PASSTHROUGH, OWN_KEY, NOTHING, "own"),
    (FULL, OWN_OAUTH, BOTH, "own"),
    (MINIMAL, OWN_OAUTH, BOTH, 400),
    (PASSTHROUGH, OWN_OAUTH, NOTHING, 400),
    (FULL, None, BOTH, "owner"),
    (FULL, None, ONLY_OWNER, "owner"),
    (FULL, None, ONLY_KEY, "key"),
    (MINIMAL, None, BOTH, "key"),
    (PASSTHROUGH, None, BOTH, "key"),
    (MINIMAL, None, ONLY_KEY, "key"),
    (MINIMAL, None, ONLY_OWNER, 400),
    (PASSTHROUGH, None, ONLY_OWNER, 400),
    (FULL, None, NOTHING, 401),
    (MINIMAL, None, NOTHING, 401),
]


@pytest.mark.parametrize(("mode", "own", "keyring", "expected"), CHOSEN)
def test_one_credential_is_chosen_by_mode(mode: Mode, own: Credential | None, keyring: Keyring, expected: str | int):
    if isinstance(expected, int):
        with pytest.raises(ProxyError) as refusal:
            choose(mode, own, keyring)
        assert refusal.value.status == expected
        assert expected != 400 or refusal.value.message == OAUTH_REFUSAL
        return
    chosen = choose(mode, own, keyring)
    whose = {"own": own and own.auth, "owner": OWNER.bearer(), "key": SERVER_KEY}[expected]
    assert chosen.auth is whose
    assert chosen.oauth is (expected == "owner" or own is OWN_OAUTH)


@pytest.mark.parametrize("mode", [FULL, MINIMAL, PASSTHROUGH], ids=lambda mode: mode.name)
def test_a_stateful_route_takes_the_callers_own_key_only(mode: Mode):
    assert choose(mode, OWN_KEY, BOTH, stateful=True) is OWN_KEY
    for keyring in (NOTHING, BOTH):
        with pytest.raises(ProxyError) as refusal:
            choose(mode, None, keyring, stateful=True)
        assert refusal.value.status == 403


def test_a_stateful_route_takes_no_oauth_token():
    with pytest.raises(ProxyError) as refusal:
        choose(FULL, OWN_OAUTH, BOTH, stateful=True)
    assert refusal.value.status == 403


PEER = "198.51.100.1"


@pytest.mark.parametrize(
    ("peer", "forwarded", "hops", "expected"),
    [
        (PEER, [], 0, PEER),
        (PEER, ["203.0.113.1"], 0, PEER),
        (PEER, ["203.0.113.1"], 1, "203.0.113.1"),
        (PEER, ["a lie, 203.0.113.1"], 1, "203.0.113.1"),
        (PEER, ["203.0.113.9, 203.0.113.2, 203.0.113.1"], 2, "203.0.113.2"),
        (PEER, ["203.0.113.9", "203.0.113.2", "203.0.113.1"], 2, "203.0.113.2"),
        (PEER, ["203.0.113.1"], 2, PEER),
        (PEER, [], 1, PEER),
        (PEER, [""], 1, PEER),
        (PEER, ["unknown"], 1, PEER),
        (PEER, ["203.0.113.1:50000"], 1, PEER),
        (PEER, [" 203.0.113.1 "], 1, "203.0.113.1"),
        ("2001:db8:1:2:3:4:5:6", [], 0, "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", [], 0, "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", [], 0, "2001:db8:1:3::/64"),
        (PEER, ["2001:db8:1:2::9"], 1, "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.1", [], 0, PEER),
        ("fe80::1%eth0", [], 0, "fe80::/64"),
        ("::1", [], 0, "::/64"),
        ("unknown", [], 0, "unknown"),
    ],
)
def test_the_clients_address_is_the_peers_or_a_trusted_hops(peer: str, forwarded: list[str], hops: int, expected: str):
    given = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert (
        address(peer, [*given, (b"x-real-ip", b"203.0.113.77"), (b"forwarded", b"for=203.0.113.78")], hops) == expected
    )


def test_an_address_of_strange_bytes_is_not_believed():
    assert address(PEER, [(b"x-forwarded-for", b"\xff\xfe\x00")], 1) == PEER
