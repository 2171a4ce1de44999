"""What callers call a model: its own name, that name behind a vendor's, or an alias (MAPPING 1.1, MODEL_ALIASES)."""

from collections.abc import Mapping

_VENDORS = ("anthropic/", "claude/")


def resolved(name: str, aliases: Mapping[str, str]) -> str:
    """The name that goes upstream."""
    plain = name
    for vendor in _VENDORS:
        plain = plain.removeprefix(vendor)
    return aliases.get(name) or aliases.get(plain) or plain
