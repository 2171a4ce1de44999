"""What a caller may send that the upstream has no word for. Each has a stable name, told in the `x-dropped` header.

A field is here when the answer is still what was asked for without it. Where dropping it would give a different thing,
the request is refused instead.
"""

from collections.abc import Mapping
from types import MappingProxyType

UNSUPPORTED: Mapping[str, str] = MappingProxyType(
    {
        "logprobs": "Claude gives no token probabilities.",
        "top_logprobs": "Claude gives no token probabilities.",
        "logit_bias": "Claude takes no token biases.",
        "seed": "Claude has no seeded sampling.",
        "presence_penalty": "Claude has no such penalty.",
        "frequency_penalty": "Claude has no such penalty.",
        "prediction": "Claude takes no predicted output.",
        "store": "Nothing is stored.",
        "verbosity": "Claude has no such setting; say it in the prompt.",
        "moderation": "No moderation runs beside the answer.",
        "audio": "Claude answers in text only.",
    }
)
"""Top-level fields that are never carried."""

NOTHING_ASKED: Mapping[str, object] = MappingProxyType(
    {
        "logprobs": False,
        "top_logprobs": 0,
        "logit_bias": {},
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "store": False,
        "verbosity": "medium",
    }
)
"""The values of such fields that ask for nothing: leaving them out is no loss."""

LOSSES: Mapping[str, str] = MappingProxyType(
    {
        **UNSUPPORTED,
        "modalities": "Claude answers in text only: other modalities are left out.",
        "metadata": "The upstream's metadata knows a user id only (`metadata.user_id` is carried).",
        "service_tier": "Not a tier the upstream has.",
        "max_tokens": "Above what the model can write: lowered to its maximum.",
        "temperature": "Capped at 1; left out where the model takes none, or none beside thinking.",
        "top_p": "Left out where the model takes none, or none beside temperature or thinking.",
        "top_k": "Left out where the model takes none, or none beside thinking.",
        "stop": "Blank stop sequences are left out.",
        "reasoning_effort": "The model has no such level (or no room for it): the nearest it has is used.",
        "thinking": "Not possible in this request: left out, or sent in the form the model takes.",
        "tool_choice": "The model cannot be forced here: it is asked in words.",
        "tools": "Of several tools with one name the last counts.",
        "tools.strict": "The schema is beyond what can be enforced: sent as an ordinary tool.",
        "tools.custom.format": "A grammar cannot be enforced: it is told in the tool's description.",
        "response_format": "The schema is beyond what can be enforced: it is asked for in words.",
        "messages.name": "Claude's messages have no author name.",
        "messages.content": "No image, file or server tool's block can be sent back inside an assistant's message.",
        "messages.reasoning": "Reasoning that another model wrote, or that is unsigned, cannot be sent back.",
        "image_url.detail": "Claude has one resolution setting only.",
        "cache_control": "More than four breakpoints, a malformed one, or one where none may be.",
    }
)
"""Every loss there is: name -> why, in the order of the header."""


class Ledger:
    """The losses of one request."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def note(self, name: str) -> None:
        """Write down a loss. Raises KeyError for a name that is not in the table."""
        LOSSES[name]
        self._names.add(name)

    def names(self) -> tuple[str, ...]:
        """What was written down, in the order of the table."""
        return tuple(name for name in LOSSES if name in self._names)
