"""A real server on a real socket for a test: uvicorn in this process, on a port the system picks.

async with serving(app) as url:     in the test's own event loop
with served(app) as url:            in a thread with a loop of its own, for clients that block
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from handler.server import listen

START_SECONDS = 10.0
STOP_SECONDS = 10.0
TICK_SECONDS = 0.01  # how soon a stop is noticed; uvicorn's own 0.1 s adds up over a suite


async def living(receive: Any, send: Any) -> None:
    """A lifespan without anything to do."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which tells when its start is over, well or badly."""

    def __init__(self, config: uvicorn.Config, on_settled: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_settled = on_settled

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn's answer to a lifespan that failed; it would end the whole test run
            self.should_exit = True
        finally:
            self._on_settled()

    async def main_loop(self) -> None:
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % 864000
            await asyncio.sleep(TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it, without the tenth of a second it sleeps first, which adds up as well."""
        for each in (*self.servers, *(sockets or ())):
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            await asyncio.wait_for(self._wait_tasks_to_complete(), self.config.timeout_graceful_shutdown)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        await self.lifespan.shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: Any, options: dict[str, Any], on_settled: Callable[[], None]) -> _Server:
    settings: dict[str, Any] = {
        "http": "httptools",
        "loop": "asyncio",
        "lifespan": "on",
        "ws": "none",
        "log_config": None,
        "log_level": "critical",
        "access_log": False,
        "timeout_graceful_shutdown": 1,
    }
    return _Server(uvicorn.Config(app, **(settings | options)), on_settled)


def _listener() -> tuple[socket.socket, str]:
    listener = listen("127.0.0.1", 0)
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve `app` in the running loop and give its base URL. `options` are uvicorn's. A failed start raises."""
    settled = asyncio.Event()
    server = _server(app, options, settled.set)
    listener, url = _listener()
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.wait_for(settled.wait(), START_SECONDS)
        if not server.started:
            raise RuntimeError("the application did not start")
        yield url
    finally:
        server.should_exit = True
        try:
            await asyncio.wait_for(task, STOP_SECONDS)
        finally:
            listener.close()


@contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """Serve `app` in a thread and give its base URL, for clients that block. A failed start raises."""
    settled = threading.Event()
    server = _server(app, options, settled.set)
    listener, url = _listener()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), name="served", daemon=True)
    thread.start()
    try:
        settled.wait(START_SECONDS)
        if not server.started:
            raise RuntimeError("the application did not start")
        yield url
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()
    if thread.is_alive():
        raise RuntimeError("the server did not stop")
