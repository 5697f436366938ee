"""The header band: what this is, how it stands, and counts that serve as the legend."""

from __future__ import annotations

from durable_core.graph.escape import xml
from durable_core.graph.look import contents, counted, counts, status_line, status_tone
from durable_core.graph.measure import clip, text_width
from durable_core.graph.model import GraphData
from durable_core.graph.svg_badge import badge, badge_width
from durable_core.graph.svg_paint import Paint, number


def header(ink: Paint, graph: GraphData, width: int, shown: str = "") -> str:
    """The band across the top; `shown` says how much of a folded graph is there."""
    parts = []
    room = width - 56.0
    if graph.has_state:
        text = status_line(graph)
        wide = badge_width(text, 20)
        room -= wide + 24
        parts.append(badge(ink, status_tone(graph), text, width - 28 - wide, 18, 20))
    sub = _sub(graph)
    name = clip(graph.name, room, 16, bold=True)  # before its version and id: those stand in the title as well
    spared = room - text_width(name, 16, bold=True) - 12
    sub = clip(sub, spared, 12) if spared > 24 else ""
    tail = f'<tspan dx="12" font-size="12" font-weight="400" {ink.paint("ink2")}>{xml(sub)}</tspan>' if sub else ""
    title = f'<text x="28" y="33" font-size="16" font-weight="600" {ink.paint("ink")}>{xml(name)}{tail}</text>'
    second = _counts(ink, graph, width, shown) if graph.has_state else _contents(ink, graph, width, shown)
    rule = f'<path d="M0 75.5H{width}" {ink.paint(None, "line")} stroke-width="1"/>'
    return f"<g>{title}{''.join(parts)}{second}{rule}</g>\n"


def _sub(graph: GraphData) -> str:
    version = str(graph.metadata.get("version") or "")
    words = [f"version {version}" if version else "", str(graph.metadata.get("execution_id") or "")]
    return " · ".join(word for word in words if word)


def _contents(ink: Paint, graph: GraphData, width: int, shown: str) -> str:
    words = [*([shown] if shown else []), *contents(graph)[1 if shown else 0 :]]
    text = clip(" · ".join(words), width - 56, 12)
    return f'<text x="28" y="59" font-size="12" {ink.paint("ink2")}>{xml(text)}</text>'


def _counts(ink: Paint, graph: GraphData, width: int, shown: str) -> str:
    x = 28.0
    parts = []
    for tone, count in counts(graph):
        text = f"{count} {counted(tone, count)}"
        wide = 24 + text_width(text, 12)
        if x + wide > width - 28:
            break
        parts.append(f"{badge(ink, tone, '', x, 46)}")
        parts.append(f'<text x="{number(x + 24)}" y="59" font-size="12" {ink.paint("ink")}>{text}</text>')
        x += wide + 18
    if shown and x + text_width(shown, 12) <= width - 28:
        parts.append(f'<text x="{number(x)}" y="59" font-size="12" {ink.paint("ink2")}>{xml(shown)}</text>')
    return "".join(parts)
