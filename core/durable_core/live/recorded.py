"""The recorded attempts of an execution: a sequence that grows at its end, shared by the views that hold a part."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, overload

Iteration = tuple[int, ...]
"""One number per loop and foreach around a node, outermost first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One finished attempt of one node, without its values."""

    seq: int
    path: str
    type: str
    """The node's type, or `compensation`."""
    status: str
    """An `AttemptStatus`."""
    iteration: Iteration = ()
    attempt: int = 1
    choice: str | None = None
    """Label of the branch a decision or switch chose; the handler's name of a compensation."""
    error_type: str | None = None
    error_message: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    items: int | None = None
    """How many items a completed foreach had."""


_GROWING = threading.Lock()


class Attempts(Sequence[Recorded]):
    """An immutable sequence in which adding at the end costs nothing, however long it is.

    All sequences that grew out of one another share one list; each sees only as much of it as it had when it was made.
    """

    __slots__ = ("_length", "_rows")

    def __init__(self, rows: Iterable[Recorded] = ()) -> None:
        self._rows = list(rows)
        self._length = len(self._rows)

    def followed_by(self, more: Sequence[Recorded]) -> Attempts:
        """This sequence and then `more`."""
        if not more:
            return self
        grown = Attempts.__new__(Attempts)
        with _GROWING:
            if self._length == len(self._rows):
                grown._rows = self._rows
            else:  # another view grew out of this one before
                grown._rows = self._rows[: self._length]
            grown._rows.extend(more)
            grown._length = self._length + len(more)
        return grown

    @property
    def last_seq(self) -> int:
        """Number of the last attempt; 0 when there is none."""
        return self._rows[self._length - 1].seq if self._length else 0

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Recorded: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Recorded]: ...
    def __getitem__(self, index: int | slice) -> Recorded | Sequence[Recorded]:
        if isinstance(index, slice):
            return [self._rows[number] for number in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(f"attempt {index} of {self._length}")
        return self._rows[index if index >= 0 else self._length + index]

    def __iter__(self) -> Iterator[Recorded]:
        rows = self._rows
        return (rows[number] for number in range(self._length))

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Attempts) or self._length != other._length:
            return False
        return self._rows is other._rows or self[:] == other[:]

    def __hash__(self) -> int:
        return hash((self._length, self.last_seq))

    def __repr__(self) -> str:
        return f"<{self._length} attempts>"
