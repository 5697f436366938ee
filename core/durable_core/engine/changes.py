"""What other processes commit, and telling them what this one commits: one watch of the store for a whole engine.

SQLite tells watchers of every commit by itself. On PostgreSQL the ids of executions that changed are gathered and sent
with NOTIFY a few times a second, in transactions of their own: one in each commit would make commits wait for each
other. What is lost costs a reader the wait for its next slow look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from durable_core.errors import StoreError
from durable_core.store.protocol import Database
from durable_core.store.watch import ChangeWatch, announce

GATHER_SECONDS: Final = 0.03
"""Ids are gathered that long after a first one was sent."""
PREFIX: Final = "executions:"
"""What a payload that names executions begins with."""
_LONGEST: Final = 7_000

Heard = Callable[[frozenset[str] | None], None]
"""Called with the ids of executions that changed elsewhere, or None for "something did, look again"."""

log = logging.getLogger("durable_studio.engine")


class Changes:
    """Tells listeners of this process what others commit, and others what this one does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._heard: tuple[Heard, ...] = ()
        self._watch: ChangeWatch | None = None
        self._changed: set[str] = set()
        self._wake = threading.Event()
        self._sender: threading.Thread | None = None
        self._closed = False

    def subscribe(self, heard: Heard) -> Callable[[], None]:
        """Call `heard`, which must be quick, after commits of other processes; returns how to stop that."""
        with self._lock:
            self._heard = (*self._heard, heard)
            if self._watch is None and not self._closed:
                self._watch = ChangeWatch(self._database, self._tell)
                self._watch.start()

        def stop() -> None:
            with self._lock:
                self._heard = tuple(each for each in self._heard if each is not heard)

        return stop

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Wait until commits of other processes are noticed."""
        watch = self._watch
        return watch is not None and watch.wait_ready(timeout)

    def _tell(self, payload: str | None) -> None:
        ids: frozenset[str] | None = None
        if payload is not None and payload.startswith(PREFIX):
            ids = frozenset(payload.removeprefix(PREFIX).split())
        for heard in self._heard:
            try:
                heard(ids)
            except Exception:
                log.exception("a listener for changes of other processes failed")

    # --- telling others ----------------------------------------------------------------------------------------------

    def announce(self, execution_id: str) -> None:
        """An execution changed by a commit of this process: tell the others soon. SQLite has told them already."""
        if self._database.dialect != "postgres" or execution_id in self._changed:
            return
        with self._lock:
            self._changed.add(execution_id)
            if self._sender is None and not self._closed:
                self._sender = threading.Thread(target=self._send_loop, name="durable-announcer", daemon=True)
                self._sender.start()
        self._wake.set()

    def _send_loop(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            self._send()
            time.sleep(GATHER_SECONDS)
        self._send()

    def _send(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, set()
        if not changed:
            return
        payload = PREFIX + " ".join(sorted(changed))
        try:
            announce(self._database, payload if len(payload) <= _LONGEST else "")
        except StoreError as error:
            log.info("other processes hear later of %d executions: %s", len(changed), error)

    def close(self) -> None:
        """Send what was gathered, and end the watch."""
        with self._lock:
            self._closed = True
            self._heard = ()
            sender, watch = self._sender, self._watch
        self._wake.set()
        if sender is not None and sender is not threading.current_thread():
            sender.join(timeout=2.0)
        if watch is not None:
            watch.stop()
