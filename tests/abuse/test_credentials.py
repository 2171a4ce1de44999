"""The owner's own OAuth credential, which is read and never written (FAULTS.md C, CR-1 to CR-5)."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handler.settings import SettingsError, load
from tests.abuse.target import OWNERS_OAUTH, TARGETS, Target, chained, credentials_of, each_target, refused
from tests.support.program import running
from tests.support.proxy import settings

FULL_TARGETS = [target for target in TARGETS if not target.path.startswith(("/min", "/pt"))]
each_full_target = pytest.mark.parametrize("target", FULL_TARGETS, ids=lambda target: target.path)
NEXT = "sk-ant-oat01-the-next-login"


def login(token: object, expires_in: float = 3600) -> str:
    return json.dumps({"claudeAiOauth": {"accessToken": token, "expiresAt": int((time.time() + expires_in) * 1000)}})


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def state(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in directory.iterdir()}


def with_file(path: Path) -> dict[str, Any]:
    return {"claude_credentials_file": path, "anthropic_api_key": None}


@each_full_target
async def test_cr1_an_expired_login_is_a_401_that_names_the_way_out(tmp_path: Path, target: Target):
    file = written(tmp_path / "credentials.json", login(OWNERS_OAUTH, expires_in=-1))
    before = state(tmp_path)
    async with chained(**with_file(file)) as chain:
        error = refused(await chain.call(target.ask()), target.family, 401)

    assert "`claude`" in error["message"]
    assert state(tmp_path) == before
    assert not chain.seen


@each_full_target
async def test_cr2_a_replaced_file_is_used_without_a_restart(tmp_path: Path, target: Target):
    file = written(tmp_path / "credentials.json", login(OWNERS_OAUTH, expires_in=-1))
    async with chained(**with_file(file)) as chain:
        assert (await chain.call(target.ask())).status == 401
        for token in (OWNERS_OAUTH, NEXT):
            written(tmp_path / "new", login(token)).replace(file)
            assert (await chain.call(target.ask())).status == 200

    sent = [credentials_of(seen) for seen in chain.posts]
    assert sent == [[("authorization", f"Bearer {token}")] for token in (OWNERS_OAUTH, NEXT)]


async def test_cr2_so_is_a_file_that_changed_within_its_size_and_time(tmp_path: Path):
    file = written(tmp_path / "credentials.json", login("sk-ant-oat01-aaaa"))
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    async with chained(**with_file(file)) as chain:
        assert (await chain.call(TARGETS[0].ask())).status == 200
        os.utime(written(tmp_path / "new", login("sk-ant-oat01-bbbb")).replace(file), ns=times)
        assert (await chain.call(TARGETS[0].ask())).status == 200

    assert credentials_of(chain.posts[-1]) == [("authorization", "Bearer sk-ant-oat01-bbbb")]


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "a directory": lambda path: path.mkdir(),
    "empty": lambda path: path.write_text(""),
    "broken": lambda path: path.write_text('{"claudeAiOauth": {"accessToken": "sk-ant-oat'),
    "null": lambda path: path.write_text("null"),
    "a list": lambda path: path.write_text("[]"),
    "another object": lambda path: path.write_text('{"mcpOAuth": {}}'),
    "login null": lambda path: path.write_text('{"claudeAiOauth": null}'),
    "no token": lambda path: path.write_text('{"claudeAiOauth": {"expiresAt": 1}}'),
    "token null": lambda path: path.write_text(login(None)),
    "token 5": lambda path: path.write_text(login(5)),
    "token empty": lambda path: path.write_text(login("")),
    "token of two lines": lambda path: path.write_text(login("sk-ant-oat01-a\r\nx-injected: yes")),
    "token not ASCII": lambda path: path.write_text(login("sk-ant-oat01-é")),
    "expiry a word": lambda path: path.write_text('{"claudeAiOauth": {"accessToken": "a", "expiresAt": "soon"}}'),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "deep": lambda path: path.write_text("[" * 100_000),
}


@each_full_target
@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)
async def test_cr3_a_file_that_cannot_be_read_is_a_503_that_names_the_way_out(
    tmp_path: Path, target: Target, make: Callable[[Path], object]
):
    file = tmp_path / "credentials.json"
    make(file)
    async with chained(**with_file(file)) as chain:
        error = refused(await chain.call(target.ask()), target.family, 401, 503)

    assert "`claude`" in error["message"]
    assert not chain.seen


async def test_cr3_a_file_made_whole_again_is_used(tmp_path: Path):
    file = written(tmp_path / "credentials.json", "{")
    async with chained(**with_file(file)) as chain:
        assert (await chain.call(TARGETS[0].ask())).status == 503
        written(file, login(OWNERS_OAUTH))
        assert (await chain.call(TARGETS[0].ask())).status == 200


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, True), (0o600, False)])
def test_cr3_a_file_that_others_can_read_is_warned_of_at_the_start(tmp_path: Path, mode: int, warned: bool):
    file = written(tmp_path / "credentials.json", login(OWNERS_OAUTH), mode)
    with running(tmp_path, CLAUDE_CREDENTIALS_FILE=str(file), UPSTREAM_BASE_URL="http://127.0.0.1:9") as program:
        output = program.until("listens on")

    assert ("chmod 600" in output) is warned
    assert OWNERS_OAUTH not in output


@pytest.mark.parametrize("target", FULL_TARGETS, ids=lambda target: target.path)
@pytest.mark.parametrize("token", ["sk-ant-oat01-invalid", "sk-ant-oat01-expired"])
async def test_cr4_an_upstream_401_is_passed_on_and_nothing_refreshed(target: Target, token: str):
    async with chained(claude_code_oauth_token=token, anthropic_api_key=None) as chain:
        answer = await chain.call(target.ask())

    assert answer.status == 401
    assert "token" in answer.json()["error"]["message"]
    assert [seen.path for seen in chain.seen] == ["/v1/messages"]


OAUTH = {"CLAUDE_CODE_OAUTH_TOKEN": OWNERS_OAUTH, "CLAUDE_CREDENTIALS_FILE": "credentials.json"}
ELSEWHERE = {
    "every address": {"HOST": "0.0.0.0"},
    "every IPv6 address": {"HOST": "::"},
    "a network address": {"HOST": "192.0.2.7"},
    "a name": {"HOST": "proxy.example"},
    "a name that begins well": {"HOST": "localhost.example"},
    "Lambda": {"AWS_LAMBDA_FUNCTION_NAME": "proxy"},
}


@pytest.mark.parametrize("name", OAUTH)
@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)
def test_cr5_an_oauth_credential_away_from_loopback_refuses_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, place: dict[str, str]
):
    monkeypatch.chdir(tmp_path)
    for variable, value in {name: OAUTH[name], "AUTH_TOKEN": "x" * 40, **place}.items():
        monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError, match=name) as refusal:
        load()
    assert "loopback" in str(refusal.value)
    assert OAUTH[name] not in str(refusal.value)


def test_cr5_the_process_ends_and_says_why(tmp_path: Path):
    with running(tmp_path, CLAUDE_CODE_OAUTH_TOKEN=OWNERS_OAUTH, HOST="0.0.0.0", AUTH_TOKEN="x" * 40) as program:
        assert program.ended() == 2

    assert "loopback" in program.output
    assert OWNERS_OAUTH not in program.output
    assert "Traceback" not in program.output


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_cr5_on_loopback_it_starts(host: str):
    assert settings("http://localhost:1", host=host, claude_code_oauth_token=OWNERS_OAUTH).loopback


@each_target
async def test_a_callers_own_key_is_used_whatever_the_state_of_the_file(tmp_path: Path, target: Target):
    async with chained(**with_file(tmp_path / "missing")) as chain:
        answer = await chain.call(target.ask(x_api_key="sk-ant-api03-own"))

    assert answer.status == 200
    assert credentials_of(chain.posts[0]) == [("x-api-key", "sk-ant-api03-own")]


async def test_twenty_requests_at_once_read_a_new_file_alike(tmp_path: Path):
    file = written(tmp_path / "credentials.json", login(OWNERS_OAUTH))
    async with chained(**with_file(file)) as chain:
        answers = await asyncio.gather(*(chain.call(TARGETS[0].ask()) for _ in range(20)))

    assert {answer.status for answer in answers} == {200}
    assert {*map(str, map(credentials_of, chain.posts))} == {str([("authorization", f"Bearer {OWNERS_OAUTH}")])}
