"""Views folded from what a bus delivers, against what the store had: any loss, doubling or order of events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durable_core.bus.messages import Advance, Finished, Message
from durable_core.dsl import decision, foreach, loop, parallel, registry, step, workflow
from durable_core.engine.engine import Engine
from durable_core.live.fetch import fetch_view
from durable_core.live.fold import Stale, fold
from durable_core.live.view import ExecutionView


@dataclass(frozen=True)
class Story:
    """One real run: every message in the order it was told, and what the store had right after it was told."""

    messages: tuple[Message, ...]
    truths: tuple[ExecutionView, ...]

    def truth_at(self, revision: int) -> list[ExecutionView]:
        return [truth for truth in self.truths if truth.revision == revision]


def record(name: str) -> Story:
    """Run a workflow of that shape in this thread's view: a reader that looks at the store after each message."""

    @step
    def one(ctx):
        ctx["n"] = ctx.get("n", 0) + 1

    @step
    def fail_once(ctx):
        if ctx.attempt == 1:
            raise ConnectionError("away")

    @decision
    def way(ctx):
        return "left"

    shapes = {
        "sequence": lambda: [one, *(one.with_options(name=f"s{number}") for number in range(8))],
        "branches": lambda: [one, way.branch(left=[one.with_options(name="l")], right=[]), one.with_options(name="z")],
        "loop": lambda: [loop("again", [one], while_=lambda ctx: ctx.get("n", 0) < 6), one.with_options(name="z")],
        "parallel": lambda: [
            parallel("both", [one, one.with_options(name="b")], [one.with_options(name="c")]),
            foreach("each", one.with_options(name="e"), items=lambda ctx: [1, 2, 3]),
        ],
    }

    def built():
        return shapes[name]()

    messages: list[Message] = []
    truths: list[ExecutionView] = []
    with registry.isolated(), Engine("sqlite://", passthrough=False) as engine:
        flow = workflow(name=f"story_{name}")(built)

        def hear(message: Message) -> None:
            messages.append(message)
            with engine.database.read() as tx:
                truths.append(fetch_view(tx, message.execution_id, engine.definitions.stored))

        engine.bus.subscribe(hear)
        run = engine.start(flow, {}).wait(20)
        assert run.status == "completed"
        with engine.database.read() as tx:
            truths.append(fetch_view(tx, run.id, engine.definitions.stored))
    return Story(tuple(messages), tuple(truths))


@pytest.fixture(scope="module")
def stories() -> Iterator[dict[str, Story]]:
    yield {name: record(name) for name in ("sequence", "branches", "loop", "parallel")}


@pytest.mark.parametrize("name", ["sequence", "branches", "loop"])
def test_a_run_without_forks_is_followed_without_looking_at_the_store(stories: dict[str, Story], name: str) -> None:
    """Folding every message in order gives exactly what the store had; the store is asked at the ends only."""
    story = stories[name]
    view = story.truths[0]
    refetched = 0
    for message, truth in zip(story.messages[1:], story.truths[1:], strict=False):
        following = fold(view, message)
        if isinstance(following, Stale):
            refetched += 1
            following = truth
        assert following == truth
        view = following
    assert refetched <= 3, "plain moves tell everything"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(data=st.data())
def test_any_loss_doubling_or_order_of_events_ends_in_the_truth(stories: dict[str, Story], data: st.DataObject) -> None:
    """The view is at each moment a state the store has had, never older than before, and in the end the store's own."""
    story = stories[data.draw(st.sampled_from(sorted(stories)), label="story")]
    last = story.truths[-1]
    numbers = range(len(story.messages))
    delivered = data.draw(st.lists(st.sampled_from(numbers), max_size=3 * len(numbers)), label="delivered")
    if data.draw(st.booleans(), label="roughly in order"):
        delivered.sort()
    stored = 0  # how far the store is: at least as far as what was told of
    view = story.truths[0]
    for number in delivered:
        stored = max(stored, number)
        following = fold(view, story.messages[number])
        if isinstance(following, Stale):
            following = story.truths[stored]
        assert following.revision <= story.truths[stored].revision, "newer than the store"
        assert following.revision >= view.revision, "older than before"
        view = following
        same = story.truth_at(view.revision)
        assert view in same, "no state that the store has had"
    # whoever lost the last events looks once: an end is always told, or found by the slow look
    following = fold(view, Message("tokens", view.id))
    if isinstance(following, Stale):
        following = last
    assert following == last


def message(before: int, revision: int, token: str = "wf") -> Message:
    row = Finished(revision, "a", "step", "", 1, "completed", None, 1, 2)
    return Message("step", "wf", revision, "a", "completed", Advance(before, (row,), token, "b", "", 2))


@pytest.fixture
def view(stories: dict[str, Story]) -> ExecutionView:
    """A running view of execution `wf` at some revision."""
    from dataclasses import replace

    running = next(truth for truth in stories["sequence"].truths if truth.status == "running")
    return replace(running, id="wf", positions=(replace(running.positions[0], token_id="wf"),))


def test_a_gap_in_the_revisions_asks_for_the_store(view: ExecutionView) -> None:
    """An event that follows a revision which was not seen cannot be folded."""
    assert isinstance(fold(view, message(view.revision + 1, view.revision + 2)), Stale)


def test_an_event_of_an_unknown_token_asks_for_the_store(view: ExecutionView) -> None:
    """A token that the view does not know was made by something that was lost."""
    assert isinstance(fold(view, message(view.revision, view.revision + 1, "wf:2")), Stale)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (lambda view: message(view.revision - 1, view.revision), "seen before"),
        (lambda view: Message("step", "another", view.revision + 1), "of another execution"),
        (lambda view: Message("control", "wf", view.revision - 1), "strictly older"),
    ],
)
def test_old_and_foreign_events_change_nothing(view: ExecutionView, event, reason: str) -> None:
    """Doubled, late and foreign events give the very same view."""
    from dataclasses import replace

    later = replace(view, revision=max(2, view.revision))
    assert fold(later, event(later)) is later, reason


@pytest.mark.parametrize("kind", ["started", "tokens", "control", "logs", "ended"])
def test_events_that_do_not_tell_all_ask_for_the_store(view: ExecutionView, kind) -> None:
    """Ids and small facts only: everything but a plain move is read from the store."""
    assert isinstance(fold(view, Message(kind, "wf")), Stale)


def test_views_grow_out_of_one_another_without_changing(view: ExecutionView) -> None:
    """Two events folded into the same view give two views that know nothing of each other."""
    one = fold(view, message(view.revision, view.revision + 1))
    other = fold(view, message(view.revision, view.revision + 2))
    assert isinstance(one, ExecutionView) and isinstance(other, ExecutionView)
    assert [row.seq for row in one.attempts[-1:]] == [view.revision + 1]
    assert [row.seq for row in other.attempts[-1:]] == [view.revision + 2]
    assert len(one.attempts) == len(other.attempts) == len(view.attempts) + 1
