"""Execution: a handle; its attributes read the store."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from durable_core.codec import decode
from durable_core.query import executions as queries
from durable_core.query.executions import ExecutionRecord

if TYPE_CHECKING:
    from durable_core.engine.engine import Engine


class Execution:
    """One run of a workflow."""

    __slots__ = ("_engine", "id")

    def __init__(self, engine: Engine, execution_id: str) -> None:
        self._engine = engine
        self.id = execution_id

    def record(self) -> ExecutionRecord:
        """The execution's row as it stands now."""
        with self._engine.database.read() as tx:
            return queries.find(tx, self.id)

    @property
    def status(self) -> str:
        return self.record().status

    @property
    def context(self) -> dict[str, Any]:
        with self._engine.database.read() as tx:
            return decode(queries.context_of(tx, queries.find(tx, self.id)), strict=False)  # type: ignore[no-any-return]

    @property
    def output(self) -> Any:
        return decode(self.record().output, strict=False)

    @property
    def error(self) -> dict[str, Any] | None:
        return self.record().error  # type: ignore[no-any-return]

    def steps(self) -> list[dict[str, Any]]:
        """Every finished attempt, in order."""
        with self._engine.database.read() as tx:
            return queries.steps_of(tx, self.id)

    def wait(self, timeout: float | None = None) -> Execution:
        """Block until it has ended; raises only TimeoutError."""
        self._engine.wait_for_end(self.id, timeout)
        return self

    def __await__(self) -> Generator[Any, None, Execution]:
        return asyncio.to_thread(self.wait).__await__()

    def __repr__(self) -> str:
        return f"<execution {self.id} {self.status}>"
