"""The golden exchanges with something wrong in them: refused, or carried by the rules, and never a failure of ours."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler import sse
from handler.errors import ProxyError
from handler.models import Catalogue
from handler.simulator.events import encoded
from handler.translate.chat import Chat
from handler.translate.chat_request import Options, Translated, translate
from handler.translate.exchange import UpstreamRequest
from handler.wire import chat, json_text
from handler.wire.reading import Reading
from tests.support.exchanges import told
from tests.support.mutation import mutated
from tests.translate.test_golden import CASES

EVERY = [json.loads(path.read_text()) for path in CASES]
REQUESTS = [case["client_request"] for case in EVERY]
STREAMS = [case["upstream_events"] for case in EVERY if "upstream_events" in case]
ANSWERS = [case["upstream_answer"] for case in EVERY if "upstream_answer" in case]
NO_REQUEST = UpstreamRequest("POST", b"/v1/messages", (), ())
# What Anthropic's Messages API has; anything else at the top level is a 400 there.
FIELDS = {
    *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "stream"),
    *("temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier", "cache_control"),
    *("context_management", "mcp_servers", "container", "inference_geo"),
}
ENDS = ("message_stop", "error")
patient = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
READINGS = st.builds(
    Reading,
    stream=st.just(True),
    include_usage=st.booleans(),
    legacy_functions=st.booleans(),
    json_object=st.booleans(),
    expose_reasoning=st.booleans(),
    custom_tools=st.sampled_from([frozenset(), frozenset({"get_weather"})]),
)


def translated(body: bytes) -> Translated:
    request = chat.parse(body, {})
    return translate(request, Catalogue().of(request.model), Options())


@given(st.sampled_from(REQUESTS).flatmap(mutated))
@patient
def test_a_request_that_is_nearly_right_is_refused_below_500_or_carried(request: Any) -> None:
    body = json.dumps(request).encode()
    try:
        done = translated(body)
    except ProxyError as error:
        assert 400 <= error.status < 500
        return
    assert done.body.keys() <= FIELDS
    sent = json_text.utf8(json_text.write(done.body))
    sent.decode()
    assert json_text.utf8(json_text.write(translated(body).body)) == sent
    assert None not in done.body.values()


@given(st.sampled_from(STREAMS).flatmap(mutated), READINGS, st.integers(1, 50))
@patient
def test_a_stream_that_is_nearly_right_has_one_end_whatever_its_pieces(
    events: Any, reading: Reading, size: int
) -> None:
    events = [event for event in events if isinstance(event, dict) and _can_be_sent(event.get("type"))]
    whole = b"".join(encoded(events))
    out = told(_exchange(reading), [whole])
    assert told(_exchange(reading), [whole[at : at + size] for at in range(0, len(whole), size)]) == out

    *frames, last = [event.data for event in sse.events(out)]
    chunks = [json.loads(frame) for frame in frames]
    assert not [chunk for chunk in chunks if "error" in chunk]
    assert last == b"[DONE]" or "error" in json.loads(last)
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert sum(reason is not None for reason in reasons) <= 1
    if last == b"[DONE]":
        assert events
        assert next(event["type"] for event in events if event["type"] in ENDS) == "message_stop"
        assert reasons[-1] is not None


@given(st.sampled_from(ANSWERS).flatmap(mutated), READINGS)
@patient
def test_an_answer_that_is_nearly_right_is_one_or_a_502(message: Any, reading: Reading) -> None:
    exchange = _exchange(reading)
    try:
        answer = json.loads(exchange.answer(json.dumps(message).encode()))
    except ProxyError as error:
        assert error.status == 502
        return
    assert answer["choices"][0]["finish_reason"] in ("stop", "length", "tool_calls", "function_call", "content_filter")
    assert all(type(count) is int for count in exchange.usage.values())


def _exchange(reading: Reading) -> Chat:
    return Chat(NO_REQUEST, reading, list, created=0, losses=())


def _can_be_sent(kind: object) -> bool:
    """Whether it may stand in an event's first line."""
    return isinstance(kind, str) and kind.isascii() and kind.isprintable()
