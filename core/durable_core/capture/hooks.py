"""Puts capture into the process and takes it out again: counted, repeatable, kind to others who replace the same."""

from __future__ import annotations

import builtins
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from weakref import WeakKeyDictionary

from durable_core.capture.prompt import refusing_input
from durable_core.capture.records import capturing_handlers, capturing_warnings
from durable_core.capture.streams import CapturedStream
from durable_core.capture.threads import carrying_start, carrying_submit

__all__ = ["HOOKS", "Hooks"]


_ABSENT: Final = object()


class _Hook:
    """One attribute that is replaced while capture is in the process.

    Test runners, kernels and ``contextlib.redirect_stdout`` replace the same attributes. Whatever stands there when a
    step begins is taken as the real one; whatever stands there at the end is put back only if it is ours, so nobody's
    replacement is undone. Ours that somebody kept and put back later are inert outside steps.
    """

    __slots__ = ("current", "_made", "_make", "name", "owner")

    def __init__(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        self.owner = owner
        self.name = name
        self._make = make
        self.current: Any = None
        # What each of ours replaced; by identity, since `functools.wraps` copies attributes.
        self._made: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def ensure(self) -> None:
        found = getattr(self.owner, self.name, _ABSENT)
        if not self._is_ours(found):
            if self.current is None or self._made.get(self.current) is not found:
                self.current = self._make(None if found is _ABSENT else found)
                self._made[self.current] = found
            setattr(self.owner, self.name, self.current)
        else:
            self.current = found

    def remove(self) -> None:
        found = getattr(self.owner, self.name, _ABSENT)
        original = found
        while self._is_ours(original):
            original = self._made[original]
        if original is _ABSENT and found is not _ABSENT:
            delattr(self.owner, self.name)
        elif original is not found:
            setattr(self.owner, self.name, original)
        self.current = None

    def _is_ours(self, found: Any) -> bool:
        try:
            return found in self._made
        except TypeError:  # no weak reference to it, or no hash: not ours
            return False


class Hooks:
    """Counts who needs capture: the first brings it in, the last takes it out and the real streams are back."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holders = 0
        self._hooks = (
            _Hook(sys, "stdout", lambda real: CapturedStream(real, "stdout")),
            _Hook(sys, "stderr", lambda real: CapturedStream(real, "stderr")),
            _Hook(logging.Logger, "callHandlers", capturing_handlers),
            _Hook(warnings, "showwarning", capturing_warnings),
            _Hook(builtins, "input", refusing_input),
            _Hook(threading.Thread, "start", carrying_start),
            _Hook(ThreadPoolExecutor, "submit", carrying_submit),
        )
        self._current: tuple[Any, ...] = (None,) * len(self._hooks)

    @property
    def holders(self) -> int:
        """How many engines and scopes hold capture in the process."""
        return self._holders

    def acquire(self) -> None:
        """Bring capture in, or see that it is still in place."""
        with self._lock:
            stdout, stderr, handlers, showwarning, input_, start, submit = self._current
            # written out, since every step asks: 0.3 us, where going through the hooks takes 0.8
            if not (
                getattr(sys, "stdout", None) is stdout
                and getattr(sys, "stderr", None) is stderr
                and logging.Logger.callHandlers is handlers
                and getattr(warnings, "showwarning", None) is showwarning
                and getattr(builtins, "input", None) is input_
                and threading.Thread.start is start
                and ThreadPoolExecutor.submit is submit
                and handlers is not None
            ):
                for hook in self._hooks:
                    hook.ensure()
                self._current = tuple(hook.current for hook in self._hooks)
            self._holders += 1

    def release(self) -> None:
        """Take it out when nobody else holds it."""
        with self._lock:
            if self._holders > 1:
                self._holders -= 1
            else:
                self._holders = 0
                self._current = (None,) * len(self._hooks)
                for hook in self._hooks:
                    hook.remove()

    def renew_lock(self) -> None:
        """Begin anew in a forked child, where the lock may be held by a thread that does not exist."""
        self._lock = threading.RLock()


HOOKS: Final = Hooks()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=HOOKS.renew_lock)
