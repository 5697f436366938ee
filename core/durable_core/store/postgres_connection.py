"""One connection to PostgreSQL, driven through libpq: a statement costs its round trip and little else.

psycopg's cursors cost about 100 us of Python a statement, as much as the server takes. Here psycopg connects, loads
rows and names errors; statements go to libpq's prepared statements directly, their parameters as text whose types the
server infers. Where it cannot infer one, the SQL says ``CAST(:name AS BIGINT)``, which SQLite understands too.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from durable_core.errors import StoreError
from durable_core.store.postgres_faults import cannot_connect, translate
from durable_core.store.postgres_sql import Statement
from durable_core.store.transaction import CommitUncertain, Params, Row
from durable_core.store.urls import StoreUrl

try:
    import psycopg
    from psycopg import errors as pg_errors
    from psycopg import pq
    from psycopg.adapt import Loader, Transformer
except ImportError as missing:
    raise StoreError(
        f"the store is on PostgreSQL, and its driver is not installed ({missing})",
        hint="pip install 'durable-studio[postgres]'",
    ) from missing

if TYPE_CHECKING:
    from psycopg.abc import Buffer
    from psycopg.pq.abc import PGresult

__all__ = ["PostgresConnection", "connect_driver"]

_MOST_PREPARED: Final = 500
_CHUNK: Final = 500
_SETTINGS: Final = {
    "default_transaction_isolation": "read\\ committed",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    # A process frozen inside a transaction must not hold its rows for ever.
    "idle_in_transaction_session_timeout": "60s",
}
_SOCKET: Final = {
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_READABLE: Final = select.POLLIN | select.POLLHUP | select.POLLERR if hasattr(select, "poll") else 0
_STALE: Final = frozenset({"0A000", "26000"})
"""A prepared plan that DDL of others outdated, or that a pooler between us and the server forgot."""


class _NumericLoader(Loader):
    """sum() of bigints is numeric: a number like SQLite's, not a Decimal."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data)
        return int(text) if text.lstrip(b"-").isdigit() else float(text)


def connect_driver(target: StoreUrl) -> psycopg.Connection[Any]:
    """A psycopg connection with the settings of D-3; what the URL says itself goes before."""
    given = target.options
    settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    options: dict[str, str] = {name: value for name, value in _SOCKET.items() if name not in given}
    options["options"] = f"{settings} {given.get('options', '')}".strip()
    if "application_name" not in given:
        options["application_name"] = "durable-studio"
    try:
        connection = psycopg.connect(target.dsn, autocommit=True, **options)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise cannot_connect(error, target.safe_url) from error
    connection.adapters.register_loader("numeric", _NumericLoader)
    return connection


class PostgresConnection:
    """A connection of the pool and the statements prepared on it."""

    __slots__ = ("_driver", "_poll", "_prepared", "_seen", "_transformer", "broken", "pgconn", "pid", "where")

    def __init__(self, target: StoreUrl) -> None:
        self._driver = connect_driver(target)
        self.where = target.safe_url
        self.pgconn = self._driver.pgconn
        self.pid = self.pgconn.backend_pid
        self._transformer = Transformer(self._driver)
        self._prepared: dict[Statement, bytes] = {}
        self._seen: set[Statement] = set()
        self.broken = False
        self._poll: select.poll | None = None
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(self.pgconn.socket, _READABLE)

    def alive(self) -> bool:
        """Whether the server still listens, as far as this end knows: an idle server says nothing but goodbye."""
        return not self.broken and (self._poll is None or not self._poll.poll(0))

    def in_transaction(self) -> bool:
        """Whether the server waits for COMMIT or ROLLBACK."""
        return self.pgconn.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)

    def failed(self) -> bool:
        """Whether a statement of the open transaction failed, so that COMMIT would roll back in silence."""
        return self.pgconn.transaction_status == pq.TransactionStatus.INERROR

    def command(self, sql: bytes) -> None:
        """Run a statement without parameters and rows: BEGIN, COMMIT, SAVEPOINT."""
        try:
            result = self.pgconn.exec_(sql)
        except psycopg.Error as error:
            raise self._fault(error) from error
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise self._refused(result)

    def commit(self) -> None:
        """COMMIT; a connection lost before the reply leaves it uncertain."""
        try:
            self.command(b"COMMIT")
        except StoreError as error:
            if self.broken:
                raise self.uncertain() from error
            raise

    def uncertain(self) -> CommitUncertain:
        """The error of a commit whose reply was lost."""
        return CommitUncertain(
            f"the connection to {self.where} broke during a commit, which may or may not have been stored",
            hint="Read the row by its own key before writing it again.",
        )

    def run(self, statement: Statement, params: Params) -> PGresult:
        """Run one statement; the second time on a connection it is prepared."""
        values = statement.values(params)
        name = self._prepared.get(statement)
        try:
            if name is not None:
                result = self.pgconn.exec_prepared(name, values)
            elif statement in self._seen and len(self._prepared) < _MOST_PREPARED:
                result = self.pgconn.exec_prepared(self._prepare(statement), values)
            else:
                if len(self._seen) > 4 * _MOST_PREPARED:
                    self._seen.clear()
                self._seen.add(statement)
                result = self.pgconn.exec_params(statement.text, values)
        except psycopg.Error as error:
            raise self._fault(error) from error
        status = result.status
        if status != pq.ExecStatus.TUPLES_OK and status != pq.ExecStatus.COMMAND_OK:
            raise self._refused(result)
        return result

    def rows(self, result: PGresult) -> list[Row]:
        """The rows of a result as Python values."""
        count = result.ntuples
        if not count:
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, count, tuple)

    def run_many(self, statement: Statement, rows: Sequence[Params]) -> int:
        """Run one statement for each row in pipelines: one round trip for hundreds."""
        name = self._prepared.get(statement) or self._prepare(statement)
        changed = 0
        for start in range(0, len(rows), _CHUNK):
            changed += self._pipeline(name, [statement.values(row) for row in rows[start : start + _CHUNK]])
        return changed

    def close(self) -> None:
        """Say goodbye to the server."""
        self._driver.close()

    def _prepare(self, statement: Statement) -> bytes:
        name = b"d%d" % len(self._prepared)
        try:
            result = self.pgconn.prepare(name, statement.text)
        except psycopg.Error as error:
            raise self._fault(error) from error
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise self._refused(result)
        self._prepared[statement] = name
        return name

    def _pipeline(self, name: bytes, batch: Sequence[list[Any] | None]) -> int:
        pgconn = self.pgconn
        changed, failure = 0, None
        try:
            pgconn.enter_pipeline_mode()
            for values in batch:
                pgconn.send_query_prepared(name, values)
            pgconn.pipeline_sync()
            while True:
                self._await_reply()
                result = pgconn.get_result()
                if result is None:
                    continue  # the end of one statement's results
                status = result.status
                if status == pq.ExecStatus.PIPELINE_SYNC:
                    break
                if status == pq.ExecStatus.FATAL_ERROR:
                    failure = failure or result
                    if pgconn.status != pq.ConnStatus.OK:
                        raise self._refused(result)
                else:
                    changed += result.command_tuples or 0
            pgconn.exit_pipeline_mode()
        except psycopg.Error as error:
            raise self._fault(error) from error
        if failure is not None:
            raise self._refused(failure)
        return changed

    def _await_reply(self) -> None:
        """Wait until `get_result` has something to give: it would itself wait with the interpreter's lock held, and
        with that stop the very thread that is to let go of the row this statement waits for."""
        pgconn = self.pgconn
        unsent = pgconn.flush()
        while unsent or pgconn.is_busy():
            if self._poll is None:
                select.select([pgconn.socket], [pgconn.socket] if unsent else [], [])
            else:
                self._poll.modify(pgconn.socket, _READABLE | select.POLLOUT if unsent else _READABLE)
                self._poll.poll()
            pgconn.consume_input()
            unsent = pgconn.flush()

    def _refused(self, result: PGresult) -> Exception:
        error = pg_errors.error_from_result(result, encoding="utf-8")
        fault = self._fault(error)
        fault.__cause__ = error
        return fault

    def _fault(self, error: psycopg.Error) -> StoreError:
        if self.pgconn.status != pq.ConnStatus.OK or error.sqlstate in _STALE:
            self.broken = True
        fault = translate(error, self.where)
        return fault if isinstance(fault, StoreError) else StoreError(str(fault))
