"""``inputs`` and ``event``: what executions wait for from outside."""

from __future__ import annotations

from typing import Annotated

import typer

from durable_studio.command.app.root import example, group
from durable_studio.command.options import AsJson, Db, Id, client, wants_json

commands = group()
inputs = group("List questions to people, and answer.", alone=True)


@inputs.callback(**example("durable-studio inputs answer wf_1k0z manager_approval approved"))
def _inputs(ctx: typer.Context, db: Db = None, as_json: AsJson = False) -> int:
    """List what executions ask people, and answer it."""
    return 0 if ctx.invoked_subcommand is not None else inputs_list(ctx, db=db, as_json=as_json)


@inputs.command("list", **example("durable-studio inputs list --type approval --older-than 1d"))
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


@inputs.command("answer", **example("durable-studio inputs answer wf_1k0z manager_approval approved --by ana"))
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


@commands.command(**example("durable-studio event payment '{\"amount\": 12}' --to wf_1k0z"))
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
    with client(ctx, db, makes=keep_for is not None) as engine:
        return answering.send_event(engine, name, payload, as_json, to=to, id=id, keep_for=keep_for)


commands.add_typer(inputs, name="inputs")
