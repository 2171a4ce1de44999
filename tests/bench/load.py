"""Load on loopback, bounded, and what is left of it afterwards: `uv run python -m tests.bench.load [--quick]`.

    200 streams at once                 for a minute, a delta every 100 ms each
    500 requests a second               for 30 seconds
    60 callers who leave at once        twice, in mid-stream
    a caller who does not read          against a stream of 256 MB

After each, the proxy must answer, and its sockets and memory be back to about what they were.
"""

import asyncio
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import uvloop

from tests.bench.driver import Caller, Figures, request, run
from tests.bench.processes import OTHER_CORE, PROXY_CORE, Process, started

PATH = "/v1/messages"


@dataclass
class State:
    """What a process holds: open files and megabytes."""

    files: int
    memory: float

    @classmethod
    def of(cls, process: Process) -> "State":
        return cls(len(list(Path(f"/proc/{process.pid}/fd").iterdir())), process.memory())


async def at_a_rate(port: int, per_second: int, seconds: int) -> Figures:
    """Plain requests at a steady rate over 64 connections; a request waits for a free one."""
    figures = Figures()
    idle: asyncio.Queue[Caller] = asyncio.Queue()
    callers = []
    for _ in range(64):
        _, caller = await asyncio.get_running_loop().create_connection(lambda: Caller(figures.ages), "127.0.0.1", port)
        callers.append(caller)
        idle.put_nowait(caller)
    data = request(PATH, "plain")

    async def one(due: float) -> None:
        caller = await idle.get()
        await caller.call(data)
        figures.whole.append(time.perf_counter() - due)
        figures.failed += not caller.ok
        idle.put_nowait(caller)

    tasks, begun = [], time.perf_counter()
    for number in range(per_second * seconds):
        due = begun + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    for caller in callers:
        caller.transport.close()
    return figures


async def leaving(port: int, count: int) -> None:
    """So many callers read the first bytes of a stream, and then are all gone."""

    async def one() -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(PATH, "paced:600:100", stream=True))
        await reader.read(100)
        return writer

    for writer in await asyncio.gather(*(one() for _ in range(count))):
        writer.transport.abort()


async def not_reading(port: int, process: Process, seconds: float) -> float:
    """The most megabytes the process grew by while a caller did not read its 256 MB stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    before, most = process.memory(), 0.0
    writer.write(request(PATH, f"burst:{256_000_000 // 130}", stream=True))
    await reader.read(100)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        most = max(most, process.memory() - before)
        await asyncio.sleep(0.05)
    writer.transport.abort()
    return most


def settled(process: Process, seconds: float = 10.0) -> State:
    """The state once callers' sockets are gone; the upstream's may be kept."""
    until = time.monotonic() + seconds
    state = State.of(process)
    while time.monotonic() < until:
        time.sleep(0.5)
        if (now := State.of(process)) == state:
            break
        state = now
    return state


def main() -> None:
    """Runs all of it and prints what was seen; exits 1 when something did not hold."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    scale = 0.1 if "--quick" in sys.argv else 1.0
    os.sched_setaffinity(0, {OTHER_CORE})
    wrong = []
    with ExitStack() as stack:
        upstream = stack.enter_context(started("upstream", "tests.bench.upstream", "{port}", core=OTHER_CORE))
        settings = {"ANTHROPIC_API_KEY": "sk-ant-api03-load", "RATE_LIMIT_PER_MINUTE": "1000000", "PORT": "{port}"}
        url = f"http://127.0.0.1:{upstream.port}"
        proxy = stack.enter_context(started("ours", "handler", core=PROXY_CORE, UPSTREAM_BASE_URL=url, **settings))
        # Once warm: what the first load leaves, connections to the upstream and heap, is no leak.
        asyncio.run(run(proxy.port, request(PATH, "paced:5:20", stream=True), callers=200, each=1))
        before = settled(proxy)
        print(f"at rest, warm: {before.files} files, {before.memory:.0f} MB")

        deltas = int(600 * scale)
        figures = asyncio.run(run(proxy.port, request(PATH, f"paced:{deltas}:100", stream=True), callers=200, each=1))
        during = State.of(proxy)
        ages = quantiles(figures.ages, n=100)
        print(
            f"200 streams, {deltas} deltas each: {figures.failed} failed; a delta took {median(ages) * 1000:.2f} ms, "
            f"p99 {ages[98] * 1000:.2f} ms; {during.memory:.0f} MB"
        )
        wrong += ["streams failed"] if figures.failed or len(figures.whole) != 200 else []

        seconds = max(1, int(30 * scale))
        figures = asyncio.run(at_a_rate(proxy.port, 500, seconds))
        taken = quantiles(figures.whole, n=100)
        print(
            f"500 requests a second for {seconds} s: {figures.failed} failed; median {taken[49] * 1000:.2f} ms, "
            f"p99 {taken[98] * 1000:.2f} ms"
        )
        wrong += ["requests failed"] if figures.failed or len(figures.whole) != 500 * seconds else []

        for _ in range(2):
            asyncio.run(leaving(proxy.port, 60))
            begun = time.monotonic()
            asyncio.run(run(proxy.port, request(PATH, "plain"), callers=1, each=1))
            print(f"60 left at once: the next was answered after {(time.monotonic() - begun) * 1000:.1f} ms")
            wrong += ["not alive after callers left"] if time.monotonic() - begun > 5 else []

        grown = asyncio.run(not_reading(proxy.port, proxy, 5 * max(scale, 0.4)))
        print(f"a caller who does not read 256 MB: memory grew by {grown:.0f} MB")
        wrong += ["memory grew"] if grown > 120 else []

        after = settled(proxy, 15)
        print(f"at rest again: {after.files} files, {after.memory:.0f} MB")
        wrong += ["files are left open"] if after.files > before.files + 5 else []
        wrong += ["memory is not back"] if after.memory > before.memory + 60 else []
    if wrong:
        raise SystemExit("; ".join(wrong))


if __name__ == "__main__":
    main()
