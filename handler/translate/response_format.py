"""What form the answer is to have (MAPPING 4.1).

text                            nothing
json_schema                     output_config.format, where the schema is within the upstream's subset
json_schema beyond the subset   words in the system text, with the schema
json_object                     words in the system text; with a schema (llama.cpp's form) as json_schema
"""

from handler.errors import ProxyError
from handler.translate import schemas
from handler.translate.losses import Ledger
from handler.wire import json_text
from handler.wire.anthropic import Json
from handler.wire.capability import Capability
from handler.wire.chat import ChatRequest

_JSON_ONLY = "Respond with a single valid JSON object and nothing else."


def form_of(
    request: ChatRequest, capability: Capability, budget: schemas.Budget, ledger: Ledger
) -> tuple[Json | None, list[str]]:
    """`output_config.format`, or the words that take its place in the system text. Raises ProxyError (400)."""
    field = "response_format"
    match request.response_format:
        case None | {"type": "text"}:
            return None, []
        case {"type": "json_object", "schema": dict(schema)}:  # llama.cpp's form
            return _schema_form(schema, capability, budget, ledger)
        case {"type": "json_object"}:
            return None, [_JSON_ONLY]
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)} as given}:
            described = given.get("description")
            if isinstance(described, str) and described and "description" not in schema:
                schema = {**schema, "description": described}
            return _schema_form(schema, capability, budget, ledger)
        case {"type": "json_schema"}:
            field = "response_format.json_schema.schema"
            raise ProxyError(400, f"`{field}` must be a JSON schema.", field=field)
    raise ProxyError(400, f"`{field}.type` must be text, json_object or json_schema.", field=f"{field}.type")


def _schema_form(
    schema: Json, capability: Capability, budget: schemas.Budget, ledger: Ledger
) -> tuple[Json | None, list[str]]:
    try:
        if capability.structured_outputs:
            return {"type": "json_schema", "schema": budget.take(schemas.strict(schema), tools=0)}, []
    except schemas.InexpressibleError:
        pass
    ledger.note("response_format")
    return None, [f"{_JSON_ONLY} It must fit this JSON schema:\n{json_text.write(schema)}"]
