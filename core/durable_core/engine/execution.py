"""Execution: a handle; its attributes read the store."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from datetime import datetime
from typing import Any, Literal, overload

from durable_core.clock import from_us
from durable_core.codec import decode
from durable_core.engine import reading
from durable_core.engine.surface import Surface
from durable_core.query import executions as queries
from durable_core.query.contexts import context_of
from durable_core.query.document import error_of
from durable_core.query.entry import Entry
from durable_core.query.executions import ExecutionRecord


class Execution:
    """One run of a workflow."""

    __slots__ = ("_engine", "id")

    def __init__(self, engine: Surface, execution_id: str) -> None:
        self._engine = engine
        self.id = execution_id

    def record(self) -> ExecutionRecord:
        """The execution's row as it stands now."""
        with self._engine.database.read() as tx:
            return queries.find(tx, self.id)

    # --- attributes ------------------------------------------------------------------------------------------------

    @property
    def workflow(self) -> str:
        """The workflow's name."""
        return self.record().workflow

    @property
    def status(self) -> str:
        """Where it is as a whole, one of the execution statuses."""
        return self.record().status

    @property
    def paused(self) -> bool:
        """No further step begins until it is resumed."""
        return self.record().paused

    @property
    def cancelling(self) -> bool:
        """It is being cancelled, timed out or given up."""
        return self.record().cancelling

    @property
    def blocked(self) -> bool:
        """It cannot go on as it is; `reason` says why."""
        return self.record().blocked

    @property
    def reason(self) -> str | None:
        """Why it is paused, cancelling or blocked."""
        return self.record().reason

    @property
    def input(self) -> dict[str, Any]:
        """What it was started with."""
        return decode(self.record().input, strict=False)  # type: ignore[no-any-return]

    @property
    def context(self) -> dict[str, Any]:
        """The context as it stands now, without what open branches have changed so far."""
        with self._engine.database.read() as tx:
            return decode(context_of(tx, queries.find(tx, self.id)), strict=False)  # type: ignore[no-any-return]

    @property
    def output(self) -> Any:
        """What the flow came to; None before it has completed."""
        return decode(self.record().output, strict=False)

    @property
    def error(self) -> Entry | None:
        """Why it failed: type, message, step, traceback ..."""
        error = error_of(self.record())
        return None if error is None else Entry(error)

    @property
    def current_steps(self) -> list[str]:
        """Names of the steps that run or wait now."""
        return reading.current_steps(self._engine, self.id)

    @property
    def children(self) -> list[Execution]:
        """The executions it called, oldest first."""
        with self._engine.database.read() as tx:
            queries.find(tx, self.id)
            return [Execution(self._engine, child) for child in queries.children_of(tx, self.id)]

    @property
    def parent(self) -> Execution | None:
        """The execution that called it."""
        parent_id = self.record().parent_id
        return None if parent_id is None else Execution(self._engine, parent_id)

    @property
    def compensations(self) -> list[Entry]:
        """Every attempt of a compensation handler, in the order they ran."""
        return reading.compensations(self._engine, self.id)

    @property
    def tags(self) -> tuple[str, ...]:
        """The workflow's tags and those it was started with."""
        return self.record().tags

    @property
    def scheduled_for(self) -> datetime | None:
        """The tick it was started for, however late; None when no schedule started it."""
        at = self.record().scheduled_for
        return None if at is None else from_us(at)

    @property
    def created_at(self) -> datetime:
        """When it was started."""
        return from_us(self.record().created_at)

    @property
    def started_at(self) -> datetime | None:
        """When a worker first took it up."""
        at = self.record().started_at
        return None if at is None else from_us(at)

    @property
    def completed_at(self) -> datetime | None:
        """When it ended, however it ended."""
        at = self.record().completed_at
        return None if at is None else from_us(at)

    # --- looking closer --------------------------------------------------------------------------------------------

    def steps(self) -> list[Entry]:
        """Every finished attempt in order, then those that run or wait now."""
        return reading.steps(self._engine, self.id)

    def pending_inputs(self) -> list[Entry]:
        """The questions it asks people now."""
        return reading.pending_inputs(self._engine, self.id)

    def history(self) -> list[Entry]:
        """Everything that happened to it, oldest first."""
        return reading.history(self._engine, self.id)

    @overload
    def logs(
        self, step: str | None = None, level: str | None = None, follow: Literal[False] = False
    ) -> list[Entry]: ...
    @overload
    def logs(self, step: str | None = None, level: str | None = None, *, follow: Literal[True]) -> Iterator[Entry]: ...
    @overload
    def logs(self, step: str | None, level: str | None, follow: Literal[True]) -> Iterator[Entry]: ...
    def logs(
        self, step: str | None = None, level: str | None = None, follow: bool = False
    ) -> list[Entry] | Iterator[Entry]:
        """The captured lines; with `follow` an iterator that goes on until it has ended."""
        if follow:
            return reading.follow_logs(self._engine, self.id, step, level)
        return reading.logs(self._engine, self.id, step, level)

    def graph(self) -> Any:
        """The workflow's graph with a state on every node that was reached."""
        return reading.execution_graph(self._engine, self.id)

    def report(self) -> str:
        """One self-contained HTML page: graph, times, steps, answers, values and logs; it opens offline."""
        from durable_core.engine.reporting import report_of  # only who asks for one pays for the import

        return report_of(self._engine, self.id)

    def to_dict(self) -> dict[str, Any]:
        """The whole execution as JSON: what `durable-studio status --json` prints."""
        return reading.describe(self._engine, self.id)

    # --- waiting ---------------------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> Execution:
        """Block until it has ended; raises only TimeoutError."""
        self._engine.wait_for_end(self.id, timeout)
        return self

    def __await__(self) -> Generator[Any, None, Execution]:
        return asyncio.to_thread(self.wait).__await__()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Execution) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.graph()._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        return f"<execution {self.id} {self.status}>"
