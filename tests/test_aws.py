"""Signed calls to AWS: botocore is the judge of the signature, a mock transport of the rest."""

import pickle
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from handler.aws import Account, AwsError, AwsService

NOW = 1_767_323_045.0


def account(**changes: Any) -> Account:
    return Account(**{"region": "eu-west-1", "access_key_id": "AKID", "secret_access_key": "shh", **changes})


def service(answer: httpx.Response | Exception, seen: list[httpx.Request], **changes: Any) -> AwsService:
    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport = httpx.MockTransport(respond)
    return AwsService(account(**changes), "dynamodb", "DynamoDB_20120810", "1.0", transport, lambda: NOW)


@pytest.mark.parametrize("changes", [{}, {"session_token": "tok/en=="}, {"endpoint": "http://127.0.0.1:5000"}])
async def test_a_call_is_signed_as_botocore_signs_it(changes: dict[str, Any]) -> None:
    seen: list[httpx.Request] = []
    await service(httpx.Response(200, json={}), seen, **changes).call("UpdateItem", {"TableName": "tä"})

    (sent,) = seen
    again = AWSRequest("POST", str(sent.url), data=sent.content)
    for name in ("content-type", "x-amz-target"):
        again.headers[name] = sent.headers[name]
    credentials = Credentials("AKID", "shh", changes.get("session_token"))
    moment = datetime.fromtimestamp(NOW, UTC)
    with (
        mock.patch("botocore.auth.get_current_datetime", return_value=moment),
        mock.patch("botocore.compat.get_current_datetime", return_value=moment),
    ):
        SigV4Auth(credentials, "dynamodb", "eu-west-1").add_auth(again)
    assert sent.headers["x-amz-date"] == again.headers["X-Amz-Date"]
    assert sent.headers["authorization"] == again.headers["Authorization"]


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-west-1", "dynamodb.eu-west-1.amazonaws.com"), ("cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn")],
)
async def test_the_host_is_the_regions(region: str, host: str) -> None:
    seen: list[httpx.Request] = []
    await service(httpx.Response(200, json={}), seen, region=region).call("UpdateItem", {})
    assert (seen[0].url.scheme, seen[0].url.host, seen[0].headers["host"]) == ("https", host, host)


async def test_a_refusal_is_known_by_the_services_name_for_it() -> None:
    said = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "Item": {"a": 1}}
    with pytest.raises(AwsError) as refused:
        await service(httpx.Response(400, json=said), []).call("UpdateItem", {})
    assert refused.value.code == "ConditionalCheckFailedException"
    assert refused.value.body["Item"] == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("no"),
        httpx.ReadTimeout("no"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(503, text=""),
        httpx.Response(500, json={}),
    ],
)
async def test_what_is_no_answer_is_an_error(answer: Any) -> None:
    with pytest.raises(AwsError):
        await service(answer, []).call("UpdateItem", {})


def test_nothing_secret_is_shown() -> None:
    shown = repr(account(session_token="tok"))
    assert "shh" not in shown
    assert "tok" not in shown.replace("session_token", "")
    with pytest.raises(TypeError):
        pickle.dumps(account())
