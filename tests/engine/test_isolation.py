"""`isolation="process"`: bodies in a process of their own, which can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from durable_core.dsl import foreach, loop, step, workflow
from durable_core.engine.engine import Engine
from tests.architecture.sources import ROOTS
from tests.engine import apart
from tests.engine.runs import attempts, end_of, until


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """What happens in the other process has nothing to do with the store: one will do."""
    return sqlite_url


def flow(*nodes: Any) -> Any:
    @workflow(name="flow")
    def flow() -> Any:
        return list(nodes)

    return flow


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):  # it may go between the two looks
        return True


def test_the_result_and_the_changes_come_back(engine: Engine) -> None:
    """The body runs in a fresh interpreter; values travel as JSON; what it prints cannot garble the answer."""
    run = end_of(engine, flow(apart.answer), {"n": 1})
    assert run.status == "completed", run.error
    assert run.output == {"n": 2, "step": "answer", "input": 1}
    assert run.context["pid"] != os.getpid()
    assert run.context["trace"] == [1]


def test_results_of_earlier_steps_can_be_read_there(engine: Engine) -> None:
    """`ctx.results` is what it is in a thread: outputs with their types, the last of a loop, and those a fork keeps."""

    @step
    def price() -> Decimal:
        return Decimal("1.50")

    @step
    def count(ctx: Any) -> int:
        return ctx.iteration  # type: ignore[no-any-return]

    twice = loop("twice", [count], while_=lambda ctx: ctx.iteration < 2)
    run = end_of(engine, flow(price, twice, apart.looks_back))
    assert run.status == "completed", run.error
    assert run.output == [{"price": Decimal("1.50"), "count": 1}, Decimal("3.00")]
    assert engine.fork(run, step="looks_back").wait(15).output == run.output


def test_asynchronous_bodies_and_items_work_there_too(engine: Engine) -> None:
    """def and async def; item and index are bound by name."""
    each = foreach(apart.of_item, items=lambda ctx: [5, 6], concurrency=2)
    run = end_of(engine, flow(apart.answer_async, each), {"n": 1})
    assert run.status == "completed", run.error
    assert run.context["answer_async"] == 3
    assert run.output == [50, 61]


@pytest.mark.parametrize(("what", "kind", "tries"), [("key", "KeyError", 2), ("value", "ValueError", 1)])
def test_errors_keep_their_type_and_are_retried_by_it(engine: Engine, what: str, kind: str, tries: int) -> None:
    """`retry_on` holds across the process; the recorded failure is that of the body."""
    run = end_of(engine, flow(apart.raises), {"what": what})
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == kind
    assert "raises" in run.error["traceback"]
    assert len(attempts(run, "raises")) == tries


def test_an_error_that_is_never_retried_stays_one(engine: Engine) -> None:
    """`NonRetryableError` fails at once."""
    run = end_of(engine, flow(apart.raises), {"what": "never"})
    assert run.error is not None
    assert run.error["type"] == "NonRetryableError"
    assert len(attempts(run, "raises")) == 1


def test_a_timeout_kills_the_process(engine: Engine, tmp_path: Path) -> None:
    """S-8: `isolation="process"` can be killed, and is."""
    file = tmp_path / "pid"
    run = end_of(engine, flow(apart.sleeps), {"file": str(file)})
    assert run.error is not None
    assert run.error["type"] == "StepTimeoutError"
    if file.exists():
        until(lambda: gone(int(file.read_text())), "the end of the process")


@pytest.mark.parametrize("mode", ["graceful", "terminate"])
def test_cancel_kills_the_process(engine: Engine, tmp_path: Path, mode: Any) -> None:
    """T-5, T-6: interruptible bodies are cancelled."""
    file = tmp_path / "pid"
    run = engine.start(flow(apart.sleeps_long), {"file": str(file)})
    until(lambda: file.exists() and file.read_text(), "the body")
    engine.cancel(run, mode=mode)
    assert run.wait(15).status == "cancelled"
    until(lambda: gone(int(file.read_text())), "the end of the process")


def test_a_process_that_dies_is_a_readable_failure(engine: Engine) -> None:
    """S-9: no answer is a failure that says so."""
    run = end_of(engine, flow(apart.dies))
    assert run.status == "failed"
    assert run.error is not None
    assert "7" in run.error["message"]


@pytest.mark.parametrize(
    ("body", "kind"), [(apart.cannot_be_stored, "SerializationError"), (apart.large, "LimitError")]
)
def test_what_cannot_be_stored_is_refused_there_too(engine: Engine, body: Any, kind: str) -> None:
    """S-9, D-6: the same limits, the same errors."""
    run = end_of(engine, flow(body))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["type"] == kind


def test_functions_that_cannot_be_found_are_refused_at_definition() -> None:
    """Local functions are a DefinitionError."""
    from durable_core.errors import DefinitionError

    with pytest.raises(DefinitionError):

        @step(isolation="process")
        def local(ctx: Any) -> None: ...

        flow(local)


def told(run: Any) -> list[tuple[str, str, str]]:
    return [(line["source"], line["level"], line["message"]) for line in run.logs()]


def test_what_the_body_prints_logs_and_warns_is_in_the_log(engine: Engine) -> None:
    """L-1: as in a thread, with levels, loggers and extras; each thing once."""
    run = end_of(engine, flow(apart.talks))
    assert run.status == "completed", run.error
    assert told(run) == [
        ("stdout", "INFO", "printed 1"),
        ("stderr", "WARNING", "to stderr"),
        ("stdout", "INFO", "bytes é"),
        ("logger", "WARNING", "careful"),
        ("logger", "INFO", "by the step's logger"),
        ("warning", "WARNING", "UserWarning: old fashioned"),
        ("stdout", "INFO", "from a thread"),
    ]
    careful = run.logs()[3]
    assert (careful["logger"], careful["metadata"], careful["step"]) == ("shop", {"order": 7}, "talks")


def test_what_children_and_c_code_write_is_in_the_log_too(engine: Engine) -> None:
    """L-1: the process is the step's own, so what is written to its streams is the step's, whoever wrote it."""
    run = end_of(engine, flow(apart.talks_natively))
    assert run.status == "completed", run.error
    assert sorted(told(run)) == [
        ("stderr", "WARNING", "to the handle"),
        ("stdout", "INFO", "from C"),
        ("stdout", "INFO", "from a child"),
    ]


def test_lines_of_the_other_process_are_visible_while_it_runs(engine: Engine, tmp_path: Path) -> None:
    """L-2: not only when it has ended."""
    gate = tmp_path / "gate"
    run = engine.start(flow(apart.talks_on), {"file": str(gate)})
    until(lambda: [line["message"] for line in run.logs()] == ["begun"], "the first line")
    assert run.status == "running"
    gate.touch()
    assert run.wait(15).status == "completed"
    assert [line["message"] for line in run.logs()] == ["begun", "ended"]


def test_a_secret_revealed_in_the_other_process_is_masked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-4: in the log and in the error."""
    monkeypatch.setenv("PAYMENT_KEY", "s3cr3t/v@lue+42")
    run = end_of(engine, flow(apart.tells_a_secret))
    assert [line["message"] for line in run.logs()] == ["paying with ***"]
    assert run.status == "failed" and run.error is not None
    assert "s3cr3t" not in str(run.error) and "*** was refused" in run.error["message"]


def test_the_worker_passes_on_what_the_body_prints(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """L-3: the worker's own streams still receive the text, unless they are not to."""
    with Engine(store_url) as engine:
        end_of(engine, flow(apart.talks))
    said = capsys.readouterr()
    assert said.out == "printed 1\nbytes é\nfrom a thread\n"
    assert said.err.startswith("to stderr\ncareful\n")
    with Engine(store_url, passthrough=False) as engine:
        end_of(engine, flow(apart.talks))
    assert capsys.readouterr() == ("", "")


AT_THE_TOP = """
from durable_studio import Engine, step, workflow

@step(isolation="process")
def apart(ctx):
    return ctx["n"] + 1

@workflow
def flow():
    return [apart]

engine = Engine()
{guard}
    print(engine.start(flow, {{"n": 1}}, id="the_one").wait(30).error, engine.count_executions())
"""


@pytest.mark.parametrize(
    ("guard", "told"), [("if True:", "__name__ == '__main__'"), ("if __name__ == '__main__':", "None 1")]
)
def test_a_script_that_starts_executions_at_its_top_is_told_to_guard_them(
    tmp_path: Path, sqlite_url: str, guard: str, told: str
) -> None:
    """Each process of a step imports the script anew: it started the next execution, and that the next process ..."""
    script = tmp_path / "script.py"
    script.write_text(AT_THE_TOP.format(guard=guard))
    environment = {**os.environ, "DURABLE_URL": sqlite_url, "PYTHONPATH": os.pathsep.join(map(str, ROOTS))}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60)
    assert told in done.stdout, done.stderr
    assert done.stdout.rstrip().endswith(" 1")
