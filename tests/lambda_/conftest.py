"""What is built once for all tests of this folder."""

from pathlib import Path

import pytest

from tests.lambda_ import artifact


@pytest.fixture(scope="session")
def artifact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact for this machine."""
    return artifact.built(tmp_path_factory.mktemp("build"))
