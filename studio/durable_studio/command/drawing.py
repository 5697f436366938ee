"""``graph``: a workflow or an execution as text, picture, page or data, printed or saved."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from durable_core.engine import reading
from durable_core.errors import DefinitionError, DurableError, ExecutionNotFoundError, InputValidationError
from durable_core.graph import Graph
from durable_core.graph.save import suffix_of, write_whole
from durable_studio.command.frame import trimmed
from durable_studio.command.output import emit, safe
from durable_studio.command.picture import speaks_ascii_only
from durable_studio.command.terminal import Styles, terminal_size
from durable_studio.discovery import find_workflow, is_target, load_all
from durable_studio.settings import read_settings

FORMATS: Final = {
    ".txt": "text",
    ".dot": "dot",
    ".mmd": "mermaid",
    ".cyjs": "cytoscape",
    ".svg": "svg",
    ".json": "json",
    ".html": "html",
    ".png": "png",
}
"""Names of the formats, by the suffix that asks for each."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a graph is to be drawn."""

    format: str | None = None
    output: Path | None = None
    ascii: bool = False
    direction: str | None = None

    def settled(self) -> str:
        """The format: the one that was named, else that of the file, else text. Options must fit to it."""
        name = self.format or ("text" if self.output is None else FORMATS[suffix_of(self.output)])
        if name not in FORMATS.values():
            raise InputValidationError(f"there is no format {name!r}; there are {', '.join(FORMATS.values())}")
        if self.ascii and name != "text":
            raise InputValidationError(f"--ascii is for text, and this is {name}")
        if self.direction is not None and name not in ("text", "svg"):
            raise InputValidationError(f"--direction is for text and svg, and this is {name}")
        return name


def draw(engine_of: Any, what: str, wish: Wish) -> int:
    """The graph of a workflow or of an execution, printed or saved."""
    format, output = wish.settled(), wish.output
    drawn: str | bytes | None = None
    if format == "html" and not is_target(what):
        drawn = _report_of(engine_of, what)
    if drawn is None:
        drawn = _drawn(_graph_of(engine_of, what), format, wish)
    if output is not None:
        write_whole(output, drawn if isinstance(drawn, bytes) else drawn.encode())
        emit(f"wrote {safe(output)}")
    elif isinstance(drawn, bytes):
        if sys.stdout.isatty():
            raise DefinitionError("PNG is no text for a terminal.", hint="Write it to a file: -o graph.png")
        sys.stdout.buffer.write(drawn)
    else:
        sys.stdout.write(drawn if drawn.endswith("\n") else f"{drawn}\n")
    return 0


def _drawn(graph: Graph, format: str, wish: Wish) -> str | bytes:
    options: dict[str, Any] = {} if wish.direction is None else {"direction": wish.direction}
    if format == "text":
        options["ascii"] = wish.ascii
        if wish.output is None and sys.stdout.isatty():
            return _text_for_terminal(graph, **options)
    drawn: str | bytes = getattr(graph, f"to_{format}")(**options)
    return drawn


def _text_for_terminal(graph: Graph, *, ascii: bool, **options: Any) -> str:
    """As wide as the terminal is, in its colours, and without box characters where it has none."""
    from durable_core.graph.boxes import TextPicture

    picture = TextPicture(graph, width=terminal_size().columns, ascii=ascii or speaks_ascii_only(), **options)
    styles = Styles()
    return "\n".join(styles.text(row) for row in trimmed(picture.paint()))


def _report_of(engine_of: Any, what: str) -> str | None:
    """The page about an execution; None when there is none of that id: then it may be a workflow's name."""
    with engine_of() as engine:
        try:
            return str(engine.get_execution(reading.full_id(engine, what)).report())
        except ExecutionNotFoundError:
            return None


def _graph_of(engine_of: Any, what: str) -> Graph:
    graph: Graph
    if is_target(what):
        graph = find_workflow(what).graph()
        return graph
    with engine_of() as engine:
        try:
            graph = reading.execution_graph(engine, reading.full_id(engine, what))
        except DurableError:
            known = {one.name: one for one in load_all((), read_settings())}
            if what not in known:
                raise
            graph = known[what].graph()
    return graph
