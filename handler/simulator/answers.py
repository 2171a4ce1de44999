"""The Message that answers a request: what the script says, or what the request makes likely.

    a JSON schema for the answer          an object that fits it
    a tool that must be called, or        calls with input that fits its schema
      whose name is in the prompt
    results of tools                      a sentence that repeats them
    anything else                         a greeting that repeats the prompt

Thinking comes first where the request turned it on. Texts end at a stop sequence or at `max_tokens`.
"""

import json
import secrets
from typing import Any

from handler.simulator import schemas, shapes
from handler.simulator.body import AutoChoice, Body, Counted, CustomTool, NoChoice, ServerTool, ToolChoice
from handler.simulator.models import Model
from handler.simulator.script import Script, last_text, tools_said
from handler.simulator.signatures import seal, sign

CHARACTERS_A_TOKEN = 4
THOUGHT = "The user wants an answer. A short one will do."


def answer(body: Body, model: Model, script: Script) -> shapes.Json:
    """The whole Message."""
    content, stop_reason, stop_sequence = _content(body, model, script)
    thinking = sum(tokens(block.get("thinking", "")) for block in content)
    usage = {
        "input_tokens": counted(body),
        "output_tokens": max(1, sum(map(tokens, content))),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens_details": {"thinking_tokens": thinking},
        "service_tier": "standard",
        **script.usage,
    }
    return {
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": model.id,
        "content": content,
        "stop_reason": script.stop_reason or stop_reason,
        "stop_sequence": stop_sequence,
        "stop_details": script.stop_details,
        "usage": usage,
    }


def counted(body: Counted) -> int:
    """The input tokens of a request, roughly; system, tools and messages count."""
    return tokens(body.prefix(len(body.messages)))


def tokens(value: Any) -> int:
    """Tokens of a JSON value, roughly."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return -(-len(text) // CHARACTERS_A_TOKEN)


def _content(body: Body, model: Model, script: Script) -> tuple[list[shapes.Json], str, str | None]:
    thought = _thought(body, model)
    if script.content is not None:
        content = [_signed(block, body, model) for block in script.content]
        called = any(block.get("type") == "tool_use" for block in content)
        return content, "tool_use" if called else "end_turn", None
    if script.text is None and (calls := _calls(body)):
        return [*thought, *calls], "tool_use", None
    text, stop_reason, stop_sequence = _ended(body, _text(body) if script.text is None else script.text)
    return [*thought, *([{"type": "text", "text": text}] if text else [])], stop_reason, stop_sequence


def _thought(body: Body, model: Model) -> list[shapes.Json]:
    thinking = body.thinks_with()
    if thinking is None:
        return []
    shown = thinking.display == "summarized" or (thinking.display is None and model.shows_thinking)
    return [_signed({"type": "thinking", "thinking": THOUGHT if shown else ""}, body, model)]


def _signed(block: shapes.Json, body: Body, model: Model) -> shapes.Json:
    if block.get("type") == "thinking" and "signature" not in block:
        return {**block, "signature": sign(model.id, block["thinking"], body.prefix(len(body.messages)))}
    if block.get("type") == "redacted_thinking" and "data" not in block:
        return {**block, "data": seal("redacted")}
    return block


def _calls(body: Body) -> list[shapes.Json]:
    choice = body.tool_choice
    if isinstance(choice, NoChoice) or tools_said(body.messages) is not None:
        return []
    if isinstance(choice, ToolChoice):
        wanted = [tool for tool in body.tools if tool.name == choice.name]
    else:
        prompt = last_text(body.messages)
        wanted = [tool for tool in body.tools if tool.name in prompt and isinstance(tool, CustomTool)]
        if isinstance(choice, AutoChoice) and choice.type == "any" and not wanted:
            wanted = body.tools[:1]
    if isinstance(choice, AutoChoice | ToolChoice) and choice.disable_parallel_tool_use:
        wanted = wanted[:1]
    return [_call(tool) for tool in wanted]


def _call(tool: CustomTool | ServerTool) -> shapes.Json:
    schema = tool.input_schema.model_dump(exclude_unset=True) if isinstance(tool, CustomTool) else {"type": "object"}
    given = schemas.example(schema, "Paris")
    return {"type": "tool_use", "id": f"toolu_{secrets.token_hex(12)}", "name": tool.name, "input": given}


def _text(body: Body) -> str:
    if body.output_config and body.output_config.format:
        return json.dumps(schemas.example(body.output_config.format.schema_, "simulated"))
    said = tools_said(body.messages)
    if said is not None:
        return f"The tools said: {said}"
    return f"Hello from a simulated Claude! You wrote: {last_text(body.messages)}"


def _ended(body: Body, text: str) -> tuple[str, str, str | None]:
    """The text up to where it stops, why it stops there, and at which stop sequence."""
    allowed = body.max_tokens * CHARACTERS_A_TOKEN
    cuts = [(at, stop) for stop in body.stop_sequences if (at := text.find(stop)) >= 0]
    at, stop = min(cuts, default=(len(text), None))
    if at > allowed:
        return text[:allowed], "max_tokens", None
    return text[:at], "stop_sequence" if stop else "end_turn", stop
