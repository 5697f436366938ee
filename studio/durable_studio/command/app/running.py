"""``run``, ``watch`` and ``worker``: what does the work, or stays with it."""

from __future__ import annotations

from typing import Annotated

import typer

from durable_studio.command.app.root import example, group
from durable_studio.command.options import Ascii, AsJson, Db, Id, Load, Plain, store_url, wants_json

commands = group()


@commands.command(**example("durable-studio run orders.py:process_order --input '{\"total\": 120}' --watch"))
def run(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="file.py:name or package.module:name.")],
    input: Annotated[str | None, typer.Option("--input", "-i", metavar="JSON|@FILE|-", help="The input.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show the graph as it goes, and the log.")] = False,
    plain: Plain = False,
    ascii: Ascii = False,
    id: Annotated[str | None, typer.Option("--id", help="The execution's id; one that is there is picked up.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Only start it, and leave the work to a worker.")] = False,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Run a workflow to its end in this process; exit code 1 when it fails."""
    from durable_studio.command import running

    as_json = wants_json(ctx, as_json)
    url = store_url(ctx, db)
    looks = running.Looks(plain, ascii)
    return running.run(url, target, input, id=id, as_json=as_json, watching=watch, detach=detach, looks=looks)


@commands.command(**example("durable-studio watch wf_1k0z"))
def watch(
    ctx: typer.Context,
    id: Id,
    plain: Plain = False,
    ascii: Ascii = False,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Follow an execution that another process runs, until it has ended."""
    from durable_studio.command import running

    return running.watch_command(ctx, db, id, wants_json(ctx, as_json), running.Looks(plain, ascii))


@commands.command(**example("durable-studio worker flows.py --queue default=20 --queue reports=2"))
def worker(
    ctx: typer.Context,
    targets: Load = None,
    queue: Annotated[list[str] | None, typer.Option("--queue", "-q", metavar="NAME=CONCURRENCY")] = None,
    lease: Annotated[float, typer.Option("--lease", min=0.5, help="Seconds a silent worker keeps its work.")] = 30.0,
    name: Annotated[str | None, typer.Option("--name", help="What screens call it.")] = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="Stop when nothing can go on by itself.")] = False,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Run what other processes start, until Ctrl-C or SIGTERM."""
    from durable_studio.command import working

    url, as_json = store_url(ctx, db), wants_json(ctx, as_json)
    return working.work(url, targets, queues=queue, lease=lease, name=name, until_idle=until_idle, as_json=as_json)
