"""Tests of the graph that need Graphviz are skipped where it is not installed, with the reason."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(autouse=True)
def _graphviz_is_there(request: pytest.FixtureRequest) -> None:
    mark = request.node.get_closest_marker("service")
    if mark is not None and "graphviz" in mark.args and shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed (apt install graphviz)")
