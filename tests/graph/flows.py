"""Definitions for the tests of the graph floor, built straight from nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from durable_core.definition.model import Definition, place_nodes
from durable_core.definition.nodes import (
    Branch,
    CallNode,
    Case,
    CompensationSpec,
    DecisionNode,
    EventNode,
    ForeachNode,
    InputNode,
    InputType,
    LoopNode,
    Node,
    ParallelNode,
    RetryPolicy,
    SleepNode,
    Source,
    StepNode,
    SwitchNode,
    TimeoutRule,
    escape_part,
)

Make = Callable[["Namer", str], Node]
"""A node to be: it gets its id and path when the definition is put together."""

HOUR = 3600.0
DAY = 24 * HOUR


class Namer:
    """Hands out unique ids."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def place(self, name: str, prefix: str) -> dict[str, str]:
        id_, n = name, 1
        while id_ in self.used:
            n += 1
            id_ = f"{name}_{n}"
        self.used.add(id_)
        return {"id": id_, "name": name, "path": f"{prefix}{escape_part(id_)}"}


def define(name: str, *makes: Make, version: str = "7", description: str = "") -> Definition:
    namer = Namer()
    nodes = tuple(make(namer, "") for make in makes)
    return Definition(name=name, nodes=nodes, hash=version, description=description, places=place_nodes(nodes))


def _sequence(makes: Sequence[Make], namer: Namer, prefix: str) -> tuple[Node, ...]:
    return tuple(make(namer, prefix) for make in makes)


def _branch(label: str, makes: Sequence[Make], namer: Namer, path: str) -> Branch:
    return Branch(label=label, nodes=_sequence(makes, namer, f"{path}/{escape_part(label)}/"), key=("str", label))


def step(name: str, *, tries: int = 1, timeout: float | None = None, undo: str | None = None, **more: Any) -> Make:
    spec = None if undo is None else CompensationSpec(name=undo)
    return lambda namer, prefix: StepNode(
        **namer.place(name, prefix),
        function=f"flows:{name}",
        retry=RetryPolicy(max_attempts=tries),
        timeout=timeout,
        compensate=spec,
        **more,
    )


def decision(name: str, *, undo: str | None = None, **branches: Sequence[Make]) -> Make:
    return decide(name, branches, undo=undo)


def decide(name: str, branches: dict[str, Sequence[Make]], *, undo: str | None = None) -> Make:
    spec = None if undo is None else CompensationSpec(name=undo)

    def make(namer: Namer, prefix: str) -> Node:
        place = namer.place(name, prefix)
        ways = tuple(_branch(label, makes, namer, place["path"]) for label, makes in branches.items())
        return DecisionNode(**place, function=f"flows:{name}", branches=ways, compensate=spec)

    return make


def switch(name: str, *, default: Sequence[Make] | None = None, **branches: Sequence[Make]) -> Make:
    def make(namer: Namer, prefix: str) -> Node:
        place = namer.place(name, prefix)
        cases = tuple(
            Case(kind="literal", branch=_branch(label, makes, namer, place["path"]))
            for label, makes in branches.items()
        )
        other = None if default is None else _branch("default", default, namer, place["path"])
        return SwitchNode(**place, on=Source(kind="key", name="category"), cases=cases, default=other)

    return make


def parallel(name: str, *branches: Sequence[Make], at_once: int | None = None, **named: Sequence[Make]) -> Make:
    def make(namer: Namer, prefix: str) -> Node:
        place = namer.place(name, prefix)
        pairs = list(named.items()) or [(f"branch_{n}", makes) for n, makes in enumerate(branches)]
        ways = tuple(_branch(label, makes, namer, place["path"]) for label, makes in pairs)
        return ParallelNode(**place, branches=ways, concurrency=at_once, explicit_labels=bool(named))

    return make


def loop(name: str, *body: Make, while_: str = "not done", limit: int = 1000) -> Make:
    def make(namer: Namer, prefix: str) -> Node:
        place = namer.place(name, prefix)
        inside = _sequence(body, namer, f"{place['path']}/")
        return LoopNode(**place, condition=while_, body=inside, max_iterations=limit)

    return make


def foreach(name: str, *body: Make, as_: str | None = None, at_once: int | None = 1) -> Make:
    def make(namer: Namer, prefix: str) -> Node:
        place = namer.place(name, prefix)
        inside = _sequence(body, namer, f"{place['path']}/")
        return ForeachNode(**place, items=Source(kind="key", name="items"), body=inside, as_=as_, concurrency=at_once)

    return make


def sleep(name: str, seconds: float) -> Make:
    return lambda namer, prefix: SleepNode(**namer.place(name, prefix), seconds=seconds)


def event(name: str, timeout: float | None = None) -> Make:
    rule = TimeoutRule(seconds=timeout)
    return lambda namer, prefix: EventNode(**namer.place(name, prefix), events=(name,), timeout=rule)


def ask(name: str, kind: InputType = "form", timeout: float | None = None) -> Make:
    rule = TimeoutRule(seconds=timeout)
    return lambda namer, prefix: InputNode(**namer.place(name, prefix), input_type=kind, timeout=rule)


def call(name: str, workflow: str = "child") -> Make:
    return lambda namer, prefix: CallNode(**namer.place(name, prefix), workflow=workflow)


def order_fulfilment() -> Definition:
    """The workflow of the reference pictures: every type of node once, in its natural place."""
    return define(
        "order_fulfilment",
        step("validate_order", timeout=5.0),
        step("reserve_stock", tries=3, undo="release_stock"),
        decision(
            "check_value",
            high_value=[ask("manager_approval", "approval", 48 * HOUR)],
            medium_value=[step("verify_payment", tries=3)],
            standard=[],
        ),
        step("charge_card", tries=5, undo="refund_card"),
        parallel(
            "fulfil",
            [foreach("pick_items", step("pick_item"), step("pack_item", tries=2), as_="line", at_once=4)],
            [ask("customs_form", "form", 24 * HOUR), step("print_labels")],
            [loop("find_carrier", step("ask_carrier"), sleep("cool_down", 30), while_="none", limit=10)],
            [step("send_receipt", tries=5)],
        ),
        call("ship_parcel"),
        event("delivered", 14 * DAY),
        description="Validate and reserve, decide by value, charge, fulfil in four parallel branches, ship, "
        "wait for delivery.",
    )


def greeting() -> Definition:
    """A banner: few cards, nothing nested twice, from left to right."""
    return define(
        "greeting",
        step("look_up", undo="forget"),
        decision("is_known", yes=[ask("how_are_you", "free_text")], no=[]),
    )


def customer_onboarding() -> Definition:
    """The larger reference: decisions in branches, a loop in a foreach in a parallel, a decision in a loop."""
    return define(
        "customer_onboarding",
        step("load_account"),
        switch(
            "customer_type",
            business=[
                step("check_registry", tries=3),
                decision("risk", high=[ask("compliance_review", "approval")], low=[]),
            ],
            private=[step("check_identity"), event("id_uploaded")],
            default=[step("check_contract")],
        ),
        step("open_account", undo="close_account"),
        parallel(
            "provision",
            mail=[step("create_mailbox"), step("send_welcome")],
            access=[
                decision("needs_vpn", yes=[step("issue_cert"), step("push_profile", tries=4)], no=[]),
                step("grant_roles"),
            ],
            data=[
                foreach(
                    "import_files",
                    step("parse_file"),
                    loop("upload_chunks", step("send_chunk"), sleep("throttle", 5)),
                    step("verify_sum"),
                    as_="file",
                    at_once=8,
                )
            ],
        ),
        step("billing_setup", tries=3, undo="billing_cancel"),
        decision(
            "plan",
            free=[],
            team=[
                step("create_seats"),
                foreach("invite_people", step("send_invite", tries=5), event("accepted", 14 * DAY), as_="person"),
            ],
            enterprise=[
                ask("sign_contract", "approval", 30 * DAY),
                parallel("setup", [step("setup_sso")], [step("setup_audit"), step("test_login")]),
            ],
        ),
        call("first_invoice"),
        loop(
            "health_check",
            step("probe"),
            decision("healthy", no=[step("repair")], yes=[]),
            sleep("pause", HOUR),
            while_="trial",
        ),
        step("summarise"),
        step("archive_case"),
        version="12",
    )
