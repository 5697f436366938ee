"""Filters of events: data, matched against payloads without ever running anything (W-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from durable_core.codec import decode, is_plain, same_tree
from durable_core.codec.encode import TAG
from durable_core.errors import MissingContextError

__all__ = ["OPERATORS", "matches", "resolve_where"]

OPERATORS: Final = ("eq", "ne", "gt", "ge", "lt", "le", "in", "exists")

_MISSING: Final = object()


def resolve_where(where: Any, context: Mapping[str, Any]) -> Any:
    """The filter with every ``"$key"`` and ``"$key.path"`` replaced from the encoded context; ``"$$"`` means a dollar.

    A key the context does not have is a MissingContextError that names the reference and the keys there are.
    """
    if isinstance(where, str) and where.startswith("$"):
        if where.startswith("$$"):
            return where[1:]
        return _reference(where, context)
    if isinstance(where, Mapping) and TAG not in where:
        return {path: _resolve_condition(condition, context) for path, condition in where.items()}
    return where


def _resolve_condition(condition: Any, context: Mapping[str, Any]) -> Any:
    if _is_condition(condition):
        return (
            {**condition, "value": _resolve_value(condition["value"], context)} if "value" in condition else condition
        )
    found = _resolve_value(condition, context)
    # What the context holds is compared and never read as an operator.
    return {"op": "eq", "value": found} if found is not condition and _is_condition(found) else found


def _resolve_value(value: Any, context: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return resolve_where(value, context)
    if isinstance(value, Mapping) and TAG not in value:
        return {key: _resolve_value(each, context) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolve_value(each, context) for each in value]
    return value


def _reference(text: str, context: Mapping[str, Any]) -> Any:
    path = text[1:]
    found = _at(context, path)
    if found is _MISSING:
        raise MissingContextError(
            f"The filter refers to {text!r}, and the context has no {path!r}",
            key=path,
            keys=list(context),
            hint=f"There are: {', '.join(map(str, context)) or 'no keys at all'}.",
        )
    return found


def matches(where: Any, payload: Any) -> bool:
    """Whether an encoded payload fits a filter; all of its conditions hold, and no payload makes this raise."""
    if where is None:
        return True
    if not isinstance(where, Mapping):
        return _equal(payload, where)
    return all(_holds(_at(payload, path), condition) for path, condition in where.items())


def _at(tree: Any, path: str) -> Any:
    """What stands at a dotted path; a key that has dots itself counts first."""
    if isinstance(tree, Mapping):
        if TAG in tree:
            inner = _content(tree)
            return _MISSING if inner is None else _at(inner, path)
        if path in tree:
            return tree[path]
        # From the longest key on: {"a.b": {"c": 1}} has "a.b.c", too.
        cut = path.rfind(".")
        while cut > 0:
            if path[:cut] in tree:
                found = _at(tree[path[:cut]], path[cut + 1 :])
                if found is not _MISSING:
                    return found
            cut = path.rfind(".", 0, cut)
        return _MISSING
    if isinstance(tree, list):
        head, _, rest = path.partition(".")
        if head.isascii() and head.isdigit() and len(head) < 10 and int(head) < len(tree):
            found = tree[int(head)]
            return _at(found, rest) if rest else found
    return _MISSING


def _content(tree: Mapping[str, Any]) -> Any:
    """What paths lead into: the elements of a tuple, the fields of an object, a mapping with other keys."""
    value = tree.get("v")
    if tree[TAG] == "dict" and isinstance(value, list):
        pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]
        return {key: each for key, each in pairs if isinstance(key, str) and key != TAG}
    return value if isinstance(value, list if tree[TAG] == "tuple" else dict) else None


def _holds(value: Any, condition: Any) -> bool:
    if not _is_condition(condition):
        return value is not _MISSING and _equal(value, condition)
    operator: str = condition["op"]
    wanted = condition.get("value")
    if operator == "exists":
        return (value is not _MISSING) == (wanted is not False)
    if value is _MISSING:
        return operator == "ne"
    match operator:
        case "eq":
            return _equal(value, wanted)
        case "ne":
            return not _equal(value, wanted)
        case "in":
            return _within(value, wanted)
        case _:
            return _compare(operator, value, wanted)


def _is_condition(condition: Any) -> bool:
    """Whether this is an operator with its value, and not a mapping to be equal to."""
    if not isinstance(condition, Mapping) or not set(condition) <= {"op", "value"}:
        return False
    operator = condition.get("op")
    return isinstance(operator, str) and operator in OPERATORS and ("value" in condition or operator == "exists")


def _within(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping) and wanted.get(TAG) in ("tuple", "set", "frozenset"):
        wanted = wanted.get("v")
    return isinstance(wanted, list) and any(_equal(value, each) for each in wanted)


def _equal(one: Any, other: Any) -> bool:
    """Equal as data: 1 is 1.0, True is not 1, and the order of keys does not count."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if is_plain(one) and is_plain(other):
            return one.keys() == other.keys() and all(_equal(each, other[key]) for key, each in one.items())
        return _same_value(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return bool(one is other)
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        return _same_value(one, other)
    return bool(one == other)


def _same_value(one: Any, other: Any) -> bool:
    if same_tree(one, other):
        return True
    left, right = _comparable(one), _comparable(other)
    return left is not None and right is not None and bool(left == right)


def _compare(operator: str, value: Any, wanted: Any) -> bool:
    left, right = _comparable(value), _comparable(wanted)
    if left is None or right is None:
        return False
    try:
        match operator:
            case "gt":
                return bool(left > right)
            case "ge":
                return bool(left >= right)
            case "lt":
                return bool(left < right)
            case _:
                return bool(left <= right)
    except (TypeError, ValueError, ArithmeticError):  # a text against a number, an aware time against a naive one
        return False


def _comparable(tree: Any) -> Any:
    """The value of a tree where it has an order: numbers, texts, dates, times, durations, decimals; None otherwise."""
    if isinstance(tree, bool) or tree is None or isinstance(tree, Sequence) and not isinstance(tree, str):
        return None
    if isinstance(tree, Mapping):
        return _ordered(tree)
    return tree


def _ordered(tree: Mapping[str, Any]) -> Any:
    if tree.get(TAG) not in ("datetime", "date", "time", "timedelta", "decimal", "int", "float"):
        return None
    try:
        return decode(dict(tree), strict=False)
    except Exception:  # noqa: BLE001 - a payload may hold anything; what cannot be read matches nothing
        return None
