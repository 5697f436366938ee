"""``list``, ``status``, ``logs``, ``explain``, ``workflows`` and ``graph``: what there is, and where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from durable_studio.command.app.root import example, group
from durable_studio.command.options import Ascii, AsJson, Db, Id, Load, client, wants_json

commands = group()


@commands.command("list", **example("durable-studio list --status failed,waiting --since 2h"))
def list_(
    ctx: typer.Context,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only of this workflow.")] = None,
    status: Annotated[list[str] | None, typer.Option("--status", help="Only with these statuses.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only with this tag.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Started after a time, or 2h ago.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Started before a time, or 2h ago.")] = None,
    search: Annotated[
        str | None, typer.Option("--search", help="Part of the workflow's name, start of the id.")
    ] = None,
    parent: Annotated[str | None, typer.Option("--parent", help="Only those called by this execution.")] = None,
    top_level: Annotated[bool, typer.Option("--top-level", help="Leave out those called by others.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 50,
    after: Annotated[str | None, typer.Option("--after", help="The last id of the page before.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """List executions, newest first."""
    from durable_studio.command import looking

    chosen: dict[str, Any] = {
        "workflow": workflow,
        "status": status,
        "tag": tag,
        "since": since,
        "until": until,
        "search": search,
    }
    with client(ctx, db) as engine:
        return looking.list_executions(
            engine, wants_json(ctx, as_json), limit, after, parent=parent, top_level=top_level, **chosen
        )


@commands.command(**example("durable-studio status wf_1k0z --json"))
def status(ctx: typer.Context, id: Id, db: Db = None, as_json: AsJson = False) -> int:
    """Show where an execution is, and every step of it."""
    from durable_studio.command import looking

    with client(ctx, db) as engine:
        return looking.show_status(engine, id, wants_json(ctx, as_json))


@commands.command(**example("durable-studio logs wf_1k0z --follow --level warning"))
def logs(
    ctx: typer.Context,
    id: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the execution has ended.")] = False,
    step: Annotated[str | None, typer.Option("--step", help="Only of this step: its name, id or path.")] = None,
    level: Annotated[str | None, typer.Option("--level", help="The lowest level to show.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Print what the steps of an execution logged and printed."""
    from durable_studio.command import looking

    with client(ctx, db) as engine:
        return looking.show_logs(engine, id, wants_json(ctx, as_json), step=step, level=level, follow=follow)


@commands.command(**example("durable-studio explain wf_1k0z"))
def explain(ctx: typer.Context, id: Id, db: Db = None, as_json: AsJson = False) -> int:
    """Say why an execution is where it is, what would move it, and what comes next."""
    from durable_studio.command import forking

    with client(ctx, db) as engine:
        return forking.explain(engine, id, wants_json(ctx, as_json))


@commands.command(**example("durable-studio workflows orders.py"))
def workflows(ctx: typer.Context, targets: Load = None, db: Db = None, as_json: AsJson = False) -> int:
    """List the workflows that files and modules define."""
    from durable_studio.command import looking

    return looking.list_workflows(targets, wants_json(ctx, as_json))


def _graph(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(metavar="TARGET|ID", help="A workflow, or an execution.")],
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", help="text, dot, mermaid, cytoscape, svg, png, html or json."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; its suffix is the format.")] = None,
    ascii: Ascii = False,
    direction: Annotated[
        str | None,
        typer.Option(
            "--direction", metavar="down|right|auto", help="Which way text and SVG go; auto: right where it is small."
        ),
    ] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Draw a workflow, or an execution with the state of every step."""
    from durable_studio.command.drawing import Wish, draw

    chosen = "json" if wants_json(ctx, as_json) and format is None else format
    return draw(lambda: client(ctx, db), what, Wish(chosen, output, ascii, direction))


commands.command("graph", **example("durable-studio graph orders.py:process_order -o order.svg"))(_graph)
commands.command("export", hidden=True, **example("durable-studio export orders.py --format mermaid"))(_graph)
