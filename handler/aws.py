"""One signed call to an AWS service that speaks JSON (Signature Version 4), without an SDK.

    POST / HTTP/1.1
    x-amz-target: DynamoDB_20120810.UpdateItem
    authorization: AWS4-HMAC-SHA256 Credential=.../20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=..., ...

Two operations are all the proxy needs of AWS. boto3 would cost more at a cold start than everything else together, and
even botocore's signer alone a good part of that; this costs nothing. botocore judges the signatures in the tests.
Source: "Create a signed AWS API request", AWS General Reference.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from handler.errors import ProxyError

_ALGORITHM = "AWS4-HMAC-SHA256"


class AwsError(Exception):
    """A call that failed: `code` is the service's name for it ("" where it did not answer), `body` what it said."""

    def __init__(self, code: str, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(code or "no answer")
        self.code = code
        self.body = body or {}


@dataclass(frozen=True, slots=True)
class Account:
    """Whose calls these are, and where they go: `endpoint` replaces the region's own (an emulator, say)."""

    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint: str | None = None

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a credential is not pickled")


class AwsService:
    """One service in one region: `AwsService(account, "dynamodb", "DynamoDB_20120810", "1.0", transport)`."""

    def __init__(
        self,
        account: Account,
        name: str,
        target: str,
        json_version: str,
        transport: httpx.AsyncBaseTransport,
        clock: Callable[[], float] = time.time,
    ) -> None:
        suffix = "amazonaws.com.cn" if account.region.startswith("cn-") else "amazonaws.com"
        self._account, self._name, self._target, self._clock = account, name, target, clock
        self._url = httpx.URL(account.endpoint or f"https://{name}.{account.region}.{suffix}")
        self._content_type = f"application/x-amz-json-{json_version}"
        self._transport = transport

    async def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What the operation returns. Raises AwsError."""
        body = json.dumps(parameters, separators=(",", ":")).encode()
        headers = self._signed(f"{self._target}.{operation}", body)
        request = httpx.Request("POST", self._url.copy_with(path="/"), headers=headers, content=body)
        try:
            response = await self._transport.handle_async_request(request)
            try:
                said = json.loads(await response.aread())
            finally:
                await response.aclose()
        except (httpx.TransportError, ProxyError, ValueError):
            raise AwsError("") from None
        if response.status_code != 200 or not isinstance(said, dict):
            code = str(said.get("__type", "")) if isinstance(said, dict) else ""
            raise AwsError(code.rpartition("#")[2] or f"status {response.status_code}", said)
        return said

    def _signed(self, target: str, body: bytes) -> dict[str, str]:
        """The request's headers, the signature among them."""
        account = self._account
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        headers = {
            "content-type": self._content_type,
            "host": self._url.netloc.decode(),
            "x-amz-date": moment,
            "x-amz-target": target,
        }
        if account.session_token:
            headers["x-amz-security-token"] = account.session_token
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{moment[:8]}/{account.region}/{self._name}/aws4_request"
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{account.secret_access_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"Credential={account.access_key_id}/{scope}"
        return headers | {"authorization": f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"}
