"""What the examples do in days and on bad days, told with the testing kit that users have."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

import pytest

from durable_core.clock import to_us
from durable_core.dsl import registry
from durable_core.testing.kit import Kit
from tests.architecture.sources import PROJECT

Load = Callable[[str], ModuleType]


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.fixture
def example(durable: Kit, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Imports an example anew."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, PROJECT / "examples" / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


# --- approval -------------------------------------------------------------------------------------------------------

ACCOUNT = {"iban": "PT50000201231234567890154"}


def test_a_small_expense_asks_nobody(durable: Kit, example: Load) -> None:
    run = durable.start_workflow(example("approval").approve_expense, {"amount": 20})
    durable.provide_test_input(run, "account", ACCOUNT)
    assert durable.assert_workflow_completed(run).output == "20.00 EUR are on their way to Ana"
    durable.assert_step_not_run(run, "manager_approval")


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ({"decision": "approved", "comment": "keep the receipt"}, "240.00 EUR are on their way to Ana"),
        ("rejected", "the train to Lisbon of Ana is not paid"),
    ],
)
def test_a_manager_decides(durable: Kit, example: Load, answer: Any, result: str) -> None:
    run = durable.start_workflow(example("approval").approve_expense)
    durable.provide_test_input(run, "manager_approval", answer, by="mara")
    if result.startswith("240"):
        durable.provide_test_input(run, "account", ACCOUNT)
    assert durable.assert_workflow_completed(run).output == result
    durable.assert_step_not_run(run, "director_approval")


def test_a_silent_manager_is_passed_over_and_a_silent_director_means_no(durable: Kit, example: Load) -> None:
    """The deadlines hold though every worker is lost meanwhile."""
    run = durable.start_workflow(example("approval").approve_expense)
    durable.assert_waiting_for(run, "manager_approval")
    durable.simulate_crash()
    durable.advance(days=2)
    durable.assert_waiting_for(run, "director_approval")
    durable.advance(days=1)
    assert durable.assert_workflow_completed(run).output == "the train to Lisbon of Ana is not paid"
    assert durable.now == datetime(2026, 1, 4, tzinfo=UTC)


def test_a_large_expense_goes_straight_to_the_director(durable: Kit, example: Load) -> None:
    run = durable.start_workflow(example("approval").approve_expense, {"amount": 7_500, "purpose": "fair"})
    durable.provide_test_input(run, "director_approval", "approved")
    durable.provide_test_input(run, "account", ACCOUNT)
    assert durable.assert_workflow_completed(run).context["account"] == {**ACCOUNT, "reference": "expenses"}
    durable.assert_step_not_run(run, "manager_approval")


# --- onboarding -----------------------------------------------------------------------------------------------------


def test_a_verified_user_is_followed_up_over_the_first_week(durable: Kit, example: Load) -> None:
    onboarding = example("user_onboarding")
    sent: list[str] = []
    with (
        durable.mock_step(onboarding.send_tips, side_effect=lambda ctx: sent.append(ctx["email"])),
        durable.mock_step(onboarding.create_account, side_effect=lambda: {"created_at": durable.now}),
    ):
        run = durable.start_workflow(onboarding.onboard_user)
        durable.send_test_event(run, "email_verified")
        durable.advance(seconds=1)  # the storage is busy at first
        durable.assert_waiting_for(run, "first_day")
        assert [step.attempt for step in run.steps() if step.name == "make_workspace"] == [1, 2]
        durable.advance(hours=23)
        assert sent == []
        durable.advance(hours=1)
        assert sent == ["ana@example.org"]
        durable.send_test_event(run, "first_project", {"name": "website"})
    assert durable.assert_workflow_completed(run).output == "Ana began with first_project"


def test_an_address_that_is_never_verified_gets_three_reminders(durable: Kit, example: Load) -> None:
    run = durable.start_workflow(example("user_onboarding").onboard_user)
    for _ in range(3):
        durable.assert_waiting_for(run, "email_verified")
        durable.advance(days=1)
    assert durable.assert_workflow_completed(run).output == "ana@example.org was never verified"
    mails = [line.message for line in run.logs() if "please verify" in line.message]
    assert [mail[-2] for mail in mails] == ["1", "2", "3"]
    assert [line.message for line in run.logs("give_up")] == ["closed account-ana@example.org"]


def test_a_click_before_the_mail_was_written_counts(durable: Kit, example: Load) -> None:
    """The event lies in the execution's inbox until the step asks for it (W-5)."""
    onboarding = example("user_onboarding")
    run = durable.start_workflow(onboarding.onboard_user, at=datetime(2026, 1, 2, tzinfo=UTC))
    durable.send_test_event(run, "email_verified")
    durable.advance(days=1)
    assert durable.assert_step_completed(run, "ask_to_verify").iteration == 0
    durable.assert_step_completed(run, "is_verified")


# --- the nightly report ---------------------------------------------------------------------------------------------


def test_a_report_is_written_every_night_at_two_in_new_york(durable: Kit, example: Load) -> None:
    """Across the night of 8 March 2026, on which there is no two o'clock there (C-2)."""
    reports = example("nightly_report")
    began: list[str] = []

    def note() -> dict[str, Any]:
        began.append(f"{durable.now:%d %H:%M}")
        return {"day": durable.now.date()}

    with (
        durable.stub("nightly_report.sales_of", returns=100.0),
        durable.mock_step(reports.choose_day, side_effect=note),
    ):
        durable.advance_to(datetime(2026, 3, 6, 12, tzinfo=UTC))
        began.clear()
        durable.advance(days=4)
    assert began == ["07 07:00", "08 07:00", "09 06:00", "10 06:00"]
    runs = durable.executions(reports.nightly_report)[-4:]
    assert [run.context["audience"] for run in runs] == ["the morning meeting"] * 4
    assert {run.context["sales"][0] for run in runs} == {100.0}


def test_a_report_that_is_made_up_for_is_about_the_day_it_was_due_for(durable: Kit, example: Load) -> None:
    """Nobody worked for two nights and a morning: `latest` makes up for the second night's report."""
    reports = example("nightly_report")
    durable.advance_to(datetime(2026, 3, 6, 12, tzinfo=UTC))
    durable.clock.move_to(to_us(datetime(2026, 3, 8, 23, tzinfo=UTC)))
    durable.advance()
    (run,) = durable.executions(reports.nightly_report)[-1:]
    durable.assert_workflow_completed(run)
    assert run.scheduled_for == datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert run.context["day"] == date(2026, 3, 7)


def test_a_region_that_does_not_answer_is_asked_again(durable: Kit, example: Load) -> None:
    reports = example("nightly_report")
    with durable.stub("nightly_report.sales_of", side_effect=[ConnectionError("down"), 10.0, 20.0]) as service:
        run = durable.start_workflow(reports.nightly_report, {"day": "2026-01-31", "regions": ["north", "south"]})
        durable.advance(seconds=5)
        durable.assert_workflow_completed(run)
    assert service.call_count == 3
    assert run.output == "2026-01-31: 30.00 in 2 regions, for everybody"


# --- the other examples ---------------------------------------------------------------------------------------------


def test_a_large_order_waits_for_its_manager_and_is_rejected_after_two_days(durable: Kit, example: Load) -> None:
    shop = example("order_processing")
    run = durable.start_workflow(shop.process_order, {"lines": [{"item": "server", "price": 12_000}]})
    durable.assert_waiting_for(run, "manager_approval")
    durable.advance(hours=48)
    durable.assert_workflow_failed(run)
    assert "the manager rejected order A-1001" in run.error["message"]  # type: ignore[index]


def test_a_call_that_stays_down_backs_off_twice_as_long_each_time(durable: Kit, example: Load) -> None:
    api = example("retry_api")
    run = durable.start_workflow(api.retry_api, {"down_for": 3, "seconds": 60})
    waits = []
    for _ in range(3):
        wait = durable.assert_waiting_for(run, "sleep")
        waits.append((wait.due_at - durable.now).total_seconds())
        durable.advance_to(wait.due_at)
    assert waits == [60, 120, 240]
    assert durable.assert_workflow_completed(run).output == "21 degrees, after 3 failed calls"


def test_a_hotel_that_is_sold_out_cancels_the_flight_alone(durable: Kit, example: Load) -> None:
    trip = example("trip_saga")
    with durable.mock_step(trip.cancel_flight, returns=None) as cancelled:
        run = durable.start_workflow(trip.book_trip, {"sold_out": "hotel"})
        durable.assert_workflow_status(run, "compensated")
    assert cancelled.call_count == 1
    assert [undone["name"] for undone in run.compensations] == ["book_flight"]
