"""An upstream that costs next to nothing: fixed answers from an asyncio protocol.

python -m tests.bench.upstream PORT

The body of a request says what it wants, in `metadata.user_id`: "plain", "burst:N" (N deltas at once) or "paced:N:MS"
(N deltas, one every MS milliseconds). The message_start of a stream leaves at once. A paced delta's text is the moment
it was sent, `@` and seconds of the monotonic clock, so that a caller knows how long it took.
"""

import asyncio
import json
import re
import sys
import time

WORD = "word "
PLAIN = json.dumps(
    {
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [{"type": "text", "text": WORD * 170}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 170},
    }
).encode()


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


START = _event(
    "message_start",
    message={**json.loads(PLAIN), "content": [], "stop_reason": None},
) + _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
DELTA = _event("content_block_delta", index=0, delta={"type": "text_delta", "text": WORD})
STAMPED = DELTA.replace(WORD.encode(), b"@%.6f ")
END = (
    _event("content_block_stop", index=0)
    + _event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 170})
    + _event("message_stop")
)
_WANTED = re.compile(rb'"user(?:_id)?": ?"([^"]*)"')
_LENGTH = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nrequest-id: req_bench\r\n%b\r\n\r\n"
PLAIN_ANSWER = HEAD % (b"application/json", b"content-length: %d" % len(PLAIN)) + PLAIN
STREAM_HEAD = HEAD % (b"text/event-stream", b"transfer-encoding: chunked")


class Upstream(asyncio.Protocol):
    """Reads requests of any size, answers each as it wants."""

    def __init__(self) -> None:
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        found = _LENGTH.search(self._data, 0, end)
        size = end + 4 + (int(found[1]) if found else 0)
        if len(self._data) < size:
            return
        found = _WANTED.search(self._data, end)
        wanted = found[1].decode() if found else "plain"
        del self._data[:size]
        self._answer(wanted.split(":"))

    def _answer(self, wanted: list[str]) -> None:
        match wanted:
            case ["burst", count]:
                self._transport.write(STREAM_HEAD + _chunk(START))
                for _ in range(int(count)):
                    self._transport.write(_chunk(DELTA))
                self._transport.write(_chunk(END) + b"0\r\n\r\n")
            case ["paced", count, pace]:
                self._transport.write(STREAM_HEAD + _chunk(START))
                self._pace(int(count), int(pace) / 1000)
            case _:
                self._transport.write(PLAIN_ANSWER)

    def _pace(self, left: int, pace: float) -> None:
        if self._transport.is_closing():
            return
        if left == 0:
            self._transport.write(_chunk(END) + b"0\r\n\r\n")
            return
        self._transport.write(_chunk(STAMPED % time.monotonic()))
        asyncio.get_running_loop().call_later(pace, self._pace, left - 1, pace)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(int(sys.argv[1])))
