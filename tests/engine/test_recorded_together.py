"""Records and starts of one commit: when a part of it fails, nothing of it stands, and each is done again by itself."""

from __future__ import annotations

from typing import Any

import pytest

from durable_core.definition.state import Token
from durable_core.dsl import parallel, step, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import ExecutionExistsError, StoreError
from durable_core.executor.claim import Claim
from durable_core.executor.fast import MoveUnit
from durable_core.executor.load import Loader
from durable_core.executor.plan import Plan, step_row
from durable_core.executor.start import Beginning
from durable_core.executor.start_unit import StartUnit
from durable_core.status import AttemptStatus
from tests.engine.runs import until

CLAIM = "UPDATE tokens SET status = 'running', worker_id = 'ours', fence = 1 WHERE status = 'ready'"
"""Their lease has no end: nobody takes them over."""


@step(queue="elsewhere")
def left(ctx: Any) -> None: ...


@step(queue="elsewhere")
def right(ctx: Any) -> None: ...


@step(queue="elsewhere")
def after(ctx: Any) -> None: ...


def flow() -> Any:
    @workflow(name="flow")
    def flow() -> Any:
        return [
            parallel("both", {"a": [left, after], "b": [right, after.with_options(name="after_right")]}),
        ]

    return flow


def claimed_branches(engine: Engine) -> list[Claim]:
    """The claims of two branches of one execution, whose steps run in a queue that nobody serves."""
    run = engine.start(flow())
    ready = "SELECT id FROM tokens WHERE execution_id = :id AND status = 'ready' AND parent_id IS NOT NULL ORDER BY key"

    def branches() -> list[str]:
        with engine.database.read() as tx:
            return [id_ for (id_,) in tx.fetch(ready, {"id": run.id})]

    until(lambda: len(branches()) == 2, "the branches")
    ids = branches()
    with engine.database.write() as tx:
        assert tx.execute(CLAIM) == 2
    with engine.database.read() as tx:
        loaded = Loader(engine.definitions.stored, "ours").load(tx, ids)
    return [claim for claim in loaded if isinstance(claim, Claim)]


def move(claim: Claim, **faults: Any) -> MoveUnit:
    """The record of a branch's first step; its row has `faults`."""
    path = claim.token.path or ""
    beside = [place for place in claim.definition.places if place.rpartition("/")[0] == path.rpartition("/")[0]]
    target: Token = claim.token._replace(path=next(place for place in beside if place != path))
    row = step_row(claim, claim.node, (), AttemptStatus.COMPLETED, started_at=1, completed_at=2)
    return MoveUnit(Plan(claim, start=claim.token, token=target, rows=[{**row, **faults}]))


def recorded(engine: Engine) -> list[str]:
    with engine.database.read() as tx:
        return [name for (name,) in tx.fetch("SELECT name FROM steps WHERE type = 'step' ORDER BY name")]


def test_a_record_does_not_stand_when_a_later_one_of_its_execution_fails(engine: Engine) -> None:
    """S-1: the first was a transaction of its own, and done again it found itself to be there: its worker lost it."""
    one, other = claimed_branches(engine)
    good, faulty = move(one), move(other, status=None)
    engine.committer.commit_all([good, faulty])
    assert good.value() is True
    with pytest.raises(StoreError):
        faulty.value()
    assert recorded(engine) == ["left"]
    assert good.revision == one.revision + 1


def test_a_record_does_not_stand_when_a_start_beside_it_fails(engine: Engine) -> None:
    """S-1: what is written together with others of its kind may be a transaction of its own only where it is alone."""
    claim, _ = claimed_branches(engine)
    short = flow()
    taken = Beginning(
        execution_id=claim.execution_id,
        definition=short.definition,
        fingerprint=short.fingerprint,
        input={},
        given_id=True,
    )
    good, faulty = move(claim), StartUnit(taken, engine.definitions, None)
    engine.committer.commit_all([good, faulty])
    assert good.value() is True
    with pytest.raises(ExecutionExistsError):
        faulty.value()
    assert recorded(engine) == ["left"]
