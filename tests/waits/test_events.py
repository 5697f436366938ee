"""Events: broadcast, addressed, kept, filtered, in groups, and early (W-5, W-6)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from durable_core.context import Context
from durable_core.dsl import parallel, sleep_for, step, wait_for_all, wait_for_any, wait_for_event, workflow
from durable_core.engine.engine import Engine
from durable_core.errors import ExecutionNotFoundError, InvalidStateError, LimitError
from durable_core.testing.kit import Kit

Rows = list[tuple[Any, ...]]


def waits(kit: Kit, run: Any) -> Rows:
    """Kind, event and status of every wait of an execution, members of groups too."""
    with kit.engine.database.read() as tx:
        return tx.fetch(
            "SELECT kind, event, status FROM waits WHERE execution_id = :id ORDER BY position, event", {"id": run.id}
        )


def test_a_broadcast_reaches_each_matching_open_wait_once(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return parallel("both", {"a": wait_for_event("go", name="first"), "b": wait_for_event("go", name="second")})

    runs = [kit.start_workflow(flow) for _ in range(3)]
    assert kit.send_test_event(None, "go", 7) == 6
    for run in runs:
        kit.assert_workflow_completed(run)
        assert (run.context["first"], run.context["second"]) == (7, 7)
    assert kit.send_test_event(None, "go", 8) == 0


def test_an_addressed_event_reaches_only_its_execution(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return wait_for_event("go")

    one, two = kit.start_workflow(flow), kit.start_workflow(flow)
    kit.settle()
    assert kit.send_test_event(one, "go", 1) == 1
    assert kit.assert_workflow_completed(one).output == 1
    assert two.status == "waiting"


def test_an_early_addressed_event_is_consumed_by_one_wait_in_the_order_sent(kit: Kit) -> None:
    @step
    def both(ctx: Context) -> list[Any]:
        ctx.sleep_for(60)
        return [ctx.wait_for_event("e"), ctx.wait_for_event("e")]

    @workflow
    def flow() -> Any:
        return both

    run = kit.start_workflow(flow)
    assert kit.send_test_event(run, "e", "first") == 0
    assert kit.send_test_event(run, "e", "second") == 0
    assert kit.send_test_event(run, "other", "ignored") == 0
    kit.advance(seconds=60)
    assert kit.assert_workflow_completed(run).output == ["first", "second"]


def test_an_early_broadcast_is_gone_unless_it_is_kept(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return [sleep_for(60), wait_for_event("news", timeout=60, timeout_value="missed")]

    run = kit.start_workflow(flow)
    assert kit.send_test_event(None, "news", "early") == 0
    kit.advance(seconds=120)
    assert kit.assert_workflow_completed(run).output == "missed"


def test_a_kept_broadcast_reaches_later_waits_once_each_execution_until_its_time_is_over(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return [
            wait_for_event("news", name="one", timeout=10, timeout_value="none"),
            wait_for_event("news", name="two", timeout=10, timeout_value="none"),
        ]

    before = kit.start_workflow(flow)
    assert kit.send_test_event(None, "news", "kept", keep_for=timedelta(hours=1)) == 1
    after = kit.start_workflow(flow)
    kit.advance(minutes=1)
    for run in (before, after):
        kit.assert_workflow_completed(run)
        assert (run.context["one"], run.context["two"]) == ("kept", "none")
    kit.advance(hours=1)
    late = kit.start_workflow(flow)
    kit.advance(minutes=1)
    assert kit.assert_workflow_completed(late).context["one"] == "none"


def test_an_id_makes_a_send_idempotent(kit: Kit) -> None:
    @step
    def twice(ctx: Context) -> list[Any]:
        return [ctx.wait_for_event("e"), ctx.wait_for_event("e", timeout=60, timeout_value="only once")]

    @workflow
    def flow() -> Any:
        return twice

    run = kit.start_workflow(flow)
    assert kit.send_test_event(run, "e", 1, id="delivery-1") == 1
    assert kit.send_test_event(run, "e", 2, id="delivery-1") == 1
    assert kit.send_test_event(None, "e", 3, id="delivery-1") == 1
    kit.advance(seconds=60)
    assert kit.assert_workflow_completed(run).output == [1, "only once"]


def test_an_early_event_with_an_id_is_kept_in_the_inbox_once(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return [
            sleep_for(5),
            wait_for_event("e", name="one"),
            wait_for_event("e", name="two", timeout=5, timeout_value="no"),
        ]

    run = kit.start_workflow(flow)
    assert kit.send_test_event(run, "e", 1, id="x") == 0
    assert kit.send_test_event(run, "e", 1, id="x") == 0
    kit.advance(seconds=10)
    kit.assert_workflow_completed(run)
    assert (run.context["one"], run.context["two"]) == (1, "no")


def test_many_senders_of_one_id_deliver_once(kit: Kit) -> None:
    """The promise of `id=` holds for sends at the same moment, too."""

    @step
    def collect(ctx: Context) -> list[Any]:
        return [ctx.wait_for_event("e") for _ in range(2)]

    @workflow
    def flow() -> Any:
        return collect

    run = kit.start_workflow(flow)
    kit.settle()
    with Engine(kit.engine.database.url, worker=False, clock=kit.clock) as other:
        senders = [kit.engine, other] * 6
        results = at_once(lambda number: senders[number].send_event("e", 1, execution_id=run.id, id="same"), 12)
    assert results == [1] * 12
    kit.assert_waiting_for(run, "e")


@pytest.mark.slow
def test_the_last_two_events_of_a_group_at_the_same_moment_end_it(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return wait_for_all(["a", "b"])

    runs = kit.engine.start_many(flow, [{} for _ in range(30)])
    kit.settle()
    with Engine(kit.engine.database.url, worker=False, clock=kit.clock) as other:
        for run in runs:
            sent = at_once(lambda n, id=run.id: (kit.engine, other)[n].send_event("ab"[n], n, execution_id=id), 2)
            assert sent == [1, 1]
    for run in runs:
        assert kit.assert_workflow_completed(run).output == {"a": 0, "b": 1}


def at_once(action: Callable[[int], Any], times: int) -> list[Any]:
    """What each of several threads got that do something at the same moment; errors among it."""
    start = threading.Barrier(times)
    results: list[Any] = [None] * times

    def act(number: int) -> None:
        start.wait(10)
        try:
            results[number] = action(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=act, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_filters_are_data_and_refer_to_the_context(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return wait_for_event("paid", where={"order.id": "$order_id", "sum": {"op": "ge", "value": 10}})

    one = kit.start_workflow(flow, {"order_id": "A"})
    two = kit.start_workflow(flow, {"order_id": "B"})
    assert kit.send_test_event(None, "paid", {"order": {"id": "A"}, "sum": 9}) == 0
    assert kit.send_test_event(None, "paid", {"order": {"id": "B"}, "sum": 10}) == 1
    assert kit.send_test_event(None, "paid", "no mapping at all") == 0
    kit.assert_workflow_completed(two)
    assert one.status == "waiting"


def test_an_inbox_keeps_what_a_filter_does_not_match(kit: Kit) -> None:
    @step
    def pick(ctx: Context) -> list[Any]:
        ctx.sleep_for(5)
        return [ctx.wait_for_event("e", where={"n": 2}), ctx.wait_for_event("e")]

    @workflow
    def flow() -> Any:
        return pick

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "e", {"n": 1})
    kit.send_test_event(run, "e", {"n": 2})
    kit.advance(seconds=5)
    assert kit.assert_workflow_completed(run).output == [{"n": 2}, {"n": 1}]


def test_any_takes_the_first_and_closes_the_losers(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return [wait_for_any(["paid", "cancelled"], name="outcome"), sleep_for(60)]

    run = kit.start_workflow(flow)
    assert kit.send_test_event(run, "cancelled", {"by": "ana"}) == 1
    assert kit.send_test_event(None, "paid") == 0
    kit.assert_waiting_for(run, "sleep")
    assert run.context["outcome"] == {"event": "cancelled", "payload": {"by": "ana"}}
    statuses = {(kind, event): status for kind, event, status in waits(kit, run)}
    assert statuses["member", "cancelled"] == "satisfied"
    assert statuses["member", "paid"] == "closed"


def test_the_record_says_of_each_event_of_a_group_what_became_of_it(kit: Kit) -> None:
    """W-6: which arrived, and which were closed with the group, by another's arrival or by its timeout."""

    @workflow
    def flow() -> Any:
        return [wait_for_any(["a", "b"], name="any"), wait_for_all(["c", "d"], timeout=5, name="all")]

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "b")
    kit.assert_waiting_for(run, "all")
    kit.send_test_event(run, "d")
    kit.advance(seconds=5)
    kit.assert_workflow_completed(run)
    over = {entry["name"]: entry for entry in run.history() if entry["kind"] == "wait_over"}
    assert (over["any"].status, over["any"].events) == ("satisfied", {"a": "closed", "b": "arrived"})
    assert (over["all"].status, over["all"].events) == ("timed_out", {"c": "closed", "d": "arrived"})


def test_all_takes_every_one_once_and_ignores_duplicates(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return wait_for_all(["a", "b"], name="both")

    run = kit.start_workflow(flow)
    kit.assert_waiting_for(run, "both")
    assert kit.send_test_event(None, "a", 1) == 1
    assert kit.send_test_event(None, "a", 2) == 0
    assert run.status == "waiting"
    assert kit.send_test_event(None, "b", None) == 1
    assert kit.assert_workflow_completed(run).output == {"a": 1, "b": None}


def test_any_and_all_take_what_was_sent_before_them(kit: Kit) -> None:
    @step
    def gather(ctx: Context) -> list[Any]:
        ctx.sleep_for(5)
        return [ctx.wait_for_any(["x", "y"]), ctx.wait_for_all(["x", "z"])]

    @workflow
    def flow() -> Any:
        return gather

    run = kit.start_workflow(flow)
    for name, payload in (("y", 1), ("x", 2), ("z", 3)):
        kit.send_test_event(run, name, payload)
    kit.advance(seconds=5)
    kit.assert_waiting_for(run, "wait_for_all")
    kit.send_test_event(run, "x", 4)  # the first x was taken by the any
    first, both = kit.assert_workflow_completed(run).output
    assert first == {"event": "x", "payload": 2}, "the first in written order that is there"
    assert both == {"x": 4, "z": 3}


def test_two_groups_of_one_body_do_not_share_their_members(kit: Kit) -> None:
    @step
    def gather(ctx: Context) -> list[Any]:
        return [ctx.wait_for_any(["x", "y"]), ctx.wait_for_any(["x", "y"]), ctx.wait_for_all(["x", "y"])]

    @workflow
    def flow() -> Any:
        return gather

    run = kit.start_workflow(flow)
    for name, payload in (("x", 1), ("y", 2), ("x", 3), ("y", 4)):
        kit.settle()
        assert kit.send_test_event(run, name, payload) == 1
    got = kit.assert_workflow_completed(run).output
    assert got == [{"event": "x", "payload": 1}, {"event": "y", "payload": 2}, {"x": 3, "y": 4}]


def test_an_event_for_an_execution_that_has_ended_or_is_unknown_is_refused(kit: Kit) -> None:
    @workflow
    def flow() -> Any:
        return wait_for_event("e")

    run = kit.start_workflow(flow)
    kit.send_test_event(run, "e")
    kit.assert_workflow_completed(run)
    with pytest.raises(InvalidStateError, match="completed"):
        kit.engine.send_event("e", execution_id=run)
    with pytest.raises(ExecutionNotFoundError):
        kit.engine.send_event("e", execution_id="wf_nothing")


def test_an_event_against_a_timeout_has_one_winner(kit: Kit) -> None:
    """W-6: the event came at the very moment; whoever is second changes nothing."""

    @workflow
    def flow() -> Any:
        return wait_for_event("e", timeout=60, timeout_value="timed out")

    early, late = kit.start_workflow(flow), kit.start_workflow(flow)
    kit.advance(seconds=59)
    assert kit.send_test_event(early, "e", "came") == 1
    kit.advance(seconds=1)
    assert kit.assert_workflow_completed(early).output == "came"
    assert kit.assert_workflow_completed(late).output == "timed out"
    assert kit.send_test_event(None, "e") == 0


def test_events_between_registration_and_suspension_are_not_lost(kit: Kit) -> None:
    """The sender meets executions that are on their way to their wait: each gets its event, live or from the inbox."""

    @step
    def take(ctx: Context) -> Any:
        return ctx.wait_for_event("e")

    @workflow
    def flow() -> Any:
        return take

    runs = [kit.start_workflow(flow) for _ in range(40)]
    sent = [kit.engine.send_event("e", number, execution_id=run) for number, run in enumerate(runs)]
    for number, run in enumerate(runs):
        assert kit.assert_workflow_completed(run).output == number
    assert set(sent) <= {0, 1}


def test_the_size_of_an_event_is_counted_in_bytes(kit: Kit) -> None:
    """D-6: one mebibyte."""
    with pytest.raises(LimitError):
        kit.engine.send_event("e", "ü" * 600_000)
    assert kit.engine.send_event("e", "u" * 600_000) == 0


def test_names_of_events_may_be_anything_a_name_may_be(kit: Kit) -> None:
    name = "bezahlt/Größe 🎉 ' ; --"

    @workflow
    def flow() -> Any:
        return wait_for_event(name)

    run = kit.start_workflow(flow)
    kit.send_test_event(run, name, "text payload")
    assert kit.assert_workflow_completed(run).context[name] == "text payload"
