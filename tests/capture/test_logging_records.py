"""L-1, L-3: records of `logging`, whatever the user's loggers and handlers are like."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from durable_core.capture import HOOKS, AttemptIdentity, CaptureOptions, CaptureScope
from durable_core.errors import DefinitionError
from tests.capture.scopes import ListSink, captured, lines_of, messages, scope


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger that lets everything through and has no handler of its own."""
    logger = logging.getLogger("shop.orders")
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
    logger.handlers.clear()


def test_the_level_of_the_scope_filters_records(logger: logging.Logger) -> None:
    """L-3: `log_level=` keeps what is as grave or graver; printed lines have no level."""

    def body() -> None:
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(logger, level)(level)
        print("printed")

    assert messages(captured(body, log_level="ERROR")) == ["error", "critical", "printed"]
    assert len(captured(body, log_level=logging.DEBUG)) == 6
    assert [line.level for line in captured(body, log_level="warning")] == ["WARNING", "ERROR", "CRITICAL", "INFO"]


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    """A typing error in `log_level=` is told at once."""
    with pytest.raises(DefinitionError, match="LOUD.*WARNING"):
        CaptureOptions(log_level="LOUD")


def test_a_record_is_one_line_with_its_fields(logger: logging.Logger) -> None:
    """L-1: level, logger name, message and what came with `extra=`."""
    (line,) = captured(lambda: logger.warning("order %d of %s", 7, "ana", extra={"order_id": 7, "tags": ("a", "b")}))
    assert (line.level, line.logger, line.message) == ("WARNING", "shop.orders", "order 7 of ana")
    assert line.metadata == {"order_id": 7, "tags": ["a", "b"]}


class _Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


def test_extra_fields_are_plain_data_of_bounded_size(logger: logging.Logger) -> None:
    """S-9: an object that cannot be shown, NaN, a huge list and deep nesting become JSON that fits."""
    deep: Any = "end"
    for _ in range(30):
        deep = {"deeper": deep}
    extra = {"hostile": _Hostile(), "nan": float("nan"), "many": list(range(10**6)), "deep": deep, "big": 10**30}
    (line,) = captured(lambda: logger.error("x", extra=extra))
    assert line.metadata is not None
    assert line.metadata["hostile"] == "<_Hostile>"
    assert line.metadata["nan"] == "nan"
    assert line.metadata["many"] == list(range(50))
    assert line.metadata["big"] == str(10**30)
    (line,) = captured(lambda: logger.error("x", extra={f"k{i}": "v" * 1000 for i in range(40)}))
    assert line.metadata is not None
    assert str(line.metadata["left_out"]).endswith("over 8,192 bytes")


def test_a_wrong_format_does_not_fail_the_step(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is kept with template and arguments; Python's own report of the mistake is not a second line."""
    monkeypatch.setattr(logging.root, "handlers", [])
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    (line,) = captured(lambda: logger.error("%s and %s", 1), passthrough=False)
    assert line.message == "%s and %s (its arguments do not fit: (1,))"
    (line,) = captured(lambda: logger.error("%s", _Hostile()), passthrough=False)
    assert line.message == "%s (its arguments do not fit: <unreadable>)"


def test_an_exception_brings_its_traceback(logger: logging.Logger) -> None:
    """`logger.exception` is one line: message, then traceback."""

    def body() -> None:
        try:
            raise ValueError("no funds")
        except ValueError:
            logger.exception("charge failed")

    (line,) = captured(body)
    first, *_, last = line.message.splitlines()
    assert (first, last) == ("charge failed", "ValueError: no funds")
    assert "Traceback (most recent call last):" in line.message
    (line,) = captured(lambda: logger.warning("where", stack_info=True))
    assert "Stack (most recent call last):" in line.message


def test_loggers_that_do_not_propagate_are_captured(logger: logging.Logger) -> None:
    """L-1: capture does not depend on the root logger's handlers."""
    logger.propagate = False
    assert messages(captured(lambda: logger.error("kept to itself"))) == ["kept to itself"]


def test_a_record_below_its_loggers_own_level_is_never_made(logger: logging.Logger) -> None:
    """The documented limit: the user's level comes first."""
    logger.setLevel(logging.ERROR)
    assert captured(lambda: logger.warning("unseen"), log_level=logging.DEBUG) == []


def test_a_record_printed_by_a_handler_is_still_one_line(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """L-1: a StreamHandler made inside the step writes to the captured stderr; the record is not kept twice."""

    def body() -> None:
        handler = logging.StreamHandler()
        logger.addHandler(handler)
        logger.error("once")
        logger.removeHandler(handler)

    assert [(line.source, line.message) for line in captured(body)] == [("logger", "once")]
    assert capsys.readouterr().err == "once\n"
    assert [line.source for line in captured(body, passthrough=False)] == ["logger"]
    assert capsys.readouterr().err == ""


def test_users_handlers_still_get_every_record(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    """L-3: inside and outside, and below the scope's level too."""
    logger.info("outside")
    captured(lambda: logger.info("inside"), log_level="ERROR")
    assert caplog.messages == ["outside", "inside"]


def test_the_logger_of_a_step_lets_through_what_its_scope_does() -> None:
    """`ctx.logger` is `durable.<workflow>.<step>`, whatever the root logger's level is."""
    whose = AttemptIdentity(execution_id="e", token="t", path="p", step="charge", workflow="orders")
    opened = CaptureScope(whose, ListSink(), CaptureOptions(log_level="DEBUG"))
    with opened:
        opened.logger.debug("seen")
    (line,) = lines_of(opened)
    assert (line.logger, line.level, line.message) == ("durable.orders.charge", "DEBUG", "seen")


def test_attaching_and_detaching_is_idempotent(logger: logging.Logger) -> None:
    """However often capture is taken and given back, there is one line a record and nothing is left behind."""
    before = logging.Logger.callHandlers, list(logging.root.handlers)
    for _ in range(3):
        HOOKS.acquire()
    assert messages(captured(lambda: logger.error("one"))) == ["one"]
    for _ in range(5):
        HOOKS.release()
    assert (logging.Logger.callHandlers, list(logging.root.handlers)) == before
    assert messages(captured(lambda: logger.error("two"))) == ["two"]


def test_a_program_configures_its_logging_as_ever() -> None:
    """L-3: capture in the process silences neither `basicConfig` nor the handler of last resort."""
    program = """
        import logging
        from durable_core.capture import HOOKS
        HOOKS.acquire()
        logging.getLogger("a").warning("last resort")
        logging.basicConfig(level=logging.INFO, format="%(name)s|%(message)s")
        logging.getLogger("b").info("configured")
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, check=True, timeout=60, env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )  # fmt: skip
    assert ran.stderr == "last resort\nb|configured\n"


def test_capture_can_be_switched_off(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """A disabled scope keeps nothing and lets everything through."""

    def body() -> None:
        print("plain")
        logger.error("plain")

    assert captured(body, enabled=False) == []
    assert capsys.readouterr().out == "plain\n"


def test_custom_levels_and_loggers_outside_a_scope_are_untouched(logger: logging.Logger) -> None:
    """A level of the user's own keeps its name."""
    logging.addLevelName(25, "NOTICE")
    opened = scope()
    with opened:
        logger.log(25, "custom")
    assert [line.level for line in lines_of(opened)] == ["NOTICE"]
