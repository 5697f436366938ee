"""`engine.fork`: a new execution whose first step to run is one that another has run."""

from __future__ import annotations

from typing import Any

import pytest

from durable_core.dsl import Retry, decision, foreach, loop, parallel, registry, step, switch, wait_for_event, workflow
from durable_core.engine.engine import Engine
from durable_core.engine.execution import Execution
from durable_core.errors import (
    DefinitionError,
    DurableError,
    ExecutionNotFoundError,
    InputValidationError,
    InvalidStateError,
    LimitError,
    SerializationError,
)
from tests.engine.runs import PATIENCE, completed, end_of, until


def flow(*nodes: Any, **options: Any) -> Any:
    @workflow(name="flow", **options)
    def flow() -> Any:
        return list(nodes)

    return flow


class Ran:
    """Bodies that write down that they ran, outside of any context."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def step(self, name: str, **options: Any) -> Any:
        @step(name=name, **options)
        def body(ctx: Any) -> str:
            item = "" if ctx.item is None else f" {ctx.item}"
            self.names.append(f"{name}{item}")
            ctx.append("trail", f"{name}{item}")
            ctx[name] = ctx.get("bonus", 0)
            return f"{name}{item} done"

        return body

    def taken(self) -> list[str]:
        names, self.names = self.names, []
        return names


@pytest.fixture
def ran() -> Ran:
    return Ran()


def forked(engine: Engine, run: Execution, **how: Any) -> Execution:
    return engine.fork(run, **how).wait(PATIENCE)


def test_a_fork_begins_with_the_chosen_step(engine: Engine, ran: Ran) -> None:
    """Steps before it are not run again; the context is as it was when it began; context= updates that."""
    run = end_of(engine, flow(ran.step("a"), ran.step("b"), ran.step("c")), {"trail": [], "n": 1})
    ran.taken()
    again = forked(engine, run, step="b", context={"bonus": 7})
    assert again.status == "completed"
    assert ran.taken() == ["b", "c"]
    assert again.context["trail"] == ["a", "b", "c"]
    assert (again.context["a"], again.context["b"], again.context["n"]) == ("a done", "b done", 1)
    assert again.context["bonus"] == 7 and "bonus" not in run.context
    assert again.id != run.id
    assert again.record().forked_from == run.id
    assert run.context["trail"] == ["a", "b", "c"]  # the source is as it was


def test_steps_before_it_appear_by_reference(engine: Engine, ran: Ran) -> None:
    """The fork's history names the steps it has from elsewhere, and its steps see their results."""
    seen: dict[str, Any] = {}

    @step
    def looks(ctx: Any) -> None:
        seen.update(ctx.results)

    run = end_of(engine, flow(ran.step("a"), ran.step("b"), looks), {"trail": []})
    again = forked(engine, run, step="looks")
    steps = [entry for entry in again.history() if entry["kind"] == "step"]
    assert [(entry["path"], entry.get("forked_from")) for entry in steps] == [
        ("a", run.id),
        ("b", run.id),
        ("looks", None),
    ]
    (told,) = [entry["detail"] for entry in again.history() if entry["kind"] == "forked"]
    assert (told["from"], told["path"]) == (run.id, "looks")
    assert completed(again) == ["looks"]
    assert seen == {"a": "a done", "b": "b done"}


def test_idempotency_keys_are_new(engine: Engine) -> None:
    keys: list[str] = []

    @step
    def pays(ctx: Any) -> None:
        keys.append(ctx.idempotency_key)

    run = end_of(engine, flow(pays))
    forked(engine, run, step="pays")
    assert len(set(keys)) == 2


@pytest.mark.parametrize("iteration", [0, 2, 3])
def test_a_fork_inside_a_loop(engine: Engine, ran: Ran, iteration: int) -> None:
    """Any iteration: what later iterations did is not in its context."""
    rounds = loop("rounds", [ran.step("x"), ran.step("y")], while_=lambda ctx: len(ctx["trail"]) < 8)
    run = end_of(engine, flow(rounds, ran.step("end")), {"trail": []})
    assert len(ran.taken()) == 9
    again = forked(engine, run, step="y", iteration=iteration)
    assert again.status == "completed", again.error
    assert ran.taken() == ["y", *["x", "y"] * (3 - iteration), "end"]
    assert again.context["trail"] == [*["x", "y"] * 4, "end"]


def test_a_step_that_ran_several_times_needs_its_iteration(engine: Engine, ran: Ran) -> None:
    """Ambiguous: a typed error that lists what there is."""
    rounds = loop("rounds", [ran.step("x")], while_=lambda ctx: len(ctx["trail"]) < 3)
    run = end_of(engine, flow(rounds), {"trail": []})
    with pytest.raises(DefinitionError, match="0, 1, 2"):
        engine.fork(run, step="x")
    with pytest.raises(InvalidStateError, match="iteration 9"):
        engine.fork(run, step="x", iteration=9)


def test_a_name_that_several_nodes_have_is_ambiguous(engine: Engine, ran: Ran) -> None:
    """A name, id or path; an ambiguous one is an error that lists the paths."""
    notify = ran.step("notify")
    both = parallel("both", {"left": [notify], "right": [notify]})
    run = end_of(engine, flow(both), {"trail": []})
    with pytest.raises(DefinitionError, match="both/left/notify, both/right/notify_2"):
        engine.fork(run, step="notify")
    assert forked(engine, run, step="notify_2").status == "completed"


def test_a_fork_inside_a_parallel_keeps_what_the_other_branches_did(engine: Engine, ran: Ran) -> None:
    """Finished siblings' results are kept as done; the join merges them with the new branch."""
    both = parallel(
        "both",
        {
            "one": [ran.step("a"), ran.step("b")],
            "two": [ran.step("c"), ran.step("d")],
            "three": [],
        },
    )
    run = end_of(engine, flow(ran.step("first"), both, ran.step("last")), {"trail": []})
    ran.taken()
    again = forked(engine, run, step="b", context={"bonus": 3})
    assert again.status == "completed", again.error
    assert ran.taken() == ["b", "last"]
    assert again.context["trail"] == ["first", "a", "b", "c", "d", "last"]
    (joined,) = [each for each in again.steps() if each["type"] == "parallel"]
    assert joined["output"] == {"one": "b done", "two": "d done", "three": None}
    kept = {entry["path"] for entry in again.history() if entry.get("forked_from")}
    assert kept == {"first", "both/one/a", "both/two/c", "both/two/d"}


def test_open_siblings_go_on_from_where_they_stood(engine: Engine, ran: Ran) -> None:
    """Siblings that were not done are ready at the step they had come to."""
    bad = {"yes": True}

    @step(name="breaks")
    def breaks(ctx: Any) -> str:
        ran.names.append("breaks")
        if bad["yes"]:
            raise ValueError("not yet")
        return "mended"

    both = parallel(
        "both", {"one": [ran.step("a"), breaks], "two": [ran.step("c"), ran.step("d")]}, on_error="complete_all"
    )
    run = end_of(engine, flow(both), {"trail": []})
    assert run.status == "failed"
    ran.taken()
    bad["yes"] = False
    again = forked(engine, run, step="d")
    assert again.status == "completed", again.error
    assert sorted(ran.taken()) == ["breaks", "d"]
    assert again.context["trail"] == ["a", "c", "d"]


def test_a_fork_of_one_item(engine: Engine, ran: Ran) -> None:
    """Any item of a foreach; the results of the others are kept in item order."""
    each = foreach("each", [ran.step("x"), ran.step("y")], items="names", concurrency=2, collect="all")
    run = end_of(engine, flow(each, ran.step("end")), {"trail": [], "names": ["p", "q", "r"]})
    ran.taken()
    again = forked(engine, run, step="y", iteration=1)
    assert again.status == "completed", again.error
    assert ran.taken() == ["y q", "end"]
    assert again.context["all"] == ["y p done", "y q done", "y r done"]
    assert again.context["trail"] == ["x p", "y p", "x q", "y q", "x r", "y r", "end"]


def test_items_of_a_function_and_nested_forks(engine: Engine, ran: Ran) -> None:
    """A foreach in a parallel in a foreach: every token around is rebuilt."""
    inner = foreach("inner", [ran.step("x")], items=lambda ctx: [1, 2], as_="number", collect="xs")
    middle = parallel("middle", {"left": [inner, ran.step("after")], "right": [ran.step("r")]}, merge="collect")
    outer = foreach("outer", [middle], items=lambda ctx: ["p", "q"], collect="ms", concurrency=None)
    run = end_of(engine, flow(outer, ran.step("end")), {"trail": []})
    assert run.status == "completed", run.error
    ran.taken()
    again = forked(engine, run, step="x", iteration=(1, 0))
    assert again.status == "completed", again.error
    assert ran.taken() == ["x 1", "after q", "end"]
    assert again.output == run.output
    assert again.context["trail"] == run.context["trail"]
    assert again.context["ms"] == run.context["ms"]


def test_a_fork_of_composites_and_decisions(engine: Engine, ran: Ran) -> None:
    """The step may be a decision, a switch, a loop, a parallel or a foreach itself."""

    @decision
    def choose(ctx: Any) -> str:
        return "high" if ctx.get("bonus") else "low"

    nodes = [
        ran.step("a"),
        choose.branch(high=[ran.step("h")], low=[ran.step("l")]),
        switch("which", on="choose", cases={"high": ran.step("sh")}, default=ran.step("sl")),
        parallel("both", {"p": [ran.step("p")], "q": [ran.step("q")]}),
        foreach("each", [ran.step("e")], items=lambda ctx: [1]),
        loop("round", [ran.step("o")], while_=lambda ctx: not ctx.get("o")),
    ]
    run = end_of(engine, flow(*nodes), {"trail": []})
    assert run.status == "completed", run.error
    tail = {"choose": ["h", "sh", "p", "q", "e 1"], "which": ["sl", "p", "q", "e 1"], "both": ["p", "q", "e 1"]}
    for name, expected in {**tail, "each": ["e 1"]}.items():
        ran.taken()
        again = forked(engine, run, step=name, context={"bonus": 1} if name == "choose" else None)
        assert again.status == "completed", again.error
        assert sorted(ran.taken()) == sorted([*expected, "o"])


def test_a_fork_of_a_failed_step_of_a_fork(engine: Engine, ran: Ran) -> None:
    """Forks can be forked: from steps of their own, and from those they have by reference."""
    run = end_of(engine, flow(ran.step("a"), ran.step("b"), ran.step("c")), {"trail": []})
    first = forked(engine, run, step="b", context={"bonus": 1})
    ran.taken()
    own = forked(engine, first, step="c")
    assert ran.taken() == ["c"]
    assert own.context["trail"] == ["a", "b", "c"] and own.context["bonus"] == 1
    assert [e["path"] for e in own.history() if e.get("forked_from")] == ["a", "b"]
    earlier = forked(engine, first, step="a")
    assert ran.taken() == ["a", "b", "c"]
    assert earlier.record().forked_from == run.id


@pytest.mark.parametrize(
    ("context", "error"),
    [
        ([1], InputValidationError),
        ("n", InputValidationError),
        ({1: 2}, InputValidationError),
        ({"n": object()}, SerializationError),
        ({"n": "x" * 5_000_000}, LimitError),
    ],
    ids=["list", "text", "number as name", "no stored form", "too large"],
)
def test_a_context_that_is_none_forks_nothing(
    engine: Engine, ran: Ran, context: Any, error: type[DurableError]
) -> None:
    run = end_of(engine, flow(ran.step("a")), {"trail": []})
    before = len(engine.list_executions())
    with pytest.raises(error):
        engine.fork(run, step="a", context=context)
    assert len(engine.list_executions()) == before


def test_what_a_fork_cannot_do_says_why(engine: Engine, ran: Ran) -> None:
    run = end_of(engine, flow(ran.step("a")), {"trail": []})
    with pytest.raises(InvalidStateError, match="stands in no loop or foreach"):
        engine.fork(run, step="a", iteration=3)
    asked = engine.start(flow(wait_for_event("go"), ran.step("b")), {"trail": []})
    until(lambda: asked.status == "waiting")
    engine.cancel(asked)
    with pytest.raises(InvalidStateError, match="has reached no step yet"):
        engine.fork(asked, step="b")


def test_a_fork_of_a_branch_of_a_fork(engine: Engine, ran: Ran) -> None:
    """What a fork kept of its siblings, a fork of it keeps as well."""
    both = parallel("both", {"one": [ran.step("a"), ran.step("b")], "two": [ran.step("c")]})
    run = end_of(engine, flow(both, ran.step("last")), {"trail": []})
    first = forked(engine, run, step="b")
    ran.taken()
    second = forked(engine, first, step="b")
    assert second.status == "completed", second.error
    assert ran.taken() == ["b", "last"]
    assert second.context["trail"] == ["a", "b", "c", "last"]


def test_a_fork_waits_anew(engine: Engine) -> None:
    """Waits of the chosen step are made again, under the new id."""
    run = engine.start(flow(wait_for_event("go", name="gate")))
    until(lambda: run.status == "waiting")
    again = engine.fork(run, step="gate")
    until(lambda: again.status == "waiting")
    assert engine.send_event("go", 1, execution_id=again) == 1
    assert again.wait(PATIENCE).output == 1
    assert run.status == "waiting"


def test_what_was_not_reached_cannot_be_forked(engine: Engine, ran: Ran) -> None:
    """The error tells what was reached."""

    @step
    def bad(ctx: Any) -> None:
        raise ValueError("no")

    run = end_of(engine, flow(ran.step("a"), bad, ran.step("z")), {"trail": []})
    with pytest.raises(InvalidStateError, match="has reached: a, bad"):
        engine.fork(run, step="z")
    with pytest.raises(DefinitionError, match="no step 'nope'"):
        engine.fork(run, step="nope")
    with pytest.raises(ExecutionNotFoundError):
        engine.fork("wf_none", step="a")


def test_a_failed_step_is_forked_with_a_whole_budget(engine: Engine) -> None:
    """Attempts count from one again; retried attempts before it change nothing."""
    attempts: list[int] = []

    @step(retry=Retry(max_attempts=2, base=0.0))
    def flaky(ctx: Any) -> None:
        attempts.append(ctx.attempt)
        if not ctx.get("fixed"):
            raise ConnectionError("down")

    run = end_of(engine, flow(flaky))
    assert run.status == "failed"
    assert forked(engine, run, step="flaky", context={"fixed": True}).status == "completed"
    assert attempts == [1, 2, 1]


def test_a_long_history_is_not_read_from_its_start(engine: Engine) -> None:
    """X-4: whole contexts are kept at bounded intervals, so a fork reads the changes since the last one."""

    @step
    def count(ctx: Any) -> None:
        ctx.increment("n")

    run = end_of(engine, flow(loop("many", [count], while_=lambda ctx: ctx.get("n", 0) < 1000, max_iterations=2000)))
    with engine.database.read() as tx:
        kept = tx.fetch(
            "SELECT seq FROM steps WHERE execution_id = :id AND snapshot IS NOT NULL ORDER BY seq", {"id": run.id}
        )
    gaps = [b - a for (a,), (b,) in zip(kept, kept[1:], strict=False)]
    assert max(gaps) < 400
    again = forked(engine, run, step="count", iteration=990)
    assert again.context["n"] == 1000
    assert len(completed(again, "step")) == 10


def test_a_blocked_execution_can_be_forked_onto_the_new_structure(store_url: str, ran: Ran) -> None:
    """T-7: what cannot go on with the code there is can go on as a fork, where the step still stands in it."""

    def gate() -> Any:
        return wait_for_event("go", name="gate")

    with Engine(store_url) as engine:
        run = engine.start(flow(ran.step("a"), gate(), ran.step("gone")), {"trail": []})
        until(lambda: run.status == "waiting")
        id = run.id
    registry.clear()
    ran.taken()
    with Engine(store_url) as engine:
        now = flow(ran.step("a"), gate(), ran.step("other"))
        engine.send_event("go", execution_id=id)
        until(lambda: engine.get_execution(id).blocked)
        again = engine.fork(id, step="gate")
        until(lambda: again.status == "waiting")
        engine.send_event("go", execution_id=again)
        assert again.wait(PATIENCE).context["trail"] == ["a", "other"]
        assert again.record().definition_hash == now.definition.hash
