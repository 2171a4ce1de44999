"""Secrets in AWS Secrets Manager: the server's API key, and the callers' token (PRODUCT.md 3, 7).

A secret is named by name or ARN; `name#key` takes one key of a JSON secret. Its value is kept for five minutes, one
fetch serves all who wait, and while Secrets Manager fails the last good value holds for up to an hour. A value that
was never there is a 503: whatever the secret guards stays shut.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

import httpx

from handler.aws import AwsError, AwsService
from handler.errors import ProxyError

CACHE_SECONDS = 300.0
LAST_GOOD_SECONDS = 3600.0
# How long a failed fetch is not tried again while an older value holds.
RETRY_SECONDS = 15.0
# How often a value that is refused is fetched anew at once; from then on, with that much time between.
RENEWALS = 3

Value = TypeVar("Value")
Report = Callable[[str], None]


class Kept(Generic[Value]):
    """A fetched value and its age. `fetch` raises AwsError; `report` hears why a fetch failed, without the value."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Value]], name: str, report: Report, clock: Callable[[], float] = time.time
    ) -> None:
        self._fetch, self._name, self._report, self._clock = fetch, name, report, clock
        self._value: Value | None = None
        self._fetched_at = 0.0
        self._next_at = 0.0
        self._renew_at = 0.0
        self._fruitless = 0
        self._fetching: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Kept({self._name}: **********)"

    async def get(self) -> Value:
        """The value, at most five minutes old if it can be had. Raises ProxyError (503)."""
        if self._value is None or self._clock() >= self._next_at:
            joined = self._fetching is not None
            await self._refreshed()
            if joined and not self._usable:  # it began before this request, perhaps before a freeze
                await self._refreshed()
        if self._value is None or not self._usable:
            raise ProxyError(503, f"The server's {self._name} cannot be read from Secrets Manager; its log says why.")
        return self._value

    async def renewed(self, old: Value) -> Value:
        """A value fetched anew because `old` was refused; the same one where there is no other."""
        if self._value == old and (self._fetching is not None or self._clock() >= self._renew_at):
            await self._refreshed()
            self._fruitless = self._fruitless + 1 if self._value == old else 0
            if self._fruitless >= RENEWALS:
                self._renew_at = self._clock() + RETRY_SECONDS
        return old if self._value is None else self._value

    @property
    def _usable(self) -> bool:
        return self._value is not None and self._clock() < self._fetched_at + LAST_GOOD_SECONDS

    async def warm(self) -> None:
        """Fetches ahead of the first request."""
        with suppress(ProxyError):
            await self.get()

    async def _refreshed(self) -> None:
        """Waits for one fetch, whoever began it. A waiter who leaves does not end it for the others."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._refresh())
        await asyncio.shield(self._fetching)

    async def _refresh(self) -> None:
        try:
            self._value = await self._fetch()
            self._fetched_at = self._clock()
            self._next_at = self._fetched_at + CACHE_SECONDS
        except AwsError as error:
            self._next_at = self._clock() + RETRY_SECONDS
            self._report(f"{self._name} not read from Secrets Manager: {error.code or 'no answer'}")
        finally:
            self._fetching = None


class SecretKey(httpx.Auth):
    """An API key from a secret, as `x-api-key`; after a 401 a different key, fetched anew, is tried once."""

    def __init__(self, secret: Kept[str]) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "SecretKey(**********)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a credential is not pickled")

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Adds the header. Raises ProxyError (503)."""
        key = await self._secret.get()
        request.headers["x-api-key"] = key
        answer = yield request
        if answer.status_code == 401 and (fresh := await self._secret.renewed(key)) != key:
            request.headers["x-api-key"] = fresh
            yield request


def api_key(service: AwsService, name: str, report: Report) -> Kept[str]:
    """The API key in a secret."""

    async def fetch() -> str:
        return _plain(await _read(service, name, "AWSCURRENT"))

    return Kept(fetch, "API key", report)


def tokens(service: AwsService, name: str, report: Report) -> Kept[Sequence[str]]:
    """The tokens in a secret: the current version's and, while it is being rotated, the pending one's."""

    async def fetch() -> Sequence[str]:
        current = _listed(await _read(service, name, "AWSCURRENT"))
        try:
            return (*current, *_listed(await _read(service, name, "AWSPENDING")))
        except AwsError:
            return current

    return Kept(fetch, "AUTH_TOKEN", report)


async def _read(service: AwsService, name: str, stage: str) -> str:
    secret, _, key = name.partition("#")
    answer = await service.call("GetSecretValue", {"SecretId": secret, "VersionStage": stage})
    text = answer.get("SecretString")
    if key and isinstance(text, str):
        try:
            whole = json.loads(text)
        except ValueError:
            raise AwsError("the secret is not JSON") from None
        text = whole.get(key) if isinstance(whole, dict) else None
    if not isinstance(text, str):
        raise AwsError("the secret has no such text")
    return text


def _plain(text: str) -> str:
    value = text.strip()
    if not value or not value.isascii() or not value.isprintable():
        raise AwsError("the secret is blank, or holds a character that no key has")
    return value


def _listed(text: str) -> tuple[str, ...]:
    values = tuple(part.strip() for part in text.split(","))
    if not all(values):
        raise AwsError("the secret is blank, or has a blank between commas")
    return values
