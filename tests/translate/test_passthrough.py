"""The Anthropic routes' exchange: the very same bytes, by whole events, with one end."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handler.errors import ProxyError
from handler.translate.exchange import UpstreamRequest
from handler.translate.passthrough import Passthrough
from tests.support.event_stream import LINE_ENDS, cuts, events, is_whole, pieces
from tests.support.messages import encoded, events_of, message, text

FAILURE = ProxyError(502, "The upstream went away.")
ERROR = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
STOP = encoded([{"type": "message_stop"}])
HELLO = encoded(events_of(message(text("Hello"))))
BEFORE = HELLO.partition(b"event: content_block_delta")[0]
CRLF_ERROR = ERROR.replace(b"\n", b"\r\n")


def exchange(keep=list):
    return Passthrough(UpstreamRequest("POST", b"/v1/messages", [], ()), keep)


def _delta(words):
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}


_TEXTS = ("Hello", "Grüße 🎈", "\u2028", "message_stop", '{"type":"error"}', "event: error", "a\\nb\n\nc", "")
_TOLD = (
    *(f"event: content_block_delta\ndata: {json.dumps(_delta(words), ensure_ascii=False)}\n\n" for words in _TEXTS),
    'event: ping\ndata: {"type": "ping"}\n\n',
    ": a comment\n\n",
    ": inside\nid: 7\nretry: 10\nevent:ping\ndata:{}\n\n",
    'event: novelty\ndata: {"type":"novelty","error":null,\ndata: "usage":3}\n\n',
    'event: content_block_delta\ndata: {"broken\n\n',
    "data\n\n",
    "\n",
)


@st.composite
def told(draw):
    """Events of a stream that goes on, each with line ends of its own."""
    chosen = draw(st.lists(st.tuples(st.sampled_from(_TOLD), st.sampled_from(LINE_ENDS)), max_size=8))
    begun = draw(st.sampled_from((b"", b"\xef\xbb\xbf"))) + BEFORE
    return begun + b"".join(event.encode().replace(b"\n", end) for event, end in chosen)


def fed(passthrough, stream, cut):
    """All that comes out; every step of it ends where an event ends."""
    out = b""
    for piece in pieces(stream, cut):
        out += passthrough.feed(piece)
        assert is_whole(out)
    return out


@given(told(), cuts)
def test_a_stream_leaves_by_whole_events_as_the_very_same_bytes(stream, cut):
    stream += STOP
    passthrough = exchange()
    out = fed(passthrough, stream, cut)
    assert passthrough.done
    assert out + passthrough.close() == stream


@given(told(), cuts, st.integers(min_value=0))
@example(HELLO.removesuffix(STOP) + STOP[:-1], [], 10_000)
@example(HELLO.removesuffix(STOP).replace(b"\n", b"\r\n"), [3], 10_000)
def test_a_stream_cut_at_any_byte_leaves_no_half_event_before_its_error(stream, cut, place):
    stream = stream[: place % (len(stream) + 1)]
    passthrough = exchange()
    out = fed(passthrough, stream, cut)
    with pytest.raises(ProxyError) as raised:
        passthrough.close()
    last = passthrough.fail(raised.value)
    assert (raised.value.status, passthrough.done) == (502, True)
    assert events(out) == events(stream)
    assert events(out + last) == [*events(stream), *events(last)]
    assert [event.name for event in events(last)] == ["error"]


@given(told(), told(), cuts, st.sampled_from(LINE_ENDS))
@example(BEFORE, HELLO, [len(BEFORE + CRLF_ERROR) - 1], b"\r\n")
@example(BEFORE, HELLO, [len(BEFORE + CRLF_ERROR)], b"\r\n")
def test_an_error_event_is_the_last_thing_that_leaves(before, after, cut, end):
    passthrough = exchange()
    error = ERROR.replace(b"\n", end)
    out = fed(passthrough, before + error + after + STOP, cut)
    assert passthrough.done
    # An event is over with the CR of its blank line; where the LF comes later, it comes behind the last word.
    assert out + passthrough.close() in (before + error, (before + error).removesuffix(b"\n"))


@given(told(), cuts, st.sampled_from([STOP, ERROR]))
def test_behind_the_last_word_there_is_no_second_one(stream, cut, last):
    passthrough = exchange()
    out = fed(passthrough, stream + last, cut)
    assert passthrough.done
    assert out + passthrough.fail(FAILURE) == stream + last


@given(cuts)
def test_what_a_stream_used_is_counted_however_it_is_cut(cut):
    said = message(text("Hello"), usage={"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 3})
    passthrough = exchange()
    fed(passthrough, encoded(events_of(said)), cut)
    assert passthrough.usage == {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 3}


@pytest.mark.parametrize("words", ["message_stop", '{"type":"message_stop"}', "event: error", '"error"', '"usage"'])
def test_text_that_speaks_of_an_end_is_none(words):
    passthrough = exchange()
    stream = encoded([_delta(words)])
    assert passthrough.feed(stream) == stream
    assert (passthrough.done, passthrough.usage) == (False, {})


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"type":"message_stop"}\n\n',
        b'event: message_stop\ndata: { "type" : "message_stop" }\n\n',
        b'event:message_stop\r\ndata:{"type":\r\ndata:"message_stop"}\r\n\r\n',
    ],
)
def test_a_good_end_is_known_by_its_type(event):
    passthrough = exchange()
    assert passthrough.feed(event) == event
    assert passthrough.done
    assert passthrough.close() == b""


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"type":"error","error":{"type":"api_error","message":"No"}}\n\n',
        b'event:error\r\ndata:{"error":{"type":"api_error","message":"No"},\r\ndata:"type":"error"}\r\n\r\n',
        b'event: error\ndata: {"error":{"type":"api_error","message":"No"}}\n\n',
        b"event: error\ndata: overloaded\n\n",
    ],
    ids=["type alone", "two lines", "name alone", "no JSON"],
)
def test_a_bad_end_is_known_by_its_type_or_its_name(event):
    passthrough = exchange()
    assert passthrough.feed(event + STOP) == event
    assert passthrough.done
    assert passthrough.feed(STOP) == passthrough.close() == b""


def test_an_event_of_2_mb_in_small_pieces_is_whole():
    stream = encoded([_delta("Grüße 🎈 " * 150_000)]) + STOP
    passthrough = exchange()
    assert b"".join([passthrough.feed(stream[at : at + 1000]) for at in range(0, len(stream), 1000)]) == stream


def test_an_event_without_an_end_is_refused(monkeypatch):
    monkeypatch.setattr("handler.sse.MAX_EVENT_BYTES", 1000)
    passthrough = exchange()
    with pytest.raises(ProxyError) as raised:
        passthrough.feed(b"data: " + b"x" * 1000)
    assert raised.value.status == 502


def test_a_failure_is_one_event_in_the_words_of_the_api():
    (event,) = events(exchange().fail(FAILURE))
    error = {"type": "api_error", "message": "The upstream went away."}
    assert (event.name, json.loads(event.data)) == ("error", {"type": "error", "error": error})


@pytest.mark.parametrize("body", [b' {"type" : "message"}\n', '{"text":"Grüße","n":1.0}'.encode(), b"{}"])
def test_a_whole_answer_is_the_body_itself(body):
    assert exchange().answer(body) == body


def test_a_whole_answer_is_counted():
    passthrough = exchange()
    passthrough.answer(b'{"usage":{"input_tokens":1,"output_tokens":2,"server_tool_use":{}}}')
    assert passthrough.usage == {"input_tokens": 1, "output_tokens": 2}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b"{}}", b"[]", b"null", b'"x"', b'{"type":"error"}', b'{"a":"\xff"}']
)
def test_what_is_no_answer_is_refused(body):
    with pytest.raises(ProxyError) as raised:
        exchange().answer(body)
    assert raised.value.status == 502


def test_an_error_body_is_the_body_itself():
    body = b' {"type":"error", "error" : {"type":"new_error"}}'
    assert exchange().refuse(418, body) == body


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[]", b"null"])
def test_what_is_no_error_body_is_refused_with_a_502(body):
    with pytest.raises(ProxyError) as raised:
        exchange().refuse(529, body)
    assert raised.value.status == 502


def test_the_mode_says_which_headers_pass():
    passthrough = exchange(lambda headers: [header for header in headers if header[0] == b"kept"])
    assert passthrough.headers([(b"kept", b"1"), (b"dropped", b"2")]) == [(b"kept", b"1")]
