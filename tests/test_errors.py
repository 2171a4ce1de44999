import json

import pytest

from handler.errors import ProxyError, Shape, anthropic_body, body_for, openai_body

# PRODUCT.md 5 for Anthropic's type, MAPPING 8 for OpenAI's type and code.
TABLE = [
    (400, "invalid_request_error", "invalid_request_error", None),
    (401, "authentication_error", "authentication_error", "invalid_api_key"),
    (402, "billing_error", "insufficient_quota", "insufficient_quota"),
    (403, "permission_error", "permission_error", None),
    (404, "not_found_error", "invalid_request_error", None),
    (405, "invalid_request_error", "invalid_request_error", None),
    (409, "conflict_error", "conflict_error", None),
    (413, "request_too_large", "invalid_request_error", "request_too_large"),
    (415, "invalid_request_error", "invalid_request_error", None),
    (429, "rate_limit_error", "rate_limit_error", "rate_limit_exceeded"),
    (431, "invalid_request_error", "invalid_request_error", None),
    (500, "api_error", "server_error", None),
    (502, "api_error", "server_error", None),
    (503, "api_error", "server_error", None),
    (504, "timeout_error", "server_error", "timeout"),
    (529, "overloaded_error", "server_error", "overloaded"),
    # Statuses of the upstream's that no table knows.
    (418, "invalid_request_error", "invalid_request_error", None),
    (521, "api_error", "server_error", None),
]
each_status = pytest.mark.parametrize(("status", "anthropic", "openai", "code"), TABLE)


@each_status
def test_anthropic_is_told_type_and_message(status, anthropic, openai, code):
    body = json.loads(body_for(Shape.ANTHROPIC, ProxyError(status, "Words."), "req_1"))
    assert body == {"type": "error", "error": {"type": anthropic, "message": "Words."}, "request_id": "req_1"}


@each_status
def test_openai_is_told_type_code_and_message(status, anthropic, openai, code):
    body = json.loads(body_for(Shape.OPENAI, ProxyError(status, "Words."), "req_1"))
    assert body == {"error": {"message": "Words.", "type": openai, "param": None, "code": code}}


def test_a_field_at_fault_is_named_in_both_shapes():
    error = ProxyError(400, "Words.", field="messages.[0].role", issue="missing")

    assert json.loads(anthropic_body(error))["error"]["details"] == {"field": "messages.[0].role", "issue": "missing"}
    assert json.loads(openai_body(error))["error"]["param"] == "messages.[0].role"


def test_an_errors_own_code_stands_before_its_statuss():
    error = ProxyError(404, "Words.", code="model_not_found")
    assert json.loads(openai_body(error))["error"]["code"] == "model_not_found"


def test_a_stream_event_has_no_request_id():
    assert json.loads(anthropic_body(ProxyError(500, "Words."))) == {
        "type": "error",
        "error": {"type": "api_error", "message": "Words."},
    }


@pytest.mark.parametrize("message", ["Grüße 🎈", 'quote " and \\', "two\nlines", "half \ud83d a pair"])
@pytest.mark.parametrize("body", [anthropic_body, openai_body])
def test_any_message_is_one_line_of_valid_utf_8(message, body):
    encoded = body(ProxyError(400, message))

    assert b"\n" not in encoded
    assert json.loads(encoded.decode("utf-8"))["error"]["message"] == message
