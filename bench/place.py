"""Where one measurement runs: a folder of its own, and an empty database when it needs a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Given to each measurement."""

    store: str
    folder: Path
    postgres: str | None
    """URL of an empty database."""
    shared: Path
    """A folder that the rounds of one run share, for what is costly to build."""
    options: dict[str, Any]

    @property
    def sqlite_path(self) -> Path:
        return self.folder / "store.db"

    @property
    def url(self) -> str:
        """The store as a SQLAlchemy URL."""
        if self.store == "postgres":
            assert self.postgres is not None
            return self.postgres
        return f"sqlite:///{self.sqlite_path}"

    @property
    def dsn(self) -> str:
        """The PostgreSQL database as libpq takes it."""
        return self.url.replace("postgresql+psycopg://", "postgresql://", 1)
