"""``queues``, ``nodes``, ``db``, ``cleanup``, ``doctor`` and ``verify``: the store and the machines around it."""

from __future__ import annotations

from typing import Annotated

import typer

from durable_studio.command.app.root import example, group
from durable_studio.command.options import AsJson, Db, client, store_url, wants_json

commands = group()
queues = group("List, pause and resume queues.", alone=True)
store = group("Make, upgrade and check the store.")


@queues.callback(**example("durable-studio queues pause reports"))
def _queues(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """List, pause and resume queues."""
    return 0 if ctx.invoked_subcommand is not None else queues_list(ctx, db, as_json)


@queues.command("list", **example("durable-studio queues list"))
def queues_list(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """List the queues with what waits in them."""
    from durable_studio.command import machines

    with client(ctx, db) as engine:
        return machines.list_queues(engine, wants_json(ctx, as_json))


@queues.command("pause", **example("durable-studio queues pause reports"))
def queues_pause(ctx: typer.Context, name: str, db: Db = None, as_json: AsJson = False) -> int:
    """Let workers claim nothing more from a queue."""
    from durable_studio.command import machines

    with client(ctx, db) as engine:
        return machines.set_queue(engine, name, wants_json(ctx, as_json), paused=True)


@queues.command("resume", **example("durable-studio queues resume reports"))
def queues_resume(ctx: typer.Context, name: str, db: Db = None, as_json: AsJson = False) -> int:
    """Let workers claim from a queue again."""
    from durable_studio.command import machines

    with client(ctx, db) as engine:
        return machines.set_queue(engine, name, wants_json(ctx, as_json), paused=False)


@commands.command(**example("durable-studio nodes --json"))
def nodes(
    ctx: typer.Context,
    ended: Annotated[bool, typer.Option("--all", help="Those that stopped, too.")] = False,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """List the workers of the store."""
    from durable_studio.command import machines

    with client(ctx, db) as engine:
        return machines.list_nodes(engine, wants_json(ctx, as_json), ended=ended)


@store.command("init", **example("durable-studio db init --db sqlite:///orders.db"))
def db_init(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Make the store's tables."""
    from durable_studio.command import database

    return database.init(store_url(ctx, db), wants_json(ctx, as_json))


@store.command("upgrade", **example("durable-studio db upgrade"))
def db_upgrade(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Bring an older store to this library's schema."""
    from durable_studio.command import database

    return database.upgrade(store_url(ctx, db), wants_json(ctx, as_json))


@store.command("check", **example("durable-studio db check"))
def db_check(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Check that the store is there and has this library's schema; exit code 5 otherwise."""
    from durable_studio.command import database

    return database.check(store_url(ctx, db), wants_json(ctx, as_json))


@store.command("current", **example("durable-studio db current"))
def db_current(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Show the store's schema version."""
    from durable_studio.command import database

    return database.show_current(store_url(ctx, db), wants_json(ctx, as_json))


@commands.command(**example("durable-studio cleanup --older-than 30d --status completed --dry-run"))
def cleanup(
    ctx: typer.Context,
    older_than: Annotated[str, typer.Option("--older-than", help="Ended longer ago than: 30d, 12h, 90m.")],
    status: Annotated[list[str] | None, typer.Option("--status", help="Only with these statuses.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many.")] = False,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Remove executions that ended long ago, with everything that belongs to them."""
    from durable_studio.command import acting

    with client(ctx, db) as engine:
        return acting.cleanup(engine, wants_json(ctx, as_json), older_than, status, dry_run)


@commands.command(**example("durable-studio doctor"))
def doctor(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Look for what is wrong with the store, the workers and the clocks."""
    from durable_studio.command import checking

    with client(ctx, db) as engine:
        return checking.doctor(engine, wants_json(ctx, as_json))


@commands.command(**example("durable-studio verify"))
def verify(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Read the whole store and name every broken promise in it."""
    from durable_studio.command import checking

    with client(ctx, db) as engine:
        return checking.verify(engine, wants_json(ctx, as_json))


commands.add_typer(queues, name="queues")
commands.add_typer(store, name="db")
