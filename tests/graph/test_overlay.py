"""An execution over its graph: states, the way taken, counts."""

from __future__ import annotations

from dataclasses import replace

from durable_core.graph import (
    AttemptFact,
    ExecutionFacts,
    Graph,
    NodeState,
    TokenFact,
    WaitFact,
    build_graph,
    overlay,
    overlay_facts,
)
from durable_core.graph.look import counts, look_of, status_line, tone_of
from tests.graph import flows, runs
from tests.graph.runs import at, done


def drawn(facts: ExecutionFacts) -> Graph:
    return overlay_facts(build_graph(flows.order_fulfilment()), facts)


def taken(graph: Graph) -> dict[tuple[str, str], bool | None]:
    return {(edge.source, edge.target): edge.taken for edge in graph.edges}


def status(graph: Graph, id_: str) -> str | None:
    state = graph.by_id[id_].state
    return None if state is None else state.status


def test_the_graph_itself_is_never_changed() -> None:
    plain = build_graph(flows.order_fulfilment())
    overlay_facts(plain, runs.during())
    assert all(node.state is None for node in plain.nodes)
    assert all(edge.taken is None for edge in plain.edges)


def test_a_running_execution() -> None:
    graph = drawn(runs.during())
    assert counts(graph) == [("needs_you", 1), ("running", 3), ("retry", 1), ("completed", 5), ("not_taken", 1)]
    assert status_line(graph) == "running 1 min 17 s"
    form = graph.by_id["customs_form"].state
    assert form is not None and form.needs_answer and form.due_in == 23 * 3600 + 12 * 60
    items = graph.by_id["pick_items"].state
    assert items is not None and (items.done, items.total, items.active) == (37, 50, 4)
    turns = graph.by_id["find_carrier"].state
    assert turns is not None and turns.iterations == 3
    assert status(graph, "cool_down") is None, "not reached in the present iteration"
    assert status(graph, "manager_approval") == "skipped"
    receipt = graph.by_id["send_receipt"].state
    assert receipt is not None and receipt.retrying and receipt.attempt == 2 and receipt.due_in == 4
    assert status(graph, "__start__") == "completed"
    assert status(graph, "__end__") is None


def test_the_way_that_was_taken() -> None:
    ways = taken(drawn(runs.during()))
    assert ways["check_value", "verify_payment"] is True
    assert ways["check_value", "manager_approval"] is False
    assert ways["check_value", "check_value:join"] is False, "the empty branch"
    assert ways["verify_payment", "check_value:join"] is True
    assert ways["fulfil", "customs_form"] is True
    assert ways["customs_form", "print_labels"] is None
    assert ways["cool_down", "find_carrier"] is True
    assert ways["fulfil:join", "ship_parcel"] is None
    assert ways["reserve_stock", "reserve_stock:compensation"] is None


def test_a_failed_and_compensated_execution() -> None:
    graph = drawn(runs.failed())
    assert counts(graph) == [("failed", 1), ("compensated", 2), ("completed", 10), ("not_taken", 1)]
    assert status_line(graph) == "failed, compensated · 27 min"
    assert status(graph, "reserve_stock") == "compensated"
    undone = graph.by_id["reserve_stock:compensation"]
    assert undone.state is not None and undone.state.order == 2
    assert look_of(graph, undone).badge == "2nd"
    for header, text in (("fulfil", "4/4"), ("pick_items", "50/50")):
        assert look_of(graph, graph.by_id[header]).badge == text
    assert look_of(graph, graph.by_id["find_carrier"]).line == "4 iterations"
    assert look_of(graph, graph.by_id["ask_carrier"], repeats="loop").badge == "×4"
    assert look_of(graph, graph.by_id["pick_item"], repeats="foreach").line == "8.1 s each"
    assert look_of(graph, graph.by_id["customs_form"]).line == "25 min · by ana"
    assert taken(graph)["fulfil:join", "ship_parcel"] is True
    assert taken(graph)["ship_parcel", "delivered"] is None


def test_loops_and_foreachs_in_each_other_add_up() -> None:
    graph = overlay_facts(build_graph(flows.customer_onboarding()), runs.onboarding())
    chunk = graph.by_id["send_chunk"].state
    assert chunk is not None and (chunk.status, chunk.active, chunk.iterations) == ("running", 5, 28)
    files = graph.by_id["import_files"].state
    assert files is not None and (files.done, files.total, files.active) == (112, 126, 8)
    assert status(graph, "push_profile") == "failed"
    assert status(graph, "needs_vpn") == "completed"
    assert taken(graph)["verify_sum", "import_files:join"] is None
    assert taken(graph)["risk", "risk:join"] is True


def test_a_completed_execution_reaches_the_end() -> None:
    flow = build_graph(flows.define("f", flows.step("a"), flows.decide("d", {"yes": [], "no": [flows.step("b")]})))
    facts = ExecutionFacts(
        execution_id="x",
        status="completed",
        now=at(9),
        attempts=(done("a", 0, 1), done("d", 1, 1, choice="yes")),
        started_at=at(0),
        completed_at=at(2),
    )
    graph = overlay_facts(flow, facts)
    assert status(graph, "__end__") == "completed"
    assert status(graph, "b") == "skipped"
    assert taken(graph)["d:join", "__end__"] is True
    assert [edge.taken for edge in graph.edges if edge.source == "d"] == [True, False]


def test_a_loop_that_never_ran_and_an_empty_foreach_pass() -> None:
    flow = build_graph(flows.define("f", flows.loop("l", flows.step("a")), flows.foreach("e", flows.step("b"))))
    facts = ExecutionFacts(
        execution_id="x",
        status="completed",
        now=at(1),
        attempts=(done("l", 0, 0), done("e", 0, 0)),
        items={("e", ()): 0},
    )
    graph = overlay_facts(flow, facts)
    assert status(graph, "l") == status(graph, "e") == "completed"
    assert taken(graph)["e:join", "__end__"] is True
    assert taken(graph)["a", "l"] is None


def test_decisions_in_a_loop_show_the_branch_of_the_present_iteration() -> None:
    flow = build_graph(
        flows.define("f", flows.loop("l", flows.decide("d", {"a": [flows.step("x")], "b": [flows.step("y")]})))
    )
    rows = (
        done("l/d", 0, 1, iteration=(0,), choice="a"),
        done("l/d/a/x", 1, 1, iteration=(0,)),
        done("l/d", 2, 1, iteration=(1,), choice="b"),
    )
    facts = ExecutionFacts(
        execution_id="x",
        status="running",
        now=at(5),
        attempts=rows,
        tokens=(TokenFact(path="l/d/b/y", status="running", iteration=(1,)),),
    )
    graph = overlay_facts(flow, facts)
    assert status(graph, "x") == "skipped"
    assert status(graph, "y") == "running"
    over = overlay_facts(
        flow, replace(facts, status="completed", tokens=(), attempts=(*rows, done("l/d/b/y", 3, 1, iteration=(1,))))
    )
    assert status(over, "x") == status(over, "y") == "completed"


def test_paths_of_another_version_are_left_out() -> None:
    facts = ExecutionFacts(
        execution_id="x",
        status="waiting",
        now=at(1),
        attempts=(AttemptFact(path="gone/long/ago", status="completed"),),
        waits=(WaitFact(path="validate_order", kind="input"),),
    )
    graph = drawn(facts)
    assert tone_of(graph.by_id["validate_order"].state) == "needs_you"


def test_states_by_hand() -> None:
    plain = build_graph(flows.order_fulfilment())
    graph = overlay(
        plain,
        {"check_value": NodeState(status="completed", choice="standard")},
        metadata={"status": "running"},
    )
    assert status(graph, "manager_approval") == status(graph, "verify_payment") == "skipped"
    assert status(graph, "check_value:join") == "completed"
