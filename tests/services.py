"""Finds the services tests talk to, as a developer's machine has them: named, running, installed, or not at all."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

POSTGRES_VARIABLE = "DURABLE_TEST_POSTGRES"
LOCAL_POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
START_SECONDS = 30


class ServiceMissing(Exception):
    """No such service here; the message says where it was looked for."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server on which a test session makes and drops databases of its own."""

    admin_url: str
    """What psycopg connects to, as a role that may create databases."""
    found: str
    """How it was found, for the header of the test run."""
    prefix: str = field(default_factory=lambda: f"durable_test_{os.getpid()}_{secrets.token_hex(3)}")
    _numbers: Iterator[int] = field(default_factory=count)

    def create_database(self) -> str:
        """Makes an empty database and returns its name."""
        name = f"{self.prefix}_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return name

    def drop_database(self, name: str) -> None:
        """Drops it, whoever is still connected: killed workers leave connections behind."""
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def engine_url(self, database: str) -> str:
        """The URL of one of its databases in the form an `Engine` takes."""
        parts = urlsplit(self.admin_url)
        # Written out: urlunsplit drops the slashes of an empty host, which a server on a Unix socket has.
        return f"postgresql+psycopg://{parts.netloc}/{database}" + (f"?{parts.query}" if parts.query else "")

    def _run(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.admin_url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """The first of: the server DURABLE_TEST_POSTGRES names, one on the standard local port, one started for us."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise ServiceMissing(f"no PostgreSQL driver ({error}); pip install 'durable-studio[test]'") from error

    named = os.environ.get(POSTGRES_VARIABLE)
    if named:
        # Somebody named it, so a server that does not answer is an error to see, not a reason to skip.
        url = named.replace("postgresql+psycopg://", "postgresql://", 1)
        failure = _why_unusable(url)
        if failure:
            raise RuntimeError(f"{POSTGRES_VARIABLE} names a PostgreSQL that cannot be used: {failure}")
        yield PostgresServer(url, f"from {POSTGRES_VARIABLE}")
        return

    failure = _why_unusable(LOCAL_POSTGRES)
    if failure is None:
        yield PostgresServer(LOCAL_POSTGRES, "on the standard local port")
        return

    programs = _postgres_programs()
    if programs is None:
        raise ServiceMissing(
            f"no PostgreSQL: {POSTGRES_VARIABLE} is not set, {LOCAL_POSTGRES} cannot be used ({failure}), "
            "and no initdb on PATH or in /usr/lib/postgresql/*/bin to start one with"
        )
    with _private_postgres(programs) as url:
        yield PostgresServer(url, f"started from {programs}")


def _why_unusable(url: str) -> str | None:
    """None when databases can be made there, else the reason."""
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        return " ".join(str(error).split())
    return None if row and row[0] else "the role may not create databases"


def _postgres_programs() -> Path | None:
    """The folder of the newest installed server programs."""

    def version(folder: Path) -> tuple[int, ...]:
        return tuple(int(part) for part in folder.parent.name.split(".") if part.isdigit())

    debian = [found.parent for found in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if debian:
        return max(debian, key=version)
    on_path = shutil.which("initdb")
    # Resolved: the programs look for their shared files relative to where they really are.
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def _private_postgres(programs: Path) -> Iterator[str]:
    """A server of this session's own, fsync on as in real use, gone with its data afterwards."""
    place = Path(tempfile.mkdtemp(prefix="durable-postgres-"))
    as_owner: list[str] = []
    try:
        if os.geteuid() == 0:  # initdb refuses to run as root
            owner = _postgres_account()
            shutil.chown(place, owner.pw_uid, owner.pw_gid)
            as_owner = _as_account(owner.pw_name)
        data, log, port = place / "data", place / "log", _free_port()
        _checked(
            *as_owner,
            f"{programs}/initdb",
            "-D",
            f"{data}",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        )
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {place} -c fsync=on -c max_connections=200"
        pg_ctl = [*as_owner, f"{programs}/pg_ctl", "-D", f"{data}", "-w", "-t", f"{START_SECONDS}"]
        _checked(*pg_ctl, "-l", f"{log}", "-o", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            _checked(*pg_ctl, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _postgres_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServiceMissing("no PostgreSQL: its programs refuse to run as root and there is no account to run them as")


def _as_account(name: str) -> list[str]:
    if shutil.which("runuser"):
        return ["runuser", "-u", name, "--"]
    if shutil.which("su"):
        return ["su", name, "-s", "/bin/sh", "-c", 'exec "$0" "$@"', "--"]
    raise ServiceMissing("no PostgreSQL: its programs refuse to run as root and there is neither runuser nor su")


def _checked(*command: str) -> None:
    # Started by pg_ctl, the server inherits its streams: a pipe would stay open for as long as the server runs.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/", start_new_session=True
        )
        try:
            code = process.wait(timeout=START_SECONDS * 2)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        if code != 0:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
            raise ServiceMissing(f"no PostgreSQL: {' '.join(command)} ended with {code}: {said}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
