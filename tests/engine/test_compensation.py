"""Compensation: in reverse order of completion, once each, with the context as the step left it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from durable_core.dsl import Retry, foreach, loop, parallel, step, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import InvalidStateError
from durable_core.executor.claim import Claim
from durable_core.executor.worker import Worker
from tests.engine.runs import Held, attempts, end_of, undone, until


def flow(*nodes: Any, name: str = "flow", **options: Any) -> Any:
    @workflow(name=name, **options)
    def flow() -> Any:
        return list(nodes)

    return flow


@step
def fails(ctx: Any) -> None:
    raise ValueError("the end")


class Book:
    """Steps that can be undone, and what their handlers saw."""

    def __init__(self) -> None:
        self.undone: list[Any] = []

    def step(self, name: str, held: Held | None = None, **options: Any) -> Any:
        def undo(ctx: Any) -> None:
            self.undone.append((name, ctx.get("n"), ctx.output, tuple(ctx.iterations)))

        @step(name=name, compensate=undo, **options)
        def body(ctx: Any) -> str:
            if held is not None:
                held()
            ctx.increment("n")
            return f"{name} {ctx['n']}"

        return body

    @property
    def names(self) -> list[str]:
        return [entry[0] for entry in self.undone]


def test_handlers_run_in_reverse_with_what_their_steps_left(engine: Engine) -> None:
    """T-5: one recorded compensation each, in reverse order of completion; `ctx.output` is what the step returned."""
    book = Book()
    run = end_of(engine, flow(book.step("a"), book.step("b"), book.step("c"), fails), {"n": 0})
    assert run.status == "compensated"
    assert book.undone == [("c", 3, "c 3", ()), ("b", 2, "b 2", ()), ("a", 1, "a 1", ())]
    assert undone(run) == ["c", "b", "a"]
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("ValueError", "fails")
    assert [entry["name"] for entry in run.compensations] == ["c", "b", "a"]


def test_the_failing_step_itself_is_not_undone(engine: Engine) -> None:
    """The failing step's own handler does not run."""
    ran: list[str] = []

    @step(compensate=lambda ctx: ran.append("bad"))
    def bad(ctx: Any) -> None:
        raise ValueError("the end")

    run = end_of(engine, flow(bad))
    assert run.status == "failed"
    assert ran == []


def test_every_iteration_is_undone_on_its_own(engine: Engine) -> None:
    """T-5: each iteration on its own, in reverse, with the context of that iteration."""
    book = Book()
    again = loop("again", book.step("a"), while_=lambda ctx: ctx.iteration < 3)
    run = end_of(engine, flow(again, fails), {"n": 0})
    assert run.status == "compensated"
    assert book.undone == [("a", n + 1, f"a {n + 1}", (n,)) for n in (2, 1, 0)]


def test_items_and_branches_are_undone(engine: Engine) -> None:
    """T-5: parallel branches and items included; a handler sees its branch's context."""
    book = Book()
    both = parallel("all", [book.step("a"), book.step("b")], book.step("c"), concurrency=1)
    each = foreach("each", book.step("d"), items=lambda ctx: [1, 2])
    run = end_of(engine, flow(both, each, fails), {"n": 0})
    assert run.status == "compensated"
    assert book.names == ["d", "d", "c", "b", "a"]
    assert [entry[1] for entry in book.undone] == [4, 4, 1, 2, 1]
    assert [entry[3] for entry in book.undone] == [(1,), (0,), (), (), ()]


def test_a_failing_handler_is_recorded_and_the_chain_goes_on(engine: Engine) -> None:
    """T-5: ends compensation_failed; the other handlers run all the same."""
    book = Book()
    broken = [True]

    def undo(ctx: Any) -> None:
        if broken[0]:
            raise RuntimeError("cannot undo")
        book.undone.append(("bad", None, None, ()))

    @step(compensate=undo)
    def bad(ctx: Any) -> str:
        return "bad"

    run = end_of(engine, flow(book.step("a"), bad, book.step("c"), fails))
    assert run.status == "compensation_failed"
    assert book.names == ["c", "a"]
    assert run.error is not None
    assert run.error["step"] == "fails"
    broken[0] = False
    engine.retry(run)
    assert run.wait(15).status == "compensated"
    assert book.names == ["c", "a", "bad"]


@pytest.mark.parametrize("leave", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
def test_a_handler_that_leaves_the_program_is_a_failing_handler(engine: Engine, leave: BaseException) -> None:
    """S-9, E-3: whatever a handler raises, compensation goes on."""
    book = Book()

    def undo(ctx: Any) -> None:
        raise leave

    @step(compensate=undo)
    def bad(ctx: Any) -> None: ...

    run = end_of(engine, flow(book.step("a"), bad, fails))
    assert run.status == "compensation_failed"
    assert book.names == ["a"]


def test_a_handler_is_retried_as_its_options_say(engine: Engine) -> None:
    """a @step(retry=...) as handler is retried with stored backoff."""
    tries: list[int] = []

    @step(retry=Retry(max_attempts=3, base=0.0))
    def undo(ctx: Any) -> None:
        tries.append(ctx.attempt)
        if len(tries) < 3:
            raise ConnectionError("again")

    @step(compensate=undo)
    def a(ctx: Any) -> None: ...

    run = end_of(engine, flow(a, fails))
    assert run.status == "compensated"
    assert tries == [1, 2, 3]
    assert undone(run) == ["a"]


def test_an_asynchronous_handler_runs(engine: Engine) -> None:
    """Handlers may be async."""
    ran: list[str] = []

    async def undo(ctx: Any) -> None:
        await asyncio.sleep(0)
        ran.append(ctx.output)

    @step(compensate=undo)
    def a(ctx: Any) -> str:
        return "made"

    run = end_of(engine, flow(a, fails))
    assert run.status == "compensated"
    assert ran == ["made"]


def test_a_handler_over_its_timeout_fails(engine: Engine) -> None:
    """S-8: a handler's timeout is enforced as well."""
    held = Held()

    @step(timeout=0.05)
    def undo(ctx: Any) -> None:
        held()

    @step(compensate=undo)
    def a(ctx: Any) -> None: ...

    run = end_of(engine, flow(a, fails))
    held.let_go()
    assert run.status == "compensation_failed"


def test_a_handler_cannot_change_the_context(engine: Engine) -> None:
    """A handler reads the context; what it writes would be lost, so it is refused."""

    def undo(ctx: Any) -> None:
        ctx["x"] = 1

    @step(compensate=undo)
    def a(ctx: Any) -> None: ...

    assert end_of(engine, flow(a, fails)).status == "compensation_failed"


def test_cancel_with_compensation_undoes_what_was_done(engine: Engine) -> None:
    """T-6: compensate lets running bodies finish and be recorded, then the handlers run."""
    book, held = Book(), Held()
    run = engine.start(flow(book.step("a"), book.step("b", held), book.step("c")))
    held.wait_begun()
    engine.cancel(run, mode="compensate")
    assert book.undone == []
    held.let_go()
    assert run.wait(15).status == "compensated"
    assert book.names == ["b", "a"]


def test_graceful_cancel_undoes_nothing(engine: Engine) -> None:
    """T-6: only `mode="compensate"` runs handlers."""
    book, held = Book(), Held()
    run = engine.start(flow(book.step("a"), book.step("b", held)))
    held.wait_begun()
    engine.cancel(run)
    held.let_go()
    assert run.wait(15).status == "cancelled"
    assert book.undone == []


def test_a_running_sibling_of_a_failure_ends_and_is_undone(engine: Engine) -> None:
    """T-5: compensation begins only when no body runs any more; a sibling's completion is recorded and undone."""
    book, held = Book(), Held()

    @step
    def bad(ctx: Any) -> None:
        assert held.begun.acquire(timeout=15)
        raise ValueError("the end")

    run = engine.start(flow(book.step("a"), parallel("all", bad, book.step("b", held))))
    until(lambda: attempts(run, "bad") == [(1, "failed")], "the failure")
    assert book.undone == []
    assert run.status == "running"
    held.let_go()
    assert run.wait(15).status == "compensated"
    assert book.names == ["b", "a"]


def test_a_workflow_timeout_compensates(engine: Engine) -> None:
    """After a terminal failure handlers run, whatever the failure is."""
    book, held = Book(), Held()
    run = engine.start(flow(book.step("a"), book.step("b", held), timeout=0.2))
    held.wait_begun()
    until(lambda: run.cancelling, "the deadline")
    held.let_go()
    assert run.wait(15).status == "compensated"
    assert book.names == ["b", "a"]
    assert run.error is not None
    assert run.error["type"] == "WorkflowTimeoutError"


def test_while_it_compensates_only_terminate_stops_it(engine: Engine) -> None:
    """T-5: handlers run to their end; cancel and pause say so, terminate leaves the rest undone."""
    held = Held()

    @step(compensate=lambda ctx: held())
    def a(ctx: Any) -> None: ...

    run = engine.start(flow(a, fails))
    held.wait_begun()
    assert run.status == "compensating"
    for act in (engine.cancel, engine.pause, engine.retry):
        with pytest.raises(InvalidStateError):
            act(run)
    engine.cancel(run, mode="terminate")
    held.let_go()
    assert run.wait(15).status == "cancelled"


def test_a_compensated_execution_is_final(engine: Engine) -> None:
    """S-10: terminal rows never change; a compensated execution cannot be retried."""
    book = Book()
    run = end_of(engine, flow(book.step("a"), fails))
    assert run.status == "compensated"
    with pytest.raises(InvalidStateError):
        engine.retry(run)
    assert end_of(engine, flow(book.step("z"), name="other")).status == "completed"
    assert run.status == "compensated"


def test_a_handler_does_not_begin_when_the_lease_was_lost_while_it_was_looked_for(engine: Engine) -> None:
    """S-4: the lease is looked at right before the handler, not only before the store is asked for it."""
    book = Book()
    released: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        looked: list[bool] = []

        def once(self: Worker, claim: Claim) -> bool:
            if claim.token.mode != "compensate":
                return True
            looked.append(True)
            return len(looked) == 1

        patch.setattr(Worker, "_still_held", once)
        patch.setattr(Worker, "_released", lambda self, claim: released.append(claim.token_id))
        run = engine.start(flow(book.step("a"), fails), {"n": 0})
        until(lambda: released, "the release")
        assert book.undone == []
        assert len(looked) == 2
    engine.abandon_workers()
    engine.start_worker()
    assert run.wait(20).status == "compensated"
    assert book.names == ["a"]
