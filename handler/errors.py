"""Every error the proxy makes itself, and the two envelopes it leaves in.

    Anthropic   {"type":"error","error":{"type":T,"message":M,"details":{"field":F,"issue":I}},"request_id":R}
    OpenAI      {"error":{"message":M,"type":T,"param":F,"code":C}}

T follows from the status (PRODUCT.md 5, MAPPING 8). A message says what is wrong and what to do about it. It never
holds a secret, a path of the machine, the upstream's address or a traceback: whoever raises a `ProxyError` writes for
a stranger's eyes.
"""

import json
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

ANTHROPIC_TYPES: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        405: "invalid_request_error",
        409: "conflict_error",
        413: "request_too_large",
        415: "invalid_request_error",
        429: "rate_limit_error",
        431: "invalid_request_error",
        500: "api_error",
        501: "api_error",
        502: "api_error",
        503: "api_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)

# status: (type, code), MAPPING 8
OPENAI_TYPES: Mapping[int, tuple[str, str | None]] = MappingProxyType(
    {
        400: ("invalid_request_error", None),
        401: ("authentication_error", "invalid_api_key"),
        402: ("insufficient_quota", "insufficient_quota"),
        403: ("permission_error", None),
        404: ("invalid_request_error", None),
        405: ("invalid_request_error", None),
        409: ("conflict_error", None),
        413: ("invalid_request_error", "request_too_large"),
        415: ("invalid_request_error", None),
        429: ("rate_limit_error", "rate_limit_exceeded"),
        431: ("invalid_request_error", None),
        504: ("server_error", "timeout"),
        529: ("server_error", "overloaded"),
    }
)


class Shape(Enum):
    """Whose error body a route speaks."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"


class ProxyError(Exception):
    """A refusal or failure that becomes an answer.

    `status` is the HTTP status, `message` the sentence the caller reads, `field` the request field at fault (dotted,
    OpenAI's `param`), `issue` a short machine word about that field, `code` OpenAI's `code` where the status alone
    does not tell it, `headers` further response headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        field: str | None = None,
        issue: str = "invalid",
        code: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.issue = issue
        self.code = code
        self.headers = headers


def anthropic_body(error: ProxyError, request_id: str | None = None) -> bytes:
    """The error object of the Anthropic API; also the data of its `error` stream event."""
    inner: dict[str, object] = {"type": anthropic_type(error.status), "message": error.message}
    if error.field is not None:
        inner["details"] = {"field": error.field, "issue": error.issue}
    body: dict[str, object] = {"type": "error", "error": inner}
    if request_id is not None:
        body["request_id"] = request_id
    return _compact(body)


def openai_body(error: ProxyError) -> bytes:
    """The error object of the OpenAI API; also the data of its in-band stream error."""
    kind, code = openai_type(error.status)
    body = {"message": error.message, "type": kind, "param": error.field, "code": error.code or code}
    return _compact({"error": body})


def anthropic_type(status: int) -> str:
    """The Anthropic error type that belongs to an HTTP status."""
    return ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def openai_type(status: int) -> tuple[str, str | None]:
    """The OpenAI error type and default code that belong to an HTTP status."""
    return OPENAI_TYPES.get(status, ("invalid_request_error" if status < 500 else "server_error", None))


def body_for(shape: Shape, error: ProxyError, request_id: str) -> bytes:
    """The whole error body in the shape of the route that failed."""
    return openai_body(error) if shape is Shape.OPENAI else anthropic_body(error, request_id)


def _compact(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
