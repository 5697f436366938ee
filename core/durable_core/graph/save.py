"""Files: the suffix says which format."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from durable_core.errors import DurableError
from durable_core.graph.boxes import to_text
from durable_core.graph.cytoscape import to_cytoscape
from durable_core.graph.dot import to_dot
from durable_core.graph.json_format import to_json
from durable_core.graph.mermaid import to_mermaid
from durable_core.graph.model import GraphData
from durable_core.graph.png import to_png
from durable_core.graph.report import graph_page
from durable_core.graph.svg import to_svg

FORMATS: Final[Mapping[str, Callable[[GraphData], str | bytes]]] = {
    ".dot": to_dot,
    ".mmd": to_mermaid,
    ".cyjs": to_cytoscape,
    ".json": to_json,
    ".svg": to_svg,
    ".png": to_png,
    ".txt": to_text,
    ".html": graph_page,
}


class UnknownFormatError(DurableError, ValueError):
    """A file name whose suffix names no format of ours."""

    exit_code = 2


def suffix_of(target: Path) -> str:
    """The suffix of a file, which must be that of a format."""
    suffix = target.suffix.lower()
    if suffix not in FORMATS:
        raise UnknownFormatError(
            f"no graph format has the suffix {target.suffix!r}", hint=f"Use one of {', '.join(FORMATS)}."
        )
    return suffix


def save(graph: GraphData, path: str | Path) -> Path:
    """Write the graph; the file is there whole or not at all."""
    target = Path(path)
    content = FORMATS[suffix_of(target)](graph)
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
