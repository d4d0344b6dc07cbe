"""How a night ended: several batches, one after the other, in one sentence and one verdict.

A batch that fails does not keep the next from running, but the night says so. It ends early only when somebody asked
it to. The end follows the rule of a single run: all there, some missing, nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from assetmill.batch.report import BatchReport, Ending
from assetmill.ledger import Ledger, RowFilter
from assetmill.money import usd

NOTHING = "nothing is on the active list"


@dataclass(frozen=True, slots=True)
class Part:
    """How the batch of one entry ended.

    Args:
        name: of the entry.
        ending: of its run.
        words: its final words.
        spent_usd: what it may have cost at most, as far as its report tells; None where that tells nothing.
        most_usd: what it takes from the night's budget; None for what the report tells.
    """

    name: str
    ending: Ending
    words: str
    spent_usd: Decimal | None
    most_usd: Decimal | None = None


@dataclass(slots=True)
class Night:
    """What has become of the entries so far.

    Args:
        names: entries in their order.
        budget_usd: the most that all of them together may cost; None for no limit.
        parts: those that were run.
    """

    names: tuple[str, ...]
    budget_usd: Decimal | None = None
    parts: list[Part] = field(default_factory=list)

    @property
    def left_usd(self) -> Decimal | None:
        """What the next entry may cost; None for no limit."""
        if self.budget_usd is None:
            return None
        taken = (part.spent_usd if part.most_usd is None else part.most_usd for part in self.parts)
        spent = sum((amount or Decimal(0) for amount in taken), Decimal(0))
        return max(self.budget_usd - spent, Decimal(0))

    @property
    def stopped(self) -> bool:
        """Whether somebody has asked for the end: the next entry is not begun."""
        return any(part.ending == "cancelled" for part in self.parts)

    @property
    def ending(self) -> Ending:
        """The night as a whole; an empty list is a complete night."""
        seen = {part.ending for part in self.parts}
        if "cancelled" in seen:
            return "cancelled"
        if seen <= {"complete"}:
            return "complete"
        return "failed" if seen == {"failed"} else "with_failures"

    @property
    def sentence(self) -> str:
        """The night in words: how many, the sum, then each that was run, then those that were not."""
        if not self.names:
            return NOTHING
        complete = sum(part.ending == "complete" for part in self.parts)
        head = f"{complete} of {len(self.names)} complete"
        known = [part.spent_usd for part in self.parts if part.spent_usd is not None]
        head += f"; {usd(sum(known, Decimal(0)))}" if known else ""
        told = [f"{part.name}: {part.words}" for part in self.parts]
        left = self.names[len(self.parts) :]
        told += [f"not begun: {', '.join(left)}"] if left else []
        return " | ".join([head, *told])


def most_spent(ledger: Ledger, run_id: str) -> Decimal | None:
    """The most that a run may have cost or will, by the books: also one that broke off, or left jobs open.

    Returns:
        US dollars, 0 for a run that sent nothing; None where nobody knows a bound.

    Raises:
        LedgerError: the books are unavailable.
    """
    rows = ledger.rows(
        RowFilter(run_id=run_id), ("cost_estimate_usd", "reserved_usd", "cost_high_usd", "planned_high_usd")
    )
    most = [next((amount for amount in row.values() if amount is not None), None) for row in rows]
    return None if None in most else sum(filter(None, most), Decimal(0))


def part_of(name: str, report: BatchReport) -> Part:
    """How a batch ended that came to its report."""
    spent = [amount for amount in (report.cost_usd, report.unpriced_high_usd) if amount is not None]
    return Part(name, report.ending, report.sentence, sum(spent, Decimal(0)) if spent else None)
