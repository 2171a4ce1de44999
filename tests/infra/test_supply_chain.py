"""Where the parts come from (FAULTS S): the lock, its floors, its licences, what is known against it."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.infra.template import ROOT, TEMPLATES

LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
AUDIT = ROOT / ".venv-audit" / "bin"
# Known and looked at: id -> why it is no concern here, and until when that is believed.
EXCEPTIONS: dict[str, str] = {}
# checkov's findings that are decisions: id -> why.
DECISIONS = {
    "CKV_AWS_116": "nothing calls asynchronously, so nothing can be dead-lettered",
    "CKV_AWS_117": "a VPC would need a NAT gateway to reach the upstream",
    "CKV_AWS_173": "the environment holds no secret",
    "CKV_AWS_158": "log lines hold nothing that was said",
    "CKV_AWS_119": "counters of a minute, encrypted with the account's key",
    "CKV_AWS_28": "nothing to recover",
    "CKV_AWS_95": "sam local's API is never deployed",
}


def packages(group: str | None = None) -> list[dict[str, Any]]:
    """The locked packages that are installed with the project, or with one of its groups."""
    command = ["uv", "export", "--frozen", "--no-emit-project", "--no-hashes", "--format", "requirements.txt"]
    command += ["--no-dev"] if group is None else ["--only-group", group]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = set(re.findall(r"^([A-Za-z0-9._-]+)==", done.stdout, re.MULTILINE))
    return [each for each in LOCK["package"] if each["name"] in names]


def test_su1_every_locked_file_has_a_hash() -> None:
    for package in LOCK["package"]:
        for wheel in (*package.get("wheels", ()), *filter(None, [package.get("sdist")])):
            assert wheel["hash"].startswith("sha256:"), package["name"]


def test_su5_the_floors_hold() -> None:
    versions = {each["name"]: tuple(map(int, each["version"].split(".")[:3])) for each in packages()}
    assert versions["h11"] >= (0, 16, 0)
    assert versions["starlette"] >= (1, 0, 1)


def test_su6_few_things_are_deployed_and_none_is_an_llm_sdk() -> None:
    names = {each["name"] for each in packages()}
    assert len(names) <= 30
    assert names.isdisjoint({"anthropic", "openai", "boto3", "litellm", "uvicorn", "typer", "rich", "aws-xray-sdk"})


def test_su2_the_gate_takes_only_what_is_locked_and_a_workflow_only_what_is_pinned() -> None:
    gate = (ROOT / ".ci" / "run").read_text()
    assert gate.count("uv sync") == gate.count("uv sync --quiet --frozen") > 0
    workflows = [path.read_text() for path in (ROOT / ".github").rglob("*.y*ml")]
    used = [action for text in workflows for action in re.findall(r"uses:\s*(\S+)", text)]
    assert [action for action in used if not re.fullmatch(r"[^@]+@[0-9a-f]{40}", action)] == []
    assert [text for text in workflows if "secrets." in text] == []


def test_su4_a_bill_of_materials_can_be_made() -> None:
    command = ["uv", "export", "--frozen", "--no-dev", "--format", "cyclonedx1.5", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    bill = json.loads(done.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    assert {each["name"] for each in packages()} <= {each["name"] for each in bill["components"]}


def test_su4_every_licence_lets_us_pass_it_on() -> None:
    from importlib.metadata import PackageNotFoundError, metadata

    permissive = re.compile(r"MIT|BSD|Apache|ISC|MPL|PSF|Python Software Foundation|Unlicense", re.IGNORECASE)
    for package in packages():
        try:
            found = metadata(package["name"])
        except PackageNotFoundError:
            continue  # for another system or Python than this one
        said = [found.get("License-Expression"), found.get("License"), *(found.get_all("Classifier") or [])]
        assert any(permissive.search(each or "") for each in said), package["name"]


def _audit_tool(name: str) -> Path:
    if not (AUDIT / name).exists():
        pytest.skip(f"{name} is not installed: UV_PROJECT_ENVIRONMENT=.venv-audit uv sync --only-group audit")
    return AUDIT / name


def test_su5_nothing_is_known_against_what_is_deployed(tmp_path: Path) -> None:
    tool = _audit_tool("pip-audit")
    requirements = tmp_path / "requirements.txt"
    command = ["uv", "export", "--frozen", "--no-dev", "--no-emit-project", "--output-file", str(requirements), "-q"]
    subprocess.run(command, cwd=ROOT, check=True)
    audit = [str(tool), "--requirement", str(requirements), "--disable-pip", "--format", "json", "--timeout", "5"]
    done = subprocess.run(audit, capture_output=True, text=True, check=False)
    if "onnection" in done.stderr or "resolve" in done.stderr:
        pytest.skip("the vulnerability service cannot be reached from here")
    found = [bad["id"] for each in json.loads(done.stdout)["dependencies"] for bad in each.get("vulns", ())]
    assert [each for each in found if each not in EXCEPTIONS] == []


def test_if10_checkov_finds_only_what_was_decided() -> None:
    tool = _audit_tool("checkov")
    files = [part for path in TEMPLATES.values() for part in ("--file", str(path))]
    command = [str(tool), *files, "--framework", "cloudformation", "--output", "json", "--quiet", "--compact"]
    env = {**os.environ, "LOG_LEVEL": "ERROR", "BC_SKIP_MAPPING": "TRUE"}
    done = subprocess.run([*command, "--skip-download"], env=env, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    failed = report.get("results", {}).get("failed_checks", [])
    found = {each["check_id"]: f"{each['check_name']} ({each['resource']})" for each in failed}
    assert {name: text for name, text in found.items() if name not in DECISIONS} == {}
    assert DECISIONS.keys() <= found.keys(), "a decision that no finding needs any more"
