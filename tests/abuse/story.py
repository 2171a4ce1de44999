"""All that happens to a proxy in a day, told with words that no log may hold.

story = told(tmp_path, LOG_LEVEL="DEBUG")
story.output      what the process wrote
story.answers     what it answered
"""

import asyncio
import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handler.simulator import create_simulator
from tests.abuse.target import TARGETS, get, request
from tests.faults.families import ANTHROPIC
from tests.support.program import running
from tests.support.raw_client import Answer, call, connected, post
from tests.support.recorder import Recorder
from tests.support.server import serving


def word(name: str) -> str:
    """A word for this purpose that stands nowhere else."""
    return base64.b32encode(hashlib.sha256(name.encode()).digest()).decode().rstrip("=").lower()


TOKEN = f"token-{word('token')}"
KEY = f"sk-ant-api03-{word('key')}"
OWN_KEY = f"sk-ant-api03-{word('own key')}"
OWN_OAUTH = f"sk-ant-oat01-{word('own oauth')}"
WORDS = {
    name: word(name)
    for name in (
        *("token", "key", "own key", "own oauth", "wrong token", "prompt", "answer", "system", "query", "path"),
        *("header", "cookie", "model", "user", "tool", "upstream message", "broken body", "cut answer", "method"),
    )
}

ESCAPES = ("\x1b[31m", "\x85", "\u2028", "\r", "\x00")


@dataclass
class Story:
    """What a process wrote, and the answers it gave."""

    output: str
    answers: list[Answer]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines about requests."""
        read = json.JSONDecoder().raw_decode
        every = (read(self.output, match.start())[0] for match in re.finditer(r"^\{", self.output, re.MULTILINE))
        return [line for line in every if line["message"] == "request"]

    def line_of(self, answer: Answer) -> dict[str, Any]:
        """The one line about this answer."""
        (line,) = [line for line in self.lines if line["request_id"] == answer.headers["request-id"]]
        return line


def simulate(**script: Any) -> str:
    """A prompt that tells the simulator what to do."""
    return f"{WORDS['prompt']}\nsimulate: {json.dumps(script)}"


def _scripts() -> list[dict[str, Any]]:
    said = WORDS["upstream message"]
    return [
        {"text": f"An answer that says {WORDS['answer']}."},
        *({"error": status, "message": said} for status in (400, 401, 403, 404, 413, 429, 500, 503, 529)),
        {"error": "overloaded_error", "after": 4, "message": said, "text": WORDS["cut answer"]},
        {"cut": "reset", "after": 4, "text": WORDS["cut answer"]},
        {"cut": "end", "after": 4, "text": WORDS["cut answer"]},
        {"raw": [f"event: message_start\ndata: {{broken {WORDS['cut answer']}\n\n"]},
    ]


def requests() -> list[bytes]:
    """Good, bad and faulty ones."""
    keyed = {"x_api_key": TOKEN}
    good = {**ANTHROPIC.body(prompt=WORDS["prompt"]), "system": WORDS["system"]}
    every = [
        target.ask(simulate(**script), stream=stream, **keyed)
        for target in TARGETS[::2]
        for script in _scripts()
        for stream in (False, True)
    ]
    return [
        *every,
        get("/health"),
        get(f"/v1/models?after_id={WORDS['query']}", **keyed),
        get(f"/v1/models/{WORDS['model']}", **keyed),
        get(f"/openai/v1/models/{WORDS['model']}", **keyed),
        get(f"/{WORDS['path']}?{WORDS['query']}"),
        get(f"/v1/%0a%1b%0d{WORDS['path']}?a=%0a{WORDS['query']}"),
        request(f"{WORDS['method'].upper()} /v1/messages", b"content-length: 0"),
        request("DELETE /v1/messages", b"content-length: 0"),
        *(post("/v1/messages", good, x_api_key=f"{WORDS['wrong token']}{escape}") for escape in ("", *ESCAPES[:1])),
        post("/v1/messages", good, authorization=f"Basic {WORDS['wrong token']}"),
        post("/v1/messages", good, cookie=WORDS["cookie"], x_forwarded_for=WORDS["header"], **keyed),
        post("/v1/messages", good, x_api_key=TOKEN, authorization=f"Bearer {OWN_KEY}", x_custom=WORDS["header"]),
        post("/min/v1/messages", good, x_api_key=OWN_OAUTH, authorization=f"Bearer {TOKEN}"),
        post("/v1/messages", good, x_api_key=OWN_OAUTH, authorization=f"Bearer {TOKEN}"),
        post("/pt/v1/messages", f'{{"{WORDS["broken body"]}": '.encode(), **keyed),
        post("/v1/chat/completions", {**good, "temperature": WORDS["broken body"]}, **keyed),
        post("/v1/chat/completions", {**good, "user": WORDS["user"], "tools": [WORDS["tool"]]}, **keyed),
        post("/v1/messages", {**good, "model": WORDS["model"], "metadata": {"user_id": WORDS["user"]}}, **keyed),
        post("/v1/messages", good, content_type=f"text/{WORDS['header']}", **keyed),
        post("/v1/messages", good, anthropic_version=f"a{WORDS['header']}\x1b[31m", **keyed),
        post("/v1/messages", good, user_agent='\x1b[2J","level":"FORGED', **keyed),
        request("POST /v1/messages", *(b"x-%d: %b" % (n, WORDS["header"].encode()) for n in range(300))),
    ]


async def _tell(url: str) -> list[Answer]:
    answers = [await call(url, each) for each in requests()]
    async with connected(url) as client:  # leaves in the middle of an answer
        client.send(TARGETS[0].ask(simulate(text=f"slow {WORDS['cut answer']}", pace=5), stream=True, x_api_key=TOKEN))
        await client.chunk()
    async with connected(url) as client:  # leaves in the middle of a request
        client.send(TARGETS[0].ask(WORDS["prompt"], x_api_key=TOKEN, content_length="100000"))
        await client.writer.drain()
    async with connected(url) as client:  # no HTTP at all
        client.send(f"{WORDS['broken body']}\r\n\r\n".encode())
        answers.append(await client.answer())
    answers.append(await call(url, get("/health")))
    return answers


async def _run(directory: Path, environment: dict[str, str]) -> Story:
    given = {"AUTH_TOKEN": TOKEN, "ANTHROPIC_API_KEY": KEY, "RATE_LIMIT_PER_MINUTE": "1000"} | environment
    async with serving(Recorder(create_simulator())) as upstream:
        with running(directory, UPSTREAM_BASE_URL=upstream, **given) as program:
            answers = await _tell(await asyncio.to_thread(lambda: program.url))
            program.interrupt()
            await asyncio.to_thread(program.ended)
    return Story(program.output, answers)


def told(directory: Path, **environment: str) -> Story:
    """The whole of it, by a process of its own with these settings."""
    return asyncio.run(_run(directory, environment))


def pieces(secret: str, length: int = 12) -> set[str]:
    """What of a word may not be seen: every piece of it, and of it in base64 wherever that begins."""
    whole = {secret, secret.upper(), secret.encode().hex()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret.encode()).decode().rstrip("=")
        whole |= {encoded[4:-4], base64.urlsafe_b64encode(b"\0" * offset + secret.encode()).decode()[4:-4]}
    return {text[at : at + length] for text in whole for at in range(len(text) - length + 1)}
