"""Executions of the reference workflows, as facts: the moments that the reference pictures show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from durable_core.graph.facts import AttemptFact, CompensationFact, ExecutionFacts, TokenFact, WaitFact

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def done(
    path: str,
    start: float,
    seconds: float,
    *,
    iteration: tuple[int, ...] = (),
    attempt: int = 1,
    choice: str | None = None,
    by: str | None = None,
) -> AttemptFact:
    return AttemptFact(
        path=path,
        status="completed",
        iteration=iteration,
        attempt=attempt,
        choice=choice,
        started_at=at(start),
        completed_at=at(start + seconds),
        answered_by=by,
    )


BEGUN = (
    done("validate_order", 0, 0.2),
    done("reserve_stock", 0.2, 1.1),
    done("check_value", 1.3, 0.01, choice="medium_value"),
    done("check_value/medium_value/verify_payment", 1.3, 0.8, attempt=2),
    done("charge_card", 2.1, 2.9),
)
PICK = "fulfil/branch_0/pick_items"
FORM = "fulfil/branch_1/customs_form"
FIND = "fulfil/branch_2/find_carrier"
RECEIPT = "fulfil/branch_3/send_receipt"


def greeting() -> ExecutionFacts:
    """A known person is asked something."""
    return ExecutionFacts(
        execution_id="wf_2a7",
        status="waiting",
        now=at(5),
        version="7",
        attempts=(done("look_up", 0, 0.3), done("is_known", 0.3, 0.01, choice="yes")),
        tokens=(TokenFact(path="is_known/yes/how_are_you", status="waiting", since=at(1)),),
        waits=(WaitFact(path="is_known/yes/how_are_you", kind="input"),),
        started_at=at(0),
    )


def during() -> ExecutionFacts:
    """A question is open, a foreach is at 37 of 50, a loop in its third iteration, a step about to retry."""
    items = []
    for item in range(39):
        items.append(done(f"{PICK}/pick_item", 5 + item, 8.1, iteration=(item,)))
        if item < 37:
            items.append(done(f"{PICK}/pack_item", 14 + item, 6.4, iteration=(item,)))
    for turn in range(2):
        items.append(done(f"{FIND}/ask_carrier", 5 + 34 * turn, 4, iteration=(turn,)))
        items.append(done(f"{FIND}/cool_down", 9 + 34 * turn, 30, iteration=(turn,)))
    failed = AttemptFact(
        path=RECEIPT,
        status="failed",
        attempt=2,
        error_type="SMTPDataError",
        error_message="SMTP 451 try again later",
        started_at=at(70),
        completed_at=at(71),
    )
    return ExecutionFacts(
        execution_id="wf_8f2",
        status="running",
        now=at(77),
        version="7",
        attempts=(*BEGUN, *items, failed),
        tokens=(
            *(TokenFact(path=f"{PICK}/pick_item", status="running", iteration=(n,), since=at(70)) for n in (39, 40)),
            *(TokenFact(path=f"{PICK}/pack_item", status="running", iteration=(n,), since=at(70)) for n in (37, 38)),
            TokenFact(path=FORM, status="waiting", since=at(5)),
            TokenFact(path=f"{FIND}/ask_carrier", status="running", iteration=(2,), since=at(73)),
            TokenFact(path=RECEIPT, status="retry", attempt=2, due_at=at(81)),
        ),
        waits=(WaitFact(path=FORM, kind="input", due_at=at(77 + 23 * 3600 + 12 * 60)),),
        items={(PICK, ()): 50},
        started_at=at(0),
    )


def failed() -> ExecutionFacts:
    """The child workflow failed for good, and both compensations ran."""
    items = []
    for item in range(50):
        items.append(done(f"{PICK}/pick_item", 5 + 15 * item, 8.1, iteration=(item,)))
        items.append(done(f"{PICK}/pack_item", 14 + 15 * item, 6.4, iteration=(item,)))
    for turn in range(4):
        items.append(done(f"{FIND}/ask_carrier", 5 + 34 * turn, 4, iteration=(turn,)))
        if turn < 3:
            items.append(done(f"{FIND}/cool_down", 9 + 34 * turn, 30, iteration=(turn,)))
    items += [
        done(FORM, 5, 1500, by="ana"),
        done("fulfil/branch_1/print_labels", 1505, 0.4),
        done(RECEIPT, 5, 0.9, attempt=3),
    ]
    ended = AttemptFact(
        path="ship_parcel",
        status="failed",
        attempt=3,
        error_type="CarrierTimeout",
        error_message="CarrierTimeout: no answer in 30 s",
        started_at=at(1560),
        completed_at=at(1600),
    )
    return ExecutionFacts(
        execution_id="wf_8f2",
        status="compensated",
        now=at(1700),
        version="7",
        attempts=(*BEGUN, *items, ended),
        compensations=(
            CompensationFact(
                path="charge_card", status="completed", order=1, started_at=at(1600), completed_at=at(1600.6)
            ),
            CompensationFact(
                path="reserve_stock", status="completed", order=2, started_at=at(1601), completed_at=at(1601.4)
            ),
        ),
        items={(PICK, ()): 50},
        started_at=at(0),
        completed_at=at(1620),
        error_step="ship_parcel",
        error_type="CarrierTimeout",
    )


def onboarding() -> ExecutionFacts:
    """The larger reference: a failed step in one branch while another is at 112 of 126 items."""
    data = "provision/data/import_files"
    chunks = f"{data}/upload_chunks"
    rows = [
        done("load_account", 0, 0.1),
        done("customer_type", 0.1, 0.01, choice="business"),
        done("customer_type/business/check_registry", 0.2, 2.4, attempt=2),
        done("customer_type/business/risk", 2.7, 0.01, choice="low"),
        done("open_account", 2.8, 1.0),
        done("provision/mail/create_mailbox", 4, 3.2),
        done("provision/mail/send_welcome", 7.2, 0.6),
        done("provision/access/needs_vpn", 4, 0.01, choice="yes"),
        done("provision/access/needs_vpn/yes/issue_cert", 4, 5.5),
        AttemptFact(
            path="provision/access/needs_vpn/yes/push_profile",
            status="failed",
            attempt=4,
            error_type="DeviceOffline",
            started_at=at(10),
            completed_at=at(20),
        ),
    ]
    rows += [done(f"{data}/parse_file", 4, 0.9, iteration=(n,)) for n in range(126)]
    rows += [done(f"{chunks}/send_chunk", 5, 1, iteration=(n, 0)) for n in range(23)]
    rows += [done(f"{data}/verify_sum", 30, 0.2, iteration=(n,)) for n in range(112)]
    return ExecutionFacts(
        execution_id="wf_c41",
        status="running",
        now=at(52),
        version="12",
        attempts=tuple(rows),
        tokens=(
            *(TokenFact(path=f"{chunks}/send_chunk", status="running", iteration=(n, 0)) for n in range(112, 117)),
            *(TokenFact(path=f"{chunks}/throttle", status="waiting", iteration=(n, 0)) for n in range(117, 120)),
        ),
        waits=tuple(WaitFact(path=f"{chunks}/throttle", kind="sleep", iteration=(n, 0)) for n in range(117, 120)),
        items={(data, ()): 126},
        started_at=at(0),
    )
