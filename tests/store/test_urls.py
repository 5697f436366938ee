"""What may be written as a store URL, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from durable_core.errors import StoreError
from durable_core.store.urls import mask_password, parse_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///durable.db", "durable.db"),
        ("sqlite:////var/x.db", "/var/x.db"),
        ("sqlite+pysqlite:///sub/x.db", "sub/x.db"),
        ("sqlite:///~/x.db", str(Path.home() / "x.db")),
        ("sqlite:///x.db?busy_timeout=0.5", "x.db"),
        ("durable.db", "durable.db"),
        ("/var/x.db", "/var/x.db"),
        ("sqlite://", None),
        ("sqlite:///", None),
        ("sqlite:///:memory:", None),
        (":memory:", None),
    ],
)
def test_sqlite_urls(url: str, path: str | None) -> None:
    target = parse_url(url)
    assert target.dialect == "sqlite"
    assert target.path == (None if path is None else Path(path))
    assert target.in_memory is (path is None)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgres_urls(scheme: str) -> None:
    target = parse_url(f"{scheme}://ana:s%40cret@db.example:6543/flows?sslmode=require")
    assert (target.dialect, target.host, target.database) == ("postgres", "db.example:6543", "flows")
    assert target.dsn == "postgresql://ana:s%40cret@db.example:6543/flows?sslmode=require"
    assert "cret" not in target.safe_url
    assert "cret" not in repr(target).replace(target.url, "")


def test_the_environment_and_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DURABLE_URL", raising=False)
    assert parse_url(None).path == Path("durable.db")
    monkeypatch.setenv("DURABLE_URL", "sqlite:////var/env.db")
    assert parse_url(None).path == Path("/var/env.db")
    assert parse_url("sqlite:///given.db").path == Path("given.db")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ana:secret@host/db", "postgresql://ana:***@host/db"),
        ("postgresql://ana:p@ss/w:rd@host/db", "postgresql://ana:***@host/db"),
        ("postgresql://ana@host/db", "postgresql://ana@host/db"),
        ("postgresql:///db?user=ana&password=secret&x=1", "postgresql:///db?user=ana&password=***&x=1"),
        ("redis://:secret@host", "redis://:***@host"),
        ("sqlite:///a:b.db", "sqlite:///a:b.db"),
    ],
)
def test_passwords_are_never_shown(url: str, shown: str) -> None:
    assert mask_password(url) == shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://root:secret@host/db", "unknown scheme 'mysql'"),
        ("postgresql+asyncpg://ana:secret@host/db", "asks for the driver asyncpg"),
        ("sqlite://durable.db", "three slashes"),
        ("sqlite:///x.db?mode=ro", "unknown option 'mode'"),
        ("postgresql://ana:secret@host:port/db", "cannot be read"),
    ],
)
def test_what_cannot_be_a_store_url_says_why(url: str, expected: str) -> None:
    with pytest.raises(StoreError, match=expected) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)
    assert caught.value.hint
