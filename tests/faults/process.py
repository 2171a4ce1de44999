"""The proxy as a process of its own: `python -m handler`, as a user starts it."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.proxy import KEY

ROOT = Path(__file__).parents[2]
_URL = re.compile(rb"http://localhost:\d+")


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    url: str
    process: asyncio.subprocess.Process

    def resident_bytes(self) -> int:
        """The memory it holds now."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def running(upstream: str, *code: str) -> AsyncIterator[Proxy]:
    """A proxy in front of an upstream, ended with the block; `code` runs before it starts."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "ANTHROPIC_API_KEY": KEY,
        "UPSTREAM_BASE_URL": upstream,
        "RATE_LIMIT_ENABLED": "false",
        "PORT": "0",
    }
    start = ["-c", "\n".join([*code, "from handler.cli import serve", "serve()"])] if code else ["-m", "handler"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *start,
        env=environment,
        cwd=ROOT / "tests",  # where no .env is read
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(20):
            url = await _url(process)
        yield Proxy(url, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _url(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    told = b""
    while line := await process.stderr.readline():
        told += line
        if found := _URL.search(line):
            return found[0].decode()
    raise RuntimeError(f"the proxy did not start: {told.decode()}")
