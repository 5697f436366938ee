"""Renders the migrations as plain SQL, so that making a new store imports neither Alembic nor SQLAlchemy."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from durable_core.store.schema import MIGRATIONS, Migrations
from durable_core.store.transaction import Dialect

__all__ = ["DIALECTS", "render", "write_scripts"]

DIALECTS: Final[tuple[Dialect, ...]] = ("sqlite", "postgres")


def render(dialect: Dialect, migrations: Migrations = MIGRATIONS) -> str:
    """The statements of all migrations from nothing to head, with the row that says so."""
    from alembic.config import Config
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations.directory).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    output = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql" if dialect == "postgres" else dialect,
        opts={
            "as_sql": True,
            "output_buffer": output,
            "fn": lambda revision, _: scripts._upgrade_revs(migrations.head, revision),
            "transactional_ddl": False,
        },
    )
    with Operations.context(context):
        context.run_migrations()
    lines = (line.rstrip() for line in output.getvalue().splitlines())
    return "\n".join(line.replace("\t", "    ") for line in lines if line and not line.startswith("--")) + "\n"


def write_scripts(directory: Path = MIGRATIONS.directory) -> None:
    """Write the script of each database next to the migrations; run it after adding one."""
    for dialect in DIALECTS:
        (directory / f"{dialect}.sql").write_text(render(dialect), encoding="utf-8")


if __name__ == "__main__":
    write_scripts()
