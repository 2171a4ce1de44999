"""HTTP/1.1 to the upstream, behind httpx's transport interface.

httpx's own transport is four fifths of what a naive proxy costs, grows slower as its pool fills, and hands a second
answer's surplus bytes to the next caller. This one is llhttp (httptools) on an asyncio protocol: a request on a warm
connection is one write, a chunk is one callback, and nothing is ever sent twice.
"""

from handler.transport.pool import Pool, Timeouts, Trust

__all__ = ["Pool", "Timeouts", "Trust"]
