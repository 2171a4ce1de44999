"""Images in a request: base64 that decodes, to the kind of file its media type says; URLs over https."""

import base64
import binascii

from handler.errors import ProxyError
from handler.simulator.shapes import Base64Image, Image, Url

MAX_BYTES = 10 * 1024 * 1024


def check_image(image: Image, where: str) -> None:
    """Raises ProxyError (400) when the image is not what it says; `where` is the path of its source."""
    source = image.source
    if isinstance(source, Url) and not source.url.startswith("https://"):
        raise ProxyError(400, f"{where}.url.url: Only HTTPS URLs are supported.")
    if isinstance(source, Base64Image):
        _check_data(source, f"{where}.base64.data")


def _check_data(source: Base64Image, where: str) -> None:
    try:
        data = base64.b64decode(source.data, validate=True)
    except (binascii.Error, ValueError):
        raise ProxyError(400, f"{where}: Invalid base64 data") from None
    if not data:
        raise ProxyError(400, f"{where}: image cannot be empty")
    if len(data) > MAX_BYTES:
        raise ProxyError(400, f"{where}: image exceeds 10 MB maximum: {len(data)} bytes > {MAX_BYTES} bytes")
    if (found := media_type(data)) is None:
        raise ProxyError(400, f"{where}: Could not process image")
    if found != source.media_type:
        message = f"The image was specified using the {source.media_type} media type, but the image appears to be a"
        raise ProxyError(400, f"{where}: {message} {found} image")


def media_type(data: bytes) -> str | None:
    """The media type that the first bytes of an image show, if it is one of the four."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None
