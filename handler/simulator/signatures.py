"""Signatures of thinking blocks: made from the text, the model and the conversation before; checked when sent back.

A signature says which model wrote it and carries the digests it was made from, so that the simulator needs no memory:
base64 of `model|digest of text|digest of the conversation|seal`.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from enum import Enum
from hashlib import sha256
from typing import Any

_SEAL = "the simulator's own"


class Verdict(Enum):
    """What a signature that came back is worth."""

    GOOD = "good"
    BROKEN = "broken"
    OTHER_MODEL = "other model"
    OTHER_CONVERSATION = "other conversation"


def sign(model: str, text: str, before: Sequence[Any]) -> str:
    """The signature of a thinking block with `text` after the conversation `before`."""
    return _pack(model, digest(text), digest(before))


def check(signature: str, model: str, text: str, before: Sequence[Any]) -> Verdict:
    """Whether `signature` is one of ours and fits. An empty text fits any: it was left out of the answer."""
    try:
        author, of_text, of_before, _ = base64.b64decode(signature, validate=True).decode().split("|")
    except (binascii.Error, ValueError):
        return Verdict.BROKEN
    if signature != _pack(author, of_text, of_before) or (text and digest(text) != of_text):
        return Verdict.BROKEN
    if author != model:
        return Verdict.OTHER_MODEL
    return Verdict.GOOD if of_before == digest(before) else Verdict.OTHER_CONVERSATION


def seal(data: str) -> str:
    """The encrypted form of redacted thinking."""
    return base64.b64encode(f"{data}|{digest([_SEAL, data])}".encode()).decode()


def sealed(data: str) -> bool:
    """Whether `data` is what `seal` made."""
    try:
        text = base64.b64decode(data, validate=True).decode().rpartition("|")[0]
    except (binascii.Error, ValueError):
        return False
    return data == seal(text)


def digest(value: Any) -> str:
    """A short digest of a JSON value; key order counts."""
    return sha256(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _pack(model: str, of_text: str, of_before: str) -> str:
    plain = f"{model}|{of_text}|{of_before}"
    return base64.b64encode(f"{plain}|{digest([_SEAL, plain])}".encode()).decode()
