"""What every queue promises, on every adapter and every store."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from durable_core.queue.protocol import QueueStats

from .conftest import Bench, hint, ids, request

SECOND = 1_000_000
MINUTE = timedelta(minutes=1)


def test_a_claim_says_what_was_claimed(bench: Bench) -> None:
    """A claim carries the token, its execution and the fence that later proves who holds it."""
    due = bench.now() - SECOND
    bench.put(hint("a", priority=3, queue="mail", available_at=due))
    (claimed,) = bench.queue.claim(request(queues=("mail",)))
    assert (claimed.token_id, claimed.execution_id, claimed.workflow) == ("a", "a", "order")
    assert (claimed.queue, claimed.priority, claimed.available_at) == ("mail", 3, due)
    assert claimed.fence == 1


def test_no_two_connections_claim_the_same_token(bench: Bench) -> None:
    """Sixty tokens and four claimants at once: each token goes to one of them."""
    bench.put(*(hint(f"t{number:02}") for number in range(60)))
    got: list[list[str]] = [[] for _ in range(4)]
    ready = threading.Barrier(4)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            queue = queues[number]
            ready.wait()
            misses = 0
            while misses < 3:
                claimed = ids(queue.claim(request(f"w_{number}", limit=3)))
                got[number] += claimed
                misses = 0 if claimed else misses + 1
        except BaseException as error:
            errors.append(error)

    queues = [bench.another() for _ in range(4)]
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    everything = sorted(token for each in got for token in each)
    assert everything == [f"t{number:02}" for number in range(60)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param({"a": (0, 0), "b": (5, 0), "c": (1, 0)}, ["b", "c", "a"], id="higher priority first"),
        pytest.param({"a": (0, -1), "b": (0, -3), "c": (0, -2)}, ["b", "c", "a"], id="then longer due first"),
        pytest.param({"a": (0, -9), "b": (1, 0)}, ["b", "a"], id="priority goes before waiting"),
        pytest.param({"a": (-1, 0), "b": (0, 0)}, ["b", "a"], id="negative priorities go last"),
    ],
)
def test_order(bench: Bench, rows: dict[str, tuple[int, int]], expected: list[str]) -> None:
    """Tokens come one by one in their order, and a claim of all of them has the same order."""
    now = bench.now()
    bench.put(*(hint(id, priority=priority, available_at=now + due * SECOND) for id, (priority, due) in rows.items()))
    assert ids(bench.queue.claim(request(limit=1))) == expected[:1]
    assert ids(bench.queue.claim(request())) == expected[1:]


def test_equal_tokens_come_in_the_order_they_came_in(bench: Bench) -> None:
    """Inserted first, claimed first."""
    due = bench.now() - SECOND
    for number in range(6):
        bench.put(hint(f"t{5 - number}", available_at=due + number))
    assert [ids(bench.queue.claim(request(limit=2))) for _ in range(3)] == [["t5", "t4"], ["t3", "t2"], ["t1", "t0"]]


def test_what_is_not_due_is_skipped_until_it_is(bench: Bench) -> None:
    """A higher priority does not make a token due."""
    bench.put(hint("later", priority=9, available_at=bench.now() + 60 * SECOND), hint("now"))
    assert ids(bench.queue.claim(request())) == ["now"]
    assert bench.queue.claim(request()) == []
    bench.pass_time(MINUTE)
    assert ids(bench.queue.claim(request())) == ["later"]


def test_what_is_held_is_skipped(bench: Bench) -> None:
    """A second worker gets the rest, a third one nothing."""
    bench.put(hint("a"), hint("b"))
    first = ids(bench.queue.claim(request("w_1", limit=1)))
    second = ids(bench.another().claim(request("w_2")))
    assert sorted(first + second) == ["a", "b"]
    assert bench.queue.claim(request("w_3")) == []


def test_only_free_places_are_filled_in_each_queue(bench: Bench) -> None:
    """One claim serves several queues, each up to its own limit."""
    bench.put(*(hint(f"d{number}") for number in range(3)), *(hint(f"m{number}", queue="mail") for number in range(3)))
    claimed = bench.queue.claim(request(limit=2, queues=("default", "mail", "empty")))
    assert sorted(each.queue for each in claimed) == ["default", "default", "mail", "mail"]
    assert bench.queue.claim(request(limit=0)) == []


def test_only_known_workflows_are_claimed(bench: Bench) -> None:
    """A worker gets no token of a workflow it has not registered, and does not stand in its way."""
    bench.put(hint("strange", workflow="refund", priority=9), hint("known"))
    assert ids(bench.queue.claim(request())) == ["known"]
    assert bench.queue.claim(request(workflows=())) == []
    assert ids(bench.queue.claim(request(workflows=("order", "refund")))) == ["strange"]


def test_a_paused_queue_gives_nothing_until_it_is_resumed(bench: Bench) -> None:
    """For every connection; other queues go on, and pausing twice is pausing once."""
    other = bench.another()
    bench.put(hint("a"), hint("m", queue="mail"))
    bench.queue.pause("default")
    bench.queue.pause("default")
    assert ids(other.claim(request(queues=("default", "mail")))) == ["m"]
    assert bench.queue.stats("default").paused
    assert not bench.queue.stats("mail").paused
    other.resume("default")
    assert not bench.queue.stats("default").paused
    assert ids(bench.queue.claim(request())) == ["a"]


def test_what_is_held_when_its_queue_is_paused_can_be_given_back(bench: Bench) -> None:
    """A pause stops claims, not those who hold something."""
    bench.put(hint("a"))
    (claimed,) = bench.queue.claim(request())
    bench.queue.pause("default")
    assert bench.queue.nack(claimed)
    assert bench.queue.claim(request()) == []
    bench.queue.resume("default")
    assert ids(bench.queue.claim(request())) == ["a"]


def test_nack_gives_a_token_back_under_a_higher_fence(bench: Bench) -> None:
    """At its old place in the order."""
    bench.put(hint("a", priority=1), hint("b"))
    (claimed,) = bench.queue.claim(request(limit=1))
    assert bench.queue.nack(claimed)
    again = bench.queue.claim(request("w_2"))
    assert ids(again) == ["a", "b"]
    assert again[0].fence > claimed.fence


def test_nack_with_a_delay_holds_the_token_back(bench: Bench) -> None:
    """The delay counts from the nack."""
    bench.put(hint("a"))
    (claimed,) = bench.queue.claim(request())
    assert bench.queue.nack(claimed, MINUTE)
    assert bench.queue.claim(request()) == []
    assert bench.queue.stats("default").scheduled == 1
    bench.pass_time(MINUTE)
    assert ids(bench.queue.claim(request())) == ["a"]


def test_a_void_receipt_changes_nothing(bench: Bench) -> None:
    """Whoever lost a token can neither drop it nor give it back under the new holder (S-3)."""
    bench.put(hint("a"))
    (lost,) = bench.queue.claim(request("w_1"))
    assert bench.queue.nack(lost)
    (held,) = bench.queue.claim(request("w_2"))
    before = bench.queue.stats("default")
    bench.queue.ack(lost)
    assert not bench.queue.nack(lost)
    assert not bench.queue.nack(lost, MINUTE)
    assert bench.queue.stats("default") == before
    assert bench.queue.claim(request("w_3")) == []
    assert bench.queue.nack(held)


def test_ack_is_idempotent_after_the_record(bench: Bench) -> None:
    """The token is gone, however often it is said."""
    bench.put(hint("a"))
    (claimed,) = bench.queue.claim(request())
    bench.record(claimed)
    for _ in range(3):
        bench.queue.ack(claimed)
    assert not bench.queue.nack(claimed)
    assert not bench.queue.reschedule("a", bench.now())
    assert bench.queue.claim(request()) == []
    assert bench.queue.stats("default") == QueueStats(
        queue="default", depth=0, running=0, scheduled=0, paused=False, oldest_age=None
    )


def test_reschedule_moves_a_token_both_ways(bench: Bench) -> None:
    """Later, then back to now."""
    bench.put(hint("a"))
    assert bench.queue.reschedule("a", bench.now() + 60 * SECOND)
    assert bench.queue.claim(request()) == []
    assert bench.queue.reschedule("a", bench.now())
    assert ids(bench.queue.claim(request())) == ["a"]


def test_reschedule_leaves_what_is_held_and_what_is_not_there(bench: Bench) -> None:
    """It is for tokens that wait; the others belong to somebody."""
    bench.put(hint("a"))
    (claimed,) = bench.queue.claim(request())
    assert not bench.queue.reschedule("a", bench.now() + 60 * SECOND)
    assert not bench.queue.reschedule("nobody", bench.now())
    assert bench.queue.nack(claimed)
    assert ids(bench.queue.claim(request())) == ["a"]


def test_rescheduling_to_and_fro_never_doubles_a_token(bench: Bench) -> None:
    """However often a token is moved, it is claimed once."""
    due = bench.now() - SECOND
    bench.put(hint("a", available_at=due))
    for number in (5, 0, 7, 0, 0):
        assert bench.queue.reschedule("a", due + number)
    (claimed,) = bench.queue.claim(request())
    assert bench.queue.claim(request()) == []
    assert bench.queue.nack(claimed)
    assert ids(bench.queue.claim(request())) == ["a"]
    assert bench.queue.claim(request()) == []


def test_telling_twice_is_telling_once(bench: Bench) -> None:
    """A repeated hint makes no second token, before the claim and after it."""
    bench.put(hint("a"))
    bench.queue.enqueue([hint("a"), hint("a")])
    assert ids(bench.queue.claim(request())) == ["a"]
    bench.queue.enqueue([hint("a")])
    assert bench.queue.claim(request()) == []


def test_stats_count_each_token_once(bench: Bench) -> None:
    """Ready, held and scheduled are told apart, and so are queues."""
    now = bench.now()
    bench.put(
        hint("a", available_at=now - 30 * SECOND),
        hint("b", available_at=now - 10 * SECOND),
        hint("held", priority=9),
        hint("later", available_at=now + 3600 * SECOND),
        hint("m", queue="mail"),
    )
    assert ids(bench.queue.claim(request(limit=1))) == ["held"]
    stats = bench.queue.stats("default")
    assert (stats.queue, stats.depth, stats.running, stats.scheduled, stats.paused) == ("default", 2, 1, 1, False)
    assert stats.oldest_age is not None
    assert timedelta(seconds=30) <= stats.oldest_age < timedelta(seconds=60)
    assert bench.queue.stats("mail").depth == 1
    assert bench.queue.stats("unheard of").oldest_age is None
