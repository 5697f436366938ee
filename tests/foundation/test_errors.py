"""The error tree: data as attributes, messages that help, exit codes, and pickling."""

from __future__ import annotations

import pickle

import pytest

from durable_core import errors
from durable_core.errors import (
    DurableError,
    InvalidStateError,
    MissingContextError,
    NonRetryableError,
    SerializationError,
    StepTimeoutError,
    StoreError,
    StoreUnreachableError,
)

ALL = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_error_pickles_with_its_data(cls):
    """Errors cross process borders: isolated steps report theirs."""
    error = cls("it broke", hint="Mend it.")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is cls
    assert str(again) == str(error) == "it broke. Mend it."
    assert vars(again) == vars(error)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_error_is_drawn_in_the_module_docstring(cls):
    """The tree in the docstring is the tree."""
    assert f"- {cls.__name__}" in errors.__doc__ or cls is DurableError
    assert issubclass(cls, DurableError)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("DefinitionError", 2),
        ("InputValidationError", 2),
        ("LimitError", 2),
        ("SerializationError", 2),
        ("WorkflowNotFoundError", 3),
        ("ExecutionNotFoundError", 3),
        ("WaitNotFoundError", 3),
        ("ScheduleNotFoundError", 3),
        ("ExecutionExistsError", 4),
        ("InvalidStateError", 4),
        ("AlreadyAnsweredError", 4),
        ("StoreUnreachableError", 5),
        ("SchemaVersionError", 5),
        ("ExecutionFailed", 1),
        ("StepTimeoutError", 1),
    ],
)
def test_exit_codes_are_those_of_the_command_line(name, code):
    assert getattr(errors, name).exit_code == code


def test_a_missing_key_is_a_key_error_whose_text_is_not_quoted():
    error = MissingContextError(key="total", keys=["a"], hint="There is: a.")
    assert isinstance(error, KeyError)
    assert str(error) == "the context has no key 'total'. There is: a."


def test_a_step_timeout_is_caught_by_no_builtin_class():
    """`except TimeoutError` in a body must not swallow the engine's own timeout."""
    assert StepTimeoutError.__mro__[1] is DurableError


def test_subclasses_of_users_with_their_own_arguments_pickle():
    error = UserError(7, "x")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (again.code, str(again)) == (7, "code 7: x")


class UserError(NonRetryableError):
    def __init__(self, code, text):
        super().__init__(f"code {code}: {text}")
        self.code = code


def test_an_invalid_state_says_what_is_allowed():
    error = InvalidStateError("it is done", state="completed", allowed=["fork"])
    assert str(error) == "it is done. Allowed here: fork."
    assert (error.state, error.allowed) == ("completed", ("fork",))


def test_attributes_and_families():
    assert SerializationError("no", path="a.b").path == "a.b"
    assert issubclass(StoreUnreachableError, StoreError)
