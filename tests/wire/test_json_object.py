"""A body is edited where it stands: whatever else it holds leaves byte for byte."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handler.errors import ProxyError
from handler.wire.json_object import JsonObject

thorough = settings(
    max_examples=2 * settings.default.max_examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

NAMES = ("model", "a", "é", '"', "model\\")
SPACE = st.text(" \t\n\r", max_size=2)
LITERALS = st.sampled_from(["null", "true", "0", "-0", "1e400", "1.10", "12345678901234567890", "-1E-5", '""', "[]"])
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ['"model":1', 'x","model":"y', '\\"system":', "a\\", "{", "}", "🎈", "system"]
)


@st.composite
def quoted(draw: st.DrawFn, text: str) -> str:
    """A string as JSON text: each character as it usually is, or all that may be escaped."""
    pieces, escaping = [], draw(st.booleans())
    for character in text:
        units = character.encode("utf-16-be")
        escaped = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
        usual = json.dumps(character, ensure_ascii=False)[1:-1]
        pieces.append(escaped if escaping else usual)
    return f'"{"".join(pieces)}"'


@st.composite
def objects(draw: st.DrawFn, values: Any) -> list[tuple[str, str]]:
    """The members of an object, keys and values as JSON text, keys possibly twice."""
    names = st.sampled_from(NAMES)
    return [(draw(quoted(draw(names))), draw(values)) for _ in range(draw(st.integers(0, 4)))]


@st.composite
def written(draw: st.DrawFn, members: list[tuple[str, str]]) -> str:
    """An object's text, with space wherever it may stand."""
    space = partial(draw, SPACE)
    inner = ",".join(f"{space()}{key}{space()}:{space()}{value}{space()}" for key, value in members)
    return f"{{{inner or space()}}}"


def containers(inner: Any) -> Any:
    return objects(inner).flatmap(written) | st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")


VALUES = st.recursive(LITERALS | STRINGS.flatmap(quoted), containers, max_leaves=6)
MEMBERS = objects(VALUES)
REPLACEMENTS = st.sampled_from(['"new"', "[1, 2]", '{"model": "é"}', "null"])


def pairs(text: str) -> list[tuple[str, Any]]:
    """An object's members in order, numbers as they are spelled; those inside it alike."""
    return json.JSONDecoder(object_pairs_hook=list, parse_float=str, parse_int=str).decode(text)


@thorough
@given(MEMBERS.flatmap(written), SPACE, SPACE, st.sampled_from(NAMES), REPLACEMENTS)
def test_an_edit_changes_the_named_member_and_nothing_else(text: str, before: str, after: str, name: str, new: str):
    body = JsonObject((before + text + after).encode())
    edited = b"".join(body.edited({name: new})).decode()

    expected = pairs(text)
    if name in body.value:
        last = max(at for at, (key, _) in enumerate(expected) if key == name)
        expected[last] = (name, pairs(new))
        start, end = len(body.text_of(name)), len(new)
        assert len(edited) - len(before + text + after) == end - start
    else:
        expected.insert(0, (name, pairs(new)))
        assert edited.replace(f"{json.dumps(name)}:{new}{',' if body.value else ''}", "", 1) == before + text + after
    assert pairs(edited) == expected


@thorough
@given(MEMBERS.flatmap(written), st.sampled_from(NAMES))
def test_the_text_of_a_member_is_what_stands_there(text: str, name: str):
    body = JsonObject(text.encode())
    if name not in body.value:
        with pytest.raises(KeyError):
            body.text_of(name)
        return
    stands = body.text_of(name)
    assert stands in text
    assert pairs(stands) == [value for key, value in pairs(text) if key == name][-1]


@thorough
@given(MEMBERS.flatmap(written))
def test_without_an_edit_the_bytes_are_the_same(text: str):
    raw = text.encode()
    assert b"".join(JsonObject(raw).edited({})) == raw
    assert JsonObject(raw).raw is raw


def test_several_edits_leave_the_rest_alone():
    body = JsonObject(b'{ "system" : "s" , "x":1.0, "model":"m" }')
    assert b"".join(body.edited({"model": '"new"', "system": "[]", "a": "1", "b": "2"})) == (
        b'{"a":1,"b":2, "system" : [] , "x":1.0, "model":"new" }'
    )


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        ("{}", '{"model":1}'),
        ("{ }", '{"model":1 }'),
        ('{"model":0}', '{"model":1}'),
        ('{"model":0,"model":0}', '{"model":0,"model":1}'),
        (r'{"mod\u0065l":0}', r'{"mod\u0065l":1}'),
        (r'{"mod\u0065l":0,"x":{"model":0}}', r'{"mod\u0065l":1,"x":{"model":0}}'),
        (r'{"x":{"model":0},"mod\u0065l":0}', r'{"x":{"model":0},"mod\u0065l":1}'),
        (r'{"model":0,"mod\u0065l":0}', r'{"model":0,"mod\u0065l":1}'),
        (r'{"mod\u0065l":0,"model":0}', r'{"mod\u0065l":0,"model":1}'),
        ('{"x":{"model":0}}', '{"model":1,"x":{"model":0}}'),
        ('{"x":{"model":0},"model":0}', '{"x":{"model":0},"model":1}'),
        ('{"model":{"model":0}}', '{"model":1}'),
        ('{"x":"model","model":0}', '{"x":"model","model":1}'),
        (r'{"x":"\"model\":0","model":0}', r'{"x":"\"model\":0","model":1}'),
        (r'{"x":"\\","model":0}', r'{"x":"\\","model":1}'),
        ('{"é🎈":"é🎈","model":"é🎈","é":0}', '{"é🎈":"é🎈","model":1,"é":0}'),
        ('{"x":' + "9" * 4_000 + ',"model":0}', '{"x":' + "9" * 4_000 + ',"model":1}'),
        ('{"model":' + "9" * 4_000 + "}", '{"model":1}'),
    ],
    ids=lambda text: text[:40],
)
def test_the_member_that_counts_is_the_one_that_is_replaced(body: str, edited: str):
    assert b"".join(JsonObject(body.encode()).edited({"model": "1"})).decode() == edited


@pytest.mark.parametrize(
    "raw",
    [b"", b" ", b"[]", b'"x"', b"5", b"null", b"true", b"{", b"{}}", b"{} {}", b"{'a':1}", b'{"a":1,}', b'{"a":NaN}',
     b'{"a":Infinity}', b'{"a":\xff}', b'\xef\xbb\xbf{}', b'{"a":"\x01"}', b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}"],
    ids=lambda raw: repr(raw[:20]),
)  # fmt: skip
def test_anything_but_one_object_is_refused(raw: bytes):
    with pytest.raises(ProxyError) as refusal:
        JsonObject(raw)
    assert refusal.value.status == 400
