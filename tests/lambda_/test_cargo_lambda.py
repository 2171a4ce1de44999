"""Through cargo-lambda's emulator, which streams: the runtime loop, and the whole proxy as it is deployed."""

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from handler.simulator import create_simulator
from tests.lambda_ import artifact
from tests.lambda_.emulators import PROGRAM, PROXY, TOKEN, Loop, streaming
from tests.support.server import served

pytestmark = pytest.mark.cargo_lambda

BINARY = {"content-type": "application/octet-stream"}
SCRIPT = 'simulate: {"text": "one two three four", "pace": 0.3}'


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with streaming(PROGRAM, tmp_path_factory.mktemp("program")) as url:
        yield url


@pytest.fixture(scope="module", params=["source", "artifact"])
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    loop: Loop = PROXY
    if request.param == "artifact":
        loop = artifact.deployed(request.getfixturevalue("artifact_folder"))
    with served(create_simulator()) as upstream:
        folder = tmp_path_factory.mktemp(request.param)
        with streaming(loop, folder, UPSTREAM_BASE_URL=upstream) as url:
            yield url


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_tokens_arrive_as_far_apart_as_they_were_sent(program: str) -> None:
    times = []
    with httpx.stream("GET", f"{program}/tokens", timeout=20) as answer:
        times = [time.monotonic() for _ in answer.iter_raw()]
    assert len(times) >= 5
    assert all(0.15 < gap < 0.6 for gap in gaps(times)[:4])


def test_ten_megabytes_pass(program: str) -> None:
    assert len(httpx.get(f"{program}/large", timeout=30).content) == 160 * 65536


def test_la14_an_answer_without_a_body_ends(program: str) -> None:
    assert httpx.get(f"{program}/empty", timeout=10).status_code == 204


def test_binary_is_binary(program: str) -> None:
    assert httpx.get(f"{program}/binary", timeout=10).content == bytes(range(256)) * 2


def test_a_body_arrives_and_cookies_go_back_one_by_one(program: str) -> None:
    answer = httpx.post(f"{program}/echo?a=%20b", content=b"\x00\xff", headers=BINARY, timeout=10)
    assert answer.json()["body"] == "\x00ÿ"
    assert answer.json()["query"] == "a=%20b"
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


def test_la10_a_failure_in_mid_stream_ends_the_callers_stream_at_once(program: str) -> None:
    begun = time.monotonic()
    answer = httpx.get(f"{program}/break", timeout=10)
    assert time.monotonic() - begun < 3
    assert answer.text.startswith("data: 0\n\nevent: error\n")


def test_the_anthropic_sdk_gets_tokens_300_ms_apart(proxy: str) -> None:
    times, text = [], ""
    messages: Any = [{"role": "user", "content": SCRIPT}]
    with (
        anthropic.Anthropic(base_url=proxy, api_key=TOKEN, max_retries=0) as client,
        client.messages.stream(model="claude-opus-5-5", max_tokens=100, messages=messages) as stream,
    ):
        for word in stream.text_stream:
            times.append(time.monotonic())
            text += word
    assert text == "one two three four"
    assert all(0.15 < gap < 0.6 for gap in gaps(times))


def test_the_openai_sdk_gets_tokens_300_ms_apart(proxy: str) -> None:
    times, text = [], ""
    messages: Any = [{"role": "user", "content": SCRIPT}]
    with openai.OpenAI(base_url=f"{proxy}/openai/v1", api_key=TOKEN, max_retries=0) as client:
        for chunk in client.chat.completions.create(model="claude-opus-5-5", stream=True, messages=messages):
            if word := chunk.choices[0].delta.content:
                times.append(time.monotonic())
                text += word
    assert text == "one two three four"
    assert all(0.15 < gap < 0.6 for gap in gaps(times))


def test_errors_have_their_status_and_streams_their_error_event(proxy: str) -> None:
    messages: Any = [{"role": "user", "content": 'simulate: {"error": 529}'}]
    with anthropic.Anthropic(base_url=proxy, api_key=TOKEN, max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError) as refused:
            client.messages.create(model="claude-opus-5-5", max_tokens=10, messages=messages)
        assert refused.value.status_code == 529
    wrong = anthropic.Anthropic(base_url=proxy, api_key="wrong", max_retries=0)
    with wrong, pytest.raises(anthropic.AuthenticationError):
        wrong.models.list()
    cut = {"role": "user", "content": 'simulate: {"text": "one two three", "cut": "reset", "after": 4}'}
    body = {"model": "claude-opus-5-5", "max_tokens": 10, "stream": True, "messages": [cut]}
    answer = httpx.post(f"{proxy}/min/v1/messages", json=body, headers={"x-api-key": TOKEN}, timeout=10)
    assert answer.text.count("event: error") == 1
    assert "message_stop" not in answer.text


def test_health_needs_no_token(proxy: str) -> None:
    assert httpx.get(f"{proxy}/health", timeout=10).json()["status"] == "ok"


def test_a_request_of_five_megabytes_passes(proxy: str) -> None:
    words = "word " * 1_000_000
    body = {"model": "claude-opus-5-5", "max_tokens": 10, "messages": [{"role": "user", "content": words}]}
    answer = httpx.post(f"{proxy}/min/v1/messages", json=body, headers={"x-api-key": TOKEN}, timeout=30)
    assert answer.status_code == 200


def test_the_emulators_folder_is_not_needed(tmp_path: Path) -> None:
    """The artifact's start does not depend on where it lies."""
    with streaming(PROXY, tmp_path, UPSTREAM_BASE_URL="http://127.0.0.1:9") as url:
        answer = httpx.post(f"{url}/v1/messages", json={}, headers={"x-api-key": TOKEN}, timeout=10)
    assert answer.status_code == 502
