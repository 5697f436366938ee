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
    "before_start",
    "after_start",
    "before_claim",
    "after_claim",
    "before_body",
    "after_body",
    "before_record",
    "after_record",
    "inside_record",
    "inside_settle",
    "before_compensation",
    "after_compensation",
    "before_join",
    "after_join",
    "before_control",
    "after_control",
    "before_takeover",
    "after_takeover",
    "before_heartbeat",
    "before_stop",
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
                f"{ENVIRONMENT}: {part!r} is no failpoint.", hint=f"Use name=action[@n] with one of {', '.join(POINTS)}."
            )
        armed[name] = (action, int(count or 1))
    return armed


_armed.update(_arm(os.environ.get(ENVIRONMENT, "")))


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
