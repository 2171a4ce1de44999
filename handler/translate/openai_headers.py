"""An OpenAI answer's headers, the upstream's rate limits in OpenAI's words among them (MAPPING 8, last part).

    anthropic-ratelimit-requests-limit: 50                         x-ratelimit-limit-requests: 50
    anthropic-ratelimit-tokens-remaining: 900                      x-ratelimit-remaining-tokens: 900
    anthropic-ratelimit-requests-reset: 2026-11-22T10:00:06Z       x-ratelimit-reset-requests: 6s

`tokens` is the upstream's `tokens` where it names them, else its `input-tokens`.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from handler.translate.exchange import Headers

_OPENAI_VERSION = (b"openai-version", b"2020-10-01")
_PREFIX = b"anthropic-ratelimit-"
_SOURCES = ((b"requests", (b"requests",)), (b"tokens", (b"tokens", b"input-tokens")))


def openai_headers(kept: Headers, upstream: Headers, now: float) -> list[tuple[bytes, bytes]]:
    """An OpenAI answer's headers: ours, those `kept` of the upstream's, its limits. `now`: epoch seconds."""
    return [_OPENAI_VERSION, *kept, *_rate_headers(upstream, now)]


def _rate_headers(upstream: Headers, now: float) -> list[tuple[bytes, bytes]]:
    """OpenAI's six headers, as far as the upstream tells. `now`: epoch seconds, used where it sends no `date`."""
    given = {name.lower(): value.strip() for name, value in upstream}
    moment = _sent_at(given, now)
    headers: list[tuple[bytes, bytes]] = []
    for subject, sources in _SOURCES:
        limits = next((limits for source in sources if (limits := _limits(given, source))), {})
        for kind, value in limits.items():
            said = value if kind != b"reset" else _until(value, moment)
            if said:
                headers.append((b"x-ratelimit-" + kind + b"-" + subject, said))
    return headers


def duration(seconds: float) -> str:
    """OpenAI's way to write a time span: `120ms`, `6s`, `1m30s`, `1h0m0s`. Never less than 0."""
    if seconds < 1:
        return f"{max(0, math.ceil(seconds * 1000))}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _limits(given: Mapping[bytes, bytes], source: bytes) -> dict[bytes, bytes]:
    names = {kind: _PREFIX + source + b"-" + kind for kind in (b"limit", b"remaining", b"reset")}
    return {kind: given[name] for kind, name in names.items() if name in given}


def _until(moment: bytes, now: float) -> bytes:
    try:
        at = datetime.fromisoformat(moment.decode("ascii"))
    except ValueError:
        return b""
    return duration((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now).encode()


def _sent_at(given: Mapping[bytes, bytes], now: float) -> float:
    """By the upstream's own clock, since its resets are."""
    try:
        return parsedate_to_datetime(given[b"date"].decode("ascii")).timestamp()
    except (KeyError, ValueError):
        return now
