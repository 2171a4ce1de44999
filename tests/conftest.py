"""What holds for every test: no setting of this machine, no AWS account, no network but loopback."""

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from handler.settings import Settings
from tests.lambda_ import artifact

# Of each property, under -m fuzz.
FUZZ_EXAMPLES = 10_000

_REAL_CONNECT = socket.socket.connect
_REAL_CONNECT_EX = socket.socket.connect_ex
_REAL_GETADDRINFO = socket.getaddrinfo


def _is_local(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = address[0]
    try:
        return bool(ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return host in ("localhost", "")


def _checked(address: Any) -> None:
    if not _is_local(address):
        raise AssertionError(f"a test wanted to connect to {address[0]}")


def _connect(self: socket.socket, address: Any) -> None:
    _checked(address)
    _REAL_CONNECT(self, address)


def _connect_ex(self: socket.socket, address: Any) -> int:
    _checked(address)
    return _REAL_CONNECT_EX(self, address)


def _getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and not _is_local((name,)):
        raise socket.gaierror(socket.EAI_NONAME, "tests have no network but loopback")
    return _REAL_GETADDRINFO(host, *rest, **options)


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _connect)
        patch.setattr(socket.socket, "connect_ex", _connect_ex)
        patch.setattr(socket, "getaddrinfo", _getaddrinfo)
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {name.upper() for name in Settings.model_fields}
    foreign = ("AWS_", "POWERTOOLS_", "ANTHROPIC_", "OPENAI_", "CLAUDE_", "OTEL_", "_X_AMZN", "LAMBDA_")
    for name in os.environ:
        if name in names or name.startswith(foreign) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def artifact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The deployed artifact, built once for this machine."""
    return artifact.built(tmp_path_factory.mktemp("build"))


def pytest_configure(config: pytest.Config) -> None:
    """Properties are tried much longer where they are all that is asked for."""
    hypothesis.settings.register_profile("fuzz", max_examples=FUZZ_EXAMPLES, deadline=None)
    if config.getoption("markexpr") == "fuzz":
        hypothesis.settings.load_profile("fuzz")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs Docker is off unless it is asked for."""
    for item in items:
        if hypothesis.is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("fuzz")
    if "docker" in config.getoption("markexpr"):
        return
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.skip(reason="needs a Docker engine; run it with -m docker"))
