"""Views folded from what a bus delivers, against what the store had: any loss, doubling or order of events."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.bus.messages import Advance, Finished, Message
from durable_core.dsl import Retry, decision, foreach, loop, parallel, registry, step, workflow
from durable_core.engine.engine import Engine
from durable_core.live.fetch import fetch_view
from durable_core.live.fold import Stale, fold
from durable_core.live.view import ExecutionView
from tests.generation import examples


@dataclass(frozen=True)
class Story:
    """One real run: every message in the order it was told, and what the store had right after it was told."""

    messages: tuple[Message, ...]
    truths: tuple[ExecutionView, ...]


SHAPES = ("sequence", "branches", "loop", "parallel", "retry")


def record(name: str) -> Story:
    """Run a workflow of that shape and look at the store after each message.

    One worker slot only: with more, a second commit may come between a commit and the look that follows it, and the
    state in between, which the store did have, would be missing from the story.
    """

    @step
    def one(ctx):
        ctx["n"] = ctx.get("n", 0) + 1

    @step(retry=Retry(max_attempts=2, base=0.01))
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
        "retry": lambda: [one, fail_once, one.with_options(name="z")],
    }

    def built():
        return shapes[name]()

    messages: list[Message] = []
    truths: list[ExecutionView] = []
    with registry.isolated(), Engine("sqlite://", passthrough=False, queues={"default": 1}) as engine:
        flow = workflow(name=f"story_{name}")(built)

        # the start is told by this thread, the rest by the worker's: each with the state that belongs to it
        one_at_a_time = threading.Lock()

        def hear(message: Message) -> None:
            with one_at_a_time, engine.database.read() as tx:
                messages.append(message)
                truths.append(fetch_view(tx, message.execution_id, engine.definitions.stored))

        engine.bus.subscribe(hear)
        run = engine.start(flow, {}).wait(20)
        assert run.status == "completed"
        with engine.database.read() as tx:
            truths.append(fetch_view(tx, run.id, engine.definitions.stored))
    return Story(tuple(messages), tuple(truths))


@pytest.fixture(scope="module")
def stories() -> dict[str, Story]:
    return {name: record(name) for name in SHAPES}


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


def test_a_story_misses_no_state(stories: dict[str, Story]) -> None:
    """What the next test relies on: each numbered message has the state that it led to, and states only get newer."""
    for story in stories.values():
        revisions = [truth.revision for truth in story.truths]
        assert revisions == sorted(revisions)
        assert {message.revision for message in story.messages if message.revision} <= set(revisions)


# Plain numbers, taken modulo the length of the story: what is drawn depends on nothing but the seed.
deliveries = st.lists(st.integers(0, 10_000), max_size=60)


@pytest.mark.parametrize("name", SHAPES)
@examples(80, deadline=None)
@given(numbers=deliveries, roughly_in_order=st.booleans())
def test_any_loss_doubling_or_order_of_events_ends_in_the_truth(
    stories: dict[str, Story], name: str, numbers: list[int], roughly_in_order: bool
) -> None:
    """The view is at each moment a state the store has had, never older than before, and in the end the store's own."""
    story = stories[name]
    last = story.truths[-1]
    delivered = [number % len(story.messages) for number in numbers]
    if roughly_in_order:
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
        same = [truth for truth in story.truths if truth.revision == view.revision]
        assert any(view == truth for truth in same), "no state that the store has had"
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
