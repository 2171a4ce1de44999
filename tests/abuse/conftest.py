"""One chain for a whole module, for tables of cases that leave nothing behind."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from handler.settings import Settings
from tests.abuse.target import Chain, chained


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _chain() -> AsyncIterator[Chain]:
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        async with chained() as chain:
            yield chain


@pytest.fixture
def chain(_chain: Chain) -> Chain:
    """An open proxy with a key of its own, nothing seen yet."""
    _chain.seen.clear()
    return _chain
