"""What the books remember of a migration: which smoke tests passed where, and who made this month's pictures.

Only settled rows count, and of each kind of smoke test only its newest one: a test that passed last month and failed
today has failed. Nothing here asks anybody but the books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assetmill.ledger import OPEN_STATUSES, Ledger, RowFilter, Status
from assetmill.smoke.kinds import GAME as SMOKE

NEWEST = 1000
"""Smoke tests that are looked at: dozens of times all kinds at all endpoints."""

_COLUMNS = ("asset_id", "endpoint_url", "status", "draft", "error_class", "workflow", "workflow_hash", "intended_at")


@dataclass(frozen=True, slots=True)
class Smoked:
    """How the newest smoke test of one kind ended at an endpoint.

    Args:
        kind: `txt2img`, `entity` ...
        passed: whether its picture was kept.
        at: when it was sent; aware time.
        why: error class, where it failed.
        stale: the workflow's graph has been changed since.
    """

    kind: str
    passed: bool
    at: datetime
    why: str = ""
    stale: bool = False


@dataclass(slots=True)
class Made:
    """Pictures that one endpoint made.

    Args:
        pictures: how many were kept, candidates included.
        usd: what they cost by estimate, as far as it is known.
    """

    pictures: int = 0
    usd: float = 0.0


def smoked(ledger: Ledger, endpoint_url: str, hashes: Mapping[str, str]) -> dict[str, Smoked]:
    """Kind of smoke test -> how the newest one ended at an endpoint; kinds that were never tried are not there.

    Args:
        ledger: the books.
        endpoint_url: the endpoint, as the books name it.
        hashes: workflow -> hash of its graph today.

    Raises:
        LedgerError: the books are unavailable.
    """
    rows = ledger.rows(RowFilter(game=SMOKE), _COLUMNS, newest=NEWEST)
    ended = (row for row in rows if row["endpoint_url"] == endpoint_url and row["status"] not in OPEN_STATUSES)
    return {row["asset_id"]: _smoked(row, hashes) for row in ended}  # oldest first: the newest stays


def _smoked(row: Mapping[str, Any], hashes: Mapping[str, str]) -> Smoked:
    today = hashes.get(row["workflow"])
    changed = today is not None and row["workflow_hash"] != today
    passed, why = row["status"] == Status.KEPT, row["error_class"] or row["status"]
    return Smoked(row["asset_id"], passed, row["intended_at"], "" if passed else str(why), stale=changed)


def made_since(ledger: Ledger, since: datetime) -> dict[str, Made]:
    """Endpoint's name -> pictures that it made for games since then, most first; no drafts, no smoke tests.

    Raises:
        LedgerError: the books are unavailable.
    """
    found: dict[str, Made] = {}

    def take(rows: Sequence[Sequence[Any]]) -> None:
        for endpoint, game, draft, usd in rows:
            if draft or game == SMOKE:
                continue
            made = found.setdefault(endpoint, Made())
            made.pictures += 1
            made.usd += max(usd, 0.0)  # below 0 stands for a cost that nobody knows

    ledger.figures(
        RowFilter(statuses=(Status.KEPT,), since=since), ("endpoint", "game", "draft", "cost_estimate_usd"), take
    )
    return dict(sorted(found.items(), key=lambda pair: -pair[1].pictures))


def month_of(now: datetime) -> datetime:
    """When the month of a moment began, UTC."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
