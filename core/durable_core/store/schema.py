"""The version of a store's schema: read in one query, made from a script, upgraded by Alembic."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from durable_core.errors import SchemaVersionError, StoreError
from durable_core.store.transaction import Dialect, Transaction

if TYPE_CHECKING:
    from durable_core.store.protocol import Database

__all__ = ["CREATION_LOCK", "MIGRATIONS", "Migrations", "check", "current", "ensure", "head", "upgrade"]

CREATION_LOCK: Final = 0x6475_7261_626C_6531
"""The key of PostgreSQL's advisory lock under which a schema is made or upgraded ("durable1")."""


def _package_directory() -> Path:
    return Path(str(resources.files("durable_core.store.migrations")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """The migrations of a library version: their revisions, oldest first, and where their scripts lie."""

    revisions: tuple[str, ...]
    directory: Path = field(default_factory=_package_directory)

    @property
    def head(self) -> str:
        """The revision this library works with."""
        return self.revisions[-1]


# Written here so that opening a store needs no Alembic (a quarter of a second); a test compares it with the scripts.
MIGRATIONS: Final = Migrations(revisions=("0001",))


def head(migrations: Migrations = MIGRATIONS) -> str:
    """The revision this library works with."""
    return migrations.head


def current(database: Database) -> str | None:
    """The revision of a store, or None when it has no tables of ours."""
    with database.read() as tx:
        return _current(tx)


def check(database: Database, migrations: Migrations = MIGRATIONS) -> None:
    """Raise SchemaVersionError unless the store's schema is exactly the library's (D-5)."""
    found = current(database)
    if found != migrations.head:
        raise _mismatch(database, found, migrations)


def ensure(database: Database, migrations: Migrations = MIGRATIONS) -> None:
    """Make or upgrade the schema where there is something to do; refuse a newer one."""
    found = current(database)
    if found == migrations.head:
        return
    if found is not None and found not in migrations.revisions:
        raise _mismatch(database, found, migrations)
    upgrade(database, migrations)


def upgrade(database: Database, migrations: Migrations = MIGRATIONS) -> tuple[str | None, str]:
    """Bring the schema to the library's version, many processes at once if need be; return the one before and after."""
    found = current(database)
    if found is None:
        found = _create(database, migrations)
    if found is not None and found != migrations.head:
        if found not in migrations.revisions:
            raise _mismatch(database, found, migrations)
        _run_scripts(database, migrations)
    return found, migrations.head


def _current(tx: Transaction) -> str | None:
    if tx.dialect == "sqlite":
        known = tx.fetch_one("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    else:
        # Not to_regclass(): its cache may still hold the answer from before another process made the table.
        known = tx.fetch_one(
            "SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'alembic_version' AND pg_table_is_visible(oid)"
        )
    row = tx.fetch_one("SELECT version_num FROM alembic_version") if known else None
    return None if row is None else str(row[0])


def _create(database: Database, migrations: Migrations) -> str | None:
    """Make all tables in one transaction; return what another process had made meanwhile, else None."""
    with database.write() as tx:
        if tx.dialect == "postgres":
            tx.execute("SET LOCAL lock_timeout = '60s'")
            tx.fetch("SELECT pg_advisory_xact_lock(CAST(:key AS BIGINT))", {"key": CREATION_LOCK})
        found = _current(tx)
        if found is not None:
            return found
        try:
            for statement in _creation_script(migrations.directory, tx.dialect):
                tx.execute(statement)
        except StoreError as error:
            raise StoreError(
                f"the tables could not be made in {database.safe_url}: {error.message}",
                hint="Give the engine a file, database or schema of its own.",
            ) from error
    return None


@functools.cache
def _creation_script(directory: Path, dialect: Dialect) -> tuple[str, ...]:
    text = (directory / f"{dialect}.sql").read_text(encoding="utf-8")
    return tuple(statement for part in text.split(";\n") if (statement := part.strip()))


def _run_scripts(database: Database, migrations: Migrations) -> None:
    from alembic.config import Config
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations.directory).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    engine = database.migration_engine()
    try:
        with engine.begin() as connection:
            if database.dialect == "postgres":
                connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({CREATION_LOCK})")
            context = MigrationContext.configure(
                connection,
                opts={
                    "fn": lambda revision, _: scripts._upgrade_revs(migrations.head, revision),
                    "transactional_ddl": False,  # the transaction around all of it is ours
                },
            )
            with Operations.context(context):
                context.run_migrations()
    finally:
        engine.dispose()


def _mismatch(database: Database, found: str | None, migrations: Migrations) -> SchemaVersionError:
    where, expected = database.safe_url, migrations.head
    if found is None:
        return SchemaVersionError(
            f"the store {where} has no tables yet",
            found=None,
            expected=expected,
            hint="Make them: durable-studio db init.",
        )
    if found in migrations.revisions:
        return SchemaVersionError(
            f"the store {where} has schema version {found}, older than {expected}, which this library works with",
            found=found,
            expected=expected,
            hint="Upgrade it: durable-studio db upgrade.",
        )
    return SchemaVersionError(
        f"the store {where} has schema version {found}, newer than {expected}, the newest this library knows",
        found=found,
        expected=expected,
        hint="Upgrade the library (pip install -U durable-studio), or choose another store.",
    )
