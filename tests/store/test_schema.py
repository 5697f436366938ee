"""What the schema and its migrations promise (D-1, D-5)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from durable_core.errors import SchemaVersionError, StoreError
from durable_core.store import schema
from durable_core.store.database import Database, open_database
from durable_core.store.migrations.rendering import DIALECTS, render

from .conftest import CORE

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("queues", sa.Column("note_{revision}", sa.Text(), nullable=True))
"""


@pytest.fixture
def later(tmp_path: Path) -> schema.Migrations:
    """The migrations of a library two versions on."""
    directory = tmp_path / "later"
    shutil.copytree(schema.MIGRATIONS.directory, directory)
    revisions = schema.MIGRATIONS.revisions
    for revision in ("9001", "9002"):
        text = NEXT.format(revision=revision, before=revisions[-1])
        (directory / "versions" / f"{revision}_later.py").write_text(text)
        revisions = (*revisions, revision)
    return schema.Migrations(revisions=revisions, directory=directory)


def catalogue(database: Database) -> list[tuple[object, ...]]:
    """Everything the database knows of its tables and indexes: columns, types, keys, partial indexes."""
    with database.read() as tx:
        if database.dialect == "sqlite":
            rows = tx.fetch("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name <> 'alembic_version'")
            # Names may be quoted and lines broken differently; the definitions must be equal.
            return sorted(
                (kind, name, table, "".join((sql or "").replace('"', "").split())) for kind, name, table, sql in rows
            )
        columns = tx.fetch(
            "SELECT 'column', table_name, column_name, data_type, is_nullable, column_default, ordinal_position"
            " FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
        )
        indexes = tx.fetch(
            "SELECT 'index', indexname, indexdef FROM pg_indexes"
            " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        )
        constraints = tx.fetch(
            "SELECT 'constraint', conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass"
        )
        return sorted(columns + indexes + constraints)


def forget_everything(database: Database) -> None:
    from sqlmodel import SQLModel

    engine = database.migration_engine()
    with engine.begin() as connection:
        SQLModel.metadata.drop_all(connection)
    engine.dispose()


def test_the_migrated_schema_is_the_tables(store_url: str) -> None:
    from sqlmodel import SQLModel

    import durable_core.store.tables  # noqa: F401 - declares them

    database = open_database(store_url)
    migrated = catalogue(database)
    forget_everything(database)
    assert catalogue(database) == []
    engine = database.migration_engine()
    with engine.begin() as connection:
        SQLModel.metadata.create_all(connection)
    engine.dispose()
    assert catalogue(database) == migrated
    database.close()


def test_no_integer_that_holds_microseconds_is_small(postgres_url: str) -> None:
    database = open_database(postgres_url)
    with database.read() as tx:
        small = tx.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type = 'integer'"
            " AND (column_name LIKE '%\\_at' OR column_name IN ('at', 'lease_until', 'keep_until'))"
        )
    assert small == []
    database.close()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_creation_scripts_are_the_migrations(dialect: str) -> None:
    """After adding a migration: python -m durable_core.store.migrations.rendering"""
    written = (schema.MIGRATIONS.directory / f"{dialect}.sql").read_text()
    assert written == render(dialect)  # type: ignore[arg-type]


def test_the_known_revisions_are_the_scripts() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS.directory))
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(found)) == schema.MIGRATIONS.revisions
    assert schema.head() == found[0]


def test_a_new_store_is_at_head(store_url: str) -> None:
    database = open_database(store_url)
    assert schema.current(database) == schema.head()
    schema.check(database)
    assert schema.upgrade(database) == (schema.head(), schema.head())
    database.close()


def test_an_older_store_is_upgraded_and_keeps_its_rows(store_url: str, later: schema.Migrations) -> None:
    database = open_database(store_url)
    with database.write() as tx:
        tx.execute("INSERT INTO queues (name, paused, updated_at) VALUES ('kept', 1, 2)")
    with pytest.raises(SchemaVersionError, match="older than 9002.*durable-studio db upgrade") as caught:
        schema.check(database, later)
    assert (caught.value.found, caught.value.expected) == (schema.head(), "9002")
    assert schema.upgrade(database, later) == (schema.head(), "9002")
    assert schema.current(database) == "9002"
    schema.check(database, later)
    with database.read() as tx:
        assert tx.fetch("SELECT name, note_9001, note_9002 FROM queues") == [("kept", None, None)]
    database.close()


def test_a_failing_migration_changes_nothing(store_url: str, later: schema.Migrations) -> None:
    script = later.directory / "versions" / "9002_later.py"
    script.write_text(script.read_text() + '    raise RuntimeError("no")\n')
    database = open_database(store_url)
    before = catalogue(database)
    with pytest.raises(RuntimeError):
        schema.upgrade(database, later)
    assert schema.current(database) == schema.head()
    assert catalogue(database) == before
    database.close()


def test_a_newer_store_is_refused_clearly(store_url: str) -> None:
    database = open_database(store_url)
    with database.write() as tx:
        tx.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    for create in (True, False):
        with pytest.raises(SchemaVersionError, match=f"version 9999, newer than {schema.head()}") as caught:
            open_database(store_url, create=create)
        assert (caught.value.found, caught.value.expected) == ("9999", schema.head())
        assert "Upgrade the library" in str(caught.value)


def test_without_create_an_empty_store_is_refused(postgres_url: str) -> None:
    with pytest.raises(SchemaVersionError, match="durable-studio db init"):
        open_database(postgres_url, create=False)


def test_tables_of_somebody_else_are_not_touched(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE events (theirs TEXT)")
    with pytest.raises(StoreError, match="could not be made.*of its own"):
        open_database(postgres_url)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == [("events",)]


def test_making_a_store_imports_neither_alembic_nor_sqlalchemy(sqlite_url: str) -> None:
    """They cost half a second; a first `durable-studio run` should not wait for them."""
    code = (
        f"import sys; sys.path.insert(0, {str(CORE)!r})\n"
        "from durable_core.store.database import open_database\n"
        f"open_database({sqlite_url!r}).close()\n"
        "print(sorted({'alembic', 'sqlalchemy', 'sqlmodel', 'psycopg', 'watchfiles'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
