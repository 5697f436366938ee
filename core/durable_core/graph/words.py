"""The words of a picture: durations, and the second line of a card before anything runs."""

from __future__ import annotations

from durable_core.definition.nodes import (
    CallNode,
    DecisionNode,
    EventNode,
    ForeachNode,
    InputNode,
    LoopNode,
    Node,
    ParallelNode,
    SleepNode,
    SwitchNode,
    WorkNode,
    child_sequences,
)

_DAY = 86_400.0
_INPUT_WORDS = {
    "form": "form",
    "approval": "approval",
    "single_choice": "choice",
    "multi_choice": "choices",
    "free_text": "text",
}


def lasting(seconds: float) -> str:
    """A measured duration: ``0.2 s``, ``52 s``, ``12 min 40 s``, ``23 h 12 min``, ``14 days``."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 1_200:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if whole < 3_600:
        return f"{whole // 60} min"
    if whole < 3 * _DAY:
        hours, rest = divmod(whole // 60, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{int(whole // _DAY)} days"


def coming(seconds: float) -> str:
    """Time still to go, rounded up to whole seconds, so that it reaches zero when it is over."""
    whole = -(-int(seconds * 1000) // 1000)
    return f"{whole} s" if whole < 60 else lasting(whole)


def written(seconds: float) -> str:
    """A duration as somebody wrote it: ``30 s``, ``48 h``, ``14 days``."""
    if seconds < 60 or seconds % 60:
        return f"{seconds:g} s" if seconds < 60 else lasting(seconds)
    if seconds < 7_200 and seconds % 3_600:
        return f"{seconds / 60:g} min"
    if seconds < 3 * _DAY or seconds % _DAY:
        return lasting(seconds) if seconds % 3_600 else f"{seconds / 3_600:g} h"
    return f"{seconds / _DAY:g} days"


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def options_of(node: Node) -> str:
    """The second line of a node's card before a run: its type, and the option that matters most."""
    match node:
        case DecisionNode() | SwitchNode():
            ways = len(child_sequences(node))
            return f"{node.type} · {ways} ways" if ways > 2 else node.type
        case WorkNode():
            if node.retry.max_attempts > 1:
                return f"step · {node.retry.max_attempts} tries"
            return f"step · {written(node.timeout)} limit" if node.timeout else "step"
        case LoopNode():
            return f"while {node.condition}" + (f" · max {node.max_iterations}" if node.max_iterations != 1000 else "")
        case ParallelNode():
            each = "all" if node.concurrency is None else f"{node.concurrency} at once"
            count = len(node.branches)
            return f"{count} branch{'es' if count != 1 else ''} · {each}"
        case ForeachNode():
            at_once = "" if node.concurrency == 1 else f" · {node.concurrency or 'all'} at once"
            return f"each {node.as_ or 'item'}{at_once}"
        case SleepNode():
            if node.seconds is not None:
                return f"sleep {written(node.seconds)}"
            return f"sleep until {node.until.name}" if node.until is not None and node.until.name else "sleep"
        case EventNode():
            word = "event" if node.mode == "one" else f"{node.mode} of {len(node.events)} events"
            return _with_limit(word, node.timeout.seconds)
        case InputNode():
            return _with_limit(_INPUT_WORDS[node.input_type], node.timeout.seconds)
        case CallNode():
            return "child workflow" if node.wait else "child, not awaited"
        case _:
            return node.type


def _with_limit(word: str, seconds: float | None) -> str:
    return word if seconds is None else f"{word} · {written(seconds)}"
