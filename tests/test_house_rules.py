"""The rules of this house, as far as a machine can see them."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = sorted((ROOT / "handler").rglob("*.py"))
PYTHON = [*PRODUCT, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "infra").rglob("*.py"))]
MAX_LINES = 250
PART_OF = {"pydantic_core": "pydantic", "dotenv": "python_dotenv"}


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports",),
    ],
    ids=lambda command: " ".join(command),
)
def test_a_tool_finds_nothing(command: tuple[str, ...]) -> None:
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_check_is_waived(path: Path) -> None:
    assert not re.search(r"# *(noqa|type: *ignore|pragma: *no cover|nosec)", path.read_text())


def test_the_environment_is_read_in_one_place() -> None:
    """Lambda's own variables, by which it speaks to a runtime, are the runtime's."""
    readers = {str(path.relative_to(ROOT)) for path in PRODUCT if re.search(r"os\.(environ|getenv)", path.read_text())}
    assert readers == {"handler/settings.py", "handler/lambda_runtime/__main__.py"}


def test_nothing_is_left_unfinished() -> None:
    for path in PYTHON:
        if path != Path(__file__):
            assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", path.read_text()), path


def test_no_path_of_one_machine_is_in_the_project() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        if name.endswith((".lock", ".json")) or name == str(Path(__file__).relative_to(ROOT)):
            continue
        assert not re.search(r"(?<![\w.])/(work|root|home|farm)/", (ROOT / name).read_text()), name


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_name_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    named = [tree, *(node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_"))]
    for node in list(named):
        if isinstance(node, ast.ClassDef):
            named += [each for each in node.body if isinstance(each, kinds) and not each.name.startswith("_")]
    silent = [getattr(node, "name", path.name) for node in named if not ast.get_docstring(node)]
    # What a protocol or a base class says already need not be said again.
    assert [name for name in silent if not re.match(r"(visit_|on_)", name)] == []


def test_what_is_imported_is_declared() -> None:
    """Otherwise it is there in tests, by way of another package, and missing where it is deployed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {_import_name(each) for each in project["dependencies"]}
    server = declared | {_import_name(each) for each in project["optional-dependencies"]["server"]}
    for path in PRODUCT:
        for name in _imported(path) - set(sys.stdlib_module_names) - {"handler"}:
            local = path.name in ("cli.py", "demo.py", "server.py")
            assert PART_OF.get(name, name) in (server if local else declared), f"{path}: {name}"


def _import_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].replace("-", "_")


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names
