"""The header table of PRODUCT.md 2, both ways, and what is put into a body (MAPPING 11)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from handler import __version__, modes
from handler.modes import FULL, MINIMAL, PASSTHROUGH, UNTOUCHED, Mode
from handler.wire.json_object import JsonObject

PROMPT = "You are Claude Code, Anthropic's official CLI for Claude."
BLOCK = {"type": "text", "text": PROMPT}
BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330; cc_entrypoint=cli;"}
AGENT = {"type": "text", "text": "You are a Claude agent, built on Anthropic's Claude Agent SDK."}

Pairs = list[tuple[bytes, bytes]]

ALL = (FULL, MINIMAL, PASSTHROUGH, UNTOUCHED)
WHOLE = (PASSTHROUGH, UNTOUCHED)
KNOWN = (FULL, PASSTHROUGH, UNTOUCHED)
NONE: tuple[Mode, ...] = ()

# A request header, and the modes in which it goes upstream.
UPSTREAM = [
    ("content-type", ALL),
    ("accept", ALL),
    ("anthropic-version", ALL),
    ("anthropic-beta", ALL),
    ("anthropic-dangerous-direct-browser-access", KNOWN),
    ("anthropic-workspace-id", KNOWN),
    ("x-claude-code-session-id", KNOWN),
    ("x-stainless-lang", KNOWN),
    ("user-agent", KNOWN),
    ("x-app", WHOLE),
    ("x-custom", WHOLE),
    ("accept-language", WHOLE),
    ("authorization", NONE),
    ("x-api-key", NONE),
    ("proxy-authorization", NONE),
    ("cookie", NONE),
    ("set-cookie", NONE),
    ("connection", NONE),
    ("keep-alive", NONE),
    ("proxy-connection", NONE),
    ("te", NONE),
    ("trailer", NONE),
    ("transfer-encoding", NONE),
    ("upgrade", NONE),
    ("expect", NONE),
    ("host", NONE),
    ("content-length", NONE),
    ("content-encoding", NONE),
    ("forwarded", NONE),
    ("via", NONE),
    ("x-forwarded-for", NONE),
    ("x-forwarded-host", NONE),
    ("x-real-ip", NONE),
    ("x-amzn-trace-id", NONE),
    ("x-amz-date", NONE),
    ("cf-ray", NONE),
    ("origin", NONE),
    ("referer", NONE),
]

# An answer's header, and the modes in which it reaches the caller.
ANSWER = [
    ("retry-after", ALL),
    ("retry-after-ms", ALL),
    ("x-should-retry", ALL),
    ("anthropic-ratelimit-requests-remaining", ALL),
    ("anthropic-something-new", ALL),
    ("date", NONE),
    ("cf-ray", WHOLE),
    ("x-custom", WHOLE),
    ("strict-transport-security", WHOLE),
    ("anthropic-organization-id", NONE),
    ("set-cookie", NONE),
    ("connection", NONE),
    ("keep-alive", NONE),
    ("transfer-encoding", NONE),
    ("trailer", NONE),
    ("upgrade", NONE),
    ("content-length", NONE),
    ("content-encoding", NONE),
    # Added elsewhere, in every mode.
    ("content-type", NONE),
    ("request-id", NONE),
    # Ours: what this proxy allows, not what stands behind it.
    ("x-ratelimit-limit", NONE),
]

each_mode = pytest.mark.parametrize("mode", ALL, ids=["full", "min", "pt", "untouched"])


def received(**given: str) -> Pairs:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]


def values(headers: Pairs, name: str) -> list[bytes]:
    return [value for each, value in headers if each == name.encode()]


@each_mode
@pytest.mark.parametrize(("name", "passes"), UPSTREAM, ids=[name for name, _ in UPSTREAM])
def test_a_request_header_goes_upstream_in_its_modes(mode: Mode, name: str, passes: tuple[Mode, ...]):
    sent = modes.upstream_headers(mode, [(name.encode(), b"theirs")])
    assert (b"theirs" in values(sent, name)) is (mode in passes)


@each_mode
@pytest.mark.parametrize("spelled", [str.lower, str.title], ids=["x-lower", "X-Title"])
@pytest.mark.parametrize(("name", "passes"), ANSWER, ids=[name for name, _ in ANSWER])
def test_an_answers_header_reaches_the_caller_in_its_modes(
    mode: Mode, spelled: Callable[[str], str], name: str, passes: tuple[Mode, ...]
):
    kept = modes.answer_headers(mode, [(spelled(name).encode(), b"theirs")])
    assert kept == ([(name.encode(), b"theirs")] if mode in passes else [])


@each_mode
def test_what_is_named_in_connection_stays_here_both_ways(mode: Mode):
    headers = [*received(connection="close, X-Stainless-Lang ,x-custom"), *received(x_stainless_lang="a", x_custom="b")]
    assert not {b"x-stainless-lang", b"x-custom"} & {name for name, _ in modes.upstream_headers(mode, headers)}
    answer = [(b"Connection", b"retry-after, x-custom"), (b"Retry-After", b"1"), (b"X-Custom", b"2")]
    assert modes.answer_headers(mode, answer) == []


@each_mode
def test_what_is_missing_is_filled_in(mode: Mode):
    sent = modes.upstream_headers(mode, [])
    assert dict(sent) == {
        b"anthropic-version": b"2023-06-01",
        b"user-agent": f"claude-code-proxy/{__version__}".encode(),
        b"accept-encoding": b"identity",
    }


@each_mode
def test_a_callers_version_is_kept_and_its_encodings_are_not(mode: Mode):
    sent = modes.upstream_headers(mode, received(anthropic_version="2026-10-21", accept_encoding="gzip, br"))
    assert values(sent, "anthropic-version") == [b"2026-10-21"]
    assert values(sent, "accept-encoding") == [b"identity"]


def test_minimal_mode_has_a_user_agent_of_our_own():
    sent = modes.upstream_headers(MINIMAL, received(user_agent="theirs"))
    assert values(sent, "user-agent") == [f"claude-code-proxy/{__version__}".encode()]


@each_mode
def test_headers_keep_their_order_and_their_number(mode: Mode):
    given = [(b"anthropic-beta", b"b"), (b"accept", b"1"), (b"anthropic-beta", b"a"), (b"accept", b"2")]
    assert modes.upstream_headers(mode, given)[:4] == given


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ([], [], []),
        ([], ["a", "b"], ["a,b"]),
        (["x"], ["a"], ["x,a"]),
        (["x,a"], ["a"], ["x,a"]),
        (["a, x"], ["a", "b"], ["a, x,b"]),
        (["z , y"], ["a"], ["z , y,a"]),
        (["x", "y"], ["a"], ["x", "y,a"]),
        (["x", "a"], ["a"], ["x", "a"]),
        (["x"], ["a", "a"], ["x,a"]),
        (["x"], ["", "a"], ["x,a"]),
        (["x"], [""], ["x"]),
        (["A"], ["a"], ["A,a"]),
    ],
)
def test_betas_are_merged_once_behind_the_callers_own(theirs: list[str], ours: list[str], expected: list[str]):
    given = [(b"anthropic-beta", value.encode()) for value in theirs]
    merged = modes.merge_betas([(b"accept", b"1"), *given], [beta.encode() for beta in ours])
    assert [value.decode() for value in values(merged, "anthropic-beta")] == expected
    assert merged[0] == (b"accept", b"1")


CLAUDE_CODE: list[tuple[Any, bool]] = [
    (PROMPT, True),
    (PROMPT + "\nMore.", True),
    ([BLOCK], True),
    ([BLOCK, AGENT], True),
    ([BILLING, AGENT], True),
    ([BILLING], True),
    ([{**BLOCK, "cache_control": {"type": "ephemeral"}}], True),
    ([AGENT, BILLING], False),
    ([AGENT, BLOCK], False),
    (f"Hello. {PROMPT}", False),
    (PROMPT.lower(), False),
    ("", False),
    ([], False),
    (None, False),
    (5, False),
    ([5], False),
    ([None, BLOCK], False),
    ([{"type": "text"}], False),
    ([{"type": "text", "text": 5}], False),
    ({"text": PROMPT}, False),
]


@pytest.mark.parametrize(("system", "expected"), CLAUDE_CODE)
def test_a_request_from_claude_code_is_known_by_its_first_system_block(system: Any, expected: bool):
    assert modes.comes_from_claude_code({"system": system}) is expected


def test_a_request_without_a_system_prompt_is_not_from_claude_code():
    assert not modes.comes_from_claude_code({})


def injected(body: str, prompt: str = PROMPT) -> str:
    whole = JsonObject(body.encode())
    return b"".join(whole.edited(modes.with_prompt(whole, prompt))).decode()


# CC stands for the block in what is expected.
INJECTED = {
    "absent": ('{"model": "m"}', '{"system":[CC],"model": "m"}'),
    "an empty body": ("{}", '{"system":[CC]}'),
    "empty text": ('{"system": ""}', '{"system": [CC]}'),
    "text": (r'{"a":1, "system" : "B\u00e9 so."}', r'{"a":1, "system" : [CC,{"type":"text","text":"B\u00e9 so."}]}'),
    "an empty list": ('{"system": []}', '{"system": [CC]}'),
    "an empty list with space": ('{"system": [ ]}', '{"system": [CC ]}'),
    "a list": ('{"system": [ {"text" : "x"} ]}', '{"system": [CC, {"text" : "x"} ]}'),
    "a list with our prompt later": ('{"system":[{"text":"x"},CC]}', '{"system":[CC,{"text":"x"},CC]}'),
    "another thread": ('{"thread": {"type": "new"}}', '{"system":[CC],"thread": {"type": "new"}}'),
    "digits and unknown fields": (
        '{"x": 1e400, "y":1.10, "system": "s", "z": [0.1e1]}',
        '{"x": 1e400, "y":1.10, "system": [CC,{"type":"text","text":"s"}], "z": [0.1e1]}',
    ),
}
UNCHANGED = {
    "text that begins with it": json.dumps({"system": PROMPT + " More."}),
    "a list that begins with it": json.dumps({"system": [BLOCK, AGENT]}),
    "a continued thread": '{"thread": {"type": "continue", "id": "t"}, "system": "x"}',
    "a continued thread without a system prompt": '{"thread":{"type":"continue"}}',
    "null": '{"system": null}',
    "a number": '{"system": 5}',
    "an object": '{"system": {"type": "text", "text": "x"}}',
    "a list of text": '{"system": ["x"]}',
    "true": '{"system": true}',
}


@pytest.mark.parametrize(("before", "after"), INJECTED.values(), ids=INJECTED)
def test_the_prompt_is_put_first_and_the_rest_left_as_it_stands(before: str, after: str):
    block = json.dumps(BLOCK, separators=(",", ":"))
    assert injected(before.replace("CC", block)) == after.replace("CC", block)


@pytest.mark.parametrize("body", UNCHANGED.values(), ids=UNCHANGED)
def test_nothing_is_put_where_it_would_be_wrong(body: str):
    assert injected(body) == body


@pytest.mark.parametrize("body", ["{}", '{"system": "x"}', '{"system": []}'])
def test_an_empty_prompt_turns_it_off(body: str):
    assert injected(body, "") == body


def test_another_prompt_is_put_as_it_is():
    assert json.loads(injected('{"system": "x"}', 'Say "Grüße"\n'))["system"][0]["text"] == 'Say "Grüße"\n'


@pytest.mark.parametrize(
    ("system", "expected"),
    [(None, [BLOCK]), ([AGENT], [BLOCK, AGENT]), ([BLOCK, AGENT], [BLOCK, AGENT]), ([BILLING], [BILLING])],
)
def test_a_translated_body_gets_it_alike(system: Any, expected: Any):
    body = {"model": "m"} if system is None else {"model": "m", "system": system}
    assert modes.translated_with_prompt(body, PROMPT) == {"model": "m", "system": expected}
    assert modes.translated_with_prompt(body, "") == body


def test_every_prefix_has_its_mode():
    assert modes.PREFIXES == {"": FULL, "/full": FULL, "/min": MINIMAL, "/pt": PASSTHROUGH}
    assert {mode.name for mode in ALL if mode.oauth} == {"full"}
    assert [mode.name for mode in ALL if mode.injects] == ["full"]
