"""What a setting's text may say: keys, names, addresses, lists. A refusal never repeats the text.

Each type reads what the environment holds and raises ValueError with the reason.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

# No user, no query, no fragment, no space, nothing to be escaped.
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~/%-]*)?")


def is_loopback(host: str) -> bool:
    """Whether listening on `host` is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _tokens(value: object) -> object:
    if not isinstance(value, str):
        return value
    tokens = tuple(part.strip() for part in value.split(","))
    if not all(tokens):
        raise ValueError("is blank, or has a blank between commas; unset it to run without a gate")
    if not all(map(_is_one_line, tokens)):
        raise ValueError("holds a character that no header can (a line break, perhaps)")
    return tuple(SecretStr(token) for token in tokens)


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if not all(name.strip() and target.strip() for name, _, target in pairs):
        raise ValueError("wants name=model pairs, separated by commas")
    return {name.strip(): target.strip() for name, _, target in pairs}


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(map(_is_one_line, names)):
        raise ValueError("holds a character that no header can (a line break, perhaps)")
    return names


def _is_one_line(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _one_line(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and not _is_one_line(secret.get_secret_value()):
        raise ValueError("holds a character that no key has (a line break, perhaps)")
    return secret


def _origin(url: str) -> str:
    if not _is_origin(url):
        raise ValueError("must be an https URL without credentials or query (http only for loopback)")
    return url.rstrip("/")


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a port or an address that is none
        return False
    plain = parts.scheme == "http" and is_loopback(host)
    secure = parts.scheme == "https" and bool(host) and port != 0
    return (secure or plain) and bool(_URL.fullmatch(url)) and "@" not in parts.netloc


# None where the variable is blank.
Key = Annotated[SecretStr | None, BeforeValidator(_blank_is_none), AfterValidator(_one_line)]
Name = Annotated[str | None, BeforeValidator(_blank_is_none)]
File = Annotated[Path | None, BeforeValidator(_blank_is_none), AfterValidator(lambda path: path and path.expanduser())]
Seconds = Annotated[float, Field(gt=0, le=900, allow_inf_nan=False)]
# An https URL, or http to this machine, without a slash at its end.
Origin = Annotated[str, AfterValidator(_origin)]
# Lists, separated by commas. Several tokens are valid at once while one is being rotated.
Tokens = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_tokens)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
Pairs = Annotated[dict[str, str], NoDecode, BeforeValidator(_pairs)]
