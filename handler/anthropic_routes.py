"""The Anthropic endpoints: relayed, with a system block put first in full mode, and nothing else changed."""

import json
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from handler import modes
from handler.call import Call
from handler.modes import Mode
from handler.reception import Reception
from handler.translate.exchange import UpstreamRequest
from handler.translate.passthrough import Passthrough
from handler.wire.batch import with_models
from handler.wire.json_object import JsonObject, Pieces


class AnthropicRoutes:
    """One method per endpoint."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._policy = reception.policy

    async def messages(self, call: Call) -> None:
        """POST /v1/messages and count_tokens: relayed, in full mode with the prompt put first."""
        credential = await self._reception.admit(call)
        body = JsonObject(await call.json(self._policy.request_bytes))
        edits = self._alias(body)
        mode, betas = call.mode, self._reception.betas(call.mode, credential)
        if mode.injects and modes.comes_from_claude_code(body.value):
            mode = modes.UNTOUCHED
            betas = (modes.OAUTH_BETA,) if credential.oauth and self._policy.loopback else ()
        else:
            self._reception.only_here(credential)
            edits |= modes.with_prompt(body, self._policy.prompt) if mode.injects else {}
        await self._reception.relayed(call, credential, self._passthrough(call, mode, betas, body.edited(edits)))

    async def models(self, call: Call) -> None:
        """GET /v1/models and one model: relayed."""
        credential = await self._reception.admit(call)
        if "id" in call.scope["path_params"]:
            self._reception.only_here(credential)
        betas = self._reception.betas(call.mode, credential)
        exchange = self._passthrough(call, call.mode, betas, ())
        if alias := self._policy.aliases.get(call.scope["path_params"].get("id", "")):
            target = b"/v1/models/" + quote(alias, safe="").encode()
            exchange.upstream = replace(exchange.upstream, target=target)
        await self._reception.relayed(call, credential, exchange)

    async def stateful(self, call: Call) -> None:
        """Batches and files: relayed with the caller's own API key, bodies as they are."""
        credential = await self._reception.admit(call, stateful=True)
        body: Pieces = ()
        if call.method == "POST" and call.scope["path"].endswith("/batches"):
            batch = JsonObject(await call.json(self._policy.request_bytes))
            body = batch.edited(with_models(batch, self._policy.aliases))
        elif call.method == "POST":
            body = (await call.body(self._policy.request_bytes),)
        betas = self._reception.betas(call.mode, credential)
        await self._reception.relayed(call, credential, self._passthrough(call, call.mode, betas, body))

    async def download(self, call: Call) -> None:
        """A batch's results or a file's content: streamed, of whatever type, with the caller's own API key."""
        credential = await self._reception.admit(call, stateful=True)
        betas = self._reception.betas(call.mode, credential)
        exchange = self._passthrough(call, call.mode, betas, (), download=True)
        await self._reception.relayed(call, credential, exchange)

    def _alias(self, body: JsonObject) -> dict[str, str]:
        model = body.value.get("model")
        alias = self._policy.aliases.get(model) if isinstance(model, str) else None
        return {"model": json.dumps(alias)} if alias else {}

    def _passthrough(
        self, call: Call, mode: Mode, betas: tuple[bytes, ...], body: Pieces, *, download: bool = False
    ) -> Passthrough:
        headers = modes.upstream_headers(mode, call.scope["headers"], betas)
        request = UpstreamRequest(call.method, call.target, headers, body)
        return Passthrough(request, partial(modes.answer_headers, mode), download=download)
