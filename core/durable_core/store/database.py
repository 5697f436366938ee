"""The store as the floors above see it: write, read, close; SQLite and PostgreSQL behind one face."""

from __future__ import annotations

from durable_core.clock import SYSTEM_CLOCK, Clock
from durable_core.store import schema
from durable_core.store.protocol import Database
from durable_core.store.urls import parse_url

__all__ = ["BUSY_TIMEOUT", "Database", "open_database"]

BUSY_TIMEOUT = 30.0
"""Seconds a write waits for its turn before StoreUnreachableError (D-2)."""


def open_database(
    url: str | None = None, *, clock: Clock = SYSTEM_CLOCK, create: bool = True, busy_timeout: float | None = None
) -> Database:
    """Open the store of a URL and check that its schema is the library's.

    None means ``$DURABLE_URL``, else ``sqlite:///durable.db``; ``sqlite://`` or ``:memory:`` is this process's alone.
    With ``create`` a missing store is made and an older one upgraded; without it both are a StoreError.
    """
    target = parse_url(url)
    patience = float(target.options.get("busy_timeout", BUSY_TIMEOUT)) if busy_timeout is None else busy_timeout
    database: Database
    if target.dialect == "sqlite" and target.path is None:
        from durable_core.store.sqlite_memory import open_memory

        database = open_memory(target, clock=clock, busy_timeout=patience)
    elif target.dialect == "sqlite":
        from durable_core.store.sqlite import open_sqlite

        database = open_sqlite(target, clock=clock, create=create, busy_timeout=patience)
    else:
        # Here, not above: psycopg is an extra.
        from durable_core.store.postgres import open_postgres

        database = open_postgres(target, busy_timeout=patience, clock=clock)
    try:
        if create:
            schema.ensure(database)
        else:
            schema.check(database)
    except BaseException:
        database.close()
        raise
    return database
