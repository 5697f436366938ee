"""Many executions made from one, by the database itself: running so many would take minutes."""

from __future__ import annotations

from typing import Any, Final

_TABLES: Final = (
    ("executions", ("id",)),
    ("tokens", ("id", "execution_id")),
    ("waits", ("id", "execution_id", "token_id")),
)


def copy(engine: Any, execution: str, low: int, high: int, token: dict[str, str]) -> None:
    """Copies numbered `low` to `high` of an execution whose one token has its own id; `token` changes columns."""
    with engine.database.write() as tx:
        for table, keys in _TABLES:
            columns = _columns(table)
            moved = {**dict.fromkeys(keys, "'wf_' || n.i"), "created_at": "created_at + n.i"}
            if table == "tokens":
                moved |= token
            tx.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) WITH RECURSIVE n (i) AS "
                f"(SELECT CAST(:low AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < CAST(:high AS bigint)) "
                f"SELECT {', '.join(moved.get(column, column) for column in columns)} FROM n, {table} "
                f"WHERE {'id' if table == 'executions' else 'execution_id'} = :id",
                {"id": execution, "low": low, "high": high},
            )
        tx.execute("ANALYZE")


def _columns(table: str) -> list[str]:
    from durable_core.store import tables

    rows = {"executions": tables.ExecutionRow, "tokens": tables.TokenRow, "waits": tables.WaitRow}
    return [str(column.name) for column in rows[table].__table__.columns]  # type: ignore[attr-defined]
