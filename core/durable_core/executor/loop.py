"""The event loop that runs asynchronous bodies, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any


class LoopThread:
    """One event loop in one daemon thread, started when the first coroutine comes."""

    def __init__(self, name: str = "durable-loop") -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: list[Callable[[], Coroutine[Any, Any, None]]] = []

    @property
    def running_here(self) -> bool:
        """Whether the caller is on the loop's thread."""
        return self._thread is threading.current_thread()

    def start(self, *makes: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the coroutines that `makes` make as tasks of the loop, together."""
        loop = self._ensure()
        if self.running_here:
            for make in makes:
                self._start(make)
            return
        with self._lock:
            first = not self._waiting
            self._waiting += makes
        if first:  # waking the loop is a system call: those that come together share it
            loop.call_soon_threadsafe(self._start_waiting)

    def _start_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for make in waiting:
            self._start(make)

    def soon(self, function: Callable[[], None]) -> None:
        """Call a function once the callbacks that are ready now have run; only from the loop's own thread."""
        assert self._loop is not None
        self._loop.call_soon(function)

    def call(self, function: Callable[[], None]) -> None:
        """Call a function on the loop's thread, from any thread."""
        self._ensure().call_soon_threadsafe(function)

    def _start(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        assert self._loop is not None
        task = self._loop.create_task(make())
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    def _ensure(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is not None:
            return loop
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                started = threading.Event()
                loop.call_soon(started.set)
                thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the machine has none
                    loop.close()
                    raise
                started.wait()
                self._loop, self._thread = loop, thread
        return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    def close(self) -> None:
        """Stop the loop; bodies that still run are cancelled."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(timeout=5.0)
