"""Badges: the state of a card as a shape, a glyph and, where it helps, a word."""

from __future__ import annotations

from durable_core.graph.escape import xml
from durable_core.graph.look import Tone
from durable_core.graph.measure import text_width
from durable_core.graph.svg_icons import ARC, GLYPHS, PERSON
from durable_core.graph.svg_paint import Paint, number, state_token


def badge_width(text: str, high: int = 18) -> float:
    """Width of a badge, from its text and height."""
    return high + 6 + text_width(text, 11, bold=True) if text else float(high)


def badge(ink: Paint, tone: Tone, text: str, x: float, y: float, high: int = 18) -> str:
    """One badge with its upper left corner at x, y."""
    wide = round(badge_width(text, high), 1)
    half = high / 2
    parts = [_shape(ink, tone, x, y, wide, high), _glyph(ink, tone, x + half, y + half)]
    if text:
        centre = x + high + text_width(text, 11, bold=True) / 2
        fill = state_token(tone, "text" if tone in ("running", "cancelled") else "on")
        parts.append(
            f'<text x="{number(centre)}" y="{number(y + half + 4)}" font-size="11" font-weight="600" '
            f'text-anchor="middle" {ink.paint(fill)}>{xml(text)}</text>'
        )
    return "".join(parts)


def _shape(ink: Paint, tone: Tone, x: float, y: float, wide: float, high: int) -> str:
    if tone == "failed":
        cut = 5.5 if high <= 18 else 5
        left, right, bottom = x, x + wide, y + high
        n = number
        return (
            f'<path d="M{n(left + cut)} {n(y)}H{n(right - cut)}L{n(right)} {n(y + cut)}V{n(bottom - cut)}'
            f'L{n(right - cut)} {n(bottom)}H{n(left + cut)}L{n(left)} {n(bottom - cut)}V{n(y + cut)}Z" '
            f"{ink.paint('failed.solid')}/>"
        )
    radius = number(4 if tone in ("waiting", "needs_you") else high / 2)
    box = f'<rect x="{number(x)}" y="{number(y)}" width="{number(wide)}" height="{high}" rx="{radius}" '
    if tone == "running":
        return f'{box}{ink.paint("card", "running.stroke")} stroke-width="1.5"/>'
    if tone in ("cancelled", "not_taken"):
        return f'{box}{ink.paint("card", "cancelled.stroke")} stroke-width="1.2"/>'
    if tone in ("completed", "compensated"):
        return f"{box}{ink.paint(state_token(tone, 'solid'))}/>"
    return f'{box}{ink.paint(state_token(tone, "solid"), state_token(tone, "stroke"))} stroke-width="1"/>'


def _glyph(ink: Paint, tone: Tone, x: float, y: float) -> str:
    at = f'transform="translate({number(x)} {number(y)})"'
    if tone == "running":
        # the arc turns about 0,0 of its own group, so the group carries the place
        paint = ink.paint("none", "running.stroke", moves="ds-spin")
        return f'<g {at}><path {paint} stroke-width="2.2" d="{ARC}"/></g>'
    if tone == "needs_you":
        return f'<path {at} {ink.paint("waiting.on")} d="{PERSON}"/>'
    if tone in ("cancelled", "not_taken"):
        width, path = GLYPHS["cancelled"]
        return f'<path {at} {ink.paint("none", "cancelled.stroke")} stroke-width="{width}" d="{path}"/>'
    width, path = GLYPHS[tone]
    return f'<path {at} {ink.paint("none", state_token(tone, "on"))} stroke-width="{width}" d="{path}"/>'
