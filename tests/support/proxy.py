"""The proxy in front of an upstream, on real sockets, for a test.

async with proxied(upstream_url, auth_token="t") as url:    in the test's own event loop
with proxied_for_blocking(upstream_url) as url:             in a thread, for clients that block
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from handler.app import create_app
from handler.settings import Settings
from tests.support.server import served, serving

KEY = "sk-ant-api03-the-servers-own-key"


def settings(upstream: str, **values: Any) -> Settings:
    """Settings as the environment would give them: `values` are strings or what pydantic takes."""
    values.setdefault("anthropic_api_key", KEY)
    values.setdefault("rate_limit_enabled", False)
    return Settings(_env_file=None, upstream_base_url=upstream, **values)


@asynccontextmanager
async def proxied(upstream: str, **values: Any) -> AsyncIterator[str]:
    """The base URL of a running proxy. No rate limit unless `values` turn it on."""
    async with serving(create_app(settings(upstream, **values)), proxy_headers=False) as url:
        yield url


@contextmanager
def proxied_for_blocking(upstream: str, **values: Any) -> Iterator[str]:
    """The same in a thread of its own."""
    with served(create_app(settings(upstream, **values)), proxy_headers=False) as url:
        yield url
