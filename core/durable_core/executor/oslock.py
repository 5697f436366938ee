"""The operating-system lock that a worker process holds while it lives: the kernel lets go when it is killed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import tempfile
from pathlib import Path


def host_identity() -> str:
    """This machine since its last boot: processes with equal identities see each other's locks."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        boot = "unknown"
    return f"{socket.gethostname()}/{boot}/{os.getuid()}"


def lock_path(store_identity: str, worker_id: str) -> Path:
    """Where a worker of that store keeps its lock file."""
    store = hashlib.sha256(store_identity.encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"durable-studio-{os.getuid()}" / store / f"{worker_id}.lock"


class ProcessLock:
    """Held from construction until `release` or the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self._owner = os.getpid()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # a forked child would keep the lock alive after this process is gone
        os.register_at_fork(after_in_child=self._close)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def lose(self) -> None:
        """Let go as the end of a killed process does: the file stays and tells that its holder is gone."""
        self._close()

    def release(self) -> None:
        if self._descriptor >= 0 and os.getpid() == self._owner:
            with contextlib.suppress(OSError):
                self.path.unlink()
            self._close()


def holder_is_gone(path: str | None) -> bool:
    """Whether the process that held this lock has ended; False when that cannot be told."""
    if not path:
        return False
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False  # no such file: another machine's, or cleaned away; the lease decides
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
