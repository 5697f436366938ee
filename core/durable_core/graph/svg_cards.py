"""Cards: shape by type, paint by loudness, name, second line and badge."""

from __future__ import annotations

from dataclasses import dataclass

from durable_core.graph.escape import xml
from durable_core.graph.look import LOUDNESS, Look, Tone
from durable_core.graph.measure import card_text, clip, text_width
from durable_core.graph.model import GraphNode
from durable_core.graph.svg_badge import badge, badge_width
from durable_core.graph.svg_icons import CHEVRON, ICONS, PLAY, STOP
from durable_core.graph.svg_paint import Paint, number, state_token, surface

_ROUND = ("decision", "switch", "sleep", "event")
"""Types whose corners leave no room for a badge at the edge."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a card stands."""

    x: int
    y: int
    width: int
    height: int
    depth: int
    """Frames around it."""
    compact: bool = False
    turned: bool = False
    """The line comes in from the left, and not from above."""
    hidden: int = 0
    """Cards folded away into it."""


@dataclass(frozen=True, slots=True)
class Dress:
    """The tokens a tone is painted with."""

    fill: str
    stroke: str
    weight: str
    tile: str | None
    icon: str
    text: str
    name: str = "ink"
    dots: str = ""

    @property
    def bare(self) -> str:
        """Paint of an icon without a tile: what stands on a solid tile would not be seen on the card."""
        return self.stroke if self.icon.endswith(".on") else self.icon


def dress(tone: Tone, behind: str) -> Dress:
    """Loudness as paint: by weight, fill and dots, never by opacity."""
    loud = LOUDNESS[tone]
    if loud == 0:
        return Dress(behind, "offs", "1.2", None, "offs", "off", "off", ' stroke-dasharray="1 3.5"')
    if loud == 1:
        return Dress("card", "edge", "1.2", "tile", "ink2", "ink2")
    stroke, icon, text = (state_token(tone, part) for part in ("stroke", "icon", "text"))
    if tone == "cancelled":
        return Dress("card", stroke, "1.5", "tile", icon, text)
    if loud == 2:
        return Dress("card", stroke, "1.5", state_token(tone, "tint"), icon, text)
    if tone == "running":
        text = "ink2"  # calm: the badge and the ring speak for it
    if loud == 3:
        return Dress(state_token(tone, "tint"), stroke, "1.5", "card", icon, text)
    return Dress(state_token(tone, "tint"), stroke, "2", state_token(tone, "solid"), state_token(tone, "on"), text)


def card(ink: Paint, node: GraphNode, look: Look, spot: Spot, *, live: bool, spoken: str) -> str:
    """One card as a group that says in words what it shows."""
    worn = dress(look.tone, surface(spot.depth))
    if node.type in ("start", "end"):
        inside = _terminal(ink, node, spot)
    else:
        inside = _shape(ink, node.type, spot, worn)
        if look.tone == "needs_you":
            inside = _halo(ink, node.type, spot) + inside
        inside += _compact_text(ink, node, spot, worn) if spot.compact else _text(ink, node, look, spot, worn)
        if look.badge is not None:
            inside += _badge(ink, node.type, look, spot)
    return group(spoken, inside, live=live)


def group(spoken: str, inside: str, *, live: bool) -> str:
    """A labelled group; a live one can be reached and pressed by keyboard."""
    label = xml(spoken)
    role = 'role="button" tabindex="0"' if live else 'role="img"'
    return f'<g {role} aria-label="{label}"><title>{label}</title>{inside}</g>\n'


def compensation_card(ink: Paint, node: GraphNode, look: Look, spot: Spot, *, spoken: str, live: bool) -> str:
    """The dashed card right of a step."""
    ran = look.tone not in ("not_reached", "not_taken")
    worn = dress(look.tone, surface(spot.depth))
    fill, stroke = worn.fill, worn.stroke
    weight = "1.5" if ran else "1.2"
    middle = spot.y + spot.height / 2
    name = clip(node.label, spot.width - 34 - 8, 12)
    inside = (
        f'<rect x="{spot.x}" y="{spot.y}" width="{spot.width}" height="{spot.height}" rx="9" '
        f'{ink.paint(fill, stroke)} stroke-width="{weight}" stroke-dasharray="5 4"/>'
        f'<path transform="translate({spot.x + 19} {number(middle)})" '
        f'{ink.paint("none", stroke if ran else worn.icon)} stroke-width="1.6" d="{ICONS["compensation"]}"/>'
        f'<text x="{spot.x + 34}" y="{spot.y + 20}" font-size="12" font-weight="500" {ink.paint(worn.name)}>'
        f"{xml(name)}</text>"
        f'<text x="{spot.x + 34}" y="{number(spot.y + 34.5)}" font-size="11" {ink.paint(worn.text)}>'
        f"{xml(clip(look.line, spot.width - 42, 11))}</text>"
    )
    if look.badge is not None:
        wide = badge_width(look.badge)
        inside += badge(ink, look.tone, look.badge, spot.x + spot.width - 8 - wide, spot.y - 11)
    return group(spoken, inside, live=live)


def compensation_mark(ink: Paint, look: Look, x: float, y: float, *, depth: int) -> str:
    """A compensation without room for a card: a dashed circle on the lower border of its step."""
    ran = look.tone not in ("not_reached", "not_taken")
    stroke = state_token(look.tone, "stroke") if ran else "edge"
    fill = state_token(look.tone, "tint") if ran else surface(depth) if look.tone == "not_taken" else "card"
    return (
        f'<circle cx="{number(x)}" cy="{number(y)}" r="8" {ink.paint(fill, stroke)} stroke-width="1.2" '
        'stroke-dasharray="3 2.5"/>'
        f'<path transform="translate({number(x)} {number(y)}) scale(.75)" {ink.paint("none", stroke)} '
        f'stroke-width="1.8" d="{ICONS["compensation"]}"/>'
    )


def _terminal(ink: Paint, node: GraphNode, spot: Spot) -> str:
    reached = node.state is not None
    stroke, fill = ("taken", "taken") if reached else ("edge", "ink2")
    size = 11 if spot.compact else 12
    middle = spot.y + spot.height / 2
    text_x = spot.x + spot.width / 2 - text_width(node.label, size) / 2 + 7
    icon = PLAY if node.type == "start" else STOP
    return (
        f'<rect x="{spot.x}" y="{spot.y}" width="{spot.width}" height="{spot.height}" rx="{number(spot.height / 2)}" '
        f'{ink.paint("card", stroke)} stroke-width="1.5"/>'
        f'<path transform="translate({number(text_x - 10)} {number(middle)})" {ink.paint(fill)} d="{icon}"/>'
        f'<text x="{number(text_x)}" y="{number(middle + 4.2)}" font-size="{size}" {ink.paint("ink")}>'
        f"{xml(node.label)}</text>"
    )


def _shape(ink: Paint, kind: str, spot: Spot, worn: Dress) -> str:
    x, y, wide, high = spot.x, spot.y, spot.width, spot.height
    right, bottom, middle = x + wide, y + high, number(y + high / 2)
    paint = f'{ink.paint(worn.fill, worn.stroke)} stroke-width="{worn.weight}"{worn.dots}'
    stack = ""
    if spot.hidden:
        stack = (
            f'<path d="M{x + 6} {bottom + 3}H{right - 6}" {ink.paint("none", worn.stroke)} '
            f'stroke-width="{worn.weight}"/>'
        )
    if kind in ("decision", "switch"):
        cut = 14
        return (
            f'{stack}<path d="M{x + cut} {y}H{right - cut}L{right} {middle} {right - cut} {bottom}H{x + cut}'
            f'L{x} {middle}Z" {paint}/>'
        )
    if kind == "input":
        big, small = (15, 3) if not spot.compact else (10, 2)
        return (
            f'{stack}<path d="M{x + big} {y}H{right - big}a{big} {big} 0 0 1 {big} {big}V{bottom - big}'
            f"a{big} {big} 0 0 1-{big} {big}H{x + small}a{small} {small} 0 0 1-{small}-{small}V{y + big}"
            f'a{big} {big} 0 0 1 {big}-{big}Z" {paint}/>'
        )
    radius = number(high / 2) if kind in ("sleep", "event") else "6" if spot.compact else "9"
    box = f'{stack}<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="{radius}" {paint}/>'
    if kind == "call":
        box += (
            f'<path d="M{x + 5} {y}V{bottom}M{right - 5} {y}V{bottom}" {ink.paint(None, worn.stroke)} '
            f'stroke-width="1"{worn.dots}/>'
        )
    return box


def _text(ink: Paint, node: GraphNode, look: Look, spot: Spot, worn: Dress) -> str:
    place = card_text(node.type, compact=False)
    left = spot.x + place.text - 37
    round_tile = node.type in ("sleep", "event")
    parts = []
    if worn.tile is not None:
        parts.append(
            f'<rect x="{left}" y="{spot.y + 10}" width="28" height="28" rx="{14 if round_tile else 7}" '
            f"{ink.paint(worn.tile)}/>"
        )
    icon = ICONS.get(node.type, ICONS["step"])
    parts.append(
        f'<path transform="translate({left + 14} {spot.y + 24})" {ink.paint("none", worn.icon)} stroke-width="1.6" '
        f'd="{icon}"/>'
    )
    bar = look.done is not None
    x = spot.x + place.text
    room = spot.width - place.text - place.right - (22 if spot.hidden else 0)
    weight = "" if look.tone == "not_taken" else ' font-weight="500"'
    parts.append(
        f'<text x="{x}" y="{spot.y + (20 if bar else 21)}"{weight} {ink.paint(worn.name)}>'
        f"{xml(clip(node.label, room, 13))}</text>"
        f'<text x="{x}" y="{spot.y + (34 if bar else 37)}" font-size="11" {ink.paint(worn.text)}>'
        f"{xml(clip(look.line, room, 11))}</text>"
    )
    if bar:
        parts.append(_bar(ink, look, x, spot.y + 40, spot.x + spot.width - 8 - x))
    if spot.hidden:
        parts.append(_hidden(ink, spot, worn))
    return "".join(parts)


def _bar(ink: Paint, look: Look, x: int, y: int, wide: int) -> str:
    done = look.done or 0.0
    box = f'y="{y}" height="3.5"'
    parts = [f'<rect x="{x}" {box} width="{wide}" rx="1.8" {ink.paint("tile")}/>']
    filled = 0.0
    if done > 0:
        filled = max(3.5, (wide - 1) * done)
        parts.append(f'<rect x="{x}" {box} width="{number(filled)}" rx="1.8" {ink.paint("completed.solid")}/>')
    if look.going > 0 and filled < wide - 2:
        start = filled + 1 if filled else 0.0
        going = min((wide - 1) * look.going, wide - start)
        parts.append(f'<rect x="{number(x + start)}" {box} width="{number(going)}" {ink.paint("running.solid")}/>')
    return "".join(parts)


def _hidden(ink: Paint, spot: Spot, worn: Dress) -> str:
    right = spot.x + spot.width - (16 if spot.compact else 18)
    y = spot.y + spot.height / 2
    return (
        f'<text x="{right - 6}" y="{number(y + 4)}" font-size="11" text-anchor="end" {ink.paint(worn.text)}>'
        f"{spot.hidden}</text>"
        f'<path transform="translate({right + 2} {number(y)})" {ink.paint("none", worn.text)} stroke-width="1.5" '
        f'd="{CHEVRON}"/>'
    )


def _compact_text(ink: Paint, node: GraphNode, spot: Spot, worn: Dress) -> str:
    place = card_text(node.type, compact=True)
    x, y = spot.x + place.text, spot.y + spot.height / 2
    room: float = spot.width - place.text - place.right
    if spot.hidden:
        room -= 14 + text_width(str(spot.hidden), 11)
    icon = ICONS.get(node.type, ICONS["step"])
    weight = "" if worn.name == "off" else ' font-weight="500"'
    text = (
        f'<path transform="translate({x - 12} {number(y)}) scale(.85)" {ink.paint("none", worn.bare)} '
        f'stroke-width="1.6" d="{icon}"/>'
        f'<text x="{x}" y="{number(y + 4)}" font-size="12"{weight} {ink.paint(worn.name)}>'
        f"{xml(clip(node.label, room, 12))}</text>"
    )
    return text + (_hidden(ink, spot, worn) if spot.hidden else "")


def _badge(ink: Paint, kind: str, look: Look, spot: Spot) -> str:
    high = 16 if spot.compact else 18
    text = look.badge or ""
    wide = badge_width(text, high)
    inset = 16 if kind in _ROUND else 8
    x = spot.x + spot.width - inset - wide
    # a line from above comes in on the axis: the badge keeps away from it, and may stick out a little for that
    nearest = spot.x if spot.turned else spot.x + spot.width / 2 + 10
    furthest = spot.x + spot.width - 8 + 18 - wide
    if furthest < nearest - 1:
        text, wide = "", badge_width("", high)  # no room for the word: the shape and the label still say it
        x = spot.x + spot.width - inset - wide
        furthest = x
    x = min(max(x, nearest), max(furthest, x))
    y = spot.y - (1 if spot.compact else 2) - high / 2
    return badge(ink, look.tone, text, x, y, high)


def _halo(ink: Paint, kind: str, spot: Spot) -> str:
    radius = 18 if kind == "input" else (spot.height + 8) // 2 if kind in ("sleep", "event") else 13
    return (
        f'<rect x="{spot.x - 4}" y="{spot.y - 4}" width="{spot.width + 8}" height="{spot.height + 8}" rx="{radius}" '
        f'{ink.paint("none", "waiting.solid", moves="ds-halo")} stroke-width="2.5" stroke-opacity=".55"/>'
    )
