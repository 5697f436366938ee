"""Options that many commands take, and the store they choose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from durable_studio.settings import Settings, read_settings

if TYPE_CHECKING:
    from durable_core.engine.engine import Engine

Db = Annotated[
    str | None,
    typer.Option("--db", metavar="URL", help="The store: sqlite:///file.db or postgresql://... (else DURABLE_URL)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The execution, or the beginning of its id.")]
Plain = Annotated[bool, typer.Option("--plain", help="A line for each step instead of a picture.")]
Ascii = Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters only.")]
Load = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE|MODULE", help="Files or modules that define workflows (else those of pyproject.toml)."
    ),
]


@dataclass(slots=True)
class Globals:
    """What was given before the command's name."""

    db: str | None = None
    as_json: bool = False


def wants_json(ctx: typer.Context, given: bool) -> bool:
    """--json may stand before or after the command's name."""
    return given or _globals(ctx).as_json


def store_url(ctx: typer.Context, given: str | None, settings: Settings | None = None) -> str | None:
    """--db, else DURABLE_URL, else what pyproject.toml says, else the library's own default."""
    import os

    chosen = given or _globals(ctx).db or os.environ.get("DURABLE_URL")
    return chosen or (settings or read_settings()).url


@contextmanager
def client(ctx: typer.Context, db: str | None, *, makes: bool = False, **options: Any) -> Iterator[Engine]:
    """An engine without a worker; where there is no store yet it sees an empty one, and creates nothing unless told."""
    from durable_core.engine.engine import Engine
    from durable_core.store.urls import parse_url

    url = store_url(ctx, db)
    target = parse_url(url)
    if not makes and target.path is not None and not target.path.exists() and target.path.parent.is_dir():
        url = "sqlite://"
    with Engine(url, worker=False, **options) as engine:
        yield engine


def _globals(ctx: typer.Context) -> Globals:
    found = ctx.find_root().obj
    return found if isinstance(found, Globals) else Globals()
