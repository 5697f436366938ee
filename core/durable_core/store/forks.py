"""What a forked child must not inherit: open database connections.

SQLite keeps its view of the file's locks per process, and a fork copies that view without the locks: a connection
opened in the child would believe in locks it does not hold and may corrupt the file (sqlite.org/howtocorrupt.html,
2.6). So connections are closed *before* a fork and opened again, on both sides, when they are next needed.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

__all__ = ["ForkAware", "register"]


class ForkAware(Protocol):
    """Something that holds connections of this process."""

    def before_fork(self) -> None:
        """Close what can be closed; called in the thread that forks."""
        ...

    def after_fork_in_parent(self) -> None:
        """Go on."""
        ...

    def after_fork_in_child(self) -> None:
        """Forget every connection, without closing any, and every lock: no other thread came along."""
        ...


_registered: weakref.WeakSet[ForkAware] = weakref.WeakSet()
_guard = threading.Lock()
_hooked = False


def register(holder: ForkAware) -> None:
    """Tell the holder of every fork from now on, as long as it lives."""
    global _hooked
    with _guard:
        _registered.add(holder)
        if not _hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
            _hooked = True


def _before() -> None:
    _guard.acquire()
    for holder in list(_registered):
        holder.before_fork()


def _after_in_parent() -> None:
    for holder in list(_registered):
        holder.after_fork_in_parent()
    _guard.release()


def _after_in_child() -> None:
    global _guard
    _guard = threading.Lock()
    for holder in list(_registered):
        holder.after_fork_in_child()
