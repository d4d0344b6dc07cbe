"""The ledger's questions, each one statement on a connection that somebody else opened.

Nothing here writes. Rows become records by position, because a plan reads ten thousand of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.sql.elements import ColumnElement

from assetmill.errors import LedgerError, OutcomeUnknown
from assetmill.ledger.codec import read_map, read_outputs
from assetmill.ledger.records import Details, OpenAttempt, Picture, RowFilter, Timing
from assetmill.ledger.tables import attempts, finishes, runs
from assetmill.ledger.values import OPEN_STATUSES, Finish, Status, rejection

HISTORY_LIMIT = 1000
WITH_PICTURE = (Status.KEPT, Status.REJECTED)
JSON_SUFFIX = "_json"


def _columns(record: type[Picture | Details | OpenAttempt | Timing]) -> list[ColumnElement[Any]]:
    return [attempts.c[field.name.removesuffix(JSON_SUFFIX)] for field in fields(record)]


def pictures(connection: Connection, game: str) -> list[Picture]:
    """Every attempt of a game whose picture is stored, oldest first; one that the checks rejected is paid for too."""
    statement = (
        select(*_columns(Picture))
        .where(attempts.c.game == game, attempts.c.status.in_(WITH_PICTURE))
        .order_by(attempts.c.settled_at, attempts.c.attempt_id)
    )
    return [Picture(*row) for row in connection.execute(statement)]


def details(connection: Connection, game: str) -> dict[str, Details]:
    """What those pictures were made of and where they lie, by attempt id."""
    statement = select(*_columns(Details)).where(attempts.c.game == game, attempts.c.status.in_(WITH_PICTURE))
    return {row[0]: Details(*row) for row in connection.execute(statement)}


def open_attempts(
    connection: Connection, *, game: str | None = None, attempt_id: str | None = None
) -> list[OpenAttempt]:
    """Attempts without an end, oldest first; of one game, or just one, if given."""
    statement = select(*_columns(OpenAttempt)).where(attempts.c.status.in_(OPEN_STATUSES))
    if game is not None:
        statement = statement.where(attempts.c.game == game)
    if attempt_id is not None:
        statement = statement.where(attempts.c.attempt_id == attempt_id)
    found = connection.execute(statement.order_by(attempts.c.intended_at, attempts.c.attempt_id)).mappings()
    return [_open_attempt(dict(row)) for row in found]


def _open_attempt(row: dict[str, Any]) -> OpenAttempt:
    values = {field.name: row[field.name.removesuffix(JSON_SUFFIX)] for field in fields(OpenAttempt)}
    return OpenAttempt(**values | {"status": Status(row["status"])})


def finishes_of(connection: Connection, game: str) -> dict[tuple[str, str], Finish]:
    """Finishes of a game by (attempt id, finish fingerprint), oldest first."""
    found = connection.execute(select(finishes).where(finishes.c.game == game).order_by(finishes.c.finished_at))
    return {(row.attempt_id, row.finish_fingerprint): _finish(row) for row in found}


def tries(connection: Connection, fingerprint: str) -> int:
    """Number of attempts at a fingerprint."""
    statement = select(func.count()).select_from(attempts).where(attempts.c.fingerprint == fingerprint)
    return int(connection.execute(statement).scalar_one())


def unknowns(connection: Connection, game: str) -> dict[str, int]:
    """Number of attempts whose outcome nobody knows, by fingerprint."""
    statement = (
        select(attempts.c.fingerprint, func.count())
        .where(attempts.c.game == game, attempts.c.status == Status.LOST, attempts.c.error_class == OutcomeUnknown.code)
        .group_by(attempts.c.fingerprint)
    )
    return {fingerprint: int(count) for fingerprint, count in connection.execute(statement)}


def whole(connection: Connection, attempt_id: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """An attempt, its run and its finishes, as mappings."""
    attempt = connection.execute(select(attempts).where(attempts.c.attempt_id == attempt_id)).mappings().one()
    run = connection.execute(select(runs).where(runs.c.run_id == attempt["run_id"])).mappings().one()
    done = connection.execute(select(finishes).where(finishes.c.attempt_id == attempt_id)).mappings()
    return dict(attempt), dict(run), [dict(row) for row in done]


def owner(connection: Connection, attempt_id: str) -> str | None:
    """Who looks after an attempt."""
    found: str | None = connection.execute(select(attempts.c.owner).where(attempts.c.attempt_id == attempt_id)).scalar()
    return found


def finish_rows(connection: Connection) -> list[Mapping[str, Any]]:
    """All finishes as mappings."""
    return [dict(row) for row in connection.execute(select(finishes)).mappings()]


def verdicts(connection: Connection, game: str) -> dict[tuple[str, str], str | None]:
    """Why the checks turned each finish down, None where they did not, by (attempt id, finish fingerprint)."""
    wanted = select(finishes.c.attempt_id, finishes.c.finish_fingerprint, finishes.c.quality)
    found = connection.execute(wanted.where(finishes.c.game == game))
    return {(attempt_id, shape): rejection(read_map(quality)) for attempt_id, shape, quality in found}


def _finish(row: Row[Any]) -> Finish:
    return Finish(
        attempt_id=row.attempt_id,
        finish_fingerprint=row.finish_fingerprint,
        game=row.game,
        run_id=row.run_id,
        files=tuple(read_outputs(row.files).values()),
        sheet_key=row.sheet_key,
        inputs=read_map(row.inputs),
        quality=read_map(row.quality),
        finished_at=row.finished_at,
    )


def history(connection: Connection, workflow: str, *, draft: bool) -> list[Timing]:
    """The newest jobs of a workflow that made a picture, newest first."""
    return _timings(connection, attempts.c.workflow == workflow, draft=draft)


def starts(connection: Connection, *, draft: bool) -> list[Timing]:
    """The newest jobs of any workflow that made a picture as the first of their workers, newest first."""
    return _timings(connection, attempts.c.cold.is_(True), draft=draft)


def units(connection: Connection, workflow: str, *, draft: bool) -> list[float]:
    """What the newest jobs of a workflow that made a picture cost in their provider's currency, newest first."""
    statement = select(attempts.c.units).where(
        attempts.c.workflow == workflow,
        attempts.c.draft == draft,
        attempts.c.status.in_(WITH_PICTURE),
        attempts.c.units.is_not(None),
    )
    newest = statement.order_by(attempts.c.settled_at.desc(), attempts.c.attempt_id).limit(HISTORY_LIMIT)
    return [float(value) for value in connection.execute(newest).scalars()]


def _timings(connection: Connection, which: ColumnElement[bool], *, draft: bool) -> list[Timing]:
    statement = select(*_columns(Timing)).where(
        which,
        attempts.c.draft == draft,
        attempts.c.status.in_(WITH_PICTURE),
        attempts.c.execution_ms.is_not(None),
    )
    newest = statement.order_by(attempts.c.settled_at.desc(), attempts.c.attempt_id).limit(HISTORY_LIMIT)
    return [Timing(*row) for row in connection.execute(newest)]


def rows(
    connection: Connection, where: RowFilter, columns: Sequence[str], newest: int | None = None
) -> list[dict[str, Any]]:
    """Attempts as mappings, in the order in which they were intended; only the newest, if so many are asked for.

    Raises:
        LedgerError: no such column.
    """
    missing = [name for name in columns if name not in attempts.c]
    if missing:
        raise LedgerError(f"the attempts table has no column {missing[0]!r}")
    chosen = [attempts.c[name] for name in columns] or list(attempts.c)
    order = (attempts.c.intended_at, attempts.c.attempt_id)
    statement = select(*chosen).where(*conditions(where))
    if newest is None:
        found = connection.execute(statement.order_by(*order)).fetchall()
    else:
        found = connection.execute(statement.order_by(*(one.desc() for one in order)).limit(newest)).fetchall()[::-1]
    names = [column.name for column in chosen]
    return [dict(zip(names, row, strict=True)) for row in found]


def conditions(where: RowFilter) -> list[ColumnElement[bool]]:
    """What a filter asks of an attempt."""
    table = attempts.c
    asked: list[ColumnElement[bool] | None] = [
        None if where.game is None else table.game == where.game,
        None if where.run_id is None else table.run_id == where.run_id,
        table.status.in_(where.statuses) if where.statuses else None,
        None if where.since is None else table.intended_at >= where.since,
        None if where.until is None else table.intended_at < where.until,
    ]
    return [condition for condition in asked if condition is not None]


def all_runs(connection: Connection, game: str | None) -> list[dict[str, Any]]:
    """Runs as mappings, oldest first."""
    statement = select(runs).order_by(runs.c.started_at, runs.c.run_id)
    if game is not None:
        statement = statement.where(runs.c.game == game)
    return [dict(row) for row in connection.execute(statement).mappings()]
