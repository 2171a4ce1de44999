"""Ours beside the naive pass-through, in one run: `uv run python -m tests.bench [--quick]`.

Rounds are interleaved and medians given, the proxy alone on one core; ratios count, not seconds.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from statistics import median

import uvloop

from tests.bench.driver import request, run
from tests.bench.processes import OTHER_CORE, PROXY_CORE, Process, started

ROUNDS, REQUESTS, STREAMS, DELTAS, PACE_MS, BURST = 5, 250, 200, 150, 20, 2000
Measure = Callable[[Process], float]
MESSAGES, CHAT = "/v1/messages", "/v1/chat/completions"


def cpu_a_request(path: str) -> Measure:
    """CPU milliseconds of a 1 KB request, 16 connections at once."""

    def measure(proxy: Process) -> float:
        before = proxy.cpu()
        figures = asyncio.run(run(proxy.port, request(path, "plain"), callers=16, each=REQUESTS))
        _check(figures.failed, proxy)
        return (proxy.cpu() - before) * 1000 / (16 * REQUESTS)

    return measure


def latency(path: str, size: int, each: int) -> Measure:
    """Milliseconds to the end of a plain answer, median, one request after the other."""

    def measure(proxy: Process) -> float:
        figures = asyncio.run(run(proxy.port, request(path, "plain", size=size), callers=1, each=each))
        _check(figures.failed, proxy)
        return median(figures.whole) * 1000

    return measure


def first_byte(path: str) -> Measure:
    """Milliseconds to the first byte of a stream, median, one request after the other."""

    def measure(proxy: Process) -> float:
        figures = asyncio.run(run(proxy.port, request(path, "burst:1", stream=True), callers=1, each=200))
        _check(figures.failed, proxy)
        return median(figures.first) * 1000

    return measure


def cpu_streamed(path: str, wanted: str, deltas: int, callers: int) -> Measure:
    """CPU seconds for 100,000 deltas."""

    def measure(proxy: Process) -> float:
        before = proxy.cpu()
        figures = asyncio.run(run(proxy.port, request(path, wanted, stream=True), callers=callers, each=1))
        _check(figures.failed, proxy)
        return (proxy.cpu() - before) * 100_000 / (callers * deltas)

    return measure


def chunk_age(path: str) -> Measure:
    """Milliseconds from the upstream's write of a delta to its arrival, median, 200 streams at once."""

    def measure(proxy: Process) -> float:
        wanted = f"paced:{DELTAS}:{PACE_MS}"
        figures = asyncio.run(run(proxy.port, request(path, wanted, stream=True), callers=STREAMS, each=1))
        _check(figures.failed, proxy)
        return median(figures.ages) * 1000

    return measure


PACED = f"paced:{DELTAS}:{PACE_MS}"
# Where the upstream alone takes time too, that comes off.
MEASURES: dict[str, Measure] = {
    "CPU ms a request": cpu_a_request(MESSAGES),
    "added ms, 1 KB": latency(MESSAGES, 1024, 200),
    "added ms, 5 MB": latency(MESSAGES, 5_000_000, 10),
    "added ms to the first byte": first_byte(MESSAGES),
    "CPU s per 100,000 paced chunks": cpu_streamed(MESSAGES, PACED, DELTAS, STREAMS),
    "CPU s per 100,000 chunks, burst": cpu_streamed(MESSAGES, f"burst:{BURST}", BURST, 20),
    "added ms of a paced chunk": chunk_age(MESSAGES),
    "OpenAI: CPU ms a request": cpu_a_request(CHAT),
    "OpenAI: added ms to the first byte": first_byte(CHAT),
    "OpenAI: CPU s per 100,000 paced": cpu_streamed(CHAT, PACED, DELTAS, STREAMS),
    "OpenAI: CPU s per 100,000, burst": cpu_streamed(CHAT, f"burst:{BURST}", BURST, 20),
}


def _check(failed: int, proxy: Process) -> None:
    if failed:
        raise RuntimeError(f"{proxy.name}: {failed} requests failed")


def start_up(begin: Callable[[], AbstractContextManager[Process]]) -> Measure:
    """Milliseconds from the start of the process to its first answer."""

    def measure(_: Process) -> float:
        begun = time.perf_counter()
        with begin() as proxy:
            asyncio.run(run(proxy.port, request(MESSAGES, "plain"), callers=1, each=1))
            return (time.perf_counter() - begun) * 1000

    return measure


def main() -> None:
    """Prints the table."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    quick = "--quick" in sys.argv
    os.sched_setaffinity(0, {OTHER_CORE})
    with ExitStack() as stack:
        upstream = stack.enter_context(started("upstream", "tests.bench.upstream", "{port}", core=OTHER_CORE))
        url = f"http://127.0.0.1:{upstream.port}"

        def naive() -> AbstractContextManager[Process]:
            return started("naive", "tests.bench.naive", url, "{port}", core=PROXY_CORE)

        def ours() -> AbstractContextManager[Process]:
            settings = {"ANTHROPIC_API_KEY": "sk-ant-api03-bench", "RATE_LIMIT_PER_MINUTE": "1000000"}
            return started("ours", "handler", core=PROXY_CORE, UPSTREAM_BASE_URL=url, PORT="{port}", **settings)

        begin = {"naive": naive, "ours": ours}
        proxies = [upstream, *(stack.enter_context(each()) for each in begin.values())]
        table: dict[str, dict[str, list[float]]] = {}
        for _ in range(1 if quick else ROUNDS):
            for name, measure in MEASURES.items():
                for proxy in proxies:
                    table.setdefault(name, {}).setdefault(proxy.name, []).append(measure(proxy))
            for proxy in proxies[1:]:
                figure = start_up(begin[proxy.name])(proxy)
                table.setdefault("ms from start to the first answer", {}).setdefault(proxy.name, []).append(figure)
        for proxy in proxies[1:]:
            table.setdefault("RSS MB at the end", {})[proxy.name] = [proxy.memory()]
    print(f"{'':36} {'upstream':>9} {'naive':>9} {'ours':>9} {'ours/naive':>11}")
    for name, row in table.items():
        alone = median(row.get("upstream", [0.0]))
        baseline, figure = (median(row[each]) for each in ("naive", "ours"))
        if "added" in name:
            baseline, figure = baseline - alone, figure - alone
        print(f"{name:36} {alone:9.3f} {baseline:9.3f} {figure:9.3f} {figure / baseline:11.2f}")


if __name__ == "__main__":
    main()
