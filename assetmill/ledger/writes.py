"""The ledger's changes, each on a connection that somebody else opened; `book` puts them into transactions.

A check and the change that depends on it are one statement wherever two processes could meet. Nothing here begins
or ends a transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

from sqlalchemy import Connection, Table, and_, func, or_, select, text, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from assetmill.errors import AlreadyTaken, BlankImage, ClaimLost, LedgerError, OutcomeUnknown, UnknownTooOften
from assetmill.ledger import reads
from assetmill.ledger.claims import Claim
from assetmill.ledger.codec import short_text, write_outputs
from assetmill.ledger.tables import attempts, runs
from assetmill.ledger.values import OPEN_STATUSES, Facts, Finish, Intent, Output, Run, Settlement, Status

MAIN_ROLE = "image"
WITH_PICTURE = (Status.KEPT, Status.REJECTED)


def plain(value: Run | Intent | Finish) -> dict[str, Any]:
    """A value's fields as columns."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def known(facts: Facts) -> dict[str, Any]:
    """Columns of the facts that are known."""
    told = {field.name: getattr(facts, field.name) for field in fields(facts)}
    told |= {"worker_id": short_text(facts.worker_id), "gpu": short_text(facts.gpu)}
    return {name: value for name, value in told.items() if value is not None}


def described(outputs: tuple[Output, ...]) -> dict[str, Any]:
    """Columns that describe raw images; none for no images."""
    if not outputs:
        return {}
    main = next((output for output in outputs if output.role == MAIN_ROLE), outputs[0])
    size = sum(output.bytes for output in outputs)
    return {"outputs": write_outputs(outputs), "bytes": size, "sha256": main.sha256, "key": main.key}


def final(settlement: Settlement) -> dict[str, Any]:
    """Columns of the end of an attempt."""
    cost = settlement.cost
    ending = {
        "status": settlement.status,
        "settled_at": settlement.settled_at,
        "cost_low_usd": cost.low,
        "cost_estimate_usd": cost.estimate,
        "cost_high_usd": cost.high,
        "cost_source": cost.source,
        "quality_score": settlement.quality_score,
        "error_class": settlement.error_class,
        "error_text": short_text(settlement.error_text),
    }
    return ending | described(settlement.outputs) | known(settlement.facts)


def claimed(claim: Claim | None) -> dict[str, Any]:
    """Columns of a claim; none for nobody's."""
    if claim is None:
        return {}
    return {"owner": claim.owner, "owner_place": claim.place, "claimed_until": claim.until}


def hold(connection: Connection, attempt_id: str) -> None:
    """Let nobody else change an attempt until the transaction ends; a writing one of SQLite is alone as it is."""
    connection.execute(select(attempts.c.attempt_id).where(attempts.c.attempt_id == attempt_id).with_for_update())


def change(
    connection: Connection, attempt_id: str, allowed: ColumnElement[bool], values: Mapping[str, Any], by: str | None
) -> None:
    """Update one attempt if its state allows it and it is `by`'s; the check and the change are one statement.

    Raises:
        ClaimLost: somebody else looks after it.
        LedgerError: no such attempt, or it is not at a point from which it could become this.
    """
    job_id = values.get("job_id")
    if job_id is not None:
        _refuse_foreign_job(connection, attempt_id, job_id)
    statement = update(attempts).where(attempts.c.attempt_id == attempt_id, allowed, _owned(by)).values(values)
    if connection.execute(statement).rowcount != 1:
        _explain(connection, attempt_id, str(values["status"]), by, job_id)


def require_end(
    connection: Connection, attempt_id: str, allowed: ColumnElement[bool], status: Status, by: str | None
) -> None:
    """Refuse to settle an attempt that cannot come to this end, or is not `by`'s.

    Raises:
        ClaimLost, LedgerError: as `change` would.
    """
    wanted = select(attempts.c.attempt_id).where(attempts.c.attempt_id == attempt_id, allowed, _owned(by))
    if connection.execute(wanted).first() is None:
        _explain(connection, attempt_id, status, by, None)


def _explain(connection: Connection, attempt_id: str, status: str, by: str | None, job_id: str | None) -> NoReturn:
    """Why an attempt could not be changed."""
    now = require_attempt(connection, attempt_id)
    owner = reads.owner(connection, attempt_id)
    if by is not None and owner != by:
        raise ClaimLost(f"attempt {attempt_id} is looked after by {owner} now, and is {now}", job_id=job_id)
    settled = "; it is settled, and a settled row does not change" if now.settled else ""
    raise LedgerError(f"attempt {attempt_id} is {now} and cannot become {status}{settled}")


def _owned(by: str | None) -> ColumnElement[bool]:
    return true() if by is None else attempts.c.owner == by


def take_over(connection: Connection, attempt_id: str, claim: Claim, now: datetime, gone: str | None) -> bool:
    """Claim an open attempt that is nobody's, one's own, out of time, or that of `gone`; says whether that worked."""
    free = or_(
        attempts.c.owner.is_(None),
        attempts.c.owner == claim.owner,
        attempts.c.claimed_until < now,
        attempts.c.owner == gone if gone is not None else attempts.c.owner.is_(None),
    )
    one = and_(attempts.c.attempt_id == attempt_id, attempts.c.status.in_(OPEN_STATUSES))
    return connection.execute(update(attempts).where(one, free).values(claimed(claim))).rowcount == 1


def refuse_second_payer(connection: Connection, intent: Intent, *, lock: bool) -> None:
    """Refuse to pay for a picture that is being paid for, or is there.

    Args:
        connection: in a transaction that writes.
        intent: what is about to be sent.
        lock: ask the database to let one at a time in; SQLite does that with every writing transaction.

    Raises:
        AlreadyTaken: names the attempt.
    """
    if lock:
        name = hashlib.sha256(f"{intent.game}\0{intent.fingerprint}".encode()).digest()
        key = int.from_bytes(name[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    same = (
        select(attempts.c.attempt_id, attempts.c.status)
        .where(
            attempts.c.game == intent.game,
            attempts.c.fingerprint == intent.fingerprint,
            attempts.c.draft == intent.draft,
            attempts.c.status.in_((*OPEN_STATUSES, *WITH_PICTURE)),
            true() if intent.retry_of is None else _something_on_it(),
        )
        .limit(1)
    )
    found = connection.execute(same).first()
    if found is not None:
        raise AlreadyTaken(f"attempt {found[0]} at the same picture is {found[1]}", attempt_id=found[0])


def _something_on_it() -> ColumnElement[bool]:
    """A blank picture is there too, and does not stand in the way of the one that replaces it."""
    return or_(attempts.c.error_class.is_(None), attempts.c.error_class != BlankImage.code)


def refuse_unknown(connection: Connection, intent: Intent, most: int) -> None:
    """Refuse to pay again where too many attempts are of unknown outcome.

    Raises:
        UnknownTooOften: says how many.
    """
    lost = and_(attempts.c.status == Status.LOST, attempts.c.error_class == OutcomeUnknown.code)
    same = and_(attempts.c.game == intent.game, attempts.c.fingerprint == intent.fingerprint)
    count = connection.execute(select(func.count()).select_from(attempts).where(same, lost)).scalar_one()
    if count > most:
        raise UnknownTooOften(
            f"{count} requests for this picture had no answer, and may have been charged",
            hint=f"ASSETMILL_RESEND_UNKNOWN={count} sends it again",
        )


def note_late_job(connection: Connection, attempt_id: str, job_id: str) -> bool:
    """Write the job id of an attempt that is settled without one; says whether it was."""
    settled = and_(attempts.c.status.not_in(OPEN_STATUSES), attempts.c.job_id.is_(None))
    statement = update(attempts).where(attempts.c.attempt_id == attempt_id, settled).values(job_id=job_id)
    return connection.execute(statement).rowcount == 1


def require_attempt(connection: Connection, attempt_id: str) -> Status:
    """Status of an attempt.

    Raises:
        LedgerError: there is none.
    """
    status = connection.execute(select(attempts.c.status).where(attempts.c.attempt_id == attempt_id)).scalar()
    if status is None:
        raise LedgerError(f"no attempt {attempt_id} in the ledger", hint="intend it first")
    return Status(status)


def require_run(connection: Connection, run_id: str) -> None:
    """Refuse a run that was not begun.

    Raises:
        LedgerError: there is none.
    """
    if connection.execute(select(runs.c.run_id).where(runs.c.run_id == run_id)).first() is None:
        raise LedgerError(f"no run {run_id} in the ledger", hint="begin the run first")


def _refuse_foreign_job(connection: Connection, attempt_id: str, job_id: str) -> None:
    own = attempts.alias()
    other = connection.execute(
        select(attempts.c.attempt_id)
        .join(own, own.c.endpoint == attempts.c.endpoint)
        .where(own.c.attempt_id == attempt_id, attempts.c.job_id == job_id, attempts.c.attempt_id != attempt_id)
    ).scalar()
    if other is not None:
        raise LedgerError(f"the job of attempt {attempt_id} already belongs to attempt {other}", job_id=job_id)


def refuse_duplicate(connection: Connection, table: Table, same: ColumnElement[bool], what: str) -> None:
    """Refuse an id that is taken.

    Raises:
        LedgerError: it is.
    """
    if connection.execute(select(table.c[0]).where(same)).first() is not None:
        raise LedgerError(f"{what} is in the ledger already", hint="ids are used once")


def without_secrets(url: str) -> str:
    """An address without user, password, query and fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def restore_row(connection: Connection, table: Table, row: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    """Insert a row unless its keys are there; says whether it was inserted."""
    statement = dialect_of(connection).insert(table).values(dict(row)).on_conflict_do_nothing(index_elements=keys)
    return connection.execute(statement.returning(table.c[0])).first() is not None


def dialect_of(connection: Connection) -> Any:
    """Where the statements are that SQLite and PostgreSQL both know, and each has its own words for."""
    return sqlite if connection.dialect.name == "sqlite" else postgresql
