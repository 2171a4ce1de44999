"""What is nearly right: JSON with a few of its places changed, left out or said twice, for hypothesis."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "\ud83d", "\x00", "text", "tool_use", "auto", "a" * 300, -1, 2**63, 1e308]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """`value` with one to three changes, anywhere in it."""
    changed = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(changed))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(["replace", "leave out", "say twice", "swap"]))
        if change == "leave out":
            del holder[key]
        elif change == "say twice" and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif change == "swap" and isinstance(holder, list):
            other = draw(st.integers(0, len(holder) - 1))
            holder[key], holder[other] = holder[other], holder[key]
        else:
            holder[key] = draw(JSON)
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder and key in `value`."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)
