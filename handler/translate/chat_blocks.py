"""One content block of a Messages stream, told as chunks (MAPPING 5.2).

A block is opened with what its start event holds, then hears its deltas, then its end. Each answers with the frames to
send, possibly none. What the blocks of one message share is in `Told`.
"""

from dataclasses import dataclass, field
from typing import Protocol

from handler.errors import ProxyError
from handler.translate.chat_answer import annotation, reasoning_encrypted, reasoning_text
from handler.translate.chat_frames import Frames
from handler.wire.anthropic import Json
from handler.wire.reading import Reading


@dataclass(slots=True)
class Told:
    """What the caller has been told so far: how it is encoded, and how much of each kind."""

    frames: Frames
    reading: Reading
    model: str
    characters: int = 0
    thoughts: int = 0
    details: int = 0
    calls: int = 0
    annotations: list[Json] = field(default_factory=list)
    citations: list[Json] = field(default_factory=list)


class Block(Protocol):
    """What `ChatStream` needs of a content block."""

    def start(self, block: Json) -> bytes:
        """The frames for its start event's `content_block`."""

    def delta(self, delta: Json) -> bytes:
        """The frames for one delta. Raises ProxyError (502) when a delta lacks its content."""

    def stop(self) -> bytes:
        """The frames for its end."""


class SilentBlock:
    """What the caller is not told."""

    def start(self, block: Json) -> bytes:
        """Nothing."""
        return b""

    def delta(self, delta: Json) -> bytes:
        """Nothing."""
        return b""

    def stop(self) -> bytes:
        """Nothing."""
        return b""


class TextBlock:
    """Text leaves as it comes; its citations are kept for the end of the message."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._text = told.frames.text
        self._from = told.characters
        self._cited: list[Json] = []

    def start(self, block: Json) -> bytes:
        """The text it starts with, which is normally none."""
        match block.get("citations"):
            case list(citations):
                self._cited += [cited for cited in citations if isinstance(cited, dict)]
        return self._say(text_of(block, "text"))

    def delta(self, delta: Json) -> bytes:
        """A piece of text, or a citation."""
        match delta.get("type"):
            case "text_delta":
                return self._say(text_of(delta, "text"))
            case "citations_delta" if isinstance(cited := delta.get("citation"), dict):
                self._cited.append(cited)
        return b""

    def stop(self) -> bytes:
        """Nothing yet, but now it is known which text the citations are for."""
        told = self._told
        for cited in self._cited:
            if (note := annotation(cited, self._from, told.characters)) is not None:
                told.annotations.append({"index": len(told.annotations)} | note)
            else:
                told.citations.append({"index": len(told.citations)} | cited)
        return b""

    def _say(self, text: str) -> bytes:
        if not text:
            return b""
        self._told.characters += len(text)
        return self._text(text)


class ThinkingBlock:
    """The text twice, plain and as an element of `reasoning_details`; its signature there only."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._index = -1
        self._spoken = False

    def start(self, block: Json) -> bytes:
        """What it starts with, which is normally nothing."""
        signature = block.get("signature")
        return self._say(text_of(block, "thinking"), signature if isinstance(signature, str) else "")

    def delta(self, delta: Json) -> bytes:
        """A piece of thinking, or the signature."""
        match delta.get("type"):
            case "thinking_delta":
                return self._say(text_of(delta, "thinking"), "")
            case "signature_delta":
                return self._say("", text_of(delta, "signature"))
        return b""

    def stop(self) -> bytes:
        """Nothing."""
        return b""

    def _say(self, text: str, signature: str) -> bytes:
        if not text and not signature:
            return b""
        content = {"reasoning_content": self._parted(text)} if text else {}
        return self._told.frames.delta(content | {"reasoning_details": [self._detail(text, signature)]})

    def _parted(self, text: str) -> str:
        told, first = self._told, not self._spoken
        self._spoken = True
        told.thoughts += first
        return "\n\n" + text if first and told.thoughts > 1 else text

    def _detail(self, text: str, signature: str) -> Json:
        """The first one introduces the block: a client joins strings of one index, so nothing may be said twice."""
        told = self._told
        if self._index < 0:
            self._index = told.details
            told.details += 1
            return reasoning_text(self._index, text, signature, told.model)
        pieces = {name: piece for name, piece in (("text", text), ("signature", signature)) if piece}
        return {"index": self._index, "type": "reasoning.text", **pieces}


class RedactedBlock(SilentBlock):
    """All of it is in its start event."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def start(self, block: Json) -> bytes:
        """The one element of `reasoning_details`."""
        told = self._told
        detail = reasoning_encrypted(told.details, text_of(block, "data"), told.model)
        told.details += 1
        return told.frames.delta({"reasoning_details": [detail]})


def text_of(said: Json, name: str) -> str:
    """The string a block or delta of a known type must have. Raises ProxyError (502)."""
    text = said.get(name)
    if type(text) is not str:
        raise ProxyError(502, f"The upstream's stream has a {said.get('type')} without its {name}.")
    return text
