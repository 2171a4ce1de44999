"""A tool's parameters as the upstream takes them: an object schema without a choice at its top (MAPPING 3).

anyOf, oneOf      the properties of all branches; one that differs between them may be either; required where all say so
allOf, $ref       the properties of all; one that differs has to be both
anything else     as it is
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from handler.translate import schemas
from handler.wire.anthropic import Json

_CHOICES = ("anyOf", "oneOf", "allOf")
_DEFINITION = re.compile(r"#/(\$defs|definitions)/([^/]+)")


class _Fields(NamedTuple):
    """What an object schema says of its members; `exact` where nothing else could be said."""

    properties: Json
    required: list[str]
    exact: bool = True


def tool_schema(parameters: Json | None) -> Json:
    """The `input_schema` of an ordinary tool."""
    return _merged(parameters)[0]


def strict_tool(parameters: Json | None) -> schemas.Strict:
    """The `input_schema` of a strict tool. Raises InexpressibleError, also where a choice at the top would be lost."""
    schema, exact = _merged(parameters)
    if not exact:
        raise schemas.InexpressibleError
    return schemas.strict(schema)


def _merged(parameters: Json | None) -> tuple[Json, bool]:
    if not parameters:
        return {"type": "object", "properties": {}}, True
    if parameters.keys().isdisjoint((*_CHOICES, "$ref")):
        return parameters if "type" in parameters else {"type": "object", **parameters}, True
    fields = _fields(parameters, parameters, frozenset())
    rest = {key: value for key, value in parameters.items() if key not in (*_CHOICES, "$ref", "required")}
    required = {"required": fields.required} if fields.required else {}
    return {**rest, "type": "object", "properties": fields.properties, **required}, fields.exact


def _fields(schema: Any, root: Json, passed: frozenset[str]) -> _Fields:
    """`passed` are the references that led here: a schema that contains itself adds nothing more."""
    if not isinstance(schema, dict):
        return _Fields({}, [])
    own = _Fields(_object(schema.get("properties")), _names(schema.get("required")))
    parts = [own, *(_fields(branch, root, passed) for branch in _list(schema.get("allOf")))]
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in passed and (found := _DEFINITION.fullmatch(reference)):
        definition = _object(root.get(found[1])).get(found[2])
        parts.append(_fields(definition, root, passed | {reference}))
    for key in ("anyOf", "oneOf"):
        branches = [_fields(branch, root, passed) for branch in _list(schema.get(key))]
        if branches:
            always = [name for name in branches[0].required if all(name in branch.required for branch in branches)]
            parts.append(_Fields(_joined("anyOf", branches), always, exact=len(branches) == 1))
    required = dict.fromkeys(name for part in parts for name in part.required)
    return _Fields(_joined("allOf", parts), list(required), all(part.exact for part in parts))


def _joined(key: str, parts: Iterable[_Fields]) -> Json:
    """The properties of all parts; those with one name and several schemas are joined by `key`."""
    found: dict[str, list[Any]] = {}
    for part in parts:
        for name, schema in part.properties.items():
            schemas_of_it = found.setdefault(name, [])
            if schema not in schemas_of_it:
                schemas_of_it.append(schema)
    return {name: several[0] if len(several) == 1 else {key: several} for name, several in found.items()}


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _names(value: object) -> list[str]:
    return [name for name in _list(value) if isinstance(name, str)]
