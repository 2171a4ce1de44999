"""One instance of many: hits one client's bucket in a shared table, and prints how many times it passed.

python -m tests.ratelimit.shared_hits ENDPOINT TABLE CLIENT HITS LIMIT BURST
"""

import asyncio
import sys
import time

from handler.aws import Account
from handler.ratelimit.dynamodb import DynamoStore
from handler.ratelimit.gcra import Quota
from handler.ratelimit.limiter import StoreError
from tests.support.aws import REGION, dynamodb, pool


async def main(endpoint: str, table: str, client: str, hits: int, quota: Quota) -> None:
    """Prints the passed hits, then those that were not decided."""
    transport = pool()
    store = DynamoStore(dynamodb(Account(REGION, "testing", "testing", endpoint=endpoint), transport), table)
    now = int(time.time() * 1_000_000)
    decisions = await asyncio.gather(*(store.hit(client, quota, now) for _ in range(hits)), return_exceptions=True)
    undecided = sum(isinstance(each, StoreError) for each in decisions)
    print(sum(not isinstance(each, BaseException) and each.allowed for each in decisions), undecided)
    await transport.aclose()


if __name__ == "__main__":
    endpoint, table, client, *numbers = sys.argv[1:]
    hits, limit, burst = map(int, numbers)
    asyncio.run(main(endpoint, table, client, hits, Quota(limit, burst)))
