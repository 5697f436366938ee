"""Every command with its options, by subject. Bodies import what they need, so that ``--help`` imports nothing."""

from __future__ import annotations

import typer

from durable_studio.command.app import acting, looking, outside, running, schedules, upkeep
from durable_studio.command.app.root import group
from durable_studio.command.options import AsJson, Db, Globals

app = group()


@app.callback()
def _globals(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> None:
    """Durable workflows in plain Python: run them, watch them, steer them."""
    ctx.obj = Globals(db, as_json)


for _part in (running, looking, acting, outside, schedules, upkeep):
    app.add_typer(_part.commands)

__all__ = ["app"]
