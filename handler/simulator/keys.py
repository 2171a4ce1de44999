"""Who may call: API keys and OAuth tokens, and the headers every request needs."""

from collections.abc import Mapping

from handler.errors import ProxyError
from handler.simulator.requests import Caller

VERSIONS = ("2023-06-01", "2026-10-21")
OAUTH_PREFIX = "sk-ant-oat"
OAUTH_BETA = "oauth-2025-04-20"
OAUTH_PATHS = ("/v1/messages", "/v1/messages/count_tokens", "/v1/models")


def identify(headers: Mapping[str, str], path: str) -> Caller:
    """The caller of `path`, by its headers (names in lower case). Raises ProxyError: 401, then 400."""
    betas = tuple(beta.strip() for beta in headers.get("anthropic-beta", "").split(",") if beta.strip())
    oauth = _is_oauth(headers)
    if oauth and not (OAUTH_BETA in betas and _takes_oauth(path)):
        raise ProxyError(401, "OAuth authentication is currently not supported.")
    version = headers.get("anthropic-version", "")
    if not version:
        raise ProxyError(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise ProxyError(400, f'anthropic-version: "{version}" is not a valid version')
    return Caller(version, betas, oauth)


def _is_oauth(headers: Mapping[str, str]) -> bool:
    key, bearer = headers.get("x-api-key"), _bearer(headers.get("authorization"))
    if key is not None and bearer is not None:
        raise ProxyError(401, "Only one of x-api-key and Authorization may be given")
    if bearer is not None and bearer.startswith(OAUTH_PREFIX):
        if bearer.endswith("expired"):
            raise ProxyError(401, "OAuth token has expired. Please obtain a new token or refresh your existing token.")
        if "invalid" in bearer:
            raise ProxyError(401, "Invalid bearer token")
        return True
    value = key if key is not None else bearer
    if value is None:
        raise ProxyError(401, "x-api-key header is required")
    if not value.startswith("sk-ant-") or value.startswith(OAUTH_PREFIX) or "invalid" in value:
        raise ProxyError(401, "invalid x-api-key" if key is not None else "Invalid bearer token")
    return False


def _bearer(value: str | None) -> str | None:
    scheme, _, token = (value or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _takes_oauth(path: str) -> bool:
    return path in OAUTH_PATHS or path.startswith("/v1/models/")
