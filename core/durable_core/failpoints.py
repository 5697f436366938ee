"""Named points around every commit-relevant action, inert unless the environment switches one on (crash tests).

    DURABLE_FAILPOINTS="before_record=kill@3;after_claim=sleep:0.2"

A point is ``name=action[@n]``: the action happens the n-th time the point is passed (the first when left out).
Actions: ``kill`` (SIGKILL to this process), ``raise`` (RuntimeError), ``sleep:SECONDS``, ``stop`` (SIGSTOP).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Final

from durable_core.errors import DefinitionError

ENVIRONMENT: Final = "DURABLE_FAILPOINTS"

POINTS: Final = (
    # start: before the transaction, before its COMMIT, after it
    "before_start",
    "inside_start",
    "after_start",
    # ends of waits and their wake-ups, before COMMIT of the claim that brings them about
    "inside_wake",
    # claim; between after_claim and after_mark the tokens are held and their executions not yet running
    "before_claim",
    "inside_claim",
    "after_claim",
    "after_mark",
    # a body, and its record on the fast path
    "before_body",
    "after_body",
    "before_record",
    "inside_record",
    "after_record",
    # `ctx.once`: the effect has happened and is not yet recorded; its record before COMMIT; after it
    "before_once",
    "inside_once",
    "after_once",
    # records under the execution's lock: what they are, before COMMIT and after it
    "inside_fork",
    "after_fork",
    "before_join",
    "inside_join",
    "after_join",
    "inside_retry",
    "after_retry",
    "inside_wait",
    "after_wait",
    "inside_settle",
    "after_settle",
    # a child's end is told to its parent, in the transaction of that end
    "inside_child",
    # a handler, its record before COMMIT, and after it
    "before_compensation",
    "after_compensation",
    "inside_compensation",
    "compensation_recorded",
    # cancel, pause, resume, retry, fork; deadlines of workflows; events and answers
    "before_control",
    "inside_control",
    "after_control",
    "before_deadline",
    "after_deadline",
    "before_signal",
    "inside_signal",
    "after_signal",
    # schedules that are created or changed, and their ticks
    "before_schedule",
    "inside_schedule",
    "after_schedule",
    "before_tick",
    "inside_tick",
    "after_tick",
    "before_takeover",
    "inside_takeover",
    "after_takeover",
    "before_heartbeat",
    "after_heartbeat",
    "before_stop",
    "before_hand_back",
    "inside_hand_back",
    "after_stop",
)

_lock = threading.Lock()
_armed: dict[str, tuple[str, int]] = {}


def _arm(text: str) -> dict[str, tuple[str, int]]:
    armed = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, _, action = part.partition("=")
        action, _, count = action.partition("@")
        if name not in POINTS or action.partition(":")[0] not in ("kill", "raise", "sleep", "stop"):
            raise DefinitionError(
                f"{ENVIRONMENT}: {part!r} is no failpoint.",
                hint=f"Use name=action[@n] with one of {', '.join(POINTS)}.",
            )
        armed[name] = (action, int(count or 1))
    return armed


_armed.update(_arm(os.environ.get(ENVIRONMENT, "")))


def arm(text: str) -> None:
    """Switch points on in this process, in place of those that were."""
    chosen = _arm(text)
    with _lock:
        _armed.clear()
        _armed.update(chosen)


def armed(name: str) -> bool:
    """Whether something is to happen at this point."""
    return name in _armed


def failpoint(name: str, where: str = "") -> None:
    """Do what the environment asks for at this point; nothing, as a rule."""
    if _armed:
        _reach(name, where)


def _reach(name: str, where: str) -> None:
    with _lock:
        found = _armed.get(name)
        if found is None:
            return
        action, count = found
        if count > 1:
            _armed[name] = (action, count - 1)
            return
        del _armed[name]
    verb, _, argument = action.partition(":")
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif verb == "sleep":
        time.sleep(float(argument or 1.0))
    else:
        raise RuntimeError(f"failpoint {name} {where}".rstrip())
