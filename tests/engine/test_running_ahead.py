"""Moves of first tokens are recorded by their step rows alone; nobody who looks or acts meets an older place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from durable_core.dsl import loop, step, workflow
from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution
from durable_core.errors import StoreUnreachableError
from durable_core.executor.claim import CHANGES_INTERVAL, Claim
from durable_core.executor.fast import MoveUnit
from durable_core.executor.load import Loader
from durable_core.executor.plan import Plan, step_row
from durable_core.executor.record import SettleUnit
from durable_core.executor.settlement import Holder
from durable_core.live.fetch import fetch_view
from durable_core.status import AttemptStatus
from durable_core.store.ahead import catch_up
from durable_core.store.commit import Committer, Unit
from tests.crash import tables
from tests.engine.runs import Held, completed, until

held = Held()
ran: list[str] = []


@step
def one(ctx: Any) -> None:
    ran.append("one")
    ctx["one"] = 1


@step
def two(ctx: Any) -> None:
    ran.append("two")
    ctx["two"] = ctx["one"] + 1


@step
def stays(ctx: Any) -> None:
    ran.append("stays")
    held()


@step
def last(ctx: Any) -> str:
    return f"{ctx['one']}{ctx['two']}"


@pytest.fixture(autouse=True)
def _fresh() -> None:
    global held
    held = Held()
    ran.clear()


def flow() -> Any:
    @workflow(name="ahead", output=lambda ctx: ctx["last"])
    def ahead() -> Any:
        return [one, two, stays, last]

    return ahead


def standing_ahead(engine: Engine) -> Execution:
    """An execution whose third step runs, while the rows of token and execution are where they began."""
    run = engine.start(flow())
    held.wait_begun()
    [token], [execution] = tables.read(engine.database.url).tokens, tables.read(engine.database.url).executions
    assert (token["path"], execution["revision"]) == ("one", 0)
    return run


def test_who_looks_sees_where_it_stands(engine: Engine) -> None:
    run = standing_ahead(engine)
    assert [(s["name"], s["status"]) for s in run.steps()] == [
        ("one", "completed"),
        ("two", "completed"),
        ("stays", "running"),
    ]
    with engine.database.read() as tx:
        view = fetch_view(tx, run.id)
    assert [(each.path, each.status) for each in view.positions] == [("stays", "running")]
    assert view.revision == run.record().revision == engine.list_executions()[0].record().revision == 2
    assert [place.path for place in engine.explain(run).places] == ["stays"]
    assert run.context["two"] == 2
    assert engine.verify() == []
    held.let_go()
    assert run.wait(20).output == "12"


def test_a_fork_from_where_it_stands(engine: Engine) -> None:
    run = standing_ahead(engine)
    fork = engine.fork(run, step="stays", context={"two": 5})
    held.let_go()
    assert (run.wait(20).output, fork.wait(20).output) == ("12", "15")
    assert ran == ["one", "two", "stays", "stays"]


def test_pausing_brings_the_rows_up_to_the_steps(engine: Engine) -> None:
    """T-6: and the body that runs is recorded, and nothing runs twice when it goes on."""
    run = standing_ahead(engine)
    engine.pause(run)
    [token], [execution] = tables.read(engine.database.url).tokens, tables.read(engine.database.url).executions
    assert (token["path"], token["begun_at"] is not None, execution["revision"] > 2) == ("stays", True, True)
    held.let_go()
    until(lambda: completed(run) == ["one", "two", "stays"], "the body that ran")
    engine.resume(run)
    assert run.wait(20).output == "12"
    assert ran == ["one", "two", "stays"]
    assert engine.verify() == []


def test_cancelling_ends_it_where_it_stands(engine: Engine) -> None:
    run = standing_ahead(engine)
    engine.cancel(run)
    held.let_go()
    assert run.wait(20).status == "cancelled"
    assert completed(run) == ["one", "two", "stays"]
    assert engine.verify() == []


def test_what_a_dead_worker_had_recorded_is_not_run_again(store_url: str) -> None:
    """E-1, S-2: the takeover finds the token where the last step row says."""
    with Engine(store_url) as engine:
        run = standing_ahead(engine)
        engine.abandon_workers()
        with Engine(store_url) as other:
            other.start_worker()
            held.let_go()
            assert other.get_execution(run.id).wait(20).output == "12"
            assert other.verify() == []
    assert [name for name in ran if name != "stays"] == ["one", "two"]


def test_a_worker_that_stops_hands_the_token_back_where_it_stands(store_url: str) -> None:
    """E-4."""
    with Engine(store_url) as engine:
        run = standing_ahead(engine)
        for worker in engine.crew.members:
            worker.close(grace=0.01)
        [token] = tables.read(engine.database.url).tokens
        assert (token["path"], token["status"]) == ("stays", "ready")
        held.let_go()
        with Engine(store_url) as other:
            other.start_worker()
            assert other.get_execution(run.id).wait(20).output == "12"
    assert [name for name in ran if name != "stays"] == ["one", "two"]


def test_the_rows_follow_now_and_then(engine: Engine) -> None:
    """X-4: a resume reads a bounded number of step rows."""
    passes = 3 * CHANGES_INTERVAL

    @step
    def count(ctx: Any) -> None:
        ctx.increment("n")
        if ctx["n"] == passes:
            held()

    @workflow(name="counting")
    def counting() -> Any:
        return [loop("many", count, while_=lambda ctx: ctx.get("n", 0) < passes, max_iterations=passes + 1)]

    run = engine.start(counting)
    held.wait_begun()
    [token], [execution] = tables.read(engine.database.url).tokens, tables.read(engine.database.url).executions
    last_step = run.record().revision
    assert 0 <= last_step - execution["revision"] <= 2 * CHANGES_INTERVAL
    assert last_step - token["changes_seq"] <= 2 * CHANGES_INTERVAL
    held.let_go()
    assert run.wait(20).context["n"] == passes


def claimed(engine: Engine) -> Claim:
    """The claim of an execution that this test works on itself."""
    run = engine.start(flow(), queue="elsewhere")
    with engine.database.write() as tx:
        tx.execute(
            "UPDATE tokens SET status = 'running', worker_id = 'ours', lease_until = :far, fence = 1 "
            "WHERE status = 'ready'",
            {"far": 2**62},
        )
        tx.execute("UPDATE executions SET status = 'running'")
    with engine.database.read() as tx:
        [claim] = Loader(engine.definitions.stored, "ours").load(tx, [run.id])
    assert isinstance(claim, Claim)
    return claim


def move(claim: Claim) -> MoveUnit:
    row = step_row(claim, claim.node, (), AttemptStatus.COMPLETED, started_at=1, completed_at=2)
    return MoveUnit(Plan(claim, start=claim.token, token=claim.token._replace(path="two"), rows=[row]))


def test_a_record_that_was_stored_is_not_stored_again(engine: Engine) -> None:
    """D-3: the reply to its COMMIT was lost, and it is tried once more."""
    claim = claimed(engine)
    assert engine.committer.commit(move(claim)) is True
    assert engine.committer.commit(move(claim)) is False
    assert [row["seq"] for row in tables.read(engine.database.url).steps] == [1]


def test_what_is_recorded_already_goes_on_where_it_stands(engine: Engine) -> None:
    """D-3: the locked record of the same move finds it stored, and keeps the token."""
    claim = claimed(engine)
    engine.committer.commit(move(claim))
    holder = Holder("ours", 30_000_000, lambda queue: True)
    settled = engine.committer.commit(SettleUnit(move(claim).plan, holder, tried=True))
    assert settled.kept == claim.token_id
    assert [(row["path"], row["fence"]) for row in tables.read(engine.database.url).tokens] == [("two", 1)]
    assert [row["seq"] for row in tables.read(engine.database.url).steps] == [1]


@pytest.mark.parametrize("which", [1, 2])
def test_a_reply_that_got_lost_holds_up_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    """D-3: the first move of a claim, and one that follows others."""
    moves: list[Unit] = []
    try_commit = Committer.try_commit

    def losing(self: Committer, units: Sequence[Unit]) -> bool:
        done = try_commit(self, units)
        if done and isinstance(units[-1], MoveUnit):
            moves.append(units[-1])
            if len(moves) == which:
                units[-1].error = StoreUnreachableError("the reply got lost")
        return done

    monkeypatch.setattr(Committer, "try_commit", losing)
    held.let_go()
    run = engine.start(flow()).wait(10)
    assert (run.status, run.output, ran) == ("completed", "12", ["one", "two", "stays"])
    assert engine.verify() == []


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE tokens SET fence = 2",
        "UPDATE tokens SET stop = 1",
        "UPDATE tokens SET status = 'ready'",
        "UPDATE executions SET control = 1",
    ],
    ids=["taken over", "to stop", "given back", "paused"],
)
@pytest.mark.parametrize("count", [1, 4])
def test_whom_something_happened_to_meanwhile_records_nothing(engine: Engine, meanwhile: str, count: int) -> None:
    """S-3: and the others of its commit do."""
    first, *others = [claimed(engine) for _ in range(count)]
    key = "id" if "executions" in meanwhile else "execution_id"
    with engine.database.write() as tx:
        tx.execute(f"{meanwhile} WHERE {key} = :id", {"id": first.execution_id})
    units = [move(claim) for claim in (first, *others)]
    engine.committer.commit_all(units)
    assert [unit.value() for unit in units] == [False] + [True] * (count - 1)
    assert {row["execution_id"] for row in tables.read(engine.database.url).steps} == {c.execution_id for c in others}


def test_catching_up_twice_changes_nothing(engine: Engine) -> None:
    claim = claimed(engine)
    engine.committer.commit(move(claim))
    seen: list[tuple[bool, Any]] = []
    for _ in range(2):
        found = engine.committer.run(lambda tx: catch_up(tx, claim.execution_id))
        seen.append((found, tables.read(engine.database.url).tokens))
    assert [found for found, _ in seen] == [True, False]
    assert seen[0][1] == seen[1][1]
    assert seen[0][1][0]["path"] == "two"


def test_steps_that_nobody_follows_are_found_by_verify(engine: Engine) -> None:
    """S-1: a token at rest has its place in its own row."""
    claim = claimed(engine)
    engine.committer.commit(move(claim))
    assert engine.verify() == []
    with engine.database.write() as tx:
        tx.execute("UPDATE tokens SET status = 'ready', worker_id = NULL, lease_until = NULL")
    assert [finding.promise for finding in engine.verify()] == ["S-1"]
