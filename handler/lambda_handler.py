"""The app as a plain Mangum handler, for any runtime that calls a function with an event and wants the answer whole.

`run.sh` starts a loop of our own that streams instead (`handler.lambda_runtime`); without it, AWS's loop calls
`handler`. Either way the app is built once, and its lifespan runs once and not for every event as Mangum's would, so
that upstream connections are kept.
"""

import asyncio
from typing import Any

from mangum import Mangum
from mangum.types import LambdaContext

from handler.lambda_runtime import refusal
from handler.lambda_runtime.application import build
from handler.lambda_runtime.event import CONFIG, Gateway, MalformedEventError

_loop = asyncio.new_event_loop()
# Mangum runs each request in the current loop.
asyncio.set_event_loop(_loop)
_application = build()
_loop.run_until_complete(_application.start())
_mangum = Mangum(_application, lifespan="off", custom_handlers=[Gateway], text_mime_types=CONFIG["text_mime_types"])


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers one event of a function URL, an HTTP API or a REST API; any other with a 400."""
    try:
        return _mangum(event, context)
    except MalformedEventError:
        return refusal.document(refusal.whole(refusal.MALFORMED, "", context.aws_request_id))
