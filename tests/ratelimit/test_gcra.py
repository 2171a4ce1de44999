"""The limit's promises, for any limit, any burst and any moments of asking."""

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handler.ratelimit.gcra import MINUTE, SECOND, Decision, Quota, decide

START = 1_800_000_000 * SECOND

unhurried = settings(deadline=None)

QUOTAS = st.builds(Quota, st.integers(1, 200), st.integers(0, 50))
# Some ask at once, some within a token's time, some after a pause.
GAPS = st.lists(st.sampled_from([0, 0, 0, 1]) | st.integers(0, 2 * SECOND) | st.integers(0, 3 * MINUTE), max_size=300)


def asked(quota: Quota, moments: list[int], full_at: int = 0) -> list[Decision]:
    """The decisions of one bucket."""
    decisions = []
    for moment in moments:
        decisions.append(decide(quota, full_at, moment))
        full_at = decisions[-1].full_at
    return decisions


def moments_of(gaps: list[int]) -> list[int]:
    return list(accumulate(gaps, initial=START))


def keeps_to(quota: Quota, moments: list[int]) -> None:
    """Between any two that pass, no more pass than the bucket holds and gains."""
    passed = [moment for moment, each in zip(moments, asked(quota, moments), strict=True) if each.allowed]
    for first, begin in enumerate(passed):
        for count, end in enumerate(passed[first:], start=1):
            assert (count - quota.limit - quota.burst) * MINUTE <= quota.limit * (end - begin)


@unhurried
@given(QUOTAS, GAPS)
def test_never_more_than_limit_and_burst_and_what_is_gained_pass_over_any_time(quota: Quota, gaps: list[int]):
    keeps_to(quota, moments_of(gaps))


@unhurried
@given(QUOTAS, st.integers(0, 2))
def test_nor_to_who_empties_the_bucket_and_asks_a_moment_before_each_token(quota: Quota, early: int):
    at_once = [START] * (quota.limit + quota.burst)
    keeps_to(quota, [*at_once, *(START + at * MINUTE // quota.limit - early for at in range(1, 100))])


@unhurried
@given(QUOTAS)
def test_at_once_exactly_limit_and_burst_pass(quota: Quota):
    size = quota.limit + quota.burst
    allowed = [each.allowed for each in asked(quota, [START] * (size + 3))]
    assert allowed == [True] * size + [False] * 3


@unhurried
@given(QUOTAS)
def test_who_asks_no_faster_than_tokens_are_gained_is_never_refused(quota: Quota):
    assert all(each.allowed for each in asked(quota, [START + at * quota.interval for at in range(300)]))


@unhurried
@given(QUOTAS, GAPS)
def test_a_refusal_takes_nothing(quota: Quota, gaps: list[int]):
    full_at = 0
    for moment in moments_of(gaps):
        decision = decide(quota, full_at, moment)
        assert decision.allowed or decision.full_at == full_at
        full_at = decision.full_at


@unhurried
@given(QUOTAS, GAPS)
def test_retry_after_is_the_first_whole_second_at_which_a_request_passes(quota: Quota, gaps: list[int]):
    moments = moments_of(gaps)
    for moment, refusal in zip(moments, asked(quota, moments), strict=True):
        if not refusal.allowed:
            assert 1 <= refusal.retry_after <= 61
            assert decide(quota, refusal.full_at, moment + refusal.retry_after * SECOND).allowed
            sooner = moment + (refusal.retry_after - 1) * SECOND
            assert not decide(quota, refusal.full_at, sooner).allowed


@unhurried
@given(QUOTAS, GAPS)
def test_at_reset_the_bucket_is_full_and_a_second_before_it_is_not(quota: Quota, gaps: list[int]):
    last = asked(quota, moments_of(gaps))[-1]
    size = quota.limit + quota.burst

    assert all(each.allowed for each in asked(quota, [last.reset * SECOND] * size, last.full_at))
    sooner = (last.reset - 1) * SECOND
    assert not all(each.allowed for each in asked(quota, [sooner] * size, last.full_at))


@unhurried
@given(QUOTAS, GAPS)
def test_remaining_is_what_would_pass_now_without_the_burst(quota: Quota, gaps: list[int]):
    moments = moments_of(gaps)
    last = asked(quota, moments)[-1]
    would_pass = sum(each.allowed for each in asked(quota, [moments[-1]] * 300, last.full_at))

    assert last.remaining == max(0, would_pass - quota.burst)
    assert last.limit == quota.limit


@unhurried
@given(QUOTAS, st.integers(0, 10 * MINUTE))
def test_a_clock_that_lags_gives_no_more(quota: Quota, lag: int):
    size = quota.limit + quota.burst
    assert not any(each.allowed for each in asked(quota, [START - lag] * 5, asked(quota, [START] * size)[-1].full_at))


@pytest.mark.parametrize(
    ("limit", "burst", "remaining", "reset", "retry_after"),
    [
        (60, 10, [59, 58], [1, 2], 1),
        (5, 2, [4, 3], [12, 24], 12),
        (1, 0, [0, 0], [60, 60], 60),
        (7, 0, [6, 5], [9, 18], 9),
    ],
)
def test_the_figures_of_the_first_two_requests(
    limit: int, burst: int, remaining: list[int], reset: list[int], retry_after: int
):
    decisions = asked(Quota(limit, burst), [START, START])

    assert [each.remaining for each in decisions] == remaining
    assert [each.reset - START // SECOND for each in decisions] == reset
    assert asked(Quota(limit, burst), [START] * (limit + burst + 1))[-1].retry_after == retry_after


def test_rl2_a_clock_that_is_set_back_locks_nobody_out() -> None:
    quota = Quota(60, 10)
    full_at = decide(quota, 0, 1_000 * SECOND).full_at
    now = 400 * SECOND
    refused = decide(quota, full_at, now)
    assert (refused.allowed, refused.retry_after) == (False, 1)
    assert decide(quota, refused.full_at, now + SECOND).allowed
