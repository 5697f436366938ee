"""``input()`` inside a step: nobody sits in front of a worker, so it says what to use instead of waiting for ever."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from durable_core.capture.route import ROUTE
from durable_core.errors import InvalidStateError

__all__ = ["refusing_input"]

_DEBUGGERS: Final = frozenset({"cmd", "pdb", "bdb"})


def refusing_input(original: Callable[..., str]) -> Callable[..., str]:
    """``input`` that raises InvalidStateError inside a step; a debugger's own prompt still asks."""

    def input(prompt: object = "", /) -> str:  # noqa: A001 - the name it replaces
        route = ROUTE.get()
        identity = None if route is None or not route.captures else route.identity
        caller: dict[str, Any] = sys._getframe(1).f_globals
        if identity is None or caller.get("__name__") in _DEBUGGERS:
            return original(prompt)
        raise InvalidStateError(
            f"input() was called in step {identity.step!r}, where nobody can type an answer",
            state="running",
            hint='Use ctx.wait_for_input("name", prompt="...") in the step, or wait_for_input(...) as a node of the '
            "flow: it asks in the terminal, the notebook and the command line, and holds no worker while it waits.",
        )

    return input
