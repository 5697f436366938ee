"""What PostgreSQL's errors mean to a person: by SQLSTATE, never by the words of a message, which are translated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_core.errors import DurableError, StoreError, StoreUnreachableError
from durable_core.store.transaction import ConstraintError, ContentionError

if TYPE_CHECKING:
    import psycopg

__all__ = ["cannot_connect", "translate"]

_CONTENTION = {
    "40001": "two transactions changed the same rows",
    "40P01": "two transactions waited for each other",
    "55P03": "a row stayed locked longer than lock_timeout",
}


def translate(error: psycopg.Error, where: str) -> DurableError:
    """The library's error for an error of the driver; ``where`` is the store's URL without its password."""
    state = error.sqlstate or ""
    said = (error.diag.message_primary or str(error)).strip()
    if state.startswith("23"):
        return ConstraintError(f"the store refused a row: {said}", constraint=error.diag.constraint_name)
    if why := _CONTENTION.get(state):
        return ContentionError(f"{why}, so nothing of this transaction was stored ({said})", hint="Run it again.")
    match state:
        case "57014":
            return StoreError(
                f"a statement on {where} took longer than statement_timeout and was ended",
                hint="Look for locks in pg_stat_activity, or raise statement_timeout in the options of the URL.",
            )
        case "53100":
            return StoreUnreachableError(
                f"the disk of the store {where} is full; nothing of this transaction was stored",
                hint="Free some space on the database server and try again.",
            )
        case "25006":
            return StoreUnreachableError(
                f"the store {where} is read-only", hint="Connect to the primary server, not to a standby."
            )
        case "42501":
            return StoreError(
                f"the database role may not do this on {where}: {said}",
                hint="Grant it CREATE and USAGE on the schema, and its own tables.",
            )
        case "" | "57P01" | "57P02" | "57P03":
            return StoreUnreachableError(
                f"the connection to {where} broke: {said or 'no reason given'}; nothing of this transaction was stored",
                hint="The next call connects again by itself.",
            )
    if state.startswith("08"):
        return StoreUnreachableError(f"the connection to {where} broke: {said}", hint="The next call connects again.")
    return StoreError(f"the store {where} refused a statement: {said} (SQLSTATE {state})")


def cannot_connect(error: psycopg.Error, where: str) -> StoreUnreachableError:
    """Why there is no connection, and what to check."""
    said = " ".join(str(error).split())
    match error.sqlstate:
        case "28P01" | "28000":
            hint = "Check the user and the password in DURABLE_URL, and pg_hba.conf on the server."
        case "3D000":
            hint = "Create the database first (createdb), or correct its name in DURABLE_URL."
        case "53300":
            hint = "Raise max_connections on the server, or run fewer workers: each takes up to a dozen connections."
        case _:
            hint = "Check that the server runs and that host and port in DURABLE_URL are right (pg_isready)."
    return StoreUnreachableError(f"the store {where} cannot be reached: {said}", hint=hint)
