"""Rows of MAPPING 5.1, 7 and 8 that come in tables."""

import json
from typing import Any

import pytest

from handler.errors import ProxyError, openai_body
from handler.translate import outcomes

# The upstream's status and type, then ours: type and code.
ERRORS = [
    (400, "invalid_request_error", "invalid_request_error", None),
    (401, "authentication_error", "authentication_error", "invalid_api_key"),
    (402, "billing_error", "insufficient_quota", "insufficient_quota"),
    (403, "permission_error", "permission_error", None),
    (404, "not_found_error", "invalid_request_error", None),
    (409, "conflict_error", "conflict_error", None),
    (413, "request_too_large", "invalid_request_error", "request_too_large"),
    (429, "rate_limit_error", "rate_limit_error", "rate_limit_exceeded"),
    (500, "api_error", "server_error", None),
    (504, "timeout_error", "server_error", "timeout"),
    (529, "overloaded_error", "server_error", "overloaded"),
]


def told(error: ProxyError) -> tuple[int, dict[str, Any]]:
    return error.status, json.loads(openai_body(error))["error"]


def upstream(kind: str, message: str, **fields: Any) -> bytes:
    error = {"type": kind, "message": message, **fields}
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()


@pytest.mark.parametrize(("status", "kind", "our_type", "code"), ERRORS)
def test_an_error_keeps_its_status_and_words(status: int, kind: str, our_type: str, code: str | None) -> None:
    error = outcomes.refusal_of(status, upstream(kind, "Something is wrong."))

    assert told(error) == (status, {"message": "Something is wrong.", "type": our_type, "param": None, "code": code})


@pytest.mark.parametrize(("status", "kind", "our_type", "code"), ERRORS)
def test_an_error_in_a_stream_is_told_in_the_same_words(
    status: int, kind: str, our_type: str, code: str | None
) -> None:
    error = outcomes.stream_error({"type": "error", "error": {"type": kind, "message": "Something is wrong."}})

    assert told(error) == (status, {"message": "Something is wrong.", "type": our_type, "param": None, "code": code})


@pytest.mark.parametrize("kind", ["of_tomorrow", None])
def test_an_unknown_error_in_a_stream_is_the_servers(kind: str | None) -> None:
    error = outcomes.stream_error({"type": "error", "error": {"type": kind, "message": "Oh."}})

    assert told(error)[1] == {"message": "Oh.", "type": "server_error", "param": None, "code": None}


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000",
    ],
)
def test_what_does_not_fit_has_openais_code(message: str) -> None:
    assert told(outcomes.refusal_of(400, upstream("invalid_request_error", message)))[1]["code"] == (
        "context_length_exceeded"
    )


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("model: claude-3-opus-20240229", "model_not_found"),
        ("The model `claude-9` does not exist.", "model_not_found"),
        ("File not found: file_01", None),
        ("Not Found", None),
    ],
)
def test_only_a_missing_model_is_a_model_not_found(message: str, code: str | None) -> None:
    assert told(outcomes.refusal_of(404, upstream("not_found_error", message)))[1]["code"] == code


def test_the_upstreams_own_code_is_kept() -> None:
    body = upstream("invalid_request_error", "No.", details={"error_code": "thread_unsupported_request"})

    assert told(outcomes.refusal_of(400, body))[1]["code"] == "thread_unsupported_request"


@pytest.mark.parametrize("status", [400, 403, 404, 500, 502, 503, 520, 529])
@pytest.mark.parametrize("body", [b"", b"<html><h1>502 Bad Gateway</h1>", b"{", b"[]", b"7", b"\xff\xfe"])
def test_what_is_no_error_body_is_a_bad_gateway(status: int, body: bytes) -> None:
    found, error = told(outcomes.refusal_of(status, body))

    assert (found, error["type"], error["param"], error["code"]) == (502, "server_error", None, None)
    assert "<" not in error["message"]


def test_a_bare_error_is_told_as_it_is() -> None:
    assert told(outcomes.refusal_of(429, b'{"error":"Error"}')) == (
        429,
        {"message": "Error", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"},
    )


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_a_known_stop_reason_has_its_own_word(stop: str, reason: str, called: bool, legacy: bool) -> None:
    assert outcomes.finish_reason(stop, called=called, legacy=legacy) == reason


@pytest.mark.parametrize("stop", [None, "of_tomorrow", 7])
def test_an_unknown_stop_reason_goes_by_the_calls(stop: Any) -> None:
    assert outcomes.finish_reason(stop, called=False, legacy=False) == "stop"
    assert outcomes.finish_reason(stop, called=True, legacy=False) == "tool_calls"
    assert outcomes.finish_reason(stop, called=True, legacy=True) == "function_call"


def test_a_call_ends_an_answer_in_the_callers_word() -> None:
    assert outcomes.finish_reason("tool_use", called=True, legacy=False) == "tool_calls"
    assert outcomes.finish_reason("tool_use", called=True, legacy=True) == "function_call"


@pytest.mark.parametrize(
    ("tier", "ours"), [("standard", "default"), ("priority", "priority"), ("batch", "flex"), ("x", None), (None, None)]
)
def test_a_service_tier_is_told_in_openais_word(tier: str | None, ours: str | None) -> None:
    assert outcomes.service_tier({"service_tier": tier}) == ours


def test_counts_add_up_and_nothing_is_null() -> None:
    usage = {
        "input_tokens": 1,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 300,
        "output_tokens": 4000,
        "output_tokens_details": {"thinking_tokens": 50},
    }
    for missing in usage:
        for gap in ({}, {missing: None}):
            left = {name: count for name, count in usage.items() if name != missing} | gap
            counts: dict[str, Any] = {name: 0 for name in usage} | left
            thought = 0 if missing == "output_tokens_details" else 50
            prompt = sum(
                counts[name] or 0 for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
            )
            assert outcomes.completion_usage(left) == {
                "prompt_tokens": prompt,
                "completion_tokens": counts["output_tokens"] or 0,
                "total_tokens": prompt + (counts["output_tokens"] or 0),
                "prompt_tokens_details": {
                    "cached_tokens": counts["cache_read_input_tokens"] or 0,
                    "cache_write_tokens": counts["cache_creation_input_tokens"] or 0,
                },
                "completion_tokens_details": {"reasoning_tokens": thought},
            }
