"""Waits of bodies and of nodes: replayed from the record, or a suspension that registers them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from durable_core.clock import Clock, aware, to_us
from durable_core.codec import decode, dump_tree, encode, load_tree
from durable_core.context.context import encode_items
from durable_core.definition.nodes import CallNode, EventNode, InputNode, Node, SleepNode, TimeoutRule
from durable_core.dsl.registry import registry
from durable_core.dsl.waits import check_where, input_options
from durable_core.dsl.workflow import Workflow
from durable_core.errors import (
    DefinitionError,
    ExecutionFailed,
    FencedError,
    InputValidationError,
    InvalidStateError,
    ReplayDriftError,
    WaitTimeoutError,
)
from durable_core.executor.claim import Claim
from durable_core.executor.contexts import evaluate
from durable_core.executor.definitions import Definitions
from durable_core.executor.outcome import Broke, Done, Drifted, Outcome, Suspended
from durable_core.executor.services import BodyServices
from durable_core.executor.start import Beginning
from durable_core.executor.suspend import place_of
from durable_core.failpoints import failpoint
from durable_core.failure import describe_exception
from durable_core.ids import check_name, iteration_key, new_execution_id
from durable_core.store import claims
from durable_core.store.commit import Committer
from durable_core.store.transaction import Transaction
from durable_core.wait.filters import resolve_where
from durable_core.wait.rows import Row, register, waits_at
from durable_core.wait.spec import Suspension, WaitKind, WaitSpec, suspension_in

_KINDS: dict[str, WaitKind] = {
    "sleep_for": "sleep",
    "sleep_until": "sleep",
    "wait_for_event": "event",
    "wait_for_any": "any",
    "wait_for_all": "all",
    "wait_for_input": "input",
    "call": "call",
}

CancelChild = Callable[[Transaction, str], None]


class WaitServices(BodyServices):
    """The services of one pass of a body."""

    # One is made for every pass: what only bodies that wait need stays with the class until then.
    _recorded: list[Row] | None = None
    _position = 0
    _inside_once: str | None = None

    def __init__(self, waits: Waits, claim: Claim, node: Node) -> None:
        self.database = waits.database
        self.claim = claim
        self.node = node
        self._waits = waits
        self._counts: dict[tuple[str, str], int] = {}
        self._home = _here()
        self.suspended: Suspension | None = None
        self._drift: ReplayDriftError | None = None

    # --- the record ------------------------------------------------------------------------------------------------

    def _rows(self) -> list[Row]:
        if self._recorded is None:
            claim = self.claim
            if claim.waits is not None:
                self._recorded = claim.waits
                return self._recorded
            with self.database.read() as tx:
                self._recorded = waits_at(tx, claim.execution_id, self.node.path, iteration_key(claim.token.iterations))
        return self._recorded

    def _next(self, kind: WaitKind, name: str) -> tuple[int, int, Row | None]:
        """Occurrence and position of the call that is being made, and its row, if it was made before."""
        if _here() != self._home:
            raise InvalidStateError(
                f"Step {self.node.path!r} waits in a thread or task of its own.",
                state="elsewhere",
                hint="Wait in the step's own body, one wait at a time; use parallel() for waits side by side.",
            )
        if self._inside_once is not None:
            raise InvalidStateError(
                f"Step {self.node.path!r} waits inside of ctx.once({self._inside_once!r}).",
                state="inside once",
                hint="Wait before it or after it: what it has done is not done again, waits included.",
            )
        if self.suspended is not None:
            raise self.suspended
        position, self._position = self._position, self._position + 1
        occurrence = self._counts.get((kind, name), 0)
        self._counts[kind, name] = occurrence + 1
        at_place = [
            row for row in self._rows() if row["position"] == position and row["kind"] not in ("once", "member")
        ]
        if not at_place:
            return occurrence, position, None
        row = at_place[0]
        if (row["kind"], row["name"], row["occurrence"]) != (kind, name, occurrence):
            self._drift = ReplayDriftError(
                f"Step {self.node.path!r} asked for {kind} {name!r} "
                f"where the record has {row['kind']} {row['name']!r}.",
                recorded=f"{row['kind']} {row['name']}",
                requested=f"{kind} {name}",
                hint="Bring the body back to the order of waits it began with, then `retry`; or fork the execution.",
            )
            raise self._drift
        return occurrence, position, row

    @property
    def drift(self) -> ReplayDriftError | None:
        return self._drift

    def _suspend(self, spec: WaitSpec) -> Suspension:
        self.suspended = Suspension(spec)
        return self.suspended

    # --- waits -----------------------------------------------------------------------------------------------------

    def wait(self, kind: str, name: str | None, options: dict[str, Any]) -> Any:
        wait_kind = _KINDS[kind]
        name = check_name(name or "sleep", f"the name of a wait in {self.node.path!r}")
        for event in options.get("events", ()):
            check_name(event, f"an event that {self.node.path!r} waits for")
        occurrence, position, row = self._next(wait_kind, name)
        if row is not None and row["status"] != "open":
            return self._result(row, options)
        seconds = options.get("seconds", options.get("timeout"))
        until = options.get("time")
        form: dict[str, Any] = {}
        if wait_kind == "input":
            form = self._form(name, options)
        raise self._suspend(
            WaitSpec(
                kind=wait_kind,
                name=name,
                occurrence=occurrence,
                position=position,
                seconds=seconds,
                until=None if until is None else to_us(until),
                events=tuple(dict.fromkeys(options.get("events", ()))),
                where=self._where(options.get("where")),
                timeout_value=encode(options.get("timeout_value")),
                on_timeout=options.get("on_timeout", "resume"),
                form=form,
            )
        )

    def _where(self, where: Any) -> Any:
        checked = check_where(where, f"{self.node.path!r}: the filter")
        return None if checked is None else resolve_where(checked, self.claim.context)

    def _form(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        if "checked" in options:
            return dict(options["checked"])
        place = f"ctx.wait_for_input({name!r})"
        found, fields, choices, schema = input_options(
            place, options["type"], options["fields"], options["choices"], options["schema"]
        )
        return {
            "type": found,
            "prompt": options["prompt"],
            "fields": list(fields),
            "choices": list(choices),
            "schema": schema,
        }

    def _result(self, row: Row, options: dict[str, Any]) -> Any:
        if row["status"] == "timed_out":
            spec = load_tree(row["spec"]) if row["spec"] else {}
            if spec.get("on_timeout") == "fail":
                raise WaitTimeoutError(
                    f"Nothing came for {row['kind']} {row['name']!r} of step {self.node.path!r} in time.",
                    wait=row["name"],
                    hint="Give a longer timeout, or on_timeout='resume' with a timeout_value.",
                )
            return decode(spec.get("timeout_value"))
        if row["status"] in ("cancelled", "closed"):
            raise InvalidStateError(
                f"The {row['kind']} {row['name']!r} was {row['status']}.", state=row["status"], allowed=["open"]
            )
        value = decode(load_tree(row["payload"])) if row["payload"] is not None else None
        schema = options.get("schema")
        return value if schema is None or value is None else self._made(row["name"], schema, value)

    def _made(self, name: str, schema: Any, value: Any) -> Any:
        """The answer as its model; a fault is one that only the model knows, and it was not there (W-7)."""
        try:
            return schema.model_validate(value)
        except ValueError as error:  # pydantic's ValidationError is one
            raise InputValidationError(
                f"The answer to {name!r} of step {self.node.path!r} is no {schema.__name__}: {error}",
                errors={name: [str(error)]},
                hint="It was given where the model is not known. Fork the execution to ask again.",
            ) from None

    # --- children --------------------------------------------------------------------------------------------------

    def call(
        self,
        workflow: Any,
        input: Any,
        *,
        name: str | None,
        wait: bool,
        options: dict[str, Any],
    ) -> Any:
        chosen: Workflow = registry.get(workflow) if isinstance(workflow, str) else workflow
        name = name or chosen.name
        occurrence, position, row = self._next("call", name)
        if row is not None and row["status"] != "open":
            return self._child_result(row, chosen)
        child = Beginning(
            execution_id=new_execution_id(),
            definition=chosen.definition,
            fingerprint=chosen.fingerprint,
            input=encode_items(chosen.validate_input({} if input is None else input)),
            parent_id=self.claim.execution_id,
            parent_token=self.claim.token_id if wait else None,
        )
        raise self._suspend(
            WaitSpec(
                kind="call",
                name=name,
                occurrence=occurrence,
                position=position,
                seconds=options["timeout"],
                timeout_value=encode(options["timeout_value"]),
                on_timeout=options["on_timeout"],
                form={"wait": wait},
                child=child,
            )
        )

    def _child_result(self, row: Row, workflow: Workflow) -> Any:
        if row["status"] == "timed_out":
            child = row["event"]
            self._waits.committer.run(lambda tx: self._waits.cancel_child(tx, child))
            return self._result(row, {})
        payload = load_tree(row["payload"]) if row["payload"] is not None else None
        if row["status"] == "satisfied" and isinstance(payload, dict) and payload.get("status") == "started":
            return payload["id"]
        if row["status"] == "satisfied" and isinstance(payload, dict) and payload.get("status") == "completed":
            return decode(payload.get("output"))
        if isinstance(payload, dict):
            error = payload.get("error") or {}
            told = f": {error.get('type')}: {error.get('message')}" if error else "."
            raise ExecutionFailed(
                f"Child {payload.get('id')} of {workflow.name!r} ended {payload.get('status')}{told}",
                execution_id=payload.get("id"),
                status=payload.get("status"),
                step=error.get("step"),
                cause=error or None,
            )
        return self._result(row, {})

    # --- effects that must not repeat ------------------------------------------------------------------------------

    def once(self, key: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for row in self._rows():
            if row["kind"] == "once" and row["name"] == key:
                value = decode(load_tree(row["payload"])) if row["payload"] is not None else None
                return _ready(value) if asyncio.iscoroutinefunction(fn) else value
        if asyncio.iscoroutinefunction(fn):
            return self._once_async(key, fn, args, kwargs)
        with self._inside(key):
            value = fn(*args, **kwargs)
        return self._keep_once(key, value)

    async def _once_async(self, key: str, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        with self._inside(key):
            value = await fn(*args, **kwargs)
        return self._keep_once(key, value)

    @contextmanager
    def _inside(self, key: str) -> Iterator[None]:
        outer, self._inside_once = self._inside_once, key
        try:
            yield
        finally:
            self._inside_once = outer

    def _keep_once(self, key: str, value: Any) -> Any:
        claim = self.claim
        payload = dump_tree(encode(value, key))
        place = place_of(claim, self.node)
        spec = WaitSpec(kind="once", name=key, occurrence=0, position=-1)

        def write(tx: Transaction) -> None:
            self._waits.must_hold(tx, claim)
            register(tx, place, spec, payload=payload)
            failpoint("inside_once", claim.token_id)

        failpoint("before_once", claim.token_id)
        self._waits.committer.run(write)
        failpoint("after_once", claim.token_id)
        self._recorded = claim.waits = None
        return decode(load_tree(payload))


async def _ready(value: Any) -> Any:
    return value


def _here() -> tuple[int, int]:
    """Which thread and task the caller is in."""
    loop = asyncio._get_running_loop()  # current_task() raises where no loop runs, which costs every step
    return threading.get_ident(), 0 if loop is None else id(asyncio.current_task(loop))


class Waits:
    """Gives each attempt the services behind its context, and says which errors are suspensions."""

    def __init__(self, committer: Committer, clock: Clock, definitions: Definitions, cancel_child: CancelChild) -> None:
        self.committer = committer
        self.database = committer.database
        self.clock = clock
        self.definitions = definitions
        self.cancel_child = cancel_child

    def services(self, claim: Claim, node: Node) -> WaitServices:
        return WaitServices(self, claim, node)

    def must_hold(self, tx: Transaction, claim: Claim) -> None:
        if not claims.is_held(tx, claim.token_id, claim.fence):
            raise FencedError(f"Token {claim.token_id} was taken over by another worker.")

    def outcome(self, services: WaitServices, error: BaseException | None) -> Outcome | None:
        """What a suspension, a drift or a swallowed suspension comes to; None when waits have no part in it."""
        drift = services.drift
        if drift is not None:
            return Drifted(describe_exception(drift))
        if error is not None:
            suspension = suspension_in(error)
            return None if suspension is None else Suspended(suspension.spec)
        if services.suspended is not None:
            swallowed = InvalidStateError(
                f"Step {services.node.path!r} caught the suspension of its wait and went on.",
                state="suspended",
                hint="Let BaseException pass (catch Exception instead), and use finally: with care around waits.",
            )
            return Broke(describe_exception(swallowed), again=False)
        return None

    # --- wait nodes ------------------------------------------------------------------------------------------------

    def run_node(self, claim: Claim, node: Node) -> Outcome:
        """Register or resolve the wait that a node of the flow is."""
        services = self.services(claim, node)
        try:
            value = self._node_value(claim, node, services)
        except BaseException as error:
            found = self.outcome(services, error)
            if found is not None:
                return found
            return Broke(describe_exception(error), again=False)
        if isinstance(node, SleepNode):
            return Done(None, [])
        encoded = encode(value)
        return Done(encoded, [["set", node.name, encoded]])

    def _node_value(self, claim: Claim, node: Node, services: WaitServices) -> Any:
        match node:
            case SleepNode(until=None):
                return services.wait("sleep_for", node.name, {"seconds": node.seconds})
            case SleepNode():
                assert node.until is not None
                time = evaluate(claim, claim.token, node, "until", source=node.until)
                return services.wait("sleep_until", node.name, {"time": aware(time, f"the time of {node.path!r}")})
            case EventNode():
                options = {"events": node.events, "where": decode(node.where), **_timed(node.timeout)}
                kind = {"one": "wait_for_event", "any": "wait_for_any", "all": "wait_for_all"}[node.mode]
                return services.wait(kind, node.name, options)
            case InputNode():
                form = {
                    "type": node.input_type,
                    "prompt": node.prompt,
                    "fields": list(node.fields),
                    "choices": list(node.choices),
                    "schema": node.schema,
                }
                schema = claim.workflow.bindings.get(f"{node.path}:schema") if node.schema else None
                options = {"checked": form, "schema": schema, **_timed(node.timeout)}
                return services.wait("wait_for_input", node.name, options)
            case CallNode():
                source = evaluate(claim, claim.token, node, "input", source=node.input)
                return services.call(
                    node.workflow,
                    source,
                    name=node.name,
                    wait=node.wait,
                    options=_timed(node.timeout),
                )
            case _:
                raise DefinitionError(f"{node.path!r} is no wait.", node=node.path)


def _timed(rule: TimeoutRule) -> dict[str, Any]:
    return {"timeout": rule.seconds, "timeout_value": decode(rule.value), "on_timeout": rule.on_timeout}
