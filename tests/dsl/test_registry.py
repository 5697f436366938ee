"""One name is one workflow; what is written again in the same place replaces what was there."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from durable_core.dsl import Change, registry, step, workflow
from durable_core.dsl.origin import Origin, origin_of
from durable_core.errors import DefinitionError, WorkflowNotFoundError

FLOW = """
from durable_core.dsl import step, workflow

@step
def charge(ctx):
    return {value}

@step
def refund(ctx):
    pass

@workflow
def order():
    return [{flow}]
"""


def run(file: str, value: int = 1, flow: str = "charge", module: str = "flows") -> dict[str, Any]:
    """Run a source as if it stood in `file`."""
    space: dict[str, Any] = {"__name__": module}
    exec(compile(FLOW.format(value=value, flow=flow), file, "exec"), space)  # noqa: S102
    return space


def test_a_workflow_is_found_by_name_and_close_names_are_told() -> None:
    with pytest.raises(WorkflowNotFoundError, match="None is registered"):
        registry.get("order")
    flow = run("/shop/flows.py")["order"]
    assert registry.get("order") is flow and "order" in registry and registry.names() == ["order"]
    with pytest.raises(WorkflowNotFoundError, match="Did you mean 'order'"):
        registry.get("ordr")


def test_the_same_origin_replaces_and_tells_the_difference() -> None:
    first = run("/shop/flows.py")["order"]
    second = run("/shop/flows.py", flow="charge, refund", module="__main__")["order"]
    assert registry.get("order") is second is not first
    assert second.redefinition is not None and second.redefinition.diff.sentence == "order: added refund"
    assert [told.diff.sentence for told in registry.take_redefinitions()] == ["order: added refund"]
    assert registry.take_redefinitions() == []


def test_the_same_source_again_is_told_to_nobody() -> None:
    run("/shop/flows.py")
    assert run("/shop/flows.py")["order"].redefinition.diff.kind == "identical"
    assert registry.take_redefinitions() == []


def test_another_origin_with_the_same_name_is_refused_and_the_first_stays() -> None:
    first = run("/shop/flows.py")["order"]
    with pytest.raises(DefinitionError, match=r"/shop/flows\.py.*/other/flows\.py.*@workflow\(name="):
        run("/other/flows.py")
    assert registry.get("order") is first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<ipython-input-3-abc>", "<ipython-input-9-def>"),
        ("/tmp/ipykernel_17/1234.py", "/tmp/ipykernel_17/99.py"),
    ],
)
def test_all_cells_of_a_notebook_are_one_origin(one: str, other: str) -> None:
    run(one, module="__main__")
    run(other, value=2, module="__main__")
    assert [told.diff.sentence for told in registry.take_redefinitions()] == ["order: new body of charge"]
    assert str(registry.get("order").origin) == "order in the notebook"


def test_a_step_defined_again_replaces_the_body_wherever_it_is_used() -> None:
    run("<ipython-input-1-a>", flow='charge, charge.with_options(name="second"), refund')
    flow = registry.get("order")
    prints, bindings, hashed = flow.fingerprint, flow.bindings, flow.definition.hash
    heard: list[Change[Any]] = []
    stop = registry.listen(heard.append)
    space: dict[str, Any] = {"__name__": "__main__"}
    cell = "from durable_core.dsl import step\n@step\ndef charge(ctx):\n    return 99\n"
    exec(compile(cell, "<ipython-input-2-b>", "exec"), space)  # noqa: S102
    stop()
    assert flow.bindings["charge:body"](None) == flow.bindings["second:body"](None) == 99
    assert flow.bound("charge", "body").fn is space["charge"].fn
    assert bindings["charge:body"](None) == 1, "whoever holds the old bindings keeps a consistent version"
    assert flow.fingerprint != prints and flow.definition.hash == hashed
    assert [(change.kind, change.workflow) for change in heard] == [("body", flow)]
    assert heard[0].redefinition is not None
    assert heard[0].redefinition.diff.sentence == "order: new body of charge, second"


def test_a_step_that_is_a_compensation_is_replaced_too() -> None:
    space = run("/shop/flows.py")

    @workflow(name="trip")
    def trip() -> Any:
        return [step(name="book", compensate=space["refund"])(book)]

    run("/shop/flows.py", value=3)
    assert trip.bindings["book:compensate"] is not space["refund"].fn


def book(ctx: Any) -> None: ...


def test_functions_made_inside_functions_never_replace_others() -> None:
    def make(value: int) -> Any:
        @step
        def charge(ctx: Any) -> int:
            return value

        return charge

    first = make(1)

    @workflow
    def order() -> Any:
        return [first]

    make(2)
    assert order.bindings["charge:body"](None) == 1


def test_a_loop_that_makes_several_steps_of_one_function_keeps_them_apart() -> None:
    source = (
        "from durable_core.dsl import step, workflow\n"
        "made = []\n"
        "for region in ('eu', 'us'):\n"
        "    @step(name=region)\n"
        "    def sync(ctx, region=region):\n"
        "        return region\n"
        "    made.append(sync)\n"
        "    @workflow(name='w_' + region)\n"
        "    def flow():\n"
        "        return list(made)\n"
    )
    exec(compile(source, "/shop/regions.py", "exec"), {"__name__": "regions"})  # noqa: S102
    assert registry.get("w_us").bindings["eu:body"](None) == "eu"


def test_listeners_hear_registrations_and_replacements() -> None:
    heard: list[str] = []
    stop = registry.listen(lambda change: heard.append(change.kind))
    run("/shop/flows.py")
    run("/shop/flows.py", value=2)
    stop()
    run("/shop/flows.py", value=3)
    assert heard == ["registered", "body", "replaced"]


def test_a_removed_workflow_leaves_its_name_free() -> None:
    run("/shop/flows.py")
    registry.remove("order")
    assert registry.names() == []
    run("/other/flows.py")


def test_origins_know_files_and_local_functions() -> None:
    assert origin_of(book) == Origin(origin_of(book).file, "book") and not origin_of(book).is_local
    assert origin_of(lambda: 1).is_local


def test_many_threads_may_define_at_once() -> None:
    def define(n: int) -> None:
        for value in range(5):
            run("/shop/flows.py", value=value) if n == 0 else define_other(n)

    def define_other(n: int) -> None:
        @workflow(name=f"order_{n}")
        def flow() -> Any:
            return [step(name="book")(book)]

    threads = [threading.Thread(target=define, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.names() == ["order", *(f"order_{n}" for n in range(1, 8))]


def test_replaced_versions_keep_their_functions_for_executions_that_wait_on_them() -> None:
    old = run("<ipython-input-1-a>", flow="charge, refund")["order"]
    new = run("<ipython-input-2-a>", value=7)["order"]
    assert registry.version("order", new.definition.hash) is new
    assert registry.version("order", old.definition.hash) is old
    assert old.bindings["charge:body"](None) == 7, "the body of a step that was defined again is new there too"
    assert registry.version("order", "0") is None
    registry.clear()
    assert registry.version("order", old.definition.hash) is None
