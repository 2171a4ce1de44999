"""JSON schemas for structured output and strict tools: which ones are taken, and an answer that fits.

The subset is that of Anthropic's structured outputs (MAPPING 4.2).
"""

from typing import Any

from handler.errors import ProxyError

KEYWORDS = frozenset(
    {
        *("type", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions", "default", "title", "description"),
        *("properties", "required", "additionalProperties", "items", "minItems", "format", "pattern"),
        *("$schema", "$id", "$comment", "examples", "deprecated", "readOnly", "writeOnly"),
    }
)
FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
EXAMPLES = {
    "date-time": "2026-01-02T03:04:05Z",
    "time": "03:04:05Z",
    "date": "2026-01-02",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def check(schema: dict[str, Any], where: str) -> None:
    """Raises ProxyError (400) when `schema` is outside the supported subset; `where` leads the message."""
    _check(schema, schema, where, ())


def _check(schema: Any, root: dict[str, Any], where: str, seen: tuple[str, ...]) -> None:
    if not isinstance(schema, dict):
        raise ProxyError(400, f"{where}: Schema must be an object")
    _check_keywords(schema, where)
    if "$ref" in schema:
        reference = str(schema["$ref"])
        if reference in seen:
            raise ProxyError(400, f"{where}: Circular reference detected in schema definitions: {' -> '.join(seen)}")
        _check(_resolve(reference, root, where), root, where, (*seen, reference))
    for inner in _children(schema):
        _check(inner, root, where, seen)


def _check_keywords(schema: dict[str, Any], where: str) -> None:
    kind = schema.get("type", "")
    if unknown := sorted(schema.keys() - KEYWORDS):
        raise ProxyError(400, f"{where}: For '{kind}' type, properties {', '.join(unknown)} are not supported")
    if not schema.keys() & {"type", "enum", "const", "anyOf", "allOf", "$ref"}:
        raise ProxyError(400, f"{where}: Schema type is missing")
    if kind in ("object", ["object", "null"]) and schema.get("additionalProperties") is not False:
        message = "For 'object' type, 'additionalProperties' must be explicitly set to false"
        raise ProxyError(400, f"{where}: {message}")
    if schema.get("format", "uri") not in FORMATS:
        raise ProxyError(400, f"{where}: String format '{schema['format']}' is not supported")
    if schema.get("minItems", 0) not in (0, 1):
        raise ProxyError(400, f"{where}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")


def _children(schema: dict[str, Any]) -> list[Any]:
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("allOf", ())]
    return [*inner, schema["items"]] if "items" in schema else inner


def _resolve(reference: str, root: dict[str, Any], where: str) -> dict[str, Any]:
    value: Any = root
    if not reference.startswith("#"):
        raise ProxyError(400, f"{where}: External $ref '{reference}' is not supported")
    for step in reference.removeprefix("#").strip("/").split("/"):
        value = value.get(step) if step and isinstance(value, dict) else value
    if not isinstance(value, dict):
        raise ProxyError(400, f"{where}: $ref '{reference}' cannot be resolved")
    return value


def example(schema: dict[str, Any], text: str) -> Any:
    """A value that fits `schema` (which passed `check`); free strings hold `text`."""
    return _example(schema, schema, text)


def _example(schema: dict[str, Any], root: dict[str, Any], text: str) -> Any:
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if "$ref" in schema:
        return _example(_resolve(schema["$ref"], root, "schema"), root, text)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], root, text)
    if "allOf" in schema:
        merged = [_example(part, root, text) for part in schema["allOf"]]
        return {key: value for part in merged if isinstance(part, dict) for key, value in part.items()} or merged[0]
    return _plain(schema, root, text)


def _plain(schema: dict[str, Any], root: dict[str, Any], text: str) -> Any:
    kind = schema.get("type", "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return {key: _example(inner, root, text) for key, inner in schema.get("properties", {}).items()}
        case "array":
            return [_example(schema["items"], root, text)] if "items" in schema else []
        case "string":
            return EXAMPLES.get(schema.get("format", ""), text)
        case "integer" | "number":
            return 1
        case "boolean":
            return True
    return None
