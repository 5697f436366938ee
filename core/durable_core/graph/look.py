"""How loud a node is, what its badge says and what its second line says: the same words in every rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from durable_core.graph.escape import one_line
from durable_core.graph.model import GraphData, GraphNode, NodeState
from durable_core.graph.words import coming, lasting, ordinal, plural

Tone = Literal[
    "not_taken",
    "not_reached",
    "completed",
    "running",
    "waiting",
    "needs_you",
    "failed",
    "pending",
    "retry",
    "uncertain",
    "compensated",
    "cancelled",
]

LOUDNESS: Final[Mapping[Tone, int]] = {
    "not_taken": 0,
    "not_reached": 1,
    "completed": 2,
    "cancelled": 2,
    "pending": 3,
    "retry": 3,
    "uncertain": 3,
    "waiting": 3,
    "compensated": 3,
    "running": 4,
    "failed": 4,
    "needs_you": 4,
}
HEADER_ORDER: Final[tuple[Tone, ...]] = (
    "failed",
    "needs_you",
    "running",
    "retry",
    "pending",
    "waiting",
    "uncertain",
    "cancelled",
    "compensated",
    "completed",
    "not_taken",
)
"""Order of the counts in a header, and of what a folded card shows of its inside: the worst first."""
COUNTED: Final[Mapping[Tone, str]] = {
    "failed": "failed",
    "needs_you": "needs you",
    "running": "running",
    "retry": "to retry",
    "pending": "pending",
    "waiting": "waiting",
    "uncertain": "uncertain",
    "cancelled": "cancelled",
    "compensated": "compensated",
    "completed": "completed",
    "not_taken": "not taken",
}
SPOKEN: Final[Mapping[Tone, str]] = {
    "failed": "failed",
    "needs_you": "waiting for your answer",
    "running": "running",
    "retry": "waiting to retry",
    "pending": "pending",
    "waiting": "waiting",
    "uncertain": "uncertain",
    "cancelled": "cancelled",
    "compensated": "compensated",
    "completed": "completed",
    "not_taken": "not taken",
    "not_reached": "not reached",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What a card shows beside its name. `badge` is None without a badge, "" for one without text."""

    tone: Tone
    line: str
    badge: str | None
    done: float | None = None
    """Shares of a foreach's items that are finished and under way, for its bar."""
    going: float = 0.0
    spoken: str = ""
    """State in words, for screen readers and tooltips."""


def tone_of(state: NodeState | None) -> Tone:
    """What a state looks like."""
    if state is None:
        return "not_reached"
    if state.needs_answer and state.status == "waiting":
        return "needs_you"
    if state.status == "skipped":
        return "not_taken"
    if state.status == "pending":
        return "retry" if state.retrying else "pending"
    return state.status


def look_of(graph: GraphData, node: GraphNode, *, repeats: str = "") -> Look:
    """The look of one node. `repeats`: the type of the innermost loop or foreach around it, or empty."""
    state = node.state
    detail = str(node.metadata.get("detail", node.type))
    if state is None:
        return Look("not_reached", detail, None, spoken="not reached" if graph.has_state else "")
    tone = tone_of(state)
    if tone == "not_taken":
        return Look(tone, "not taken", None, spoken="not taken")
    if node.type == "compensation":
        line = one_line(_compensation_line(state), 200)
        badge = ordinal(state.order) if state.order else ""
        shown: Tone = "compensated" if tone == "completed" else tone
        return Look(shown, line, badge, spoken=line if tone != "completed" else f"ran, {line}")
    line = one_line(_line(node, state, tone, detail, repeats), 200)
    badge = _badge(node, state, tone, repeats)
    done, going = None, 0.0
    if node.type == "foreach" and state.total:
        done, going = min(1.0, state.done / state.total), min(1.0, state.active / state.total)
    error = "" if state.error is None or not state.error.message else state.error.message.split("\n", 1)[0]
    words = [SPOKEN[tone], badge or "", line, error]
    return Look(tone, line, badge, done, going, spoken=", ".join(word for word in words if word))


def _line(node: GraphNode, state: NodeState, tone: Tone, detail: str, repeats: str) -> str:
    spent = "" if state.duration_ms is None else lasting(state.duration_ms / 1000)
    due = "" if state.due_in is None else coming(state.due_in)
    if tone == "failed":
        return state.error.type if state.error is not None else "failed"
    if tone == "retry":
        return f"again in {due}" if due else "will be tried again"
    if tone == "needs_you":
        return f"due in {due}" if due else "needs an answer"
    if tone == "waiting":
        return _waiting_line(node, state, due)
    if tone == "running":
        return _running_line(node, state, spent, detail)
    if tone == "compensated":
        return f"{spent} · undone" if spent else "undone"
    if tone != "completed":
        return SPOKEN[tone]
    if node.type in ("decision", "switch"):
        return f"→ {state.choice}" if state.choice is not None else spent or detail
    if node.type == "loop":
        return plural(state.iterations, "iteration")
    if node.type == "input" and state.answered_by:
        return f"{spent} · by {state.answered_by}" if spent else f"by {state.answered_by}"
    if repeats == "foreach" and node.type not in ("parallel", "foreach") and state.done > 1 and spent:
        return f"{spent} each"
    if state.attempt > 1 and spent and state.done <= 1:
        return f"{spent} · {state.attempt} tries"
    return spent or detail


def _waiting_line(node: GraphNode, state: NodeState, due: str) -> str:
    if state.active > 1:
        return f"{state.active} {'sleeping' if node.type == 'sleep' else 'waiting'}"
    if node.type == "sleep":
        return f"wakes in {due}" if due else "sleeping"
    if node.type == "call":
        return "child runs"
    return f"due in {due}" if due else "waiting"


def _running_line(node: GraphNode, state: NodeState, spent: str, detail: str) -> str:
    if node.type == "foreach" and state.total is not None:
        left = max(0, state.total - state.done - state.active)
        return f"{left} left, {state.active} running"
    if state.active > 1:
        return f"{state.active} running"
    if node.type == "loop":
        most = node.metadata.get("max_iterations", 1000)
        return f"iteration {max(1, state.iterations)}" + (f" of ≤ {most}" if most != 1000 else "")
    if node.type in ("decision", "switch") and state.choice is not None:
        return f"→ {state.choice}"
    return spent or detail


def _compensation_line(state: NodeState) -> str:
    if state.status == "failed":
        return state.error.type if state.error is not None else "failed"
    if state.duration_ms is not None and state.status == "completed":
        return lasting(state.duration_ms / 1000)
    return state.status


def _badge(node: GraphNode, state: NodeState, tone: Tone, repeats: str) -> str:
    if tone == "needs_you":
        return "needs you"
    if tone == "retry":
        return f"try {state.attempt}/{state.max_attempts}" if state.max_attempts > 1 else f"try {state.attempt}"
    if tone == "failed" and state.max_attempts > 1 and state.attempt:
        return f"{state.attempt}/{state.max_attempts}"
    if node.type in ("parallel", "foreach") and state.total is not None and tone in ("running", "completed", "waiting"):
        return f"{state.done}/{state.total}"
    if tone == "running" and state.attempt > 1 and state.active <= 1 and not repeats:
        return f"try {state.attempt}/{state.max_attempts}"
    if tone in ("running", "completed") and node.type not in ("loop", "foreach", "parallel"):
        if repeats == "foreach" and state.done:
            return str(state.done)
        if repeats == "loop" and state.iterations > 1 and (tone == "completed" or state.active > 1):
            return f"×{state.iterations}"
    return ""


def worst(tones: set[Tone]) -> Tone:
    """The tone a folded card takes from what is inside it."""
    return next((tone for tone in HEADER_ORDER if tone in tones), "not_reached")


def counts(graph: GraphData) -> list[tuple[Tone, int]]:
    """How many leaves and decisions are in which state, loudest first; compensations are not counted apart."""
    found: dict[Tone, int] = {}
    for block in graph.structure.blocks:
        node = graph.nodes[block.node]
        if node.type in ("start", "end") or block.kind in ("parallel", "loop", "foreach") or node.state is None:
            continue
        tone = tone_of(node.state)
        found[tone] = found.get(tone, 0) + 1
    return [(tone, found[tone]) for tone in HEADER_ORDER if tone in found]


def counted(tone: Tone, count: int) -> str:
    """What so many nodes do: ``1 needs you``, ``2 need you``."""
    return "need you" if tone == "needs_you" and count != 1 else COUNTED[tone]


def status_line(graph: GraphData) -> str:
    """The execution's status with its duration: ``running 1 min 17 s``, ``failed, compensated · 27 min``."""
    status = str(graph.metadata.get("status", ""))
    words = status.replace("_", " ")
    if status == "compensated" and graph.metadata.get("error_type"):
        words = "failed, compensated"
    spent = graph.metadata.get("duration_ms")
    if spent is None:
        return words
    joint = " · " if status in ("completed", "failed", "cancelled", "compensated", "compensation_failed") else " "
    return f"{words}{joint}{lasting(float(spent) / 1000)}"


def status_tone(graph: GraphData) -> Tone:
    """The tone of the execution's own badge."""
    status = str(graph.metadata.get("status", ""))
    if status == "compensated" and graph.metadata.get("error_type"):
        return "failed"
    return _STATUS_TONES.get(status, "pending")


_STATUS_TONES: Final[Mapping[str, Tone]] = {
    "pending": "pending",
    "running": "running",
    "waiting": "waiting",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "compensating": "compensated",
    "compensated": "compensated",
    "compensation_failed": "failed",
}


def summary(graph: GraphData) -> str:
    """One sentence or two for people who cannot see the picture: what runs, failed, waits."""
    if not graph.has_state:
        return str(graph.metadata.get("description") or "") or ", ".join(contents(graph))
    lines: list[str] = []
    for node in graph.nodes:
        tone = tone_of(node.state)
        if tone in ("failed", "needs_you", "running", "retry", "waiting") and node.type not in ("start", "end", "join"):
            words = look_of(graph, node).spoken
            lines.append(f"{node.label}: {words}")
        if len(lines) == 6:
            break
    status = str(graph.metadata["status"]).replace("_", " ").capitalize()
    return f"{status}. {'; '.join(lines)}." if lines else f"{status}."


def contents(graph: GraphData) -> list[str]:
    """What the workflow is made of, in counts: the header's second line before a run."""
    kinds = [node.type for node in graph.nodes]
    cards = sum(1 for kind in kinds if kind not in ("start", "end", "join", "compensation"))
    parts = [plural(cards, "node")]
    for kind, noun in (("input", "question"), ("compensation", "compensation"), ("call", "child workflow")):
        count = kinds.count(kind)  # type: ignore[arg-type]
        if count:
            parts.append(plural(count, noun))
    return parts
