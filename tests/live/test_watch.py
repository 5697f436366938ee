"""engine.watch: what a reader sees of an execution that goes on, in this process and from another one."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from durable_core.dsl import foreach, loop, parallel, step, wait_for_input, workflow
from durable_core.engine.engine import Engine
from durable_core.engine.watching import Watch
from durable_core.errors import ExecutionNotFoundError, InputValidationError
from durable_core.live.fetch import fetch_view
from tests.engine.runs import Held


@pytest.fixture
def held() -> Held:
    return Held()


def flow_of(held: Held):
    @step
    def first(ctx):
        held()

    @step
    def second(ctx):
        print("nearly there")

    @workflow
    def watched():
        return [first, second]

    return watched


def test_a_watch_ends_with_the_terminal_view(engine: Engine, held: Held) -> None:
    """The first view comes at once, revisions only rise, and the last view is the end."""
    run = engine.start(flow_of(held), {})
    watch = engine.watch(run, rate=100)
    views = [next(watch)]
    assert not views[0].is_terminal
    held.let_go()
    views += list(watch)
    assert [view.revision for view in views] == sorted(view.revision for view in views)
    assert [view.is_terminal for view in views].index(True) == len(views) - 1
    assert views[-1].status == "completed"
    assert views[-1].counts == {"completed": 2}
    assert [line.message for line in views[-1].lines] == ["nearly there"]


def test_a_watch_from_elsewhere_sees_the_same(engine: Engine, viewer: Engine, held: Held) -> None:
    """An engine that shares nothing but the store sees the running step, then the end."""
    run = engine.start(flow_of(held), {})
    held.wait_begun()
    watch = viewer.watch(run.id, rate=50)
    assert next(watch).current_steps == ("first",)
    assert viewer.changes.wait_ready(5)
    held.let_go()
    *_, last = watch
    assert last.status == "completed"
    with engine.database.read() as tx:
        assert last == fetch_view(tx, run.id)


def test_a_watch_of_an_ended_execution_gives_one_view(engine: Engine, held: Held) -> None:
    """There is nothing more to come."""
    held.let_go()
    run = engine.run(flow_of(held), {})
    assert [view.status for view in engine.watch(run)] == ["completed"]


def test_views_come_no_faster_than_the_rate(engine: Engine) -> None:
    """Of a quick loop a reader gets the newest state now and then, not each one."""

    @step
    def again(ctx):
        ctx.increment("n", 1)
        time.sleep(0.002)

    @workflow
    def quick():
        return [loop("spin", [again], while_=lambda ctx: ctx.get("n", 0) < 150)]

    run = engine.start(quick, {})
    seen = [time.monotonic() for _ in engine.watch(run, rate=20)]
    assert len(seen) > 3
    assert all(after - before >= 0.049 for before, after in zip(seen, seen[1:], strict=False))


def test_async_for_watches_too(engine: Engine, held: Held) -> None:
    """The event loop stays free between the views, and a reader that gave up waiting can go on."""
    run = engine.start(flow_of(held), {})

    async def read() -> list[str]:
        watch = engine.watch(run, rate=50)
        statuses = [(await anext(watch)).status]
        with pytest.raises(TimeoutError):
            while True:
                await asyncio.wait_for(anext(watch), 0.2)
        held.let_go()
        statuses += [view.status async for view in watch]
        return statuses

    assert asyncio.run(read())[-1] == "completed"


def test_a_closed_watch_tells_the_reader_that_waits(engine: Engine, held: Held) -> None:
    """Closing from another thread ends the loop; so does closing the engine."""
    run = engine.start(flow_of(held), {})
    watch = engine.watch(run)
    next(watch)
    done = threading.Event()

    def read() -> None:
        for _ in watch:
            pass
        done.set()

    reader = threading.Thread(target=read)
    reader.start()
    watch.close()
    reader.join(5)
    held.let_go()
    assert done.is_set()


def test_nothing_listens_after_a_watch(engine: Engine, held: Held) -> None:
    """An ended or forgotten watch leaves no subscription behind: steps cost what they cost without one."""
    held.let_go()
    run = engine.start(flow_of(held), {})
    before = engine.changes._heard
    list(engine.watch(run))
    engine.watch(run)  # dropped at once
    assert not engine.bus._by_execution
    assert engine.changes._heard == before


def test_a_question_is_in_the_view(engine: Engine) -> None:
    """Who watches knows what is asked, and sees who answered."""

    @workflow
    def asking():
        return [wait_for_input("approval", type="approval", prompt="Go?")]

    run = engine.start(asking, {})
    for view in engine.watch(run, rate=50):
        if view.questions and view.status == "waiting":
            [question] = view.questions
            assert (question.name, question.type, question.prompt) == ("approval", "approval", "Go?")
            engine.provide_input(run, "approval", "approved", by="ana")
    assert view.answered == {("approval", ()): "ana"}


def test_flags_and_reason_are_in_the_view(engine: Engine, held: Held) -> None:
    """A paused execution says so, and why."""
    run = engine.start(flow_of(held), {})
    held.wait_begun()
    engine.pause(run, reason="bank is down")
    view = next(engine.watch(run))
    assert view.flags == ("paused",) and view.reason == "bank is down"
    held.let_go()


def test_a_view_draws_the_same_graph_as_the_execution(engine: Engine) -> None:
    """`view.graph()` is `run.graph()`, without another look at the store and without the user's code."""

    @step
    def one(ctx):
        return None

    @workflow
    def drawn():
        return [
            one,
            parallel("both", one.with_options(name="a"), one.with_options(name="b")),
            foreach("each", one.with_options(name="c"), items=lambda ctx: [1, 2]),
        ]

    run = engine.run(drawn, {})
    *_, view = engine.watch(run)
    assert view.graph().to_json() == run.graph().to_json()
    assert view.graph().to_text(80) == run.graph().to_text(80)


def test_a_known_view_is_brought_up_to_date(engine: Engine) -> None:
    """Reading on from an earlier view gives what reading everything gives."""

    @step
    def again(ctx):
        ctx.increment("n", 1)
        print("pass", ctx["n"])

    @workflow
    def looping():
        return [loop("spin", [again], while_=lambda ctx: ctx.get("n", 0) < 20)]

    run = engine.start(looping, {})
    known = None
    for view in engine.watch(run, rate=1000):
        known = known or view
    with engine.database.read() as tx:
        assert fetch_view(tx, run.id, known=known) == fetch_view(tx, run.id) == view


def test_what_there_is_not_cannot_be_watched(engine: Engine) -> None:
    """An unknown id and a rate of zero are told at once."""
    with pytest.raises(ExecutionNotFoundError):
        engine.watch("wf_nobody")
    with pytest.raises(InputValidationError, match="rate"):
        Watch(engine, "wf_nobody", 0)
