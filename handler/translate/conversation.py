"""Turns in the order the upstream wants them, whatever the order they are said in (MAPPING 2.1, 2.3).

neighbours of one role      one turn
results of calls            first in the user turn after the calls, in the calls' order; one that never came is an
                            error result, one that nobody asked for becomes text
system text after a turn    a turn of its own behind the next user turn, where the model takes that; otherwise it
                            joins the top-level system. Never further up: that would void the cached prefix. Behind
                            the last assistant turn it is what is asked now: a user turn
call ids                    unique and legal; results follow the call they belong to
"""

from dataclasses import dataclass, field

from handler.translate import names
from handler.wire.anthropic import Json

_NO_RESULT = "No result"


@dataclass(slots=True)
class Call:
    """A tool call that waits for its result. `identifier` and `name` are the caller's, `upstream_id` what we send."""

    identifier: str | None
    name: str
    upstream_id: str
    result: Json | None = None


@dataclass(slots=True)
class Conversation:
    """Takes what was said, in order; `close` gives `system` and `turns` their final form."""

    system_turns: bool
    system: list[Json] = field(default_factory=list)
    turns: list[Json] = field(default_factory=list)
    _calls: list[Call] = field(default_factory=list)
    _late: list[Json] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)

    def say_system(self, blocks: list[Json]) -> None:
        """A system message."""
        if self.turns:
            self._late += blocks
        else:
            self.system += blocks

    def say_user(self, blocks: list[Json]) -> None:
        """A user message."""
        if blocks and not self.system_turns:
            self._place_system()
        self._extend("user", blocks)

    def say_assistant(self, blocks: list[Json]) -> None:
        """An assistant message, its calls (made with `call`) among the blocks."""
        self._place_system()
        self._extend("assistant", blocks)

    def before_assistant(self) -> None:
        """Ends what an assistant message follows: results are given to the calls before it."""
        if self._calls and (self._last_role() == "user" or any(call.result for call in self._calls)):
            self._give_results()

    def call(self, identifier: str | None, name: str, given: Json, unnamed: str | None = None) -> Json:
        """The block for one tool call; `name` is the caller's, `unnamed` the id to send where it has none."""
        wanted = names.call_id(identifier or unnamed or f"call_{len(self._ids)}")
        upstream_id, attempt = wanted, 1
        while upstream_id in self._ids:
            attempt += 1
            upstream_id = f"{wanted}_{attempt}"
        self._ids.add(upstream_id)
        self._calls.append(Call(identifier, name, upstream_id))
        return {"type": "tool_use", "id": upstream_id, "name": names.tool_name(name), "input": given}

    def answer_call(self, identifier: str, result: Json) -> None:
        """The result (`content`, `is_error`, `cache_control`) of the call with this id; of several, the last counts."""
        same = [call for call in self._calls if call.identifier == identifier]
        waiting = [call for call in same if call.result is None]
        self._answer((waiting or same[-1:])[:1], identifier, result)

    def answer_named(self, name: str | None, result: Json, *, latest: bool) -> None:
        """The result of a call without an id: the first, or `latest`, that waits and has this name."""
        waiting = [call for call in self._calls if call.result is None and name in (None, call.name)]
        self._answer(waiting[-1:] if latest else waiting[:1], name or "", result)

    def close(self) -> None:
        """The end of the conversation."""
        self._give_results()
        if self._last_role() == "user":
            self._place_system()
        if self._late:  # it follows an assistant turn and nothing follows it: it is what is asked now
            self._extend("user", self._late)
        if self._last_role() == "assistant":
            _strip_end(self.turns[-1]["content"])
            if not self.turns[-1]["content"]:
                self.turns.pop()

    def _answer(self, found: list[Call], told: str, result: Json) -> None:
        for call in found:
            call.result = {"type": "tool_result", "tool_use_id": call.upstream_id, **result}
        if not found:
            self._say_orphan(told, result.get("content", ""))

    def _say_orphan(self, identifier: str, content: str | list[Json]) -> None:
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        text = "\n".join(block["text"] for block in blocks if block["type"] == "text")
        told = {"type": "text", "text": f"[tool result {identifier}]: {text}"}
        self._extend("user", [told, *(block for block in blocks if block["type"] != "text")])

    def _give_results(self) -> None:
        results = [call.result or _missing(call) for call in self._calls]
        self._calls = []
        if results and self._last_role() == "user":
            self.turns[-1]["content"][:0] = results
        else:
            self._extend("user", results)

    def _place_system(self) -> None:
        if not self.system_turns:
            self.system += self._late
            self._late = []
        elif self._late and self._last_role() == "user":
            self._extend("system", self._late)
            self._late = []

    def _extend(self, role: str, blocks: list[Json]) -> None:
        if blocks and self._last_role() == role:
            self.turns[-1]["content"] += blocks
        elif blocks:
            self.turns.append({"role": role, "content": [*blocks]})

    def _last_role(self) -> str:
        return str(self.turns[-1]["role"]) if self.turns else ""


def _missing(call: Call) -> Json:
    return {"type": "tool_result", "tool_use_id": call.upstream_id, "content": _NO_RESULT, "is_error": True}


def _strip_end(blocks: list[Json]) -> None:
    """A prefill must not end in white space, nor in thinking."""
    if blocks and blocks[-1]["type"] == "text":
        blocks[-1] = {**blocks[-1], "text": blocks[-1]["text"].rstrip()}
        if not blocks[-1]["text"]:
            blocks.pop()
    while blocks and blocks[-1]["type"] in ("thinking", "redacted_thinking"):
        blocks.pop()
