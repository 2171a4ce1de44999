"""The templates, transformed (FAULTS I)."""

import json
import re
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from handler.settings import LONG_TOKEN, Settings
from handler.telemetry import NAMESPACE
from tests.infra.template import TEMPLATES, resources, transformed

REGIONS = ["eu-west-1", "us-east-1"]


def the(template: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = resources(template, kind).values()
    return dict(found["Properties"])


def function() -> dict[str, Any]:
    return the(transformed("template"), "AWS::Lambda::Function")


def statements() -> list[dict[str, Any]]:
    role = the(transformed("template"), "AWS::IAM::Role")
    (policy,) = role["Policies"]
    assert "ManagedPolicyArns" not in role
    return list(policy["PolicyDocument"]["Statement"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing_before_or_after_the_transform(name: str) -> None:
    for text in (TEMPLATES[name].read_text(), json.dumps(transformed(name))):
        found = [f"{match.rule.id} {match.message}" for match in lint(text, config=ManualArgs(regions=REGIONS))]
        # W3005: the translator writes DependsOn where a reference says it already.
        assert [each for each in found if not each.startswith("W3005")] == []


def test_if1_the_role_may_do_what_the_proxy_does_and_nothing_else() -> None:
    allowed = {}
    for statement in statements():
        plain = statement["Fn::If"][1] if "Fn::If" in statement else statement
        actions = plain["Action"]
        allowed[plain["Sid"]] = [actions] if isinstance(actions, str) else actions
        assert plain["Effect"] == "Allow"
    assert allowed == {
        "WriteItsLog": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "CountRequests": ["dynamodb:UpdateItem"],
        "ReadItsSecrets": ["secretsmanager:GetSecretValue"],
        "DecryptItsSecrets": ["kms:Decrypt"],
    }


def test_if1_no_resource_is_everything() -> None:
    for statement in statements():
        text = json.dumps(statement)
        assert '"*"' not in text
        assert not re.search(r":(table|secret|log-group)[:/]\*", text)


def test_if1_a_key_of_the_owners_is_used_through_secrets_manager_only() -> None:
    (statement,) = [each["Fn::If"][1] for each in statements() if "Fn::If" in each]
    assert "kms:ViaService" in statement["Condition"]["StringEquals"]


def test_if2_the_url_streams_and_its_auth_type_is_a_parameter() -> None:
    url = the(transformed("template"), "AWS::Lambda::Url")
    assert url["InvokeMode"] == {"Ref": "InvokeMode"}
    assert url["AuthType"] == {"Ref": "AuthType"} or url["AuthType"] == "NONE"
    assert transformed("template")["Parameters"]["InvokeMode"]["Default"] == "RESPONSE_STREAM"
    assert function()["Environment"]["Variables"]["FUNCTION_URL_AUTH_TYPE"] == {"Ref": "AuthType"}


def test_if2_a_public_url_has_both_permissions_it_needs_and_a_private_one_none() -> None:
    """The translator makes neither where AuthType is a parameter."""
    template = transformed("template")
    granted = {
        each["Properties"]["Action"]: each["Properties"]
        for each in resources(template, "AWS::Lambda::Permission").values()
        if each["Condition"] == "Public"
    }
    assert sorted(granted) == ["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"]
    assert granted["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
    assert granted["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
    assert template["Conditions"]["Public"] == {"Fn::Equals": [{"Ref": "AuthType"}, "NONE"]}


def test_if2_a_token_of_more_than_the_least_length_is_generated() -> None:
    secret = resources(transformed("storage", Prefix="p", KmsKeyArn="", MakeApiKeySecret="true"), SECRET)["AuthToken"]
    assert secret["Properties"]["GenerateSecretString"]["PasswordLength"] >= LONG_TOKEN


def test_if3_concurrency_is_reserved_unless_it_is_said_to_be_none() -> None:
    reserved = function()["ReservedConcurrentExecutions"]
    assert reserved["Fn::If"] == ["HasReserve", {"Ref": "ReservedConcurrency"}, {"Ref": "AWS::NoValue"}]
    assert transformed("template")["Parameters"]["ReservedConcurrency"]["Default"] == 10


def test_if4_time_and_memory_are_fixed_and_nothing_is_retried() -> None:
    assert function()["Timeout"] == {"Ref": "TimeoutSeconds"}
    assert function()["MemorySize"] == {"Ref": "MemoryMegabytes"}
    config = the(transformed("template"), "AWS::Lambda::EventInvokeConfig")
    assert config["MaximumRetryAttempts"] == 0


SECRET = "AWS::SecretsManager::Secret"


def test_if5_no_secret_is_in_the_environment_a_parameter_or_an_output() -> None:
    variables = function()["Environment"]["Variables"]
    assert {"AUTH_TOKEN", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"}.isdisjoint(variables)
    assert "{{resolve:" not in json.dumps(transformed("template"))
    for name in TEMPLATES:
        for parameter in transformed(name, **NEEDED.get(name, {})).get("Parameters", {}):
            assert not re.search(r"(?i)(token|password|apikey)$", parameter)


NEEDED: dict[str, dict[str, str]] = {
    "storage": {"Prefix": "p", "KmsKeyArn": "", "MakeApiKeySecret": "true"},
    "alarms": {
        "Prefix": "p",
        "FunctionName": "f",
        "AlarmEmail": "",
        "DailyInvocations": "1",
        "MonthlyBudgetDollars": "0",
    },
}


def test_if6_the_table_is_encrypted_forgets_and_has_a_ceiling() -> None:
    table = resources(transformed("storage", **NEEDED["storage"]), "AWS::DynamoDB::Table")["Limits"]
    properties = table["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["OnDemandThroughput"]["MaxWriteRequestUnits"] > 0
    assert properties["SSESpecification"]["SSEEnabled"] is True
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["DeletionPolicy"] == "Delete"


def test_if7_the_log_group_is_the_stacks_own_and_forgets_within_a_month() -> None:
    group = the(transformed("template"), "AWS::Logs::LogGroup")
    assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert max(transformed("template")["Parameters"]["LogRetentionDays"]["AllowedValues"]) <= 30
    assert function()["LoggingConfig"]["LogGroup"] == {"Ref": "LogGroup"}


def test_if8_what_should_wake_somebody_does() -> None:
    alarms = transformed("alarms", **NEEDED["alarms"])
    watched = {
        each["Properties"].get("MetricName") or each["Properties"]["Metrics"][1]["MetricStat"]["Metric"]["MetricName"]
        for each in resources(alarms, "AWS::CloudWatch::Alarm").values()
    }
    assert watched == {"Errors", "Throttles", "Invocations", "ServerErrors", "Unauthorized", "LimitStoreFailures"}
    for each in resources(alarms, "AWS::CloudWatch::Alarm").values():
        assert each["Properties"]["AlarmActions"]
    assert resources(alarms, "AWS::Budgets::Budget")
    assert f'"Namespace": "{NAMESPACE}"' in json.dumps(alarms)


def test_if9_no_origin_is_let_in_by_the_url() -> None:
    assert "Cors" not in the(transformed("template"), "AWS::Lambda::Url")


def test_every_variable_of_the_function_is_a_setting_or_lambdas_own() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    assert set(function()["Environment"]["Variables"]) - settings == {"AWS_LAMBDA_EXEC_WRAPPER"}


def test_the_function_starts_our_loop_and_any_other_finds_a_plain_handler() -> None:
    assert function()["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"] == "/var/task/run.sh"
    assert function()["Handler"] == "handler.lambda_handler.handler"
    assert TEMPLATES["template"].with_name("run.sh").stat().st_mode & 0o777 == 0o755


def test_sam_locals_api_is_never_deployed() -> None:
    template = transformed("template")
    (condition,) = {each["Condition"] for each in resources(template, "AWS::ApiGatewayV2::Api").values()}
    assert template["Conditions"][condition] == {"Fn::Equals": [{"Ref": "AWS::AccountId"}, ""]}


def test_the_defaults_are_arm64_and_python_3_13() -> None:
    parameters = transformed("template")["Parameters"]
    assert (parameters["Architecture"]["Default"], parameters["PythonRuntime"]["Default"]) == ("arm64", "python3.13")
