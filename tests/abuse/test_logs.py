"""What the log holds, and what it never does (FAULTS.md H, LO-1 to LO-5)."""

import re
from collections.abc import Iterator

import pytest

from tests.abuse.story import ESCAPES, WORDS, Story, pieces, told
from tests.support.raw_client import Answer

# What a developer switches on when something does not work.
SWITCHES = {
    "LOG_LEVEL": "DEBUG",
    "POWERTOOLS_DEBUG": "true",
    "POWERTOOLS_DEV": "true",
    "POWERTOOLS_LOGGER_LOG_EVENT": "true",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONDEVMODE": "1",
    "UVICORN_LOG_LEVEL": "trace",
    "HTTPX_LOG_LEVEL": "trace",
}
LEVELS = {"INFO": {"LOG_LEVEL": "INFO"}, "DEBUG": {"LOG_LEVEL": "DEBUG"}, "every switch": SWITCHES}

FACTS = {"route", "mode", "status", "duration_ms", "first_byte_ms", "request_id", "caller"}


@pytest.fixture(scope="module", params=LEVELS.values(), ids=LEVELS)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    yield told(tmp_path_factory.mktemp("log"), **request.param)


@pytest.mark.parametrize("name", WORDS)
def test_lo1_lo2_no_secret_and_nothing_said_is_logged_whole_cut_or_encoded(story: Story, name: str):
    assert not [piece for piece in pieces(WORDS[name]) if piece in story.output]


def test_lo1_the_upstreams_address_is_not_logged(story: Story):
    begun = story.output.partition("(Ctrl-C ends it)")[2]
    assert "127.0.0.1" not in begun
    assert "localhost" not in begun


def test_lo3_no_line_is_forged_and_nothing_escapes(story: Story):
    assert not [escape for escape in ESCAPES if escape in story.output]
    assert "FORGED" not in story.output


def test_lo4_nothing_unexpected_is_logged(story: Story):
    assert not re.search(r"Traceback|unexpected|Exception|never retrieved|Error\b", story.output)
    assert {line["level"] for line in story.lines} == {"INFO"}


def answered(story: Story) -> list[Answer]:
    """The application's answers; what is no HTTP, the server refuses in its own words."""
    others = {answer.body for answer in story.answers if "request-id" not in answer.headers}
    assert others <= {b"Invalid HTTP request received."}
    return [answer for answer in story.answers if "request-id" in answer.headers]


def test_lo5_every_request_has_one_line_with_its_facts(story: Story):
    for answer in answered(story):
        line = story.line_of(answer)
        assert set(line) >= FACTS
        assert line["status"] == answer.status
        assert 0 <= line["first_byte_ms"] <= line["duration_ms"] < 10_000
        assert re.fullmatch(r"[0-9a-f]{16}", line["caller"])


def test_lo5_a_line_names_route_and_mode_and_not_the_path(story: Story):
    routes = {(line["route"], line["mode"]) for line in story.lines}

    assert {("/v1/messages", "full"), ("/v1/messages", "min"), ("/v1/messages", "pt")} <= routes
    assert {("/v1/chat/completions", "full"), ("/v1/models", "full"), ("/v1/models/{id}", "full")} <= routes
    assert all(re.fullmatch(r"none|/[a-z0-9_/{}:]*", route) for route, _ in routes)
    assert {mode for _, mode in routes} <= {"full", "min", "pt", "none"}


def test_lo5_a_good_answers_line_counts_its_tokens(story: Story):
    for answer in (answer for answer in answered(story) if answer.status == 200 and b"stop" in answer.body):
        line = story.line_of(answer)
        assert line["input_tokens"] > 0
        assert line["output_tokens"] > 0


def test_lo5_an_answer_that_failed_after_its_start_says_so(story: Story):
    failed = [line for line in story.lines if "failed_after_start" in line]

    assert {line["status"] for line in failed} == {200}
    assert {line["failed_after_start"] for line in failed} >= {502}


def test_lo5_who_left_has_a_line_too(story: Story):
    assert [line for line in story.lines if line["status"] == 499 and line["route"] == "/v1/messages"]


def test_all_requests_of_one_client_have_one_name(story: Story):
    assert len({line["caller"] for line in story.lines}) == 1
