"""Images and files in a request: data URLs and base64, and what the bytes really are (MAPPING 2.2).

https://..., http://...            the upstream fetches it; nothing is ever fetched or opened here
data:image/...;base64,...          an image, of the type its first bytes show
data:application/pdf;base64,...    a document
data:text/...                      a document that is text
"""

import base64
import binascii
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from handler.errors import ProxyError
from handler.wire.anthropic import Json

_SPACE = re.compile(r"\s+")
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"%PDF-"), "application/pdf"),
)
# By the end of a file's name, where nothing else tells.
_EXTENSIONS = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}
_TEXT_EXTENSIONS = frozenset(
    {
        *("txt", "md", "markdown", "rst", "csv", "tsv", "json", "jsonl", "xml", "html", "htm", "yaml", "yml", "toml"),
        *("ini", "cfg", "log", "tex", "css", "js", "ts", "tsx", "jsx", "py", "rb", "go", "rs", "c", "h", "cpp", "hpp"),
        *("java", "kt", "swift", "sh", "sql", "php", "diff", "patch"),
    }
)
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})
_PDF = "application/pdf"


class _Data(NamedTuple):
    """Content: its bytes, and the same in clean base64."""

    raw: bytes
    text: str


def from_url(url: str, field: str) -> Json:
    """The block for the URL of an `image_url` part. Raises ProxyError (400)."""
    scheme = url[:6].partition(":")[0].lower()
    if scheme in ("http", "https"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    if scheme != "data":
        raise ProxyError(400, f"`{field}` must be an http(s) or a data URL.", field=field)
    declared, data = _data_url(url, field, "invalid_base64_image")
    kind = _sniffed(data) or declared
    return _pdf(data, None) if kind == _PDF else _image(data, kind, field)


def from_file(content: str, name: str | None, field: str) -> Json:
    """The block for the `file_data` of a `file` part, a data URL or bare base64. Raises ProxyError (400)."""
    if content[:5].lower() == "data:":
        declared, data = _data_url(content, field, None)
    else:
        declared, data = "", _decoded(content, field, None)
    kind = _sniffed(data) or _declared(declared, name)
    if kind == _PDF:
        return _pdf(data, name)
    if kind in _IMAGES:
        return _image(data, kind, field)
    if kind == "text/plain":
        return _text(data, name, field)
    raise ProxyError(400, f"`{field}` must be a PDF, an image or a text file.", field=field)


def _declared(declared: str, name: str | None) -> str:
    extension = (name or "").rpartition(".")[2].lower()
    if extension in _TEXT_EXTENSIONS:
        return "text/plain"  # whatever is declared: Windows calls a CSV file application/vnd.ms-excel
    if declared in ("", "application/octet-stream"):
        return _EXTENSIONS.get(extension, "")
    return "text/plain" if declared.startswith("text/") or declared in _TEXT_TYPES else declared


def _data_url(url: str, field: str, code: str | None) -> tuple[str, _Data]:
    """Media type and content."""
    head, comma, content = url.partition(",")
    declared, *parameters = head[5:].lower().split(";")
    if not comma:
        raise ProxyError(400, f"`{field}` is not a whole data URL.", field=field)
    if "base64" in parameters:
        return declared.strip().replace("image/jpg", "image/jpeg"), _decoded(content, field, code)
    try:
        raw = unquote_to_bytes(content)
    except UnicodeEncodeError:
        raise ProxyError(400, f"`{field}` holds half a character.", field=field, code=code) from None
    return declared.strip() or "text/plain", _Data(raw, base64.b64encode(raw).decode())


def _decoded(text: str, field: str, code: str | None) -> _Data:
    """What base64 says, whichever alphabet it uses, with or without padding and line breaks."""
    clean = _SPACE.sub("", text).replace("-", "+").replace("_", "/").rstrip("=")
    clean += "=" * (-len(clean) % 4)
    try:
        raw = base64.b64decode(clean, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw:
        raise ProxyError(400, f"`{field}` does not hold valid base64.", field=field, code=code)
    return _Data(raw, clean)


def _sniffed(data: _Data) -> str | None:
    return next((kind for magic, kind in _MAGIC if magic.match(data.raw)), None)


def _image(data: _Data, kind: str, field: str) -> Json:
    if kind not in _IMAGES:
        message = f"`{field}` must be a PNG, JPEG, GIF or WebP image."
        raise ProxyError(400, message, field=field, code="unsupported_image_media_type")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data.text}}


def _pdf(data: _Data, name: str | None) -> Json:
    return _titled({"type": "base64", "media_type": _PDF, "data": data.text}, name)


def _text(data: _Data, name: str | None, field: str) -> Json:
    try:
        text = data.raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ProxyError(400, f"`{field}` is a text file, but not in UTF-8.", field=field) from None
    return _titled({"type": "text", "media_type": "text/plain", "data": text}, name)


def _titled(source: Json, name: str | None) -> Json:
    return {"type": "document", "source": source, **({"title": name} if name else {})}
