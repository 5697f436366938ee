"""foreach: items, order, concurrency, names of items, collected outputs and failures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from durable_core.dsl import foreach, parallel, step, workflow
from durable_core.engine.engine import Engine
from tests.engine.runs import Held, completed, end_of


def flow(*nodes: Any, **options: Any) -> Any:
    @workflow(name="flow", **options)
    def flow() -> Any:
        return list(nodes)

    return flow


@step
def double(item: int) -> int:
    return item * 2


def test_no_items_pass_through(engine: Engine) -> None:
    """T-4: an empty foreach passes through; its output and what it collects are the empty list."""
    run = end_of(engine, flow(foreach(double, items="items", collect="results")), {"items": []})
    assert (run.status, run.output) == ("completed", [])
    assert run.context["results"] == []


@pytest.mark.parametrize("concurrency", [1, 3, None])
def test_outputs_are_collected_in_item_order(engine: Engine, concurrency: int | None) -> None:
    """`collect` receives the outputs in item order, whatever the order in which they finished."""
    each = foreach("all", double, items="items", collect="results", concurrency=concurrency)
    run = end_of(engine, flow(each), {"items": list(range(8))})
    assert run.status == "completed", run.error
    assert run.output == run.context["results"] == [n * 2 for n in range(8)]


def test_items_come_from_any_function_that_gives_something_to_go_through(engine: Engine) -> None:
    """items: a context key or a function of ctx."""

    def items(ctx: Any) -> Any:
        return (n for n in range(ctx["n"]))

    run = end_of(engine, flow(foreach(double, items=items)), {"n": 3})
    assert run.output == [0, 2, 4]


@pytest.mark.parametrize("items", [5, "abc", None])
def test_what_is_no_list_fails_the_node_readably(engine: Engine, items: Any) -> None:
    """A function of ctx that gives the wrong thing fails its node, and says what to do."""
    run = end_of(engine, flow(foreach("all", double, items="items")), {"items": items})
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error["type"], run.error["step"]) == ("InputValidationError", "all")


def test_too_many_items_are_refused(engine: Engine) -> None:
    """D-6: foreach takes 100,000 items."""
    run = end_of(engine, flow(foreach("all", double, items=lambda ctx: range(100_001))))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == "LimitError"


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_more_items_than_allowed_are_begun_at_once(engine: Engine, limit: int) -> None:
    """T-3: concurrency limits hold at every instant."""
    held = Held()

    @step
    def body(item: int) -> None:
        held()

    run = engine.start(flow(foreach("all", body, items=lambda ctx: range(5), concurrency=limit)))
    held.wait_begun(limit)
    assert held.entered == limit
    held.let_go()
    assert run.wait(15).status == "completed"
    assert held.most <= limit
    assert held.entered == 5


def test_items_of_nested_foreachs_have_their_names(engine: Engine) -> None:
    """`as_` names the item; inner bodies see the items of outer ones by theirs, and their own index."""

    @step
    def ship(ctx: Any, order: str, line: int, item: int, index: int) -> None:
        ctx.append("seen", [order, line, item, index, ctx.item, ctx.index, list(ctx.iterations)])

    inner = foreach("lines", ship, items=lambda ctx: [1, 2], as_="line")
    run = end_of(engine, flow(foreach("orders", inner, items=lambda ctx: ["x", "y"], as_="order")))
    assert run.status == "completed", run.error
    assert run.context["seen"] == [
        [order, line, line, i, line, i, [o, i]] for o, order in enumerate("xy") for i, line in enumerate([1, 2])
    ]


def test_items_do_not_see_one_another_and_their_changes_come_in_item_order(engine: Engine) -> None:
    """T-1, X-3: items see the context as it was at the fork; what all of them add is applied in item order."""

    @step
    def body(ctx: Any, item: int) -> int:
        ctx.append("log", item)
        return int(ctx.increment("n", item))

    run = end_of(engine, flow(foreach("all", body, items=lambda ctx: [1, 2, 3], concurrency=None)), {"n": 10})
    assert run.context["log"] == [1, 2, 3]
    assert run.context["n"] == 16
    assert run.output == [11, 12, 13]
    assert run.context["body"] == 13  # last_wins: the last item's


def test_fail_fast_begins_no_further_item(engine: Engine) -> None:
    """fail_fast: items that have not started never start, then the failure goes up."""

    @step
    def body(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        return item

    run = end_of(engine, flow(foreach("all", body, items=lambda ctx: [0, 1, 2, 3])))
    assert run.status == "failed"
    assert [s["iteration"] for s in run.steps() if s["status"] == "completed"] == [[0]] or len(completed(run)) == 1
    assert run.error is not None
    assert run.error["iteration"] == [1]


def test_complete_all_names_failed_items_by_their_number(engine: Engine) -> None:
    """complete_all: all finish; `ParallelError.errors` by item."""

    @step
    def body(item: int) -> int:
        if item % 2:
            raise ValueError(str(item))
        return item

    run = end_of(engine, flow(foreach("all", body, items=lambda ctx: range(5), on_error="complete_all")))
    assert run.status == "failed"
    assert run.error is not None
    assert set(run.error["attributes"]["errors"]) == {"1", "3"}
    assert len(completed(run)) == 3


def test_a_context_many_items_share_is_not_copied_into_each(engine: Engine) -> None:
    """A foreach of n items does not cost n squared: what items change is kept, not what they share."""

    @step
    def body(ctx: Any, item: int) -> int:
        return len(ctx["shared"]) + item

    each = foreach("all", body, items=lambda ctx: range(50), concurrency=10)
    run = end_of(engine, flow(each), {"shared": "x" * 100_000})
    assert run.status == "completed", run.error
    assert run.output == [100_000 + n for n in range(50)]
    assert len(json.dumps(run.context)) < 110_000


def test_a_sequence_per_item_runs_in_order_within_its_item(engine: Engine) -> None:
    """A sequence's output is its last node's; each item goes its own way."""

    @step
    def first(ctx: Any, item: int) -> None:
        ctx["mine"] = item

    @step
    def second(ctx: Any) -> int:
        return int(ctx["mine"]) + 100

    each = foreach("all", [first, parallel("two", second, [])], items=lambda ctx: range(4), concurrency=4)
    run = end_of(engine, flow(each))
    assert run.output == [{"second": 100 + n, "branch_2": None} for n in range(4)]
