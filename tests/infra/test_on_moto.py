"""The templates created on moto, and the proxy running on what they made.

SAM's own resources are nothing to moto, so the transformed templates are created, the nested ones by themselves.
"""

import ast
import fnmatch
import json
import time
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import httpx
import pytest

from handler.simulator import create_simulator
from tests.infra.template import resources, transformed
from tests.lambda_.emulators import PROXY, emulated, streaming
from tests.lambda_.events import http_api, with_json
from tests.support.aws import REGION, SimulatedAws, simulated_aws
from tests.support.server import served

STACK = "the-stack"
KEY = "sk-ant-api03-put-in-by-hand"
BODY = {"model": "claude-opus-5-5", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with simulated_aws() as running:
        _create(running)
        yield running


# What moto makes of CloudFormation. It knows no secrets there: those are made by hand, as the template has them.
MADE = ("AWS::Lambda::Function", "AWS::IAM::Role", "AWS::Logs::LogGroup", "AWS::DynamoDB::Table")


def _create(aws: SimulatedAws) -> None:
    stacks = aws.client("cloudformation")
    parameters = {"Prefix": STACK, "KmsKeyArn": "", "MakeApiKeySecret": "true"}
    storage = transformed("storage", **parameters)
    _create_stack(stacks, f"{STACK}-storage", _made(storage), parameters)
    for secret in resources(storage, "AWS::SecretsManager::Secret").values():
        properties = secret["Properties"]
        name = properties["Name"]["Fn::Sub"].replace("${Prefix}", STACK)
        length = properties.get("GenerateSecretString", {}).get("PasswordLength", 0)
        aws.secrets.create_secret(Name=name, **({"SecretString": "x" * length} if length else {}))
    root = _made(transformed("template"))
    function = root["Resources"]["ProxyFunction"]
    function.pop("DependsOn")
    function["Properties"]["Code"] = {"ZipFile": "pass"}
    _create_stack(stacks, STACK, root, {})


def _made(template: dict[str, Any]) -> dict[str, Any]:
    made = {name: deepcopy(each) for name, each in template["Resources"].items() if each["Type"] in MADE}
    return {key: value for key, value in template.items() if key != "Outputs"} | {"Resources": made}


def _create_stack(stacks: Any, name: str, template: dict[str, Any], parameters: dict[str, str]) -> None:
    stacks.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    (made,) = stacks.describe_stacks(StackName=name)["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE"


def function(aws: SimulatedAws) -> dict[str, Any]:
    (found,) = aws.client("lambda").list_functions()["Functions"]
    return dict(found)


def variables(aws: SimulatedAws) -> dict[str, str]:
    return dict(function(aws)["Environment"]["Variables"])


def test_the_function_names_the_table_and_the_secrets_that_there_are(aws: SimulatedAws) -> None:
    named = variables(aws)
    assert aws.dynamodb.list_tables()["TableNames"] == [named["RATE_LIMIT_TABLE"]]
    secrets = {each["Name"] for each in aws.secrets.list_secrets()["SecretList"]}
    assert secrets == {named["AUTH_TOKEN_SECRET"], named["ANTHROPIC_API_KEY_SECRET"]}


def test_the_role_reaches_exactly_those(aws: SimulatedAws) -> None:
    iam = aws.client("iam")
    role = function(aws)["Role"].rpartition("/")[2]
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    document = ast.literal_eval(document) if isinstance(document, str) else document  # as moto keeps it
    by_action = {}
    for statement in filter(None, document["Statement"]):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        by_action |= dict.fromkeys(actions, resources)
    table = aws.dynamodb.describe_table(TableName=variables(aws)["RATE_LIMIT_TABLE"])["Table"]["TableArn"]
    assert by_action["dynamodb:UpdateItem"] == [table]
    arns = [each["ARN"] for each in aws.secrets.list_secrets()["SecretList"]]
    patterns = by_action["secretsmanager:GetSecretValue"]
    for pattern in patterns:
        assert len(fnmatch.filter(arns, pattern)) == 1
    assert len(patterns) == len(arns)
    other = aws.secrets.create_secret(Name=f"{STACK}/another", SecretString="x")["ARN"]
    assert not any(fnmatch.fnmatch(other, pattern) for pattern in patterns)


def _settings(aws: SimulatedAws, upstream: str, **values: str) -> dict[str, str | None]:
    """The function's own variables, on an emulator: AWS is moto, the upstream the simulator."""
    own = {name: str(value) for name, value in variables(aws).items() if name != "AWS_LAMBDA_EXEC_WRAPPER"}
    return {
        **own,
        "UPSTREAM_BASE_URL": upstream,
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AUTH_TOKEN": None,
        "ANTHROPIC_API_KEY": None,
        "RATE_LIMIT_ENABLED": "true",
        **values,
    }


def _event(token: str) -> dict[str, Any]:
    return with_json(http_api("POST", "/min/v1/messages"), BODY, **{"x-api-key": token})


@pytest.mark.rie
def test_the_proxy_reads_its_secrets_and_two_instances_share_one_limit(aws: SimulatedAws) -> None:
    token = aws.secrets.get_secret_value(SecretId=f"{STACK}/auth-token")["SecretString"]
    assert len(token) == 48
    with served(create_simulator()) as upstream:
        values = _settings(aws, upstream, RATE_LIMIT_PER_MINUTE="5", RATE_LIMIT_BURST="2")
        with emulated(PROXY, **values) as one, emulated(PROXY, **values) as other:
            before = one.answer(_event(token))
            assert before["statusCode"] == 503  # no key was put in yet
            assert "API key" in before["body"]
            aws.secrets.put_secret_value(SecretId=f"{STACK}/anthropic-api-key", SecretString=KEY)
            statuses = [each.answer(_event(token))["statusCode"] for each in (one, other) * 5]
            assert sorted(statuses) == [200] * 6 + [429] * 4


@pytest.mark.rie
def test_rl11_it_survives_table_and_secrets_going_down_and_recovers(aws: SimulatedAws) -> None:
    token = aws.secrets.get_secret_value(SecretId=f"{STACK}/auth-token")["SecretString"]
    aws.secrets.put_secret_value(SecretId=f"{STACK}/anthropic-api-key", SecretString=KEY)
    with served(create_simulator()) as upstream:
        values = _settings(aws, upstream, RATE_LIMIT_PER_MINUTE="3", RATE_LIMIT_BURST="0")
        with emulated(PROXY, **values) as rie:
            assert rie.answer(_event(token))["headers"]["x-ratelimit-remaining"] == "2"
            aws.down()
            begun = time.monotonic()
            statuses = [rie.answer(_event(token))["statusCode"] for _ in range(4)]
            # The last good secrets hold, and this process's own limit goes on where it was.
            assert statuses == [200, 200, 429, 429]
            assert time.monotonic() - begun < 3
            aws.up()
            deadline = time.monotonic() + 15
            while not _decided_by_the_table(aws, rie.answer(_event(token))):
                assert time.monotonic() < deadline
                time.sleep(0.5)


def _decided_by_the_table(aws: SimulatedAws, answer: dict[str, Any]) -> bool:
    """The table knows of one request only, so it lets another pass."""
    return answer["statusCode"] == 200


@pytest.mark.cargo_lambda
def test_a_key_rotated_while_warm_is_used_after_the_first_401(aws: SimulatedAws, tmp_path: Any) -> None:
    token = aws.secrets.get_secret_value(SecretId=f"{STACK}/auth-token")["SecretString"]
    aws.secrets.put_secret_value(SecretId=f"{STACK}/anthropic-api-key", SecretString="sk-ant-invalid-old")
    with (
        served(create_simulator()) as upstream,
        streaming(PROXY, tmp_path, **_settings(aws, upstream, PROXY_RESPONSE_MODE="stream")) as url,
        httpx.Client(base_url=url, headers={"x-api-key": token}, timeout=20) as client,
    ):
        assert client.post("/min/v1/messages", json=BODY).status_code == 401
        aws.secrets.put_secret_value(SecretId=f"{STACK}/anthropic-api-key", SecretString=KEY)
        assert client.post("/min/v1/messages", json=BODY).status_code == 200
