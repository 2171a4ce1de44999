import re
from hashlib import sha256

from hypothesis import assume, given
from hypothesis import strategies as st

from handler.translate import names

LEGAL = re.compile(r"[a-zA-Z0-9_-]+")
ANY = st.text(st.characters(exclude_categories=()), min_size=1, max_size=200)
# Few characters, so that names which differ only in what has to be rewritten are found.
ALIKE = st.text("a._/é-", min_size=1, max_size=4)
FITTING = st.from_regex(LEGAL, fullmatch=True)


@given(ANY | ALIKE)
def test_every_name_becomes_a_legal_one_always_the_same(name: str) -> None:
    made = names.tool_name(name)

    assert LEGAL.fullmatch(made)
    assert len(made) <= 128
    assert names.tool_name(name) == made


@given(ANY | ALIKE)
def test_every_id_becomes_a_legal_one_always_the_same(identifier: str) -> None:
    made = names.call_id(identifier)

    assert LEGAL.fullmatch(made)
    assert names.call_id(identifier) == made


@given(ALIKE | FITTING, ALIKE | FITTING)
def test_two_names_never_become_one(one: str, other: str) -> None:
    assume(one != other)

    assert names.tool_name(one) != names.tool_name(other)
    assert names.call_id(one) != names.call_id(other)


@given(st.integers(129, 300), st.integers(129, 300))
def test_two_long_names_never_become_one(one: int, other: int) -> None:
    assume(one != other)

    assert names.tool_name("a" * one) != names.tool_name("a" * other)


@given(FITTING)
def test_a_name_that_fits_is_kept(name: str) -> None:
    assert names.tool_name(name[:128]) == name[:128]
    assert names.call_id(name[:128]) == name[:128]


def test_illegal_characters_become_underscores_before_a_digest() -> None:
    assert names.tool_name("fs.read") == "fs_read_" + sha256(b"fs.read").hexdigest()[:8]
    assert names.call_id("call:ü") == "call___" + sha256("call:ü".encode()).hexdigest()[:8]


def test_half_a_surrogate_pair_is_no_obstacle() -> None:
    assert LEGAL.fullmatch(names.tool_name("\ud83d"))
