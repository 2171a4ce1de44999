"""An exchange driven by hand: what its caller is told of an upstream's bytes, failures included."""

from collections.abc import Iterable

from handler.errors import ProxyError
from handler.translate.exchange import Exchange


def told(exchange: Exchange, pieces: Iterable[bytes]) -> bytes:
    """All that leaves for a stream that comes in these pieces, to its end."""
    out = b""
    try:
        for piece in pieces:
            out += exchange.feed(piece)
        return out + exchange.close()
    except ProxyError as error:
        return out + exchange.fail(error)
