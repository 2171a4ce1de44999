"""The emulators of AWS Lambda, each as a program of its own, and the runtime loop as another.

cargo-lambda streams to HTTP callers; AWS's own (RIE) takes events and gives whole answers. Where one is not installed,
the test that asks for it is skipped and says how to get it.
"""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0
TOKEN = "a-token-of-the-callers-that-is-long-enough-for-a-public-url"

# What `cargo metadata` says of a package without code: cargo-lambda asks, and needs no Rust beyond that.
_CARGO = """#!{python}
import json, os
here = os.getcwd()
target = {{"kind": ["bin"], "crate_types": ["bin"], "name": "f", "src_path": here + "/src/main.rs", "edition": "2021",
          "doc": True, "doctest": False, "test": True}}
package = {{"name": "f", "version": "0.1.0", "id": "f 0.1.0", "dependencies": [], "targets": [target], "features": {{}},
           "manifest_path": here + "/Cargo.toml", "authors": [], "categories": [], "keywords": [], "edition": "2021"}}
print(json.dumps({{"packages": [package], "workspace_members": ["f 0.1.0"], "target_directory": here + "/target",
                  "version": 1, "workspace_root": here}}))
"""


def cargo_lambda_program() -> Path:
    """cargo-lambda, or a skip."""
    found = Path(sys.executable).with_name("cargo-lambda")
    if not found.exists():
        pytest.skip("cargo-lambda is not installed: uv sync --group lambda")
    return found


def sam_environment() -> Path:
    """The virtual environment that holds SAM, or a skip."""
    found = ROOT / ".venv-sam"
    if not (found / "bin" / "sam").exists():
        pytest.skip("SAM is not installed: UV_PROJECT_ENVIRONMENT=.venv-sam uv sync --only-group sam")
    return found


def rie_program() -> Path:
    """AWS's own emulator, which comes inside SAM, or a skip."""
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())
    found = next(sam_environment().glob(f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}"), None)
    if found is None or not sys.platform.startswith("linux"):
        pytest.skip(f"AWS's emulator is not there for {sys.platform} on {platform.machine()}")
    return found


@dataclass(frozen=True)
class Loop:
    """What runs our loop: a folder with the code, the interpreter, and the module (None: `run.sh`)."""

    folder: Path = ROOT
    python: str = sys.executable
    module: str | None = None

    def command(self) -> list[str]:
        """The program and its arguments."""
        if self.module is not None:
            return [self.python, "-m", self.module]
        return [str(self.folder / "run.sh"), self.python]


PROGRAM = Loop(module="tests.lambda_.program")
"""The small app of the tests, in the loop."""
PROXY = Loop()
"""The proxy from the source tree, started as Lambda starts it."""


def environment(**values: str | None) -> dict[str, str]:
    """Lambda's own variables and `values` (None leaves one out); nothing of this machine but where programs are."""
    whole = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "AWS_LAMBDA_FUNCTION_NAME": "proxy",
        "AUTH_TOKEN": TOKEN,
        "ANTHROPIC_API_KEY": "sk-ant-api03-the-servers-own-key",
        "RATE_LIMIT_ENABLED": "false",
        **values,
    }
    return {name: value for name, value in whole.items() if value is not None}


@contextmanager
def streaming(loop: Loop, folder: Path, **values: str | None) -> Iterator[str]:
    """The base URL of cargo-lambda's emulator with a loop behind it; `folder` is an empty one for its own files."""
    program = cargo_lambda_program()
    (folder / "src").mkdir()
    (folder / "src" / "main.rs").write_text("fn main() {}")
    (folder / "Cargo.toml").write_text('[package]\nname = "f"\nversion = "0.1.0"\nedition = "2021"\n')
    cargo = folder / "bin" / "cargo"
    cargo.parent.mkdir()
    cargo.write_text(_CARGO.format(python=sys.executable))
    cargo.chmod(0o755)
    port = _free_port()
    watch = [str(program), "lambda", "watch", "--only-lambda-apis", "--ignore-changes", "--disable-cors"]
    path = f"{cargo.parent}:{os.environ['PATH']}"
    values = {"PROXY_RESPONSE_MODE": "stream", "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}/.rt", **values}
    with (
        _running([*watch, "-A", "127.0.0.1", "-P", str(port)], folder, {**os.environ, "PATH": path}),
        _listening(port),
        _running(loop.command(), loop.folder, environment(**values)),
    ):
        yield f"http://127.0.0.1:{port}"


class Rie:
    """AWS's emulator with a loop inside: one event at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.client = httpx.Client(timeout=30)

    def invoke(self, event: Any) -> httpx.Response:
        """The raw answer of the Invoke API."""
        content = event if isinstance(event, bytes) else json.dumps(event).encode()
        return self.client.post(self._url, content=content)

    def answer(self, event: Any) -> dict[str, Any]:
        """The function's whole answer."""
        answer: dict[str, Any] = self.invoke(event).json()
        return answer


@contextmanager
def emulated(loop: Loop, **values: str | None) -> Iterator[Rie]:
    """AWS's emulator, our loop as its runtime."""
    program = rie_program()
    port, runtime_port = _free_port(), _free_port()
    command = [str(program), "--log-level", "error"]
    command += ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{runtime_port}", *loop.command()]
    with _running(command, loop.folder, environment(**values)), _listening(port):
        rie = Rie(f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations")
        with rie.client:
            yield rie


@contextmanager
def _running(command: list[str], folder: Path, env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _listening(port: int) -> Iterator[None]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            break
    yield


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def python_3_13() -> str:
    """An interpreter for the deployed Python, or a skip. A pyenv shim is none."""
    candidates = [shutil.which("python3.13"), *Path.home().glob(".pyenv/versions/3.13*/bin/python3.13")]
    for candidate in filter(None, candidates):
        asked = [str(candidate), "-c", "import sys; print(sys.executable)"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return found.stdout.strip()
    pytest.skip("Python 3.13 is not installed: the artifact is built for it")
