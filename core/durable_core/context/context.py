"""Context: the values of an execution as a step reads and changes them."""

from __future__ import annotations

import logging
from _thread import RLock  # what `threading.RLock` makes, without another call
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final, NoReturn
from uuid import UUID

from durable_core.clock import from_us, to_us
from durable_core.codec import decode, encode, same_tree
from durable_core.context.amounts import add, append_all, checked_amount
from durable_core.context.attempt import AttemptInfo, ContextServices
from durable_core.context.changes import Ops
from durable_core.context.results import Results
from durable_core.context.waits import WaitMethods
from durable_core.errors import InvalidStateError, MissingContextError, SerializationError

__all__ = ["Context", "ReadOnlyContext", "encode_items"]

_UNREAD: Final = object()
_PENDING: Final = object()
_NOBODY: Final = AttemptInfo(execution_id="local", workflow="local", step="local")
_ATOMS: Final = frozenset({str, int, float, bool, type(None)})
# What cannot change in place needs no look at the end of a body.
_UNCHANGING: Final = (str, int, float, type(None), bytes, Decimal, datetime, date, time, timedelta, UUID, PurePath)
_KEYS_SHOWN: Final = 20


def check_key(key: object) -> str:
    """Return a key a context takes: a string without NUL and lone surrogates that is no type tag."""
    if type(key) is str and (key.isascii() or _is_utf8(key)) and "\0" not in key and key != "$t":
        return key
    shown = ascii(key)[:80]
    if isinstance(key, str) and type(key) is not str:
        return check_key(str.__str__(key))
    raise SerializationError(
        f"the context takes no key {shown}", path=shown, hint="Keys are strings; put other keys into a mapping inside."
    )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encode_items(values: Mapping[str, Any]) -> dict[str, Any]:
    """The encoded context of a mapping of values."""
    return {(name := check_key(key)): encode(value, name) for key, value in values.items()}


class Context(WaitMethods, MutableMapping[str, Any]):
    """The values of an execution: a mapping whose changes are recorded when the step ends.

    ``Context({"total": 5})`` makes a free-standing one, for unit tests of a step. A step's own context starts from the
    values as they were when the step began (X-1); a value that was read and changed in place counts as changed (X-2).
    """

    __slots__ = (
        "__weakref__",
        "_base",
        "_grown",
        "_info",
        "_input",
        "_item",
        "_live",
        "_lock",
        "_ops",
        "_pending",
        "_results",
        "_role",
        "_services",
        "_work",
    )

    _base: dict[str, Any]
    _work: dict[str, Any] | None
    _results: Results | None

    def __init__(
        self,
        values: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        /,
        *,
        item: Any = None,
        index: int = 0,
        iteration: int = 0,
        attempt: int = 1,
        input: Any = None,
        output: Any = None,
        results: Mapping[str, Any] | None = None,
        scheduled_for: datetime | None = None,
        step: str = "local",
        workflow: str = "local",
    ) -> None:
        first = dict(values)
        base = encode_items(first)
        info = AttemptInfo(
            execution_id="local",
            workflow=workflow,
            step=step,
            attempt=attempt,
            iteration=iteration,
            item_index=index,
            item=encode(item, "item"),
            input=dict(base) if input is None else encode(input, "input"),
            output=encode(output, "output"),
            scheduled_for=None if scheduled_for is None else to_us(scheduled_for, "scheduled_for"),
        )
        self._bind(base, info, None, None)
        if results is not None:
            self._results = Results(encode_items(results))

    @classmethod
    def _bound(
        cls,
        encoded: dict[str, Any],
        info: AttemptInfo = _NOBODY,
        services: ContextServices | None = None,
        role: str | None = None,
    ) -> Context:
        """A step's context over encoded values, which are never changed; with a ``role`` it is read-only."""
        self: Context = object.__new__(cls)
        self._bind(encoded, info, services, role)
        return self

    def _bind(
        self, encoded: dict[str, Any], info: AttemptInfo, services: ContextServices | None, role: str | None
    ) -> None:
        self._base = encoded
        self._work = None
        self._live: dict[str, Any] = {}
        self._pending: dict[str, list[Any]] = {}
        self._ops: Ops = []
        self._grown: set[str] | None = None
        self._info = info
        self._services = services
        self._role = role
        self._lock = RLock()
        self._input: Any = _UNREAD
        self._item: Any = _UNREAD
        self._results = None

    # --- reading

    @property
    def _trees(self) -> dict[str, Any]:
        work = self._work
        return self._base if work is None else work

    def __getitem__(self, key: str) -> Any:
        live = self._live.get(key, _UNREAD)
        if live is not _UNREAD:
            return live
        work = self._work
        tree = (self._base if work is None else work).get(key, _UNREAD)
        if type(tree) in _ATOMS:
            return tree
        if tree is _UNREAD:
            self._missing(key)
        with self._lock:
            # Two threads that meet here must be given one and the same object.
            if key in self._live:
                return self._live[key]
            value = self._live[key] = decode(tree, where=key)
            return value

    def _missing(self, key: object) -> NoReturn:
        keys = list(self)
        shown = ", ".join(keys[:_KEYS_SHOWN]) + (f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > 20 else "")
        where = "" if self._info.step in ("", "local") else f" of step {self._info.step!r}"
        raise MissingContextError(
            f"the context{where} has no key {key!r:.80}",
            key=key if isinstance(key, str) else repr(key),
            keys=keys[:_KEYS_SHOWN],
            step=self._info.step or None,
            hint=f"There are: {shown}." if keys else "It is empty.",
        )

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default."""
        return self[key] if key in self._trees else default

    def __contains__(self, key: object) -> bool:
        return key in self._trees

    def __iter__(self) -> Iterator[str]:
        return iter(self._trees)

    def __len__(self) -> int:
        return len(self._trees)

    def copy(self) -> dict[str, Any]:
        """The values as a plain dict."""
        return {key: self[key] for key in self}

    def __repr__(self) -> str:
        keys = list(self)
        more = f", and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
        return f"<{type(self).__name__} of {', '.join(keys[:_KEYS_SHOWN]) or 'nothing'}{more}>"

    # --- writing

    def _own(self) -> dict[str, Any]:
        if self._role is not None:
            raise InvalidStateError(
                f"{self._role} only reads the context and cannot change it",
                state="read-only",
                hint="Change values in a step; return the result here.",
            )
        work = self._work
        if work is None:
            work = self._work = dict(self._base)
        return work

    def __setitem__(self, key: str, value: Any) -> None:
        with self._lock:
            work = self._own()
            key = check_key(key)
            self._live[key] = value
            if self._grown is not None:
                self._grown.discard(key)
            if key not in self._pending:
                # Encoded when the step ends: the value may change until then.
                op = self._pending[key] = ["set", key, None]
                self._ops.append(op)
                work[key] = _PENDING

    def __delitem__(self, key: str) -> None:
        with self._lock:
            work = self._own()
            if key not in work:
                self._missing(key)
            del work[key]
            self._live.pop(key, None)
            self._drop(key)
            if self._grown is not None:
                self._grown.discard(key)
            self._ops.append(["del", key])

    def increment(self, key: str, amount: float | Decimal = 1) -> Any:
        """Add to a number (0 when there is none) and return it; in parallel branches every increment counts."""
        amount = checked_amount(amount, key)
        with self._lock:
            work = self._own()
            key = check_key(key)
            self._settle(key)
            tree = encode(amount, key)
            work[key] = add(work.get(key, 0), tree, key)
            self._ops.append(["inc", key, tree])
            self._live.pop(key, None)
            return decode(work[key])

    def append(self, key: str, value: Any) -> None:
        """Append to a list (an empty one when there is none); in parallel branches every append counts."""
        with self._lock:
            work = self._own()
            key = check_key(key)
            tree = encode(value, key)
            self._settle(key)
            grown = self._grown
            if grown is None:
                grown = self._grown = set()
            if key in grown:
                work[key].append(tree)  # a list made here: a thousand appends are not a thousand copies
            else:
                work[key] = append_all(work.get(key), [tree], key, present=key in work)
                grown.add(key)
            self._ops.append(["app", key, tree])
            live = self._live.get(key)
            if type(live) is list:
                live.append(value)  # whoever holds the list sees it grow
            else:
                self._live.pop(key, None)

    def _drop(self, key: str) -> None:
        op = self._pending.pop(key, None)
        if op is not None:
            self._ops[:] = [each for each in self._ops if each is not op]

    def _settle(self, key: str) -> None:
        """Encode what was written so far, so that an increment or append stays apart from it (X-3)."""
        op = self._pending.get(key)
        if op is not None:
            op[2] = self._own()[key] = encode(self._live[key], key)
            del self._pending[key]

    def _changed(self, key: str) -> Any:
        """The tree of a value that was changed in place, or _UNREAD."""
        live = self._live.get(key, _UNREAD)
        if live is _UNREAD or isinstance(live, _UNCHANGING):
            return _UNREAD
        before, tree = self._trees[key], encode(live, key)
        if same_tree(before, tree):
            return _UNREAD
        # A class that gained a field since is written differently though nobody touched the value.
        return _UNREAD if same_tree(encode(decode(before), key), tree) else tree

    def changes(self) -> Ops:
        """The operations this step made so far; SerializationError with the path for what cannot be stored."""
        if not (self._ops or self._live):
            return []
        with self._lock:
            ops: Ops = []
            for op in self._ops:
                if op[0] == "set" and self._pending.get(op[1]) is op:
                    ops.append(["set", op[1], encode(self._live[op[1]], op[1])])
                else:
                    ops.append(list(op))
            for key in self._live:
                if key not in self._pending:
                    tree = self._changed(key)
                    if tree is not _UNREAD:
                        ops.append(["set", key, tree])
            return ops

    # --- the attempt

    @property
    def execution_id(self) -> str:
        """The id of the execution this step belongs to."""
        return self._info.execution_id

    @property
    def workflow(self) -> str:
        """The workflow's name."""
        return self._info.workflow

    @property
    def step(self) -> str:
        """The step's name."""
        return self._info.step

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._info.attempt

    @property
    def iteration(self) -> int:
        """Which iteration of the innermost loop this is, from 0."""
        return self._info.iteration

    @property
    def index(self) -> int:
        """Which item of the innermost foreach this is, from 0."""
        return self._info.item_index

    @property
    def iterations(self) -> tuple[int, ...]:
        """The iterations of every loop and foreach around this step, outer to inner."""
        return self._info.iterations

    @property
    def item(self) -> Any:
        """The item of the innermost foreach; None outside of one."""
        if self._item is _UNREAD:
            self._item = decode(self._info.item, where="item")
        return self._item

    @property
    def input(self) -> Any:
        """The execution's input, an untouched copy."""
        if self._input is _UNREAD:
            self._input = decode(self._info.input, where="input")
        return self._input

    @property
    def output(self) -> Any:
        """In a compensation: what the compensated step returned."""
        return decode(self._info.output, where="output")

    @property
    def scheduled_for(self) -> datetime | None:
        """The tick this execution was started for, in UTC, however late; None when no schedule started it."""
        at = self._info.scheduled_for
        return None if at is None else from_us(at)

    @property
    def results(self) -> Mapping[str, Any]:
        """The outputs of the finished steps, by name."""
        if self._results is None:
            self._results = Results({} if self._services is None else self._services.results())
        return self._results

    @property
    def idempotency_key(self) -> str:
        """A key for other services: the same in every attempt and pass, another one in each iteration."""
        return self._info.idempotency_key

    @property
    def cancelled(self) -> bool:
        """Whether this step was asked to stop."""
        return self._services is not None and self._services.cancelled

    @property
    def logger(self) -> logging.Logger:
        """A logger named after workflow and step; what it logs belongs to this attempt."""
        if self._services is not None:
            return self._services.logger
        return logging.getLogger(f"durable.{self._info.workflow}.{self._info.step}")


class ReadOnlyContext(Context):
    """A context for functions that decide and do not change: conditions, guards, item sources, merges."""

    __slots__ = ()

    @classmethod
    def _bound(
        cls,
        encoded: dict[str, Any],
        info: AttemptInfo = _NOBODY,
        services: ContextServices | None = None,
        role: str | None = None,
    ) -> Context:
        return super()._bound(encoded, info, services, role or "this function")
