"""The oracle: what must hold of a finished run, whatever happened in it. The endpoint's own count is the truth.

It reads books, store and truth from a folder and changes nothing there. All violations are named, never just the
first. What cannot be known (an answer was lost and nobody can find the job) is no violation; it is named and counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from oracle_files import audited, indexed, kept_whole, rebuilt, receipted
from oracle_jobs import counted_once, never_twice, nothing_paid_was_lost, nothing_unsent_ran
from oracle_money import added_up
from witness import Ran, Truth

from assetmill.errors import AssetmillError
from assetmill.ledger import Ledger, Status
from assetmill.storage import Store, open_store

Row = dict[str, Any]


@dataclass(slots=True)
class Verdict:
    """What was found.

    Args:
        violations: what must not be, in words.
        named: what could not be known or is the platform's own doing, in words.
        counts: rows by status and class, and other figures worth telling.
    """

    violations: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass
class Evidence:
    """A finished run, read."""

    folder: Path
    rows: list[Row]
    finishes: list[Row]
    truth: Truth
    store: Store
    ledger_url: str
    resend_unknown: int

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """Rows by attempt."""
        return {row["attempt_id"]: row for row in self.rows}

    @cached_property
    def ran_by_attempt(self) -> dict[str | None, list[Ran]]:
        """Executions by the key that their sender gave them."""
        found: dict[str | None, list[Ran]] = {}
        for one in self.truth.ran:
            found.setdefault(one.attempt, []).append(one)
        return found

    def ran(self, row: Row) -> list[Ran]:
        """Executions of a row's attempt."""
        return self.ran_by_attempt.get(row["attempt_id"], [])


Check = Callable[[Evidence, Verdict], Iterator[str]]
CHECKS: tuple[Check, ...] = (
    counted_once,
    nothing_unsent_ran,
    nothing_paid_was_lost,
    never_twice,
    kept_whole,
    receipted,
    indexed,
    added_up,
    audited,
    rebuilt,
)


def read(folder: Path) -> Evidence:
    """Read what a run left in its folder."""
    url = f"sqlite:///{folder / 'out' / 'ledger.db'}"
    with Ledger.open(url) as ledger:
        rows, finishes = ledger.rows(), [dict(row) for row in ledger.finish_rows()]
    store = open_store((folder / "out" / "store").as_uri())
    settings = json.loads((folder / "scenario.json").read_text())["settings"]
    resend_unknown = int(settings["ASSETMILL_RESEND_UNKNOWN"])
    return Evidence(folder, rows, finishes, Truth.read(folder), store, url, resend_unknown)


def judge(folder: Path) -> Verdict:
    """Judge a finished run.

    Args:
        folder: with `out` (books and store) and the truth.
    """
    verdict, evidence = Verdict(), read(folder)
    verdict.violations += [f"driver: {complaint}" for complaint in evidence.truth.complaints]
    for row in evidence.rows:
        verdict.counts[f"row {row['status']}" + (f"({row['error_class']})" if row["error_class"] else "")] += 1
        if not Status(row["status"]).settled:
            verdict.violations.append(f"open: attempt {row['attempt_id']} is still {row['status']} at the end")
    for check in CHECKS:
        verdict.violations += [f"{check.__name__}: {words}" for words in _found(check, evidence, verdict)]
    return verdict


def _found(check: Check, evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """What a check finds; one that cannot even read what it should compare has found that."""
    try:
        yield from check(evidence, verdict)
    except AssetmillError as error:
        yield str(error)
