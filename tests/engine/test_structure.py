"""Sequences, decisions, switches, loops and parallels, alone and inside one another."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

import pytest

from durable_core.dsl import decision, foreach, loop, parallel, step, switch, workflow
from durable_core.engine.engine import Engine
from tests.engine.runs import completed, end_of


class Color(Enum):
    RED = "red"
    BLUE = "blue"


def writes(name: str, **values: Any) -> Any:
    """A step of that name which writes these values and returns its name."""

    @step(name=name, output=f"out_{name}")
    def body(ctx: Any) -> str:
        ctx.update(values)
        ctx.append("trace", name)
        return name

    return body


def flow(*nodes: Any, **options: Any) -> Any:
    @workflow(name="flow", **options)
    def flow() -> Any:
        return list(nodes)

    return flow


def test_steps_of_a_sequence_run_in_order_and_see_what_came_before(engine: Engine) -> None:
    """order is the graph's."""
    run = end_of(engine, flow(writes("a"), writes("b"), [writes("c"), [writes("d")]]), {"x": 1})
    assert run.status == "completed"
    assert run.context["trace"] == ["a", "b", "c", "d"]
    assert run.context["x"] == 1
    assert run.output == "d"


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("high", "for_high"),
        (True, "for_true"),
        (1, "for_others"),
        (3, "for_three"),
        (2.5, "for_float"),
        (None, "for_none"),
        (Color.RED, "for_red"),
        ("blue", "for_blue"),
        ("unknown", "for_others"),
        ([1], "for_others"),
        (0, "for_others"),
    ],
)
def test_a_decision_takes_the_branch_of_its_label(engine: Engine, value: Any, taken: str) -> None:
    """A mapping serves labels that are no identifiers; 1 and True differ; the result is stored under the name."""

    @decision
    def choose(ctx: Any) -> Any:
        return value

    branches = {
        "high": writes("for_high"),
        True: writes("for_true"),
        3: writes("for_three"),
        2.5: writes("for_float"),
        None: writes("for_none"),
        Color.RED: writes("for_red"),
        "blue": writes("for_blue"),
    }
    run = end_of(engine, flow(choose.branch(branches, otherwise=writes("for_others"))))
    assert run.status == "completed", run.error
    assert run.context["trace"] == [taken]
    assert run.output == taken
    if not isinstance(value, Enum):
        assert run.context["choose"] == value


def test_an_enum_member_also_finds_the_label_of_its_value(engine: Engine) -> None:
    """Enum members are labels, and so are their values."""

    @decision
    def choose(ctx: Any) -> Any:
        return Color.BLUE

    run = end_of(engine, flow(choose.branch(blue=writes("by_value"))))
    assert run.context["trace"] == ["by_value"]


def test_a_decision_without_a_branch_for_its_label_fails(engine: Engine) -> None:
    """no label and no otherwise: DecisionError, which another attempt cannot mend."""

    @decision
    def choose(ctx: Any) -> str:
        return "sideways"

    run = end_of(engine, flow(choose.branch(up=writes("a"), down=[])))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == "DecisionError"
    assert run.error["step"] == "choose"
    assert "sideways" in run.error["message"]


def test_an_empty_branch_passes_through(engine: Engine) -> None:
    """T-4: empty lists pass through, with no output."""

    @decision
    def choose(ctx: Any) -> str:
        return "standard"

    run = end_of(engine, flow(choose.branch(standard=[], high=writes("a"))))
    assert (run.status, run.output) == ("completed", None)


def is_urgent(ctx: Any) -> bool:
    return bool(ctx.get("urgent"))


@pytest.mark.parametrize(
    ("input", "taken"),
    [
        ({"kind": "billing"}, ["billing"]),
        ({"kind": "billing x"}, ["default"]),
        ({"kind": "security breach"}, ["security"]),
        ({"kind": "a security breach"}, ["default"]),
        ({"kind": "other", "urgent": True}, ["urgent"]),
        ({"kind": 1}, ["one"]),
        ({"kind": True}, ["true"]),
        ({"kind": 2.0}, ["default"]),
        ({"kind": None}, ["default"]),
        ({"kind": ["billing"]}, ["default"]),
    ],
)
def test_a_switch_takes_the_first_case_that_matches(engine: Engine, input: dict[str, Any], taken: list[str]) -> None:
    """literals, regexes (full match) and guards in written order, else the default."""
    cases: list[Any] = [
        ("billing", writes("billing")),
        (re.compile(r"security.*"), writes("security")),
        (is_urgent, writes("urgent")),
        (1, writes("one")),
        (True, writes("true")),
    ]
    run = end_of(engine, flow(switch("route", on="kind", cases=cases, default=writes("default"))), input)
    assert run.status == "completed", run.error
    assert run.context["trace"] == taken


def test_a_switch_without_a_match_and_default_passes_through(engine: Engine) -> None:
    """no match and no default: passes through."""
    run = end_of(engine, flow(writes("a"), switch(on=lambda ctx: 5, cases={6: writes("six")})))
    assert (run.status, run.output, run.context["trace"]) == ("completed", None, ["a"])


def test_functions_of_the_context_cannot_change_it(engine: Engine) -> None:
    """Functions of ctx run with a read-only context; an exception fails the node."""

    def sly(ctx: Any) -> int:
        ctx["x"] = 1
        return 1

    run = end_of(engine, flow(switch("route", on=sly, cases={1: writes("a")})))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("InvalidStateError", "route")


@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_loop_runs_while_its_condition_holds(engine: Engine, times: int) -> None:
    """T-4: zero iterations pass through; the loop's output is that of its last iteration."""

    @step
    def body(ctx: Any) -> dict[str, Any]:
        ctx.append("seen", [ctx.iteration, ctx.iterations])
        return {"n": ctx.iteration}

    run = end_of(engine, flow(loop("again", body, while_=lambda ctx: len(ctx.get("seen", [])) < times)))
    assert run.status == "completed", run.error
    assert run.context.get("seen", []) == [[n, (n,)] for n in range(times)]
    assert run.output == ({"n": times - 1} if times else None)


def test_a_loop_over_its_bound_fails_after_the_allowed_iterations(engine: Engine) -> None:
    """loop over max_iterations fails with MaxIterationsError."""
    run = end_of(engine, flow(loop("again", writes("body"), while_=lambda ctx: True, max_iterations=3)))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("MaxIterationsError", "again")
    assert run.context["trace"] == ["body"] * 3


def test_loops_in_loops_count_outer_to_inner(engine: Engine) -> None:
    """`ctx.iterations` is outer to inner; every iteration of the inner loop is its own."""

    @step
    def note(ctx: Any) -> None:
        ctx.append("seen", list(ctx.iterations))

    inner = loop("inner", note, while_=lambda ctx: ctx.iteration < 2)
    run = end_of(engine, flow(loop("outer", [writes("a"), inner], while_=lambda ctx: ctx.iteration < 2)))
    assert run.status == "completed", run.error
    assert run.context["seen"] == [[0, 0], [0, 1], [1, 0], [1, 1]]


MERGES: list[tuple[Any, dict[str, Any]]] = [
    ("last_wins", {"x": "c", "d": {"b": 2}, "only": 1, "n": 16, "log": ["base", "a", "b"]}),
    ("deep_merge", {"x": "c", "d": {"z": 0, "a": 1, "b": 2}, "only": 1, "n": 16, "log": ["base", "a", "b"]}),
    (
        "collect",
        {"x": ["a", "b", "c"], "d": [{"z": 0, "a": 1}, {"b": 2}], "only": 1, "n": 16, "log": ["base", "a", "b"]},
    ),
    (lambda base, branches: {"count": len(branches), "xs": [b["x"] for b in branches]}, {"x": "base", "xs": "abc"}),
]


@pytest.mark.parametrize(("merge", "expected"), MERGES, ids=["last_wins", "deep_merge", "collect", "function"])
def test_branches_are_merged_in_written_order(engine: Engine, merge: Any, expected: dict[str, Any]) -> None:
    """T-1, X-3: the merge is decided by written order; increments and appends of all branches are applied."""

    @step
    def a(ctx: Any) -> None:
        ctx["x"], ctx["d"]["a"] = "a", 1
        ctx.increment("n", 5)
        ctx.append("log", "a")

    @step
    def b(ctx: Any) -> None:
        ctx["x"], ctx["d"], ctx["only"] = "b", {"b": 2}, 1
        ctx.increment("n")
        ctx.append("log", "b")

    @step
    def c(ctx: Any) -> None:
        ctx["x"] = "c"

    base = {"x": "base", "d": {"z": 0}, "n": 10, "log": ["base"], "untouched": True}
    run = end_of(engine, flow(parallel("all", a, b, c, merge=merge)), base)
    assert run.status == "completed", run.error
    assert run.context["untouched"] is True
    for key, value in expected.items():
        found = run.context[key]
        assert ("".join(found) if key == "xs" else found) == value, key
    assert run.output == {"a": None, "b": None, "c": None}


def test_a_merge_function_that_returns_no_mapping_fails_the_join(engine: Engine) -> None:
    """An exception in a function of ctx fails the node, and says what to do."""
    run = end_of(engine, flow(parallel("all", writes("a"), merge=lambda base, branches: [1])))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["step"] == "all"
    assert "mapping" in run.error["message"]


def test_branches_do_not_see_one_another(engine: Engine) -> None:
    """T-1: branches see the context as it was at the fork."""

    @step
    def first(ctx: Any) -> dict[str, Any]:
        ctx["x"] = 2
        return {"first_saw": ctx["x"]}

    @step
    def second(ctx: Any) -> dict[str, Any]:
        return {"second_saw": ctx["x"]}

    run = end_of(engine, flow(parallel(first, second, concurrency=1)), {"x": 1})
    assert (run.context["first_saw"], run.context["second_saw"], run.context["x"]) == (2, 1, 2)


def test_everything_nests_in_everything(engine: Engine) -> None:
    """parallel, foreach, loop, decision and switch nest freely inside one execution."""

    @step
    def note(ctx: Any, item: Any) -> list[Any]:
        ctx.append("seen", [item, list(ctx.iterations)])
        return [item, list(ctx.iterations)]

    @decision
    def odd(ctx: Any, item: int) -> bool:
        return item % 2 == 1

    inner = foreach("each", odd.branch({True: note, False: []}), items=lambda ctx: [1, 2, 3], concurrency=None)
    branches = {"left": [inner], "right": loop("twice", inner_like(note), while_=lambda ctx: ctx.iteration < 2)}
    outer = loop("rounds", parallel("both", branches), while_=lambda ctx: ctx.iteration < 2)
    run = end_of(engine, flow(writes("begin"), switch(on=lambda ctx: 1, cases={1: [outer]}), writes("end")))
    assert run.status == "completed", run.error
    assert run.context["trace"] == ["begin", "end"]
    left = [[item, [r, n]] for r in range(2) for n, item in enumerate([1, 2, 3]) if item % 2]
    right = [[item, [r, t, n]] for r in range(2) for t in range(2) for n, item in enumerate("xy")]
    assert sorted(map(repr, run.context["seen"])) == sorted(map(repr, left + right))
    assert run.context["seen"][0] == [1, [0, 0]]


def inner_like(note: Any) -> Any:
    return foreach("letters", note.with_options(name="note_letter"), items=lambda ctx: ["x", "y"])


def test_a_flow_that_begins_with_empty_branches_completes(engine: Engine) -> None:
    """T-4: empty lists pass through, at the very start too."""
    run = end_of(engine, flow(parallel("nothing", {"a": [], "b": []}), writes("end")))
    assert run.status == "completed", run.error
    assert run.context["trace"] == ["end"]


def test_a_flow_of_empty_branches_alone_completes(engine: Engine) -> None:
    """T-4, E-1: it reaches its end though no body runs."""
    run = end_of(engine, flow(parallel("nothing", {"a": [], "b": []})))
    assert (run.status, run.output) == ("completed", {"a": None, "b": None})


def test_fail_fast_fails_with_the_branch_error_and_starts_no_further_branch(engine: Engine) -> None:
    """fail_fast: siblings that have not started never start, then the failure goes up."""

    @step
    def bad(ctx: Any) -> None:
        raise ValueError("broken")

    run = end_of(engine, flow(parallel("all", bad, writes("never"), concurrency=1)))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("ValueError", "bad")
    assert completed(run) == []


def test_complete_all_runs_everything_and_names_all_failures(engine: Engine) -> None:
    """complete_all: all finish; failures are raised together, by branch."""

    @step
    def bad(ctx: Any) -> None:
        raise ValueError("broken")

    @step
    def worse(ctx: Any) -> None:
        raise KeyError("gone")

    run = end_of(engine, flow(parallel("all", bad, writes("good"), worse, on_error="complete_all")))
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("ParallelError", "all")
    assert set(run.error["attributes"]["errors"]) == {"bad", "worse"}
    assert completed(run) == ["all/good/good"]
