"""Ids and limits."""

from __future__ import annotations

import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.errors import DurableError, InputValidationError, LimitError
from durable_core.ids import check_id, iteration_key, new_execution_id, new_id, parse_iteration_key
from durable_core.limits import LIMITS, check_limit


def test_ids_are_short_url_safe_sortable_and_different():
    ids = [new_execution_id() for _ in range(2000)]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    assert all(re.fullmatch("wf_[0-9a-hjkmnp-tv-z]{26}", each) for each in ids)


def test_ids_of_many_threads_differ():
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.extend([new_execution_id() for _ in range(2000)])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 16_000


@given(st.integers(0, 2**55 - 1), st.integers(0, 2**55 - 1))
def test_ids_sort_by_the_time_they_were_made(one, other):
    assert (new_id("x", one)[:13] < new_id("x", other)[:13]) == (one < other)


@pytest.mark.parametrize(
    ("value", "error"),
    [("", InputValidationError), ("  ", InputValidationError), (None, InputValidationError), (5, InputValidationError),
     ("a\nb", InputValidationError), ("a\0", InputValidationError), ("\x9b", InputValidationError),
     ("a\u202eb", InputValidationError), ("\ud800", InputValidationError), ("x" * 256, LimitError)],
)  # fmt: skip
def test_unusable_ids_are_refused(value, error):
    with pytest.raises(error, match="id"):
        check_id(value)


@pytest.mark.parametrize("value", ["order-7", "größe/2", "x" * 255, "a b", "日本"])
def test_usable_ids_stay_as_they_are(value):
    assert check_id(value) == value


@given(st.lists(st.integers(0, 10**6)).map(tuple))
def test_iteration_keys_round_trip(iterations):
    assert parse_iteration_key(iteration_key(iterations)) == iterations


def test_an_iteration_key_reads_outer_to_inner():
    assert iteration_key((3, 0)) == "3.0"


def test_limits_are_those_promised_and_frozen():
    """D-6."""
    mib = 1024 * 1024
    assert (LIMITS.input_bytes, LIMITS.output_bytes, LIMITS.event_bytes) == (mib, mib, mib)
    assert (LIMITS.context_bytes, LIMITS.name_chars, LIMITS.nesting) == (4 * mib, 255, 64)
    assert (LIMITS.foreach_items, LIMITS.regex_chars) == (100_000, 1024)
    with pytest.raises(AttributeError):
        LIMITS.nesting = 1  # type: ignore[misc]


def test_a_limit_says_what_is_too_large():
    check_limit(5, 5, "the input")
    with pytest.raises(LimitError, match="the input has 6 bytes, the limit is 5") as caught:
        check_limit(6, 5, "the input")
    assert (caught.value.limit, caught.value.actual) == (5, 6)
    assert isinstance(caught.value, DurableError)
