"""Files: the suffix says which format."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from durable_core.errors import DurableError
from durable_core.graph.model import Graph

FORMATS: Final[Mapping[str, Callable[[Graph], str | bytes]]] = {
    ".dot": Graph.to_dot,
    ".mmd": Graph.to_mermaid,
    ".cyjs": Graph.to_cytoscape,
    ".json": Graph.to_json,
    ".svg": Graph.to_svg,
    ".png": Graph.to_png,
    ".txt": Graph.to_text,
    ".html": Graph.to_html,
}


class UnknownFormatError(DurableError, ValueError):
    """A file name whose suffix names no format of ours."""

    exit_code = 2


def save(graph: Graph, path: str | Path) -> Path:
    """Write the graph; the file is there whole or not at all."""
    target = Path(path)
    write = FORMATS.get(target.suffix.lower())
    if write is None:
        raise UnknownFormatError(
            f"no graph format has the suffix {target.suffix!r}", hint=f"Use one of {', '.join(FORMATS)}."
        )
    content = write(graph)
    write_whole(target, content.encode() if isinstance(content, str) else content)
    return target


def write_whole(target: Path, content: bytes) -> None:
    """Write beside the target, then put it in place: a reader never meets half a file."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
