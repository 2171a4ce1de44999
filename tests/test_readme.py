"""The README says what is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from handler import modes
from handler.settings import Settings
from tests.support.readme import README, TABLES, block

TEXT = README.read_text()


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_table_is_up_to_date(name: str) -> None:
    found = block(name).search(TEXT)
    assert found, f"the README has no block for the {name} table"
    assert found[0] == TABLES[name](), "run: uv run python -m tests.support.readme"


def test_every_name_in_capitals_that_looks_like_a_setting_is_one() -> None:
    known = {name.upper() for name in Settings.model_fields}
    named = set(
        re.findall(r"`((?:AUTH|RATE|UPSTREAM|MAX|MODEL|PROXY|DEADLINE|LOG|CLAUDE|FULL|TRUSTED|AUTO)_[A-Z_]+)`", TEXT)
    )
    assert named <= known


def test_every_command_it_names_exists() -> None:
    named = set(re.findall(r"claude-proxy ([a-z]+)", TEXT))
    program = Path(sys.executable).with_name("claude-proxy")
    shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    assert named
    assert all(name in shown.stdout for name in named), named


def test_every_mode_prefix_is_in_it() -> None:
    for prefix in modes.PREFIXES:
        assert not prefix or f"`{prefix}`" in TEXT
