"""Mermaid's own parser and Cytoscape.js itself understand what we export, hostile names included."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from durable_core.graph import Graph, build_graph, overlay_facts
from tests.graph import flows, generated, runs
from tests.graph.hostile import NAMES
from tests.graph.test_hostile_names import graph as hostile_graph

PACKAGES = ("mermaid@11.17.2", "cytoscape@3.34.4", "jsdom@26.1.0")
pytestmark = [pytest.mark.service("node"), pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def modules() -> Path:
    """A folder with the packages, kept between runs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js is not installed (apt install nodejs npm)")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "durable-studio-tests" / "graph-npm"
    stamp = cache / "installed.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(PACKAGES):
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "package.json").write_text('{"private": true}')
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES],
            cwd=cache,
            capture_output=True,
            text=True,
            timeout=240,
        )
        if done.returncode:
            pytest.skip(f"npm could not install {', '.join(PACKAGES)}: {done.stderr[-300:]}")
        stamp.write_text("\n".join(PACKAGES))
    return cache


def understood(modules: Path, kind: str, texts: list[str]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps({"kind": kind, "text": text}) + "\n" for text in texts)
    script = Path(__file__).with_name("read_exports.mjs")
    done = subprocess.run(
        ["node", str(script), str(modules)], input=lines, capture_output=True, text=True, timeout=200, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def graphs() -> list[Graph]:
    order = build_graph(flows.order_fulfilment())
    onboarding = overlay_facts(build_graph(flows.customer_onboarding()), runs.onboarding())
    grown = [build_graph(generated.grow(seed, 30)) for seed in range(10)]
    return [order, overlay_facts(order, runs.during()), onboarding, *grown, *map(hostile_graph, NAMES.values())]


def test_mermaid_reads_every_flowchart(modules: Path) -> None:
    drawn = graphs()
    for graph, found in zip(drawn, understood(modules, "mermaid", [one.to_mermaid() for one in drawn]), strict=True):
        assert "error" not in found, (graph.name[:80], found)
        assert (found["nodes"], found["edges"], found["groups"]) == (
            len(graph.nodes),
            len(graph.edges),
            len(graph.groups),
        )
        assert found["clicks"] == 0 and found["theme"] == "default" and found["type"].startswith("flowchart")


def test_cytoscape_takes_every_document(modules: Path) -> None:
    drawn = graphs()
    for graph, found in zip(
        drawn, understood(modules, "cytoscape", [one.to_cytoscape() for one in drawn]), strict=True
    ):
        assert "error" not in found, (graph.name[:80], found)
        assert found["nodes"] == len(graph.nodes) + len(graph.groups)
        assert found["edges"] == len(graph.edges)
        assert found["groups"] == len(graph.groups)
