import copy
import pickle

import httpx
import pytest

from handler.credentials.header import CredentialHeader, api_key, bearer

BOTH = [
    (api_key("sk-ant-api03-secret"), "x-api-key", "sk-ant-api03-secret"),
    (bearer("sk-ant-oat01-secret"), "authorization", "Bearer sk-ant-oat01-secret"),
]
each_credential = pytest.mark.parametrize(("credential", "name", "value"), BOTH, ids=["api_key", "bearer"])


def request(**headers: str) -> httpx.Request:
    return httpx.Request("POST", "https://localhost", headers=headers)


@each_credential
def test_a_credential_writes_its_one_header(credential: CredentialHeader, name: str, value: str):
    sent = next(credential.auth_flow(request()))
    assert {each: sent.headers[each] for each in ("x-api-key", "authorization") if each in sent.headers} == {
        name: value
    }


@each_credential
def test_it_replaces_a_header_of_that_name(credential: CredentialHeader, name: str, value: str):
    sent = next(credential.auth_flow(request(**{name: "another"})))
    assert sent.headers.get_list(name) == [value]


@each_credential
@pytest.mark.parametrize("status", [200, 401, 403, 429, 529])
def test_nothing_is_sent_again(credential: CredentialHeader, name: str, value: str, status: int):
    flow = credential.auth_flow(request())
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(httpx.Response(status))


@each_credential
def test_its_value_is_not_shown(credential: CredentialHeader, name: str, value: str):
    assert "secret" not in f"{credential!r} {credential} {[credential]}"


@each_credential
@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_not_pickled_or_copied(credential: CredentialHeader, name: str, value: str, copied):
    with pytest.raises(TypeError, match="not pickled"):
        copied(credential)
