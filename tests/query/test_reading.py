"""What people read of an execution, and of all of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from durable_core.dsl import call, decision, foreach, loop, parallel, step, wait_for_input, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import DefinitionError, ExecutionNotFoundError, InputValidationError


def until(condition: Any, seconds: float = 10.0) -> None:
    import threading
    import time

    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        threading.Event().wait(0.01)


def test_steps_tell_every_attempt_and_where_it_stands_now(engine: Engine) -> None:
    """Finished attempts in order, then what waits; keys are attributes too."""

    @step
    def price(ctx: Any) -> Decimal:
        return Decimal("1.20")

    @workflow
    def order() -> Any:
        return [price, wait_for_input("approval", type="approval", prompt="ok?")]

    run = engine.start(order, {"n": 1})
    until(lambda: run.status == "waiting")
    first, second = run.steps()
    assert (first["name"], first.status, first.output, first.attempt) == ("price", "completed", Decimal("1.20"), 1)
    assert first.started_at <= first.completed_at <= datetime.now(UTC)
    assert (second.name, second.type, second.status, second.completed_at) == ("approval", "input", "waiting", None)
    assert run.current_steps == ["approval"]
    [question] = run.pending_inputs()
    assert (question.name, question.type, question.prompt, question.workflow) == (
        "approval",
        "approval",
        "ok?",
        "order",
    )
    assert [one.execution_id for one in engine.list_pending_inputs()] == [run.id]
    assert engine.list_pending_inputs(older_than=timedelta(hours=1)) == []
    assert engine.list_pending_inputs(type="form") == []
    engine.provide_input(run, "approval", "approved", by="ana")
    run.wait(10)
    assert run.current_steps == []
    assert run.context == {"n": 1, "price": Decimal("1.20"), "approval": "approved"}
    assert run.to_dict()["context"]["price"] == "1.20"
    assert json.dumps(run.to_dict())
    kinds = [one.kind for one in run.history()]
    assert kinds[0] == "created" and kinds[-1] == "completed" and "wait_over" in kinds
    [answered] = [one for one in run.history() if one.kind == "wait_over"]
    assert answered.answered_by == "ana"


def test_iterations_are_numbered(engine: Engine) -> None:
    """`iteration` is the innermost number, `iterations` all of them."""

    @step
    def work(ctx: Any) -> None:
        ctx.increment("n", 1)

    @workflow
    def rounds() -> Any:
        return [
            loop("outer", [foreach("inner", work, items=lambda ctx: [1, 2])], while_=lambda ctx: ctx.get("n", 0) < 4)
        ]

    run = engine.start(rounds).wait(10)
    worked = [one for one in run.steps() if one.name == "work"]
    assert [(one.iteration, one.iterations) for one in worked] == [(0, [0, 0]), (1, [0, 1]), (0, [1, 0]), (1, [1, 1])]


def test_a_failure_is_read_with_type_message_and_step(engine: Engine) -> None:
    """And compensations in the order they ran."""

    def undo(ctx: Any) -> str:
        return f"undid {ctx.output}"

    @step(compensate=undo)
    def one(ctx: Any) -> int:
        return 1

    @step
    def fails(ctx: Any) -> None:
        raise ValueError("no")

    @workflow
    def flow() -> Any:
        return [one, fails]

    run = engine.start(flow).wait(10)
    assert run.status == "compensated"
    assert run.error is not None
    assert (run.error.type, run.error["message"], run.error.step) == ("ValueError", "no", "fails")
    [undone] = run.compensations
    assert (undone.name, undone.handler, undone.output, undone.status) == ("one", "undo", "undid 1", "completed")
    graph = run.graph()
    assert graph.by_id["fails"].state.status == "failed"
    assert graph.by_id["one"].state.status == "compensated"


def test_children_and_parents_know_each_other(engine: Engine) -> None:
    """Lists tell top-level executions from called ones."""

    @step
    def small(ctx: Any) -> int:
        return 7

    @workflow
    def child() -> Any:
        return [small]

    @workflow
    def parent() -> Any:
        return [call(child, name="kid")]

    run = engine.start(parent).wait(10)
    [kid] = run.children
    assert (kid.parent, kid.output, run.parent) == (run, 7, None)
    assert engine.list_executions(top_level=True) == [run]
    assert engine.list_executions(parent=run.id) == [kid]
    assert engine.count_executions() == 2 and engine.count_executions(top_level=True) == 1


def test_pages_are_complete_and_newest_first(engine: Engine) -> None:
    """`after` the last of a page comes the next one, without gaps or repetitions."""

    @step
    def nothing(ctx: Any) -> None:
        pass

    @workflow
    def tiny() -> Any:
        return [nothing]

    started = [engine.start(tiny, tags=["odd"] if number % 2 else []) for number in range(7)]
    for run in started:
        run.wait(10)
    seen: list[Any] = []
    page = engine.list_executions(limit=3)
    while page:
        seen += page
        page = engine.list_executions(limit=3, after=page[-1])
    assert seen == started[::-1]
    assert len(engine.list_executions(tag="odd")) == 3
    assert engine.list_executions(since=datetime.now(UTC)) == []
    assert len(engine.list_executions(workflow=tiny, status=["completed", "failed"])) == 7
    with pytest.raises(InputValidationError, match="no status 'done'"):
        engine.list_executions(status="done")
    with pytest.raises(DefinitionError, match="naive"):
        engine.list_executions(since=datetime(2026, 1, 1))
    with pytest.raises(InputValidationError, match="limit"):
        engine.list_executions(limit=0)
    with pytest.raises(ExecutionNotFoundError):
        engine.list_executions(after="nope")


def test_logs_are_read_by_step_and_level_and_followed(engine: Engine) -> None:
    """A followed log ends when the execution has."""

    @step
    def talks(ctx: Any) -> None:
        ctx.logger.info("first")
        ctx.logger.warning("second")

    @workflow
    def flow() -> Any:
        return [talks]

    run = engine.start(flow)
    assert [line.message for line in run.logs(follow=True)] == ["first", "second"]
    assert [line.message for line in run.logs(level="warning")] == ["second"]
    assert [line.level for line in engine.get_step_logs(run, "talks")] == ["INFO", "WARNING"]
    with pytest.raises(DefinitionError, match="no step 'nope'"):
        run.logs("nope")
    with pytest.raises(InputValidationError, match="no log level"):
        run.logs(level="loud")


def test_an_ambiguous_step_is_an_error_that_lists_the_paths(engine: Engine) -> None:
    """A path tells them apart."""

    @step
    def same(ctx: Any) -> None:
        print("here")

    @workflow
    def flow() -> Any:
        return [parallel("both", {"a": same, "b": same})]

    run = engine.start(flow).wait(10)
    assert len(run.logs("both/a/same")) == 1
    assert len(run.logs()) == 2


def test_numbers_over_all(engine: Engine) -> None:
    """Counts by status, workflow and queue."""

    @decision
    def choose(ctx: Any) -> str:
        return "yes"

    @workflow(queue="default")
    def flow() -> Any:
        return [choose.branch(yes=[])]

    engine.start(flow).wait(10)
    found = engine.stats()
    assert (found["total"], found["statuses"]) == (1, {"completed": 1})
    assert found["workflows"]["flow"]["total"] == 1
    assert found["queues"]["default"]["concurrency"] > 0
    [node] = engine.nodes()
    assert node.status == "alive" and "flow" in node.workflows


def test_an_unknown_execution_is_an_error_everywhere(engine: Engine) -> None:
    """ExecutionNotFoundError with the id."""
    from durable_core.engine.execution import Execution

    run = Execution(engine, "nope")
    for read in (run.steps, run.history, run.logs, run.graph, run.to_dict, run.pending_inputs, run.record):
        with pytest.raises(ExecutionNotFoundError) as raised:
            read()
        assert raised.value.execution_id == "nope"
