"""What SQLite's errors mean to a person: the file, the cause, the next step; and who holds the lock."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from durable_core.errors import DurableError, StoreError, StoreUnreachableError
from durable_core.store.transaction import ConstraintError

__all__ = ["BUSY_CODES", "FAULTS", "is_busy", "lock_holders", "locked_error", "translate"]

BUSY_CODES: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
"""Primary result codes that mean "somebody else is at it, try again"."""

FAULTS: Final = (sqlite3.Error, UnicodeEncodeError, OverflowError)
"""What the driver raises for a statement: the last two for a lone surrogate and an integer beyond 64 bits."""

# Offset of WAL_WRITE_LOCK in the -shm file (sqlite.org/walformat.html, "WAL locks"): its owner is the writer.
_WRITE_LOCK_BYTE: Final = 120


def is_busy(error: sqlite3.Error) -> bool:
    """Whether trying again may succeed: BUSY, LOCKED or PROTOCOL, in any of their extended forms."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in BUSY_CODES


def translate(error: Exception, where: str) -> DurableError:
    """The library's error for an error of the driver; ``where`` is the file as the user knows it."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, sqlite3.IntegrityError):
        name = str(error).partition(": ")[2] or None
        return ConstraintError(f"the store refused a row: {error}", constraint=name)
    match None if code is None else code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return StoreUnreachableError(
                f"the store {where} is held by another process", hint="Try again, or end that process."
            )
        case sqlite3.SQLITE_FULL:
            return StoreUnreachableError(
                f"the disk of the store {where} is full; nothing of this transaction was stored",
                hint="Free some space (durable-studio cleanup removes finished executions) and try again.",
            )
        case sqlite3.SQLITE_READONLY:
            return StoreUnreachableError(
                f"the store {where} cannot be written: the file or its directory is read-only",
                hint=f"Give this user write permission on {where} and its directory, or choose another DURABLE_URL.",
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return StoreUnreachableError(
                f"the store {where} cannot be opened: {error}",
                hint="Check that the file and its directory exist and that this user may read and write both.",
            )
        case sqlite3.SQLITE_NOTADB:
            return StoreUnreachableError(
                f"{where} is not a SQLite database",
                hint="Choose another file in DURABLE_URL or --db, or move this one away.",
            )
        case sqlite3.SQLITE_CORRUPT:
            return StoreUnreachableError(
                f"the store {where} is damaged: {error}",
                hint=f"Copy the file away, then try: sqlite3 {where} '.recover' | sqlite3 rescued.db",
            )
        case sqlite3.SQLITE_IOERR:
            return StoreUnreachableError(
                f"the disk of the store {where} failed: {error}; nothing of this transaction was stored",
                hint="Look at the system's log, and keep the file off network drives.",
            )
        case _:
            return StoreError(f"the store {where} refused a statement: {error}")


def locked_error(path: Path, seconds: float) -> StoreUnreachableError:
    """Why the write lock did not come free, naming the likely holder (D-2)."""
    message = f"the store {path} is locked: its write lock did not come free in {seconds:g} s"
    holders = lock_holders(path)
    if not holders:
        return StoreUnreachableError(
            f"{message}; the process that holds it could not be found",
            hint="It may run as another user, in another container or on another machine: find it and end it.",
        )
    named = ", ".join(_describe(pid) for pid in holders)
    stopped = [pid for pid in holders if _state(pid) in "Tt"]
    if stopped:
        hint = f"It is stopped (SIGSTOP, Ctrl-Z or a debugger): resume it with kill -CONT {stopped[0]}, or end it."
    else:
        hint = f"Wait for it, or end it: kill {holders[0]}."
    return StoreUnreachableError(f"{message}; held by {named}", hint=hint)


def lock_holders(path: Path) -> list[int]:
    """Pids that likely hold the write lock: the owner by ``/proc/locks``, else whoever else has the file open."""
    if owner := _lock_owner(path):
        return [owner]
    wanted = {str(path), f"{path}-wal", f"{path}-shm"}
    return sorted(pid for pid in _pids() if pid != os.getpid() and _has_open(pid, wanted))


def _lock_owner(path: Path) -> int | None:
    try:
        status = os.stat(f"{path}-shm")
        locks = Path("/proc/locks").read_text()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in locks.splitlines():
        # "12: POSIX  ADVISORY  WRITE 4711 fe:00:131 120 120"
        fields = line.split()
        if len(fields) != 8 or fields[3] != "WRITE" or fields[5] != device or not fields[6].isdecimal():
            continue
        last = int(fields[7]) if fields[7].isdecimal() else _WRITE_LOCK_BYTE
        if int(fields[6]) <= _WRITE_LOCK_BYTE <= last and int(fields[4]) > 0 and int(fields[4]) != os.getpid():
            return int(fields[4])
    return None


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []


def _has_open(pid: int, wanted: set[str]) -> bool:
    try:
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            if os.readlink(descriptor.path) in wanted:
                return True
    except OSError:
        return False  # gone, or another user's
    return False


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "?"


def _describe(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        command = ""
    printable = "".join(character if character.isprintable() else "?" for character in command)
    return f"pid {pid} ({printable[:120]})" if printable else f"pid {pid}"
