"""Buckets in this process's memory: the limit of a server that stands alone, and what remains when a table is down."""

from handler.ratelimit.gcra import Decision, Quota, decide

MAX_CLIENTS = 100_000


class MemoryStore:
    """The buckets of the clients seen last; a bucket that is full again, or is the oldest of too many, is forgotten."""

    def __init__(self, max_clients: int = MAX_CLIENTS) -> None:
        self._max_clients = max_clients
        self._full_at: dict[str, int] = {}

    async def hit(self, client: str, quota: Quota, now: int) -> Decision:
        """Takes one token."""
        decision = decide(quota, self._full_at.pop(client, 0), now)
        self._full_at[client] = decision.full_at
        self._forget(now)
        return decision

    def _forget(self, now: int) -> None:
        """Looks at the two least recently seen clients, so that the memory shrinks as fast as it may grow."""
        for client in list(_first_two(self._full_at)):
            if self._full_at[client] <= now or len(self._full_at) > self._max_clients:
                del self._full_at[client]


def _first_two(buckets: dict[str, int]) -> list[str]:
    clients = iter(buckets)
    return [client for client in (next(clients, None), next(clients, None)) if client is not None]
