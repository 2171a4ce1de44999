"""Ours beside the naive pass-through, in one run: `uv run python -m tests.bench [--quick]`.

Rounds are interleaved and medians given, the proxy alone on one core; ratios count, not seconds.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

import uvloop

from tests.bench.driver import request, run
from tests.bench.processes import OTHER_CORE, PROXY_CORE, Process, started

ROUNDS, REQUESTS, STREAMS, DELTAS, PACE_MS = 5, 250, 200, 150, 20
Measure = Callable[[Process], float]


def cpu_a_request(path: str) -> Measure:
    """CPU milliseconds of a 1 KB request, 16 connections at once."""

    def measure(proxy: Process) -> float:
        before = proxy.cpu()
        figures = asyncio.run(run(proxy.port, request(path, "plain"), callers=16, each=REQUESTS))
        _check(figures.failed, proxy)
        return (proxy.cpu() - before) * 1000 / (16 * REQUESTS)

    return measure


def first_byte(path: str) -> Measure:
    """Milliseconds to the first byte of a stream, median; what the upstream alone takes comes off later."""

    def measure(proxy: Process) -> float:
        figures = asyncio.run(run(proxy.port, request(path, "burst:1", stream=True), callers=1, each=200))
        _check(figures.failed, proxy)
        return median(figures.first) * 1000

    return measure


def cpu_paced(path: str) -> Measure:
    """CPU seconds for 100,000 deltas, each on its own, 200 streams at once."""

    def measure(proxy: Process) -> float:
        before = proxy.cpu()
        wanted = f"paced:{DELTAS}:{PACE_MS}"
        figures = asyncio.run(run(proxy.port, request(path, wanted, stream=True), callers=STREAMS, each=1))
        _check(figures.failed, proxy)
        return (proxy.cpu() - before) * 100_000 / (STREAMS * DELTAS)

    return measure


def _check(failed: int, proxy: Process) -> None:
    if failed:
        raise RuntimeError(f"{proxy.name}: {failed} requests failed")


def main() -> None:
    """Prints the table."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    rounds = 1 if "--quick" in sys.argv else ROUNDS
    os.sched_setaffinity(0, {OTHER_CORE})
    measures: dict[str, Measure] = {
        "CPU ms a request, 16 connections": cpu_a_request("/v1/messages"),
        "first byte of a stream, p50 ms": first_byte("/v1/messages"),
        "CPU s per 100,000 paced chunks": cpu_paced("/v1/messages"),
    }
    with ExitStack() as stack:
        upstream = stack.enter_context(started("upstream", "tests.bench.upstream", "{port}", core=OTHER_CORE))
        url = f"http://127.0.0.1:{upstream.port}"
        naive = stack.enter_context(started("naive", "tests.bench.naive", url, "{port}", core=PROXY_CORE))
        ours = stack.enter_context(
            started(
                "ours",
                "handler",
                core=PROXY_CORE,
                UPSTREAM_BASE_URL=url,
                PORT="{port}",
                ANTHROPIC_API_KEY="sk-ant-api03-bench",
                RATE_LIMIT_PER_MINUTE="1000000",
            )
        )
        table: dict[str, dict[str, list[float]]] = {
            name: {each.name: [] for each in (upstream, naive, ours)} for name in measures
        }
        for _ in range(rounds):
            for name, measure in measures.items():
                for proxy in (upstream, naive, ours):
                    table[name][proxy.name].append(measure(proxy))
    print(f"{'':36} {'upstream':>9} {'naive':>9} {'ours':>9} {'ours/naive':>11}")
    for name, row in table.items():
        alone, baseline, figure = (median(row[each]) for each in ("upstream", "naive", "ours"))
        if "first byte" in name:
            baseline, figure, name = baseline - alone, figure - alone, f"added {name}"
        print(f"{name:36} {alone:9.3f} {baseline:9.3f} {figure:9.3f} {figure / baseline:11.2f}")


if __name__ == "__main__":
    main()
