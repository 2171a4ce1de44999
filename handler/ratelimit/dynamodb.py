"""Buckets in a DynamoDB table that all instances share (PRODUCT.md 6).

    client (S, the key)    a salted hash
    full_at (N)            when the bucket is full again, microseconds since the epoch
    expires (N)            epoch seconds, the table's TTL; what has expired counts as full, swept or not

A request is one conditional write, which DynamoDB does in one step: no decision is ever made from what was read before.
There are two forms of it, for a bucket that lacks tokens and for a full one; the last state seen says which to try, and
a write whose condition fails brings the true state back:

    full_at = full_at + interval      if now < full_at <= now + horizon - interval
    full_at = now + interval          if there is none, or full_at <= now
"""

from collections.abc import Mapping
from typing import Any

from handler.aws import AwsError, AwsService
from handler.ratelimit.gcra import SECOND, Decision, Quota, decide, decided
from handler.ratelimit.limiter import StoreError

MAX_WRITES = 3
MAX_REMEMBERED = 10_000
_LOST = "ConditionalCheckFailedException"


class DynamoStore:
    """The buckets in one table; `seen` remembers what the last write said of a client, as a first guess only."""

    def __init__(self, service: AwsService, table: str) -> None:
        self._service, self._table = service, table
        self._seen: dict[str, int] = {}

    async def hit(self, client: str, quota: Quota, now: int) -> Decision:
        """Takes one token. Raises StoreError when the table fails, or the race for it is lost three times."""
        full_at = self._seen.get(client, 0)
        for _ in range(MAX_WRITES):
            try:
                answer = await self._service.call("UpdateItem", self._write(client, quota, now, full_at > now))
            except AwsError as error:
                if error.code != _LOST:
                    raise StoreError(error.code) from None
                full_at = _full_at(error.body.get("Item"))
                if not decide(quota, full_at, now).allowed:
                    return decided(quota, self._remember(client, full_at), now, allowed=False)
            else:
                full_at = self._remember(client, _full_at(answer.get("Attributes")))
                return decided(quota, full_at, now, allowed=True)
        raise StoreError("lost the race")

    def _write(self, client: str, quota: Quota, now: int, lacking: bool) -> dict[str, Any]:
        values = {":interval": quota.interval, ":now": now, ":expires": (now + quota.horizon) // SECOND + 60}
        if lacking:
            values[":latest"] = now + quota.horizon - quota.interval
            update = "full_at = full_at + :interval"
            condition = "full_at > :now AND full_at <= :latest"
        else:
            values[":taken"] = now + values.pop(":interval")
            update = "full_at = :taken"
            condition = "attribute_not_exists(full_at) OR full_at <= :now"
        return {
            "TableName": self._table,
            "Key": {"client": {"S": client}},
            "UpdateExpression": f"SET {update}, expires = :expires",
            "ConditionExpression": condition,
            "ExpressionAttributeValues": {name: {"N": str(value)} for name, value in values.items()},
            "ReturnValues": "UPDATED_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _remember(self, client: str, full_at: int) -> int:
        if len(self._seen) >= MAX_REMEMBERED:
            self._seen.clear()
        self._seen[client] = full_at
        return full_at


def _full_at(item: object) -> int:
    """Raises StoreError for an item that is not ours."""
    match item:
        case None:
            return 0
        case Mapping():
            number = item.get("full_at", {"N": "0"})
            try:
                return int(number["N"])
            except (KeyError, TypeError, ValueError):
                pass
    raise StoreError("an item of another kind")
