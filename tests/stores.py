"""PostgreSQL databases that tests take one after the other: making and dropping one costs more than most tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import psycopg

from tests.services import PostgresServer

_LEAVE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


class StorePool:
    """Empty stores on one server; each is one test's alone while the test has it."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._spare: list[str] = []

    @contextmanager
    def store(self) -> Iterator[str]:
        """The URL of a database for one store, empty or with nothing in its tables."""
        name = self._spare.pop() if self._spare else self._server.create_database()
        try:
            yield self._server.engine_url(name)
        finally:
            if _emptied(self._server.engine_url(name)):
                self._spare.append(name)
            else:
                self._server.drop_database(name)

    def close(self) -> None:
        """Drop them all."""
        while self._spare:
            self._server.drop_database(self._spare.pop())


def _emptied(url: str) -> bool:
    """Remove all rows, whoever is still connected; False when this is no store, or a test changed its tables."""
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True, connect_timeout=10) as connection:
        connection.execute(_LEAVE)
        tables = {str(row[0]) for row in connection.execute(_TABLES)}
        if tables != _store_tables():
            return False
        full = [table for table in sorted(tables - {"alembic_version"}) if _holds_rows(connection, table)]
        if full:
            connection.execute(f"TRUNCATE {', '.join(full)} RESTART IDENTITY CASCADE".encode())
        return connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(_head(),)]


def _holds_rows(connection: psycopg.Connection, table: str) -> bool:
    row = connection.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}")'.encode()).fetchone()
    return bool(row and row[0])


@cache
def _store_tables() -> set[str]:
    from durable_core.store.schema import MIGRATIONS

    return set(re.findall(r"CREATE TABLE (\w+)", (MIGRATIONS.directory / "postgres.sql").read_text()))


def _head() -> str:
    from durable_core.store import schema

    return schema.head()
