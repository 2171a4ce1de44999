"""What every endpoint does: let the caller in, choose the credential, relay the exchange, keep the figures."""

from collections.abc import Mapping
from dataclasses import dataclass

from handler import modes
from handler.call import Call
from handler.callers import OAUTH_REFUSAL, Credential, Gate, Keyring, choose
from handler.errors import ProxyError
from handler.modes import Mode
from handler.relay import Relay
from handler.translate.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say about requests. Sizes in bytes; `loopback` is the address the server listens on."""

    prompt: str
    betas: tuple[bytes, ...]
    aliases: Mapping[str, str]
    request_bytes: int
    loopback: bool


class Reception:
    """The one way from an endpoint to the upstream."""

    def __init__(self, relay: Relay, gate: Gate, keyring: Keyring, policy: Policy) -> None:
        self.relay = relay
        self.policy = policy
        self._gate, self._keyring = gate, keyring

    async def admit(self, call: Call, *, stateful: bool = False) -> Credential:
        """The credential for this request. Raises ProxyError: 400, 401, 403 or 503."""
        own = await self._gate.admit(call.scope["headers"])
        return choose(call.mode, own, self._keyring, stateful=stateful)

    def only_here(self, credential: Credential) -> None:
        """For what an OAuth token may be used for on its owner's own machine alone. Raises ProxyError (400)."""
        if credential.oauth and not self.policy.loopback:
            raise ProxyError(400, OAUTH_REFUSAL)

    def betas(self, mode: Mode, credential: Credential) -> tuple[bytes, ...]:
        """The beta names a mode adds."""
        if not mode.injects:
            return ()
        return (*self.policy.betas, modes.OAUTH_BETA) if credential.oauth else self.policy.betas

    async def relayed(self, call: Call, credential: Credential, exchange: Exchange) -> bool:
        """Answers the caller. True when the answer is whole; raises what the envelope answers with otherwise."""
        try:
            failure = await self.relay.run(exchange, credential.auth, call.receive, call.send, call.deadline)
        finally:
            call.visit.usage = exchange.usage
        if failure is not None:
            call.visit.failure = failure.status
        return failure is None and call.visit.status < 400
