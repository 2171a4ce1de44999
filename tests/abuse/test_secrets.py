"""What objects that hold a secret show of it (FAULTS.md H, LO-7)."""

import copy
import json
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from handler.app import create_app
from handler.callers import Credential, Gate, Keyring
from handler.credentials.header import CredentialHeader, api_key, bearer
from handler.credentials.oauth import CredentialsFile, FixedToken
from handler.relay import Relay
from handler.settings import Settings
from handler.translate.exchange import UpstreamRequest
from handler.wire.json_object import JsonObject
from tests.abuse.story import KEY as API_KEY
from tests.abuse.story import OWN_OAUTH, TOKEN, WORDS, pieces

SECRETS = [piece for name in ("token", "key", "own oauth", "prompt") for piece in pieces(WORDS[name])]


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, auth_token=TOKEN, anthropic_api_key=API_KEY, **values)


def read_file(tmp_path: Path) -> CredentialsFile:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"claudeAiOauth": {"accessToken": OWN_OAUTH}}))
    file = CredentialsFile(path)
    file.bearer()
    return file


async def tokens() -> tuple[str]:
    return (TOKEN,)


HOLDERS: dict[str, Callable[[Path], Any]] = {
    "Settings": lambda _: settings(),
    "Settings with OAuth": lambda _: settings(claude_code_oauth_token=OWN_OAUTH),
    "an API key": lambda _: api_key(API_KEY),
    "a bearer": lambda _: bearer(OWN_OAUTH),
    "Credential": lambda _: Credential(api_key(API_KEY), own=True),
    "Keyring": lambda _: Keyring(api_key(API_KEY), FixedToken(SecretStr(OWN_OAUTH))),
    "FixedToken": lambda _: FixedToken(SecretStr(OWN_OAUTH)),
    "CredentialsFile": read_file,
    "Gate": lambda _: Gate(tokens),
    "UpstreamRequest": lambda _: UpstreamRequest("POST", b"/", [], (WORDS["prompt"].encode(),)),
    "JsonObject": lambda _: JsonObject(json.dumps({"prompt": WORDS["prompt"]}).encode()),
    "Relay": lambda _: Relay(httpx.MockTransport(lambda request: httpx.Response(200)), "https://localhost"),
    "the application": lambda _: create_app(settings()),
}
each_holder = pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)


def shown(text: str) -> list[str]:
    return [piece for piece in SECRETS if piece in text]


@each_holder
def test_lo7_a_holder_of_a_secret_does_not_show_it(tmp_path: Path, make: Callable[[Path], Any]):
    held = make(tmp_path)

    assert not shown(f"{held!r} {held!s} {[held]} {held:}")


@pytest.mark.parametrize("make", [HOLDERS[name] for name in list(HOLDERS)[:8]], ids=list(HOLDERS)[:8])
def test_lo7_a_holder_of_a_secret_is_not_pickled_with_it(tmp_path: Path, make: Callable[[Path], Any]):
    try:
        pickled = pickle.dumps(make(tmp_path))
    except (TypeError, pickle.PicklingError, AttributeError):
        return
    assert not shown(pickled.decode("latin-1"))


def test_lo7_settings_are_not_dumped_with_a_secret():
    held = settings()

    assert not shown(held.model_dump_json())
    assert not shown(f"{held.model_dump()} {vars(held)} {copy.copy(held)!r}")


def test_lo7_a_refused_setting_is_not_shown():
    with pytest.raises(ValidationError) as refusal:
        settings(claude_code_oauth_token=OWN_OAUTH, host="0.0.0.0")
    assert not shown("".join(traceback.format_exception(refusal.value)))


@pytest.mark.parametrize("make", [api_key, bearer])
def test_a_credential_is_not_copied_by_way_of_pickle(make: Callable[[str], CredentialHeader]):
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(make(API_KEY))


def test_lo7_a_request_with_a_credential_does_not_show_it():
    request = next(api_key(API_KEY).auth_flow(httpx.Request("POST", "https://localhost")))

    assert request.headers["x-api-key"] == API_KEY
    assert not shown(repr(request))
    assert not shown(repr(bearer(OWN_OAUTH)))
