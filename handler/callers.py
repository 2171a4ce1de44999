"""Who is asking: the gate, the credential that goes upstream, the client's address (PRODUCT.md 3, 4, 6).

The gate wants `AUTH_TOKEN` as `x-api-key` or `Authorization: Bearer`; one match opens, and that value never goes
upstream. What the other header carries is the caller's own credential if it begins with `sk-ant-`: the prefix says
which kind it is, never the header. A header sent twice is one value joined by a comma, as Lambda hands it over, and so
matches nothing.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import httpx

from handler.credentials.header import api_key, bearer
from handler.credentials.oauth import OwnerToken
from handler.errors import ProxyError
from handler.modes import Mode, presented

Headers = Sequence[tuple[bytes, bytes]]
Tokens = Callable[[], Awaitable[Sequence[str]]]

# The upstream's own words for an OAuth token outside Claude Code.
OAUTH_REFUSAL = (
    "system: This credential is only authorized for use with Claude Code and cannot be used for other API requests."
)
_OWN = re.compile(rb"sk-ant-[A-Za-z0-9_-]+")
_OAUTH_PREFIX = b"sk-ant-oat"


@dataclass(frozen=True, slots=True)
class Credential:
    """What goes upstream for one request: `auth` writes its one header."""

    auth: httpx.Auth = field(repr=False)
    oauth: bool = False
    own: bool = False


@dataclass(frozen=True, slots=True)
class Keyring:
    """The credentials the server itself holds, none of them by default."""

    api_key: httpx.Auth | None = field(default=None, repr=False)
    owner: OwnerToken | None = field(default=None, repr=False)


class Gate:
    """Lets callers in who bring one of the tokens; without tokens it stands open.

    With a `minimum_length` it stays shut (503) until every token is at least that long: a key that the whole internet
    can reach is not guarded by a guessable word.
    """

    def __init__(self, tokens: Tokens | None, minimum_length: int = 0) -> None:
        self._tokens, self._minimum = tokens, minimum_length

    async def admit(self, headers: Headers) -> Credential | None:
        """The caller's own upstream credential, if there is one. Raises ProxyError (401)."""
        values = presented(headers)  # the first that fits wins
        tokens = await self._tokens() if self._tokens is not None else ()
        if self._minimum and (not tokens or min(map(len, tokens)) < self._minimum):
            raise ProxyError(
                503,
                "This deployment holds a key, and serves nobody before its AUTH_TOKEN is set, "
                f"to at least {self._minimum} characters.",
            )
        if self._tokens is not None:
            opens = _matches(values, tokens)
            if not any(opens):
                raise ProxyError(
                    401, "Missing or wrong token. Send the proxy's AUTH_TOKEN as x-api-key or Authorization: Bearer."
                )
            values = [value for value, opened in zip(values, opens, strict=True) if not opened]
        return next((_own(value) for value in values if value.startswith(b"sk-ant-")), None)


def choose(mode: Mode, own: Credential | None, keyring: Keyring, *, stateful: bool = False) -> Credential:
    """The one credential of a request: the caller's own, the owner's token (full mode), the server's key.

    `stateful` routes hold data by account and take the caller's own API key only. Raises ProxyError: 400 for OAuth
    outside full mode, 401 when there is none, 403 for a stateful route, 503 when it cannot be read.
    """
    if own is not None and own.oauth and not mode.oauth:
        raise ProxyError(400, OAUTH_REFUSAL)
    if stateful and (own is None or own.oauth):
        raise ProxyError(
            403, "This route holds data of one account: call it with your own Anthropic API key (sk-ant-api...)."
        )
    if own is not None:
        return own
    if mode.oauth and keyring.owner is not None:
        return Credential(keyring.owner.bearer(), oauth=True)
    if keyring.api_key is not None:
        return Credential(keyring.api_key)
    if keyring.owner is not None:
        raise ProxyError(400, OAUTH_REFUSAL)
    raise ProxyError(
        401,
        "No Anthropic credential. Send your API key (sk-ant-...) as x-api-key or Authorization: Bearer, "
        "or set ANTHROPIC_API_KEY on the server.",
    )


def _matches(values: Sequence[bytes], tokens: Sequence[str]) -> list[bool]:
    """For each value whether it is one of the tokens; every pair is compared, in constant time, over digests."""
    wanted = [hashlib.sha256(token.encode()).digest() for token in tokens]
    digests = [hashlib.sha256(value).digest() for value in values]
    return [sum(hmac.compare_digest(digest, token) for token in wanted) > 0 for digest in digests]


def _own(value: bytes) -> Credential:
    if not _OWN.fullmatch(value):
        raise ProxyError(401, "The Anthropic credential holds a character that no credential has; send exactly one.")
    key = value.decode()
    if value.startswith(_OAUTH_PREFIX):
        return Credential(bearer(key), oauth=True, own=True)
    return Credential(api_key(key), own=True)


def address(peer: str, headers: Headers, trusted_hops: int) -> str:
    """The client's network address: the peer, or what `trusted_hops` proxies in front said; IPv6 by its /64.

    Each trusted proxy appends the address it saw to `X-Forwarded-For`; what stands further left is the caller's word.
    """
    if trusted_hops:
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for").split(b",")
        if len(forwarded) >= trusted_hops:
            peer = _network(forwarded[-trusted_hops].strip().decode("latin-1")) or peer
    return _network(peer) or peer


@lru_cache(maxsize=4096)
def _network(text: str) -> str | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv4Address):
        return text
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip.packed[:8] + bytes(8), 64)))
