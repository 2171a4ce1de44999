"""Rows of MAPPING 1, 3, 6 and 12 that come in tables: one model or value a line, what is sent by hand beside it."""

import json
from typing import Any

import pytest

from handler.errors import ProxyError
from handler.models import Catalogue
from handler.simulator.models import known
from handler.simulator.requests import Caller, read_messages
from handler.translate.chat_request import Options, Translated, translate
from handler.wire import chat, json_text

HI = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
NO_AUTOMATIC_CACHE = Options(auto_prompt_cache=False)

ALWAYS = (
    *("claude-fable-5", "claude-mythos-5", "claude-fable-5-1", "claude-mythos-5-1"),
    *("claude-fable-5-2", "claude-mythos-5-2", "claude-opus-5-5"),
)
BETWEEN = ("claude-sonnet-5-5",)
ON = ("claude-opus-5", "claude-sonnet-5", "claude-haiku-5-5")
OFF = ("claude-opus-4-8", "claude-opus-4-7")
OFF_WITHOUT_XHIGH = ("claude-opus-4-6", "claude-sonnet-4-6")
BUDGET_AND_EFFORT = ("claude-opus-4-5", "claude-opus-4-5-20251101")
BUDGET = ("claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929")
MODELS = (*ALWAYS, *BETWEEN, *ON, *OFF, *OFF_WITHOUT_XHIGH, *BUDGET_AND_EFFORT, *BUDGET)
SMALL = {*BUDGET_AND_EFFORT, *BUDGET}
SAMPLING = {*OFF_WITHOUT_XHIGH, *SMALL}
NOT_FORCED = {*ALWAYS, *BETWEEN} - {"claude-fable-5", "claude-mythos-5"}
WITH_SYSTEM_TURNS = {*ALWAYS, *BETWEEN, *ON, "claude-opus-4-8"}
NARRATE = {"claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"}
BOUND = NOT_FORCED | {"claude-haiku-5-5"}

SHOWN = {"type": "adaptive", "display": "summarized"}
Plan = tuple[dict[str, Any] | None, str | None]
SAY_NOTHING: Plan = (None, None)
LEVELS: dict[str, Plan] = {
    "minimal": (SHOWN, "low"),
    "low": (SHOWN, "low"),
    "medium": (SHOWN, "medium"),
    "high": (SHOWN, "high"),
    "xhigh": (SHOWN, "xhigh"),
    "max": (SHOWN, "max"),
}
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32000, "max": 32000}
UP_TO_HIGH = {"minimal": "low", "xhigh": "high", "max": "high"}
EFFORTS: list[tuple[tuple[str, ...], dict[str, Plan]]] = [
    (ALWAYS, {"none": (None, "low"), **LEVELS}),
    (BETWEEN, {"none": ({"type": "between_tools"}, "low"), **LEVELS}),
    (ON, {"none": ({"type": "disabled"}, "low"), **LEVELS}),
    (OFF, {"none": SAY_NOTHING, **LEVELS}),
    (OFF_WITHOUT_XHIGH, {"none": SAY_NOTHING, **LEVELS, "xhigh": (SHOWN, "high")}),
    (
        BUDGET_AND_EFFORT,
        {
            "none": SAY_NOTHING,
            **{
                level: ({"type": "enabled", "budget_tokens": tokens}, UP_TO_HIGH.get(level, level))
                for level, tokens in BUDGETS.items()
            },
        },
    ),
    (
        BUDGET,
        {
            "none": SAY_NOTHING,
            **{level: ({"type": "enabled", "budget_tokens": tokens}, None) for level, tokens in BUDGETS.items()},
        },
    ),
    # A new line from generation 5 on has the newest rules; of anything else nothing is known.
    (("claude-nova-6", "claude-nova-5-7"), {"none": ({"type": "disabled"}, "low"), **LEVELS}),
    (
        ("claude-3-opus-20240229", "claude-sonnet-4-20250514", "claude-opus-4-1", "gpt-4o"),
        dict.fromkeys(LEVELS, SAY_NOTHING),
    ),
]
# Where the level asked for is not the one used.
NEAREST = {
    *((model, "none") for model in ALWAYS),
    *((model, "xhigh") for model in OFF_WITHOUT_XHIGH),
    *((model, level) for model in BUDGET_AND_EFFORT for level in ("xhigh", "max")),
    *((model, level) for level in LEVELS for model in EFFORTS[-1][0]),
}


def translated(model: str, **fields: Any) -> Translated:
    request = chat.parse(json.dumps({"model": model, "messages": HI, **fields}).encode(), {})
    done = translate(request, Catalogue().of(request.model), NO_AUTOMATIC_CACHE)
    if known(model) is not None:
        read_messages(json_text.utf8(json_text.write(done.body)), Caller("2023-06-01", done.betas, oauth=False))
    return done


def planned(done: Translated) -> Plan:
    return done.body.get("thinking"), done.body.get("output_config", {}).get("effort")


@pytest.mark.parametrize(
    ("model", "level", "plan"),
    [(model, level, plan) for models, levels in EFFORTS for model in models for level, plan in levels.items()],
)
def test_an_effort_is_said_in_the_words_of_the_model(model: str, level: str, plan: Plan) -> None:
    done = translated(model, reasoning_effort=level, max_tokens=64_000)

    assert planned(done) == plan
    assert done.losses == (("reasoning_effort",) if (model, level) in NEAREST else ())


@pytest.mark.parametrize("level", ["xhigh", "max"])
@pytest.mark.parametrize("model", [*BUDGET_AND_EFFORT, *BUDGET])
def test_the_default_limit_bounds_the_largest_budgets(model: str, level: str) -> None:
    assert translated(model, reasoning_effort=level).body["thinking"]["budget_tokens"] == 32_000 - 1024


@pytest.mark.parametrize("model", [*MODELS, *EFFORTS[-1][0], "claude-nova-6"])
def test_without_an_effort_nothing_is_said(model: str) -> None:
    assert planned(translated(model)) == SAY_NOTHING
    assert planned(translated(model, reasoning_effort=None)) == SAY_NOTHING


@pytest.mark.parametrize("model", ["claude-opus-7", "claude-sonnet-6-1", "claude-haiku-9"])
def test_a_new_generation_of_a_line_thinks_as_the_newest(model: str) -> None:
    assert planned(translated(model, reasoning_effort="high")) == (SHOWN, "high")


@pytest.mark.parametrize(
    ("model", "plan"),
    [
        ("claude-opus-5-5", (SHOWN, "low")),
        ("claude-sonnet-5-5", ({"type": "between_tools"}, "low")),
        ("claude-haiku-5-5", ({"type": "disabled"}, "low")),
        ("claude-fable-5-1", (None, "low")),
    ],
)
def test_effort_none_with_tools(model: str, plan: Plan) -> None:
    assert planned(translated(model, reasoning_effort="none", tools=[TOOL])) == plan


@pytest.mark.parametrize("model", MODELS)
def test_tools_alone_make_the_5_5_models_tell_what_they_do(model: str) -> None:
    assert planned(translated(model, tools=[TOOL])) == ((SHOWN if model in NARRATE else None), None)


@pytest.mark.parametrize("value", ["extreme", "", 3, True, ["low"], {"effort": "low"}])
@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-4-5", "gpt-4o"])
def test_a_level_that_does_not_exist_is_refused(model: str, value: Any) -> None:
    with pytest.raises(ProxyError) as refused:
        translated(model, reasoning_effort=value)
    assert (refused.value.status, refused.value.field) == (400, "reasoning_effort")


@pytest.mark.parametrize("model", MODELS)
def test_a_limit_is_at_most_what_the_model_writes(model: str) -> None:
    most = 64_000 if model in SMALL else 128_000

    assert translated(model, max_tokens=most).losses == ()
    done = translated(model, max_tokens=most + 1)
    assert (done.body["max_tokens"], done.losses) == (most, ("max_tokens",))


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
@pytest.mark.parametrize("model", MODELS)
def test_sampling_is_for_the_models_that_take_it(model: str, name: str) -> None:
    value = 5 if name == "top_k" else 0.5
    done = translated(model, **{name: value})

    assert done.body.get(name) == (value if model in SAMPLING else None)
    assert done.losses == (() if model in SAMPLING else (name,))


@pytest.mark.parametrize("model", MODELS)
def test_a_call_is_forced_where_it_can_be(model: str) -> None:
    done = translated(model, tools=[TOOL], tool_choice="required")

    assert done.body["tool_choice"] == {"type": "auto" if model in NOT_FORCED else "any"}
    words = [{"type": "text", "text": "You must call one of the tools."}]
    assert done.body.get("system") == (words if model in NOT_FORCED else None)
    assert done.losses == (("tool_choice",) if model in NOT_FORCED else ())


@pytest.mark.parametrize("model", MODELS)
def test_a_later_system_message_stays_where_the_model_takes_it(model: str) -> None:
    done = translated(model, messages=[*HI, {"role": "system", "content": "Now French."}])

    stays = model in WITH_SYSTEM_TURNS
    words = [{"type": "text", "text": "Now French."}]
    assert [turn["role"] for turn in done.body["messages"]] == ["user", *(["system"] if stays else [])]
    assert done.body.get("system") == (None if stays else words)


@pytest.mark.parametrize("model", MODELS)
def test_thinking_that_is_bound_may_be_dropped(model: str) -> None:
    thinking = {"type": "redacted_thinking", "data": "c2Vj"}
    messages = [*HI, {"role": "assistant", "content": [thinking, {"type": "text", "text": "A"}]}, *HI]
    request = chat.parse(json.dumps({"model": model, "messages": messages}).encode(), {})
    done = translate(request, Catalogue().of(model), NO_AUTOMATIC_CACHE)

    bound = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    assert done.body.get("thinking") == (bound if model in BOUND else None)
    assert done.betas == (("thinking-binding-controls-2026-08-01",) if model in BOUND else ())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logprobs", True),
        ("top_logprobs", 5),
        ("logit_bias", {"50256": -100}),
        ("seed", 0),
        ("presence_penalty", -1),
        ("frequency_penalty", 0.5),
        ("prediction", {"type": "content", "content": "x"}),
        ("store", True),
        ("verbosity", "high"),
        ("moderation", {"mode": "on"}),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("modalities", ["text", "audio"]),
        ("metadata", {"a": "b"}),
    ],
)
def test_what_claude_does_not_have_is_left_out_and_told(name: str, value: Any) -> None:
    done = translated("claude-opus-5-5", **{name: value})

    assert done.body == translated("claude-opus-5-5").body
    assert done.losses == (name,)


@pytest.mark.parametrize("strict", [20, 21])
def test_twenty_tools_can_be_strict(strict: int) -> None:
    tools = [
        {"type": "function", "function": {"name": f"f{index}", "strict": True, "parameters": None}}
        for index in range(strict)
    ]
    done = translated("claude-opus-4-8", tools=tools)

    assert [tool["name"] for tool in done.body["tools"]] == [f"f{index}" for index in range(strict)]
    assert sum("strict" in tool for tool in done.body["tools"]) == 20
    assert done.losses == (("tools.strict",) if strict > 20 else ())


def test_the_limits_of_strict_schemas_are_for_all_tools_together() -> None:
    half = {"type": "object", "properties": {f"p{index}": {"type": "string"} for index in range(13)}}
    tools = [
        {"type": "function", "function": {"name": name, "strict": True, "parameters": half}} for name in ("a", "b")
    ]
    done = translated("claude-opus-4-8", tools=tools)

    assert ["strict" in tool for tool in done.body["tools"]] == [True, False]
    assert done.body["tools"][1]["input_schema"] == half
    assert done.losses == ("tools.strict",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            (name, {"a": 1})
            for name in ("max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stream")
        ),
        *((name, {"a": 1}) for name in ("stop", "n", "tools", "functions", "parallel_tool_calls", "user")),
        ("safety_identifier", ["a"]),
        ("response_format", "json_object"),
        ("web_search_options", True),
        ("messages", {"role": "user", "content": "Hi"}),
    ],
)
def test_a_value_of_the_wrong_kind_names_its_field(field: str, value: Any) -> None:
    with pytest.raises(ProxyError) as refused:
        translated("claude-opus-5-5", **{field: value})
    assert (refused.value.status, refused.value.field) == (400, field)
