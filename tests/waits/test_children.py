"""Children: results and failures upwards, cancels downwards, never one too many (W-3, T-6)."""

from __future__ import annotations

from typing import Any

from durable_core.context import Context
from durable_core.dsl import call, parallel, sleep_for, step, wait_for_event, workflow
from durable_core.testing.kit import Kit


@step
def double(n: int) -> int:
    return n * 2


def test_a_child_gives_its_output_to_a_node_and_to_a_body(kit: Kit) -> None:
    @workflow
    def child() -> Any:
        return [sleep_for(60), double]

    @step
    def in_body(ctx: Context) -> int:
        return int(ctx.call(child, {"n": 4})) + int(ctx.call(child, {"n": 5}, name="other"))

    @workflow
    def parent() -> Any:
        return [call(child, input={"n": 3}, name="node"), in_body]

    run = kit.start_workflow(parent)
    kit.assert_waiting_for(run, "node")
    kit.advance(seconds=180)
    kit.assert_workflow_completed(run)
    assert (run.context["node"], run.context["in_body"]) == (6, 18)
    assert [each.input for each in run.children] == [{"n": 3}, {"n": 4}, {"n": 5}]
    assert all(each.parent == run for each in run.children)


def test_a_failed_child_fails_the_call_and_a_body_may_catch_it(kit: Kit) -> None:
    from durable_core.errors import ExecutionFailed

    @step
    def broken() -> None:
        raise ValueError("inside the child")

    @workflow
    def child() -> Any:
        return broken

    @step
    def caught(ctx: Context) -> str:
        try:
            ctx.call(child, {})
        except ExecutionFailed as error:
            return f"{error.status} {error.step} {error.cause['type']}"  # type: ignore[index]
        return "nothing"

    @workflow
    def parent() -> Any:
        return [caught, call(child, name="again")]

    run = kit.start_workflow(parent)
    kit.assert_workflow_failed(run, "ExecutionFailed")
    assert run.context["caught"] == "failed broken ValueError"
    assert "inside the child" in run.error["message"]  # type: ignore[index]


def test_children_that_are_cancelled_or_compensated_tell_their_parent(kit: Kit) -> None:
    @step(compensate=lambda ctx: None)
    def done() -> None: ...

    @step
    def broken() -> None:
        raise ValueError("no")

    @workflow
    def waits() -> Any:
        return wait_for_event("never")

    @workflow
    def compensates() -> Any:
        return [done, broken]

    @workflow
    def one() -> Any:
        return call(waits)

    @workflow
    def two() -> Any:
        return call(compensates)

    first = kit.start_workflow(one)
    kit.settle()
    (child,) = first.children
    kit.engine.cancel(child)
    kit.assert_workflow_failed(first, "ExecutionFailed")
    assert "cancelled" in first.error["message"]  # type: ignore[index]
    second = kit.start_workflow(two)
    kit.assert_workflow_failed(second, "ExecutionFailed")
    assert "compensated" in second.error["message"]  # type: ignore[index]


def test_a_cancel_goes_down_to_all_open_descendants(kit: Kit) -> None:
    @workflow
    def grandchild() -> Any:
        return wait_for_event("never")

    @workflow
    def child() -> Any:
        return call(grandchild)

    @workflow
    def quick() -> Any:
        return double

    @workflow
    def parent() -> Any:
        return [call(quick, input={"n": 1}), parallel(call(child, name="a"), call(child, name="b"))]

    run = kit.start_workflow(parent)
    kit.settle()
    kit.engine.cancel(run, reason="enough")
    kit.assert_workflow_status(run, "cancelled")
    kit.settle()
    statuses = sorted((each.workflow, each.status) for each in kit.executions() if each.id != run.id)
    assert statuses == [
        ("child", "cancelled"),
        ("child", "cancelled"),
        ("grandchild", "cancelled"),
        ("grandchild", "cancelled"),
        ("quick", "completed"),
    ]


def test_a_child_cancelled_in_the_middle_of_its_body_is_interrupted(kit: Kit) -> None:
    import asyncio
    import threading

    begun = threading.Event()

    @step
    async def long() -> None:
        begun.set()
        await asyncio.sleep(30)

    @workflow
    def child() -> Any:
        return long

    @workflow
    def parent() -> Any:
        return call(child)

    run = kit.start_workflow(parent)
    assert begun.wait(10)
    kit.engine.cancel(run, mode="terminate")
    kit.assert_workflow_status(run, "cancelled")
    (below,) = run.children
    kit.assert_workflow_status(below, "cancelled")


def test_no_resume_and_no_crash_makes_a_second_child(kit: Kit) -> None:
    crashed: list[int] = []

    @workflow
    def child() -> Any:
        return [sleep_for(60), double]

    @step
    def calls(ctx: Context) -> list[Any]:
        ctx.sleep_for(1)
        first = ctx.call(child, {"n": 1})
        if not crashed:
            crashed.append(1)
            kit.simulate_crash()
        return [first, ctx.call(child, {"n": 2})]

    @workflow
    def parent() -> Any:
        return calls

    run = kit.start_workflow(parent)
    kit.advance(seconds=1)
    kit.simulate_crash()
    kit.engine.pause(run)
    kit.engine.resume(run)
    kit.advance(seconds=60)
    kit.simulate_crash()
    kit.advance(seconds=60)
    assert kit.assert_workflow_completed(run).output == [2, 4]
    assert len(kit.executions(child)) == 2


def test_wait_false_gives_the_id_and_leaves_the_child_alone(kit: Kit) -> None:
    @workflow
    def child() -> Any:
        return [sleep_for(3600), double]

    @step
    def fire(ctx: Context) -> list[str]:
        return [ctx.call(child, {"n": 1}, name="one", wait=False), ctx.call(child, {"n": 2}, name="two", wait=False)]

    @workflow
    def parent() -> Any:
        return [call(child, input={"n": 0}, name="zero", wait=False), fire]

    run = kit.start_workflow(parent)
    kit.assert_workflow_completed(run)
    kit.settle()
    ids = [run.context["zero"], run.context["one"], run.context["two"]]
    assert ids == [each.id for each in run.children]
    assert {each.status for each in run.children} == {"waiting"}
    kit.advance(hours=1)
    assert [each.output for each in run.children] == [0, 2, 4]


def test_a_child_that_nobody_waits_for_may_fail_alone(kit: Kit) -> None:
    @step
    def broken() -> None:
        raise ValueError("alone")

    @workflow
    def child() -> Any:
        return broken

    @workflow
    def parent() -> Any:
        return [call(child, wait=False), sleep_for(1)]

    run = kit.start_workflow(parent)
    kit.advance(seconds=1)
    kit.assert_workflow_completed(run)
    kit.assert_workflow_failed(run.children[0], "ValueError")


def test_recursion_goes_by_name(kit: Kit) -> None:
    @step
    def factorial(ctx: Context, n: int) -> int:
        return 1 if n < 2 else n * int(ctx.call("recursive", {"n": n - 1}))

    @workflow
    def recursive() -> Any:
        return factorial

    run = kit.start_workflow(recursive, {"n": 5})
    assert kit.assert_workflow_completed(run).output == 120
    assert len(kit.executions(recursive)) == 5


def test_a_call_that_times_out_cancels_its_child_and_gives_the_timeout_value(kit: Kit) -> None:
    @workflow
    def child() -> Any:
        return [wait_for_event("never")]

    @step
    def in_body(ctx: Context) -> Any:
        return [ctx.call(child, {}, timeout=60, timeout_value="late in body")]

    @workflow
    def parent() -> Any:
        return [call(child, name="node", timeout=60, timeout_value="late"), in_body]

    run = kit.start_workflow(parent)
    kit.advance(seconds=60)
    kit.assert_waiting_for(run, "child")
    assert [each.status for each in run.children] == ["cancelled", "waiting"]
    kit.advance(seconds=60)
    kit.assert_workflow_completed(run)
    assert (run.context["node"], run.output) == ("late", ["late in body"])
    assert [each.status for each in run.children] == ["cancelled", "cancelled"]


def test_a_hundred_children_of_one_parallel_end_and_join(kit: Kit) -> None:
    from durable_core.dsl import foreach

    @workflow
    def child() -> Any:
        return double

    @workflow
    def parent() -> Any:
        return foreach(
            "all",
            call(child, input=lambda ctx: {"n": ctx.item}),
            items=lambda ctx: list(range(100)),
            concurrency=50,
            collect="got",
        )

    run = kit.start_workflow(parent)
    assert kit.assert_workflow_completed(run, timeout=40).context["got"] == [2 * n for n in range(100)]
