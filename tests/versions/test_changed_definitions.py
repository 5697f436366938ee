"""T-7: definitions that change while executions of them run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from durable_core.dsl import decision, loop, parallel, registry, step, wait_for_event, workflow
from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution
from durable_core.errors import InvalidStateError, WorkflowNotFoundError
from tests.engine.runs import PATIENCE, completed, until


def flow(*nodes: Any, **options: Any) -> Any:
    @workflow(name="flow", **options)
    def flow() -> Any:
        return list(nodes)

    return flow


def noted(name: str, word: str = "", **options: Any) -> Any:
    """A step that writes down that it ran."""

    @step(name=name, **options)
    def body(ctx: Any) -> None:
        ctx.append("ran", word or name)

    return body


def go() -> Any:
    return wait_for_event("go", name="gate")


@contextmanager
def later_process(store_url: str) -> Iterator[Engine]:
    """What a process that starts afterwards has: the same store, and only the code it defines itself."""
    registry.clear()
    with Engine(store_url, worker=False) as engine:
        yield engine


def parked_at_gate(store_url: str, build: Callable[[], Any]) -> str:
    """An execution that an earlier process left waiting."""
    registry.clear()
    with Engine(store_url) as engine:
        run = engine.start(build(), {"ran": []})
        until(lambda: run.status == "waiting" and run.current_steps == ["gate"], "the gate")
        return run.id


def goes_on(engine: Engine, id: str) -> Execution:
    run = engine.get_execution(id)
    engine.send_event("go", execution_id=id)
    engine.start_worker()
    return run.wait(PATIENCE)


def blocked(engine: Engine, id: str) -> Execution:
    run = engine.get_execution(id)
    engine.send_event("go", execution_id=id)
    engine.start_worker()
    until(lambda: run.blocked, "the block")
    return run


def journal(run: Execution, kind: str) -> list[Any]:
    return [entry["detail"] for entry in run.history() if entry["kind"] == kind]


def test_the_same_structure_goes_on_with_other_bodies(store_url: str) -> None:
    """T-7: same structure with other bodies goes on."""
    id = parked_at_gate(store_url, lambda: flow(noted("a"), go(), noted("b")))
    with later_process(store_url) as engine:

        @step(name="b")
        def other(ctx: Any) -> None:
            ctx.append("ran", "the new b")

        flow(noted("a"), go(), other)
        assert engine.definition_diff(id).kind == "bodies"
        run = goes_on(engine, id)
        assert (run.status, run.context["ran"]) == ("completed", ["a", "the new b"])


def test_a_pinned_execution_finishes_on_its_structure(store_url: str) -> None:
    """T-7: with version_policy="pin", a new step ahead is not run, for the execution began without it."""
    id = parked_at_gate(store_url, lambda: flow(noted("a"), go(), noted("b")))
    with later_process(store_url) as engine:
        flow(noted("a"), go(), noted("new"), noted("b"))
        found = engine.definition_diff(id)
        assert (found.kind, found.added) == ("ahead", ("new",))
        run = goes_on(engine, id)
        assert run.context["ran"] == ["a", "b"]
        assert journal(run, "adopted") == []


def test_a_change_ahead_is_adopted_with_version_policy_auto(store_url: str) -> None:
    """T-7: a change ahead of every token is adopted when version_policy="auto"; the journal names the change."""
    id = parked_at_gate(store_url, lambda: flow(noted("a"), go(), noted("b"), version_policy="auto"))
    with later_process(store_url) as engine:
        now = flow(noted("a"), go(), noted("new"), noted("b"), version_policy="auto")
        run = goes_on(engine, id)
        assert run.context["ran"] == ["a", "new", "b"]
        assert run.record().definition_hash == now.definition.hash
        (adopted,) = journal(run, "adopted")
        assert adopted["added"] == ["new"]
        assert "added new" in adopted["change"]


def test_a_change_behind_is_not_adopted(store_url: str) -> None:
    """T-7: what changed behind a token is nothing it could do; it finishes on its pinned structure."""
    id = parked_at_gate(store_url, lambda: flow(noted("a"), go(), noted("b"), version_policy="auto"))
    with later_process(store_url) as engine:
        flow(noted("new"), noted("a"), go(), noted("b"), version_policy="auto")
        assert engine.definition_diff(id).kind == "behind"
        run = goes_on(engine, id)
        assert run.context["ran"] == ["a", "b"]
        assert journal(run, "adopted") == []


@pytest.mark.parametrize("policy", ["pin", "auto"])
def test_a_step_that_is_gone_blocks_until_it_is_back(store_url: str, policy: Any) -> None:
    """T-7: what cannot go on is parked with its reason, runs nothing, and is taken up when the code fits again."""

    def before() -> Any:
        return flow(noted("a"), go(), noted("b"), noted("c"), version_policy=policy)

    id = parked_at_gate(store_url, before)
    with later_process(store_url) as engine:
        # `gate` itself changed as well, so that nothing here can be adopted
        flow(noted("a"), wait_for_event("go", name="gate", timeout=9.0), noted("b"), version_policy=policy)
        run = blocked(engine, id)
        assert run.reason is not None
        assert run.reason.startswith("definition changed")
        assert "needs c" in run.reason
        assert completed(run) == ["a"]
        assert run.status in ("running", "waiting")
    with later_process(store_url) as engine:
        before()
        engine.start_worker()
        run = engine.get_execution(id).wait(PATIENCE)
        assert run.context["ran"] == ["a", "b", "c"]
        assert not run.blocked and run.reason is None and run.error is None
        assert [len(journal(run, kind)) for kind in ("blocked", "unblocked")] == [1, 1]


def test_a_registration_in_the_running_worker_takes_it_up(store_url: str) -> None:
    """T-7: un-parked by the sweep of a worker that was given fitting code while it ran."""
    id = parked_at_gate(store_url, lambda: flow(go(), noted("b"), noted("c")))
    with later_process(store_url) as engine:
        flow(go(), noted("b"))
        run = blocked(engine, id)
        registry.clear()
        flow(go(), noted("b"), noted("c"), noted("d"))
        run.wait(PATIENCE)
        assert run.context["ran"] == ["b", "c"]


def test_a_blocked_execution_can_be_resumed_cancelled_and_is_seen(store_url: str) -> None:
    """`resume` lets it try again; what still does not fit is blocked again; `cancel` ends it."""
    id = parked_at_gate(store_url, lambda: flow(go(), noted("b")))
    with later_process(store_url) as engine:
        flow(go(), noted("x"))
        run = blocked(engine, id)
        assert [each.id for each in engine.list_executions(status="blocked")] == [id]
        engine.resume(id)
        until(lambda: run.blocked, "the second block")
        assert len(journal(run, "blocked")) == 2
        engine.cancel(id)
        run.wait(PATIENCE)
        assert (run.status, run.blocked) == ("cancelled", False)
        with pytest.raises(InvalidStateError):
            engine.resume(id)


def test_a_replaced_version_of_this_process_runs_to_its_end(store_url: str) -> None:
    """T-7: a workflow that was defined again in one process keeps the functions of its replaced versions."""
    with Engine(store_url) as engine:
        run = engine.start(flow(noted("a"), go(), noted("b"), noted("gone")), {"ran": []})
        until(lambda: run.status == "waiting")
        flow(noted("a"), noted("other"))
        assert engine.definition_diff(run).kind == "incompatible"
        engine.send_event("go", execution_id=run)
        assert run.wait(PATIENCE).context["ran"] == ["a", "b", "gone"]


def test_a_decision_with_other_branches_is_not_asked(store_url: str) -> None:
    """T-7: nothing runs the wrong step: a decision that answers for other branches is another decision."""

    def decide(answer: str) -> Any:
        @decision(name="choose")
        def choose(ctx: Any) -> str:
            return answer

        return choose

    id = parked_at_gate(store_url, lambda: flow(go(), decide("left").branch(left=[noted("b")], right=[])))
    with later_process(store_url) as engine:
        flow(go(), decide("up").branch(up=[noted("b")], right=[]))
        run = blocked(engine, id)
        assert run.reason is not None and "choose" in run.reason


def test_only_what_lies_ahead_is_needed(store_url: str) -> None:
    """T-7: functions of steps that are done may go."""
    id = parked_at_gate(store_url, lambda: flow(noted("a"), go(), noted("b")))
    with later_process(store_url) as engine:
        flow(go(), noted("b"))
        run = goes_on(engine, id)
        assert run.context["ran"] == ["a", "b"]


def test_what_a_loop_comes_round_to_is_needed(store_url: str) -> None:
    """T-7: inside a loop, earlier steps of its body lie ahead as well."""

    def twice(*body: Any) -> Any:
        return loop("twice", list(body), while_=lambda ctx: len(ctx.get("ran", [])) < 4)

    id = parked_at_gate(store_url, lambda: flow(twice(noted("a"), go(), noted("b"))))
    with later_process(store_url) as engine:
        flow(twice(go(), noted("b")))
        run = blocked(engine, id)
        assert run.reason is not None and "needs a" in run.reason


def test_a_missing_handler_blocks_the_compensation_only(store_url: str) -> None:
    """T-7: forward steps go on without it; when it comes to compensation, that waits for the handler."""
    undone: list[str] = []

    def undo(ctx: Any) -> None:
        undone.append("a")

    @step(name="bad")
    def bad(ctx: Any) -> None:
        raise ValueError("no")

    def before() -> Any:
        return flow(noted("a", compensate=undo), go(), bad)

    id = parked_at_gate(store_url, before)
    with later_process(store_url) as engine:
        flow(go(), bad)
        run = blocked(engine, id)
        assert run.status == "compensating"
        assert run.error is not None and run.error["message"] == "no"
    with later_process(store_url) as engine:
        before()
        engine.start_worker()
        run = engine.get_execution(id).wait(PATIENCE)
        assert (run.status, undone) == ("compensated", ["a"])
        assert run.error is not None and run.error["message"] == "no"


def test_a_change_in_another_branch_is_adopted_only_ahead_of_its_token(store_url: str) -> None:
    """T-7: every open token counts: the branch that waits elsewhere too."""

    def both(*left: Any) -> Any:
        return flow(
            parallel("both", {"left": list(left), "right": [go(), noted("r")]}),
            noted("end"),
            version_policy="auto",
        )

    def wait(name: str) -> Any:
        return wait_for_event(name, name=name)

    registry.clear()
    with Engine(store_url) as engine:
        run = engine.start(both(wait("first"), noted("l")), {"ran": []})
        until(lambda: run.status == "waiting" and set(run.current_steps) == {"gate", "first"})
        id = run.id
    with later_process(store_url) as engine:
        both(wait("first"), noted("new"), noted("l"))
        assert engine.definition_diff(id).kind == "ahead"
        run = engine.get_execution(id)
        engine.start_worker()
        engine.send_event("go", execution_id=id)
        until(lambda: journal(run, "adopted"), "the adoption")
        engine.send_event("first", execution_id=id)
        assert sorted(run.wait(PATIENCE).context["ran"]) == ["end", "l", "new", "r"]


def test_a_drifted_body_goes_on_once_it_is_mended(store_url: str) -> None:
    """W-3, T-7: drift parks the execution; the same body is not tried again, a mended one is."""

    def waits_for(*names: str) -> Any:
        @step(name="body")
        def body(ctx: Any) -> Any:
            return [ctx.wait_for_event(name) for name in names]

        return body

    registry.clear()
    with Engine(store_url) as engine:
        run = engine.start(flow(waits_for("go", "then")))
        until(lambda: run.status == "waiting")
        id = run.id
    with later_process(store_url) as engine:

        @step(name="body")
        def drifts(ctx: Any) -> Any:
            return ctx.wait_for_event("other")

        flow(drifts)
        run = blocked(engine, id)
        assert run.reason is not None and "ReplayDriftError" in run.reason
    with later_process(store_url) as engine:
        flow(waits_for("go", "then"))
        engine.start_worker()
        run = engine.get_execution(id)
        until(lambda: not run.blocked and run.status == "waiting")
        engine.send_event("then", 2, execution_id=id)
        assert run.wait(PATIENCE).output == [None, 2]


def test_the_diff_needs_the_workflow(store_url: str) -> None:
    """A process that does not know the workflow says so."""
    id = parked_at_gate(store_url, lambda: flow(go()))
    with later_process(store_url) as engine, pytest.raises(WorkflowNotFoundError):
        engine.definition_diff(id)
