"""The whole proxy in the runtime loop, against a Runtime API that keeps every byte."""

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from handler.lambda_runtime.api import RuntimeApi
from handler.lambda_runtime.application import Application, build
from handler.lambda_runtime.loop import Sandbox
from handler.simulator import create_simulator
from tests.lambda_.emulators import PROXY, TOKEN, environment
from tests.lambda_.events import function_url, http_api, with_json
from tests.lambda_.fake import FakeRuntimeApi, runtime_api
from tests.support.raw_upstream import EVENTS, raw_upstream
from tests.support.server import serving

_NUMBERS = itertools.count()
SECRETS = ("simulate:", TOKEN, "sk-ant-")


def event(script: str = "Hi", kind: Any = function_url, path: str = "/min/v1/messages", **body: Any) -> dict[str, Any]:
    whole = {"model": "claude-opus-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": script}], **body}
    return with_json(kind("POST", path), whole, **{"x-api-key": TOKEN})


def stream(script: str, path: str = "/min/v1/messages") -> dict[str, Any]:
    return event(f"simulate: {script}", path=path, stream=True)


class Started(Application):
    """An app that another loop starts and stops."""

    def __init__(self, other: Application) -> None:
        super().__init__(other, other.mode, other.margin)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@asynccontextmanager
async def proxy(
    upstream: str, monkeypatch: pytest.MonkeyPatch, *, loops: int = 1, **values: str
) -> AsyncIterator[FakeRuntimeApi]:
    """The app of one process, and so many loops that take events for it."""
    # Powertools keeps one log handler a service name, with the standard output of its first test.
    own = {"AWS_LAMBDA_FUNCTION_NAME": f"proxy-{next(_NUMBERS)}", "UPSTREAM_BASE_URL": upstream}
    for name, value in environment(**own, **values).items():
        monkeypatch.setenv(name, value)
    async with runtime_api() as (fake, authority):
        application = build()
        sandboxes = [Sandbox(RuntimeApi(authority), application)]
        sandboxes += [Sandbox(RuntimeApi(authority), Started(application)) for _ in range(loops - 1)]
        tasks = [asyncio.create_task(sandbox.serve()) for sandbox in sandboxes]
        try:
            yield fake
        finally:
            for sandbox in reversed(sandboxes):
                sandbox.stop()
            await asyncio.wait_for(asyncio.gather(*tasks), 10)


@pytest.fixture
async def simulator() -> AsyncIterator[str]:
    async with serving(create_simulator()) as url:
        yield url


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"level"')]


async def flood(_: Any, wire: Any) -> None:
    """An upstream that says nothing, at any length."""
    wire.write(EVENTS)
    with suppress(ConnectionError):
        while True:
            wire.chunk(b": " + b"x" * 65536 + b"\n\n")
            await wire.drain()


async def test_la9_a_stream_is_ended_with_a_timeout_error_before_the_kill(
    simulator: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async with proxy(simulator, monkeypatch, DEADLINE_MARGIN_SECONDS="2") as fake:
        fake.deadline_seconds = 3
        answer = await fake.invoke(stream('{"text": "one two three four five six", "pace": 0.4}'))
    assert answer.body.count(b"event: error") == 1
    assert answer.body.rstrip().endswith(b"}")
    last = json.loads(answer.body.rpartition(b"data: ")[2])
    assert last["error"]["type"] == "timeout_error"
    assert b"message_stop" not in answer.body
    assert answer.times[-1] - answer.times[0] < 2
    (line,) = lines(capfd.readouterr().out)
    assert (line["status"], line["failed_after_start"]) == (200, 504)


async def test_la9_the_upstream_is_dropped_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(_: Any, wire: Any) -> None:
        wire.write(EVENTS)
        wire.chunk(b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n')
        await wire.gone(5)

    margin = {"DEADLINE_MARGIN_SECONDS": "2"}
    async with raw_upstream(endless) as upstream, proxy(upstream.url, monkeypatch, **margin) as fake:
        fake.deadline_seconds = 2.5
        await fake.invoke(stream("{}"))
        await upstream.until_idle(2)


@pytest.mark.parametrize("kind", [function_url, http_api])
async def test_la9_a_plain_request_gets_504_before_the_kill(
    simulator: str, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    async with proxy(simulator, monkeypatch, DEADLINE_MARGIN_SECONDS="2") as fake:
        fake.deadline_seconds = 2.5
        answer = await fake.invoke(event('simulate: {"wait": 20}', kind))
    status = answer.prelude["statusCode"] if answer.streamed else answer.document["statusCode"]
    body = answer.body if answer.streamed else answer.document["body"]
    assert status == 504
    assert json.loads(body)["error"]["type"] == "timeout_error"


@pytest.mark.parametrize("seconds", [1.5, 3.0], ids=["until the deadline", "until the guard"])
async def test_la9_a_caller_who_stands_still_gets_one_error_event_and_no_more(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_upstream(flood) as upstream, proxy(upstream.url, monkeypatch, DEADLINE_MARGIN_SECONDS="3") as fake:
        fake.deadline_seconds = 4
        fake.read_pause = asyncio.Event()
        answer = fake.send(stream("{}"))
        await fake.begun.wait()
        await asyncio.sleep(seconds)
        fake.read_pause.set()
        assert (await asyncio.wait_for(answer, 10)).body.count(b"event: error") == 1


async def test_la9_a_plain_answer_that_is_cut_has_no_event_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = b'{"type":"message","x":"' + b"y" * 20_000_000 + b'"}'

    async def large(_: Any, wire: Any) -> None:
        wire.json(whole)
        await wire.drain()

    async with raw_upstream(large) as upstream, proxy(upstream.url, monkeypatch, DEADLINE_MARGIN_SECONDS="2") as fake:
        fake.deadline_seconds = 3
        fake.read_pause = asyncio.Event()
        answer = fake.send(event())
        await fake.begun.wait()
        await asyncio.sleep(1.5)
        fake.read_pause.set()
        body = (await asyncio.wait_for(answer, 10)).body
    assert whole.startswith(body)


async def test_la9_a_models_list_gets_504_before_the_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: Any, wire: Any) -> None:
        await wire.gone(5)

    margin = {"DEADLINE_MARGIN_SECONDS": "2"}
    async with raw_upstream(silent) as upstream, proxy(upstream.url, monkeypatch, **margin) as fake:
        fake.deadline_seconds = 2.5
        event = function_url("GET", "/openai/v1/models")
        event["headers"]["x-api-key"] = TOKEN
        answer = await fake.invoke(event)
    assert answer.prelude["statusCode"] == 504
    assert "time limit" in json.loads(answer.body)["error"]["message"]


async def test_la12_nothing_of_one_invocation_is_in_the_next(
    simulator: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async with proxy(simulator, monkeypatch) as fake:
        cut = stream('{"text": "one two", "cut": "reset", "after": 4}')
        first = await fake.invoke(cut, "first")
        second = await fake.invoke(event("Hi"), "second")
    assert first.body.count(b"event: error") == 1
    assert json.loads(second.body)["type"] == "message"
    assert first.prelude["headers"]["request-id"] != second.prelude["headers"]["request-id"]
    one, other = [line for line in lines(capfd.readouterr().out) if line["message"] == "request"]
    assert (one["function_request_id"], one["cold_start"]) == ("first", True)
    assert (other["function_request_id"], other["cold_start"]) == ("second", False)
    assert "failed_after_start" not in other
    assert other["request_id"] == second.prelude["headers"]["request-id"]


async def test_la13_two_invocations_at_once_share_nothing(
    simulator: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As under SAM's warm containers and on managed instances: a second loop takes events for the same app."""
    said = {f"request-{number}": f"word{number} of {number}" for number in range(8)}
    async with proxy(simulator, monkeypatch, loops=2) as fake:
        asked = {name: stream(json.dumps({"text": text, "pace": 0.05})) for name, text in said.items()}
        answers = await asyncio.gather(*(fake.invoke(event, name) for name, event in asked.items()))
    assert answers[0].times[0] < answers[1].times[-1]
    assert answers[1].times[0] < answers[0].times[-1]
    for name, answer in zip(said, answers, strict=True):
        events = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]
        deltas = [one["delta"]["text"] for one in events if one["type"] == "content_block_delta"]
        assert "".join(deltas) == said[name]
    told = {line["function_request_id"]: line for line in lines(capfd.readouterr().out) if line["message"] == "request"}
    assert told.keys() == said.keys()
    ids = {name: answer.prelude["headers"]["request-id"] for name, answer in zip(said, answers, strict=True)}
    assert {name: line["request_id"] for name, line in told.items()} == ids
    assert len(set(ids.values())) == len(said)


LOUD = {
    "POWERTOOLS_DEV": "true",  # which silences the metrics
    "POWERTOOLS_DEBUG": "true",
    "POWERTOOLS_TRACER_CAPTURE_RESPONSE": "true",
    "POWERTOOLS_TRACER_CAPTURE_ERROR": "true",
    "POWERTOOLS_TRACE_DISABLED": "false",
}


@pytest.mark.filterwarnings("ignore:POWERTOOLS_DEV:UserWarning")
@pytest.mark.parametrize(("switches", "told"), [({}, '"ClaudeCodeProxy"'), (LOUD, '"request"')])
async def test_lo1_lo6_lo8_nothing_that_was_said_is_in_the_log_or_the_metrics(
    simulator: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    switches: dict[str, str],
    told: str,
) -> None:
    switches = {"LOG_LEVEL": "DEBUG", "POWERTOOLS_LOGGER_LOG_EVENT": "true", **switches}
    async with proxy(simulator, monkeypatch, **switches) as fake:
        await fake.invoke(stream('{"text": "the answer is secret"}', "/openai/v1/chat/completions"))
        await fake.invoke({"nonsense": TOKEN})
    out = "".join(capfd.readouterr())
    assert not [secret for secret in (*SECRETS, "secret", "nonsense") if secret in out]
    assert told in out


async def test_cl8_a_caller_who_is_gone_without_a_word_costs_no_more_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lambda tells nobody: its end of the answer is just not read any more."""

    margin = {"DEADLINE_MARGIN_SECONDS": "1"}
    async with raw_upstream(flood) as upstream, proxy(upstream.url, monkeypatch, **margin) as fake:
        fake.deadline_seconds = 2.5
        fake.read_pause = asyncio.Event()
        fake.send(stream("{}"))
        await fake.begun.wait()
        await upstream.until_idle(4)
        fake.read_pause.set()


async def test_a_loss_is_a_metric_of_its_own(
    simulator: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async with proxy(simulator, monkeypatch) as fake:
        answer = await fake.invoke(event(path="/openai/v1/chat/completions", seed=7))
    assert answer.prelude["headers"]["x-dropped"] == "seed"
    metrics = [json.loads(line) for line in capfd.readouterr().out.splitlines() if '"_aws"' in line]
    assert [(each["loss"], each["Dropped"]) for each in metrics if "Dropped" in each] == [("seed", [1.0])]


@asynccontextmanager
async def program(authority: str, upstream: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The proxy as Lambda starts it, a process of its own."""
    env = environment(UPSTREAM_BASE_URL=upstream, AWS_LAMBDA_RUNTIME_API=authority)
    process = await asyncio.create_subprocess_exec(*PROXY.command(), env=env, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        await asyncio.wait_for(process.wait(), 10)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot freeze a process")
async def test_la2_a_freeze_in_mid_stream_is_survived(simulator: str) -> None:
    async with runtime_api() as (fake, authority), program(authority, simulator) as process:
        answering = fake.send(stream('{"text": "one two three four", "pace": 0.2}'))
        await asyncio.wait_for(fake.begun.wait(), 10)
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(2)
        process.send_signal(signal.SIGCONT)
        answer = await asyncio.wait_for(answering, 10)
    assert answer.complete
    assert b"message_stop" in answer.body or answer.body.count(b"event: error") == 1


async def test_la1_a_connection_that_the_upstream_closed_during_a_freeze_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wires = []

    async def answer(_: Any, wire: Any) -> None:
        wires.append(wire)
        wire.json(b'{"type":"message"}')

    async with raw_upstream(answer) as upstream, proxy(upstream.url, monkeypatch) as fake:
        await fake.invoke(event())
        wires[0].reset()
        await upstream.until_idle()
        thawed = await fake.invoke(event())
        assert len(upstream.requests) == 2
    assert thawed.prelude["statusCode"] == 200


async def test_sigterm_during_a_stream_ends_it_properly_and_the_process_soon(simulator: str) -> None:
    async with runtime_api() as (fake, authority), program(authority, simulator) as process:
        answering = fake.send(stream(json.dumps({"text": "word " * 40, "pace": 0.2})))
        await asyncio.wait_for(fake.begun.wait(), 10)
        process.terminate()
        answer = await asyncio.wait_for(answering, 5)
        await asyncio.wait_for(process.wait(), 5)
    assert answer.complete
    assert answer.body.count(b"event: error") == 1
    assert process.returncode == 0


async def test_without_a_runtime_api_the_loop_says_what_it_is_for() -> None:
    env = {**os.environ, "AWS_LAMBDA_RUNTIME_API": ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "handler.lambda_runtime", env=env, stderr=asyncio.subprocess.PIPE
    )
    _, error = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"runs inside AWS Lambda" in error
