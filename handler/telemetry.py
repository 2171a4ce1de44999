"""One log line per request, and the figures behind it; nothing of what was said.

A `Visit` travels with the request in `scope["visit"]`; whoever learns something writes it there. The line holds route,
mode, status, duration, time to first byte, tokens, request id and caller id: never a path as received, a query, a
header, a body, a credential or an upstream's message.
"""

import hashlib
import logging
import time
from dataclasses import dataclass, field

from aws_lambda_powertools import Logger

from handler.errors import Shape

# These write requests, headers or bodies when their level lets them.
_TALKATIVE = ("httpx", "httpcore", "botocore", "boto3", "urllib3", "uvicorn.access", "hpack", "asyncio")


@dataclass(slots=True)
class Visit:
    """What is known of one request. Times are `time.perf_counter` seconds; `caller` is a salted hash."""

    request_id: str
    shape: Shape
    started: float = field(default_factory=time.perf_counter)
    route: str = "none"
    mode: str = "none"
    status: int = 0
    first_byte: float | None = None
    caller: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    losses: tuple[str, ...] = ()
    failure: int | None = None
    """The status an answer would have had that failed after it began."""
    cold_start: bool | None = None


class Telemetry:
    """The log of this process."""

    def __init__(self, level: str, salt: bytes) -> None:
        self.log = Logger(service="claude-code-proxy", level=level, use_rfc3339=True)
        self._salt = salt
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)

    def pseudonym(self, address: str) -> str:
        """A client's id for logs and stores: stable within a deployment, meaningless outside."""
        return hashlib.blake2s(address.encode(), key=self._salt, digest_size=8).hexdigest()

    def record(self, visit: Visit) -> None:
        """The request's line, once it is over."""
        now = time.perf_counter()
        first = visit.first_byte
        facts: dict[str, object] = {
            "route": visit.route,
            "mode": visit.mode,
            "status": visit.status,
            "duration_ms": round((now - visit.started) * 1000, 1),
            "first_byte_ms": None if first is None else round((first - visit.started) * 1000, 1),
            "request_id": visit.request_id,
            "caller": visit.caller,
            **visit.usage,
        }
        if visit.losses:
            facts["dropped"] = ",".join(visit.losses)
        if visit.failure is not None:
            facts["failed_after_start"] = visit.failure
        if visit.cold_start is not None:
            facts["cold_start"] = visit.cold_start
        self.log.info("request", extra=facts)
