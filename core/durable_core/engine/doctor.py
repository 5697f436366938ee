"""What is wrong with the surroundings: the database, the disk, the workers, the clocks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from durable_core.clock import SYSTEM_CLOCK
from durable_core.engine.surface import Surface
from durable_core.executor.oslock import holder_is_gone, host_identity
from durable_core.query import workers as machines
from durable_core.query.entry import Entry
from durable_core.store import schema
from durable_core.store.control import BLOCKED
from durable_core.store.urls import parse_url

Level = Literal["ok", "warning", "problem"]

LITTLE_DISK: Final = 500 * 1024 * 1024
SLOW_ANSWER_MS: Final = 100.0
CLOCK_SKEW_S: Final = 1.0
LATE_TOKEN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what to do when it is not well."""

    name: str
    level: Level
    detail: str
    hint: str = ""


def doctor(engine: Surface) -> list[Check]:
    """Everything that was looked at, good or bad."""
    return [*_store(engine), *_file(engine), *_clock(engine), *_workers(engine), *_work(engine)]


def _store(engine: Surface) -> Iterator[Check]:
    database = engine.database
    began = time.perf_counter()
    found = schema.current(database)
    took = (time.perf_counter() - began) * 1000
    level: Level = "ok" if took < SLOW_ANSWER_MS else "warning"
    yield Check(
        "store", level, f"{database.safe_url} answered in {took:.1f} ms", "" if level == "ok" else "It is slow."
    )
    if found == schema.head():
        yield Check("schema", "ok", f"version {found}")
    else:
        hint = "Upgrade it: durable-studio db upgrade."
        yield Check("schema", "problem", f"version {found}; this library works with {schema.head()}", hint)


def _file(engine: Surface) -> Iterator[Check]:
    if engine.database.dialect != "sqlite":
        return
    from durable_core.store.sqlite import sqlite_has_wal_reset_bug

    version = sqlite3.sqlite_version
    if sqlite_has_wal_reset_bug(version):
        hint = "Use one process per file, a newer SQLite, or PostgreSQL."
        yield Check(
            "sqlite", "warning", f"{version} has the WAL-reset bug: two writing processes may damage a file", hint
        )
    else:
        yield Check("sqlite", "ok", version)
    path = parse_url(engine.database.url).path
    if path is None:
        yield Check("file", "warning", "in memory: everything ends with this process", "Name a file with --db.")
        return
    with engine.database.read() as tx:
        row = tx.fetch_one("PRAGMA journal_mode")
        mode = "" if row is None else str(row[0])
        damage = [str(each[0]) for each in tx.fetch("PRAGMA quick_check(3)") if each[0] != "ok"]
    yield Check("journal", "ok" if mode == "wal" else "problem", f"journal mode {mode}")
    if damage:
        yield Check(
            "integrity", "problem", "; ".join(damage), "Restore a copy; `sqlite3 FILE .recover` may save the rest."
        )
    else:
        yield Check("integrity", "ok", "quick_check found nothing")
    yield from _disk(path)


def _disk(path: Path) -> Iterator[Check]:
    bits = stat.S_IMODE(path.stat().st_mode)
    if bits & 0o077:
        hint = f"chmod 600 {path}"
        yield Check("file mode", "warning", f"{bits:04o}: others on this machine can read what workflows store", hint)
    else:
        yield Check("file mode", "ok", f"{bits:04o}")
    size = sum(each.stat().st_size for each in (path, Path(f"{path}-wal")) if each.exists())
    free = shutil.disk_usage(path.parent).free
    level: Level = "ok" if free > LITTLE_DISK else "warning"
    hint = "" if level == "ok" else "Free some space; durable-studio cleanup --older-than 30d removes what has ended."
    yield Check("disk", level, f"{_megabytes(size)} used by the store, {_megabytes(free)} free", hint)


def _clock(engine: Surface) -> Iterator[Check]:
    if engine.database.dialect != "postgres":
        return
    before = SYSTEM_CLOCK.now_us()
    with engine.database.read() as tx:
        theirs = tx.now(refresh=True)
    mine = (before + SYSTEM_CLOCK.now_us()) / 2
    skew = (theirs - mine) / 1_000_000
    if abs(skew) > CLOCK_SKEW_S:
        detail = f"the database's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
        yield Check("clock", "warning", detail, "Leases and due times follow the database; start NTP on both.")
    else:
        yield Check("clock", "ok", f"{skew * 1000:+.0f} ms between this machine and the database")


def _workers(engine: Surface) -> Iterator[Check]:
    with engine.database.read() as tx:
        found = machines.workers(tx)
    alive = [worker for worker in found if worker["status"] == "alive" and not _is_gone(worker)]
    lost = [worker for worker in found if worker not in alive]
    yield Check(
        "workers", "ok", f"{len(alive)} alive" + "".join(f", {one['name']} (pid {one['pid']})" for one in alive)
    )
    if lost:
        names = ", ".join(f"{one['name']} (pid {one['pid']}, silent for {one['silent_s']:.0f} s)" for one in lost)
        hint = "The next worker takes over what they held." if not alive else "Their work is taken over within seconds."
        yield Check("lost workers", "warning", names, hint)
    abandoned = [claim for worker in engine.workers for claim in worker.holdings.abandoned.values()]
    if abandoned:
        names = ", ".join(f"{claim.execution_id} at {claim.token.path}" for claim in abandoned)
        hint = "They ran over their timeout and keep their slot until they return; isolation='process' can be killed."
        yield Check("abandoned bodies", "warning", names, hint)


def _is_gone(worker: Entry) -> bool:
    return worker["host"] == host_identity() and worker["pid"] != os.getpid() and holder_is_gone(worker["lock_file"])


def _work(engine: Surface) -> Iterator[Check]:
    with engine.database.read() as tx:
        now = tx.now()
        queues = machines.queues(tx)
        served = [worker for worker in machines.workers(tx) if worker["status"] == "alive"]
        ready = tx.fetch(
            "SELECT workflow, queue, COUNT(*), MIN(available_at) FROM tokens "
            "WHERE status = 'ready' AND available_at <= :now GROUP BY workflow, queue ORDER BY 4",
            {"now": now},
        )
        blocked = tx.fetch(f"SELECT id, reason FROM executions WHERE control & {BLOCKED} <> 0 ORDER BY id LIMIT 5")
    paused = [queue["name"] for queue in queues if queue["paused"]]
    if paused:
        yield Check("paused queues", "warning", ", ".join(paused), f"durable-studio queues resume {paused[0]}")
    for execution_id, reason in blocked:
        hint = f"durable-studio explain {execution_id}"
        yield Check("blocked", "problem", f"{execution_id}: {reason or 'no reason recorded'}", hint)
    for workflow, queue, number, oldest in ready:
        knows = any(workflow in one["workflows"] and queue in one["queues"] for one in served)
        age = (now - oldest) / 1_000_000
        tokens = f"{number} token{'s' if number > 1 else ''} of {workflow}"
        if not knows:
            hint = f"Start one: durable-studio worker FILE --queue {queue}=10, where FILE defines {workflow}."
            yield Check("work without a worker", "problem", f"{tokens} in queue {queue}, and no worker serves it", hint)
        elif age > LATE_TOKEN_S and queue not in paused:
            hint = "Start more workers, or raise --queue's concurrency."
            yield Check("late work", "warning", f"{tokens} in queue {queue}, the oldest ready for {age:.0f} s", hint)
    if not ready:
        yield Check("work", "ok", "nothing is ready and waits for a worker")


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:,.1f} MiB"
