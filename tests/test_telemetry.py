"""The one line of each request, and what is warned of."""

import itertools
import json
import logging
import re
import time
from typing import Any

import pytest

from handler.errors import Shape
from handler.telemetry import Telemetry, Visit

_numbers = itertools.count()


def telemetry(level: str = "INFO", *, salt: bytes = b"salt", metrics: bool = False) -> Telemetry:
    """A log of its own: loggers live as long as the process, by their name, and write where stdout was at first."""
    return Telemetry(level, salt, f"test-{next(_numbers)}", metrics=metrics)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    """Reads the lines written since the last call."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def visit(**facts: Any) -> Visit:
    return Visit("req_1", Shape.ANTHROPIC, **facts)


def test_a_request_leaves_one_line_with_its_facts(lines: Any):
    started = time.perf_counter() - 2
    log = telemetry()
    log.record(
        visit(
            started=started,
            first_byte=started + 0.25,
            route="/v1/messages",
            mode="full",
            status=200,
            caller="c",
            usage={"input_tokens": 3, "output_tokens": 5},
        )
    )

    (line,) = lines()
    assert line["message"] == "request"
    assert (line["route"], line["mode"], line["status"]) == ("/v1/messages", "full", 200)
    assert (line["request_id"], line["caller"], line["service"]) == ("req_1", "c", log.log.service)
    assert (line["input_tokens"], line["output_tokens"]) == (3, 5)
    assert line["first_byte_ms"] == 250.0
    assert line["duration_ms"] >= 2000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+Z].*", line["timestamp"])


def test_a_request_without_an_answer_has_no_first_byte(lines: Any):
    telemetry().record(visit(status=499))
    assert "first_byte_ms" not in lines()[0]


@pytest.mark.parametrize(
    ("facts", "name", "value"),
    [
        ({"losses": ("seed", "logit_bias")}, "dropped", "seed,logit_bias"),
        ({"failure": 502}, "failed_after_start", 502),
        ({"invocation": "i-1"}, "function_request_id", "i-1"),
        ({"invocation": "i-1", "cold_start": True}, "cold_start", True),
    ],
)
def test_a_fact_is_told_where_there_is_one(lines: Any, facts: Any, name: str, value: Any):
    log = telemetry()
    log.record(visit(**facts))
    log.record(visit())

    with_fact, without = lines()
    assert with_fact[name] == value
    assert name not in without


def test_below_its_level_no_request_is_logged(lines: Any):
    telemetry("ERROR").record(visit())
    assert lines() == []


def test_a_clients_name_is_stable_within_a_deployment_and_meaningless_outside():
    one, other = (telemetry(salt=salt) for salt in (b"one", b"other"))

    assert one.pseudonym("198.51.100.1") == one.pseudonym("198.51.100.1")
    assert one.pseudonym("198.51.100.1") != one.pseudonym("198.51.100.2")
    assert one.pseudonym("198.51.100.1") != other.pseudonym("198.51.100.1")
    assert re.fullmatch("[0-9a-f]{16}", one.pseudonym("2001:db8::/64"))


def test_rl11_of_a_failing_table_one_warning_tells_and_one_line_of_its_return(lines: Any):
    log = telemetry()
    for works in (True, False, False, True, True, False):
        log.limit_store(works)

    assert [line["level"] for line in lines()] == ["WARNING", "INFO", "WARNING"]


def test_what_libraries_say_of_requests_stays_unsaid():
    telemetry("DEBUG")
    for name in ("httpx", "httpcore", "botocore", "urllib3", "uvicorn.access", "asyncio"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)


def test_on_lambda_a_request_is_counted_in_cloudwatchs_format(lines: Any):
    telemetry("ERROR", metrics=True).record(
        visit(status=200, failure=502, losses=("seed",), usage={"input_tokens": 3, "output_tokens": 5})
    )

    counted, dropped = lines()
    figures = {name: counted[name] for name in ("Requests", "ServerErrors", "BrokenStreams", "InputTokens")}
    assert figures == {"Requests": [1], "ServerErrors": [1], "BrokenStreams": [1], "InputTokens": [3]}
    assert (dropped["Dropped"], dropped["loss"]) == ([1], "seed")
    assert counted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ClaudeCodeProxy"


@pytest.mark.parametrize(
    ("status", "name"),
    [(200, None), (401, "Unauthorized"), (429, "RateLimited"), (500, "ServerErrors"), (529, "ServerErrors")],
)
def test_a_refusal_is_counted_by_its_kind(lines: Any, status: int, name: str | None):
    telemetry("ERROR", metrics=True).record(visit(status=status))

    kinds = ("Unauthorized", "RateLimited", "ServerErrors", "BrokenStreams")
    (counted,) = lines()
    assert [kind for kind in kinds if counted[kind] != [0]] == ([name] if name else [])
