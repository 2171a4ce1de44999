"""`sam local start-api` for real, in Docker: every path is served, buffered. Off unless asked for with `-m docker`."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.lambda_.emulators import ROOT, sam_environment

pytestmark = pytest.mark.docker

START_SECONDS = 60.0


@pytest.fixture(scope="module")
def api(artifact_folder: Path) -> Iterator[str]:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Docker engine answers")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(sam_environment() / "bin" / "sam"), "local", "start-api", "--port", str(port)]
    command += ["--template", str(artifact_folder.parent / "template.yaml"), "--warm-containers", "LAZY"]
    command += ["--env-vars", str(ROOT / "infra" / "local.json"), "--parameter-overrides", f"Architecture={_here()}"]
    if _has_image(docker):
        command.append("--skip-pull-image")
    env = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _here() -> str:
    return "arm64" if os.uname().machine == "aarch64" else "x86_64"


def _has_image(docker: str) -> bool:
    name = f"public.ecr.aws/lambda/python:3.13-{_here()}"
    return subprocess.run([docker, "image", "inspect", name], capture_output=True, check=False).returncode == 0


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("sam local does not listen")


def test_health_and_every_other_path_is_served(api: str) -> None:
    assert httpx.get(f"{api}/health", timeout=60).json()["status"] == "ok"
    assert httpx.head(f"{api}/", timeout=30).status_code == 200
    assert httpx.get(f"{api}/no/such/path", timeout=30).json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("prefix", ["", "/full", "/min", "/pt"])
def test_a_request_reaches_the_app_under_every_prefix(api: str, prefix: str) -> None:
    body = {"model": "claude-opus-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    answer = httpx.post(f"{api}{prefix}/v1/messages", json=body, timeout=30)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
    answer = httpx.post(f"{api}{prefix}/openai/v1/chat/completions", content=json.dumps(body), timeout=30)
    assert answer.status_code in (401, 415)
    assert "error" in answer.json()
