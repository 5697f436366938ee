"""What the store says in the end, read with the database's own driver: the engine is not asked about itself."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
TABLES = ("executions", "steps", "tokens", "journal", "workers", "waits", "scheduled_workflows", "schedule_ticks")


@dataclass(frozen=True, slots=True)
class Tables:
    """Every row of the tables that matter here."""

    executions: list[Row]
    steps: list[Row]
    tokens: list[Row]
    journal: list[Row]
    workers: list[Row]
    waits: list[Row]
    scheduled_workflows: list[Row]
    schedule_ticks: list[Row]


def read(url: str) -> Tables:
    """Read the store at `url`."""
    return Tables(**{table: query(url, f"SELECT * FROM {table}") for table in TABLES})


def query(url: str, statement: str) -> list[Row]:
    """The rows of one statement."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
        try:
            cursor = connection.execute(statement)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]
        finally:
            connection.close()
    import psycopg
    from psycopg.rows import dict_row

    with psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:"), row_factory=dict_row) as postgres:
        return postgres.execute(statement.encode()).fetchall()


def tree(text: str | None) -> Any:
    return None if text is None else json.loads(text)
