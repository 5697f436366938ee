"""Each kind of queue on each kind of store, behind one face: the same promises hold on all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest

from durable_core.clock import SYSTEM_CLOCK, Clock, VirtualClock
from durable_core.queue.database import DatabaseQueue
from durable_core.queue.memory import MemoryQueue
from durable_core.queue.protocol import Claimed, ClaimRequest, Hint, Queue
from durable_core.store import statements as sql
from durable_core.store.commit import Committer
from durable_core.store.database import Database, open_database

LEASE_US = 30_000_000
KINDS = ["memory", "sqlite", "sqlite in memory", pytest.param("postgres", marks=pytest.mark.service("postgres"))]


class Bench(Protocol):
    """A queue, and what an engine around it would do to the tokens in it."""

    queue: Queue

    def put(self, *hints: Hint) -> None:
        """Make tokens and tell of them."""
        ...

    def record(self, claimed: Claimed) -> None:
        """What the claim was for is in the store, and the execution ended."""
        ...

    def another(self) -> Queue:
        """The same queue as another connection sees it."""
        ...

    def now(self) -> int:
        """The time by which the queue judges what is due."""
        ...

    def pass_time(self, by: timedelta) -> None:
        """So much later; tokens come nearer when the clock cannot be moved."""
        ...


class MemoryBench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.queue: Queue = MemoryQueue(self.clock)

    def put(self, *hints: Hint) -> None:
        self.queue.enqueue(hints)

    def record(self, claimed: Claimed) -> None:
        """The acknowledgement is the record."""

    def another(self) -> Queue:
        return self.queue

    def now(self) -> int:
        return self.clock.now_us()

    def pass_time(self, by: timedelta) -> None:
        self.clock.advance(by)


class DatabaseBench:
    def __init__(self, url: str) -> None:
        self.url = url
        self.opened: list[tuple[Committer, Database]] = []
        self.clock: Clock = SYSTEM_CLOCK if url.startswith("postgres") else VirtualClock()
        self.queue: Queue = self.another()
        self.database = self.opened[0][1]

    def another(self) -> Queue:
        if self.opened and self.url == "sqlite://":
            return DatabaseQueue(self.opened[0][0])  # there is only one connection
        database = open_database(self.url, clock=self.clock)
        committer = Committer(database)
        self.opened.append((committer, database))
        return DatabaseQueue(committer)

    def put(self, *hints: Hint) -> None:
        with self.database.write() as tx:
            for hint in hints:
                blank = "bodies tags idempotency_key parent_id parent_token forked_from scheduled_for started_at"
                execution = dict.fromkeys(blank.split())
                tx.execute(
                    sql.INSERT_EXECUTION,
                    {
                        **execution,
                        "id": hint.token_id,
                        "workflow": hint.workflow,
                        "definition_hash": "h",
                        "status": "pending",
                        "input": "{}",
                        "queue": hint.queue,
                        "priority": hint.priority,
                        "now": tx.now(),
                        "deadline_at": None,
                    },
                )
                row = dict.fromkeys(sql.TOKEN_COLUMNS)
                row.update(  # type: ignore[call-overload]
                    id=hint.token_id,
                    execution_id=hint.token_id,
                    key="0",
                    branch=0,
                    path="charge",
                    iteration="",
                    mode="run",
                    status="ready",
                    workflow=hint.workflow,
                    queue=hint.queue,
                    priority=hint.priority,
                    available_at=tx.now() if hint.available_at is None else hint.available_at,
                    attempt=1,
                    pass_number=1,
                    fence=0,
                    stop=0,
                    changes_seq=0,
                )
                tx.execute(sql.INSERT_TOKEN, row)
        self.queue.enqueue(hints)

    def record(self, claimed: Claimed) -> None:
        with self.database.write() as tx:
            assert tx.execute(
                "UPDATE executions SET status = 'completed', completed_at = :now WHERE id = :id",
                {"id": claimed.execution_id, "now": tx.now()},
            )
            tx.execute(sql.DELETE_TOKEN, {"id": claimed.token_id})

    def now(self) -> int:
        with self.database.read() as tx:
            return tx.now()

    def pass_time(self, by: timedelta) -> None:
        if isinstance(self.clock, VirtualClock):
            self.clock.advance(by)
            return
        # PostgreSQL judges by its own clock, which nobody moves (S-4)
        with self.database.write() as tx:
            tx.execute(
                "UPDATE tokens SET available_at = available_at - :by WHERE available_at IS NOT NULL",
                {"by": by // timedelta(microseconds=1)},
            )

    def close(self) -> None:
        for committer, database in self.opened:
            committer.close()
            database.close()


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Every adapter in turn, on every store it can stand on."""
    if request.param == "memory":
        yield MemoryBench()
        return
    url = "sqlite://"
    if request.param == "sqlite":
        url = request.getfixturevalue("sqlite_url")
    elif request.param == "postgres":
        url = request.getfixturevalue("postgres_store_url")
    made = DatabaseBench(url)
    yield made
    made.close()


@pytest.fixture
def stored_bench(store_url: str) -> Iterator[DatabaseBench]:
    """The database adapter alone, on stores that other processes can open."""
    made = DatabaseBench(store_url)
    yield made
    made.close()


def hint(token_id: str, **options: object) -> Hint:
    return Hint(token_id=token_id, **{"workflow": "order", **options})  # type: ignore[arg-type]


def request(
    worker: str = "w_1",
    limit: int = 100,
    queues: tuple[str, ...] = ("default",),
    workflows: tuple[str, ...] = ("order",),
) -> ClaimRequest:
    return ClaimRequest(worker_id=worker, free=dict.fromkeys(queues, limit), workflows=workflows, lease_us=LEASE_US)


def ids(claimed: list[Claimed]) -> list[str]:
    return [each.token_id for each in claimed]
