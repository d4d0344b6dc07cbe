"""Steps of the ledger that are carried out again when the database server went away in the middle of one.

A run must not end because a server restarts: its jobs are being paid for. A transaction that never came to its
commit is undone and may be done again by anybody; one whose commit got no answer may be done again only where
saying the same twice changes nothing. A step is one transaction and does nothing else, so that it can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError

from assetmill.errors import LedgerError

TRIES: Final = 5
ROLLED_BACK: Final = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and of a deadlock: the server has undone the transaction."""

P = ParamSpec("P")
T = TypeVar("T")


def once(step: Callable[P, T]) -> Callable[P, T]:
    """A step that must not happen twice: it is repeated when it certainly has not happened."""
    return _repeated(step, _undone)


def repeatable(step: Callable[P, T]) -> Callable[P, T]:
    """A step that may be said again: it is repeated whenever its connection is lost."""
    return _repeated(step, lambda error: _undone(error) or _cut_off(error))


def _repeated(step: Callable[P, T], may_be: Callable[[LedgerError], bool]) -> Callable[P, T]:
    @wraps(step)
    def carried_through(*args: P.args, **named: P.kwargs) -> T:
        for _ in range(TRIES - 1):
            try:
                return step(*args, **named)
            except LedgerError as error:
                if not may_be(error):
                    raise
        return step(*args, **named)

    return carried_through


def _undone(error: LedgerError) -> bool:
    """Whether nothing came of the transaction: a lost connection with a statement under way never saw its commit."""
    cause = error.__cause__
    if not isinstance(cause, DBAPIError) or cause.statement is None:
        return False
    return _cut_off(error) or getattr(cause.orig, "sqlstate", None) in ROLLED_BACK


def _cut_off(error: LedgerError) -> bool:
    """Whether the connection was lost, be it in the commit."""
    return isinstance(error.__cause__, DBAPIError) and error.__cause__.connection_invalidated
