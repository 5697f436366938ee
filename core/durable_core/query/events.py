"""Waits for events as people read them: which are missing, and what their payload has to be like."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from durable_core.codec import to_plain

__all__ = ["conditions_in_words", "events_in_words", "sample_payload"]

_OPERATORS: Final = {
    "eq": "=",
    "ne": "is not",
    "gt": ">",
    "ge": ">=",
    "lt": "<",
    "le": "<=",
    "in": "is one of",
}


def events_in_words(kind: str, events: Sequence[str], arrived: Sequence[str], where: Any) -> str:
    """``the event 'paid' where id = 7``, ``one of the events 'a', 'b'``, ``the event 'b', of 'a', 'b'``."""
    listed = ", ".join(map(repr, events))
    if kind == "event":
        what = f"the event {listed}"
    elif kind == "any":
        what = f"one of the events {listed}"
    elif arrived:
        missing = ", ".join(repr(each) for each in events if each not in arrived)
        verb = "is" if len(events) - len(arrived) == 1 else "are"
        what = f"all of the events {listed}, of which {missing} {verb} missing,"
    else:
        what = f"all of the events {listed}"
    conditions = conditions_in_words(where)
    return f"{what} where {conditions}" if conditions else what


def sample_payload(where: Any) -> str:
    """A payload that fits the filter, quoted for a shell with a space before it; nothing where any fits."""
    if not isinstance(where, Mapping) or not where:
        return ""
    sample: dict[str, Any] = {}
    for path, condition in where.items():
        value = to_plain(condition)
        if _is_condition(condition):
            if condition["op"] not in ("eq", "ge", "le"):
                return " JSON"
            value = to_plain(condition["value"])
        if "." in path:
            return " JSON"
        sample[path] = value
    return f" {shlex.quote(json.dumps(sample))}"


def conditions_in_words(where: Any) -> str:
    """``id = 7 and amount > 3``; nothing where any payload fits."""
    if where is None:
        return ""
    if not isinstance(where, Mapping):
        return f"it = {_shown(where)}"
    return " and ".join(_condition(path, condition) for path, condition in where.items())


def _condition(path: str, condition: Any) -> str:
    if not _is_condition(condition):
        return f"{path} = {_shown(condition)}"
    if condition["op"] == "exists":
        return f"{path} {'is missing' if condition.get('value') is False else 'is there'}"
    return f"{path} {_OPERATORS[condition['op']]} {_shown(condition['value'])}"


def _is_condition(condition: Any) -> bool:
    return (
        isinstance(condition, Mapping)
        and set(condition) <= {"op", "value"}
        and (condition.get("op") == "exists" or (condition.get("op") in _OPERATORS and "value" in condition))
    )


def _shown(value: Any) -> str:
    text = json.dumps(to_plain(value), ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
