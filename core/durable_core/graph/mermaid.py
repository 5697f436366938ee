"""Mermaid: the graph as a flowchart with subgraphs, shapes by type and classes by state."""

from __future__ import annotations

import re
from typing import Final

from durable_core.graph.escape import one_line
from durable_core.graph.fit import is_small
from durable_core.graph.group_tree import walk
from durable_core.graph.look import Tone, look_of
from durable_core.graph.model import GraphData, GraphEdge, GraphNode
from durable_core.graph.palette import COLOUR_OF, STATES, colour

LABEL_LIMIT: Final = 60
_SHAPES: Final = {
    "start": ("([", "])"),
    "end": ("([", "])"),
    "decision": ("{", "}"),
    "switch": ("{{", "}}"),
    "parallel": ("[/", "\\]"),
    "join": ("((", "))"),
    "loop": ("(", ")"),
    "foreach": ("[/", "/]"),
    "sleep": ("([", "])"),
    "event": ("([", "])"),
    "input": (">", "]"),
    "call": ("[[", "]]"),
    "compensation": ("(", ")"),
}
_SAFE: Final = re.compile(r"[^\w \-.,/:=→≤≥·×…]")
_LIST: Final = re.compile(r"^(\s*)(\d+)([.)])(?=\s)|^(\s*)([-*+])(?=\s)")
_INDENT: Final = 12


def to_mermaid(graph: GraphData) -> str:
    """The graph as a Mermaid flowchart."""
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = [f"flowchart {'LR' if is_small(graph.structure) else 'TD'}"]
    depth, groups = 1, 0
    used: dict[str, list[str]] = {}
    for what, item in walk(graph):
        pad = "  " * min(depth, _INDENT)
        if what == "open":
            lines.append(f"{pad}subgraph g{groups}[{_text(item.label)}]")
            groups += 1
            depth += 1
        elif what == "close":
            depth -= 1
            lines.append(f"{'  ' * min(depth, _INDENT)}end")
        elif isinstance(item, GraphNode):
            lines.append(f"{pad}{names[item.id]}{_shape(graph, item, used, names[item.id])}")
    lines.extend(f"  {names[edge.source]} {_arrow(edge)} {names[edge.target]}" for edge in graph.edges)
    for name, members in sorted(used.items()):
        lines.append(f"  classDef {name} {_class(name)}")
        lines.extend(f"  class {','.join(members[start : start + 50])} {name}" for start in range(0, len(members), 50))
    return "\n".join(lines) + "\n"


def _text(text: str, limit: int = LABEL_LIMIT) -> str:
    """A quoted label in which nothing means anything: brackets, quotes, `end`, `click`, directives and markdown."""
    text = one_line(text, limit)
    marked = _LIST.match(text)
    text = _SAFE.sub(lambda found: f"#{ord(found[0])};", text)
    if marked:
        # "1. x" and "- x" would be taken for markdown lists
        sign = next(character for character in text if character in ".)-*+#")
        if sign in ".-":
            text = text.replace(sign, f"#{ord(sign)};", 1)
    return f'"{text or " "}"'


def _shape(graph: GraphData, node: GraphNode, used: dict[str, list[str]], name: str) -> str:
    left, right = _SHAPES.get(node.type, ("[", "]"))
    if node.type == "join":
        return f'{left}" "{right}'
    look = look_of(graph, node)
    if node.type == "compensation":
        used.setdefault("compensation", []).append(name)
    if node.state is not None and node.type not in ("start", "end"):
        used.setdefault(_class_name(look.tone), []).append(name)
    text = _text(node.label)
    if node.type not in ("start", "end") and look.line != node.type:
        text = f"{text[:-1]}<br/>{_text(look.line)[1:]}"
    return f"{left}{text}{right}"


def _class_name(tone: Tone) -> str:
    return "notTaken" if tone == "not_taken" else COLOUR_OF[tone]


def _arrow(edge: GraphEdge) -> str:
    label = f"|{_text(edge.label, 40)}|" if edge.label else ""
    if edge.type in ("loop_back", "compensation") or edge.taken is False:
        return f"-.->{label}"
    return f"==>{label}" if edge.taken else f"-->{label}"


def _class(name: str) -> str:
    if name == "notTaken":
        return f"fill:{colour('bg')},stroke:{colour('offs')},color:{colour('off')},stroke-dasharray:1 3"
    if name == "compensation":
        return "stroke-dasharray:5 4"
    state = STATES[name]
    return f"fill:{state['tint'][0]},stroke:{state['stroke'][0]},color:{colour('ink')}"
