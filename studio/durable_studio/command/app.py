"""Every command with its options. Bodies import what they need, so that ``--help`` imports nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from durable_studio.command.options import Ascii, AsJson, Db, Globals, Id, Load, Plain, client, store_url, wants_json

app = typer.Typer(
    rich_markup_mode=None,  # rich alone would take half of the 300 ms that --help may cost
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_QUEUES = typer.Typer(rich_markup_mode=None, help="List, pause and resume queues.", invoke_without_command=True)
_INPUTS = typer.Typer(rich_markup_mode=None, help="List questions to people, and answer.", invoke_without_command=True)
_DB = typer.Typer(rich_markup_mode=None, help="Make, upgrade and check the store.", no_args_is_help=True)


def _example(text: str) -> dict[str, Any]:
    return {"epilog": f"Example: {text}"}


@app.callback()
def _globals(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> None:
    """Durable workflows in plain Python: run them, watch them, steer them."""
    ctx.obj = Globals(db, as_json)


@app.command(**_example("durable-studio run orders.py:process_order --input '{\"total\": 120}' --watch"))
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


@app.command(**_example("durable-studio watch wf_1k0z"))
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


@app.command("list", **_example("durable-studio list --status failed,waiting --since 2h"))
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


@app.command(**_example("durable-studio status wf_1k0z --json"))
def status(ctx: typer.Context, id: Id, db: Db = None, as_json: AsJson = False) -> int:
    """Show where an execution is, and every step of it."""
    from durable_studio.command import looking

    with client(ctx, db) as engine:
        return looking.show_status(engine, id, wants_json(ctx, as_json))


@app.command(**_example("durable-studio logs wf_1k0z --follow --level warning"))
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


@app.command(**_example("durable-studio cancel wf_1k0z --mode compensate --reason 'customer called'"))
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
        return acting.cancel(engine, id, wants_json(ctx, as_json), mode, reason)


@app.command(**_example("durable-studio retry wf_1k0z"))
def retry(ctx: typer.Context, id: Id, db: Db = None, as_json: AsJson = False) -> int:
    """Let a failed execution go on from its failed step; a worker takes it up."""
    from durable_studio.command import acting

    with client(ctx, db) as engine:
        return acting.control(engine, "retry", id, wants_json(ctx, as_json))


@app.command(**_example("durable-studio pause wf_1k0z --reason 'bank is down'"))
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


@app.command(**_example("durable-studio resume wf_1k0z"))
def resume(ctx: typer.Context, id: Id, db: Db = None, as_json: AsJson = False) -> int:
    """Let a paused execution go on."""
    from durable_studio.command import acting

    with client(ctx, db) as engine:
        return acting.control(engine, "resume", id, wants_json(ctx, as_json))


@app.command(**_example('durable-studio fork wf_1k0z --step charge --context \'{"card": "new"}\''))
def fork(
    ctx: typer.Context,
    id: Id,
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
        return forking.fork(engine, id, wants_json(ctx, as_json), step=step, iteration=iteration, context=values)


@app.command(**_example("durable-studio explain wf_1k0z"))
def explain(ctx: typer.Context, id: Id, db: Db = None, as_json: AsJson = False) -> int:
    """Say why an execution is where it is, what would move it, and what comes next."""
    from durable_studio.command import forking

    with client(ctx, db) as engine:
        return forking.explain(engine, id, wants_json(ctx, as_json))


@app.command(**_example("durable-studio event payment '{\"amount\": 12}' --to wf_1k0z"))
def event(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The event that executions wait for.")],
    payload: Annotated[str | None, typer.Argument(metavar="[JSON|@FILE|-]", help="What it brings along.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="ID", help="Only to this execution, now or later.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="The same id again sends nothing again.")] = None,
    keep_for: Annotated[str | None, typer.Option("--keep-for", help="Keep it for later waits: 2h, 1d.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Send an event to every execution that waits for it, or to one."""
    from durable_studio.command import answering

    as_json = wants_json(ctx, as_json)
    with client(ctx, db) as engine:
        return answering.send_event(engine, name, payload, as_json, to=to, id=id, keep_for=keep_for)


@app.command(**_example("durable-studio cleanup --older-than 30d --status completed --dry-run"))
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


@app.command(**_example("durable-studio workflows orders.py"))
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
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Draw a workflow, or an execution with the state of every step."""
    from durable_studio.command import looking

    chosen = "json" if wants_json(ctx, as_json) and format is None else format
    return looking.draw(lambda: client(ctx, db), what, chosen, output)


app.command("graph", **_example("durable-studio graph orders.py:process_order -o order.svg"))(_graph)
app.command("export", hidden=True, **_example("durable-studio export orders.py --format mermaid"))(_graph)


@app.command(**_example("durable-studio worker flows.py --queue default=20 --queue reports=2"))
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


@app.command(**_example("durable-studio nodes --json"))
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


@app.command(**_example("durable-studio doctor"))
def doctor(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Look for what is wrong with the store, the workers and the clocks."""
    from durable_studio.command import checking

    with client(ctx, db) as engine:
        return checking.doctor(engine, wants_json(ctx, as_json))


@app.command(**_example("durable-studio verify"))
def verify(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Read the whole store and name every broken promise in it."""
    from durable_studio.command import checking

    with client(ctx, db) as engine:
        return checking.verify(engine, wants_json(ctx, as_json))


@_QUEUES.callback(**_example("durable-studio queues pause reports"))
def _queues(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """List, pause and resume queues."""
    return 0 if ctx.invoked_subcommand is not None else queues_list(ctx, db, as_json)


@_QUEUES.command("list", **_example("durable-studio queues list"))
def queues_list(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """List the queues with what waits in them."""
    from durable_studio.command import machines

    with client(ctx, db) as engine:
        return machines.list_queues(engine, wants_json(ctx, as_json))


@_QUEUES.command("pause", **_example("durable-studio queues pause reports"))
def queues_pause(ctx: typer.Context, name: str, db: Db = None, as_json: AsJson = False) -> int:
    """Let workers claim nothing more from a queue."""
    from durable_studio.command import machines

    with client(ctx, db) as engine:
        return machines.set_queue(engine, name, wants_json(ctx, as_json), paused=True)


@_QUEUES.command("resume", **_example("durable-studio queues resume reports"))
def queues_resume(ctx: typer.Context, name: str, db: Db = None, as_json: AsJson = False) -> int:
    """Let workers claim from a queue again."""
    from durable_studio.command import machines

    with client(ctx, db) as engine:
        return machines.set_queue(engine, name, wants_json(ctx, as_json), paused=False)


@_INPUTS.callback(**_example("durable-studio inputs answer wf_1k0z manager_approval approved"))
def _inputs(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """List what executions ask people, and answer it."""
    return 0 if ctx.invoked_subcommand is not None else inputs_list(ctx, db=db, as_json=as_json)


@_INPUTS.command("list", **_example("durable-studio inputs list --type approval --older-than 1d"))
def inputs_list(
    ctx: typer.Context,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only of this workflow.")] = None,
    type: Annotated[str | None, typer.Option("--type", help="form, approval, single_choice ...")] = None,
    older_than: Annotated[str | None, typer.Option("--older-than", help="Asked longer ago than: 1d, 2h.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 50,
    after: Annotated[str | None, typer.Option("--after", help="The last wait's id of the page before.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """List the open questions, longest waiting first."""
    from durable_studio.command import answering

    as_json = wants_json(ctx, as_json)
    with client(ctx, db) as engine:
        return answering.list_inputs(
            engine, as_json, workflow=workflow, type=type, older_than=older_than, limit=limit, after=after
        )


@_INPUTS.command("answer", **_example("durable-studio inputs answer wf_1k0z manager_approval approved --by ana"))
def inputs_answer(
    ctx: typer.Context,
    id: Id,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The question.")],
    value: Annotated[str, typer.Argument(metavar="VALUE|@FILE|-", help="Text; JSON for a form.")],
    comment: Annotated[str | None, typer.Option("--comment", help="Kept with an approval.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who answers, for the record (else who is logged in).")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> int:
    """Answer an open question; one that is not valid leaves it open (exit code 2)."""
    from durable_studio.command import answering

    as_json = wants_json(ctx, as_json)
    with client(ctx, db) as engine:
        return answering.answer(engine, id, name, value, as_json, by=by, comment=comment)


@_DB.command("init", **_example("durable-studio db init --db sqlite:///orders.db"))
def db_init(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Make the store's tables."""
    from durable_studio.command import database

    return database.init(store_url(ctx, db), wants_json(ctx, as_json))


@_DB.command("upgrade", **_example("durable-studio db upgrade"))
def db_upgrade(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Bring an older store to this library's schema."""
    from durable_studio.command import database

    return database.upgrade(store_url(ctx, db), wants_json(ctx, as_json))


@_DB.command("check", **_example("durable-studio db check"))
def db_check(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Check that the store is there and has this library's schema; exit code 5 otherwise."""
    from durable_studio.command import database

    return database.check(store_url(ctx, db), wants_json(ctx, as_json))


@_DB.command("current", **_example("durable-studio db current"))
def db_current(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """Show the store's schema version."""
    from durable_studio.command import database

    return database.show_current(store_url(ctx, db), wants_json(ctx, as_json))


app.add_typer(_INPUTS, name="inputs")
app.add_typer(_QUEUES, name="queues")
app.add_typer(_DB, name="db")
