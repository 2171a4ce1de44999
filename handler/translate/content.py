"""The content of messages, part by part (MAPPING 2.2).

    user        text, image_url, file, and Anthropic's own image, document and search_result blocks
    assistant   text, refusal, and Anthropic's own thinking, redacted_thinking and tool_use blocks
    tool        text and the user's media

Text that is blank is left out: the upstream refuses it. What is unknown is refused: a prompt without one of its parts
is another prompt.
"""

from collections.abc import Callable, Mapping
from typing import Any

from handler.errors import ProxyError
from handler.translate import media
from handler.translate.caching import breakpoint_of
from handler.translate.losses import Ledger
from handler.wire.anthropic import Json

# Blocks of the upstream's own that LangChain, Cline and others put into OpenAI messages.
_NATIVE = frozenset({"image", "document", "search_result"})

Part = Mapping[str, Any]


def spoken(content: str | list[Json] | None, field: str, ledger: Ledger) -> list[Json]:
    """The blocks of a user, system or tool message. Raises ProxyError (400), which names the part at fault."""
    if content is None:
        return []
    if isinstance(content, str):
        return _text(content)
    blocks: list[Json] = []
    for index, part in enumerate(content):
        read = _SPOKEN.get(str(part.get("type")), _unknown)
        blocks += _marked(read(part, f"{field}.[{index}]", ledger), part, ledger)
    return blocks


def only_text(content: str | list[Json] | None, field: str, ledger: Ledger) -> list[Json]:
    """The blocks of a system message, which takes nothing but text. Raises ProxyError (400)."""
    blocks = spoken(content, field, ledger)
    if any(block["type"] != "text" for block in blocks):
        raise ProxyError(400, f"`{field}` of a system message must be text.", field=field)
    return blocks


def answered(content: str | list[Json] | None, field: str, ledger: Ledger) -> list[Json]:
    """The text blocks of an assistant message; thinking and calls among its parts are read elsewhere."""
    if content is None or isinstance(content, str):
        return _text(content or "")
    blocks: list[Json] = []
    for index, part in enumerate(content):
        match part:
            case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
                blocks += _marked(_text(text), part, ledger)
            case {"type": "thinking" | "redacted_thinking"}:
                _marked([], part, ledger)
            case {"type": "tool_use"}:
                pass
            case {"type": "image" | "image_url" | "document" | "file" | "server_tool_use"}:
                ledger.note("messages.content")
            case {"type": str(kind)} if kind.endswith("_tool_result"):
                ledger.note("messages.content")  # what the upstream ran itself; its text says what came of it
            case _:
                _unknown(part, f"{field}.[{index}]", ledger)
    return blocks


def _marked(blocks: list[Json], part: Part, ledger: Ledger) -> list[Json]:
    """The blocks of one part with the part's breakpoint, which goes with a part that has none."""
    mark = breakpoint_of(part, ledger)
    if mark and not blocks:
        ledger.note("cache_control")
    return [{**block, **mark} for block in blocks]


def _text(text: str) -> list[Json]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _text_part(part: Part, field: str, _: Ledger) -> list[Json]:
    text = part.get("text")
    if not isinstance(text, str):
        raise ProxyError(400, f"`{field}.text` must be a string.", field=f"{field}.text")
    return _text(text)


def _image_part(part: Part, field: str, ledger: Ledger) -> list[Json]:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise ProxyError(400, f"`{field}.image_url.url` must be a string.", field=f"{field}.image_url.url")
    if isinstance(image, dict) and image.get("detail") not in (None, "auto"):
        ledger.note("image_url.detail")
    return [media.from_url(url, f"{field}.image_url.url")]


def _file_part(part: Part, field: str, _: Ledger) -> list[Json]:
    match part.get("file"):
        case {"file_id": str(name)}:
            return [{"type": "document", "source": {"type": "file", "file_id": name}}]
        case {"file_data": str(data), **rest}:
            title = rest.get("filename")
            return [media.from_file(data, title if isinstance(title, str) else None, f"{field}.file.file_data")]
    message = f"`{field}.file` must hold file_data (base64 or a data URL) or file_id."
    raise ProxyError(400, message, field=f"{field}.file")


def _native_part(part: Part, field: str, _: Ledger) -> list[Json]:
    if not isinstance(part.get("source"), str if part["type"] == "search_result" else dict):
        raise ProxyError(400, f"`{field}` must hold a `source`.", field=field)
    marks = ("cache_control", "prompt_cache_breakpoint")
    return [{key: value for key, value in part.items() if key not in marks and value is not None}]


def _unknown(part: Part, field: str, _: Ledger) -> list[Json]:
    kind = part.get("type")
    if kind == "input_audio":
        raise ProxyError(400, f"`{field}`: Claude takes no audio.", field=field)
    named = f"of type '{kind[:40]}'" if isinstance(kind, str) and kind.isprintable() else "without a known type"
    raise ProxyError(400, f"`{field}` is a content part {named}, which is not supported here.", field=field)


_SPOKEN: Mapping[str, Callable[[Part, str, Ledger], list[Json]]] = {
    "text": _text_part,
    "image_url": _image_part,
    "file": _file_part,
    **dict.fromkeys(_NATIVE, _native_part),
}
