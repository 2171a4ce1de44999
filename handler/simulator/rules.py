"""What one model takes and another refuses: thinking, effort, sampling, tools, structured output, cache breakpoints."""

import re
from collections.abc import Iterator

from handler.errors import ProxyError
from handler.simulator import schemas, shapes
from handler.simulator.body import AutoChoice, Body, BudgetThinking, Counted, CustomTool, NoThinking, ToolChoice
from handler.simulator.models import Model

COMBINATORS = ("oneOf", "allOf", "anyOf")
MAX_BREAKPOINTS = 4
MAX_STRICT_TOOLS = 20

BUDGET_TOO_LARGE = (
    "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at "
    "https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size"
)
ADAPTIVE_ONLY = (
    '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and "output_config.effort" '
    "to control thinking behavior."
)


def check_both(body: Counted, model: Model) -> None:
    """The rules for messages and count_tokens alike. Raises ProxyError (400)."""
    _check_thinking(body, model)
    _check_effort(body, model)
    _check_tools(body)
    _check_choice(body, model)
    if body.output_config and body.output_config.format:
        schemas.check(body.output_config.format.schema_, "output_config.format.schema")
    _check_breakpoints(body)


def check_messages(body: Body, model: Model, version: str) -> None:
    """The rules for messages alone. Raises ProxyError (400)."""
    if body.max_tokens > model.max_tokens:
        message = "which is the maximum allowed number of output tokens for"
        raise ProxyError(400, f"max_tokens: {body.max_tokens} > {model.max_tokens}, {message} {model.id}")
    if isinstance(body.thinking, BudgetThinking) and body.thinking.budget_tokens >= body.max_tokens:
        raise ProxyError(400, BUDGET_TOO_LARGE)
    if not all(stop.strip() for stop in body.stop_sequences):
        raise ProxyError(400, "stop_sequences: each stop sequence must contain non-whitespace")
    _check_sampling(body, model, version)
    _check_user(body.metadata.user_id or "")


def _check_thinking(body: Counted, model: Model) -> None:
    if body.thinking is None:
        return
    kind = body.thinking.type
    if kind not in model.thinking_types:
        if kind == "enabled":
            raise ProxyError(400, ADAPTIVE_ONLY)
        if kind == "adaptive":
            raise ProxyError(400, "adaptive thinking is not supported on this model")
        raise ProxyError(400, f'"thinking.type.{kind}" is not supported for this model.')
    effort = body.output_config.effort if body.output_config else None
    if isinstance(body.thinking, NoThinking) and model.off_needs_high and effort in {"xhigh", "max"}:
        raise ProxyError(400, f"\"thinking.type.{kind}\" is not supported at effort level '{effort}' for this model.")


def _check_effort(body: Counted, model: Model) -> None:
    effort = body.output_config.effort if body.output_config else None
    if effort is None or effort in model.efforts:
        return
    if not model.efforts:
        raise ProxyError(400, "This model does not support the effort parameter.")
    levels = ", ".join(sorted(model.efforts))
    raise ProxyError(400, f"This model does not support effort level '{effort}'. Supported levels: {levels}.")


def _check_tools(body: Counted) -> None:
    names = [tool.name for tool in body.tools]
    if len(set(names)) != len(names):
        raise ProxyError(400, "tools: Tool names must be unique.")
    for index, tool in enumerate(body.tools):
        if not isinstance(tool, CustomTool):
            continue
        schema = tool.input_schema.model_dump(exclude_unset=True)
        where = f"tools.{index}.custom.input_schema"
        if any(word in schema for word in COMBINATORS):
            message = "input_schema does not support oneOf, allOf, or anyOf at the top level"
            raise ProxyError(400, f"{where}: {message}")
        if tool.strict:
            schemas.check(schema, where.replace("input_schema", "strict.input_schema"))
    if sum(tool.strict for tool in body.tools) > MAX_STRICT_TOOLS:
        raise ProxyError(
            400, f"tools: Too many strict tools. The maximum number of strict tools is {MAX_STRICT_TOOLS}."
        )


def _check_choice(body: Counted, model: Model) -> None:
    choice = body.tool_choice
    if choice is None:
        return
    if not body.tools:
        raise ProxyError(400, "tool_choice: `tool_choice` may only be specified while providing `tools`.")
    if not (isinstance(choice, ToolChoice) or (isinstance(choice, AutoChoice) and choice.type == "any")):
        return
    if isinstance(choice, ToolChoice) and choice.name not in {tool.name for tool in body.tools}:
        raise ProxyError(400, f"tool_choice: Tool '{choice.name}' not found in provided tools")
    if not model.forced_tools:
        raise ProxyError(400, f"tool_choice: `{choice.type}` is not supported for this model. Use `auto` or `none`.")
    if isinstance(body.thinking, BudgetThinking):
        raise ProxyError(400, "Thinking may not be enabled when tool_choice forces tool use.")


def _check_sampling(body: Body, model: Model, version: str) -> None:
    for name in ("temperature", "top_p", "top_k"):
        if getattr(body, name) is None:
            continue
        if version >= "2026-10-21":
            raise ProxyError(400, f"{name}: Extra inputs are not permitted")
        if not model.sampling:
            raise ProxyError(400, f"`{name}` is deprecated for this model.")
    if body.temperature is not None and body.top_p is not None:
        message = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        raise ProxyError(400, message)
    if body.thinks_with() is not None:
        _check_sampling_with_thinking(body)


def _check_sampling_with_thinking(body: Body) -> None:
    if body.temperature not in (None, 1):
        raise ProxyError(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if body.top_p is not None and body.top_p < 0.95:
        raise ProxyError(400, "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
    if body.top_k is not None:
        raise ProxyError(400, "`top_k` must be unset when thinking is enabled.")


def _check_user(user: str) -> None:
    if re.search(r"[^@\s]+@[^@\s]+\.\w+", user):
        raise ProxyError(400, "metadata.user_id: user_id appears to contain an email address")
    if re.fullmatch(r"\+?[\d\s().-]{7,20}", user):
        raise ProxyError(400, "metadata.user_id: user_id appears to contain a phone number")


def _check_breakpoints(body: Counted) -> None:
    found = list(breakpoints(body))
    if len(found) > MAX_BREAKPOINTS:
        message = f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {len(found)}."
        raise ProxyError(400, message)
    ttls = [mark.ttl for mark in found]
    if "1h" in ttls[ttls.index("5m") :] if "5m" in ttls else False:
        message = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"
        raise ProxyError(400, f"cache_control.ttl: {message}")


def breakpoints(body: Counted) -> Iterator[shapes.CacheControl]:
    """Every cache breakpoint, in the order the cache sees them: tools, system, messages, the automatic one."""
    carriers: list[shapes.Shape] = [*body.tools, *body.system]
    for message in body.messages:
        for block in message.content:
            carriers.extend([*block.content, block] if isinstance(block, shapes.ToolResult) else [block])
    for carrier in carriers:
        if isinstance(carrier, shapes.Cached) and carrier.cache_control is not None:
            yield carrier.cache_control
    if body.cache_control is not None:
        yield body.cache_control
