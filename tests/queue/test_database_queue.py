"""What the database queue promises beyond the protocol: commits, rows, and other processes."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from durable_core.queue.database import DatabaseQueue

from .conftest import DatabaseBench, hint, ids, request

CORE = Path(__file__).parents[2] / "core"

CLAIM_ALL = """
from durable_core.queue.database import DatabaseQueue
from durable_core.queue.protocol import ClaimRequest
from durable_core.store.commit import Committer
from durable_core.store.database import open_database
queue = DatabaseQueue(Committer(open_database(sys.argv[1])))
print("open", flush=True)
sys.stdin.readline()
request = ClaimRequest(worker_id=sys.argv[2], free={"default": 2}, workflows=("order",), lease_us=30_000_000)
while claimed := queue.claim(request):
    for each in claimed:
        print(each.token_id)
"""


def test_an_idle_claim_writes_nothing(stored_bench: DatabaseBench) -> None:
    """Looking at an empty, a scheduled and a paused queue costs no commit."""
    bench = stored_bench
    bench.put(hint("later", available_at=bench.now() + 3_600_000_000))
    bench.queue.pause("mail")
    bench.put(hint("m", queue="mail"))
    before = bench.database.commits
    assert bench.queue.claim(request(queues=("default", "mail"))) == []
    assert bench.database.commits == before


def test_a_claim_is_one_commit(stored_bench: DatabaseBench) -> None:
    """Of however many tokens, in however many queues."""
    bench = stored_bench
    bench.put(*(hint(f"d{n}") for n in range(5)), *(hint(f"m{n}", queue="mail") for n in range(5)))
    before = bench.database.commits
    assert len(bench.queue.claim(request(queues=("default", "mail")))) == 10
    assert bench.database.commits == before + 1


def test_processes_never_claim_the_same_token(stored_bench: DatabaseBench) -> None:
    """Two processes empty a queue together."""
    bench = stored_bench
    url = bench.url
    now = bench.now() if url.startswith("postgres") else 1_000_000  # the processes have a real clock
    bench.put(*(hint(f"t{number:02}", available_at=now) for number in range(40)))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(CORE)!r})\n{CLAIM_ALL}", url, f"w_{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        got = [token for process in processes for token in process.communicate(timeout=30)[0].split()]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert sorted(got) == [f"t{number:02}" for number in range(40)]


def test_nothing_changes_a_row_that_ended(stored_bench: DatabaseBench) -> None:
    """An acknowledgement that comes after the record finds its execution as the record left it."""
    bench = stored_bench
    bench.put(hint("a"))
    (claimed,) = bench.queue.claim(request())
    bench.record(claimed)
    with bench.database.read() as tx:
        before = tx.fetch("SELECT * FROM executions")
    bench.queue.ack(claimed)
    bench.queue.nack(claimed)
    bench.queue.nack(claimed, timedelta(seconds=1))
    with bench.database.read() as tx:
        assert tx.fetch("SELECT * FROM executions") == before
        assert tx.fetch("SELECT * FROM tokens") == []


def test_an_acknowledgement_without_a_record_loses_no_work(stored_bench: DatabaseBench) -> None:
    """The row decides: nothing was recorded, so the token is ready again."""
    bench = stored_bench
    bench.put(hint("a"))
    (claimed,) = bench.queue.claim(request())
    bench.queue.ack(claimed)
    (again,) = bench.queue.claim(request("w_2"))
    bench.queue.ack(claimed)
    assert bench.queue.stats("default").running == 1
    assert again.fence > claimed.fence


@pytest.mark.parametrize(
    "asked", ["UPDATE tokens SET stop = 1", "UPDATE executions SET control = 1"], ids=["stopping", "paused"]
)
def test_what_is_asked_to_stop_is_not_given_back(stored_bench: DatabaseBench, asked: str) -> None:
    """Its body must not run again: whoever settles the stop settles the token."""
    bench = stored_bench
    bench.put(hint("a"))
    (claimed,) = bench.queue.claim(request())
    with bench.database.write() as tx:
        tx.execute(asked)
    bench.queue.ack(claimed)
    assert not bench.queue.nack(claimed)
    assert not bench.queue.nack(claimed, timedelta(seconds=1))
    assert bench.queue.stats("default").running == 1


def test_a_lost_hint_costs_no_token(stored_bench: DatabaseBench) -> None:
    """What nobody was told of is found in the rows."""
    bench = stored_bench
    told: list[None] = []
    bench.queue = DatabaseQueue(bench.opened[0][0], lambda: told.append(None))
    bench.put(hint("a"))
    bench.queue.resume("default")
    bench.queue.enqueue([])
    assert len(told) == 2  # once for the token, once for the queue
    assert ids(bench.another().claim(request())) == ["a"]
