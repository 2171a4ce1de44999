"""What client tests share: one chain with default settings, and a way to run the clients for Node."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from handler.settings import Settings
from tests.clients.chain import Chain, asking, chained_for_blocking

NODE = Path(__file__).parent / "node"
INSTALL_SECONDS = 120
SCRIPT_SECONDS = 30


@pytest.fixture(scope="session")
def default_chain() -> Iterator[Chain]:
    """The proxy with a key of its own and no gate, in front of the simulator, in threads."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name in Settings.model_fields:
                patch.delenv(name.upper(), raising=False)
            chain = stack.enter_context(chained_for_blocking())
        # The first stream of a process loads modules, which would tell in the times of its chunks.
        httpx.post(f"{chain.url}/v1/messages", json=asking("Hi", stream=True)).raise_for_status()
        yield chain


@pytest.fixture
def chain(default_chain: Chain) -> Chain:
    """The default chain, with nothing seen yet."""
    default_chain.forget()
    return default_chain


@pytest.fixture(scope="session")
def run_node() -> Callable[..., Any]:
    """Runs a script of `node/`, its packages installed, with these arguments; gives the JSON it prints."""
    if missing := [command for command in ("node", "npm") if shutil.which(command) is None]:
        pytest.skip(f"not on PATH: {', '.join(missing)}")
    installed, lock = NODE / "node_modules" / ".package-lock.json", NODE / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        _checked(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], INSTALL_SECONDS, dict(os.environ))

    def run(script: str, *arguments: str) -> Any:
        path = {"PATH": os.environ["PATH"]}  # and nothing else: clients look for keys in the environment
        return json.loads(_checked(["node", script, *arguments], SCRIPT_SECONDS, path))

    return run


def _checked(command: list[str], seconds: float, environment: dict[str, str]) -> str:
    ended = subprocess.run(command, cwd=NODE, env=environment, timeout=seconds, capture_output=True, text=True)
    assert ended.returncode == 0, f"{' '.join(command[:2])} failed:\n{ended.stderr[-2000:]}"
    return ended.stdout
