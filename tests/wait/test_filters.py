"""W-5: filters are data; they refer to the context and match payloads without ever raising."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.codec import encode
from durable_core.errors import MissingContextError
from durable_core.wait.filters import OPERATORS, matches, resolve_where

CONTEXT = {"order_id": "o-1", "order": {"lines": [{"price": 5}]}, "odd": {"op": "exists"}}


def test_references_are_replaced_from_the_context() -> None:
    where = {
        "id": "$order_id",
        "price": {"op": "ge", "value": "$order.lines.0.price"},
        "in": {"op": "in", "value": ["$order_id", "x"]},
        "word": "$$order_id",
        "n": 3,
    }
    assert resolve_where(where, CONTEXT) == {
        "id": "o-1",
        "price": {"op": "ge", "value": 5},
        "in": {"op": "in", "value": ["o-1", "x"]},
        "word": "$order_id",
        "n": 3,
    }
    assert resolve_where(None, CONTEXT) is None


@pytest.mark.parametrize("reference", ["$nothing", "$order.total", "$order.lines.7", "$"])
def test_a_reference_to_nothing_names_itself_and_the_keys_there_are(reference: str) -> None:
    with pytest.raises(MissingContextError) as caught:
        resolve_where({"id": reference}, CONTEXT)
    assert caught.value.keys == ("order_id", "order", "odd")
    assert repr(reference) in str(caught.value)


def test_a_value_of_the_context_is_compared_and_never_read_as_an_operator() -> None:
    where = resolve_where({"id": "$odd"}, CONTEXT)
    assert not matches(where, {"id": 5})
    assert matches(where, {"id": {"op": "exists"}})


@pytest.mark.parametrize(
    ("where", "payload", "expected"),
    [
        (None, None, True),
        ({}, "anything", True),
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 1.0}, True),  # JSON has one kind of number
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": None}, {}, False),  # not there is not None
        ({"a.b": 1}, {"a": {"b": 1}}, True),
        ({"a.b": 1}, {"a.b": 1}, True),
        ({"a.b.c": 1}, {"a.b": {"c": 1}}, True),
        ({"a.1": "y"}, {"a": ["x", "y"]}, True),
        ({"a.9": "y"}, {"a": ["x", "y"]}, False),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": {"op": "gt", "value": 3}}, {"a": 4}, True),
        ({"a": {"op": "gt", "value": 3}}, {"a": "4"}, False),
        ({"a": {"op": "gt", "value": 3}}, {"a": True}, False),
        ({"a": {"op": "ge", "value": 3}}, {"a": 3}, True),
        ({"a": {"op": "lt", "value": "b"}}, {"a": "a"}, True),
        ({"a": {"op": "le", "value": 3}}, {"a": None}, False),
        ({"a": {"op": "ne", "value": 3}}, {"a": 4}, True),
        ({"a": {"op": "ne", "value": 3}}, {}, True),
        ({"a": {"op": "in", "value": [1, 2]}}, {"a": 2}, True),
        ({"a": {"op": "in", "value": [1, 2]}}, {"a": True}, False),
        ({"a": {"op": "in", "value": {1, 2}}}, {"a": 2}, True),
        ({"a": {"op": "exists"}}, {"a": None}, True),
        ({"a": {"op": "exists", "value": False}}, {}, True),
        ({"a": {"op": "exists", "value": True}}, {}, False),
        ({"a": Decimal("1.20")}, {"a": Decimal("1.2")}, True),
        ({"a": {"op": "gt", "value": 1}}, {"a": Decimal("1.2")}, True),
        (
            {"a": {"op": "gt", "value": datetime(2026, 1, 1, tzinfo=UTC)}},
            {"a": datetime(2026, 1, 2, tzinfo=UTC)},
            True,
        ),
        ({"a": {"op": "gt", "value": datetime(2026, 1, 1, tzinfo=UTC)}}, {"a": 5}, False),
        ({"a.0": 1}, {"a": (1, 2)}, True),
        ({"a.x": 1}, {"a": {"x": 1, 2: 3}}, True),
        ({"$t": "decimal"}, Decimal(1), False),  # tags are no keys
        ({"a": 1}, None, False),
        ({"a": 1}, "a", False),
        ({"a": 1}, [1], False),
    ],
)
def test_a_payload_fits_when_all_conditions_hold(where: Any, payload: Any, expected: bool) -> None:
    assert matches(encode(where), encode(payload)) is expected


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "$t", "v", "op", "value", "0"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    where=json | st.dictionaries(st.text(max_size=4), st.fixed_dictionaries({"op": st.sampled_from(OPERATORS)})),
    payload=json,
)
def test_nothing_makes_a_match_raise(where: Any, payload: Any) -> None:
    assert matches(where, payload) in (True, False)


@given(json)
def test_equality_with_itself_holds(payload: Any) -> None:
    tree = encode({"a": payload})
    assert matches({"a": {"op": "eq", "value": tree["a"]}}, tree)
