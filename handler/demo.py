"""`claude-proxy demo`: the main job on the built-in simulator, with no key and no network.

The simulator stands in for the Anthropic API on a port of its own; the proxy in front of it is the real one. The tour
sends one streamed request in each format through the proxy and prints the words as they arrive.
"""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
from pydantic import SecretStr
from rich.console import Console

from handler import sse
from handler.app import create_app
from handler.server import listen, server
from handler.settings import Settings
from handler.simulator import create_simulator

KEY = "sk-ant-api03-demo"
MODEL = "claude-opus-5-5"
PROMPT = "Say hello to everyone who builds on this proxy."
_PACE_SECONDS = 0.08

_TOUR = (
    ("Anthropic Messages", "/v1/messages"),
    ("OpenAI Chat Completions", "/openai/v1/chat/completions"),
)


async def run(sock: socket.socket, url: str, out: Console, *, once: bool) -> None:
    """Serves the proxy on `sock`, shows the tour, then stays up unless `once`."""
    with _simulator() as upstream:
        settings = Settings.model_construct(
            anthropic_api_key=SecretStr(KEY), upstream_base_url=upstream, log_level="ERROR"
        )
        proxy = server(create_app(settings))
        serving = asyncio.create_task(proxy.serve(sockets=[sock]))
        try:
            await _tour(url, out)
            if not once:
                _farewell(url, out)
                await serving
        finally:
            proxy.should_exit = True
            await serving


@contextmanager
def _simulator() -> Iterator[str]:
    with listen("127.0.0.1", 0) as sock:
        simulator = server(create_simulator(pace_seconds=_PACE_SECONDS))
        thread = threading.Thread(target=simulator.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            simulator.should_exit = True
            thread.join()


async def _tour(url: str, out: Console) -> None:
    out.print(f"\n[bold]claude-proxy[/bold] on {url}, in front of a simulated Anthropic API.\n")
    body = {
        "model": MODEL,
        "max_tokens": 200,
        "stream": True,
        "messages": [{"role": "user", "content": PROMPT}],
    }
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for title, path in _TOUR:
            out.print(f"[bold]{title}[/bold]  POST {path}")
            out.print("  ", end="")
            async with client.stream("POST", url + path, json=body) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    out.print(f"{answer.status_code}: {answer.text}", style="red", markup=False)
                    continue
                async for word in _words(answer):
                    out.print(word, end="", markup=False, soft_wrap=True)
            out.print("\n")


async def _words(answer: httpx.Response) -> AsyncIterator[str]:
    """The text of either stream, piece by piece as it arrives."""
    decoder = sse.Decoder()
    async for chunk in answer.aiter_raw():
        for event in decoder.feed(chunk):
            if event.data == b"[DONE]":
                return
            match json.loads(event.data):
                case {"delta": {"text": str(text)}} | {"choices": [{"delta": {"content": str(text)}}]}:
                    yield text


def _farewell(url: str, out: Console) -> None:
    request = json.dumps({"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}]})
    streamed = request[:-1] + ', "stream": true}'
    lines = (
        "It stays up. Lines to copy (any key that begins with sk-ant- will do here):",
        "",
        f"  curl -N {url}/v1/messages -H 'content-type: application/json' -d '{streamed}'",
        f"  curl -N {url}/openai/v1/chat/completions -H 'content-type: application/json' -d '{streamed}'",
        f"  ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY={KEY} claude",
        f"  OPENAI_BASE_URL={url}/openai/v1 OPENAI_API_KEY={KEY} python your_program.py",
        "",
        "Ctrl-C ends it.",
    )
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
