"""Breakpoints, wherever they are put (MAPPING 7)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.models import Catalogue
from handler.simulator.requests import Caller, read_messages
from handler.translate.chat_request import Options, Translated, translate
from handler.wire import chat, json_text

Json = dict[str, Any]
DEFAULT, HOUR, MINUTES = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral", "ttl": "5m"}
MODEL = "claude-opus-4-8"


def translated(request: Json, *, enabled: bool = True) -> Translated:
    parsed = chat.parse(json.dumps({"model": MODEL, **request}).encode(), {})
    return translate(parsed, Catalogue().of(MODEL), Options(auto_prompt_cache=enabled))


def breakpoints(body: Json) -> Iterator[Json]:
    """In the order of the cached prefix, the automatic one last."""
    carriers = [*body.get("tools", ()), *body.get("system", ())]
    for turn in body["messages"]:
        for block in turn["content"]:
            inner = block.get("content") if block["type"] == "tool_result" else None
            carriers += [*(inner if isinstance(inner, list) else ()), block]
    yield from (carrier["cache_control"] for carrier in [*carriers, body] if "cache_control" in carrier)


MARKS = st.sampled_from(
    [
        {},
        {},
        {"cache_control": DEFAULT},
        {"cache_control": HOUR},
        {"cache_control": MINUTES},
        {"cache_control": {"type": "persistent"}},
        {"cache_control": "yes"},
        {"prompt_cache_breakpoint": {"mode": "explicit"}},
        {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
        {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
        {"cache_control": None, "prompt_cache_breakpoint": None},
    ]
)
CONTROLS = MARKS.map(lambda mark: {name: value for name, value in mark.items() if name == "cache_control"})
PARTS = st.lists(
    st.builds(lambda text, mark: {"type": "text", "text": text, **mark}, st.sampled_from(["A", "B", " "]), MARKS),
    min_size=1,
    max_size=3,
)
MESSAGES = st.lists(
    st.builds(
        lambda role, content, mark: {"role": role, "content": content, **mark},
        st.sampled_from(["system", "user", "assistant"]),
        PARTS,
        CONTROLS,
    ),
    max_size=5,
).map(lambda messages: [*messages, {"role": "user", "content": "Go on."}])
TOOLS = st.lists(CONTROLS, max_size=3).map(
    lambda marks: [{"type": "function", "function": {"name": f"f{index}"}, **mark} for index, mark in enumerate(marks)]
)
AUTOMATIC = st.sampled_from(
    [
        *({}, {"prompt_cache_key": "k"}, {"prompt_cache_options": {"mode": "auto"}}, {"cache_control": DEFAULT}),
        *(
            {"prompt_cache_options": {"mode": "explicit"}},
            {"cache_control": HOUR},
            {"prompt_cache_options": {"ttl": "30m"}},
        ),
    ]
)


@given(MESSAGES, TOOLS, AUTOMATIC, st.booleans())
def test_the_upstream_takes_breakpoints_wherever_they_were(
    messages: list[Json], tools: list[Json], automatic: Json, enabled: bool
) -> None:
    request = {"messages": messages, "tools": tools, **automatic}
    done = translated(request, enabled=enabled)

    times = [each.get("ttl", "5m") for each in breakpoints(done.body)]
    assert len(times) <= 4
    assert times == sorted(times, key=["1h", "5m"].index)
    assert translated(request, enabled=enabled).body == done.body
    read_messages(json_text.utf8(json_text.write(done.body)), Caller("2023-06-01", done.betas, oauth=False))


@given(MESSAGES, TOOLS, AUTOMATIC)
def test_where_the_caller_set_one_there_is_none_of_ours(
    messages: list[Json], tools: list[Json], automatic: Json
) -> None:
    body = translated({"messages": messages, "tools": tools, **automatic}).body

    explicit = [each for each in breakpoints({**body, "cache_control": DEFAULT})][:-1]
    if explicit and "cache_control" not in automatic:
        assert "cache_control" not in body


@given(MESSAGES, TOOLS, AUTOMATIC)
def test_breakpoints_change_nothing_else(messages: list[Json], tools: list[Json], automatic: Json) -> None:
    bare = translated({"messages": _bare(messages), "tools": _bare(tools)}).body
    body = translated({"messages": messages, "tools": tools, **automatic}).body

    assert _bare(body) == _bare(bare)


@pytest.mark.parametrize("ours", [0, 1, 3, 4])
def test_the_earliest_in_the_messages_go_first(ours: int) -> None:
    """`ours` of the breakpoints are on the system text, four in the messages."""
    system = [{"type": "text", "text": f"S{index}", "cache_control": DEFAULT} for index in range(ours)]
    parts = [{"type": "text", "text": f"P{index}", "cache_control": DEFAULT} for index in range(4)]
    done = translated({"messages": [{"role": "system", "content": system or "S"}, {"role": "user", "content": parts}]})

    marked = [block["text"] for block in done.body["messages"][0]["content"] if "cache_control" in block]
    assert marked == ["P0", "P1", "P2", "P3"][ours:]
    assert sum("cache_control" in block for block in done.body["system"]) == ours
    assert done.losses == (("cache_control",) if ours else ())


@pytest.mark.parametrize("tools", [0, 2])
def test_more_than_four_on_the_system_text_alone_are_cut_to_four(tools: int) -> None:
    """The same text in system and message, so that the two are told apart by their place."""
    part = {"type": "text", "text": "A", "cache_control": DEFAULT}
    given = [
        {"type": "function", "function": {"name": f"f{index}"}, "cache_control": DEFAULT} for index in range(tools)
    ]
    messages = [{"role": "system", "content": [part] * (5 - tools)}, {"role": "user", "content": [part]}]
    done = translated({"messages": messages, "tools": given})

    assert len(list(breakpoints(done.body))) == 4
    assert "cache_control" not in done.body["messages"][0]["content"][0]


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _bare(inner)
            for name, inner in value.items()
            if name not in ("cache_control", "prompt_cache_breakpoint")
        }
    return [_bare(inner) for inner in value] if isinstance(value, list) else value
