"""Starts processes under test quickly: one process imports everything, the others are forked from it.

An interpreter with the engine takes 0.5 s to start; a fork of one takes 0.01 s, and has no threads, connections or
locks of its parent's, which has none.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

from tests.crash.drive import Order

ROOT = Path(__file__).parents[2]
IMPORTED_LATE = (
    "alembic.config",
    "psycopg",
    "watchfiles",
    "durable_core.store.postgres",
    "durable_core.store.sqlite",
    "durable_core.store.tables",
)
"""What the engine imports when it needs it: here once, for all that are forked."""
SOURCES = [ROOT, *(ROOT / name for name in ("core", "tui", "notebook_ext", "studio"))]


class Process:
    """One process under test."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.nursery = nursery
        self.pid = pid

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """How it ended: the exit code, or minus the signal; None while it runs."""
        return self.nursery.ended.get(self.pid)

    def wait(self, seconds: float) -> int:
        """Wait for its end and say how it ended; killed when it does not end in time."""
        deadline = time.monotonic() + seconds
        with self.nursery.changed:
            while (code := self.poll()) is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self.nursery.changed.wait(left)
        if code is None:
            os.kill(self.pid, signal.SIGKILL)
            raise TimeoutError(f"process {self.pid} did not end in {seconds:g} s")
        return code


class Nursery:
    """The parent's side. Used as a context; whatever still runs at its end is killed."""

    def __init__(self) -> None:
        self.ended: dict[int, int] = {}
        self.changed = threading.Condition()
        self._started: list[int] = []
        self._calls = threading.Lock()

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, SOURCES))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self._started:
            if pid not in self.ended:
                os.kill(pid, signal.SIGKILL)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()

    def start(self, order: Order) -> Process:
        """Start one process."""
        assert self._process.stdin is not None
        with self._calls:
            count = len(self._started)
            self._process.stdin.write(order.to_json() + "\n")
            self._process.stdin.flush()
            with self.changed:
                if not self.changed.wait_for(lambda: len(self._started) > count, 60):
                    raise TimeoutError("the nursery does not answer")
            return Process(self, self._started[-1])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            kind, pid, code = json.loads(line)
            with self.changed:
                if kind == "started":
                    self._started.append(pid)
                else:
                    self.ended[pid] = code
                self.changed.notify_all()


# --- the nursery's own side ----------------------------------------------------------------------------------------


def _say(*facts: Any) -> None:
    os.write(1, f"{json.dumps(facts)}\n".encode())


def _fork(line: str) -> None:
    order = Order(**json.loads(line))
    pid = os.fork()
    if pid:
        _say("started", pid, 0)
        return
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        log = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        from tests.crash.drive import run

        run(order)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say("ended", pid, os.waitstatus_to_exitcode(status))


def _serve() -> None:
    for module in IMPORTED_LATE:
        importlib.import_module(module)
    woken, waker = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    waiting = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap()
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                _fork(line.decode())


if __name__ == "__main__":
    _serve()
