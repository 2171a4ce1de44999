import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.wire import json_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(JSON)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert json_text.read(json_text.utf8(json_text.write(value))) == value


@given(ANY_TEXT)
def test_half_a_surrogate_pair_survives_and_leaves_as_valid_utf_8(text: str) -> None:
    written = json_text.quoted(text)

    written.decode("utf-8")
    assert json_text.read(written) == json.loads(written) == json.loads(json.dumps(text))
    assert json_text.utf8(json_text.write(text)) == written


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity]",
        b'["\\ud83d", NaN]',
        b'["\\ud83d"',
        b'"\xed\xa0\x80"',
        b'"\\ud83d\xff"',
        b"[" * 5000,
        b'["\\ud83d",' + b"[" * 500 + b"]" * 501,
    ],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_text.read(data)


def test_a_number_too_large_for_a_float_is_null() -> None:
    assert json_text.write({"Infinity": json_text.read(b"[1e400,-1e400,1]")}) == '{"Infinity":[null,null,1]}'
