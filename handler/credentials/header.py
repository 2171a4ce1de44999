"""One credential in one header: the API key's `x-api-key`, the OAuth token's `Authorization: Bearer`."""

from collections.abc import Generator

import httpx


class CredentialHeader(httpx.Auth):
    """Writes its header into each request; no repr, log line or pickle shows the value."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __repr__(self) -> str:
        return f"CredentialHeader({self._name}: **********)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a credential is not pickled")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Adds the header; nothing is resent."""
        request.headers[self._name] = self._value
        yield request


def api_key(key: str) -> CredentialHeader:
    """An Anthropic API key."""
    return CredentialHeader("x-api-key", key)


def bearer(token: str) -> CredentialHeader:
    """An OAuth token."""
    return CredentialHeader("authorization", f"Bearer {token}")
