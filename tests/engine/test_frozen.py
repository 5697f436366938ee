"""A worker that is frozen between learning that a token is its own and taking it up (S-4)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from durable_core.dsl import parallel, sleep_for, step, workflow
from durable_core.engine.engine import Engine
from durable_core.executor.claim import Claim
from durable_core.executor.holdings import Holdings
from durable_core.executor.worker import Worker
from tests.engine.runs import until


def started(body: Any, engine: Engine) -> Any:
    """The token is claimed in the transaction that starts its execution."""

    @workflow
    def flow() -> Any:
        return [body]

    return engine.start(flow)


def claimed(body: Any, engine: Engine) -> Any:
    """The token is claimed from the queue, and loaded."""

    @workflow
    def flow() -> Any:
        return [body]

    with Engine(engine.database.url, worker=False) as other:
        return engine.get_execution(other.start(flow).id)


def kept(body: Any, engine: Engine) -> Any:
    """The branch is kept by who recorded the fork, and loaded."""

    @step
    def other() -> None: ...

    @workflow
    def flow() -> Any:
        return [parallel("both", {"one": [body], "two": [other]})]

    return engine.start(flow)


def woken(body: Any, engine: Engine) -> Any:
    """The token sleeps, and is woken from memory, or loaded where the other worker was quicker to end its wait."""

    @workflow
    def flow() -> Any:
        return [sleep_for(0.2), body]

    return engine.start(flow)


@pytest.fixture
def thief(engine: Engine) -> Iterator[Worker]:
    """Another worker, which lives and has nothing to do."""
    with Engine(engine.database.url) as other:
        yield other.start_worker({"elsewhere": 1})


@pytest.mark.parametrize("begin", [started, claimed, kept, woken])
def test_what_was_lost_before_it_was_taken_up_is_not_begun(
    engine: Engine, thief: Worker, begin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While this process stood still another one took the token; the heartbeat after it could not know of it yet."""
    bodies: list[str] = []
    worker = engine.start_worker()
    stolen = threading.Event()
    taken: list[Claim] = []
    released: list[Claim] = []

    def freeze(claim: Claim) -> None:
        node = None if claim.token.path is None else claim.node
        if stolen.is_set() or node is None or not (node.name == "body" or claim.pass_number > 1):
            return
        stolen.set()
        with engine.database.write() as tx:
            changed = tx.execute(
                "UPDATE tokens SET fence = fence + 1, worker_id = :thief, lease_until = lease_until + 60000000 "
                "WHERE id = :id AND fence = :fence",
                {"id": claim.token_id, "fence": claim.fence, "thief": thief.id},
            )
        assert changed == 1
        worker._heart._beat()
        taken.append(claim)

    add, replace, remove = Holdings.add, Holdings.replace, Holdings.remove

    def add_late(self: Holdings, claim: Claim) -> bool:
        freeze(claim)
        return add(self, claim)

    def replace_late(self: Holdings, claim: Claim, following: Claim) -> None:
        freeze(following)
        replace(self, claim, following)

    def remove_seen(self: Holdings, claim: Claim) -> None:
        remove(self, claim)
        released.append(claim)

    monkeypatch.setattr(Holdings, "add", add_late)
    monkeypatch.setattr(Holdings, "replace", replace_late)
    monkeypatch.setattr(Holdings, "remove", remove_seen)

    def body() -> None:
        bodies.append("ran")

    run = begin(step(body), engine)
    until(lambda: taken and taken[0] in released, "the release")
    assert bodies == []
    with engine.database.write() as tx:  # the other one gives it back
        tx.execute(
            "UPDATE tokens SET status = 'ready', worker_id = NULL, lease_until = NULL WHERE id = :id",
            {"id": taken[0].token_id},
        )
    engine.wake_workers()
    assert run.wait(15).status == "completed"
    assert bodies == ["ran"]
