"""How an answer ended and what it cost, in OpenAI's words: the tables all OpenAI formats share.

stop_reason      finish_reason          MAPPING 5.1      usage           MAPPING 7
service_tier     service_tier           MAPPING 5.1      error           MAPPING 8
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from handler.errors import ProxyError
from handler.wire import json_text
from handler.wire.anthropic import TOKEN_COUNTS

FINISH_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "pause_turn": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "refusal": "content_filter",
    }
)

SERVICE_TIERS: Mapping[str, str] = MappingProxyType({"standard": "default", "priority": "priority", "batch": "flex"})

# An error inside a stream has no status of its own; this is the one its type has elsewhere.
_STATUSES: Mapping[str, int] = MappingProxyType(
    {
        "invalid_request_error": 400,
        "authentication_error": 401,
        "billing_error": 402,
        "permission_error": 403,
        "not_found_error": 404,
        "conflict_error": 409,
        "request_too_large": 413,
        "rate_limit_error": 429,
        "api_error": 500,
        "timeout_error": 504,
        "overloaded_error": 529,
    }
)

REFUSAL = "The model refused to answer."
_TOO_LONG = re.compile(r"prompt is too long|exceeds? (?:the )?context (?:limit|window)", re.IGNORECASE)
_MODEL = re.compile(r"\bmodel\b", re.IGNORECASE)


def finish_reason(stop_reason: object, *, called: bool, legacy: bool) -> str:
    """OpenAI's `finish_reason`; `called` says the answer holds a call for the caller to make."""
    unknown = "tool_calls" if called else "stop"
    reason = FINISH_REASONS.get(stop_reason, unknown) if isinstance(stop_reason, str) else unknown
    return "function_call" if legacy and reason == "tool_calls" else reason


def refusal(stop_reason: object, stop_details: object) -> str | None:
    """The text of OpenAI's `refusal`: None unless the model refused."""
    if stop_reason != "refusal":
        return None
    match stop_details:
        case {"explanation": str(explanation)} if explanation:
            return explanation
    return REFUSAL


def service_tier(usage: Mapping[str, Any]) -> str | None:
    """OpenAI's `service_tier`, or None where the upstream does not tell."""
    tier = usage.get("service_tier")
    return SERVICE_TIERS.get(tier) if isinstance(tier, str) else None


def completion_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI's `usage`: its prompt tokens include the cached ones, which Anthropic counts apart."""
    read, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    prompt, completion = _count(usage, "input_tokens") + read + written, _count(usage, "output_tokens")
    details = usage.get("output_tokens_details")
    said: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "completion_tokens_details": {
            "reasoning_tokens": _count(details, "thinking_tokens") if isinstance(details, dict) else 0
        },
    }
    if isinstance(server := usage.get("server_tool_use"), dict):
        said["server_tool_use"] = server
    return said


def token_counts(usage: object) -> dict[str, int]:
    """The counts that are there, by their Anthropic names."""
    if not isinstance(usage, dict):
        return {}
    return {name: usage[name] for name in TOKEN_COUNTS if type(usage.get(name)) is int}


def merged(usage: Mapping[str, Any], later: object) -> dict[str, Any]:
    """`usage` with what a later event of the same stream says: its counts are cumulative, its nulls mean nothing."""
    fresh = later if isinstance(later, dict) else {}
    return {**usage, **{name: value for name, value in fresh.items() if value is not None}}


def stream_error(event: Mapping[str, Any]) -> ProxyError:
    """What an `error` event says."""
    error = event.get("error")
    kind = error.get("type") if isinstance(error, dict) else None
    return _refusal(_STATUSES.get(kind, 500) if isinstance(kind, str) else 500, error)


def refusal_of(status: int, body: bytes) -> ProxyError:
    """What the upstream's error body says, under its own status; a 502 when it is no error body."""
    try:
        said = json_text.read(body)
    except ValueError:
        said = None
    match said:
        case {"error": dict() | str() as error}:
            return _refusal(status, error)
        case dict() | str():
            return _refusal(status, said)
    return ProxyError(502, f"The upstream answered {status} with something that is no error body.")


def _refusal(status: int, error: object) -> ProxyError:
    message = _message(error) or f"The upstream refused the request with status {status} and no reason."
    return ProxyError(status, message, code=_code(status, message, error))


def _message(error: object) -> str:
    match error:
        case str(message) | {"message": str(message)}:
            return message
    return ""


def _code(status: int, message: str, error: object) -> str | None:
    if status in (400, 413) and _TOO_LONG.search(message):
        return "context_length_exceeded"
    if status == 404 and _MODEL.search(message):
        return "model_not_found"
    match error:
        case {"details": {"error_code": str(code)}}:
            return code
    return None


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if type(value) is int else 0
