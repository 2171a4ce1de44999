"""What holds in every row: no log line holds a key, a prompt or an answer's text, and none tells of a surprise.

And an authority for certificates.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.faults.families import PROMPT
from tests.faults.upstreams import BEGUN_TEXT, TEXT
from tests.support.proxy import KEY

_SECRETS = (KEY, PROMPT, TEXT, BEGUN_TEXT, "127.0.0.1")


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()} {record.__dict__}")


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[list[str]]:
    """Every line of the proxy's and of its libraries, as it was logged."""
    handler = _Lines()
    loggers = [logging.getLogger(name) for name in (None, "claude-code-proxy", "uvicorn.error")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield handler.lines
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    for line in handler.lines:
        assert not any(secret in line for secret in _SECRETS), line
        assert not line.startswith(("ERROR", "CRITICAL")), line


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that the proxy is told to trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    return authority
