"""A name is text: whatever it holds, every format has the same structure as with a harmless name."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from functools import cache

import pytest

from durable_core.definition.model import Definition
from durable_core.graph import Graph, NodeError, NodeState, build_graph, overlay
from durable_core.graph.boxes import TextPicture
from durable_core.graph.json_reading import graph_from_json
from durable_core.graph.measure import cell_width
from tests.graph import flows
from tests.graph.hostile import NAMES

SVG = "{http://www.w3.org/2000/svg}"
OFTEN = {"script", "quotes", "dot html", "end", "newlines", "surrogate"}
"""What `make check` has pydot read, which is slow."""

cases = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())


def flow(name: str) -> Definition:
    """The name as a step, label, branch, condition, compensation, item name and workflow."""
    return flows.define(
        name,
        flows.step(name, undo=name, label=name),
        flows.decide("decide", {name: [flows.step("inside")], "other": []}),
        flows.loop("loop", flows.step("turn"), while_=name),
        flows.foreach("each", flows.step("one"), as_=name),
        flows.parallel("side", **{name: [flows.sleep("nap", 5)], "b": [flows.call("child")]}),
        description=name,
    )


def graph(name: str) -> Graph:
    """With the name as error and as the branch that was taken too."""
    plain = build_graph(flow(name))
    first = plain.nodes[1].path
    failed = NodeState(status="failed", attempt=1, error=NodeError(name, name))
    decided = NodeState(status="completed", choice=name)
    return overlay(plain, {first: failed, "decide": decided}, metadata={"status": "failed", "execution_id": name})


HARMLESS = graph("harmless")


def elements(svg: str) -> list[str]:
    """Tags in order, without those that only mean that a text was clipped."""
    root = ElementTree.fromstring(svg.encode())
    return [one.tag for one in root.iter() if one.tag not in (f"{SVG}title", f"{SVG}g")]


@cases
def test_svg(name: str) -> None:
    svg = graph(name).to_svg()
    found, harmless = elements(svg), elements(HARMLESS.to_svg())
    # a version or second line that finds no room is left out
    assert [one for one in found if one != f"{SVG}tspan"] == [one for one in harmless if one != f"{SVG}tspan"]
    root = ElementTree.fromstring(svg.encode())
    for one in root.iter():
        assert one.tag.removeprefix(SVG) in {
            "svg",
            "title",
            "desc",
            "style",
            "rect",
            "g",
            "path",
            "text",
            "tspan",
            "circle",
        }
        assert not any(key.startswith("on") or key in ("id", "href", "style") for key in one.attrib)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", svg)
    assert all(len(title.text or "") <= 500 for title in root.iter(f"{SVG}title"))


@cases
def test_html(name: str) -> None:
    shown = graph(name)._repr_mimebundle_()["text/html"]
    assert re.findall(r"<(\w+)", shown) == re.findall(r"<(\w+)", HARMLESS._repr_mimebundle_()["text/html"])
    page = graph(name).to_html()
    assert "<script" not in page and "<img" not in page


@cases
def test_text(name: str) -> None:
    drawn = TextPicture(graph(name))
    rows = drawn.paint()
    assert {sum(cell_width(text) for text, _ in row) for row in rows} == {drawn.width}
    whole = "".join(text for row in rows for text, _ in row)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff]", whole)
    assert whole.count("▼") == "".join(text for row in TextPicture(HARMLESS).paint() for text, _ in row).count("▼")


@cases
def test_mermaid(name: str) -> None:
    def bones(text: str) -> list[str]:
        return [re.sub(r'"[^"\n]*"', '""', line) for line in text.splitlines()]

    text = graph(name).to_mermaid()
    assert bones(text) == bones(HARMLESS.to_mermaid())
    for label in re.findall(r'"([^"\n]*)"', text):
        assert not re.search(r"[\[\](){}<>|`;%\\&]", re.sub(r"#\d+;|<br/>", "", label))
        assert not re.match(r"(\d+[.)]|[-*+])\s", label)


@cases
def test_json_and_cytoscape(name: str) -> None:
    drawn = graph(name)
    assert graph_from_json(drawn.to_json()) == drawn
    found = json.loads(drawn.to_cytoscape())["elements"]
    harmless = json.loads(HARMLESS.to_cytoscape())["elements"]
    for part in ("nodes", "edges"):
        assert [one["classes"] for one in found[part]] == [one["classes"] for one in harmless[part]]
    drawn.to_cytoscape().encode()
    drawn.to_json().encode()


@cache
def parsed_by_pydot(text: str) -> tuple[int, int, list[str]]:
    import pydot

    (parsed,) = pydot.graph_from_dot_data(text)
    edges = sorted(f"{edge.get_source()}>{edge.get_destination()}" for edge in parsed.get_edges())
    return len(parsed.get_nodes()), len(parsed.get_subgraphs()), edges


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pydot's parser, on recent versions of pyparsing
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, id=id, marks=[] if id in OFTEN else [pytest.mark.slow]) for id, name in NAMES.items()],
)
def test_dot_is_parsed_by_pydot(name: str) -> None:
    assert parsed_by_pydot(graph(name).to_dot()) == parsed_by_pydot(HARMLESS.to_dot())


@pytest.mark.service("graphviz")
@cases
def test_graphviz_draws_the_same_structure(name: str) -> None:
    def bones(text: str) -> tuple[int, int, int]:
        done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True, timeout=30)
        assert done.stderr == b""
        svg = done.stdout.decode()
        ElementTree.fromstring(svg)
        assert "<script" not in svg and "javascript:" not in re.sub(
            '<title>.*?</title>|<text.*?</text>|xlink:title="[^"]*"', "", svg
        )
        return svg.count('class="node"'), svg.count('class="edge"'), svg.count('class="cluster"')

    assert bones(graph(name).to_dot()) == bones(HARMLESS.to_dot())
