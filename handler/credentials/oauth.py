"""The owner's own OAuth credential, for the owner's own use on the owner's own machine (PRODUCT.md 4).

Read only: no login, no refresh, no write. A token comes from the environment (`claude setup-token` prints one) or from
the file that the Claude CLI keeps, JSON `claudeAiOauth.accessToken` and `expiresAt` in milliseconds, which is read
again when it changes.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, Field, SecretStr, ValidationError

from handler.credentials.header import CredentialHeader, bearer
from handler.errors import ProxyError

_RUN_CLAUDE = "Run `claude` on the server's machine to log in again."


class OwnerToken(Protocol):
    """Where the owner's token comes from."""

    def bearer(self) -> CredentialHeader:
        """The credential as it is now. Raises ProxyError: 401 when expired, 503 when unreadable."""


class FixedToken:
    """`CLAUDE_CODE_OAUTH_TOKEN`."""

    def __init__(self, token: SecretStr) -> None:
        self._bearer = bearer(token.get_secret_value())

    def bearer(self) -> CredentialHeader:
        """The token; whether it still holds, the upstream says."""
        return self._bearer


class _Login(BaseModel, hide_input_in_errors=True):
    access_token: SecretStr = Field(alias="accessToken", min_length=1)
    expires_at: float | None = Field(None, alias="expiresAt")


class _File(BaseModel, hide_input_in_errors=True):
    login: _Login = Field(alias="claudeAiOauth")


class CredentialsFile:
    """`CLAUDE_CREDENTIALS_FILE`: the CLI's own file, looked at for every request and read when it changed."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._seen: tuple[int, int, int] | None = None
        self._login: _Login | None = None

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a credential is not pickled")

    def readable_by_others(self) -> bool:
        """Whether the file's mode lets anyone but its owner read it."""
        try:
            return bool(self._path.stat().st_mode & 0o077)
        except OSError:
            return False

    def bearer(self) -> CredentialHeader:
        """The token in the file. Raises ProxyError."""
        login = self._current()
        if login.expires_at is not None and login.expires_at / 1000 <= self._clock():
            raise ProxyError(401, f"The server's Claude login has expired. {_RUN_CLAUDE}")
        return bearer(login.access_token.get_secret_value())

    def _current(self) -> _Login:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if self._login is None or seen != self._seen:
                self._login, self._seen = None, seen
                self._login = _File.model_validate_json(self._path.read_bytes()).login
        except OSError:
            message = "The server's Claude credentials file cannot be opened; check CLAUDE_CREDENTIALS_FILE."
            raise ProxyError(503, f"{message} {_RUN_CLAUDE}") from None
        except ValidationError:
            raise ProxyError(503, f"The server's Claude credentials file cannot be read. {_RUN_CLAUDE}") from None
        token = self._login.access_token.get_secret_value()
        if not (token.isascii() and token.isprintable()):
            raise ProxyError(503, f"The server's Claude credentials file holds no usable token. {_RUN_CLAUDE}")
        return self._login
