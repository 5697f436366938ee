"""PNG and other pictures by Graphviz."""

from __future__ import annotations

import shutil
import subprocess
from typing import Final

from durable_core.errors import DurableError
from durable_core.graph.dot import to_dot
from durable_core.graph.model import GraphData

SECONDS: Final = 60.0


class GraphvizError(DurableError):
    """Graphviz is not installed, failed, or took too long."""


def to_png(graph: GraphData) -> bytes:
    """The graph as PNG."""
    return draw(to_dot(graph), "png")


def draw(dot: str, form: str) -> bytes:
    """Have Graphviz draw a DOT text as png, svg or pdf."""
    program = shutil.which("dot")
    if program is None:
        raise GraphvizError(
            "drawing a PNG needs Graphviz, and there is no program `dot` on the PATH",
            hint="Install Graphviz (the package is called graphviz), or save as .svg, which needs nothing.",
        )
    try:
        done = subprocess.run(
            [program, f"-T{form}"], input=dot.encode(), capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise GraphvizError(
            f"Graphviz did not finish the picture within {SECONDS:.0f} seconds",
            hint="The graph may be too large for it; save as .svg instead.",
        ) from error
    if done.returncode or not done.stdout:
        message = done.stderr.decode("utf-8", "replace").strip().split("\n", 1)[0]
        raise GraphvizError(f"Graphviz could not draw the graph: {message}", hint="Save as .svg instead.")
    return done.stdout
