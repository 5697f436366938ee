"""The failure path cannot fail (S-9)."""

from __future__ import annotations

import json

import pytest

from durable_core.errors import InputValidationError, LimitError
from durable_core.failure import describe_exception


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Leaves(Exception):
    def __str__(self):
        raise SystemExit(3)


class Attributed(Exception):
    def __init__(self, **values):
        super().__init__("attributed")
        vars(self).update(values)


class Hostile:
    def __repr__(self):
        raise ValueError

    __str__ = __repr__

    def __iter__(self):
        raise ValueError


class BadKey(dict):
    def items(self):
        raise ValueError


def deep():
    chain = None
    for number in range(300):
        error = ValueError(number)
        error.__cause__ = chain
        chain = error
    return chain


REASONS = {
    "str raises": Mute("x"),
    "str leaves the process": Leaves("x"),
    "lone surrogate": ValueError("a\udc80b"),
    "NUL": ValueError("a\0b"),
    "ten megabytes": ValueError("é" * 5_000_000),
    "group of groups": ExceptionGroup("g", [ValueError("a"), ExceptionGroup("h", [Mute("b")])]),
    "chain of 300": deep(),
    "attributes that cannot be shown": Attributed(a=Hostile(), b=[Hostile()], c=BadKey(x=1), d=float("nan")),
    "attributes of every kind": Attributed(a=1, b=2**70, c="\0\udc80", d={"k": {"k": {"k": {"k": {"k": 1}}}}}),
    "not an Exception": KeyboardInterrupt("stop"),
    "no text": ValueError(),
    "a class whose name is odd": type("A\u202e b", (Exception,), {})("x"),
}


@pytest.mark.parametrize("exc", REASONS.values(), ids=REASONS.keys())
def test_every_exception_ends_as_a_recorded_readable_failure(exc):
    """S-9: whatever was raised becomes JSON, UTF-8 without NUL, bounded in size."""
    try:
        raise exc
    except BaseException as raised:
        failure = describe_exception(raised)
    text = json.dumps(failure, ensure_ascii=False, allow_nan=False)
    assert "\0" not in text and "\\u0000" not in text
    assert len(failure["message"].encode()) <= 8 * 1024
    assert len(failure["traceback"].encode()) <= 32 * 1024
    assert len(text.encode()) < 400_000
    assert failure["type"]


def test_a_long_traceback_keeps_its_first_and_last_lines():
    try:
        raise ValueError("x" * 200_000 + "the end")
    except ValueError as error:
        failure = describe_exception(error)
    assert failure["traceback"].startswith("Traceback")
    assert "cut:" in failure["traceback"]
    assert failure["traceback"].rstrip().endswith("the end")


def test_attributes_of_our_errors_are_kept():
    assert describe_exception(LimitError("big", limit=1, actual=2))["attributes"] == {"limit": 1, "actual": 2}
    errors = {"email": ["missing"]}
    assert describe_exception(InputValidationError(errors=errors))["attributes"]["errors"] == errors


def test_members_of_a_group_are_listed():
    failure = describe_exception(ExceptionGroup("both", [ValueError("a"), KeyError("b")]))
    assert [(each["type"], each["message"]) for each in failure["exceptions"]] == [
        ("ValueError", "a"),
        ("KeyError", "'b'"),
    ]
