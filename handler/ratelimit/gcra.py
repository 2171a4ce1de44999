"""The rate limit's arithmetic: a token bucket, kept as one number (GCRA, ATM Forum TM 4.1; PRODUCT.md 6).

A bucket holds limit + burst tokens and gains `limit` a minute. All that is kept of it is `full_at`, the moment it will
be full again; the tokens missing now are the time until then, in `interval`s. A request takes one token, which moves
`full_at` by one interval, and is refused when that would put it further away than a whole bucket.

Times are whole microseconds since the epoch. The interval is rounded up, so that a limit is never exceeded by rounding.
"""

from dataclasses import dataclass

SECOND = 1_000_000
MINUTE = 60 * SECOND
# How far the clocks of two instances may differ.
MAX_SKEW = MINUTE


@dataclass(frozen=True, slots=True)
class Quota:
    """`limit` requests a minute, and `burst` more at once."""

    limit: int
    burst: int

    @property
    def interval(self) -> int:
        """Microseconds in which one token is gained."""
        return -(-MINUTE // self.limit)

    @property
    def horizon(self) -> int:
        """Microseconds until an empty bucket is full."""
        return (self.limit + self.burst) * self.interval


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request passes, and what its answer's headers say.

    `remaining` counts requests within the limit, burst aside; `reset` is epoch seconds, rounded up, at which the bucket
    is full; `retry_after` seconds, at least 1, until a refused request would pass.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int
    full_at: int


def decide(quota: Quota, full_at: int, now: int) -> Decision:
    """Takes a token from a bucket that will be full at `full_at` (0: untouched). A refusal leaves it as it is.

    A moment further ahead than clocks differ was written before the clock was set back: the bucket is just empty.
    """
    if full_at > now + quota.horizon + MAX_SKEW:
        full_at = now + quota.horizon
    taken = max(full_at, now) + quota.interval
    if taken - now <= quota.horizon:
        return decided(quota, taken, now, allowed=True)
    return decided(quota, full_at, now, allowed=False)


def decided(quota: Quota, full_at: int, now: int, *, allowed: bool) -> Decision:
    """The decision for a bucket that will, after it, be full at `full_at`."""
    missing = max(0, full_at - now)
    tokens = (quota.horizon - missing) // quota.interval
    wait = missing + quota.interval - quota.horizon
    return Decision(
        allowed=allowed,
        limit=quota.limit,
        remaining=max(0, tokens - quota.burst),
        reset=-(-full_at // SECOND),
        retry_after=max(1, -(-wait // SECOND)),
        full_at=full_at,
    )
