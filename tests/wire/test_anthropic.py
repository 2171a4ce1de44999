from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.wire.anthropic import IllegalEventError, Lifecycle, Phase
from tests.support.messages import events_of, message, text

START = {"type": "message_start", "message": {}}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {}}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}
CLOSE = {"type": "content_block_stop", "index": 0}
END = {"type": "message_delta", "delta": {}}
STOP = {"type": "message_stop"}
ERROR = {"type": "error", "error": {}}


def after(*events: dict[str, Any]) -> Lifecycle:
    lifecycle = Lifecycle()
    for event in events:
        assert lifecycle.advance(event)
    return lifecycle


def test_a_whole_stream_is_legal_and_ends() -> None:
    lifecycle = Lifecycle()
    for event in events_of(message(text("a"), text("b"))):
        assert lifecycle.advance(event) is (event["type"] != "ping")
    assert lifecycle.phase is Phase.ENDED


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], DELTA),
        ([], OPEN),
        ([], STOP),
        ([], END),
        ([START], START),
        ([START], DELTA),
        ([START], CLOSE),
        ([START, OPEN], START),
        ([START, OPEN], {**OPEN, "index": 1}),
        ([START, OPEN], {**DELTA, "index": 1}),
        ([START, OPEN], {**CLOSE, "index": 1}),
        ([START, OPEN], STOP),
        ([START, OPEN, CLOSE], DELTA),
        ([START, OPEN, CLOSE], CLOSE),
        ([START, END, STOP], START),
        ([START, END, STOP], OPEN),
        ([START, END, STOP], STOP),
        ([START, OPEN, ERROR], DELTA),
        ([ERROR], START),
        ([ERROR], ERROR),
    ],
)
def test_an_event_out_of_its_order_is_illegal(before: list[dict[str, Any]], event: dict[str, Any]) -> None:
    lifecycle = after(*before)
    phase = lifecycle.phase

    with pytest.raises(IllegalEventError):
        lifecycle.advance(event)
    assert lifecycle.phase is phase


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], {"type": "message_start"}),
        ([], {"type": "message_start", "message": []}),
        ([START], {"type": "content_block_start", "index": 0}),
        ([START], {"type": "content_block_start", "content_block": {}}),
        ([START], {"type": "content_block_start", "index": "0", "content_block": {}}),
        ([START, OPEN], {"type": "content_block_delta", "index": 0, "delta": "a"}),
        ([START, OPEN], {"type": "content_block_delta", "delta": {}}),
        ([START, OPEN], {"type": "content_block_stop"}),
        ([START], {"type": "message_delta", "delta": None}),
    ],
)
def test_an_event_without_its_content_is_illegal(before: list[dict[str, Any]], event: dict[str, Any]) -> None:
    with pytest.raises(IllegalEventError):
        after(*before).advance(event)


@pytest.mark.parametrize("before", [[], [START], [START, OPEN], [START, END, STOP], [ERROR]])
@pytest.mark.parametrize("event", [{"type": "ping"}, {"type": "of_tomorrow", "index": 9}, {}, {"type": ["ping"]}])
def test_what_the_table_does_not_know_may_come_anywhere(before: list[Any], event: dict[str, Any]) -> None:
    lifecycle = after(*before)
    phase = lifecycle.phase

    assert not lifecycle.advance(event)
    assert lifecycle.phase is phase


@pytest.mark.parametrize("before", [[], [START], [START, OPEN], [START, END]])
def test_an_error_ends_the_stream_wherever_it_comes(before: list[Any]) -> None:
    assert after(*before, ERROR).phase is Phase.ENDED


def test_a_message_may_have_several_message_deltas() -> None:
    assert after(START, END, OPEN, DELTA, CLOSE, END, STOP).phase is Phase.ENDED


EVENTS = st.sampled_from([START, OPEN, DELTA, CLOSE, END, STOP, ERROR, {"type": "ping"}])


@given(st.lists(EVENTS, max_size=12))
def test_the_shortcut_for_deltas_says_what_the_table_says(events: list[dict[str, Any]]) -> None:
    lifecycle = Lifecycle()
    for event in events:
        inside = lifecycle.phase is Phase.INSIDE
        try:
            lifecycle.advance(event)
        except IllegalEventError:
            assert event is not DELTA or not inside
        else:
            assert event is not DELTA or inside
