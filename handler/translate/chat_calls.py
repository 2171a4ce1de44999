"""A call of one of the caller's tools, told as chunks (MAPPING 5.2).

A call is introduced by its id and name, then its arguments follow as they come: a piece may end in the middle of an
escape, so it is never looked into. A call without any gets `{}`, since clients parse what they got.
"""

from jiter import from_json

from handler.translate.chat_answer import custom_input
from handler.translate.chat_blocks import Block, SilentBlock, Told, text_of
from handler.wire import json_text
from handler.wire.anthropic import Json


def call_block(block: Json, told: Told) -> Block:
    """The writer for a `tool_use` block."""
    if told.reading.legacy_functions:
        # A caller of the legacy functions knows of one call a message.
        return SilentBlock() if told.calls else LegacyBlock(told)
    return CustomBlock(told) if text_of(block, "name") in told.reading.custom_tools else ToolBlock(told)


class ToolBlock:
    """A function tool's call. Its index counts the caller's own calls, not the message's blocks."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._index = told.calls
        self._given: object = {}
        self._argued = False
        self._before = b'{"tool_calls":[{"index":%d,"function":{"arguments":' % self._index
        self._after = b"}}]}"
        told.calls += 1

    def start(self, block: Json) -> bytes:
        """The call's id and name. Input in the start event counts only when no deltas follow."""
        name = text_of(block, "name")
        self._given = block.get("input") or {}
        told = self._told
        return told.frames.delta(self._introduction(text_of(block, "id"), told.reading.tool_names.get(name, name)))

    def delta(self, delta: Json) -> bytes:
        """A piece of the arguments' JSON."""
        if delta.get("type") != "input_json_delta":
            return b""
        piece = text_of(delta, "partial_json")
        return self._argue(piece) if piece else b""

    def stop(self) -> bytes:
        """The arguments, where there were no pieces."""
        return b"" if self._argued else self._argue(json_text.write(self._given))

    def _introduction(self, call: str, name: str) -> Json:
        function = {"name": name, "arguments": ""}
        return {"tool_calls": [{"index": self._index, "id": call, "type": "function", "function": function}]}

    def _argue(self, piece: str) -> bytes:
        self._argued = True
        return self._told.frames.string(self._before, piece, self._after)


class LegacyBlock(ToolBlock):
    """The same for a caller of the legacy functions."""

    def __init__(self, told: Told) -> None:
        super().__init__(told)
        self._before, self._after = b'{"function_call":{"arguments":', b"}}"

    def _introduction(self, call: str, name: str) -> Json:
        return {"function_call": {"name": name, "arguments": ""}}


class CustomBlock(ToolBlock):
    """A custom tool's call: its input is one string, which upstream travels as `{"input": ...}`.

    It leaves whole at the block's end. Little is lost: the upstream itself sends each member's value in one go.
    """

    def __init__(self, told: Told) -> None:
        super().__init__(told)
        self._pieces: list[str] = []

    def stop(self) -> bytes:
        """The input."""
        before = b'{"tool_calls":[{"index":%d,"custom":{"input":' % self._index
        return self._told.frames.string(before, self._input(), b"}}]}")

    def _introduction(self, call: str, name: str) -> Json:
        custom = {"name": name, "input": ""}
        return {"tool_calls": [{"index": self._index, "id": call, "type": "custom", "custom": custom}]}

    def _argue(self, piece: str) -> bytes:
        self._pieces.append(piece)
        return b""

    def _input(self) -> str:
        if not self._pieces:
            return custom_input(self._given)
        text = json_text.utf8("".join(self._pieces))
        try:
            return custom_input(json_text.read(text))
        except ValueError:
            return _of_cut(text)


def _of_cut(text: bytes) -> str:
    """As much of the input as came before the model ran out of tokens."""
    try:
        return custom_input(from_json(text, partial_mode="trailing-strings"))
    except ValueError:
        return text.decode()
