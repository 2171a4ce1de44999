"""From a body's bytes to a request that the real API would take, or to the refusal it would give."""

from dataclasses import dataclass
from typing import TypeVar

from jiter import from_json
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from handler.errors import ProxyError
from handler.simulator.body import Body, Counted
from handler.simulator.history import check_history, check_text
from handler.simulator.models import Model, known
from handler.simulator.rules import check_both, check_messages

CLAUDE_CODE = "You are Claude Code, Anthropic's official CLI for Claude."
BILLING = "x-anthropic-billing-header:"
ONLY_CLAUDE_CODE = (
    "This credential is only authorized for use with Claude Code and cannot be used for other API requests."
)

# A field that is there only for those who name its beta.
BETA_FIELDS = {
    "context_management": "context-management-",
    "mcp_servers": "mcp-client-",
    "thread": "message-threads-",
}
BINDING_BETA = "thinking-binding-controls-"

Kind = TypeVar("Kind", bound=Counted)


@dataclass(frozen=True, slots=True)
class Caller:
    """What the headers say: the API version, the betas asked for, and whether the credential is an OAuth token."""

    version: str
    betas: tuple[str, ...]
    oauth: bool

    def asks(self, prefix: str) -> bool:
        """Whether a beta that starts with `prefix` is asked for."""
        return any(beta.startswith(prefix) for beta in self.betas)


def read_messages(data: bytes, caller: Caller) -> tuple[Body, Model]:
    """A Messages request and its model. Raises ProxyError as the real API refuses."""
    body, model = _read(Body, data, caller)
    check_messages(body, model, caller.version)
    return body, model


def read_counted(data: bytes, caller: Caller) -> tuple[Counted, Model]:
    """A count_tokens request and its model. Raises ProxyError as the real API refuses."""
    return _read(Counted, data, caller)


def _read(kind: type[Kind], data: bytes, caller: Caller) -> tuple[Kind, Model]:
    body = validated(kind, parsed(data))
    _check_betas(body, caller)
    if caller.oauth:
        _check_claude_code(body)
    model = known(body.model)
    if model is None or model.lifecycle == "retired":
        raise ProxyError(404, f"model: {body.model}")
    for block in body.system:
        check_text(block, "system")
    check_history(body, model, caller.version)
    check_both(body, model)
    return body, model


def parsed(data: bytes) -> object:
    """The JSON value of a body. Raises ProxyError (400)."""
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise ProxyError(400, f"The request body is not valid JSON: {error}") from None


def validated(kind: type[Kind], value: object) -> Kind:
    """`value` as the body `kind`. Raises ProxyError (400) with the path and the first fault, as upstream."""
    if not isinstance(value, dict):
        raise ProxyError(400, "Input should be a valid dictionary")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise ProxyError(400, fault(error.errors(include_url=False, include_input=False)[0])) from None


def fault(error: ErrorDetails) -> str:
    """One sentence, `path: what is wrong`. An unknown tag is told at the block, a missing one at its `type`."""
    path = ".".join(str(step) for step in error["loc"])
    message = error["msg"]
    if error["type"] == "missing":
        message = "Field required"
    elif error["type"] == "union_tag_not_found":
        path, message = f"{path}.type", "Field required"
    return f"{path}: {message}"


def _check_betas(body: Counted, caller: Caller) -> None:
    for field, beta in BETA_FIELDS.items():
        if field in body.model_fields_set and not caller.asks(beta):
            raise ProxyError(400, f"{field}: Extra inputs are not permitted")
    thinking = body.thinks_with()
    if thinking and "block_binding" in thinking.model_fields_set and not caller.asks(BINDING_BETA):
        raise ProxyError(400, f"thinking.{thinking.type}.block_binding: Extra inputs are not permitted")


def _check_claude_code(body: Counted) -> None:
    first = body.system[0].text if body.system else ""
    if first != CLAUDE_CODE and not first.startswith(BILLING):
        raise ProxyError(400, ONLY_CLAUDE_CODE)
