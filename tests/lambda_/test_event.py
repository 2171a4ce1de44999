"""Events that are nearly right: a whole scope, or a malformed event, and nothing else (LA-5)."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from handler.lambda_runtime.event import Gateway, MalformedEventError, parsed, streams
from handler.lambda_runtime.invocation import Context
from tests.lambda_.events import function_url, http_api, rest
from tests.support.mutation import JSON, mutated

WHOLE = [
    kind("POST", "/v1/messages?a=1&a=2&b=", body) for kind in (function_url, http_api, rest) for body in ("x", b"x")
]
CONTEXT = Context("request-1", kill_at=0.0)


@given(st.sampled_from(WHOLE).flatmap(mutated))
def test_la5_an_event_that_is_nearly_right_is_a_whole_request_or_refused(event: Any) -> None:
    _check(json.dumps(event).encode())


@given(JSON)
def test_la5_any_json_is_a_whole_request_or_refused(event: Any) -> None:
    _check(json.dumps(event).encode())


@given(st.binary(max_size=200))
def test_la5_any_bytes_are_a_whole_request_or_refused(document: bytes) -> None:
    _check(document)


def _check(document: bytes) -> None:
    try:
        event = parsed(document)
        gateway = Gateway(event, CONTEXT)
        scope, body = gateway.scope, gateway.body
    except MalformedEventError:
        return
    assert streams(event, "auto", local=False) in (True, False)
    assert isinstance(body, bytes)
    assert scope["type"] == "http"
    assert all(isinstance(scope[name], str) for name in ("method", "path", "http_version", "scheme"))
    assert all(isinstance(scope[name], bytes) for name in ("raw_path", "query_string"))
    assert all(isinstance(name, bytes) and isinstance(value, bytes) for name, value in scope["headers"])
    assert isinstance(scope["client"][0], str)
