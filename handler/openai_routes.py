"""The OpenAI endpoints: translated to Messages, the answers translated back."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

from handler import modes
from handler.call import Call
from handler.callers import Credential
from handler.errors import ProxyError
from handler.models import Catalogue
from handler.presence import attended
from handler.reception import Reception
from handler.relay import Outlet
from handler.translate import model_list, outcomes
from handler.translate.exchange import UpstreamRequest
from handler.translate.openai_headers import openai_headers
from handler.wire import json_text
from handler.wire.anthropic import Json
from handler.wire.model_name import resolved

MAX_PAGES = 20


class OpenAIRoutes:
    """One method per endpoint."""

    def __init__(
        self, reception: Reception, catalogue: Catalogue, *, default_max_tokens: int | None, auto_prompt_cache: bool
    ) -> None:
        self._reception = reception
        self._policy = reception.policy
        self._catalogue = catalogue
        self._default_max_tokens, self._auto_prompt_cache = default_max_tokens, auto_prompt_cache
        self._lookup: asyncio.Task[None] | None = None

    async def aclose(self) -> None:
        """Ends what runs beside the requests."""
        if self._lookup is not None:
            self._lookup.cancel()
            await asyncio.wait({self._lookup})

    async def chat(self, call: Call) -> None:
        """POST chat/completions."""
        # A start need not wait for what these requests alone use.
        from handler.translate.chat import Chat
        from handler.translate.chat_request import Options, translate
        from handler.wire import chat

        credential = await self._reception.admit(call)
        self._reception.only_here(credential)
        request = chat.parse(await call.json(self._policy.request_bytes), self._policy.aliases)
        options = Options(self._default_max_tokens, self._auto_prompt_cache)
        translated = translate(request, self._catalogue.of(request.model), options)
        call.visit.losses = translated.losses
        body = translated.body
        if call.mode.injects:
            body = modes.translated_with_prompt(body, self._policy.prompt)
        betas = [beta.encode() for beta in translated.betas]
        upstream = UpstreamRequest(
            "POST",
            b"/v1/messages",
            self._headers(call, credential, betas),
            (json_text.utf8(json_text.write(body)),),
        )
        exchange = Chat(
            upstream,
            translated.reading,
            partial(modes.answer_headers, call.mode),
            created=int(time.time()),
            losses=translated.losses,
        )
        if await self._reception.relayed(call, credential, exchange) and self._catalogue.due(time.monotonic()):
            # What the models can do is asked for beside the requests, never before one.
            self._lookup = asyncio.create_task(self._learn(call, credential))

    async def models(self, call: Call) -> None:
        """GET models: all pages of the upstream's list in one."""
        credential = await self._reception.admit(call)
        self._reception.only_here(credential)
        async with attended(call.receive, call.deadline):
            pages, headers = await self._pages(call, credential)
        self._catalogue.learn(info for page in pages for info in page["data"])
        await self._send(call, headers, model_list.listing(pages))

    async def model(self, call: Call) -> None:
        """GET models/{id}: one model, under its own name or with the vendor's before it."""
        credential = await self._reception.admit(call)
        self._reception.only_here(credential)
        name = resolved(str(call.scope["path_params"]["id"]), self._policy.aliases)
        if not name or "/" in name:
            raise ProxyError(404, "There is no such model.", field="model", code="model_not_found")
        async with attended(call.receive, call.deadline):
            body, headers = await self._get(call, credential, b"/v1/models/" + name.encode())
        await self._send(call, headers, model_list.single(body))

    def _headers(self, call: Call, credential: Credential, betas: Sequence[bytes] = ()) -> list[tuple[bytes, bytes]]:
        # The version is ours: under later ones temperature is refused even where the model takes it.
        received = [header for header in call.scope["headers"] if header[0] != b"anthropic-version"]
        return modes.upstream_headers(call.mode, received, [*betas, *self._reception.betas(call.mode, credential)])

    async def _pages(self, call: Call, credential: Credential) -> tuple[list[Json], modes.Headers]:
        pages: list[Json] = []
        target = b"/v1/models?limit=1000"
        while True:
            body, headers = await self._get(call, credential, target)
            pages.append(model_list.page(body))
            after = model_list.next_page(pages[-1])
            if after is None or len(pages) == MAX_PAGES:
                return pages, headers
            target = b"/v1/models?limit=1000&after_id=" + quote(after, safe="", errors="replace").encode()

    async def _get(self, call: Call, credential: Credential, target: bytes) -> tuple[bytes, modes.Headers]:
        """A body and its headers. Raises ProxyError with the upstream's status and message when it refuses."""
        request = UpstreamRequest("GET", target, self._headers(call, credential), ())
        status, headers, body = await self._reception.relay.whole(request, credential.auth)
        if status < 400 and not 200 <= status < 300:
            raise ProxyError(502, f"The upstream answered with status {status}, which is not followed.")
        if status >= 400:
            refusal = outcomes.refusal_of(status, body)
            told = self._answer_headers(call, headers.raw)
            refusal.headers = {name.decode(): value.decode("latin-1") for name, value in told}
            raise refusal
        return body, headers.raw

    async def _learn(self, call: Call, credential: Credential) -> None:
        try:
            pages, _ = await self._pages(call, credential)
        except ProxyError:
            return  # the shipped table stands; it is asked again later
        self._catalogue.learn(info for page in pages for info in page["data"])

    async def _send(self, call: Call, upstream: modes.Headers, body: bytes) -> None:
        headers = [*self._answer_headers(call, upstream), (b"content-type", b"application/json")]
        await Outlet(call.send).whole(200, headers, body)

    def _answer_headers(self, call: Call, upstream: modes.Headers) -> list[tuple[bytes, bytes]]:
        told = openai_headers(modes.answer_headers(call.mode, upstream), upstream, time.time())
        request_id = modes.header(upstream, b"request-id")
        return [*told, (b"request-id", request_id)] if request_id else told
