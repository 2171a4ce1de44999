"""JSON schemas in the subset that can be enforced (MAPPING 4.2), and tools' schemas (MAPPING 3)."""

import copy
import json
from contextlib import suppress
from typing import Any

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.simulator import schemas as upstream
from handler.translate.schemas import InexpressibleError, strict
from handler.translate.tool_schemas import strict_tool, tool_schema

Json = dict[str, Any]


def of(schema: Any) -> Json:
    """The subset of a property's schema."""
    return strict({"type": "object", "properties": {"v": schema}}).schema["properties"]["v"]


KEPT = [
    *({"type": kind} for kind in ("string", "integer", "number", "boolean", "null")),
    *({"type": "string", "format": name} for name in ("date-time", "time", "date", "duration", "email", "hostname")),
    *({"type": "string", "format": name} for name in ("uri", "ipv4", "ipv6", "uuid")),
    {"type": ["string", "null"]},
    {"type": "string", "pattern": "^[a-z]{2,5}-\\d+$"},
    {"type": "string", "default": "a", "title": "T", "description": "D"},
    {"enum": ["a", 1, 1.5, True, None]},
    {"const": "a"},
    {"const": None},
    {"anyOf": [{"type": "string"}, {"type": "null"}]},
    {"type": "array", "items": {"type": "string"}},
    {"type": "array", "items": {"type": "string"}, "minItems": 0},
    {"type": "array", "items": {"type": "string"}, "minItems": 1},
    {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False},
    {
        "allOf": [
            {"type": "object", "properties": {}, "additionalProperties": False},
            {"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": False},
        ]
    },
]
TOLD = [
    ({"type": "number", "minimum": 0}, "{minimum: 0}"),
    ({"type": "number", "maximum": 9.5}, "{maximum: 9.5}"),
    ({"type": "number", "exclusiveMinimum": 0}, "{exclusiveMinimum: 0}"),
    ({"type": "number", "exclusiveMaximum": 9}, "{exclusiveMaximum: 9}"),
    ({"type": "integer", "multipleOf": 3}, "{multipleOf: 3}"),
    ({"type": "string", "minLength": 1}, "{minLength: 1}"),
    ({"type": "string", "maxLength": 5}, "{maxLength: 5}"),
    ({"type": "integer", "minimum": 0, "maximum": 5}, "{minimum: 0, maximum: 5}"),
    ({"type": "array", "items": {"type": "string"}, "maxItems": 3}, "{maxItems: 3}"),
    ({"type": "array", "items": {"type": "string"}, "minItems": 2}, "{minItems: 2}"),
    ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, "{uniqueItems: True}"),
    ({"type": "string", "format": "phone"}, "{format: phone}"),
    ({"type": "string", "pattern": "(?=a)b"}, "{pattern: (?=a)b}"),
    ({"type": "string", "pattern": "(?!a)b"}, "{pattern: (?!a)b}"),
    ({"type": "string", "pattern": "(?<=a)b"}, "{pattern: (?<=a)b}"),
    ({"type": "string", "pattern": "(a)\\1"}, "{pattern: (a)\\1}"),
]
RECURSIVE = {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}
MUTUAL = {"A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}}, "B": {"anyOf": [{"$ref": "#/$defs/A"}]}}
OPEN = {"type": "object", "properties": {}}
INEXPRESSIBLE = [
    {"$ref": "#/$defs/N", "$defs": RECURSIVE},
    {**OPEN, "$defs": RECURSIVE},
    {**OPEN, "$defs": MUTUAL},
    {"type": "object", "properties": {"self": {"$ref": "#"}}},
    {"type": "object", "properties": {"v": {"$ref": "https://a.example/v.json"}}},
    {"type": "object", "properties": {"v": {"$ref": "other.json#/$defs/V"}}},
    {"type": "object", "properties": {"v": {"$ref": "#/$defs/Missing"}}},
    {"type": "object", "properties": {"v": {"$ref": "#/properties/w"}, "w": {"type": "string"}}},
    {"type": "object", "properties": {"v": {"not": {"type": "string"}}}},
    {**OPEN, "if": {"required": ["a"]}, "then": {"required": ["b"]}},
    {**OPEN, "patternProperties": {"^a": {"type": "string"}}},
    {"type": "object", "additionalProperties": {"type": "string"}},
    {"type": "object", "properties": {"v": {"type": "object", "additionalProperties": {"type": "string"}}}},
    {
        "type": "object",
        "properties": {"v": {"allOf": [{"$ref": "#/$defs/A"}, OPEN]}},
        "$defs": {"A": OPEN},
    },
    {"type": "object", "properties": {"v": {}}},
    {"type": "object", "properties": {"v": True}},
    {"type": "object", "properties": {"v": {"type": "tuple"}}},
]


@pytest.mark.parametrize("schema", KEPT, ids=json.dumps)
def test_what_can_be_enforced_is_kept(schema: Json) -> None:
    assert of(schema) == schema


@pytest.mark.parametrize(
    ("schema", "words"), TOLD, ids=lambda value: json.dumps(value) if isinstance(value, dict) else ""
)
def test_what_cannot_be_enforced_is_told(schema: Json, words: str) -> None:
    told = of(schema)
    assert told.pop("description") == words
    assert told.items() <= schema.items()
    assert of({**schema, "description": "D"})["description"] == f"D\n\n{words}"


@pytest.mark.parametrize("schema", INEXPRESSIBLE, ids=json.dumps)
def test_what_cannot_be_said_at_all_is_no_schema(schema: Json) -> None:
    with pytest.raises(InexpressibleError):
        strict(schema)


def test_every_object_is_closed_at_any_depth() -> None:
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    closed = {**inner, "additionalProperties": False}
    schema = {
        "type": "object",
        "properties": {"o": inner, "l": {"type": "array", "items": inner}, "u": {"oneOf": [inner]}},
    }

    assert strict(schema).schema == {
        "type": "object",
        "properties": {"o": closed, "l": {"type": "array", "items": closed}, "u": {"anyOf": [closed]}},
        "additionalProperties": False,
    }


def test_an_object_with_properties_of_its_own_beside_a_union_is_not_quietly_another() -> None:
    """The official transformation keeps the properties; a schema that cannot be said is no schema either."""
    branch = {"type": "object", "properties": {"b": {"type": "string"}}}
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "anyOf": [branch, branch]}
    try:
        made = strict(copy.deepcopy(schema)).schema
    except InexpressibleError:
        return
    assert made == anthropic.transform_schema(schema)


def test_old_definitions_are_new_ones() -> None:
    schema = {
        "type": "object",
        "properties": {"v": {"$ref": "#/definitions/V"}},
        "definitions": {"V": {"type": "string"}},
    }

    assert strict(schema).schema == {
        "$defs": {"V": {"type": "string"}},
        "type": "object",
        "properties": {"v": {"$ref": "#/$defs/V"}},
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("schema", "optional", "unions"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]}, 1, 0),
        ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}, 0, 1),
        ({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}, 1, 1),
        ({"type": "object", "properties": {"a": {"oneOf": [{"type": ["string", "null"]}]}}}, 1, 2),
        ({"type": "object", "properties": {"o": {"type": "object", "properties": {"p": {"type": "null"}}}}}, 2, 0),
    ],
)
def test_what_counts_against_the_limits_is_counted(schema: Json, optional: int, unions: int) -> None:
    made = strict(schema)
    assert (made.optional, made.unions) == (optional, unions)


# ---- as the official transformation

DEFINED = ("A", "B")
NOTES = st.fixed_dictionaries({}, optional={"description": st.just("D"), "title": st.just("T")})


def _with(base: Json, optional: dict[str, Any]) -> st.SearchStrategy[Json]:
    return st.builds(lambda made, notes: base | made | notes, st.fixed_dictionaries({}, optional=optional), NOTES)


LEAVES = st.one_of(
    _with({"type": "string"}, {"format": st.sampled_from(["date", "uuid", "phone"]), "maxLength": st.integers(0, 9)}),
    _with({"type": "integer"}, {"minimum": st.integers(0, 9), "multipleOf": st.just(2)}),
    _with({"type": "number"}, {"exclusiveMaximum": st.just(1.5)}),
    _with({"type": "boolean"}, {}),
    _with({"type": "null"}, {}),
    _with({"enum": ["a", 1, None]}, {"type": st.just("string"), "minLength": st.just(1)}),
    _with({"const": "a"}, {}),
    st.sampled_from([{"$ref": f"#/$defs/{name}"} for name in DEFINED]),
)


def _objects(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    fields = st.dictionaries(st.sampled_from("pqr"), inner, max_size=3)
    return fields.flatmap(
        lambda made: _with(
            {"type": "object", "properties": made},
            {
                "required": st.sets(st.sampled_from(sorted(made))).map(lambda names: [n for n in made if n in names])
                if made
                else st.just([]),
                "additionalProperties": st.just(False),
                "minProperties": st.just(1),
            },
        )
    )


def _wider(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    branches = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        _objects(inner),
        st.builds(
            lambda item, more: {"type": "array", "items": item} | more,
            inner,
            st.fixed_dictionaries({}, optional={"minItems": st.integers(0, 3), "maxItems": st.just(5)}),
        ),
        branches.map(lambda made: {"anyOf": made}),
        branches.map(lambda made: {"oneOf": made}),
    )


SCHEMAS = st.recursive(LEAVES, _wider, max_leaves=8)
ROOTS = st.builds(
    lambda root, first, second: root | {"$defs": {"A": first, "B": second}},
    _objects(SCHEMAS),
    LEAVES.filter(lambda schema: "$ref" not in schema),
    st.just({"type": "array", "items": {"$ref": "#/$defs/A"}}),
)


@given(ROOTS)
def test_what_both_can_say_they_say_alike(schema: Json) -> None:
    assert _settled(strict(schema).schema) == _settled(anthropic.transform_schema(copy.deepcopy(schema)))


def _settled(value: Any) -> Any:
    """With what is told in a description in alphabetical order: either way says the same."""
    if isinstance(value, dict):
        settled = {name: _settled(inner) for name, inner in value.items()}
        before, brace, told = str(settled.get("description", "")).partition("{")
        if brace:
            settled["description"] = [before, *sorted(told.rstrip("}").split(", "))]
        return settled
    return [_settled(inner) for inner in value] if isinstance(value, list) else value


# ---- of any schema

ANY_KEYWORD = st.sampled_from(
    [
        *("type", "properties", "required", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "$defs"),
        *("definitions", "description", "title", "default", "format", "pattern", "minItems", "minimum", "maxLength"),
        *("additionalProperties", "not", "if", "patternProperties", "prefixItems", "$schema", "examples", "nullable"),
    ]
)
ANY_VALUE = st.one_of(
    st.sampled_from(["object", "array", "string", "null", "#", "#/$defs/A", "#/$defs/Missing", "date", "(?=a)", ""]),
    st.sampled_from([None, True, False, 0, 1, 2, 1.5, [], {}, ["string", "null"], ["a"], [["a"]], [{}]]),
)
ANY_SCHEMA = st.recursive(
    st.dictionaries(ANY_KEYWORD, ANY_VALUE, max_size=4) | LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(ANY_KEYWORD, inner | st.lists(inner, max_size=3), max_size=4),
        st.builds(
            lambda fields, more: more | {"properties": fields}, st.dictionaries(st.sampled_from("pq"), inner), inner
        ),
        st.builds(lambda made, more: more | {"$defs": {"A": made}}, inner, inner),
        _wider(inner),
    ),
    max_leaves=12,
)


@given(ANY_SCHEMA)
def test_whatever_is_no_failure_is_taken_upstream_and_always_the_same(schema: Json) -> None:
    before = json.dumps(schema)
    try:
        made = strict(schema).schema
    except InexpressibleError:
        return
    upstream.check(made, "schema")
    assert json.dumps(schema) == before
    assert json.dumps(strict(json.loads(before)).schema) == json.dumps(made)


@given(ANY_SCHEMA | st.none())
def test_any_parameters_make_a_tools_schema(schema: Json | None) -> None:
    before = json.dumps(schema)
    made = tool_schema(schema)
    with suppress(InexpressibleError):
        upstream.check(strict_tool(schema).schema, "schema")
    assert json.dumps(schema) == before

    assert not made.keys() & {"oneOf", "anyOf", "allOf"}
    assert "type" in made


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"type": "object"}, {"type": "object"}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        (
            {"$schema": "x", "type": "object", "minProperties": 1},
            {"$schema": "x", "type": "object", "minProperties": 1},
        ),
        (
            {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"b": {}}}]},
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}},
        ),
    ],
)
def test_an_ordinary_tools_schema_is_made_acceptable(parameters: Json | None, schema: Json) -> None:
    assert tool_schema(parameters) == schema
