"""Every format, by golden files and by the tools that read them. DURABLE_GOLDEN=1 writes the files anew."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from durable_core.errors import SerializationError
from durable_core.graph import EDGE_TYPES, NODE_TYPES, Graph, build_graph, overlay_facts
from durable_core.graph.json_reading import graph_from_json
from durable_core.graph.png import GraphvizError
from durable_core.graph.report import AnswerRow, LogRow, ReportData, StepRow, execution_report
from durable_core.graph.save import UnknownFormatError
from tests.graph import flows, generated, runs
from tests.graph.hostile import NAMES
from tests.graph.seeds import seeds

GOLDEN = Path(__file__).parent / "golden"
RENDERERS: dict[str, Callable[[Graph], str]] = {
    "svg": Graph.to_svg,
    "txt": Graph.to_text,
    "dot": Graph.to_dot,
    "mmd": Graph.to_mermaid,
    "cyjs": Graph.to_cytoscape,
    "json": Graph.to_json,
    "html": Graph.to_html,
    "right.txt": lambda graph: graph.to_text(direction="right"),
}


def moments() -> dict[str, Graph]:
    order, onboarding = build_graph(flows.order_fulfilment()), build_graph(flows.customer_onboarding())
    return {
        "order-before": order,
        "order-during": overlay_facts(order, runs.during()),
        "order-failed": overlay_facts(order, runs.failed()),
        "onboarding": overlay_facts(onboarding, runs.onboarding()),
        "greeting": overlay_facts(build_graph(flows.greeting()), runs.greeting()),
    }


@pytest.mark.parametrize(
    ("moment", "suffix"),
    [
        *((moment, suffix) for moment in ("order-before", "order-during", "order-failed") for suffix in ("svg", "txt")),
        *(("order-during", suffix) for suffix in ("dot", "mmd", "cyjs", "json", "html")),
        ("onboarding", "txt"),
        ("onboarding", "svg"),
        *(("greeting", suffix) for suffix in ("svg", "right.txt", "dot", "mmd")),
    ],
)
def test_golden(moment: str, suffix: str) -> None:
    text = RENDERERS[suffix](moments()[moment])
    file = GOLDEN / f"{moment}.{suffix}"
    if os.environ.get("DURABLE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_importing_the_graph_loads_no_other_library() -> None:
    """Networkx, pydot and the screens come in with the part that needs them."""
    code = (
        "import sys, durable_core.graph\n"
        "from durable_core.graph import boxes, svg, mermaid, cytoscape, dot, png, report, save\n"
        "print([one for one in ('networkx', 'pydot', 'rich', 'textual', 'sqlmodel') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_with_path())
    assert done.stdout.strip() == "[]"


def _with_path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_every_type_of_node_and_edge_occurs() -> None:
    order, onboarding = build_graph(flows.order_fulfilment()), build_graph(flows.customer_onboarding())
    nodes = [*order.nodes, *onboarding.nodes]
    assert {node.type for node in nodes} == set(NODE_TYPES)
    assert {edge.type for edge in [*order.edges, *onboarding.edges]} == set(EDGE_TYPES)
    assert len({node.id for node in order.nodes}) == len(order.nodes)


@pytest.mark.parametrize("seed", seeds(20))
def test_json_comes_back_as_the_same_graph(seed: int) -> None:
    graph = build_graph(generated.grow(seed, 30))
    again = graph_from_json(graph.to_json())
    assert again == graph
    assert again.to_svg() == graph.to_svg()


@pytest.mark.parametrize("text", ["", "{}", "[]", "nothing", '{"format": "durable-studio/graph", "version": 1}'])
def test_what_is_no_graph_is_a_typed_error(text: str) -> None:
    with pytest.raises(SerializationError):
        graph_from_json(text)


@pytest.mark.parametrize("seed", seeds(10))
def test_every_edge_joins_nodes_and_everything_leads_to_the_end(seed: int) -> None:
    import networkx

    graph = build_graph(generated.grow(seed, 40))
    net = graph.to_networkx()
    assert set(net.nodes) == {node.id for node in graph.nodes}
    assert net.number_of_edges() == len(graph.edges)
    reached = networkx.descendants(net, "__start__")
    assert len(reached) == len(graph.nodes) - 1
    ends = [node for node in net.nodes if net.out_degree(node) == 0]
    assert {graph.by_id[node].type for node in ends} <= {"end", "compensation"}


def test_cytoscape_parents_exist_and_ids_are_unique() -> None:
    elements = json.loads(moments()["onboarding"].to_cytoscape())["elements"]
    ids = [one["data"]["id"] for one in (*elements["nodes"], *elements["edges"])]
    assert len(ids) == len(set(ids))
    assert all(one["data"].get("parent") in (None, *ids) for one in elements["nodes"])
    assert all(one["data"][end] in ids for one in elements["edges"] for end in ("source", "target"))


def test_a_step_may_be_called_like_our_own_nodes() -> None:
    names = ["__start__", "__end__", "a:join", "a:group", "a:compensation"]
    graph = build_graph(
        flows.define("f", *[flows.step(name) for name in names], flows.parallel("a", [flows.step("b")]))
    )
    ids = [*(node.id for node in graph.nodes), *(group.id for group in graph.groups)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("suffix", [".dot", ".mmd", ".cyjs", ".json", ".svg", ".txt", ".html", ".SVG"])
def test_the_suffix_says_which_format(tmp_path: Path, suffix: str) -> None:
    graph = moments()["order-during"]
    path = graph.save(tmp_path / f"order{suffix}")
    assert path.read_text(encoding="utf-8") == RENDERERS[suffix[1:].lower()](graph)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match=r"\.exe.*\.svg"):
        moments()["order-before"].save(tmp_path / "order.exe")


def test_png_without_graphviz_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GraphvizError, match="Install Graphviz"):
        moments()["order-before"].to_png()


@pytest.mark.service("graphviz")
@pytest.mark.parametrize("moment", ["order-before", "order-during", "order-failed", "onboarding"])
def test_graphviz_draws_every_node_edge_and_cluster(moment: str, tmp_path: Path) -> None:
    graph = moments()[moment]
    done = subprocess.run(["dot", "-Tsvg"], input=graph.to_dot().encode(), capture_output=True, check=True, timeout=30)
    assert done.stderr == b""
    svg = done.stdout.decode()
    assert svg.count('class="node"') == len(graph.nodes)
    assert svg.count('class="edge"') == len(graph.edges)
    assert svg.count('class="cluster"') == len(graph.groups)
    assert graph.save(tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_notebook_gets_text_and_an_image_that_survives_sanitizers() -> None:
    bundle = moments()["order-during"]._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', bundle["text/html"])
    assert found is not None
    ElementTree.fromstring(base64.b64decode(found[1]))
    assert "<svg" not in bundle["text/html"]


def report(text: str) -> str:
    order = overlay_facts(build_graph(flows.order_fulfilment()), runs.failed())
    start = runs.START
    return execution_report(
        ReportData(
            graph=order,
            made_at=start + timedelta(hours=1),
            steps=[
                StepRow(
                    path=text,
                    name=text,
                    type="step",
                    status="failed",
                    started_at=start,
                    completed_at=start + timedelta(seconds=3),
                    error=text,
                ),
                StepRow(path="b", name="b", type="step", status="running", started_at=start, iteration=(1, 2)),
                StepRow(path="c", name="c", type="step", status="pending"),
            ],
            logs=[LogRow(timestamp=start, level="INFO", step=text, message=text)],
            answers=[AnswerRow(name=text, prompt=text, answer=text, by=text, at=start)],
            input=text,
            context=text,
            output=text,
            error=text,
        )
    )


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_report_is_one_page_without_anything_active(name: str) -> None:
    page, harmless = report(name), report("harmless")
    assert re.findall(r"<([a-zA-Z!]+)", page) == re.findall(r"<([a-zA-Z!]+)", harmless)
    found: list[tuple[str, list[tuple[str, str | None]]]] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, attrs))

    Tags().feed(page)
    for tag, attributes in found:
        assert tag not in ("script", "link", "iframe", "img", "object", "base")
        assert not any(name.startswith("on") or name in ("style", "src", "href") for name, _ in attributes)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None and "default-src 'none'" in policy[1] and "unsafe" not in policy[1]
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    for style in styles:
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]
    page.encode()
