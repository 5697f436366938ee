"""Store URLs: what a user writes, told apart and shown without its password."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from durable_core.errors import StoreError
from durable_core.store.transaction import Dialect

__all__ = ["DEFAULT_URL", "URL_VARIABLE", "StoreUrl", "mask_password", "parse_url"]

DEFAULT_URL: Final = "sqlite:///durable.db"
URL_VARIABLE: Final = "DURABLE_URL"

_EXAMPLES: Final = "Write e.g. sqlite:///durable.db or postgresql://user:password@host/database."
# Up to the last "@": a password with an unescaped "@" or "/" in it must not show either.
_USERINFO: Final = re.compile(r"(?<=://)([^:@/]*):.*(?=@)")
_SECRET_OPTION: Final = re.compile(r"((?:ssl)?password=)[^&\s]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUrl:
    """A store URL, read: ``path`` for a SQLite file (None: in memory), ``dsn`` for what libpq connects to."""

    dialect: Dialect
    url: str
    safe_url: str
    path: Path | None = None
    dsn: str = field(default="", repr=False)
    host: str = ""
    database: str = ""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def in_memory(self) -> bool:
        """Whether the store ends with this process."""
        return self.dialect == "sqlite" and self.path is None


def mask_password(url: str) -> str:
    """The URL with every password in it replaced by ``***``."""
    return _SECRET_OPTION.sub(r"\1***", _USERINFO.sub(r"\1:***", url))


def parse_url(url: str | None) -> StoreUrl:
    """Read a store URL; None means ``$DURABLE_URL``, else ``durable.db`` in the working directory."""
    written = (url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).strip()
    if written == ":memory:":
        written = "sqlite://"
    if "://" not in written:
        # A plain path is what people type after --db.
        return _sqlite(f"sqlite:///{written}", written, {})
    scheme, rest = written.split("://", 1)
    match scheme.lower().partition("+"):
        case ("sqlite", _, "" | "pysqlite"):
            location, _, query = rest.partition("?")
            if location and not location.startswith("/"):
                raise StoreError(
                    f"the store URL {written} names a host, and SQLite is a file",
                    hint="Write three slashes before a relative path (sqlite:///durable.db), four for an absolute one.",
                )
            return _sqlite(written, location[1:], dict(parse_qsl(query)))
        case ("postgresql" | "postgres", _, "" | "psycopg"):
            return _postgres(f"postgresql://{rest}")
        case ("postgresql" | "postgres", _, driver):
            raise StoreError(
                f"the store URL {mask_password(written)} asks for the driver {driver}",
                hint=f"Write {mask_password(f'postgresql://{rest}')}: psycopg is the one driver in use.",
            )
        case _:
            raise StoreError(f"the store URL {mask_password(written)} has an unknown scheme {scheme!r}", hint=_EXAMPLES)


def _sqlite(url: str, path: str, options: dict[str, str]) -> StoreUrl:
    if unknown := sorted(set(options) - {"busy_timeout"}):
        raise StoreError(
            f"the store URL {url} has an unknown option {unknown[0]!r}", hint="SQLite takes busy_timeout=SECONDS only."
        )
    if path in ("", ":memory:"):
        return StoreUrl(dialect="sqlite", url=url, safe_url="sqlite://", options=options)
    return StoreUrl(dialect="sqlite", url=url, safe_url=url, path=Path(path).expanduser(), options=options)


def _postgres(url: str) -> StoreUrl:
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError as error:
        raise StoreError(f"the store URL {mask_password(url)} cannot be read: {error}", hint=_EXAMPLES) from None
    options = dict(parse_qsl(parts.query))
    host = unquote(parts.hostname or options.get("host", "")) or "localhost"
    database = unquote(parts.path.lstrip("/")) or options.get("dbname", "") or unquote(parts.username or "")
    return StoreUrl(
        dialect="postgres",
        url=url,
        safe_url=mask_password(url),
        dsn=url,
        host=f"{host}:{options.get('port', port)}",
        database=database,
        options=options,
    )
