"""The artifact that `sam build` makes, once for a test run, for this machine's architecture."""

import os
import platform
import subprocess
from pathlib import Path

from tests.lambda_.emulators import ROOT, Loop, python_3_13, sam_environment


def built(folder: Path, architecture: str | None = None) -> Path:
    """The function's folder, built into `folder`. Skips where SAM or Python 3.13 is missing."""
    sam, python = sam_environment() / "bin" / "sam", python_3_13()
    here = "arm64" if platform.machine() == "aarch64" else "x86_64"
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "UV_PROJECT"))},
        "PATH": f"{Path(python).parent}:{os.environ['PATH']}",
        "ARCHITECTURE": architecture or here,
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    command = [str(sam), "build", "--build-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "ProxyFunction"


def deployed(folder: Path) -> Loop:
    """The artifact's own code in the loop, nothing else importable."""
    return Loop(folder, python_3_13())
