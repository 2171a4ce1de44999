"""A JSON schema in the subset that the upstream enforces (MAPPING 4.2).

    kept         type, properties, required, items, enum and const of scalars, anyOf, allOf, $defs, default, title,
                 known string formats, simple patterns, minItems 0 and 1
    added        additionalProperties: false, on every object
    rewritten    oneOf -> anyOf, definitions -> $defs
    told         every other keyword, in the description: {minimum: 0, maxLength: 5}
    left out     what stands beside $ref, as by Anthropic's own SDK
    impossible   recursion, references out of the schema, not, if, patternProperties, maps, tuples, schemas of any type

The same schema always gives the same text: the upstream keeps what it compiled from it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handler.wire.anthropic import Json

MAX_STRICT_TOOLS, MAX_OPTIONAL, MAX_UNIONS = 20, 24, 16

FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_IMPOSSIBLE = frozenset(
    {
        *("not", "if", "then", "else", "patternProperties", "prefixItems", "additionalItems", "contains"),
        *("dependentSchemas", "dependentRequired", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef"),
    }
)
_SILENT = frozenset({"$schema", "$id", "$comment", "$anchor", "deprecated", "readOnly", "writeOnly"})
_KEPT = ("title", "default")
_STRUCTURE = frozenset({"properties", "required", "additionalProperties", "items"})
_REFERENCE = re.compile(r"#/(?:\$defs|definitions)/([^/]+)")
_HARD_PATTERN = re.compile(r"\(\?[=!<]|\\[bB1-9]")
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})


class InexpressibleError(ValueError):
    """The schema says something that cannot be enforced upstream."""


@dataclass(frozen=True, slots=True)
class Strict:
    """A schema within the subset, and what it counts for against the upstream's limits."""

    schema: Json
    optional: int
    unions: int


def strict(schema: Json) -> Strict:
    """`schema` within the subset. Raises InexpressibleError."""
    subset = _Subset(schema)
    return Strict(subset.of(schema), subset.optional, subset.unions)


class Budget:
    """What the enforced schemas of one request may amount to in all."""

    def __init__(self) -> None:
        self._tools = self._optional = self._unions = 0

    def take(self, strict: Strict, *, tools: int) -> Json:
        """The schema, of so many tools, if there is room for it. Raises InexpressibleError."""
        tools, optional, unions = self._tools + tools, self._optional + strict.optional, self._unions + strict.unions
        if tools > MAX_STRICT_TOOLS or optional > MAX_OPTIONAL or unions > MAX_UNIONS:
            raise InexpressibleError
        self._tools, self._optional, self._unions = tools, optional, unions
        return strict.schema


class _Subset:
    """One schema on its way into the subset."""

    def __init__(self, root: Json) -> None:
        self.optional = 0
        self.unions = 0
        self._definitions = {**_dict(root.get("definitions")), **_dict(root.get("$defs"))}
        self._check_references(root)

    def of(self, schema: Any) -> Json:
        """One (sub)schema."""
        if not isinstance(schema, dict) or not schema.keys().isdisjoint(_IMPOSSIBLE):
            raise InexpressibleError
        left = {key: value for key, value in schema.items() if key not in _SILENT}
        subset: Json = {}
        definitions = {**_dict(left.pop("definitions", None)), **_dict(left.pop("$defs", None))}
        if definitions:
            subset["$defs"] = {name: self.of(inner) for name, inner in definitions.items()}
        if (reference := left.pop("$ref", None)) is not None:
            return subset | {"$ref": _local(reference)}
        self._take_kind(left, subset)
        if "$ref" in subset:
            return subset
        for key in ("description", *_KEPT):
            if key in left:
                subset[key] = left.pop(key)
        _tell(left, subset)
        return subset

    def _take_kind(self, left: Json, subset: Json) -> None:
        """Moves what says which values fit: literals, unions, or a type with its own keywords."""
        for key, fits in (("enum", _scalars), ("const", _scalar)):
            if key in left and fits(left[key]):
                subset[key] = left.pop(key)
        branches = self._branches(left)
        subset |= branches
        kinds = left.pop("type", None)
        if branches and not left.keys().isdisjoint(_STRUCTURE):
            raise InexpressibleError  # closed objects that would have to fit two of them
        if "enum" in subset or "const" in subset or branches:
            return
        names = kinds if isinstance(kinds, list) else [kinds]
        if not names or not all(isinstance(name, str) and name in _TYPES for name in names):
            raise InexpressibleError
        subset["type"] = kinds
        self.unions += len(names) > 1
        for name, take in (("object", self._take_object), ("array", self._take_array), ("string", _take_string)):
            if name in names:
                take(left, subset)

    def _branches(self, left: Json) -> Json:
        anyof = left.pop("anyOf", None) or left.pop("oneOf", None)
        left.pop("oneOf", None)
        every = left.pop("allOf", None)
        if isinstance(anyof, list):
            self.unions += 1
            return {"anyOf": [self.of(branch) for branch in anyof]}
        if isinstance(every, list) and len(every) == 1:
            return self.of(every[0])
        if isinstance(every, list) and every:
            subsets = [self.of(branch) for branch in every]
            if any("$ref" in branch for branch in subsets):
                raise InexpressibleError
            return {"allOf": subsets}
        return {}

    def _take_object(self, left: Json, subset: Json) -> None:
        properties, others = left.pop("properties", None), left.pop("additionalProperties", None)
        if properties is None and others is False:
            properties = {}
        if not isinstance(properties, dict) or isinstance(others, dict) or (others is True and not properties):
            raise InexpressibleError  # a map: its keys are not known
        subset["properties"] = {name: self.of(inner) for name, inner in properties.items()}
        subset["additionalProperties"] = False
        required = left.pop("required", None)
        if isinstance(required, list):
            subset["required"] = [name for name in properties if name in required]
        self.optional += len(properties) - len(subset.get("required", ()))

    def _take_array(self, left: Json, subset: Json) -> None:
        if "items" in left:
            subset["items"] = self.of(left.pop("items"))
        if left.get("minItems") in (0, 1):
            subset["minItems"] = left.pop("minItems")

    def _check_references(self, root: Json) -> None:
        """Raises InexpressibleError when a definition is missing, or leads back to itself."""
        uses = {name: _references(inner) for name, inner in self._definitions.items()}
        if not _references(root) <= uses.keys():
            raise InexpressibleError
        for name in uses:
            reached: set[str] = set()
            ahead = list(uses[name])
            while ahead:
                other = ahead.pop()
                if other not in reached:
                    reached.add(other)
                    ahead.extend(uses.get(other, ()))
            if name in reached:
                raise InexpressibleError


def _take_string(left: Json, subset: Json) -> None:
    if isinstance(left.get("format"), str) and left["format"] in FORMATS:
        subset["format"] = left.pop("format")
    pattern = left.get("pattern")
    if isinstance(pattern, str) and not _HARD_PATTERN.search(pattern):
        subset["pattern"] = left.pop("pattern")


def _tell(left: Mapping[str, Any], subset: Json) -> None:
    """What cannot be enforced is at least told, in the words of Anthropic's own SDK."""
    if left:
        told = "{" + ", ".join(f"{key}: {value}" for key, value in left.items()) + "}"
        before = subset.get("description")
        subset["description"] = f"{before}\n\n{told}" if before else told


def _local(reference: object) -> str:
    found = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    if found is None:
        raise InexpressibleError
    return f"#/$defs/{found[1]}"


def _references(schema: Any) -> set[str]:
    """The names of the definitions that `schema` uses, at any depth."""
    if isinstance(schema, list):
        return {name for inner in schema for name in _references(inner)}
    if not isinstance(schema, dict):
        return set()
    found = {name for inner in schema.values() for name in _references(inner)}
    own = _REFERENCE.fullmatch(str(schema.get("$ref", "")))
    return found | {own[1]} if own else found


def _scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _scalars(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_scalar, value))


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}
