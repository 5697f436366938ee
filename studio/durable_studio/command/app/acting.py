"""``cancel``, ``retry``, ``pause``, ``resume`` and ``fork``: what is done to an execution."""

from __future__ import annotations

from typing import Annotated

import typer

from durable_studio.command.app.root import example, group
from durable_studio.command.options import AsJson, Db, Id, Load, client, wants_json

commands = group()


@commands.command(**example("durable-studio cancel wf_1k0z --mode compensate --reason 'customer called'"))
def cancel(
    ctx: typer.Context,
    id: Id,
    mode: Annotated[str, typer.Option("--mode", help="graceful, compensate or terminate.")] = "graceful",
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the record.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Cancel an execution: no further step begins."""
    from durable_studio.command import acting

    with client(ctx, db) as engine:
        return acting.control(engine, "cancel", id, wants_json(ctx, as_json), mode=mode, reason=reason)


@commands.command(**example("durable-studio retry wf_1k0z"))
def retry(ctx: typer.Context, id: Id, db: Db = None, as_json: AsJson = False) -> int:
    """Let a failed execution go on from its failed step; a worker takes it up."""
    from durable_studio.command import acting

    with client(ctx, db) as engine:
        return acting.control(engine, "retry", id, wants_json(ctx, as_json))


@commands.command(**example("durable-studio pause wf_1k0z --reason 'bank is down'"))
def pause(
    ctx: typer.Context,
    id: Id,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the record.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Let no further step of an execution begin until it is resumed."""
    from durable_studio.command import acting

    with client(ctx, db) as engine:
        return acting.control(engine, "pause", id, wants_json(ctx, as_json), reason=reason)


@commands.command(**example("durable-studio resume wf_1k0z"))
def resume(ctx: typer.Context, id: Id, db: Db = None, as_json: AsJson = False) -> int:
    """Let a paused execution go on."""
    from durable_studio.command import acting

    with client(ctx, db) as engine:
        return acting.control(engine, "resume", id, wants_json(ctx, as_json))


@commands.command(**example('durable-studio fork wf_1k0z --step charge --context \'{"card": "new"}\''))
def fork(
    ctx: typer.Context,
    id: Id,
    targets: Load = None,
    *,
    step: Annotated[str, typer.Option("--step", "-s", help="The first step to run: its name, id or path.")],
    iteration: Annotated[
        str | None, typer.Option("--iteration", help="Which pass, in loops and foreachs: 3, or 2.0 outer to inner.")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", "-c", metavar="JSON|@FILE|-", help="Updates what the step begins with.")
    ] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Begin a new execution with a step of another; nothing before it is run again."""
    from durable_studio.command import forking, running

    values = running.read_object(context, "--context")
    with client(ctx, db) as engine:
        return forking.fork(
            engine, id, targets or (), wants_json(ctx, as_json), step=step, iteration=iteration, context=values
        )
