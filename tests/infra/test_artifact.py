"""What `sam build` makes, and what SAM says of the templates. `sam` is installed apart, since its pins are its own."""

import hashlib
import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.infra.template import TEMPLATES
from tests.lambda_ import artifact
from tests.lambda_.emulators import ROOT, sam_environment

pytestmark = pytest.mark.sam

MAX_BYTES, MAX_ZIPPED = 38_000_000, 12_000_000


@pytest.fixture(scope="module")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact as it is deployed by default, whatever this machine is."""
    return artifact.built(tmp_path_factory.mktemp("arm64"), "arm64")


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", TEMPLATES)
def test_sam_validates_and_lints(name: str) -> None:
    sam = sam_environment() / "bin" / "sam"
    env = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}
    command = [str(sam), "validate", "--lint", "--template", str(TEMPLATES[name])]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_what_runs_is_deployed(arm64: Path) -> None:
    found = names(arm64)
    top = {name.partition("/")[0] for name in found}
    assert {"handler", "run.sh", "fastapi", "mangum", "httpx", "aws_lambda_powertools"} <= top
    assert not top & {"tests", "infra", "README.md", "boto3", "botocore", "aws_xray_sdk", "anthropic", "openai", "rich"}
    assert not [name for name in found if name.startswith(("handler/simulator", "handler/cli", "handler/demo"))]


def test_su3_nothing_runs_at_install_time_or_at_every_start(arm64: Path) -> None:
    assert not [name for name in names(arm64) if name.endswith((".pth", "setup.py")) or name.startswith("bin/")]


def test_run_sh_can_be_executed(arm64: Path) -> None:
    assert (arm64 / "run.sh").stat().st_mode & 0o777 == 0o755


def test_every_library_is_for_the_functions_processor(arm64: Path, artifact_folder: Path) -> None:
    here = 183 if os.uname().machine == "aarch64" else 62
    for folder, machine in ((arm64, 183), (artifact_folder, here)):
        libraries = list(folder.rglob("*.so"))
        assert libraries
        assert {int.from_bytes(each.read_bytes()[18:20], "little") for each in libraries} == {machine}


def test_everything_is_compiled_so_that_sams_zip_does_not_undo_it(arm64: Path) -> None:
    sources = [path for path in arm64.rglob("*.py") if "cpython" not in path.name]
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        # Bit 0 of the flags: found by hash; bit 1 clear: not compared with the source.
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", source


def test_it_is_small(arm64: Path, tmp_path: Path) -> None:
    size = sum(path.stat().st_size for path in arm64.rglob("*") if path.is_file())
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in arm64.rglob("*"):
            zipped.write(path, path.relative_to(arm64))
    assert size < MAX_BYTES
    assert (tmp_path / "a.zip").stat().st_size < MAX_ZIPPED


def test_su3_its_files_and_their_digests_are_recorded(arm64: Path) -> None:
    manifest = json.loads((arm64 / "manifest.json").read_text())
    assert sorted(manifest["files"]) == [name for name in names(arm64) if name != "manifest.json"]
    for name in ("run.sh", "handler/app.py", "requirements.txt"):
        assert manifest["files"][name] == hashlib.sha256((arm64 / name).read_bytes()).hexdigest()
    assert manifest["machine"] == "aarch64"


def test_su1_what_is_installed_is_what_the_lock_says_by_hash(arm64: Path) -> None:
    lines = (arm64 / "requirements.txt").read_text().splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}
    installed = {path.name.split("-")[0].replace("_", "-").lower() for path in arm64.glob("*.dist-info")}
    assert installed <= pinned
    assert sum("--hash=sha256:" in line for line in lines) >= len(pinned)
