"""What the three modes do to headers and bodies, as data (PRODUCT.md 2).

    full         /, /full   API key or OAuth; known headers pass; the Claude Code prompt is put first, betas merged in
    minimal      /min       API key only; two headers pass; the body is untouched
    passthrough  /pt        API key only; every end-to-end header passes but credentials and identity; body untouched

A request that already comes from Claude Code is relayed untouched in full mode, headers as in passthrough.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from handler import __version__
from handler.wire.json_object import JsonObject

Headers = Sequence[tuple[bytes, bytes]]

CLAUDE_CODE_PROMPT = "You are Claude Code, Anthropic's official CLI for Claude."
ATTRIBUTION = "x-anthropic-billing-header:"
OAUTH_BETA = b"oauth-2025-04-20"
DEFAULT_VERSION = b"2023-06-01"
USER_AGENT = b"claude-code-proxy/" + __version__.encode()

_CREDENTIALS = {
    *(b"authorization", b"x-api-key", b"proxy-authorization", b"cookie", b"set-cookie"),
    *(b"api-key", b"x-goog-api-key", b"x-auth-token"),  # where clients of several vendors say the same again
}
_HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"expect",
}
_IDENTITY = {b"forwarded", b"via", b"x-real-ip", b"origin", b"referer", b"true-client-ip", b"x-client-ip"}
_IDENTITY_PREFIXES = (b"x-forwarded-", b"x-amz", b"cf-", b"x-original-")
# Ours to set: framing, the encoding we ask for and the answer's own.
_FRAMING = {b"host", b"content-length", b"content-encoding", b"accept-encoding"}
_ANSWER_NEVER = {
    *(b"anthropic-organization-id", b"set-cookie", b"content-type", b"request-id", b"x-request-id"),
    b"date",  # the server's own
}
_OWN_LIMIT = {b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"}
_ANSWER_KEPT = {b"retry-after", b"retry-after-ms", b"x-should-retry"}


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """Which end-to-end headers pass: all but the never-passed ones, or only those named here."""

    everything: bool = False
    names: frozenset[bytes] = frozenset()
    prefixes: tuple[bytes, ...] = ()

    def passes(self, name: bytes) -> bool:
        """Whether a request header (lower case) goes upstream."""
        if name in self.names or name.startswith(self.prefixes):
            return True
        if not self.everything or name in _CREDENTIALS or name in _IDENTITY:
            return False
        return not name.startswith(_IDENTITY_PREFIXES)


_MINIMAL = HeaderRule(
    names=frozenset({b"content-type", b"accept", b"anthropic-version", b"anthropic-beta"}),
)
_FULL = HeaderRule(
    names=frozenset({b"content-type", b"accept", b"user-agent"}),
    prefixes=(b"anthropic-", b"x-claude-code-", b"x-stainless-"),
)
_PASSTHROUGH = HeaderRule(everything=True)


@dataclass(frozen=True, slots=True)
class Mode:
    """One column of PRODUCT.md 2's table."""

    name: str
    rule: HeaderRule
    oauth: bool = False
    injects: bool = False
    whole_answer: bool = False
    """Whether every end-to-end header of the answer reaches the caller."""


FULL = Mode("full", _FULL, oauth=True, injects=True)
MINIMAL = Mode("min", _MINIMAL)
PASSTHROUGH = Mode("pt", _PASSTHROUGH, whole_answer=True)
UNTOUCHED = Mode("full", _PASSTHROUGH, oauth=True, whole_answer=True)
"""Full mode, for a request that already comes from Claude Code."""

PREFIXES: dict[str, Mode] = {"": FULL, "/full": FULL, "/min": MINIMAL, "/pt": PASSTHROUGH}


def upstream_headers(mode: Mode, received: Headers, betas: Iterable[bytes] = ()) -> list[tuple[bytes, bytes]]:
    """The request headers that go upstream, credential aside, in the order they came.

    `betas` are merged once behind the caller's own `anthropic-beta`; a missing `anthropic-version` and a missing
    `user-agent` are filled in.
    """
    dropped = _HOP_BY_HOP | _FRAMING | _named_in_connection(received)
    kept = [(name, value) for name, value in received if name not in dropped and mode.rule.passes(name)]
    if mode.rule.everything:
        secrets = set(presented(received))
        kept = [(name, value) for name, value in kept if value.strip().rpartition(b" ")[2] not in secrets]
    names = {name for name, _ in kept}
    kept = merge_betas(kept, betas)
    if b"anthropic-version" not in names:
        kept.append((b"anthropic-version", DEFAULT_VERSION))
    if b"user-agent" not in names:
        kept.append((b"user-agent", USER_AGENT))
    kept.append((b"accept-encoding", b"identity"))
    return kept


def presented(headers: Headers) -> list[bytes]:
    """The values of `x-api-key` and of a Bearer `authorization`, in this order."""
    key = b", ".join(value.strip() for name, value in headers if name == b"x-api-key")
    authorization = b", ".join(value.strip() for name, value in headers if name == b"authorization")
    scheme, _, token = authorization.partition(b" ")
    return [value for value in (key, token.strip() if scheme.lower() == b"bearer" else b"") if value]


def merge_betas(headers: list[tuple[bytes, bytes]], betas: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    """`headers` with `betas` appended once each to `anthropic-beta`, what is there kept as it stands."""
    present = {part.strip() for name, value in headers if name == b"anthropic-beta" for part in value.split(b",")}
    added = [beta for beta in dict.fromkeys(betas) if beta and beta not in present]
    if not added:
        return headers
    last = max((at for at, (name, _) in enumerate(headers) if name == b"anthropic-beta"), default=None)
    if last is None:
        return [*headers, (b"anthropic-beta", b",".join(added))]
    merged = (b"anthropic-beta", b",".join([headers[last][1], *added]))
    return [*headers[:last], merged, *headers[last + 1 :]]


def answer_headers(mode: Mode, upstream: Headers) -> list[tuple[bytes, bytes]]:
    """The answer's headers that reach the caller; content-type, framing and request ids are added elsewhere."""
    lowered = [(name.lower(), value) for name, value in upstream]
    dropped = _HOP_BY_HOP | _FRAMING | _ANSWER_NEVER | _OWN_LIMIT | _named_in_connection(lowered)
    return [(name, value) for name, value in lowered if name not in dropped and (mode.whole_answer or _kept(name))]


def header(headers: Headers, wanted: bytes) -> bytes:
    """The first value of a header, b"" where there is none; `wanted` in lower case."""
    return next((value for name, value in headers if name.lower() == wanted), b"")


def _kept(name: bytes) -> bool:
    return name in _ANSWER_KEPT or name.startswith(b"anthropic-")


def _named_in_connection(headers: Headers) -> set[bytes]:
    return {part.strip().lower() for name, value in headers if name == b"connection" for part in value.split(b",")}


def comes_from_claude_code(body: dict[str, Any]) -> bool:
    """Whether the first system block is the Claude Code prompt or its attribution block."""
    system = body.get("system")
    if isinstance(system, list) and system and isinstance(system[0], dict):
        system = system[0].get("text")
    return isinstance(system, str) and system.startswith((CLAUDE_CODE_PROMPT, ATTRIBUTION))


def with_prompt(body: JsonObject, prompt: str) -> dict[str, str]:
    """The edit that puts `prompt` first in `system`, as a constant text block; empty when nothing is to be changed.

    Not on a continued thread, which has its system prompt already; not where it stands already; a `system` of any
    other type is the upstream's to refuse.
    """
    thread, system = body.value.get("thread"), body.value.get("system")
    if not prompt or (isinstance(thread, dict) and thread.get("type") == "continue"):
        return {}
    block = json.dumps({"type": "text", "text": prompt}, ensure_ascii=False, separators=(",", ":"))
    match system:
        case None if "system" not in body.value:
            return {"system": f"[{block}]"}
        case "":
            return {"system": f"[{block}]"}
        case str() if not system.startswith(prompt):
            return {"system": f'[{block},{{"type":"text","text":{body.text_of("system")}}}]'}
        case [] | [dict(), *_] if not _begins_with(system, prompt):
            rest = body.text_of("system")[1:]
            return {"system": f"[{block}{',' if system else ''}{rest}"}
        case _:
            return {}


def translated_with_prompt(body: dict[str, Any], prompt: str) -> dict[str, Any]:
    """A translated body with `prompt` put first in its `system` blocks."""
    if not prompt or comes_from_claude_code(body):
        return body
    return {**body, "system": [{"type": "text", "text": prompt}, *body.get("system", ())]}


def _begins_with(system: list[Any], prompt: str) -> bool:
    return bool(system) and str(system[0].get("text", "")).startswith(prompt)
