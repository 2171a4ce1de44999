"""What Claude Code 2.1.330 sends: one request of some 87 KB, its headers and its warm-ups, as bytes."""

import json
from typing import Any

from tests.clients.chain import MODEL, simulate
from tests.support.raw_client import post

BETAS = (
    "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
    "prompt-caching-scope-2026-01-05,effort-2025-11-24"
)
HEADERS = {
    "accept": "application/json",
    "anthropic-beta": BETAS,
    "anthropic-dangerous-direct-browser-access": "true",
    "anthropic-version": "2023-06-01",
    "user-agent": "claude-cli/2.1.330 (external, cli)",
    "x-app": "cli",
    "x-claude-code-session-id": "7d5b6a2e-3a55-4f8c-9d8f-0c1e5b6f7a80",
    "x-stainless-arch": "x64",
    "x-stainless-lang": "js",
    "x-stainless-os": "Linux",
    "x-stainless-package-version": "1.13.0",
    "x-stainless-retry-count": "0",
    "x-stainless-runtime": "node",
    "x-stainless-runtime-version": "v24.3.0",
    "x-stainless-timeout": "600",
}
TRANSPORT = {"accept-encoding": "gzip, deflate, br, zstd", "connection": "keep-alive"}

ATTRIBUTION = "x-anthropic-billing-header: cc_version=2.1.330.c5f; cc_entrypoint=cli; cch=9a1f0;"
AGENT = "You are a Claude agent, built on Anthropic's Claude Agent SDK."
_CACHED = {"cache_control": {"type": "ephemeral"}}
_TOOLS = ("Agent", "Bash", "Edit", "Glob", "Grep", "NotebookEdit", "Read", "Skill", "TodoWrite", "WebFetch", "Write")


def body(prompt: str = "Hi", **changed: Any) -> bytes:
    """The body, its keys in Claude Code's order; `changed` members keep their place."""
    rules = _lines(243, "Rule {}: answer in one line — “so”, not 'so' \\ never </system>.")
    system = [
        {"type": "text", "text": ATTRIBUTION},
        {"type": "text", "text": AGENT, **_CACHED},
        {"type": "text", "text": rules, **_CACHED},
    ]
    reminder = "<system-reminder>\n" + _lines(60, "Fact {}: the file café.py has a BOM.") + "\n</system-reminder>\n"
    said = [{"type": "text", "text": reminder}, {"type": "text", "text": prompt, **_CACHED}]
    members = {
        "model": MODEL,
        "messages": [{"role": "user", "content": said}],
        "system": system,
        "tools": [_tool(name) for name in _TOOLS],
        "metadata": {"user_id": json.dumps({"device_id": "0" * 64, "session_id": HEADERS["x-claude-code-session-id"]})},
        "max_tokens": 64000,
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "stream": True,
    }
    return json.dumps(members | changed, ensure_ascii=False, separators=(",", ":")).encode()


def scripted(**script: Any) -> bytes:
    """The body whose answer is scripted."""
    return body(simulate(**script))


def request(path: str, data: bytes, **credentials: str) -> bytes:
    """The request as it is sent; `credentials` are further headers, with `_` for `-`."""
    headers = {name.replace("-", "_"): value for name, value in (HEADERS | TRANSPORT).items()}
    return post(path, data, **headers | credentials)


def warm_up(path: str) -> bytes:
    """What it sends first, without a credential."""
    return f"HEAD {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: Bun/1.3.4\r\naccept: */*\r\n\r\n".encode()


def _tool(name: str) -> dict[str, Any]:
    properties = {"path": {"type": "string", "description": "An absolute path"}, "limit": {"type": "number"}}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": ["path"],
        "additionalProperties": False,
    }
    description = f"{name}:\n" + _lines(84, "- Note {}: use it with care, and only once — see the rules above.")
    return {"name": name, "description": description, "input_schema": schema}


def _lines(count: int, text: str) -> str:
    return "\n".join(text.format(number) for number in range(count))
