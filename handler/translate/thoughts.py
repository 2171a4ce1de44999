"""Thinking that comes back in an assistant message, as blocks the upstream knows as its own (MAPPING 6.4).

    reasoning_details   {"type": "reasoning.text", text, signature} and {"type": "reasoning.encrypted", data}
    thinking_blocks     Anthropic's blocks, as LiteLLM hands them out
    content parts       the same, as LangChain hands them out

The first of these that holds any counts. What is unsigned, or another model wrote, is never sent: not as thinking,
which would be refused, and not as text, which nobody said.
"""

import re
from collections.abc import Iterable
from typing import Any

from handler.translate.chat_answer import REASONING_FORMAT
from handler.translate.losses import Ledger
from handler.wire.anthropic import Json
from handler.wire.chat import Message

_SEALED = re.compile(r"[!-~]+")
_DATE = re.compile(r"-\d{8}$")


def sent_back(message: Message, model: str, ledger: Ledger) -> list[Json]:
    """The thinking blocks of one assistant message, in order, for a request to `model`."""
    for source in (message.reasoning_details, message.thinking_blocks, message.content):
        if isinstance(source, list):
            found = [block for block in _blocks(source, model, ledger) if block]
            if found:
                return found
    if message.reasoning_content:
        ledger.note("messages.reasoning")
    return []


def _blocks(source: Iterable[Any], model: str, ledger: Ledger) -> Iterable[Json | None]:
    for element in source:
        match element:
            case {"type": "reasoning.text" | "reasoning.encrypted"} if not _ours(element, model):
                ledger.note("messages.reasoning")
            case {"type": "reasoning.text"}:
                yield _thinking(element.get("text"), element.get("signature"), ledger)
            case {"type": "thinking"}:
                yield _thinking(element.get("thinking"), element.get("signature"), ledger)
            case {"type": "reasoning.encrypted" | "redacted_thinking", "data": str(data)} if _SEALED.fullmatch(data):
                yield {"type": "redacted_thinking", "data": data}
            case {"type": "reasoning.encrypted" | "redacted_thinking" | "reasoning.summary"}:
                ledger.note("messages.reasoning")


def _thinking(text: object, signature: object, ledger: Ledger) -> Json | None:
    if isinstance(signature, str) and _SEALED.fullmatch(signature):
        return {"type": "thinking", "thinking": text if isinstance(text, str) else "", "signature": signature}
    ledger.note("messages.reasoning")
    return None


def _ours(element: Json, model: str) -> bool:
    """Whether the element came from this model, as far as it says."""
    if element.get("format") not in (None, REASONING_FORMAT):
        return False
    author = element.get("model")
    return not isinstance(author, str) or _DATE.sub("", author) == _DATE.sub("", model)
