"""The audit itself: all comparisons over one snapshot. Pure; what may be done about it is the reader's decision."""

from __future__ import annotations

from datetime import datetime

from assetmill.audit.costs import compare_costs, compare_times
from assetmill.audit.files import compare_files
from assetmill.audit.findings import Finding, Kind
from assetmill.audit.jobs import IsGone, compare_jobs, list_open, list_repeats, list_unknowns
from assetmill.audit.published import compare_published
from assetmill.audit.receipts import compare_receipts
from assetmill.audit.snapshot import Snapshot
from assetmill.audit.sound import all_attempts, compare_rows, sound_rows
from assetmill.ledger import is_gone

_ORDER = {kind: place for place, kind in enumerate(Kind)}


def findings(snapshot: Snapshot, now: datetime, *, gone: IsGone = is_gone) -> tuple[Finding, ...]:
    """Compare books, receipts, files and packs.

    Args:
        snapshot: what was read.
        now: aware time; the age of what is open counts to it.
        gone: whether the process at a place has ended for certain.

    Returns:
        What does not agree and what is worth knowing (`Kind.violation` tells which), by kind, game and subject.
    """
    attempts = sorted(all_attempts(snapshot), key=lambda row: (row["intended_at"], row["attempt_id"]))
    found = (
        *compare_receipts(snapshot),
        *compare_rows(snapshot),
        *compare_files(snapshot),
        *compare_published(snapshot),
        *compare_costs(attempts),
        *compare_times(attempts),
        *compare_jobs(attempts),
        *list_repeats(attempts),
        *list_unknowns(attempts),
        *list_open(sound_rows(snapshot), snapshot.receipts, now, gone),
    )
    return tuple(sorted(found, key=lambda one: (_ORDER[one.kind], one.game, one.subject, one.message)))
