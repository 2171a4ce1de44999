"""Paths and methods that are not ours, in every spelling (FAULTS.md A, IN-13 and IN-17)."""

import pytest

from tests.abuse.target import MODES, OWN_KEY, Chain, get, refused, request
from tests.faults.families import ANTHROPIC, OPENAI, Family
from tests.support.raw_client import post

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = ANTHROPIC.body()
BENT = (
    "/v1/../v1/messages",
    "/v1/./messages",
    "/min/../v1/messages",
    "/pt/v1/messages/..",
    "/v1/messages/../organizations",
    "/v1/%2e%2e/v1/messages",
    "/v1/%2E%2e/organizations",
    "/v1%2fmessages",
    "/v1/messages%2fbatches",
    "/v1/messages%00",
    "/v1/messages%20",
    "/v1/messages%3fbeta=true",
    "/v1/messages%0d%0aHost:%20evil",
    "/%76%31/messages",
    "/v1/messages;x",
    "/v1;x/messages",
    "/v1\\messages",
    "/v1/..\\messages",
    "//v1/messages",
    "/v1//messages",
    "//evil.example/v1/messages",
    "///v1/messages",
    "/v1/messages/",
    "/v1/messages//",
    "/V1/messages",
    "/v1/Messages",
    "/v1/messages.json",
    "/v1/chat/completions/",
    "/openai/v1//chat/completions",
    "/openai/../v1/messages",
    "/openai/v1/chat/completions%2f..",
)
OTHER_APIS = (
    "/v1/organizations",
    "/v1/organizations/users",
    "/v1/organizations/api_keys",
    "/v1/complete",
    "/v1/skills",
    "/v1/environments",
    "/v1/agents",
    "/v1/sessions",
    "/v1/memory_stores",
    "/v1/models/claude-opus-5-5/x",
    "/v1/messages/batches/a/b",
    "/v1/files/a/b",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/audio/speech",
    "/api/oauth/profile",
    "/oauth/token",
    "/api/event_logging/batch",
    "/docs",
    "/openapi.json",
    "/redoc",
    "/metrics",
    "/admin",
    "/.env",
    "/openai/v1/embeddings",
    "/openai/v1/messages",
    "/openai",
    "/openai/",
)
STATEFUL = (
    ("GET", "/v1/messages/batches"),
    ("POST", "/v1/messages/batches"),
    ("GET", "/v1/messages/batches/msgbatch_1"),
    ("DELETE", "/v1/messages/batches/msgbatch_1"),
    ("GET", "/v1/messages/batches/msgbatch_1/results"),
    ("POST", "/v1/messages/batches/msgbatch_1/cancel"),
    ("GET", "/v1/files"),
    ("POST", "/v1/files"),
    ("GET", "/v1/files/file_1"),
    ("DELETE", "/v1/files/file_1"),
    ("GET", "/v1/files/file_1/content"),
)
HOSTILE_MODELS = (
    "../organizations",
    "../../v1/organizations",
    "http://evil.example/x",
    "//evil.example",
    "a?limit=1",
    "a#b",
    "a%2f..%2forganizations",
    "a;b",
    "a\r\nHost: evil.example",
    "claude-opus-5-5\x00",
    "x" * 10_000,
    "{model}",
)
WRONG_METHODS = (
    ("GET", "/v1/messages", "POST"),
    ("PUT", "/v1/messages", "POST"),
    ("DELETE", "/v1/messages", "POST"),
    ("HEAD", "/v1/messages", "POST"),
    ("OPTIONS", "/v1/messages", "POST"),
    ("PATCH", "/v1/messages/count_tokens", "POST"),
    ("POST", "/v1/models", "GET"),
    ("HEAD", "/v1/models", "GET"),
    ("DELETE", "/v1/models/claude-opus-5-5", "GET"),
    ("DELETE", "/v1/messages/batches", "GET, POST"),
    ("PUT", "/v1/files/file_1", "DELETE, GET"),
    ("GET", "/v1/chat/completions", "POST"),
    ("GET", "/openai/v1/chat/completions", "POST"),
    ("POST", "/openai/v1/models", "GET"),
)


def family_of(path: str) -> Family:
    return OPENAI if path.startswith("/openai/") or "/v1/chat/completions" in path else ANTHROPIC


@pytest.mark.parametrize("path", BENT)
async def test_in13_a_bent_path_is_no_route(chain: Chain, path: str):
    answer = await chain.call(post(path, BODY))

    assert answer.status == 404
    assert answer.json()["error"]["message"]
    assert not chain.seen


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", OTHER_APIS)
async def test_in13_in17_another_path_is_no_route_in_any_mode(chain: Chain, mode: str, path: str):
    for asked in (get(mode + path, x_api_key=OWN_KEY), post(mode + path, BODY, x_api_key=OWN_KEY)):
        refused(await chain.call(asked), family_of(path), 404)
    assert not chain.seen


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("method", "path"), STATEFUL)
async def test_in13_what_holds_data_of_an_account_wants_the_callers_own_key(
    chain: Chain, mode: str, method: str, path: str
):
    answer = await chain.call(request(f"{method} {mode}{path}", b"content-length: 2", body=b"{}"))

    refused(answer, ANTHROPIC, 403)
    assert not chain.seen


@pytest.mark.parametrize(("method", "path"), STATEFUL)
async def test_in13_what_holds_data_of_an_account_goes_up_with_the_callers_own_key(
    chain: Chain, method: str, path: str
):
    headers = (b"content-length: 2", b"content-type: application/json", b"x-api-key: " + OWN_KEY.encode())
    await chain.call(request(f"{method} {path}?limit=2", *headers, body=b"{}"))

    assert [(seen.method, seen.path, seen.query) for seen in chain.seen] == [(method, path, "limit=2")]
    assert chain.seen[0].headers["x-api-key"] == OWN_KEY


@pytest.mark.parametrize("path", ["/v1/messages", "/min/v1/messages", "/v1/chat/completions"])
@pytest.mark.parametrize("model", HOSTILE_MODELS, ids=lambda model: model[:20].encode("unicode_escape").decode())
async def test_in13_a_hostile_model_name_is_no_path(chain: Chain, path: str, model: str):
    answer = await chain.call(post(path, {**BODY, "model": model}))

    assert 400 <= answer.status < 500
    assert {seen.path for seen in chain.seen} <= {"/v1/messages"}


@pytest.mark.parametrize(
    "path",
    ["/v1/models/..", "/v1/models/%2e%2e", "/v1/models/a%2fb", "/v1/models/a;b", "/v1/models/../organizations",
     "/openai/v1/models/..", "/openai/v1/models/anthropic/..", "/openai/v1/models/a/../b",
     "/openai/v1/models/a/b", "/openai/v1/models/anthropic/a/b", "/openai/v1/models/a%3fb", "/openai/v1/models/",
     "/openai/v1/models/anthropic/"],
)  # fmt: skip
async def test_in13_a_bent_model_in_the_path_reaches_nothing(chain: Chain, path: str):
    answer = await chain.call(get(path))

    refused(answer, family_of(path), 404)
    assert not chain.seen


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("method", "path", "allowed"), WRONG_METHODS)
async def test_in17_a_wrong_method_is_refused_and_told_the_right_ones(
    chain: Chain, mode: str, method: str, path: str, allowed: str
):
    answer = await chain.call(request(f"{method} {mode}{path}", b"content-length: 0", b"connection: close"))

    assert answer.status == 405
    assert answer.headers["allow"] == allowed
    if method != "HEAD":
        refused(answer, family_of(path), 405)
    assert not chain.seen


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_in17_health_is_only_read(chain: Chain, method: str):
    answer = await chain.call(request(f"{method} /health", b"content-length: 0"))

    refused(answer, ANTHROPIC, 405)


@pytest.mark.parametrize("path", ["/full/health", "/min/health", "/pt/health", "/health/", "/healthz"])
async def test_in17_health_has_no_mode_and_one_spelling(chain: Chain, path: str):
    refused(await chain.call(get(path)), ANTHROPIC, 404)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", ["/", "/api/hello"])
async def test_the_warm_ups_are_answered_without_a_body(chain: Chain, mode: str, path: str):
    answer = await chain.call(request(f"HEAD {mode}{path}", b"connection: close"))

    assert (answer.status, answer.body) == (200, b"")
    assert not chain.seen
