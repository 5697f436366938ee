"""`engine.queues`: what waits in each queue, and pausing one."""

from __future__ import annotations

from durable_core.engine.surface import Surface
from durable_core.ids import check_name
from durable_core.query import workers as machines
from durable_core.query.entry import Entry

_SET = """
INSERT INTO queues (name, paused, updated_at) VALUES (:name, :paused, :now)
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, updated_at = excluded.updated_at"""


class Queues:
    """The queues of one store."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Surface) -> None:
        self._engine = engine

    def list(self) -> list[Entry]:
        """Every queue that is used, served or paused, with the tokens in it."""
        with self._engine.database.read() as tx:
            return machines.queues(tx)

    def pause(self, name: str) -> None:
        """Workers claim nothing more from it; what runs already goes on."""
        self._set(name, paused=True)

    def resume(self, name: str) -> None:
        """Workers claim from it again."""
        self._set(name, paused=False)
        self._engine.wake_workers()

    def _set(self, name: str, *, paused: bool) -> None:
        check_name(name, "queue")
        self._engine.committer.run(lambda tx: tx.execute(_SET, {"name": name, "paused": int(paused), "now": tx.now()}))
