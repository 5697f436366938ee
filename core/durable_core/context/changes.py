"""What changed in a context, as data: operations, their sum, and how sums of branches are joined (X-2, X-3, T-1).

An operation is a JSON list: ``["set", key, tree]``, ``["del", key]``, ``["inc", key, number]``, ``["app", key, tree]``,
where trees and numbers are encoded; ``["inc", key, number, times]`` is an increment repeated. A context here is a plain
dict of key to tree, whose trees are never changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from durable_core.codec import same_tree
from durable_core.context.amounts import add, append_all
from durable_core.context.merging import deep_merge
from durable_core.errors import DefinitionError

__all__ = ["Delta", "Ops", "apply_changes", "diff", "merge_deltas"]

Ops = list[list[Any]]

_ABSENT: Final = object()


def apply_changes(context: dict[str, Any], ops: Iterable[Sequence[Any]]) -> None:
    """Apply operations to a context, in place and in their order."""
    grown: set[str] = set()  # lists made here, which may grow in place: 100,000 appends are not 100,000 copies
    for op in ops:
        kind, key = op[0], op[1]
        if kind == "set":
            context[key] = op[2]
            grown.discard(key)
        elif kind == "del":
            context.pop(key, None)
            grown.discard(key)
        elif kind == "inc":
            context[key] = add(context.get(key, 0), op[2], key, op[3] if len(op) > 3 else 1)
        elif kind == "app":
            if key in grown:
                context[key].append(op[2])
            else:
                context[key] = append_all(context.get(key), [op[2]], key, present=key in context)
                grown.add(key)
        else:
            raise DefinitionError(f"unknown change operation {kind!r} on {key!r}")


def diff(base: Mapping[str, Any], new: Mapping[str, Any]) -> Ops:
    """The operations that make ``new`` out of ``base``."""
    ops: Ops = [["del", key] for key in base if key not in new]
    ops += [["set", key, tree] for key, tree in new.items() if key not in base or not same_tree(base[key], tree)]
    return ops


class _KeyChange:
    """The sum of the changes of one key: a del, a set, or both, then increments and appends."""

    __slots__ = ("apps", "cleared", "incs", "removed", "value")

    def __init__(self) -> None:
        self.cleared = False
        self.removed = False  # deleted at some time: written again, the key stands at the end
        self.value: Any = _ABSENT
        # [amount, times]: adding floats one by one and adding their sum differ in the last digit, so nothing is summed.
        self.incs: list[list[Any]] = []
        self.apps: list[Any] = []

    def settle(self, value: Any) -> None:
        self.cleared, self.value, self.incs, self.apps = True, value, [], []

    def increment(self, amount: Any, times: int = 1) -> None:
        if self.incs and type(self.incs[-1][0]) is type(amount) and self.incs[-1][0] == amount:
            self.incs[-1] = [amount, self.incs[-1][1] + times]
        else:
            self.incs.append([amount, times])

    def write(self, context: dict[str, Any], key: str) -> None:
        if self.removed:
            context.pop(key, None)
        if self.value is not _ABSENT:
            context[key] = self.value
        for amount, times in self.incs:
            context[key] = add(context.get(key, 0), amount, key, times)
        if self.apps:
            context[key] = append_all(context.get(key), self.apps, key, present=key in context)

    def own_value(self, key: str) -> Any:
        """The tree this change alone leads to, once it is settled; _ABSENT when that is a deletion."""
        after: dict[str, Any] = {}
        self.write(after, key)
        return after.get(key, _ABSENT)


class Delta:
    """The sum of operations relative to a base: as large as what it touches, not as long as its history.

    A later set or del of a key clears what came before; an increment or append after a set stays apart from it, because
    a join applies the increments and appends of every branch, whichever set wins.
    """

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[str, _KeyChange] = {}

    @classmethod
    def of(cls, ops: Iterable[Sequence[Any]]) -> Delta:
        """The sum of operations."""
        delta = cls()
        delta.add(ops)
        return delta

    @classmethod
    def of_context(cls, context: Mapping[str, Any]) -> Delta:
        """The change that makes a whole context out of an empty one."""
        delta = cls()
        for key, tree in context.items():
            change = delta._keys[key] = _KeyChange()
            change.settle(tree)
        return delta

    def add(self, ops: Iterable[Sequence[Any]]) -> None:
        """Add later operations."""
        keys = self._keys
        for op in ops:
            kind, key = op[0], op[1]
            change = keys.get(key)
            if change is None:
                change = keys[key] = _KeyChange()
            elif change.removed and change.value is _ABSENT and not (change.incs or change.apps):
                keys[key] = keys.pop(key)  # deleted and now written again: at the end, as in the context itself
            if kind == "set":
                change.settle(op[2])
            elif kind == "del":
                change.settle(_ABSENT)
                change.removed = True
            elif kind == "inc":
                change.increment(op[2], op[3] if len(op) > 3 else 1)
            elif kind == "app":
                change.apps.append(op[2])
            else:
                raise DefinitionError(f"unknown change operation {kind!r} on {key!r}")

    def apply(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """A new context: ``base`` with this change."""
        context = dict(base)
        for key, change in self._keys.items():
            change.write(context, key)
        return context

    def ops(self) -> Ops:
        """Operations with the same effect."""
        ops: Ops = []
        for key, change in self._keys.items():
            if change.removed:
                ops.append(["del", key])
            if change.value is not _ABSENT:
                ops.append(["set", key, change.value])
            ops += _additions(key, change)
        return ops

    def changed_keys(self) -> tuple[str, ...]:
        """The keys this change touches, in the order they were first touched."""
        return tuple(self._keys)

    def to_json(self) -> dict[str, Any]:
        """As JSON data; ``Delta.from_json`` reads it."""
        out: dict[str, Any] = {}
        for key, change in self._keys.items():
            data: dict[str, Any] = {}
            if change.removed:
                data["d"] = 1
            if change.value is not _ABSENT:
                data["s"] = change.value
            if change.incs:
                data["i"] = list(change.incs)
            if change.apps:
                data["a"] = list(change.apps)
            out[key] = data
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Mapping[str, Any]]) -> Delta:
        """The delta that ``to_json`` wrote."""
        delta = cls()
        for key, each in data.items():
            change = delta._keys[key] = _KeyChange()
            if "s" in each or "d" in each:
                change.settle(each.get("s", _ABSENT))
                change.removed = "d" in each
            change.incs = [[amount, times] for amount, times in each.get("i", ())]
            change.apps = list(each.get("a", ()))
        return delta

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Delta) and same_tree(self.to_json(), other.to_json())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Delta of {', '.join(self._keys) or 'nothing'}>"


def merge_deltas(base: Mapping[str, Any], deltas: Sequence[Delta], strategy: str) -> Ops:
    """The operations that join branches into the context they forked from; ``deltas`` in written or item order.

    ``last_wins``: of several sets and dels of a key the one of the last branch counts. ``deep_merge``: mappings are
    merged recursively, what a branch left as it was at the fork overrides nothing. ``collect``: a key set by several
    branches becomes the list of their values. Then the increments and appends of all branches follow, in the same
    order (X-3).
    """
    if strategy not in _STRATEGIES:
        raise DefinitionError(
            f"unknown merge strategy {strategy!r}", hint=f"It is one of {', '.join(_STRATEGIES)}, or a function."
        )
    settled: dict[str, list[_KeyChange]] = {}
    for delta in deltas:
        for key, change in delta._keys.items():
            if change.cleared:
                settled.setdefault(key, []).append(change)
    ops: Ops = []
    folded: set[str] = set()
    for key, changes in settled.items():
        if strategy == "collect" and len(changes) > 1:
            values = [value for change in changes if (value := change.own_value(key)) is not _ABSENT]
            folded.add(key)
            if len(values) > 1:
                ops.append(["set", key, values])
                continue
            value = values[0] if values else _ABSENT
        elif strategy == "deep_merge":
            value = base.get(key, _ABSENT)
            for change in changes:
                value = _ABSENT if change.value is _ABSENT else deep_merge(base.get(key), value, change.value)
        else:
            value = changes[-1].value
        ops.append(["del", key] if value is _ABSENT else ["set", key, value])
    for delta in deltas:
        for key, change in delta._keys.items():
            # A collected value is what its branch made of it, its own increments and appends included.
            if not (change.cleared and key in folded):
                for op in _additions(key, change):
                    _add_op(ops, op)
    return ops


_STRATEGIES: Final = ("last_wins", "deep_merge", "collect")


def _additions(key: str, change: _KeyChange) -> Ops:
    ops: Ops = []
    for amount, times in change.incs:
        ops.append(["inc", key, amount] if times == 1 else ["inc", key, amount, times])
    return ops + [["app", key, tree] for tree in change.apps]


def _add_op(ops: Ops, op: list[Any]) -> None:
    """Add an operation; a thousand items that each count one up are one operation."""
    last = ops[-1] if ops else op
    if last is not op and op[0] == last[0] == "inc" and op[1] == last[1] and same_tree(op[2], last[2]):
        times = (last[3] if len(last) > 3 else 1) + (op[3] if len(op) > 3 else 1)
        ops[-1] = ["inc", op[1], op[2], times]
    else:
        ops.append(op)
