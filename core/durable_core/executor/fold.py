"""From an outcome to a plan: take the event, and decide at once whatever needs no body.

Conditions, switches and item lists are functions of the context alone. They are evaluated here, before the commit, and
recorded in the same transaction as the attempt that led to them: one commit a step, however much control flow lies
between two steps. What they decide is durable before any body acts on it.
"""

from __future__ import annotations

import random
from typing import Any

from durable_core.clock import SYSTEM_CLOCK
from durable_core.codec import dump_tree, encode
from durable_core.definition.events import Chosen, Completed, Counted, Event, Failed, Finish, Halted, Proceed, Tested
from durable_core.definition.interpreter import apply, too_many_iterations
from durable_core.definition.keys import match_case
from durable_core.definition.nodes import ForeachNode, LoopNode, Node, Source, SwitchNode, WorkNode
from durable_core.definition.state import Token
from durable_core.errors import InputValidationError, LimitError
from durable_core.executor.claim import Claim, byte_size
from durable_core.executor.contexts import evaluate, final_output
from durable_core.executor.outcome import Broke, Done, Drifted, Interrupted, Outcome, Suspended
from durable_core.executor.plan import Plan, step_row
from durable_core.failure import describe_exception
from durable_core.limits import LIMITS, check_limit
from durable_core.status import AttemptStatus

now_us = SYSTEM_CLOCK.now_us

_DECIDED_HERE = (LoopNode, SwitchNode, ForeachNode)
_SURELY_SMALL = LIMITS.output_bytes // 4  # no character has more than four bytes


def plan_outcome(claim: Claim, node: Node, outcome: Outcome, started_at: int) -> Plan:
    """The plan for one finished attempt of the node where the claim stands."""
    plan = Plan(claim, claim.token, claim.token)
    finished_at = now_us()
    token = claim.token
    match outcome:
        case Done():
            change = output = None
            if outcome.output is not None:
                output = dump_tree(outcome.output)
                if len(output) > _SURELY_SMALL:
                    check_limit(byte_size(output), LIMITS.output_bytes, f"The output of {node.path!r}")
            if outcome.ops:
                change = dump_tree(outcome.ops)
                claim.admit(outcome.ops, change, node.path)
                claim.take_in(outcome.ops)
            compensate = 1 if isinstance(node, WorkNode) and node.compensate is not None else 0
            snapshot = dump_tree(claim.context) if compensate or _snapshot_due(claim) else None
            row = step_row(  # by position: one is made for every step
                claim,
                node,
                token.iterations,
                AttemptStatus.COMPLETED,
                started_at,
                finished_at,
                output,
                change,
                outcome.label,
                compensate,
                snapshot,
            )
            plan.rows.append(row)
            plan.plain = snapshot is None and outcome.label is None and claim.attempt == claim.pass_number == 1
            claim.rows_since += 1
            claim.attempt = claim.pass_number = 1
            claim.waits = None
            take(plan, Completed(token.key, outcome.output, outcome.choice))
            fold_forward(plan)
        case Broke():
            plan.rows.append(_failed_row(claim, node, token, outcome.error, started_at, finished_at))
            if outcome.again and isinstance(node, WorkNode):
                plan.retry_after = node.retry.delay(claim.attempt, spread())
            else:
                take(plan, Failed(token.key, located(outcome.error, node, token)))
        case Interrupted():
            row = step_row(
                claim, node, token.iterations, AttemptStatus.CANCELLED, started_at=started_at, completed_at=finished_at
            )
            plan.rows.append(row)
            take(plan, Halted(token.key))
        case Suspended(spec):
            plan.wait = spec
            plan.begun_at = started_at
        case Drifted(error):
            plan.blocked = error
    return plan


def _snapshot_due(claim: Claim) -> bool:
    """Whether the first token's whole context is kept with this step: about every 64th, whatever a loop's rhythm (X-4).

    Branches need none: they are replayed from their own fork.
    """
    # Fibonacci hashing (Knuth, TAOCP 6.4): the high bits are spread evenly even over every n-th revision
    return claim.delta is None and ((claim.revision + 1) * 2_654_435_769 & 0xFFFF_FFFF) >> 26 == 0


def plan_arrival(claim: Claim) -> Plan:
    """The plan for a claim whose node needs no body: evaluate from here on."""
    plan = Plan(claim, claim.token, claim.token, commands=(Proceed(claim.token.key),))
    fold_forward(plan)
    return plan


def take(plan: Plan, event: Event) -> None:
    """Apply one event to the plan's token."""
    plan.events.append(event)
    transition = apply(plan.claim.definition, {plan.token.key: plan.token}, event)
    plan.token = transition.changed[plan.token.key]
    plan.commands = transition.commands


def fold_forward(plan: Plan) -> None:
    """Evaluate nodes that need no body until the token stands at one that does, waits, forks or has ended."""
    claim = plan.claim
    while plan.commands and type(plan.commands[0]) is Proceed and plan.commands[0].token == claim.token.key:
        path = plan.token.path
        if path is None:  # all nodes were done when it failed or was stopped
            take(plan, Completed(plan.token.key, plan.token.output))
            break
        node = claim.definition.places[path].node
        if not isinstance(node, _DECIDED_HERE):
            return
        started_at = now_us()
        try:
            event = _decide(plan, node, started_at)
        except BaseException as error:  # a condition may call sys.exit, and the token must not be lost
            failure = describe_exception(error)
            plan.rows.append(_failed_row(claim, node, plan.token, failure, started_at, now_us()))
            event = Failed(plan.token.key, located(failure, node, plan.token))
        take(plan, event)
    _give_output(plan)


def _give_output(plan: Plan) -> None:
    """The flow has ended: what `@workflow(output=)` says is its output."""
    source = plan.claim.definition.output
    if source is None or not plan.commands or type(plan.commands[0]) is not Finish:
        return
    started_at = now_us()
    try:
        plan.final_output = final_output(plan.claim, source)
        check_limit(byte_size(dump_tree(plan.final_output)), LIMITS.output_bytes, "The output of the workflow")
        plan.has_final_output = True
    except BaseException as error:
        failure = describe_exception(error)
        node = plan.claim.definition.nodes[-1]
        plan.rows.append(_failed_row(plan.claim, node, plan.token, failure, started_at, now_us()))
        take(plan, Failed(plan.token.key, located(failure, node, plan.token)))


def _decide(plan: Plan, node: LoopNode | SwitchNode | ForeachNode, started_at: int) -> Event:
    claim, token = plan.claim, plan.token
    match node:
        case LoopNode():
            holds = bool(evaluate(claim, token, node, "while"))
            if holds and token.iterations[-1] >= node.max_iterations:
                raise too_many_iterations(node)
            plan.rows.append(
                step_row(
                    claim,
                    node,
                    token.iterations,
                    AttemptStatus.COMPLETED,
                    started_at=started_at,
                    completed_at=now_us(),
                    output="true" if holds else "false",
                )
            )
            return Tested(token.key, holds)
        case SwitchNode():
            value = _value(claim, token, node, node.on, "on")
            index = match_case(node, value, lambda number: bool(evaluate(claim, token, node, f"guard:{number}", value)))
            label = None
            if index is not None:
                branches = (*(case.branch for case in node.cases), *((node.default,) if node.default else ()))
                label = branches[index].label
            plan.rows.append(
                step_row(
                    claim,
                    node,
                    token.iterations,
                    AttemptStatus.COMPLETED,
                    started_at=started_at,
                    completed_at=now_us(),
                    output=None,
                    choice=label,
                )
            )
            return Chosen(token.key, index)
        case ForeachNode():
            items = items_at(claim, token, node)
            plan.items = items
            if not items:
                plan.rows.append(
                    step_row(
                        claim,
                        node,
                        token.iterations,
                        AttemptStatus.COMPLETED,
                        started_at=started_at,
                        completed_at=now_us(),
                        output="[]",
                        change=_collect_nothing(claim, node),
                    )
                )
            return Counted(token.key, len(items))


def _collect_nothing(claim: Claim, node: ForeachNode) -> str | None:
    """An empty foreach still leaves the empty list its `collect` promises."""
    if node.collect is None:
        return None
    ops: list[list[Any]] = [["set", node.collect, []]]
    claim.take_in(ops)
    return dump_tree(ops)


def items_at(claim: Claim, token: Token, node: ForeachNode) -> list[Any]:
    """The items of a foreach, encoded."""
    value = _value(claim, token, node, node.items, "items")
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise InputValidationError(
            f"The items of foreach {node.path!r} are a {type(value).__name__}, not something to go through.",
            hint="Give a list, or a function of the context that returns one.",
        )
    items = [encode(item) for item in value]
    if len(items) > LIMITS.foreach_items:
        raise LimitError(
            f"Foreach {node.path!r} has {len(items)} items; {LIMITS.foreach_items} are allowed.",
            limit=LIMITS.foreach_items,
            actual=len(items),
            hint="Split the list, or start child workflows.",
        )
    return items


def _value(claim: Claim, token: Token, node: Node, source: Source, role: str) -> Any:
    return evaluate(claim, token, node, role, source=source)


def _failed_row(
    claim: Claim, node: Node, token: Token, error: Any, started_at: int, finished_at: int
) -> dict[str, Any]:
    return step_row(
        claim,
        node,
        token.iterations,
        AttemptStatus.FAILED,
        started_at=started_at,
        completed_at=finished_at,
        error=dump_tree(error),
    )


def located(error: Any, node: Node, token: Token) -> dict[str, Any]:
    """The error with the step it came from, as the execution will show it."""
    return {**error, "step": node.name, "path": node.path, "iteration": list(token.iterations)}


def spread() -> float:
    """A random place in [-1, 1] for the jitter of a retry."""
    return random.uniform(-1.0, 1.0)
