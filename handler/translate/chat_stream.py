"""A Messages stream as chat.completion.chunk frames (MAPPING 5.2).

    message_start               role; from here on id, model and time are the same in every chunk
    content_block_*             chat_blocks, chat_calls
    message_delta               kept: stop_reason, and usage, whose counts replace those of the start
    message_stop                annotations, refusal, finish_reason, usage where asked for, [DONE]
    error                       an error object, and nothing after it

The order of events is the Lifecycle's business: what comes here is legal.
"""

from handler.errors import ProxyError
from handler.translate import outcomes
from handler.translate.chat_answer import completion_id
from handler.translate.chat_blocks import Block, RedactedBlock, SilentBlock, TextBlock, ThinkingBlock, Told
from handler.translate.chat_calls import call_block
from handler.translate.chat_frames import DONE, Frames, error
from handler.wire.anthropic import Json
from handler.wire.reading import Reading


class ChatStream:
    """One stream. `created`: epoch seconds. `usage` is what the upstream has counted so far."""

    def __init__(self, reading: Reading, created: int) -> None:
        self.usage: Json = {}
        self._reading = reading
        self._created = created
        self._told: Told | None = None
        self._block: Block = SilentBlock()
        self._stop_reason: object = None
        self._stop_details: object = None

    def feed(self, event: Json) -> bytes:
        """The frames for one legal event. Raises ProxyError (502) when its content cannot be read."""
        match event["type"]:
            case "content_block_delta":
                return self._block.delta(event["delta"])
            case "content_block_start":
                return self._open(event["content_block"])
            case "content_block_stop":
                return self._block.stop()
            case "message_start":
                return self._begin(event["message"])
            case "message_delta":
                return self._learn(event["delta"], event.get("usage"))
            case "message_stop":
                return self._end()
            case "error":
                return error(outcomes.stream_error(event))
        return b""

    def _begin(self, message: Json) -> bytes:
        match message:
            case {"id": str(name), "model": str(model)}:
                self.usage = outcomes.merged({}, message.get("usage"))
            case _:
                raise ProxyError(502, "The upstream's stream does not begin with a message.")
        tier = outcomes.service_tier(self.usage)
        frames = Frames(completion_id(name), self._created, model, tier, usage=self._reading.include_usage)
        self._told = Told(frames, self._reading, model)
        return frames.delta({"role": "assistant", "content": ""})

    def _open(self, block: Json) -> bytes:
        self._block = self._writer(block)
        return self._block.start(block)

    def _writer(self, block: Json) -> Block:
        told = self._known()
        match block.get("type"):
            case "text":
                return TextBlock(told)
            case "thinking" if self._reading.expose_reasoning:
                return ThinkingBlock(told)
            case "redacted_thinking" if self._reading.expose_reasoning:
                return RedactedBlock(told)
            case "tool_use":
                return call_block(block, told)
        # What the upstream runs itself, and what it did not have when this was written.
        return SilentBlock()

    def _learn(self, delta: Json, usage: object) -> bytes:
        self.usage = outcomes.merged(self.usage, usage)
        self._stop_reason = delta.get("stop_reason") or self._stop_reason
        self._stop_details = delta.get("stop_details") or self._stop_details
        return b""

    def _end(self) -> bytes:
        told = self._known()
        frames = told.frames
        reason = outcomes.finish_reason(self._stop_reason, called=told.calls > 0, legacy=self._reading.legacy_functions)
        sources = {"annotations": told.annotations, "citations": told.citations}
        late: Json = {name: found for name, found in sources.items() if found}
        if (refusal := outcomes.refusal(self._stop_reason, self._stop_details)) is not None:
            late["refusal"] = refusal
        return b"".join(
            (
                frames.delta(late) if late else b"",
                frames.finish(reason),
                frames.usage(self.usage) if self._reading.include_usage else b"",
                DONE,
            )
        )

    def _known(self) -> Told:
        if self._told is None:
            raise ProxyError(502, "The upstream's stream does not begin with a message.")
        return self._told
