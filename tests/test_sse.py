"""Server-sent events, cut anywhere, with any line ends."""

import time

import pytest
from hypothesis import example, given

from handler import sse
from tests.support.event_stream import BOM, Event, cuts, events, is_whole, pieces, streams


@given(streams(), cuts)
@example(b"data: a\r\r\ndata: b\r\n\r\n", [8, 9])
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [8, 9, 10])
@example(b"data: a\n\r\ndata: b\n\r\n", [8, 9])
def test_what_a_framer_hands_on_is_what_it_was_fed_and_ends_where_events_end(stream, cut):
    framer, handed = sse.Framer(), b""
    for piece in pieces(stream, cut):
        handed += framer.feed(piece)
        assert is_whole(handed)
    assert handed + framer.rest() == stream
    assert framer.rest() == b""


@given(streams(), cuts)
def test_a_framer_holds_back_no_whole_event(stream, cut):
    framer, fed, handed = sse.Framer(), b"", b""
    for piece in pieces(stream, cut):
        fed += piece
        handed += framer.feed(piece)
        assert events(handed) == events(fed)


@given(streams(), cuts)
def test_a_decoder_reads_the_same_events_however_the_stream_is_cut(stream, cut):
    decoder = sse.Decoder()
    read = [event for piece in pieces(stream, cut) for event in decoder.feed(piece)]
    assert read == events(stream)


@given(streams())
def test_a_decoder_fed_byte_by_byte_reads_each_event_with_its_last_byte(stream):
    decoder, read = sse.Decoder(), []
    for at in range(len(stream)):
        read += decoder.feed(stream[at : at + 1])
        assert read == events(stream[: at + 1])


@given(streams())
def test_blocks_joined_are_the_whole_and_hold_one_event_each(stream):
    blocks = list(sse.blocks(stream))
    assert b"".join(blocks) == stream
    assert all(len(events(block)) <= 1 for block in blocks)
    assert [event for block in blocks for event in events(block)] == events(stream.removeprefix(BOM))


@pytest.mark.parametrize("second", [b"data: b", BOM + b"data: b"], ids=["plain", "with a mark"])
@pytest.mark.parametrize("cut", [0, 3, 9, 10, 12, 13])
def test_a_byte_order_mark_counts_at_the_start_of_a_stream_only(second, cut):
    stream = b"data: a\n\n" + second + b"\n\ndata: c\n\n"
    decoder = sse.Decoder()
    read = [event for piece in pieces(stream, [cut]) for event in decoder.feed(piece)]
    assert read == events(stream)


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"data: one", Event("message", b"one")),
        (b"data:one", Event("message", b"one")),
        (b"data:  one", Event("message", b" one")),
        (b"data: one\ndata: two", Event("message", b"one\ntwo")),
        (b"data", Event("message", b"")),
        (b"event: ping\ndata: {}", Event("ping", b"{}")),
        (b"data: {}\nevent: ping", Event("ping", b"{}")),
        (b"event:ping\nevent: pong\ndata: {}", Event("pong", b"{}")),
        (b"event:\ndata: {}", Event("message", b"{}")),
        (b"data: a: b", Event("message", b"a: b")),
        (b": data: no\ndata: yes", Event("message", b"yes")),
        (b"DATA: no\ndata: yes", Event("message", b"yes")),
    ],
)
def test_a_field_is_read_as_the_standard_says(line, event):
    assert list(sse.events(line + b"\n\n")) == [event]


@pytest.mark.parametrize("lines", [b"event: ping\n\n", b": comment\n\n", b"id: 1\nretry: 2\n\n", b"\n\n\n"])
def test_without_data_there_is_no_event(lines):
    assert list(sse.events(lines)) == []


def test_a_name_belongs_to_its_own_event_only():
    assert list(sse.events(b"event: ping\n\ndata: x\n\n")) == [Event("message", b"x")]


def test_what_is_encoded_is_read_back():
    stream = sse.encode("content_block_delta", '{"text":"Grüße"}'.encode())
    assert stream == 'event: content_block_delta\ndata: {"text":"Grüße"}\n\n'.encode()
    assert list(sse.Decoder().feed(stream)) == [Event("content_block_delta", '{"text":"Grüße"}'.encode())]


def test_an_event_without_an_end_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    framer = sse.Framer()
    assert framer.feed(b"data: " + b"x" * 990) == b""
    with pytest.raises(sse.EventTooLargeError):
        framer.feed(b"x" * 10)


def test_many_events_may_be_larger_together_than_one_may_be(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    framer = sse.Framer()
    chunk = b"data: x\n\n" * 500 + b"data: "
    assert framer.feed(chunk) + framer.feed(b"y\n\n") == chunk + b"y\n\n"


def test_a_large_event_in_small_pieces_takes_linear_time():
    event = b"data: " + b"x" * 1_000_000 + b"\n\n"
    framer = sse.Framer()
    started = time.perf_counter()
    handed = b"".join([framer.feed(event[at : at + 4]) for at in range(0, len(event), 4)])
    assert handed == event
    assert time.perf_counter() - started < 5
