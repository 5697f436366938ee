"""Starting: ids, idempotency keys, priorities, later starts, queues and tags; several workers and engines."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable_core.dsl import Retry, foreach, parallel, registry, step, workflow
from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution
from durable_core.errors import (
    ExecutionExistsError,
    ExecutionFailed,
    ExecutionNotFoundError,
    InputValidationError,
    InvalidStateError,
)
from tests.engine.runs import Held, attempts, completed, end_of, until


def flow(*nodes: Any, name: str = "flow", **options: Any) -> Any:
    @workflow(name=name, **options)
    def flow() -> Any:
        return list(nodes)

    return flow


@step
def body(ctx: Any) -> int:
    return int(ctx.increment("n"))


def test_an_explicit_id_is_taken_once(engine: Engine) -> None:
    """`id=`: the same id again is an error that says what to do."""
    run = end_of(engine, flow(body), id="order-1")
    assert run.id == "order-1"
    with pytest.raises(ExecutionExistsError):
        engine.start(flow(body), id="order-1")
    assert engine.get_execution("order-1").output == 1


def test_an_idempotency_key_starts_one_execution(engine: Engine) -> None:
    """E-2: one execution however often and from wherever it is started; scoped to the workflow."""
    both = flow(body), flow(body, name="other")
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda n: engine.start(both[0], {"x": n}, idempotency_key="k"), range(16)))
    assert len({run.id for run in runs}) == 1
    assert engine.start(both[1], idempotency_key="k").id != runs[0].id
    assert runs[0].wait(15).status == "completed"
    assert engine.start(both[0], idempotency_key="k").id == runs[0].id
    assert engine.start(both[0], idempotency_key="l").id != runs[0].id


def test_higher_priority_is_taken_first(store_url: str) -> None:
    """`priority=`: higher priority first, then in the order of starting."""
    order: list[str] = []

    @step
    def note(ctx: Any) -> None:
        order.append(ctx.execution_id)

    with Engine(store_url, worker=False) as client:
        for name, priority in (("low", -1), ("first", 0), ("second", 0), ("high", 5)):
            client.start(flow(note), id=name, priority=priority)
    with Engine(store_url, queues={"default": 1}) as engine:
        engine.start_worker()
        for name in ("low", "first", "second", "high"):
            engine.get_execution(name).wait(15)
    assert order == ["high", "first", "second", "low"]


def test_a_later_start_waits_for_its_time(engine: Engine) -> None:
    """`at=`: it does not begin before its time; a time that has passed begins at once."""
    later = engine.start(flow(body), at=datetime.now(UTC) + timedelta(hours=1))
    due = datetime.now(UTC) + timedelta(seconds=0.3)
    soon = engine.start(flow(body), at=due)
    past = end_of(engine, flow(body), at=datetime.now(UTC) - timedelta(hours=1))
    assert past.status == "completed"
    assert soon.wait(15).status == "completed"
    assert later.status == "pending"
    assert completed(later) == []
    began = soon.started_at
    assert began is not None
    assert began >= due


def test_a_naive_time_is_refused(engine: Engine) -> None:
    """naive datetimes are refused."""
    with pytest.raises(Exception, match="(?i)time ?zone|naive"):
        engine.start(flow(body), at=datetime(2026, 1, 1))


def test_tags_are_kept(engine: Engine) -> None:
    """`tags=`: those of the workflow, then those of the start."""
    run = end_of(engine, flow(body, tags=("a", "b")), tags=("b", "c"))
    assert run.tags == ("a", "b", "c")


def test_run_raises_what_did_not_complete(engine: Engine) -> None:
    """engine.run: ExecutionFailed with status, step and cause for any end but completed."""

    @step
    def bad(ctx: Any) -> None:
        raise ValueError("broken")

    with pytest.raises(ExecutionFailed, match="broken") as raised:
        engine.run(flow(bad))
    assert (raised.value.status, raised.value.step) == ("failed", "bad")


def test_wait_raises_only_timeout_error(engine: Engine) -> None:
    """run.wait(timeout=): blocks, returns the Execution, raises only TimeoutError."""
    held = Held()

    @step
    def slow(ctx: Any) -> None:
        held()

    run = engine.start(flow(slow))
    with pytest.raises(TimeoutError):
        run.wait(0.05)
    held.let_go()
    assert run.wait(15) is run


def test_an_execution_can_be_awaited(engine: Engine) -> None:
    """`await run` in async code; everything works where an event loop runs."""

    async def main() -> Any:
        run = await engine.start(flow(body))
        return run.output

    assert asyncio.run(main()) == 1


@pytest.mark.slow
def test_a_step_of_another_queue_runs_where_that_queue_is_served(store_url: str) -> None:
    """Steps with another `queue` run on workers of that queue, and the flow comes back."""
    threads: list[tuple[str, str]] = []
    only_one = threading.Lock()

    def on(name: str, queue: str | None = None) -> Any:
        @step(name=name, queue=queue)
        def where(ctx: Any) -> str:
            with only_one:
                threads.append((name, queue or "default"))
            return name

        return where

    both = parallel("all", on("b", "gpu"), on("c"))
    with Engine(store_url, queues={"default": 4}) as engine:
        run = engine.start(flow(on("a"), both, on("d", "gpu"), on("e")))
        until(lambda: len(completed(run)) == 2, "the default part")
        assert run.status == "running" or run.status == "pending"
        engine.start_worker({"gpu": 1}, name="gpu")
        assert run.wait(15).status == "completed"
    assert [name for name, _ in threads if name in "ade"] == ["a", "d", "e"]


def test_two_workers_in_one_process_share_the_work(store_url: str) -> None:
    """T-3, S-2: two workers never run the same token; a join is decided by exactly one of them."""
    ran: list[int] = []

    @step
    def item_body(item: int) -> int:
        ran.append(item)
        return item

    each = foreach("all", item_body, items=lambda ctx: range(30), concurrency=6, collect="results")
    with Engine(store_url, queues={"default": 3}) as engine:
        engine.start_worker()
        engine.start_worker({"default": 3}, name="second")
        runs = [engine.start(flow(each)) for _ in range(3)]
        for run in runs:
            assert run.wait(30).status == "completed", run.error
            assert run.context["results"] == list(range(30))
    assert len(ran) == 90


@pytest.mark.slow
def test_two_engines_on_one_store_share_the_work(store_url: str) -> None:
    """D-2, E-1: two engines on the same store; what one starts, either runs, and both see the end."""
    with Engine(store_url, worker=False) as client, Engine(store_url) as first, Engine(store_url) as second:
        first.start_worker()
        second.start_worker()
        started = [client.start(flow(body, body.with_options(name="again"))) for _ in range(10)]
        started += [first.start(flow(body)) for _ in range(5)] + [second.start(flow(body)) for _ in range(5)]
        for run in started:
            assert run.wait(20).status == "completed"
        assert first.get_execution(started[0].id).status == second.get_execution(started[0].id).status == "completed"


@pytest.mark.slow
def test_cancel_from_another_engine_reaches_the_running_body(store_url: str) -> None:
    """T-6: the body runs elsewhere; it is asked to stop all the same."""
    begun = threading.Event()

    @step
    async def slow(ctx: Any) -> None:
        begun.set()
        await asyncio.sleep(60)

    with Engine(store_url, worker=False) as client, Engine(store_url) as worker:
        worker.start_worker()
        run = client.start(flow(slow))
        assert begun.wait(15)
        client.cancel(run)
        assert run.wait(15).status == "cancelled"


@pytest.mark.slow
def test_a_worker_leaves_alone_what_it_does_not_know(store_url: str) -> None:
    """Workers claim only workflows whose name they have registered."""
    with Engine(store_url, worker=False) as client:
        run = client.start(flow(body, name="elsewhere"))
    registry.remove("elsewhere")
    with Engine(store_url) as engine:
        assert end_of(engine, flow(body)).status == "completed"
        assert engine.get_execution(run.id).status == "pending"
        flow(body, name="elsewhere")
        assert engine.get_execution(run.id).wait(15).status == "completed"


# --- closing ---------------------------------------------------------------------------------------------------------


def crashes(engine: Engine, execution_id: str) -> int:
    return engine.get_execution(execution_id).record().crashes


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_closing_hands_running_work_back_without_counting_a_crash(store_url: str, kind: str) -> None:
    """E-4: no new claims, running steps get a grace period, leases are handed back, no crash is counted."""
    begun, release = threading.Event(), threading.Event()
    tries: list[int] = []

    @step(name="slow")
    def slow_sync(ctx: Any) -> str:
        tries.append(ctx.attempt)
        if len(tries) == 1:
            begun.set()
            release.wait(15)
        return "ok"

    @step(name="slow")
    async def slow_async(ctx: Any) -> str:
        tries.append(ctx.attempt)
        if len(tries) == 1:
            begun.set()
            await asyncio.sleep(60)
        return "ok"

    flow(slow_sync if kind == "sync" else slow_async, body)
    with Engine(store_url) as first:
        run_id = first.start("flow", id="kept").id
        assert begun.wait(15)
        first.close(grace=0.05)
    release.set()
    with Engine(store_url) as second:
        second.start_worker()
        run = second.get_execution(run_id)
        assert run.wait(15).status == "completed", run.error
        assert crashes(second, run_id) == 0
        assert tries == [1, 1]
        assert attempts(run, "slow") == [(1, "completed")]


def test_closing_lets_a_body_end_within_the_grace(store_url: str) -> None:
    """E-4: running steps get a grace period and are recorded; what follows waits for the next worker."""
    held = Held()

    @step
    def slow(ctx: Any) -> str:
        held()
        return "ok"

    flow(slow, body)
    first = Engine(store_url)
    run_id = first.start("flow").id
    held.wait_begun()
    closing = threading.Thread(target=first.close)
    closing.start()
    held.let_go()
    closing.join(15)
    assert not closing.is_alive()
    with Engine(store_url) as second:
        second.start_worker()
        run = second.get_execution(run_id)
        assert run.wait(15).status == "completed"
        assert held.entered == 1
        assert crashes(second, run_id) == 0


def test_closing_while_it_is_paused_leaves_it_paused(store_url: str) -> None:
    """E-4, pause: a body that is handed back does not begin again before `resume`."""
    held, tries = Held(), []

    @step
    def slow(ctx: Any) -> str:
        tries.append(1)
        if len(tries) == 1:
            held()
        return "ok"

    flow(slow)
    with Engine(store_url) as first:
        run_id = first.start("flow").id
        held.wait_begun()
        first.pause(run_id)
        first.close(grace=0.0)
    held.let_go()
    with Engine(store_url) as second:
        second.start_worker()
        assert end_of(second, flow(body, name="other")).status == "completed"
        assert len(tries) == 1
        assert second.get_execution(run_id).paused
        second.resume(run_id)
        assert second.get_execution(run_id).wait(15).status == "completed"


def test_closing_while_it_is_cancelled_ends_it(store_url: str) -> None:
    """E-3, E-4, T-6: a body that was asked to stop is not begun again by the next worker."""
    held = Held()

    @step(compensate=lambda ctx: None)
    def slow(ctx: Any) -> None:
        held()

    flow(slow)
    with Engine(store_url) as first:
        run_id = first.start("flow").id
        held.wait_begun()
        first.cancel(run_id)
        first.close(grace=0.0)
    held.let_go()
    with Engine(store_url) as second:
        second.start_worker()
        run = second.get_execution(run_id)
        assert run.wait(15).status == "cancelled"
        assert held.entered == 1
        assert attempts(run, "slow") == [(1, "uncertain")]


def test_a_closed_engine_says_so(store_url: str) -> None:
    """InvalidStateError: what a closed engine is asked to do."""
    engine = Engine(store_url)
    engine.close()
    engine.close()
    with pytest.raises(InvalidStateError):
        engine.start(flow(body))


def test_a_lost_worker_counts_once_for_all_its_branches(store_url: str) -> None:
    """S-6: crashes count against max_crashes; one worker that dies with many branches is one crash."""
    from durable_core.executor.takeover import bury

    release = threading.Event()
    ran: list[int] = []

    @step(retry=Retry(max_attempts=1))
    def item_body(item: int) -> int:
        ran.append(item)
        if len(ran) <= 10:
            release.wait(15)
        return item

    with Engine(store_url) as engine:
        worker = engine.start_worker()
        run = engine.start(flow(foreach("all", item_body, items=lambda ctx: range(10), concurrency=None)))
        until(lambda: len(ran) == 10, "the bodies")
        engine.committer.run(lambda tx: bury(tx, worker.id, engine.definitions.stored))
        assert crashes(engine, run.id) == 1
        release.set()
        engine.start_worker({"default": 20}, name="second")
        assert run.wait(20).status == "completed", run.error
        assert run.output == list(range(10))
        assert len(completed(run)) == 10


WRONG_STARTS: list[tuple[dict[str, Any], str]] = [
    ({"priority": "high"}, "priority"),
    ({"priority": True}, "priority"),
    ({"priority": 2**40}, "priority"),
    ({"tags": "nightly"}, "tags"),
    ({"tags": [1]}, "tag"),
    ({"queue": 5}, "queue"),
    ({"queue": ""}, "queue"),
    ({"idempotency_key": "a\nb"}, "idempotency_key"),
]


@pytest.mark.parametrize(("options", "field"), WRONG_STARTS, ids=str)
def test_a_start_that_says_nonsense_writes_nothing(engine: Engine, options: dict[str, Any], field: str) -> None:
    """The field is named, and no execution is there."""
    with pytest.raises(InputValidationError) as caught:
        engine.start(flow(body), **options)
    assert list(caught.value.errors) == [field]
    assert engine.count_executions() == 0


def test_what_is_no_workflow_cannot_be_started(engine: Engine) -> None:
    """Neither a number nor a plain function; the hint says what makes one."""
    for wrong in (5, lambda: [body], None):
        with pytest.raises(InputValidationError, match="must be a workflow or the name of one"):
            engine.start(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{"queues": {}}, {"queues": {"a": 0}}, {"queues": {"a": "x"}}, {"queues": ["a"]}, {"lease": 0}], ids=str
)
def test_an_engine_with_wrong_options_opens_no_store(store_url: str, options: dict[str, Any]) -> None:
    """Before anything is opened or written."""
    with pytest.raises(InputValidationError) as caught:
        Engine(store_url, **options)
    assert list(caught.value.errors) == list(options)


def test_waiting_for_an_execution_that_is_gone_says_so_and_keeps_no_connection(engine: Engine) -> None:
    for _ in range(50):
        with pytest.raises(ExecutionNotFoundError, match="wf_gone"):
            Execution(engine, "wf_gone").wait(5)
    assert engine.list_executions() == []


@step
async def async_body(ctx: Any) -> int:
    return int(ctx.increment("n"))


def test_an_engine_outlives_the_worker_of_a_with_block(store_url: str) -> None:
    """Closing it a second time raised "Event loop is closed", and a start after the block found nobody at work."""
    with Engine(store_url) as engine:
        with engine.worker(queues={"default": 2}):
            assert end_of(engine, flow(async_body)).status == "completed"
        assert end_of(engine, flow(body, async_body)).output == 2
