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

NAMESPACE = "ClaudeCodeProxy"

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
    invocation: str | None = None
    """On Lambda, the invocation's request id."""
    cold_start: bool = False


class Telemetry:
    """The log of this process, and on Lambda its metrics. `service` names both."""

    def __init__(self, level: str, salt: bytes, service: str = "claude-code-proxy", *, metrics: bool = False) -> None:
        self.log = Logger(service=service, level=level, use_rfc3339=True)
        self._salt = salt
        self._meter = Meter(service) if metrics else None
        self._store_works = True
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)

    def pseudonym(self, address: str) -> str:
        """A client's id for logs and stores: stable within a deployment, meaningless outside."""
        return hashlib.blake2s(address.encode(), key=self._salt, digest_size=8).hexdigest()

    def record(self, visit: Visit) -> None:
        """The request's line, once it is over."""
        duration = time.perf_counter() - visit.started
        first = None if visit.first_byte is None else _milliseconds(visit.first_byte - visit.started)
        facts: dict[str, object] = {
            "route": visit.route,
            "mode": visit.mode,
            "status": visit.status,
            "duration_ms": _milliseconds(duration),
            "first_byte_ms": first,
            "request_id": visit.request_id,
            "caller": visit.caller,
            **visit.usage,
        }
        if visit.losses:
            facts["dropped"] = ",".join(visit.losses)
        if visit.failure is not None:
            facts["failed_after_start"] = visit.failure
        if visit.invocation is not None:
            facts |= {"function_request_id": visit.invocation, "cold_start": visit.cold_start}
        self.log.info("request", extra=facts)
        if self._meter is not None:
            self._meter.count(visit, first)

    def warn(self, message: str) -> None:
        """One line of what went wrong beside the requests; the message holds no secret."""
        self.log.warning(message)

    def limit_store(self, works: bool) -> None:
        """What the limiter reports: one warning when the shared table stops deciding, one line when it does again."""
        if not works and self._meter is not None:
            self._meter.store_failed()
        if works is self._store_works:
            return
        self._store_works = works
        if works:
            self.log.info("the rate limit's table decides again")
        else:
            self.log.warning("the rate limit's table does not answer; this process limits for itself")


class Meter:
    """CloudWatch metrics, in Powertools' embedded format: lines of the log that CloudWatch turns into figures."""

    def __init__(self, service: str) -> None:
        # Not needed, and not imported, anywhere but on Lambda.
        from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric

        self._service = service
        self._unit = MetricUnit
        self._metrics = Metrics(namespace=NAMESPACE, service=service)
        self._single = single_metric

    def count(self, visit: Visit, first_byte: float | None) -> None:
        """One request's figures."""
        broken = visit.failure is not None
        counts = {
            "Requests": 1,
            "ServerErrors": int(visit.status >= 500 or broken),
            "BrokenStreams": int(broken),
            "Unauthorized": int(visit.status == 401),
            "RateLimited": int(visit.status == 429),
            "ColdStart": int(visit.cold_start),
            "InputTokens": visit.usage.get("input_tokens", 0),
            "OutputTokens": visit.usage.get("output_tokens", 0),
        }
        for name, value in counts.items():
            self._metrics.add_metric(name, self._unit.Count, value)
        if first_byte is not None:
            self._metrics.add_metric("FirstByte", self._unit.Milliseconds, first_byte)
        self._metrics.flush_metrics()
        for loss in visit.losses:
            self._one("Dropped", loss=loss)

    def store_failed(self) -> None:
        """The rate limit's table did not decide."""
        self._one("LimitStoreFailures")

    def _one(self, name: str, **dimensions: str) -> None:
        own = {"service": self._service, **dimensions}
        with self._single(name, self._unit.Count, 1, namespace=NAMESPACE, default_dimensions=own):
            pass


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
