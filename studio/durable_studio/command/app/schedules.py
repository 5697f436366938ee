"""``schedules``: what starts by itself, and when."""

from __future__ import annotations

from typing import Annotated

import typer

from durable_studio.command.app.root import example, group
from durable_studio.command.options import AsJson, Db, Load, client, wants_json

commands = group()
schedules = group("List, make, change and trigger schedules.", alone=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule.")]
Cron = Annotated[str | None, typer.Option("--cron", help="Minute, hour, day, month, weekday: '0 9 * * 1-5'.")]
Timezone = Annotated[str | None, typer.Option("--timezone", help="Whose clock: Europe/Madrid; else UTC.")]
Queue = Annotated[str | None, typer.Option("--queue", "-q", help="Instead of the workflow's own.")]
Input = Annotated[str | None, typer.Option("--input", "-i", metavar="JSON|@FILE|-", help="What it starts with.")]
Overlap = Annotated[
    str | None,
    typer.Option("--overlap", help="While the last one still runs: skip, buffer_one, allow or cancel_other."),
]
CatchUp = Annotated[
    str | None, typer.Option("--catch-up", help="Missed ticks: none, latest, all, or those of the last 6h.")
]


@schedules.callback(**example("durable-studio schedules trigger nightly reports.py"))
def _schedules(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """List, make, change and trigger schedules."""
    return 0 if ctx.invoked_subcommand is not None else schedules_list(ctx, db=db, as_json=as_json)


@schedules.command("list", **example("durable-studio schedules list --enabled --workflow nightly_report"))
def schedules_list(
    ctx: typer.Context,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only of this workflow.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Only those.")] = None,
    queue: Queue = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="How many.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """List the schedules with their next tick, and why one is disabled."""
    from durable_studio.command import scheduling

    as_json = wants_json(ctx, as_json)
    with client(ctx, db) as engine:
        return scheduling.list_schedules(engine, as_json, workflow=workflow, enabled=enabled, queue=queue, limit=limit)


@schedules.command("create", **example("durable-studio schedules create nightly reports.py:report --cron '0 2 * * *'"))
def schedules_create(
    ctx: typer.Context,
    name: Name,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="file.py:name or package.module:name.")],
    cron: Annotated[str, typer.Option("--cron", help="Minute, hour, day, month, weekday: '0 9 * * 1-5'.")],
    timezone: Timezone = None,
    queue: Queue = None,
    input: Input = None,
    overlap: Overlap = None,
    catch_up: CatchUp = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="It ticks once it is enabled.")] = False,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Make a schedule; a worker that knows the workflow starts it at each tick."""
    from durable_studio.command import scheduling

    return scheduling.create(
        lambda: client(ctx, db, makes=True),
        name,
        target,
        wants_json(ctx, as_json),
        disabled=disabled,
        cron=cron,
        timezone=timezone,
        queue=queue,
        input=input,
        overlap=overlap,
        catch_up=catch_up,
    )


@schedules.command("update", **example("durable-studio schedules update nightly --cron '0 */2 * * *'"))
def schedules_update(
    ctx: typer.Context,
    name: Name,
    targets: Load = None,
    cron: Cron = None,
    timezone: Timezone = None,
    queue: Queue = None,
    input: Input = None,
    overlap: Overlap = None,
    catch_up: CatchUp = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Change options of a schedule; one that code declares follows the code again when that is next loaded."""
    from durable_studio.command import scheduling

    as_json = wants_json(ctx, as_json)
    with client(ctx, db) as engine:
        return scheduling.update(
            engine,
            name,
            targets,
            as_json,
            cron=cron,
            timezone=timezone,
            queue=queue,
            input=input,
            overlap=overlap,
            catch_up=catch_up,
        )


@schedules.command("enable", **example("durable-studio schedules enable nightly"))
def schedules_enable(ctx: typer.Context, name: Name, db: Db = None, as_json: AsJson = False) -> int:
    """Let a schedule tick from now on; its failures are forgotten."""
    from durable_studio.command import scheduling

    with client(ctx, db) as engine:
        return scheduling.set_enabled(engine, name, wants_json(ctx, as_json), enabled=True)


@schedules.command("disable", **example("durable-studio schedules disable nightly"))
def schedules_disable(ctx: typer.Context, name: Name, db: Db = None, as_json: AsJson = False) -> int:
    """Let a schedule tick no longer; what it started goes on."""
    from durable_studio.command import scheduling

    with client(ctx, db) as engine:
        return scheduling.set_enabled(engine, name, wants_json(ctx, as_json), enabled=False)


@schedules.command("delete", **example("durable-studio schedules delete nightly"))
def schedules_delete(ctx: typer.Context, name: Name, db: Db = None, as_json: AsJson = False) -> int:
    """Remove a schedule; one that code declares is there again when that is next loaded."""
    from durable_studio.command import scheduling

    with client(ctx, db) as engine:
        return scheduling.delete(engine, name, wants_json(ctx, as_json))


@schedules.command("trigger", **example("durable-studio schedules trigger nightly reports.py"))
def schedules_trigger(
    ctx: typer.Context,
    name: Name,
    targets: Load = None,
    input: Input = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Start a schedule's workflow now; its next tick stays where it is."""
    from durable_studio.command import scheduling

    as_json = wants_json(ctx, as_json)
    with client(ctx, db) as engine:
        return scheduling.trigger(engine, name, targets, input, as_json)


@schedules.command("next", **example("durable-studio schedules next nightly --count 10"))
def schedules_next(
    ctx: typer.Context,
    name: Name,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1000, help="How many.")] = 5,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Show the next ticks, by the clock of the schedule's time zone."""
    from durable_studio.command import scheduling

    with client(ctx, db) as engine:
        return scheduling.next_runs(engine, name, count, wants_json(ctx, as_json))


commands.add_typer(schedules, name="schedules")
