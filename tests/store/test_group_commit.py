"""Group commit: who shares a commit is told of it, whoever else fails in it (S-1)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import psycopg
import pytest

from durable_core.store.commit import Committer, Unit
from durable_core.store.database import open_database
from durable_core.store.transaction import ContentionError, Transaction


@pytest.fixture
def committer(store_url: str) -> Iterator[Committer]:
    database = open_database(store_url)
    committer = Committer(database)
    yield committer
    committer.close()
    database.close()


class Good(Unit):
    """Does nothing, and remembers that it was told."""

    safe: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()
        self.then = lambda unit: self.told.set()

    def write(self, tx: Transaction) -> Any:
        return "written"


class Faulty(Good):
    """Breaks its transaction; another unit arrives meanwhile."""

    def __init__(self, committer: Committer, other: Unit) -> None:
        super().__init__()
        self.committer = committer
        self.other: Unit | None = other

    def write(self, tx: Transaction) -> Any:
        if self.other is not None:
            other, self.other = self.other, None
            self.committer.enqueue((other,))
        raise ValueError("faulty")


def test_a_unit_that_arrives_while_a_broken_group_is_taken_apart_is_told(committer: Committer) -> None:
    """It went along with one of the others, was written, and nobody heard of it: its token was lost for ever."""
    arriving, beside = Good(), Good()
    faulty = Faulty(committer, arriving)
    assert committer.try_commit([faulty, beside])
    assert arriving.told.wait(10)
    assert (arriving.result, beside.result) == ("written", "written")
    assert isinstance(faulty.error, ValueError)


def test_one_that_fails_when_told_keeps_the_others_from_nothing(
    committer: Committer, caplog: pytest.LogCaptureFixture
) -> None:
    """The committing thread outlives what follows a commit."""

    def fail(unit: Unit) -> None:
        raise RuntimeError("told")

    first, second, third = Good(), Good(), Good()
    first.then = fail
    committer.enqueue((first, second))
    assert second.told.wait(10)
    committer.enqueue((third,))
    assert third.told.wait(10)
    assert "what follows a commit failed" in caplog.text


class Upserting(Unit):
    """Needs a row that somebody else has locked."""

    safe: ClassVar[bool] = True
    tries = 0

    def write(self, tx: Transaction) -> Any:
        self.tries += 1
        return tx.execute("UPDATE queues SET paused = 1 WHERE name = 'locked'")


@pytest.mark.parametrize("beside", [0, 1])
def test_a_row_that_somebody_keeps_locked_is_waited_for_again(postgres_url: str, beside: int) -> None:
    """Another process may be frozen inside its commit: alone or in a group, the work is tried again (D-2)."""
    database = open_database(postgres_url + "?options=-c%20lock_timeout%3D200ms")
    committer = Committer(database)
    committer.run(lambda tx: tx.execute("INSERT INTO queues (name, paused, updated_at) VALUES ('locked', 0, 1)"))
    unit = Upserting()
    units = [unit, *(Good() for _ in range(beside))]
    with psycopg.connect(postgres_url.replace("+psycopg", "", 1)) as frozen:
        frozen.execute("UPDATE queues SET updated_at = 2")
        timer = threading.Timer(0.35, frozen.commit)
        timer.start()
        committer.commit_all(units)
        timer.join()
    assert [each.value() for each in units] == [1, *["written"] * beside]
    assert unit.tries > 1
    with psycopg.connect(postgres_url.replace("+psycopg", "", 1)) as frozen:
        frozen.execute("UPDATE queues SET updated_at = 3")
        committer.commit_all([never := Upserting()])
    assert isinstance(never.error, ContentionError)
    assert committer.run(lambda tx: tx.fetch("SELECT name, paused, updated_at FROM queues")) == [("locked", 1, 3)]
    committer.close()
    database.close()
