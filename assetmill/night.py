"""How a night ended: several batches, one after the other, in one sentence and one verdict.

A batch that fails does not keep the next from running, but the night says so. It ends early only when somebody asked
it to. The end follows the rule of a single run: all there, some missing, nothing there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from assetmill.batch.report import BatchReport, Ending
from assetmill.errors import Refused
from assetmill.money import usd

NOTHING = "nothing is on the active list"


@dataclass(frozen=True, slots=True)
class Part:
    """How the batch of one entry ended.

    Args:
        name: of the entry.
        ending: of its run.
        words: its final words.
        spent_usd: what it may have cost at most, as far as anybody knows; None where nobody does.
        budget_usd: what it was allowed to cost; that is counted where nobody knows what it did.
    """

    name: str
    ending: Ending
    words: str
    spent_usd: Decimal | None
    budget_usd: Decimal | None = None

    @property
    def counts_usd(self) -> Decimal:
        """What it takes from the night's budget."""
        known = self.spent_usd if self.spent_usd is not None else self.budget_usd
        return known or Decimal(0)


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
        spent = sum((part.counts_usd for part in self.parts), Decimal(0))
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


def part_of(name: str, report: BatchReport, budget_usd: Decimal | None = None) -> Part:
    """How a batch ended that came to its report; it was allowed to cost that much."""
    spent = [amount for amount in (report.cost_usd, report.unpriced_high_usd) if amount is not None]
    return Part(name, report.ending, report.sentence, sum(spent, Decimal(0)) if spent else None, budget_usd)


def part_without_report(name: str, words: str, error: object, budget_usd: Decimal | None, *, cancelled: bool) -> Part:
    """How a batch ended that came to no report. One that was refused has sent nothing; of others nobody knows.

    Args:
        name: of the entry.
        words: its final words.
        error: what it ended with.
        budget_usd: what it was allowed to cost.
        cancelled: whether somebody asked for its end.
    """
    sent_nothing = isinstance(error, Refused)
    return Part(name, "cancelled" if cancelled else "failed", words, None, None if sent_nothing else budget_usd)
