"""The answers the runtime gives itself: a malformed event, a start that failed, an app that failed or overran."""

from mangum.types import Response

from handler.errors import ProxyError, Shape, anthropic_body, body_for, openai_body
from handler.sse import encode

MALFORMED = ProxyError(400, "The event is not a whole HTTP request from a function URL, an HTTP API or a REST API.")
NOT_STARTED = ProxyError(503, "The function could not start; its log says why.")
FAILED = ProxyError(500, "The proxy failed on this request.")
OVERRAN = ProxyError(504, "The time limit of this deployment ran out before the answer was complete.")
STOPPING = ProxyError(503, "The proxy is shutting down.")
TOO_LARGE = ProxyError(502, "The answer is larger than Lambda lets through unless it is streamed (6 MB).")


def shape_of(path: str) -> Shape:
    """Whose error body a path's callers read."""
    openai = "/openai/" in path or path.endswith("/v1/chat/completions")
    return Shape.OPENAI if openai else Shape.ANTHROPIC


def whole(error: ProxyError, path: str, request_id: str) -> Response:
    """The error as a complete answer."""
    name = request_id.encode()
    headers = [[b"content-type", b"application/json"], [b"request-id", name], [b"x-request-id", name]]
    return {"status": error.status, "headers": headers, "body": body_for(shape_of(path), error, request_id)}


def last_event(error: ProxyError, path: str, request_id: str) -> bytes:
    """The error as the last event of a stream that has begun."""
    if shape_of(path) is Shape.OPENAI:
        return b"data: " + openai_body(error) + b"\n\n"
    return encode("error", anthropic_body(error, request_id))


def document(answer: Response) -> dict[str, object]:
    """A whole answer in the form that every caller of a function understands, for events of no known kind."""
    return {
        "statusCode": answer["status"],
        "headers": {name.decode(): value.decode() for name, value in answer["headers"]},
        "body": answer["body"].decode(),
        "isBase64Encoded": False,
    }
