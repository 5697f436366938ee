"""``db init``, ``db upgrade``, ``db check``, ``db current``."""

from __future__ import annotations

from durable_core.store import schema
from durable_core.store.database import Database, open_database
from durable_studio.command.output import emit, emit_json


def init(url: str | None, as_json: bool) -> int:
    """Make the store, or bring an older one up to date."""
    database = open_database(url)
    try:
        return _tell(database, as_json, f"{database.safe_url} is ready, schema version {schema.current(database)}.")
    finally:
        database.close()


def upgrade(url: str | None, as_json: bool) -> int:
    """Bring an existing store to this library's schema; opening it does that."""
    found = current_of(url)
    database = open_database(url)
    try:
        head = schema.head()
        told = "was up to date already" if found == head else f"went from {found or 'nothing'} to {head}"
        return _tell(database, as_json, f"{database.safe_url} {told}.")
    finally:
        database.close()


def check(url: str | None, as_json: bool) -> int:
    """SchemaVersionError unless the store is there and its schema is exactly the library's."""
    database = open_database(url, create=False)
    try:
        return _tell(
            database, as_json, f"{database.safe_url} has schema version {schema.current(database)}, as it should."
        )
    finally:
        database.close()


def show_current(url: str | None, as_json: bool) -> int:
    """The store's schema version, and the library's."""
    found = current_of(url)
    if as_json:
        emit_json({"current": found, "head": schema.head()})
    else:
        emit(f"{found or 'no tables yet'} (this library works with {schema.head()})")
    return 0


def current_of(url: str | None) -> str | None:
    """The store's revision, whatever it is; None where there are no tables."""
    from durable_core.errors import SchemaVersionError

    try:
        database = open_database(url, create=False)
    except SchemaVersionError as error:
        return None if error.found is None else str(error.found)
    try:
        return schema.current(database)
    finally:
        database.close()


def _tell(database: Database, as_json: bool, text: str) -> int:
    if as_json:
        emit_json({"url": database.safe_url, "current": schema.current(database), "head": schema.head()})
    else:
        emit(text)
    return 0
