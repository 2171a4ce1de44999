"""The owner's token: from the environment, or read from the CLI's file as it is now."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from handler.credentials.oauth import CredentialsFile, FixedToken
from handler.errors import ProxyError

NOW = 1_800_000_000.0
TOKEN = "sk-ant-oat01-a"


def login(token: Any = TOKEN, **more: Any) -> str:
    return json.dumps({"claudeAiOauth": {"accessToken": token, **more}, "another": 1})


def file_with(tmp_path: Path, text: str) -> CredentialsFile:
    path = tmp_path / "credentials.json"
    path.write_text(text)
    return CredentialsFile(path, clock=lambda: NOW)


def token_of(source: Any) -> str:
    request = next(source.bearer().auth_flow(httpx.Request("POST", "https://localhost")))
    return str(request.headers["authorization"])


def refusal_of(source: Any) -> ProxyError:
    with pytest.raises(ProxyError) as refusal:
        source.bearer()
    return refusal.value


def test_a_fixed_token_is_what_it_is():
    assert token_of(FixedToken(SecretStr(TOKEN))) == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"expiresAt": None},
        {"expiresAt": NOW * 1000 + 1},
        {"expiresAt": int(NOW * 1000) + 1},
        {"refreshToken": "sk-ant-ort01-b", "scopes": ["user:inference"], "subscriptionType": "max"},
    ],
)
def test_a_file_with_a_login_that_holds_gives_its_token(tmp_path: Path, more: Any):
    assert token_of(file_with(tmp_path, login(**more))) == f"Bearer {TOKEN}"


@pytest.mark.parametrize("expires", [NOW * 1000, NOW * 1000 - 1, 1, 0, -1])
def test_an_expired_login_is_a_401(tmp_path: Path, expires: float):
    refusal = refusal_of(file_with(tmp_path, login(expiresAt=expires)))
    assert refusal.status == 401
    assert "`claude`" in refusal.message


def test_a_login_expires_while_the_file_stays_as_it_is(tmp_path: Path):
    now = NOW
    path = tmp_path / "credentials.json"
    path.write_text(login(expiresAt=(NOW + 10) * 1000))
    file = CredentialsFile(path, clock=lambda: now)

    assert token_of(file)
    now += 10
    assert refusal_of(file).status == 401


BROKEN: dict[str, str] = {
    "empty": "",
    "half": login()[:-5],
    "null": "null",
    "a list": "[]",
    "no login": "{}",
    "login null": '{"claudeAiOauth": null}',
    "login a list": '{"claudeAiOauth": []}',
    "no token": '{"claudeAiOauth": {}}',
    "token null": login(None),
    "token a number": login(5),
    "token a list": login([TOKEN]),
    "token empty": login(""),
    "two lines": login("a\r\nx: y"),
    "not ASCII": login("é"),
    "expiry a word": login(expiresAt="soon"),
    "expiry a list": login(expiresAt=[1]),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_file_of_another_kind_is_a_503_that_shows_nothing_of_it(tmp_path: Path, text: str):
    refusal = refusal_of(file_with(tmp_path, text))

    assert refusal.status == 503
    assert "`claude`" in refusal.message
    assert TOKEN not in refusal.message
    assert str(tmp_path) not in refusal.message
    assert refusal.__suppress_context__ or refusal.__context__ is None


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "a directory": lambda path: path.mkdir(),
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_is_a_503(tmp_path: Path, make: Callable[[Path], object]):
    path = tmp_path / "credentials.json"
    make(path)
    assert refusal_of(CredentialsFile(path)).status == 503


CHANGES: dict[str, Callable[[Path, str], object]] = {
    "written": lambda path, text: path.write_text(text),
    "replaced": lambda path, text: replaced(path, text),
    "replaced within its time": lambda path, text: replaced(path, text, path.stat()),
    "removed and made again": lambda path, text: (path.unlink(), path.write_text(text)),
}


def replaced(path: Path, text: str, like: os.stat_result | None = None) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    if like is not None:
        os.utime(new, ns=(like.st_atime_ns, like.st_mtime_ns))
    new.replace(path)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_that_changed_is_read_again(tmp_path: Path, change: Callable[[Path, str], object]):
    file = file_with(tmp_path, login())
    assert token_of(file) == f"Bearer {TOKEN}"
    change(tmp_path / "credentials.json", login("sk-ant-oat01-b-longer"))
    assert token_of(file) == "Bearer sk-ant-oat01-b-longer"


def test_a_file_that_did_not_change_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reads: list[Path] = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or real(path))
    file = file_with(tmp_path, login())
    for _ in range(5):
        token_of(file)
    assert len(reads) == 1


def test_a_broken_file_does_not_keep_the_token_before(tmp_path: Path):
    file = file_with(tmp_path, login())
    token_of(file)
    (tmp_path / "credentials.json").write_text("{")
    assert refusal_of(file).status == 503
    (tmp_path / "credentials.json").write_text(login("sk-ant-oat01-c"))
    assert token_of(file) == "Bearer sk-ant-oat01-c"


def test_a_file_is_never_written(tmp_path: Path):
    file = file_with(tmp_path, login(expiresAt=1, refreshToken="sk-ant-ort01-b"))
    path = tmp_path / "credentials.json"
    path.chmod(0o400)
    before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode
    refusal_of(file)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) == before


@pytest.mark.parametrize(
    ("mode", "others"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True), (0o620, True)]
)
def test_whether_others_can_read_it_is_told_by_its_mode(tmp_path: Path, mode: int, others: bool):
    file = file_with(tmp_path, login())
    (tmp_path / "credentials.json").chmod(mode)
    assert file.readable_by_others() is others


def test_a_missing_file_is_readable_by_nobody(tmp_path: Path):
    assert not CredentialsFile(tmp_path / "missing").readable_by_others()


@pytest.mark.parametrize("source", ["fixed", "file"])
def test_a_token_is_neither_shown_nor_pickled(tmp_path: Path, source: str):
    holder = FixedToken(SecretStr(TOKEN)) if source == "fixed" else file_with(tmp_path, login())
    holder.bearer()

    assert TOKEN not in f"{holder!r} {vars(holder)}"
    try:
        pickled = pickle.dumps(holder)
    except (TypeError, AttributeError, pickle.PicklingError):
        return
    assert TOKEN.encode() not in pickled
