"""Aliases inside a batch: the models' values change, and no other byte."""

import pytest

from handler.wire.batch import with_models
from handler.wire.json_object import JsonObject

ALIASES = {"gpt-4o": "claude-opus-5-5", "é": "claude-haiku-5-5"}


def edited(raw: bytes) -> bytes:
    body = JsonObject(raw)
    return b"".join(body.edited(with_models(body, ALIASES)))


def test_each_requests_model_is_changed_where_it_stands() -> None:
    raw = (
        b'{ "requests" : [ {"custom_id":"a", "params" : {"max_tokens":1e2,"model" : "gpt-4o", "x":"\\u0048"}} ,\n'
        b'{"custom_id":"model","params":{"model":"claude-sonnet-5","gpt-4o":"gpt-4o"}},7,'
        + '{"params":{"model":"é","s":"ü"},"custom_id":"gpt-4o"}'.encode()
        + b' ] , "model":"gpt-4o"}'
    )
    wanted = raw.replace(b'"model" : "gpt-4o"', b'"model" : "claude-opus-5-5"')
    wanted = wanted.replace('"model":"é"'.encode(), b'"model":"claude-haiku-5-5"')
    assert edited(raw) == wanted


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"requests":7}',
        b'{"requests":[]}',
        b'{"requests":[{"params":{"model":"claude-opus-5"}}, {"params":7}, {}]}',
        b'{"requests":[{"params":{"model":["gpt-4o"]}}]}',
    ],
)
def test_a_batch_without_an_alias_is_untouched(raw: bytes) -> None:
    assert edited(raw) == raw
