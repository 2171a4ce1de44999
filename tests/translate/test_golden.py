"""Golden exchanges in four stages: what the client sends, what goes upstream, what comes back, what the client gets.

    client_request  -> upstream_request, losses, betas         or   refusal: status, param, code
    upstream_answer -> client_answer                           or   upstream_error: status, body -> client_error
    upstream_events -> client_deltas, client_end               or   client_error
    upstream_headers -> client_headers

Stages that a case leaves out are not looked at; `settings` are DEFAULT_MAX_TOKENS and AUTO_PROMPT_CACHE. A request
that goes upstream must be one the simulator takes, unless the case says why not (`refused_upstream`). An error without
a `message` may have any: where the proxy makes it, the words are its own. `client_pings` counts comments. Every stream
is fed whole, and again byte by byte with other line ends: the same has to come out.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from handler import modes, sse
from handler.errors import ProxyError, openai_body
from handler.models import Catalogue
from handler.simulator.events import encoded
from handler.simulator.requests import Caller, read_messages
from handler.translate.chat import Chat
from handler.translate.chat_request import Options, Translated, translate
from handler.translate.exchange import UpstreamRequest
from handler.wire import chat, json_text
from tests.support.exchanges import told

CASES = sorted((Path(__file__).parents[1] / "golden" / "chat").glob("*.json"))
CREATED = 1_700_000_000
NO_REQUEST = UpstreamRequest("POST", b"/v1/messages", (), ())


def translated(case: dict[str, Any]) -> Translated:
    request = chat.parse(json.dumps(case["client_request"]).encode(), case.get("aliases", {}))
    return translate(request, Catalogue().of(request.model), Options(**case.get("settings", {})))


def exchange(case: dict[str, Any]) -> Chat:
    done = translated(case)
    keep = partial(modes.answer_headers, modes.FULL)
    return Chat(NO_REQUEST, done.reading, keep, created=CREATED, losses=done.losses)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_golden_request_goes_upstream_as_written(path: Path) -> None:
    case = json.loads(path.read_text())
    if "refusal" in case:
        with pytest.raises(ProxyError) as refused:
            translated(case)
        error = json.loads(openai_body(refused.value))["error"]
        given = {"status": refused.value.status, "param": error["param"], "code": error["code"]}
        assert given == case["refusal"]
        return
    done = translated(case)
    if "upstream_request" in case:
        assert done.body == case["upstream_request"]
        assert list(done.losses) == case.get("losses", [])
        assert list(done.betas) == case.get("betas", [])
        assert translated(case).body == done.body
        assert list(json.loads(json_text.write(done.body))) == list(done.body)
    caller = Caller("2023-06-01", done.betas, oauth=False)
    if "refused_upstream" in case:
        with pytest.raises(ProxyError):
            read_messages(json_text.utf8(json_text.write(done.body)), caller)
    else:
        read_messages(json_text.utf8(json_text.write(done.body)), caller)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_golden_answer_comes_back_as_written(path: Path) -> None:
    case = json.loads(path.read_text())
    if "upstream_answer" in case:
        answer = json.loads(exchange(case).answer(json.dumps(case["upstream_answer"]).encode()))
        assert answer == case["client_answer"]
        ChatCompletion.model_validate(answer)
    if "upstream_error" in case:
        status, body = case["upstream_error"]["status"], json.dumps(case["upstream_error"]["body"]).encode()
        assert json.loads(exchange(case).refuse(status, body)) == case["client_error"]
    if "upstream_headers" in case:
        given = [(name.encode(), value.encode()) for name, value in case["upstream_headers"].items()]
        told = {name.decode(): value.decode() for name, value in exchange(case).headers(given)}
        assert told == case["client_headers"]
    if "upstream_events" in case:
        _check_stream(case)


def _check_stream(case: dict[str, Any]) -> None:
    whole = b"".join(encoded(case["upstream_events"]))
    out = told(exchange(case), [whole])
    assert told(exchange(case), [bytes([byte]) for byte in whole.replace(b"\n", b"\r\n")]) == out
    assert out.count(b": ping\n\n") == case.get("client_pings", out.count(b": ping\n\n"))
    frames = [event.data for event in sse.events(out)]
    if "client_error" in case:
        *chunks, last = [json.loads(frame) for frame in frames]
        expected = case["client_error"]["error"]
        assert last == {"error": {"message": last["error"]["message"], **expected}}
        reasons = []
    else:
        *rest, done = frames
        chunks = [json.loads(frame) for frame in rest]
        assert done == b"[DONE]"
        end = case["client_end"]
        if "usage" in end:
            assert chunks.pop() == {**_shared(chunks[0]), "choices": [], "usage": end["usage"]}
        usage = [None] * len(chunks) if "usage" in end else ["absent"] * len(chunks)
        assert [chunk.get("usage", "absent") for chunk in chunks] == usage
        reasons = [end["finish_reason"]]
    for chunk in chunks:
        _check_type(chunk)
        assert _shared(chunk) == _shared(chunks[0])
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == case["client_deltas"]
    given = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert given == [None] * (len(chunks) - len(reasons)) + reasons


def _check_type(chunk: dict[str, Any]) -> None:
    """OpenAI's own type of a chunk has no custom calls, though its API sends them: they are read as function calls."""
    calls = chunk["choices"][0]["delta"].get("tool_calls", ())
    if not any("custom" in call for call in calls):
        ChatCompletionChunk.model_validate(chunk)


def _shared(chunk: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
