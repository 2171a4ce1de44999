"""What AWS hands over, made an ASGI scope by Mangum's own handlers, with what they leave out put right.

    function URL, HTTP API (payload 2.0 and 1.0)     HTTPGateway
    REST API                                         APIGateway; its query arrives decoded, and is encoded again
    anything else: ALB, a queue, made by hand        MalformedEventError, a 400

Mangum needs members that AWS may leave out or send as null, unquotes the path without keeping the original, and says
ASGI 2.0, at which Starlette cancels an answer on `http.disconnect`. ALB events are refused: the client's address in
them is whatever the caller wrote into `X-Forwarded-For`.
"""

from typing import Any

from jiter import from_json
from mangum.handlers import APIGateway, HTTPGateway
from mangum.types import LambdaConfig, LambdaContext, LambdaEvent, Response, Scope

# Members that may be missing or null, and what they are otherwise.
_OPTIONAL: dict[str, type] = {
    "headers": dict,
    "multiValueHeaders": dict,
    "queryStringParameters": dict,
    "multiValueQueryStringParameters": dict,
    "rawPath": str,
    "rawQueryString": str,
    "cookies": list,
    "body": str,
    "isBase64Encoded": bool,
}
# What Mangum's handlers raise over members that are missing or of another type; ours is a ValueError.
_BROKEN = (KeyError, TypeError, ValueError, AttributeError)

CONFIG = LambdaConfig(
    api_gateway_base_path="/",
    text_mime_types=["text/", "application/json", "application/x-ndjson", "application/x-jsonl"],
    exclude_headers=[],
)


class MalformedEventError(ValueError):
    """An event that is no HTTP request, or not a whole one."""


class Gateway:
    """One event as Mangum's own handler for its kind reads and answers it; a handler for Mangum itself, too."""

    @classmethod
    def infer(cls, event: LambdaEvent, context: LambdaContext, config: LambdaConfig) -> bool:
        """Every event is ours: what Mangum alone would take for more is refused."""
        return True

    def __init__(self, event: object, context: Any, config: LambdaConfig = CONFIG) -> None:
        """Raises MalformedEventError."""
        whole = _complete(event)
        kind = next((kind for kind in (HTTPGateway, APIGateway) if kind.infer(whole, context, config)), None)
        if kind is None:
            raise MalformedEventError("the event is not from a function URL, an HTTP API or a REST API")
        self._handler = kind(whole, context, config)
        self._raw_path = whole.get("rawPath", whole.get("path"))

    @property
    def scope(self) -> Scope:
        """The ASGI scope. Raises MalformedEventError."""
        try:
            return _corrected(self._handler.scope, self._raw_path)
        except _BROKEN as error:
            raise MalformedEventError("a member of the event is missing or of the wrong type") from error

    @property
    def body(self) -> bytes:
        """The request's body. Raises MalformedEventError."""
        try:
            return self._handler.body
        except _BROKEN as error:
            raise MalformedEventError("the event's body is not what the event says") from error

    def __call__(self, response: Response) -> dict[str, Any]:
        """A whole answer in the form that this event's sender reads."""
        headers = [[name, _utf8(value)] for name, value in response["headers"]]
        return self._handler({**response, "headers": headers})


def parsed(document: bytes) -> object:
    """The event's JSON. Raises MalformedEventError."""
    try:
        return from_json(document, allow_inf_nan=False)
    except ValueError:
        raise MalformedEventError("the event is not JSON") from None


def streams(event: object, mode: str, *, local: bool) -> bool:
    """Whether the caller of this event takes a stream: `mode` is PROXY_RESPONSE_MODE, `local` AWS_SAM_LOCAL."""
    if mode != "auto":
        return mode == "stream"
    context = event.get("requestContext") if isinstance(event, dict) else None
    domain = context.get("domainName") if isinstance(context, dict) else None
    return not local and isinstance(domain, str) and ".lambda-url." in domain


def _complete(event: object) -> LambdaEvent:
    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict):
        raise MalformedEventError("the event is no HTTP request")
    complete = {name: value for name, value in event.items() if value is not None or name not in _OPTIONAL}
    for name, kind in _OPTIONAL.items():
        if not isinstance(complete.get(name, kind()), kind):
            raise MalformedEventError(f"the event's {name} is of the wrong type")
    return complete


def _corrected(scope: Scope, raw_path: object) -> Scope:
    path = scope["path"] if raw_path is None else raw_path
    if not isinstance(path, str) or not isinstance(scope["method"], str) or not isinstance(scope["client"][0], str):
        raise MalformedEventError("the event's path, method or sourceIp is missing or of the wrong type")
    return {
        **scope,
        "raw_path": path.encode() or b"/",
        "headers": [(name, value) for name, value in scope["headers"]],
        "asgi": {"version": "3.0", "spec_version": "2.4"},
    }


def _utf8(value: bytes) -> bytes:
    """Mangum reads header values as UTF-8; HTTP's own bytes are Latin-1."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1").encode()
    return value
