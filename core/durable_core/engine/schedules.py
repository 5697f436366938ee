"""`engine.schedules`: what starts by itself, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, cast, get_args

from durable_core.clock import from_us
from durable_core.codec import dump_tree, encode
from durable_core.definition.checks import check_choice, check_name, did_you_mean, fault
from durable_core.dsl.registry import registry
from durable_core.dsl.schedules import CatchUp, Overlap, Schedule
from durable_core.dsl.workflow import Workflow
from durable_core.durations import to_seconds
from durable_core.engine.execution import Execution
from durable_core.engine.starting import chosen_workflow
from durable_core.engine.surface import Surface
from durable_core.errors import InputValidationError
from durable_core.failpoints import failpoint
from durable_core.query.entry import Entry, decode_leniently
from durable_core.scheduler import schedules as store
from durable_core.scheduler.crons import Cron
from durable_core.scheduler.loop import Scheduler
from durable_core.scheduler.schedules import ScheduleRow
from durable_core.scheduler.ticks import begin_now
from durable_core.store import schedule_statements as sql
from durable_core.store.transaction import Transaction

__all__ = ["Schedules"]

_OPTIONS: Final = ("cron", "timezone", "queue", "input", "overlap", "catch_up", "enabled")
_MAX_RUNS: Final = 1000

_list = list


class _Scheduling(Surface, Protocol):
    @property
    def scheduler(self) -> Scheduler: ...

    def wake_scheduler(self) -> None: ...


class Schedules:
    """The schedules of one store, those that code declares with @cron among them."""

    __slots__ = ("_engine",)

    def __init__(self, engine: _Scheduling) -> None:
        self._engine = engine

    # --- looking ---------------------------------------------------------------------------------------------------

    def list(
        self,
        *,
        workflow: Workflow | str | None = None,
        enabled: bool | None = None,
        queue: str | None = None,
        limit: int | None = None,
    ) -> _list[Entry]:
        """Every schedule, by name, with its next tick and what became of the last one."""
        self._engine.scheduler.sync()
        with self._engine.database.read() as tx:
            rows = store.all_schedules(tx)
        wanted = workflow.name if isinstance(workflow, Workflow) else workflow
        found = [
            _entry(row)
            for row in rows
            if (wanted is None or row.workflow == wanted)
            and (enabled is None or bool(row.enabled) is enabled)
            and (queue is None or row.queue == queue)
        ]
        return found if limit is None else found[:limit]

    def get(self, name: str) -> Entry:
        """One schedule; ScheduleNotFoundError when there is none of that name."""
        return _entry(self._row(name))

    def next_runs(self, name: str, count: int = 5) -> _list[datetime]:
        """The next ticks, in the schedule's time zone, whether it is enabled or not."""
        if type(count) is not int or not 0 <= count <= _MAX_RUNS:
            raise InputValidationError(
                f"next_runs takes a count from 0 to {_MAX_RUNS}, got {count!r}.", errors={"count": ["is out of range"]}
            )
        row = self._row(name)
        times = row.times
        return [times.local(tick) for tick in times.next_ticks(self._engine.clock.now_us(), count)]

    def ticks(self, name: str, limit: int = 20) -> _list[Entry]:
        """What became of the newest ticks: started, skipped, buffered or failed."""
        self._row(name)
        with self._engine.database.read() as tx:
            found = tx.fetch(sql.TICKS, {"name": name, "limit": limit})
        return [
            Entry(tick_at=from_us(tick), execution_id=execution, outcome=outcome, created_at=from_us(created))
            for tick, execution, outcome, created in found
        ]

    def _row(self, name: str) -> ScheduleRow:
        self._engine.scheduler.sync()
        with self._engine.database.read() as tx:
            return store.find(tx, name)

    # --- changing --------------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        workflow: Workflow | str,
        *,
        cron: str,
        timezone: str = "UTC",
        queue: str | None = None,
        input: Mapping[str, Any] | None = None,
        overlap: Overlap = "skip",
        catch_up: CatchUp | float | timedelta = "latest",
        enabled: bool = True,
    ) -> Entry:
        """A new schedule of a registered workflow; a wrong option, or a name that is taken, creates nothing."""
        check_name(name, "schedule", "the name of the schedule")
        chosen = chosen_workflow(workflow)
        where = f"schedule {name!r}"
        options = _checked(
            where,
            chosen,
            {
                "cron": cron,
                "timezone": timezone,
                "queue": queue,
                "input": input,
                "overlap": overlap,
                "catch_up": catch_up,
                "enabled": enabled,
            },
        )
        options.pop("enabled")
        schedule = replace(Schedule(name=name, workflow=chosen.name, cron=cron), **options)
        self._engine.scheduler.sync()
        return self._changed(lambda tx, now: store.create(tx, schedule, now, enabled=enabled))

    def update(self, name: str, **changes: Any) -> Entry:
        """Change options of a schedule: cron, timezone, queue, input, overlap, catch_up, enabled.

        The options of one that code declares follow the code again when that is next loaded.
        """
        unknown = [option for option in changes if option not in _OPTIONS]
        if unknown:
            raise InputValidationError(
                f"A schedule has no option {unknown[0]!r} to change. {did_you_mean(unknown[0], _OPTIONS)}",
                errors={option: ["is no option"] for option in unknown},
            )
        row = self._row(name)
        workflow = registry.get(row.workflow) if changes.get("input") is not None else None
        # Cron and zone are judged together: the one that is not given is the stored one.
        given = {"cron": row.cron, "timezone": row.timezone, **changes}
        checked = _checked(f"schedule {name!r}", workflow, given)
        enabled = checked.pop("enabled", None)
        options = {
            option: value for option, value in checked.items() if option in changes or option == "catch_up_window"
        }
        if "input" in options:
            options["input"] = None if options["input"] is None else dump_tree(options["input"])

        def act(tx: Transaction, now: int) -> ScheduleRow:
            changed = store.change(tx, name, now, options)
            if enabled is None:
                return changed
            return store.enable(tx, name, now) if enabled else store.disable(tx, name, now)

        return self._changed(act)

    def enable(self, name: str) -> Entry:
        """Let it tick from now on; earlier failures are forgotten."""
        self._engine.scheduler.sync()
        return self._changed(lambda tx, now: store.enable(tx, name, now))

    def disable(self, name: str) -> Entry:
        """No further ticks until `enable`; what runs goes on."""
        self._engine.scheduler.sync()
        return self._changed(lambda tx, now: store.disable(tx, name, now))

    def delete(self, name: str) -> None:
        """Remove it; what it started goes on. One that code declares is there again when that is next loaded."""
        self._engine.scheduler.sync()
        self._written(lambda tx: store.delete(tx, name))
        self._engine.wake_scheduler()

    def trigger_now(self, name: str, input: Mapping[str, Any] | None = None) -> Execution:
        """Start its workflow at once, with its own input or another; its next tick stays where it is."""
        row = self._row(name)
        workflow = registry.get(row.workflow)
        engine = self._engine

        def act(tx: Transaction) -> str:
            current = store.find(tx, name, lock=True)
            given = decode_leniently(current.encoded_input) if input is None else input
            return begin_now(tx, current, workflow, given, engine.clock.now_us(), engine.definitions)

        execution_id: str = self._written(act)
        engine.definitions.remembered(workflow.definition)
        engine.wake_scheduler()
        engine.wake_workers()
        return Execution(cast("Any", engine), execution_id)

    def _changed(self, action: Any) -> Entry:
        now = self._engine.clock.now_us()
        row: ScheduleRow = self._written(lambda tx: action(tx, now))
        self._engine.wake_scheduler()
        return _entry(row)

    def _written(self, action: Callable[[Transaction], Any]) -> Any:
        def write(tx: Transaction) -> Any:
            result = action(tx)
            failpoint("inside_schedule")
            return result

        failpoint("before_schedule")
        result = self._engine.committer.run(write)
        failpoint("after_schedule")
        return result


def _entry(row: ScheduleRow) -> Entry:
    return Entry(
        name=row.name,
        workflow=row.workflow,
        cron=row.cron,
        timezone=row.timezone,
        queue=row.queue,
        input=decode_leniently(row.encoded_input),
        overlap=row.overlap,
        catch_up=row.catch_up,
        catch_up_window=row.catch_up_window,
        origin=row.origin,
        enabled=bool(row.enabled),
        disabled_reason=row.disabled_reason,
        failures=row.failures,
        last_error=row.last_error,
        next_at=None if row.next_at is None else from_us(row.next_at),
        last_tick_at=None if row.last_tick_at is None else from_us(row.last_tick_at),
        last_execution_id=row.last_execution_id,
        buffered=bool(row.buffered),
        created_at=from_us(row.created_at),
        updated_at=from_us(row.updated_at),
    )


def _checked(where: str, workflow: Workflow | None, given: dict[str, Any]) -> dict[str, Any]:
    """The options as the store takes them; the first wrong one is an error that names it."""
    options = dict(given)
    times = Cron.parse(options["cron"], options["timezone"], where)
    options.update(cron=times.expression, timezone=times.timezone)
    if options.get("queue") is not None:
        check_name(options["queue"], where, "queue")
    if options.get("input") is not None:
        if not isinstance(options["input"], Mapping):
            raise InputValidationError(
                f"{where}: input must be a mapping, got {options['input']!r:.80}", errors={"input": ["is no mapping"]}
            )
        options["input"] = encode(dict(options["input"]), "input")
    if workflow is not None:
        workflow.validate_input(given.get("input"))
    if "overlap" in options:
        check_choice(options["overlap"], get_args(Overlap), "overlap", where)
    if "catch_up" in options:
        options["catch_up"], options["catch_up_window"] = _catch_up(options["catch_up"], where)
    if "enabled" in options and type(options["enabled"]) is not bool:
        raise fault(where, f"enabled must be True or False, got {options['enabled']!r}")
    return options


def _catch_up(value: Any, where: str) -> tuple[str, float | None]:
    if isinstance(value, str):
        check_choice(value, get_args(CatchUp), "catch_up", where)
        return value, None
    seconds = to_seconds(value, f"{where}: catch_up")
    if seconds <= 0:
        raise fault(where, f"catch_up must be above 0 seconds, got {value!r}", 'Use "none" to make up for nothing.')
    return "all", seconds
