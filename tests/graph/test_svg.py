"""The SVG keeps the promises of the picture: palette, contrast, words for those who cannot see it, nothing active."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from durable_core.graph import Graph, build_graph, overlay_facts
from durable_core.graph.model import Theme
from durable_core.graph.palette import PLAIN, STATES
from durable_core.graph.svg import to_svg
from tests.graph import flows, generated, runs

SVG = "{http://www.w3.org/2000/svg}"


def pictures() -> list[Graph]:
    order, onboarding = build_graph(flows.order_fulfilment()), build_graph(flows.customer_onboarding())
    return [
        order,
        overlay_facts(order, runs.during()),
        overlay_facts(order, runs.failed()),
        onboarding,
        overlay_facts(onboarding, runs.onboarding()),
        build_graph(generated.mixed(72)),
        build_graph(generated.grow(3, 140)),
        build_graph(generated.flat(400)),
    ]


@pytest.mark.parametrize("theme", ["light", "dark", "adaptive"])
def test_a_picture_needs_nothing_else(theme: Theme) -> None:
    for graph in pictures():
        svg = graph.to_svg(theme=theme)
        root = ElementTree.fromstring(svg.encode())
        assert root.get("role") == "graphics-document document" and root.get("aria-label")
        assert root.find(f"{SVG}title") is not None and root.find(f"{SVG}desc") is not None
        assert not re.search(r"<script|<use|foreignObject|url\(|href|@import|@font| id=| style=", svg)
        assert svg.count("<style>") <= 1
        width, height = float(root.get("width", 0)), float(root.get("height", 0))
        assert root.get("viewBox") == f"0 0 {width:g} {height:g}" and width >= 480
        for value in re.findall(r"-?\d*\.\d+", re.sub(r"<style>.*?</style>", "", svg)):
            assert len(value.split(".")[1]) == 1 or value in (".55", ".85", ".75"), value


def test_a_picture_is_small() -> None:
    order = build_graph(flows.order_fulfilment())
    for graph in (order, overlay_facts(order, runs.during())):
        cards = sum(node.type != "join" for node in graph.nodes)
        assert len(graph.to_svg(theme="light").encode()) / cards < 1300


def test_every_card_says_in_words_what_it_shows() -> None:
    graph = overlay_facts(build_graph(flows.order_fulfilment()), runs.during())
    root = ElementTree.fromstring(graph.to_svg().encode())
    spoken = [one.get("aria-label", "") for one in root.iter(f"{SVG}g") if one.get("role") == "img"]
    assert spoken[0] == "start" and spoken[-1] == "end"
    assert "validate_order: step, completed, 0.2 s" in spoken
    assert "customs_form: input, waiting for your answer, needs you, due in 23 h 12 min" in spoken
    assert "pick_items: foreach, running, 37/50, 9 left, 4 running" in spoken
    assert "send_receipt: step, waiting to retry, try 2/5, again in 4 s, SMTP 451 try again later" in spoken
    assert "manager_approval: input, not taken" in spoken
    assert "refund_card: compensation of charge_card, runs only if a later step fails" in spoken
    assert len(spoken) == len([node for node in graph.nodes if node.type != "join"])
    live = ElementTree.fromstring(to_svg(graph, live=True).encode())
    assert len([one for one in live.iter(f"{SVG}g") if one.get("role") == "button"]) == len(spoken)


def test_a_theme_paints_without_classes_and_adaptive_pictures_know_both() -> None:
    graph = overlay_facts(build_graph(flows.order_fulfilment()), runs.failed())
    light, dark, adaptive = (graph.to_svg(theme=theme) for theme in ("light", "dark", "adaptive"))
    assert "#0e131a" in dark and "#fbfcfd" not in dark
    assert "prefers-color-scheme" not in light + dark
    stripped = re.sub(r'class="[^"]*" ', "", re.sub(r"<style>.*?</style>", "", adaptive))
    assert stripped == re.sub(r'class="[^"]*" ', "", re.sub(r"<style>.*?</style>", "", light))
    used = set(re.findall(r"ds-[fk]-\w+", re.sub(r"<style>.*?</style>", "", adaptive)))
    assert used == set(re.findall(r"\.(ds-[fk]-\w+)", adaptive))


def _luminance(value: str) -> float:
    channels = [int(value[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, two: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [0, 1])
def test_contrast(dark: int) -> None:
    """Text at least 4.5 to 1 on every surface it stands on, strokes at least 3 to 1 against what is behind them."""
    surfaces = [PLAIN[name][dark] for name in ("bg", "card", "frame")]
    for text in ("ink", "ink2", "off"):
        assert all(_contrast(PLAIN[text][dark], surface) >= 4.5 for surface in surfaces), text
    for stroke in ("edge", "taken", "offs", "fstroke"):
        assert all(_contrast(PLAIN[stroke][dark], surface) >= 3 for surface in surfaces), stroke
    for name, state in STATES.items():
        assert _contrast(state["text"][dark], state["tint"][dark]) >= 4.5, name
        assert all(_contrast(state["stroke"][dark], surface) >= 3 for surface in surfaces), name
        if name != "cancelled":
            assert _contrast(state["on"][dark], state["solid"][dark]) >= 4.5, name
            assert _contrast(PLAIN["ink"][dark], state["tint"][dark]) >= 4.5, name
            assert _contrast(state["stroke"][dark], state["tint"][dark]) >= 3, name
