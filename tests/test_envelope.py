"""What every request passes through, around an application of a few lines."""

import asyncio
import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from handler.envelope import MAX_HEADERS, Envelope
from handler.errors import ProxyError
from handler.presence import CallerLeftError
from handler.ratelimit.gcra import Quota
from handler.ratelimit.limiter import Limiter
from handler.telemetry import Telemetry, Visit
from tests.support.asgi import Sent, asked

NOW = 1_000_000.0


class Noted(Telemetry):
    """A log that keeps the visits."""

    def __init__(self) -> None:
        super().__init__("CRITICAL", b"salt", "envelope")
        self.visits: list[Visit] = []

    def record(self, visit: Visit) -> None:
        self.visits.append(visit)


def answering(status: int = 200, *headers: tuple[bytes, bytes], body: bytes = b"{}", then: Any = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": then is not None})
        if then is not None:
            raise then

    return app


def raising(error: BaseException) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    return app


def enveloped(app: Any, limiter: Limiter | None = None, hops: int = 0) -> tuple[Envelope, Noted]:
    noted = Noted()
    return Envelope(app, noted, limiter, hops), noted


async def answer_to(app: Any, path: str = "/v1/messages", **request: Any) -> Sent:
    return await asked(enveloped(app)[0], path, **request)


async def test_a_good_answer_gains_one_request_id_under_both_names():
    sent = await answer_to(answering())

    assert sent.headers[b"request-id"].startswith(b"req_")
    assert sent.headers[b"x-request-id"] == sent.headers[b"request-id"]
    assert (sent.status, sent.body) == (200, b"{}")


async def test_every_answer_has_an_id_of_its_own():
    assert len({(await answer_to(answering())).headers[b"request-id"] for _ in range(50)}) == 50


async def test_the_upstreams_request_id_stands():
    envelope, noted = enveloped(answering(200, (b"request-id", b"req_upstream")))
    sent = await asked(envelope, "/v1/messages")

    ids = [(name, value) for name, value in sent.messages[0]["headers"] if name.endswith(b"request-id")]
    assert ids == [(b"request-id", b"req_upstream"), (b"x-request-id", b"req_upstream")]
    assert noted.visits[0].request_id == "req_upstream"


ERRORS = [
    (ProxyError(400, "Words.", field="model"), 400, "invalid_request_error"),
    (ProxyError(502, "Words."), 502, "api_error"),
    (HTTPException(404), 404, "not_found_error"),
    (HTTPException(405, headers={"Allow": "POST, GET"}), 405, "invalid_request_error"),
    (ValueError("a secret: sk-ant-x"), 500, "api_error"),
    (RecursionError(), 500, "api_error"),
    (asyncio.CancelledError(), 503, "api_error"),
]


@pytest.mark.parametrize(("error", "status", "kind"), ERRORS, ids=lambda value: type(value).__name__)
async def test_whatever_is_raised_becomes_a_whole_answer(error: BaseException, status: int, kind: str):
    sent = await answer_to(raising(error))

    body = json.loads(sent.body)
    assert (sent.status, body["error"]["type"]) == (status, kind)
    assert body["request_id"] == sent.headers[b"request-id"].decode()
    assert sent.headers[b"content-type"] == b"application/json"
    assert int(sent.headers[b"content-length"]) == len(sent.body)
    assert b"sk-ant-x" not in sent.body
    assert not sent.messages[-1].get("more_body")


@pytest.mark.parametrize(
    ("path", "openai"),
    [
        ("/v1/messages", False),
        ("/min/v1/messages", False),
        ("/nowhere", False),
        ("/v1/chat/completions", True),
        ("/full/v1/chat/completions", True),
        ("/pt/v1/chat/completions", True),
        ("/openai/v1/chat/completions", True),
        ("/min/openai/v1/nowhere", True),
        ("/openai/nowhere", True),
        ("/openaix/v1", False),
        ("/minx/openai/v1", False),
        ("/min/min/openai/v1", False),
    ],
)
async def test_an_error_has_the_shape_of_its_route(path: str, openai: bool):
    body = json.loads((await answer_to(raising(HTTPException(404)), path)).body)
    assert ("type" not in body and "code" in body["error"]) is openai


async def test_a_wrong_method_is_told_the_right_ones():
    sent = await answer_to(raising(HTTPException(405, headers={"Allow": "POST, GET"})))
    assert sent.headers[b"allow"] == b"GET, POST"


async def test_an_errors_own_headers_are_sent():
    sent = await answer_to(raising(ProxyError(429, "Words.", headers={"Retry-After": "7"})))
    assert sent.headers[b"retry-after"] == b"7"


@pytest.mark.parametrize("error", [ProxyError(502, "Words."), ValueError()], ids=["ours", "unexpected"])
async def test_an_error_after_the_start_sends_nothing_more_and_is_noted(error: Exception):
    envelope, noted = enveloped(answering(then=error))
    sent = await asked(envelope, "/v1/messages")

    assert [message["type"] for message in sent.messages] == ["http.response.start", "http.response.body"]
    assert noted.visits[0].status == 200
    assert noted.visits[0].failure == (502 if isinstance(error, ProxyError) else 500)


async def test_who_left_is_answered_nothing_and_noted_as_499():
    envelope, noted = enveloped(raising(CallerLeftError()))
    sent = await asked(envelope, "/v1/messages")

    assert sent.messages == []
    assert noted.visits[0].status == 499


async def test_an_unexpected_error_is_logged_without_its_words(capsys: pytest.CaptureFixture[str]):
    telemetry = Telemetry("ERROR", b"salt", "envelope-of-an-unexpected-error")
    await asked(Envelope(raising(ValueError("a secret: sk-ant-x")), telemetry, None, 0), "/v1/messages")

    output = capsys.readouterr().out
    line = json.loads(output)
    assert (line["level"], line["error"]) == ("ERROR", "ValueError")
    assert line["at"].startswith("app:")
    assert "sk-ant-x" not in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    "path",
    ["/v1/%6dessages", "/v1/../x", "/./x", "/x/.", "/x/..", "//x", "/x//y", "/x;y", "/x\\y", "/x y", "/x%00", "x",
     "/\u00e9", "/x\n", "/x|y", "/{x}", "/x#y", '/"', "/<x>", "*", ""],
)  # fmt: skip
async def test_a_path_that_decoding_would_change_is_no_route(path: str):
    sent = await answer_to(answering(), "/decoded", raw_path=path.encode())
    assert sent.status == 404 if path else sent.status == 200


@pytest.mark.parametrize("path", ["/", "/x", "/x/", "/x-y_z.1~2", "/a:b@c", "/...", "/.env", "/a..b", "/..a", "/x=1,2"])
async def test_a_plain_path_is_let_through(path: str):
    assert (await answer_to(answering(), path)).status == 200


async def test_a_server_that_gives_no_raw_path_is_served():
    assert (await answer_to(answering(), raw_path=None)).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"x", b"")] * MAX_HEADERS, 200),
        ([(b"x", b"")] * (MAX_HEADERS + 1), 431),
        ([(b"x", b"a" * 60_000)], 200),
        ([(b"x", b"a" * 70_000)], 431),
        ([(b"x", b"a" * 700)] * 100, 431),
    ],
)
async def test_headers_have_a_limit(headers: list[tuple[bytes, bytes]], status: int):
    assert (await answer_to(answering(), headers=headers)).status == status


def limited() -> Limiter:
    return Limiter(Quota(2, 1), clock=lambda: NOW)


async def test_each_answer_says_what_is_left_and_the_last_ones_when_to_return():
    envelope, _ = enveloped(answering(), limited())
    sent = [await asked(envelope, "/v1/messages") for _ in range(4)]

    figures = [
        (each.status, each.headers[b"x-ratelimit-limit"], each.headers[b"x-ratelimit-remaining"]) for each in sent
    ]
    assert figures == [(200, b"2", b"1"), (200, b"2", b"0"), (200, b"2", b"0"), (429, b"2", b"0")]
    assert [int(each.headers[b"x-ratelimit-reset"]) for each in sent] == [1_000_030, 1_000_060, 1_000_090, 1_000_090]
    assert [each.headers.get(b"retry-after") for each in sent] == [None, None, None, b"30"]


async def test_an_error_carries_the_figures_too():
    envelope, _ = enveloped(raising(ProxyError(400, "Words.")), limited())
    assert (await asked(envelope, "/v1/messages")).headers[b"x-ratelimit-remaining"] == b"1"


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("GET", "/health", False),
        ("HEAD", "/", False),
        ("HEAD", "/min", False),
        ("HEAD", "/min/", False),
        ("HEAD", "/pt/api/hello", False),
        ("GET", "/", True),
        ("GET", "/min/health", True),
        ("GET", "/health/", True),
        ("HEAD", "/v1/messages", True),
        ("GET", "/nowhere", True),
    ],
)
async def test_all_but_health_and_the_warm_ups_is_counted(method: str, path: str, counted: bool):
    envelope, _ = enveloped(answering(), limited())
    for _ in range(3):
        await asked(envelope, path, method=method)
    assert ((await asked(envelope, "/v1/messages")).status == 429) is counted


async def test_each_client_has_a_budget_of_its_own():
    envelope, noted = enveloped(answering(), limited(), hops=1)
    for client in range(4):
        headers = [(b"x-forwarded-for", b"198.51.100.%d" % client)]
        assert (await asked(envelope, "/v1/messages", headers=headers)).headers[b"x-ratelimit-remaining"] == b"1"
    assert len({visit.caller for visit in noted.visits}) == 4


async def test_a_connection_without_a_peer_is_one_client():
    envelope, _ = enveloped(answering(), limited())
    statuses = [(await asked(envelope, "/v1/messages", client=None)).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


async def test_the_lifespan_is_the_applications_own():
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await enveloped(app)[0]({"type": "lifespan"}, None, None)
    assert seen == ["lifespan"]
