"""`engine.explain`: why it is where it is, what would move it, what comes next."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from durable_core.dsl import (
    Retry,
    call,
    foreach,
    parallel,
    registry,
    sleep_for,
    step,
    wait_for_all,
    wait_for_event,
    wait_for_input,
    workflow,
)
from durable_core.engine.engine import Engine
from durable_core.errors import ExecutionNotFoundError
from tests.engine.runs import PATIENCE, Held, end_of, until


def flow(*nodes: Any, name: str = "flow", **options: Any) -> Any:
    @workflow(name=name, **options)
    def flow() -> Any:
        return list(nodes)

    return flow


def plain(name: str, **options: Any) -> Any:
    @step(name=name, **options)
    def body(ctx: Any) -> None:
        ctx[name] = True

    return body


def test_a_running_step_names_its_worker_and_lease(engine: Engine) -> None:
    held = Held()

    @step
    def slow(ctx: Any) -> None:
        held()

    run = engine.start(flow(plain("a"), slow, plain("b")))
    held.wait_begun()
    found = engine.explain(run)
    held.let_go()
    (place,) = found.places
    assert (place.status, place.name, place.worker) == ("running", "slow", engine.workers[0].id)
    assert place.lease_until is not None
    assert "slow has run for" in place.sentence and "its lease holds" in place.sentence
    assert [(each.name, each.now) for each in found.next] == [("slow", True), ("b", False)]
    assert found.definition == "identical"
    run.wait(PATIENCE)


def test_a_wait_tells_until_when_and_how_it_is_met(engine: Engine) -> None:
    run = engine.start(flow(wait_for_event("paid", timeout=3600.0, name="payment"), plain("ship")))
    until(lambda: run.status == "waiting")
    found = engine.explain(run)
    (place,) = found.places
    assert place.wait == "event paid"
    assert place.due_at is not None
    assert "payment has waited for the event 'paid'" in place.sentence and "when it goes on without" in place.sentence
    assert found.moves == (f"Send it: durable-studio event paid --to {run.id}.",)
    assert [each.name for each in found.next] == ["ship"]
    assert str(found).splitlines()[0].startswith(f"flow {run.id} waits")


def test_of_several_events_the_missing_ones_are_told_and_what_they_must_bring(engine: Engine) -> None:
    run = engine.start(flow(wait_for_all(["packed", "paid", "checked"], where={"order": "$id"})), {"id": 7})
    until(lambda: run.status == "waiting")
    engine.send_event("packed", {"order": 7}, execution_id=run)
    (place,) = engine.explain(run).places
    assert "all of the events 'packed', 'paid', 'checked', of which 'paid', 'checked' are missing, where order = 7" in (
        place.sentence
    )
    assert place.moved_by == f"Send it: durable-studio event paid '{{\"order\": 7}}' --to {run.id}."


def test_what_comes_after_the_last_of_a_branch_is_what_comes_after_all_of_them(engine: Engine) -> None:
    """A parallel that is open is not ahead; a foreach is while an item has not begun."""
    sides = {"nap": sleep_for(hours=2, name="nap"), "ask": [wait_for_event("go"), plain("thank")]}
    run = engine.start(flow(parallel("sides", sides), plain("after")))
    until(lambda: run.status == "waiting")
    assert {each.name for each in engine.explain(run).next} == {"after", "thank"}
    each = foreach("each", wait_for_event("go"), items=lambda ctx: [1, 2], concurrency=1)
    run = engine.start(flow(each, plain("after"), name="items"))
    until(lambda: run.status == "waiting")
    assert [one.sentence for one in engine.explain(run).next][0] == "Next may come each (its next item)."
    engine.send_event("go", execution_id=run)
    until(lambda: [one.name for one in engine.explain(run).next] == ["after"])


def test_questions_sleeps_and_children(engine: Engine) -> None:
    child = flow(wait_for_event("never"), name="child")
    sides = {
        "ask": [wait_for_input("approve", type="approval", prompt="Really?")],
        "nap": [sleep_for(hours=2, name="nap")],
        "kid": [call(child, name="kid")],
    }
    run = engine.start(flow(parallel("sides", sides)))
    until(lambda: run.status == "waiting" and len(run.children) == 1)
    found = engine.explain(run)
    said = "\n".join(found.sentences)
    assert "has waited for somebody to answer 'approve' (Really?)" in said
    assert f"durable-studio inputs answer {run.id} approve VALUE" in said
    assert "nap has slept for" in said
    assert f"has waited for its child {run.children[0].id}" in said
    assert "sides waits for its branches: 0 of 3 ended, 3 open." in said


def test_a_retry_tells_when_and_after_what(engine: Engine) -> None:
    @step(retry=Retry(max_attempts=3, base=600.0, cap=600.0))
    def flaky(ctx: Any) -> None:
        raise ConnectionError("the line is dead")

    run = engine.start(flow(flaky))
    until(lambda: run.status == "waiting")
    (place,) = engine.explain(run).places
    assert (place.status, place.attempt) == ("retry", 2)
    assert place.error is not None and place.error["type"] == "ConnectionError"
    assert "Attempt 2 of 3 of flaky is due in 10 min after ConnectionError: the line is dead." == place.sentence


def test_nobody_takes_it_up(store_url: str) -> None:
    """No worker, none that knows it, none that serves its queue, or a paused queue."""
    with Engine(store_url, worker=False) as engine:
        run = engine.start(flow(plain("a")), queue="special")
        assert "no worker runs on this store" in str(engine.explain(run))
        known = registry.get("flow")
        registry.clear()
        with engine.start_worker({"default": 1}):
            assert "no worker knows the workflow 'flow'" in str(engine.explain(run))
        registry.register(known)
        with engine.start_worker({"default": 1}):
            assert "serves the queue 'special'" in str(engine.explain(run))
        engine.queues.pause("special")
        found = engine.explain(run)
        assert "the queue 'special' is paused" in str(found)
        assert found.moves == ("Let workers claim again: durable-studio queues resume special.",)


def test_paused_cancelling_and_blocked(engine: Engine) -> None:
    held = Held()

    @step
    def slow(ctx: Any) -> None:
        held()

    run = engine.start(flow(slow, plain("b")))
    held.wait_begun()
    engine.pause(run, reason="the bank is down")
    found = engine.explain(run)
    assert "has been paused for" in found.headline and "the bank is down" in found.headline
    engine.resume(run)
    engine.cancel(run, reason="no longer wanted")
    found = engine.explain(run)
    assert "is being cancelled: no longer wanted; it waits for 1 running body to end." in found.headline
    held.let_go()
    run.wait(PATIENCE)
    assert "ended cancelled" in engine.explain(run).headline


def test_where_it_failed_and_what_helps(engine: Engine) -> None:
    @step
    def bad(ctx: Any, item: int) -> None:
        raise ValueError("not this one")

    run = end_of(engine, flow(foreach("each", bad, items=lambda ctx: [1])))
    found = engine.explain(run)
    assert "ended failed" in found.headline and "in bad[0]: ValueError: not this one." in found.headline
    (move,) = found.moves
    assert f"durable-studio retry {run.id}" in move and "fork" in move
    assert found.places == () and found.next == ()


def test_what_would_be_undone_in_reverse_order(engine: Engine) -> None:
    def undo(ctx: Any) -> None:
        return None

    run = engine.start(flow(plain("a", compensate=undo), plain("b", compensate=undo), wait_for_event("go")))
    until(lambda: run.status == "waiting")
    found = engine.explain(run)
    assert [(each.name, each.handler) for each in found.undo] == [("b", "undo"), ("a", "undo")]
    assert "If it failed, these would be undone, in this order: b, a." in found.sentences


def test_the_usual_duration_is_the_median_of_earlier_attempts(engine: Engine) -> None:
    @step
    def takes(ctx: Any) -> None:
        time.sleep(ctx["seconds"])

    known = flow(wait_for_event("go", name="gate"), takes)
    runs = [engine.start(known, {"seconds": seconds}) for seconds in (0.0, 0.02, 0.3)]
    for run in runs:
        until(lambda run=run: run.status == "waiting")
        engine.send_event("go", execution_id=run)
        run.wait(PATIENCE)
    run = engine.start(known, {"seconds": 0})
    until(lambda: run.status == "waiting")
    (after,) = engine.explain(run).next
    assert (after.name, after.seen) == ("takes", 3)
    assert after.usual_ms is not None and 15 < after.usual_ms < 250


def test_a_changed_definition_is_told(engine: Engine) -> None:
    """T-7: identical, bodies, ahead, behind and incompatible are named."""
    run = engine.start(flow(plain("a"), wait_for_event("go", name="gate"), plain("b")))
    until(lambda: run.status == "waiting")
    flow(plain("a"), wait_for_event("go", name="gate"), plain("new"), plain("b"))
    found = engine.explain(run)
    assert (found.definition, found.change) == ("ahead", "flow: added new")
    assert found.sentences[-1] == "The code here differs (ahead): flow: added new."


def test_it_is_json_and_knows_what_is_not_there(engine: Engine) -> None:
    run = end_of(engine, flow(plain("a")))
    found = json.loads(json.dumps(engine.explain(run).to_dict()))
    assert found["status"] == "completed" and "ended completed" in found["sentences"][0]
    with pytest.raises(ExecutionNotFoundError):
        engine.explain("wf_none")
