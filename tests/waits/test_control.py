"""Cancel, pause and retry of executions that wait."""

from __future__ import annotations

from typing import Any

import pytest

from durable_core.context import Context
from durable_core.dsl import call, parallel, sleep_for, step, wait_for_any, wait_for_event, wait_for_input, workflow
from durable_core.errors import InvalidStateError
from durable_core.testing.kit import Kit


def open_waits(kit: Kit) -> int:
    with kit.engine.database.read() as tx:
        return int(tx.fetch("SELECT COUNT(*) FROM waits WHERE status = 'open'")[0][0])


@pytest.mark.parametrize("mode", ["graceful", "compensate", "terminate"])
def test_cancel_closes_every_open_wait_at_once(kit: Kit, mode: Any) -> None:
    undone: list[int] = []

    @step(compensate=lambda ctx: undone.append(1))
    def done() -> None: ...

    @workflow
    def flow() -> Any:
        return [
            done,
            parallel(
                {
                    "a": wait_for_event("e"),
                    "b": wait_for_input("q"),
                    "c": sleep_for(60),
                    "d": wait_for_any(["x", "y"]),
                },
            ),
        ]

    run = kit.start_workflow(flow)
    kit.settle()
    assert open_waits(kit) == 6
    kit.engine.cancel(run, mode=mode)
    assert open_waits(kit) == 0
    kit.assert_workflow_status(run, "compensated" if mode == "compensate" else "cancelled")
    assert len(undone) == (mode == "compensate")
    assert kit.send_test_event(None, "e") == 0
    kit.advance(hours=1)
    with pytest.raises(InvalidStateError):
        kit.engine.cancel(run)


def test_a_pause_holds_a_due_sleep_until_resume(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return [sleep_for(60), wait_for_event("e")]

    run = kit.start_workflow(flow)
    kit.settle()
    kit.engine.pause(run)
    kit.advance(hours=1)
    assert run.paused and "sleep" in run.current_steps
    assert not [each for each in run.steps() if each.status == "completed"]
    kit.engine.resume(run)
    kit.assert_waiting_for(run, "e")


def test_an_event_and_an_answer_arrive_while_paused_and_count_after_resume(kit: Kit) -> None:
    ran: list[int] = []

    @step
    def both(ctx: Context) -> list[Any]:
        ran.append(1)
        return [ctx.wait_for_event("e"), ctx.wait_for_input("q")]

    @workflow
    def flow() -> Any:
        return both

    run = kit.start_workflow(flow)
    kit.settle()
    kit.engine.pause(run)
    assert kit.send_test_event(run, "e", 1) == 1
    kit.settle()
    assert len(ran) == 1
    kit.engine.resume(run)
    kit.assert_waiting_for(run, "q")
    kit.engine.pause(run)
    kit.engine.provide_input(run, "q", 2)
    kit.settle()
    assert len(ran) == 2
    kit.engine.resume(run)
    assert kit.assert_workflow_completed(run).output == [1, 2]


def test_retry_arms_the_waits_that_a_failure_closed(kit: Kit) -> None:
    """The wait of a sibling was closed by the failure; the retried execution waits for it again."""
    broken = [True]

    @step
    def fragile() -> str:
        if broken[0]:
            raise ValueError("not today")
        return "fine"

    @workflow
    def flow() -> Any:
        return parallel("both", {"a": wait_for_event("e"), "b": [sleep_for(5), fragile], "c": wait_for_any(["x", "y"])})

    run = kit.start_workflow(flow)
    kit.advance(seconds=5)
    kit.assert_workflow_failed(run, ValueError)
    broken[0] = False
    kit.engine.retry(run)
    kit.assert_waiting_for(run, "e")
    assert kit.send_test_event(run, "e", "came") == 1
    assert kit.send_test_event(run, "y", "why") == 1
    kit.assert_workflow_completed(run)
    assert (run.context["e"], run.context["fragile"]) == ("came", "fine")


@pytest.mark.parametrize("form", ["node", "body"])
def test_retry_waits_again_where_a_timeout_was_the_failure(kit: Kit, form: str) -> None:
    @step
    def body(ctx: Context) -> list[Any]:
        return [ctx.wait_for_event("first"), ctx.wait_for_event("e", timeout=60, on_timeout="fail")]

    @workflow
    def flow() -> Any:
        if form == "node":
            return [wait_for_event("first"), wait_for_event("e", timeout=60, on_timeout="fail")]
        return body

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "first", 1)
    kit.advance(seconds=60)
    kit.assert_workflow_failed(run, "WaitTimeoutError")
    kit.engine.retry(run)
    kit.assert_waiting_for(run, "e")
    kit.send_test_event(run, "e", 2)
    kit.assert_workflow_completed(run)
    assert (run.context["first"], run.context["e"]) == (1, 2)


def test_retry_calls_a_failed_child_again(kit: Kit) -> None:
    broken = [True]

    @step
    def fragile() -> str:
        if broken[0]:
            raise ValueError("not today")
        return "fine"

    @workflow
    def child() -> Any:
        return fragile

    @workflow
    def parent() -> Any:
        return call(child)

    run = kit.start_workflow(parent)
    kit.assert_workflow_failed(run, "ExecutionFailed")
    broken[0] = False
    kit.engine.retry(run)
    assert kit.assert_workflow_completed(run).output == "fine"
    assert [each.status for each in run.children] == ["failed", "completed"]


def test_an_execution_that_waits_is_waiting_and_then_running_again(kit: Kit) -> None:
    seen: list[str] = []

    @step
    def look(ctx: Context) -> None:
        seen.append(kit.engine.get_execution(ctx.execution_id).status)
        ctx.wait_for_event("e")
        seen.append(kit.engine.get_execution(ctx.execution_id).status)

    @workflow
    def flow() -> Any:
        return look

    run = kit.start_workflow(flow)
    started = run.started_at
    kit.assert_waiting_for(run, "e")
    assert run.status == "waiting"
    kit.send_test_event(run, "e")
    kit.assert_workflow_completed(run)
    assert seen == ["running", "running", "running"]
    assert run.started_at == started
