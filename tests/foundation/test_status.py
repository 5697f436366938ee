"""The one table of legal transitions (S-10)."""

from __future__ import annotations

import pytest

from durable_core.errors import InvalidStateError
from durable_core.status import TERMINAL, TRANSITIONS, ExecutionStatus, check_transition


def test_terminal_rows_never_change_with_two_listed_exceptions():
    """S-10: only retry leaves a terminal status."""
    leaving = {(old.value, new.value) for old in TERMINAL for new in TRANSITIONS[old]}
    assert leaving == {("failed", "pending"), ("compensation_failed", "compensating")}


def test_every_status_has_a_row():
    assert set(TRANSITIONS) == set(ExecutionStatus)


@pytest.mark.parametrize("old", ExecutionStatus)
@pytest.mark.parametrize("new", ExecutionStatus)
def test_what_the_table_does_not_list_is_an_invalid_state(old, new):
    """S-10: anything else is InvalidStateError, saying the state and what is allowed in it."""
    if new in TRANSITIONS[old]:
        assert check_transition(old.value, new.value, "execution x") is new
        return
    with pytest.raises(InvalidStateError, match=f"execution x is {old.value} and cannot become {new.value}") as caught:
        check_transition(old, new, "execution x")
    assert caught.value.state == old.value
    assert set(caught.value.allowed) == {each.value for each in TRANSITIONS[old]} - {old.value}
