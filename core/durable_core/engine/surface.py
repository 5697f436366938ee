"""What the parts of the engine floor need of the engine, so that none of them imports it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from durable_core.bus.local import LocalBus
from durable_core.clock import Clock
from durable_core.engine.changes import Changes
from durable_core.executor.definitions import Definitions
from durable_core.executor.worker import Worker
from durable_core.store.commit import Committer
from durable_core.store.protocol import Database


class Surface(Protocol):
    """An engine, as a handle or a part of it sees it."""

    @property
    def clock(self) -> Clock: ...

    @property
    def database(self) -> Database: ...

    @property
    def committer(self) -> Committer: ...

    @property
    def definitions(self) -> Definitions: ...

    @property
    def bus(self) -> LocalBus: ...

    @property
    def changes(self) -> Changes: ...

    @property
    def closed(self) -> bool: ...

    @property
    def workers(self) -> Sequence[Worker]: ...

    def wake_workers(self) -> None: ...

    def wait_for_end(self, execution_id: str, timeout: float | None) -> None: ...
