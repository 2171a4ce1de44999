"""What a start costs: only what the first request needs is loaded before it."""

import subprocess
import sys

import pytest

START = """
import sys
from handler.app import create_app
from handler.settings import load
create_app(load())
print(*sys.modules)
"""
ON_AWS = {"RATE_LIMIT_TABLE": "t", "AUTH_TOKEN_SECRET": "a", "ANTHROPIC_API_KEY_SECRET": "b", "AWS_REGION": "eu-west-1"}
NEVER = {"boto3", "botocore.session", "uvicorn", "typer", "handler.simulator", "handler.cli", "handler.demo"}
LATER = {"handler.wire.chat", "handler.translate.chat_request", "handler.translate.chat_stream"}
FOR_AWS = {"handler.ratelimit.dynamodb", "handler.credentials.secrets_manager"}


@pytest.mark.parametrize(
    ("settings", "loaded"),
    [({"ANTHROPIC_API_KEY": "k"}, set()), (ON_AWS, FOR_AWS)],
    ids=["nothing on AWS", "table and secrets"],
)
def test_a_start_loads_only_what_the_first_request_needs(settings: dict[str, str], loaded: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(done.stdout.split())
    assert not modules & (NEVER | LATER)
    assert modules & FOR_AWS == loaded
