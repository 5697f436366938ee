"""The layout: nothing overlaps, nothing crosses, widths are kept, and it is linear and free of recursion."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given

from durable_core.definition.model import Definition
from durable_core.errors import InputValidationError
from durable_core.graph import Graph, build_graph
from durable_core.graph.boxes import TextPicture
from durable_core.graph.canvas import Viewport
from durable_core.graph.fit import fit_pixels, pixel_extents
from durable_core.graph.layout import lay_out
from durable_core.graph.measure import COMPACT, COMPACT_TURNED, FULL, FULL_TURNED
from tests.generation import examples
from tests.graph import flows, generated
from tests.graph.geometry import faults
from tests.graph.seeds import seeds
from tests.strategies.definitions import definitions


@pytest.mark.parametrize("seed", seeds(60))
@pytest.mark.parametrize("size", [4, 15, 40])
def test_nothing_overlaps_or_crosses_in_grown_pictures(seed: int, size: int) -> None:
    """Cards, labels, frames and lines keep apart at every width, in full and in compact measures."""
    graph = build_graph(generated.grow(seed, size))
    for measures in (FULL, COMPACT):
        extents = pixel_extents(graph.nodes, graph.structure, measures, marks=measures.compact)
        for budget in (None, 1044, 600, 300):
            layout = lay_out(graph.structure, extents, measures, budget=budget, marks=measures.compact)
            assert faults(layout) == [], (seed, size, measures.compact, budget)
    for measures in (FULL_TURNED, COMPACT_TURNED):
        extents = pixel_extents(graph.nodes, graph.structure, measures, marks=measures.compact)
        layout = lay_out(graph.structure, extents, measures, marks=measures.compact)
        assert faults(layout) == [], (seed, size, measures.compact, "turned")


@given(definitions(waits=True))
@examples(150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_nothing_overlaps_or_crosses_in_any_picture(definition: Definition) -> None:
    graph = build_graph(definition)
    for budget in (1044, 400):
        layout = fit_pixels(graph.nodes, graph.structure, budget)
        assert layout is not None
        assert faults(layout) == []
        assert layout.width <= budget or layout.fold == 0


@pytest.mark.parametrize("seed", seeds(40))
@pytest.mark.parametrize("budget", [424, 700, 1044])
def test_the_width_is_kept_or_the_graph_is_folded(seed: int, budget: int) -> None:
    graph = build_graph(generated.grow(seed, 55))
    layout = fit_pixels(graph.nodes, graph.structure, budget)
    assert layout is not None
    assert layout.width <= budget
    assert faults(layout) == []


def test_the_geometry_test_sees_faults() -> None:
    """A layout with a card moved by half its width is wrong in several ways."""
    graph = build_graph(flows.customer_onboarding())
    layout = fit_pixels(graph.nodes, graph.structure, 1044)
    assert layout is not None
    layout.axis[5] += 90
    layout.top[3] = layout.top[4]
    layout.axis[3] = layout.axis[4] + 40
    found = " ".join(faults(layout))
    assert "overlaps" in found and "passes" in found


def test_branches_that_do_not_fit_wrap_into_balanced_rows() -> None:
    branches = [[flows.step(f"s{n}")] for n in range(8)]
    graph = build_graph(flows.define("wide", flows.parallel("p", *branches)))
    layout = fit_pixels(graph.nodes, graph.structure, 1044)
    assert layout is not None
    (fork,) = layout.forks.values()
    assert [(row.first, row.last) for row in fork.rows] == [(0, 3), (4, 7)]
    assert fork.rows[1].fork_bus - fork.rows[0].join_bus == FULL.rows


def test_order_fulfilment_stands_where_the_reference_has_it() -> None:
    """To the pixel: cards, frames and bars."""
    graph = build_graph(flows.order_fulfilment())
    places = {node.id: (node.position.x, node.position.y) for node in graph.nodes}
    assert places["validate_order"] == (504, 184)
    assert places["reserve_stock:compensation"] == (686, 264)
    assert places["manager_approval"] == (400, 448)
    assert places["verify_payment"] == (608, 448)
    assert places["check_value:join"] == (504, 488)
    assert places["customs_form"] == (378, 712)
    assert places["ask_carrier"] == (602, 796)
    assert places["send_receipt"] == (854, 712)
    assert places["__end__"] == (504, 1170)


def test_a_lone_branch_is_straight_and_an_empty_one_needs_little_room() -> None:
    graph = build_graph(flows.define("one", flows.decide("d", {"yes": [flows.step("s")], "no": []})))
    layout = fit_pixels(graph.nodes, graph.structure, 1044, direction="down")
    assert layout is not None
    (fork,) = layout.forks.values()
    assert fork.axes == [0, 88 + FULL.between // 2 + FULL.empty]


def small() -> Graph:
    """Four cards, one of them in a branch: a banner."""
    return build_graph(
        flows.define(
            "greeting",
            flows.step("load", undo="forget"),
            flows.decide("greet", {"yes": [flows.ask("approve")], "no": []}),
        )
    )


def test_small_graphs_go_from_left_to_right_where_they_are_narrow_enough() -> None:
    graph = small()
    layout = fit_pixels(graph.nodes, graph.structure, 1044)
    assert layout is not None and layout.turned and layout.width <= 1044
    assert faults(layout) == []
    narrow = fit_pixels(graph.nodes, graph.structure, 700)
    assert narrow is not None and not narrow.turned
    positions = [graph.by_id[id_].position.x for id_ in ("__start__", "load", "greet", "approve", "__end__")]
    assert positions == sorted(positions), "the positions of the nodes are those of the picture"


@pytest.mark.parametrize(
    ("makes", "reason"),
    [
        ([flows.step(f"s{n}") for n in range(7)], "seven cards"),
        ([flows.decide("d", {"a": [flows.decide("e", {"b": [flows.step("s")]})]})], "nested twice"),
    ],
)
def test_others_go_from_top_to_bottom(makes: list[flows.Make], reason: str) -> None:
    graph = build_graph(flows.define("f", *makes))
    layout = fit_pixels(graph.nodes, graph.structure, 9000)
    assert layout is not None and not layout.turned, reason
    asked = fit_pixels(graph.nodes, graph.structure, 1044, direction="right")
    assert asked is not None and asked.turned
    low = fit_pixels(graph.nodes, graph.structure, 9000, room=200)
    assert low is not None and low.turned, "with little height any goes from left to right"
    assert 'width="1100"' not in graph.to_svg(direction="right")


@pytest.mark.parametrize("seed", seeds(30))
def test_any_direction_can_be_asked_for(seed: int) -> None:
    """Every picture that was asked to go to the right does, and is right."""
    graph = build_graph(generated.grow(seed, 25))
    layout = fit_pixels(graph.nodes, graph.structure, 400, direction="right")
    assert layout is not None and layout.turned
    assert faults(layout) == []
    assert graph.to_svg(direction="right").count("<text") == graph.to_svg(width=4000, direction="down").count("<text")


def test_a_direction_that_does_not_exist_is_refused() -> None:
    graph: Any = small()
    for draw in (graph.to_svg, graph.to_text):
        with pytest.raises(InputValidationError, match="no direction 'up'; there are auto, down, right"):
            draw(direction="up")


def test_a_size_depends_on_structure_only() -> None:
    from durable_core.graph import overlay_facts
    from tests.graph import runs

    plain = build_graph(flows.order_fulfilment())
    for facts in (runs.during(), runs.failed()):
        drawn = overlay_facts(plain, facts)
        assert [node.position for node in drawn.nodes] == [node.position for node in plain.nodes]
        assert TextPicture(drawn).layout.top == TextPicture(plain).layout.top
        assert drawn.to_svg()[:80] == plain.to_svg()[:80]


@pytest.mark.slow
def test_three_thousand_nested_loops_are_no_matter_of_recursion() -> None:
    graph = build_graph(generated.deep(3000))
    assert len(graph.groups) == 3000
    assert graph.to_svg().startswith("<svg")
    assert "inmost" in graph.to_dot()
    assert graph.to_mermaid().count("subgraph") == 3000
    for text in (graph.to_cytoscape(), graph.to_json(), graph.to_text(100)):
        assert "loop_1" in text
    assert graph.to_networkx().number_of_nodes() == len(graph.nodes)
    assert len(TextPicture(graph).paint(Viewport(3000, 6000, 80, 30))) == 30


def test_what_is_too_large_folds_and_then_becomes_a_table() -> None:
    graph = build_graph(generated.mixed(200))
    assert " of 200 nodes shown" in graph.to_svg()
    huge = build_graph(generated.flat(2000))
    assert fit_pixels(huge.nodes, huge.structure, 1044) is None
    assert "300 of 2000 nodes shown" in huge.to_svg()
    many = build_graph(generated.mixed(600))
    layout = fit_pixels(many.nodes, many.structure, 1044)
    assert layout is None or layout.fold == 1


def _seconds(work: Callable[[], object], tries: int) -> float:
    spent = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(tries):
            begun = time.process_time()
            work()
            spent.append(time.process_time() - begun)
    finally:
        gc.enable()
    return min(spent)


@pytest.mark.slow
def test_the_layout_is_linear() -> None:
    """A hundred times as many nodes take no more than caches cost; `make bench` has the figures."""
    small, large = build_graph(generated.mixed(200)), build_graph(generated.mixed(20_000))

    def picture() -> None:
        TextPicture(small).paint(Viewport(0, 100, 84, 36))

    assert _seconds(picture, 100) < 0.05
    one = _seconds(lambda: TextPicture(small), 100)
    assert _seconds(lambda: TextPicture(large), 5) < 1000 * one
