"""Faulty streams: closed, cut, failing, in odd spellings (FAULTS D, UPS-16 to 20)."""

import json

import pytest

from tests.faults.families import (
    ANTHROPIC,
    OPENAI,
    each_family,
    fails,
    is_stream_error,
    is_whole_stream,
    said,
)
from tests.faults.upstreams import (
    BEGUN,
    BEGUN_TEXT,
    EVENT_LIST,
    LAST,
    OVERLOADED,
    PING,
    REST,
    SOON,
    STREAM,
    TEXT,
    asked,
    begin,
    chunk,
    streamed,
    unended,
    writes,
)
from tests.faults.wire_faults import EMPTY, ENDS
from tests.support.event_stream import events
from tests.support.raw_upstream import EVENTS, Wire


@each_family
@pytest.mark.parametrize("end", EMPTY)
async def test_ups16_a_stream_that_ends_before_its_first_event_is_an_error(family, end):
    answer, count = await asked(family, EMPTY[end])
    fails(answer, family)
    assert count == 1


@each_family
@pytest.mark.parametrize("head", [b"", BEGUN, BEGUN + PING], ids=["first", "mid-stream", "after a ping"])
@pytest.mark.parametrize("after", [b"", REST, b"event: half", OVERLOADED], ids=["end", "more", "half", "another"])
@pytest.mark.parametrize("end", [Wire.close, Wire.reset, None], ids=["closed", "reset", "well ended"])
async def test_ups16_and_18_an_error_event_is_handed_on_once_and_nothing_after_it(family, head, after, end):
    body = unended(head) + chunk(OVERLOADED + after) if head else unended(OVERLOADED + after)
    answer, count = await asked(family, writes(body if end else body + LAST, end))
    error = is_stream_error(answer, family, BEGUN_TEXT if head else "", 529)
    assert error["message"] == "Overloaded"
    assert count == 1
    if family is ANTHROPIC:
        assert answer.body == head + OVERLOADED


@each_family
async def test_ups18_what_comes_later_behind_an_error_event_is_left_out(family):
    async def answer(request, wire):
        begin(wire, BEGUN)
        wire.chunk(OVERLOADED)
        await wire.sent()
        for event in (REST, OVERLOADED):
            wire.chunk(event)
            await wire.sent()
        wire.close()

    answer, _ = await asked(family, answer)
    is_stream_error(answer, family, BEGUN_TEXT, 529)


@each_family
async def test_ups18_an_error_event_known_by_its_name_alone_is_the_only_one(family):
    named = b'event: error\ndata: {"error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    answer, _ = await asked(family, writes(unended(BEGUN + named) + LAST))
    assert said(answer.body, family) == BEGUN_TEXT
    assert answer.body.count(b'"error":') == 1
    assert b"Overloaded" in answer.body


@each_family
@pytest.mark.parametrize("end", ENDS)
async def test_ups17_a_stream_cut_mid_way_ends_with_one_error(family, end):
    more, ending = ENDS[end]
    head = STREAM[: -len(EVENT_LIST[-1])] if "message_stop w" in end else BEGUN
    answer, count = await asked(family, writes(unended(head) + more, ending), **SOON)
    is_stream_error(answer, family, TEXT if head != BEGUN else BEGUN_TEXT, 502)
    assert count == 1
    if family is ANTHROPIC:
        assert answer.body.startswith(head)
        assert b"event: content\n" not in answer.body


@each_family
async def test_ups17_an_http_1_0_stream_cut_by_its_close_ends_with_one_error(family):
    head = b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    answer, _ = await asked(family, writes(head + BEGUN, Wire.close))
    is_stream_error(answer, family, BEGUN_TEXT, 502)


@each_family
@pytest.mark.parametrize("end", [Wire.close, Wire.reset, None], ids=["closed", "reset", "held open"])
async def test_ups17_a_stream_cut_after_message_stop_is_whole(family, end):
    answer, count = await asked(family, writes(unended(STREAM), end), **SOON)
    is_whole_stream(answer, family, TEXT)
    assert count == 1


def _crlf(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


ODD = {
    "comments": b": one\n\n" + STREAM.replace(b"\n\n", b"\n\n: keep-alive\n\n") + b": last\n\n",
    "a comment inside an event": STREAM.replace(b"\ndata:", b"\n: inside\ndata:"),
    "unknown events": STREAM.replace(b"\n\n", b'\n\nevent: novelty\ndata: {"type":"novelty","n":[1]}\n\n', 5),
    "an event without a type": STREAM.replace(b"\n\n", b'\n\ndata: {"n":1}\n\n', 3),
    "CRLF": _crlf(STREAM),
    "CR": STREAM.replace(b"\n", b"\r"),
    "mixed line ends": _crlf(BEGUN) + REST.replace(b"\n\n", b"\r\r\n"),
    "no space after the colon": STREAM.replace(b": {", b":{").replace(b"event: ", b"event:"),
    "id and retry": b"retry: 3000\n\n" + STREAM.replace(b"event: ", b"id: 7\nretry: 10\nevent: "),
    "data before event": b"".join(
        b"\n".join(reversed(event.removesuffix(b"\n\n").split(b"\n"))) + b"\n\n" for event in EVENT_LIST
    ),
    "a byte order mark": b"\xef\xbb\xbf" + STREAM,
    "spaces in the JSON": b"".join(
        b"event: %b\ndata: %b\n\n" % (event.name.encode(), json.dumps(json.loads(event.data), indent=None).encode())
        for event in events(STREAM)
    ),
    "data in two lines": STREAM.replace(b',"delta"', b'\ndata: ,"delta"'),
}


@each_family
@pytest.mark.parametrize("step", [0, 1, 7], ids=["at once", "byte by byte", "in sevens"])
@pytest.mark.parametrize("spelling", ODD)
async def test_ups19_odd_spellings_leave_the_text_intact(family, spelling, step):
    body = ODD[spelling]

    async def answer(request, wire):
        if not step:
            return streamed(wire, body)
        begin(wire)
        for start in range(0, len(body), step):
            wire.chunk(body[start : start + step])
            if start % 64 < step:
                await wire.sent()
        return wire.write(LAST)

    answer, count = await asked(family, answer)
    is_whole_stream(answer, family, TEXT)
    assert count == 1
    if family is ANTHROPIC:
        assert answer.body == body


@each_family
async def test_ups19_utf_8_cut_across_chunks_is_whole_again(family):
    cut = STREAM.index("🎈".encode() if "🎈".encode() in STREAM else b"\\ud83c") + 2

    async def answer(request, wire):
        begin(wire, STREAM[:cut])
        await wire.sent()
        wire.chunk(STREAM[cut:])
        wire.write(LAST)

    answer, _ = await asked(family, answer)
    is_whole_stream(answer, family, TEXT)


BROKEN = {
    "cut short": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n',
    "no JSON": b"event: content_block_delta\ndata: hello\n\n",
    "not UTF-8": b'event: content_block_delta\ndata: {"type":"content_block_delta","x":"\xff"}\n\n',
}


@pytest.mark.parametrize("event", BROKEN)
async def test_ups20_an_openai_client_gets_an_error_for_an_event_with_broken_json(event):
    answer, count = await asked(OPENAI, writes(EVENTS + chunk(BEGUN + BROKEN[event] + REST) + LAST))
    is_stream_error(answer, OPENAI, BEGUN_TEXT, 502)
    assert count == 1


@pytest.mark.parametrize("event", BROKEN)
async def test_ups20_an_anthropic_client_gets_an_event_with_broken_json_as_it_is(event):
    body = BEGUN + BROKEN[event] + REST
    answer, count = await asked(ANTHROPIC, writes(EVENTS + chunk(body) + LAST))
    assert (answer.status, answer.body, answer.complete, count) == (200, body, True, 1)
