"""The runtime loop against a Runtime API that keeps every byte."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from handler.lambda_runtime import invocation, loop, refusal
from handler.lambda_runtime.api import RuntimeApi, RuntimeApiError
from handler.lambda_runtime.application import Application
from handler.lambda_runtime.loop import Sandbox
from handler.lambda_runtime.outlet import Buffered
from tests.lambda_.events import function_url, http_api, rest, with_json
from tests.lambda_.fake import FakeRuntimeApi, runtime_api
from tests.lambda_.program import App


class Running:
    def __init__(self, fake: FakeRuntimeApi, app: App, sandbox: Sandbox, task: "asyncio.Task[None]") -> None:
        self.fake = fake
        self.app = app
        self.sandbox = sandbox
        self.task = task


@asynccontextmanager
async def running(mode: str = "auto", margin: float = 10.0, **options: Any) -> AsyncIterator[Running]:
    async with runtime_api() as (fake, authority):
        app = App()
        sandbox = Sandbox(RuntimeApi(authority), Application(app, mode, margin), **options)
        task = asyncio.create_task(sandbox.serve())
        try:
            yield Running(fake, app, sandbox, task)
        finally:
            app.release.set()
            sandbox.stop()
            await asyncio.wait_for(task, 5)


async def test_a_streamed_answer_is_prelude_then_eight_nuls_then_one_chunk_per_message() -> None:
    async with running() as here:
        answer = await here.fake.invoke(function_url(path="/tokens"))
    assert answer.path == "/2018-06-01/runtime/invocation/request-1/response"
    assert answer.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert answer.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["trailer"] == "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"
    assert answer.chunks[0] == b'{"statusCode":200,"headers":{"content-type":"text/event-stream"},"cookies":[]}'
    assert answer.chunks[1] == bytes(8)
    assert answer.chunks[2:] == [b"data: %d\n\n" % number for number in range(5)] + [b"data: [DONE]\n\n"]
    assert answer.trailers == {}
    gaps = [later - earlier for earlier, later in zip(answer.times[2:], answer.times[3:], strict=False)]
    assert all(0.2 < gap < 0.6 for gap in gaps)


async def test_the_next_event_is_asked_for_only_after_the_acknowledgement() -> None:
    async with running() as here:
        here.fake.acknowledge_after = 0.2
        await here.fake.invoke(function_url(path="/empty"))
        await here.fake.invoke(http_api(path="/empty"))
    assert here.fake.order[:6] == ["next", "post", "acknowledged", "next", "post", "acknowledged"]


async def test_each_stream_has_a_connection_of_its_own_and_whole_answers_share_the_kept_one() -> None:
    async with running() as here:
        first = await here.fake.invoke(function_url(path="/echo"))
        second = await here.fake.invoke(function_url(path="/echo"))
        whole = [await here.fake.invoke(http_api(path="/echo")) for _ in range(3)]
    assert first.connection != second.connection
    assert {answer.connection for answer in whole} == {1}


async def test_the_lifespan_runs_once_for_all_events_and_its_state_reaches_each_of_them() -> None:
    async with running() as here:
        for _ in range(3):
            await here.fake.invoke(http_api())
        here.app.scopes[0]["state"]["seen"] = True
    assert (here.app.lifespans, here.app.stopped) == (1, 1)
    assert [scope["state"]["lives"] for scope in here.app.scopes] == [1, 1, 1]
    assert "seen" not in here.app.scopes[1]["state"]


async def test_la14_an_answer_without_a_body_ends_the_stream() -> None:
    async with running() as here:
        answer = await here.fake.invoke(function_url(path="/empty"))
    assert answer.prelude["statusCode"] == 204
    assert (answer.body, answer.complete) == (b"", True)


async def test_binary_passes_streamed_as_it_is_and_whole_in_base64() -> None:
    async with running() as here:
        streamed = await here.fake.invoke(function_url(path="/binary"))
        whole = await here.fake.invoke(http_api(path="/binary"))
    assert streamed.body == bytes(range(256)) * 2
    assert whole.document["isBase64Encoded"] is True
    assert base64.b64decode(whole.document["body"]) == bytes(range(256)) * 2


async def test_la6_cookies_duplicates_case_and_the_query_are_kept_in_both_directions() -> None:
    event = function_url(
        "POST",
        "/full/v1/x?limit=2&after_id=a%20b&beta",
        cookies=["one=1", "two=2"],
        headers={"X-Mixed": "Case", "x-many": "a,b"},
    )
    async with running() as here:
        answer = await here.fake.invoke(event)
        empty = await here.fake.invoke(function_url())
    seen = json.loads(answer.body)
    assert seen["query"] == "limit=2&after_id=a%20b&beta"
    assert ["cookie", "one=1; two=2"] in seen["headers"]
    assert ["x-mixed", "Case"] in seen["headers"]
    assert ["x-many", "a,b"] in seen["headers"]
    assert json.loads(empty.body)["query"] == ""
    assert answer.prelude["cookies"] == ["a=1", "b=2"]
    assert answer.prelude["headers"] == {
        "content-type": "application/json",
        "x-twice": "one, two",
        "x-latin": "café",
    }


async def test_the_client_is_the_source_address_and_never_what_a_header_says() -> None:
    async with running("buffer") as here:
        answers = [await here.fake.invoke(event()) for event in (function_url, http_api, rest)]
    assert [json.loads(answer.document["body"])["client"] for answer in answers] == ["198.51.100.7"] * 3


@pytest.mark.parametrize("event", [function_url, http_api, rest])
async def test_the_raw_path_is_the_one_that_was_sent(event: Any) -> None:
    async with running("buffer") as here:
        sent = event(path="/%6din/v1%2fmessages")
        if "requestContext" in sent and "http" in sent["requestContext"]:
            sent["requestContext"]["http"]["path"] = "/min/v1/messages"
        answer = await here.fake.invoke(sent)
    assert json.loads(answer.document["body"])["raw_path"] == "/%6din/v1%2fmessages"


@pytest.mark.parametrize("event", [function_url, http_api, rest])
async def test_la5_bodies_arrive_whole_as_text_as_base64_and_not_at_all(event: Any) -> None:
    async with running("buffer") as here:
        for body in ("häuser", b"\x00\xff{", None):
            await here.fake.invoke(event("POST", "/x", body))
    assert here.app.bodies == ["häuser".encode(), b"\x00\xff{", b""]


@pytest.mark.parametrize(
    "change",
    [
        {"headers": None},
        {"rawQueryString": None},
        {"body": None},
        {"cookies": None},
        {"isBase64Encoded": None},
        {"rawPath": None},
    ],
)
async def test_la5_members_that_are_null_are_taken_as_left_out(change: dict[str, Any]) -> None:
    left_out = {name: value for name, value in http_api(path="/echo").items() if name not in change}
    async with running() as here:
        nulls = await here.fake.invoke(http_api(path="/echo", **change))
        missing = await here.fake.invoke(left_out)
    for answer in (nulls, missing):
        assert answer.document["statusCode"] == 200
        assert json.loads(answer.document["body"])["path"] == "/echo"


MALFORMED = {
    "not JSON": b"{",
    "not UTF-8": b'{"a":"\xff"}',
    "a lone surrogate": b'{"version":"2.0","requestContext":{},"headers":{"a":"\\ud800"}}',
    "a list": [],
    "null": None,
    "text": "hello",
    "empty": {},
    "a queue": {"Records": [{"eventSource": "aws:sqs", "body": "x"}]},
    "a schedule": {"source": "aws.events", "detail": {}},
    "a load balancer": {"requestContext": {"elb": {}}, "path": "/", "httpMethod": "GET", "headers": {}},
    "context of another type": http_api(requestContext=[]),
    "no http": http_api(requestContext={"domainName": "x"}),
    "headers of another type": http_api(headers=[]),
    "a header that is a number": http_api(headers={"a": 1}),
    "a port that is none": http_api(headers={"host": "a:b"}),
    "half base64": http_api("POST", "/", body="abc", isBase64Encoded=True),
    "a body that is an object": http_api("POST", "/", body={}),
    "no address": http_api(requestContext={"http": {"method": "GET", "path": "/", "sourceIp": None}}),
    "rest without identity": rest(requestContext={}),
    "rest without a path": {name: value for name, value in rest().items() if name != "path"},
    "rest headers of another type": rest(multiValueHeaders={"a": 1, "b": [2]}),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_la5_a_malformed_event_is_a_clean_400_and_the_next_one_is_served(name: str) -> None:
    async with running() as here:
        refused = await here.fake.invoke(MALFORMED[name])
        good = await here.fake.invoke(http_api())
    assert refused.path.endswith("/response")
    assert refused.document["statusCode"] == 400
    assert refused.document["headers"]["content-type"] == "application/json"
    assert refused.document["headers"]["request-id"] == "request-1"
    error = json.loads(refused.document["body"])
    assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
    assert good.document["statusCode"] == 200
    assert len(here.app.scopes) == 1


async def test_la5_a_malformed_event_of_a_streaming_caller_is_a_streamed_400() -> None:
    async with running() as here:
        refused = await here.fake.invoke(function_url(headers={"a": 1}))
    assert refused.prelude["statusCode"] == 400
    assert json.loads(refused.body)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("mode", "local", "event", "streamed"),
    [
        ("auto", False, function_url(), True),
        ("auto", False, http_api(), False),
        ("auto", False, rest(), False),
        ("auto", True, function_url(), False),
        ("stream", False, http_api(), True),
        ("stream", True, http_api(), True),
        ("stream", False, rest(), True),
        ("buffer", False, function_url(), False),
    ],
)
async def test_who_gets_a_stream(mode: str, local: bool, event: Any, streamed: bool) -> None:
    async with running(mode, local=local) as here:
        answer = await here.fake.invoke(event)
    assert answer.streamed is streamed


async def test_a_204_on_next_is_polled_again() -> None:
    async with runtime_api() as (fake, authority):
        fake.empty_polls = 3
        sandbox = Sandbox(RuntimeApi(authority), Application(App()))
        task = asyncio.create_task(sandbox.serve())
        assert (await fake.invoke(http_api())).document["statusCode"] == 200
        assert fake.polls >= 4
        sandbox.stop()
        await asyncio.wait_for(task, 5)


async def test_a_kept_connection_that_died_in_a_freeze_is_replaced() -> None:
    async with running() as here:
        here.fake.close_after_answer = True
        answers = [await here.fake.invoke(http_api()) for _ in range(3)]
    assert [answer.document["statusCode"] for answer in answers] == [200] * 3


async def test_a_runtime_api_that_is_gone_ends_the_process() -> None:
    async with runtime_api() as (_, authority):
        pass
    with pytest.raises(RuntimeApiError):
        await Sandbox(RuntimeApi(authority), Application(App())).serve()


async def test_an_answer_waits_while_the_caller_is_behind() -> None:
    async with running() as here:
        here.fake.read_pause = asyncio.Event()
        done = here.fake.send(function_url(path="/large"))
        await here.fake.begun.wait()
        before = -1
        while before != here.app.sent:
            before = here.app.sent
            await asyncio.sleep(0.1)
        assert here.app.sent < 130
        here.fake.read_pause.set()
        answer = await asyncio.wait_for(done, 10)
    assert len(answer.body) == 160 * 65536


async def test_nothing_of_an_answer_is_lost_that_is_acknowledged_before_its_end() -> None:
    """As cargo-lambda does, whose caller may be behind."""
    async with running() as here:
        here.fake.acknowledge_early = True
        here.fake.seconds_a_chunk = 0.002
        answer = await here.fake.invoke(function_url(path="/large"))
    assert len(answer.body) == 160 * 65536


async def test_la8_a_whole_answer_too_large_for_lambda_is_an_error_that_says_so() -> None:
    async with running() as here:
        answer = await here.fake.invoke(http_api(path="/large"))
    assert answer.document["statusCode"] == 502
    assert "6 MB" in json.loads(answer.document["body"])["error"]["message"]


async def test_la8_of_a_whole_answer_too_large_nothing_is_kept() -> None:
    outlet = Buffered(RuntimeApi("127.0.0.1:1"), "request-1", "/v1/files/a/content", refusal.document)
    await outlet.start(200, [])
    for _ in range(100):
        await outlet.chunk(bytes(1 << 20))
    assert len(outlet._body) == 0


async def test_la10_a_failure_after_the_first_event_is_one_error_event_and_a_clean_end() -> None:
    async with running() as here:
        anthropic = await here.fake.invoke(function_url(path="/break"))
        openai = await here.fake.invoke(function_url(path="/openai/v1/break"))
    first, last = anthropic.body.split(b"\n\n", 1)
    assert first == b"data: 0"
    assert last.startswith(b'event: error\ndata: {"type":"error","error":{"type":"api_error"')
    assert openai.body.startswith(b'data: 0\n\ndata: {"error":{')
    for answer in (anthropic, openai):
        assert (answer.complete, answer.trailers) == (True, {})
        assert b"secret" not in answer.body


async def test_a_failure_within_any_other_body_is_told_in_the_trailers_and_the_connection_dropped() -> None:
    async with running() as here:
        cut = await here.fake.invoke(function_url(path="/breakplain"))
        good = await here.fake.invoke(function_url())
    assert cut.body == b"half"
    assert cut.trailers["lambda-runtime-function-error-type"] == "Proxy.AnswerCut"
    error = json.loads(base64.b64decode(cut.trailers["lambda-runtime-function-error-body"]))
    assert set(error) == {"errorType", "errorMessage", "stackTrace"}
    assert good.prelude["statusCode"] == 200


@pytest.mark.parametrize("path", ["/raise", "/break", "/breakplain"])
async def test_a_failure_of_a_whole_answer_is_a_complete_500(path: str) -> None:
    async with running() as here:
        answer = await here.fake.invoke(http_api(path=path))
    assert answer.document["statusCode"] == 500
    error = json.loads(answer.document["body"])
    assert error["error"]["type"] == "api_error"
    assert "secret" not in answer.document["body"]


async def test_a_failure_before_the_first_byte_is_a_complete_500_for_a_streaming_caller_too() -> None:
    async with running() as here:
        answer = await here.fake.invoke(function_url(path="/raise"))
    assert answer.prelude["statusCode"] == 500
    assert json.loads(answer.body)["type"] == "error"


async def test_la9_the_app_is_told_when_its_answer_must_have_ended() -> None:
    async with running(margin=7.0) as here:
        here.fake.deadline_seconds = 60.0
        await here.fake.invoke(http_api())
        now = time.monotonic()
    at = here.app.scopes[0]["extensions"]["claude_proxy.deadline"]["at"]
    assert at == pytest.approx(now + 53.0, abs=1.0)


async def test_a_deadline_that_is_no_time_of_day_is_taken_as_what_is_left() -> None:
    async with running() as here:
        here.fake.deadline_header = "600000"
        await here.fake.invoke(http_api())
        now = time.monotonic()
    at = here.app.scopes[0]["extensions"]["claude_proxy.deadline"]["at"]
    assert at == pytest.approx(now + 590.0, abs=1.0)


async def test_la9_an_app_that_overruns_is_cancelled_before_the_kill_and_ends_its_own_stream() -> None:
    async with running(margin=0.4) as here:
        here.fake.deadline_seconds = 0.8
        started = time.monotonic()
        answer = await here.fake.invoke(function_url(path="/obey"))
        assert time.monotonic() - started < 0.8
    assert answer.body == b"event: error\ndata: own\n\n"


async def test_la9_a_stream_that_its_app_leaves_open_is_ended_with_a_timeout_error() -> None:
    async with running(margin=0.4) as here:
        here.fake.deadline_seconds = 0.8
        answer = await here.fake.invoke(function_url(path="/hang"))
        assert here.app.cancelled.is_set()
    assert answer.body.startswith(b"data: 0\n\nevent: error\n")
    assert b'"timeout_error"' in answer.body
    assert answer.complete


@pytest.mark.parametrize("event", [function_url, http_api])
async def test_la9_a_plain_answer_that_does_not_come_is_a_504(event: Any) -> None:
    async with running(margin=0.4) as here:
        here.fake.deadline_seconds = 0.8
        answer = await here.fake.invoke(event(path="/hangplain"))
    status, body = (
        (answer.prelude["statusCode"], answer.body)
        if answer.streamed
        else (answer.document["statusCode"], answer.document["body"])
    )
    assert status == 504
    assert json.loads(body)["error"]["type"] == "timeout_error"


async def test_an_app_that_ignores_its_end_cannot_write_into_a_later_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "END_SECONDS", 0.05)
    async with running(margin=0.4) as here:
        here.fake.deadline_seconds = 0.8
        cut = await here.fake.invoke(function_url(path="/stubborn"))
        here.fake.deadline_seconds = 900.0
        here.app.release.set()
        good = await here.fake.invoke(function_url(path="/echo"))
    assert b"late" not in cut.body + good.body
    assert json.loads(good.body)["path"] == "/echo"


async def test_the_app_hears_of_a_caller_who_left() -> None:
    async with running() as here:
        here.fake.drop_stream_after = 2
        await here.fake.invoke(function_url(path="/left"))
        await asyncio.wait_for(here.app.left.wait(), 5)
        here.fake.drop_stream_after = None
        assert (await here.fake.invoke(function_url(path="/echo"))).prelude["statusCode"] == 200


async def test_the_disconnect_comes_only_after_the_end_of_a_whole_answer() -> None:
    async with running() as here:
        await here.fake.invoke(function_url(path="/after"))
        await asyncio.wait_for(here.app.left.wait(), 5)


async def test_la12_nothing_of_one_invocation_is_seen_in_the_next() -> None:
    async with running() as here:
        first = await here.fake.invoke(http_api(path="/echo"), "one")
        second = await here.fake.invoke(http_api(path="/echo"), "two")
    seen = [json.loads(answer.document["body"])["invocation"] for answer in (first, second)]
    assert seen == [{"request_id": "one", "cold": True}, {"request_id": "two", "cold": False}]
    assert here.app.scopes[0]["extensions"] is not here.app.scopes[1]["extensions"]


async def test_an_answer_that_the_runtime_api_refuses_does_not_end_the_process() -> None:
    async with running() as here:
        here.fake.status = "403 Forbidden"
        await here.fake.invoke(function_url())
        await here.fake.invoke(http_api())
        here.fake.status = "202 Accepted"
        assert (await here.fake.invoke(http_api())).document["statusCode"] == 200


async def test_cl7_a_stop_ends_an_idle_process_at_once() -> None:
    async with running() as here:
        await here.fake.polled.wait()
        here.sandbox.stop()
        await asyncio.wait_for(asyncio.shield(here.task), 1)
    assert here.app.stopped == 1


async def test_cl7_a_stop_lets_a_stream_end_that_is_about_to() -> None:
    async with running() as here:
        done = here.fake.send(function_url(path="/tokens"))
        await here.fake.begun.wait()
        await asyncio.sleep(0.9)
        here.sandbox.stop()
        answer = await asyncio.wait_for(done, 5)
        await asyncio.wait_for(asyncio.shield(here.task), 5)
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_cl7_a_stop_ends_a_longer_stream_with_an_error_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "STOP_SECONDS", 0.1)
    async with running() as here:
        done = here.fake.send(function_url(path="/hang"))
        await here.fake.begun.wait()
        here.sandbox.stop()
        answer = await asyncio.wait_for(done, 5)
        await asyncio.wait_for(asyncio.shield(here.task), 5)
    assert answer.body.startswith(b"data: 0\n\nevent: error\n")
    assert (answer.complete, here.app.stopped) == (True, 1)


async def test_a_failure_of_the_loop_itself_is_reported_and_the_next_event_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as here:

        def broken(*_: Any, **__: Any) -> bool:
            raise RuntimeError("a secret")

        with monkeypatch.context() as patch:
            patch.setattr(loop, "streams", broken)
            failed = await here.fake.invoke(http_api())
        good = await here.fake.invoke(with_json(http_api("POST"), {"a": 1}))
    assert failed.path.endswith("/error")
    assert failed.headers["lambda-runtime-function-error-type"] == "Proxy.Failed"
    assert b"secret" not in b"".join(failed.chunks)
    assert good.document["statusCode"] == 200
