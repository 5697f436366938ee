"""Every command with its options, by subject. Bodies import what they need, so that ``--help`` imports nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from durable_studio.command.app import acting, looking, outside, running, schedules, upkeep
from durable_studio.command.app.root import group
from durable_studio.command.options import AsJson, Db, Globals

app = group()


def _version(given: bool) -> None:
    if given:
        from durable_studio import __version__

        typer.echo(f"durable-studio {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    ctx: typer.Context,
    db: Db = None,
    as_json: AsJson = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Durable workflows in plain Python: run them, watch them, steer them."""
    ctx.obj = Globals(db, as_json)


for _part in (running, looking, acting, outside, schedules, upkeep):
    app.add_typer(_part.commands)

__all__ = ["app"]
