"""What was spent by group and by time, as tables.

The tables by day keep to a length that a page can show: over many months they are by week, then by month, and say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from assetmill.ledger import Ledger, RowFilter
from assetmill.reports.columns import Attempts, read_attempts
from assetmill.reports.measures import Groups, Prepared, group, measure, nothing
from assetmill.reports.tables import MEASURES, Cell, ReportTable, make_table

NAMES: Final = tuple(column.name for column in MEASURES)
BY: Final[Mapping[str, tuple[str, ...]]] = {
    "by_day_game": ("day", "game"),
    "by_day_type": ("day", "type"),
    "by_game": ("game",),
    "by_type": ("type",),
    "by_workflow": ("workflow",),
    "by_provider": ("provider",),
    "by_gpu": ("gpu",),
    "by_status": ("status",),
}
"""Tables of groups -> dimensions."""

MOST_DAYS: Final = 130
MOST_WEEKS: Final = 130
DAYS_ARE: Final = {
    "day": "Days are those of the request, in {zone}.",
    "week": "By week, because there are many days: each is named by its Monday, in {zone}.",
    "month": "By month, because there are many days, in {zone}.",
}
SOURCES: Final = (
    "Costs are US dollars, worked out from measured times and list prices; what was billed stands apart, under "
    "reconciliation, and is never added. An attempt of unknown cost is counted, and in no sum."
)


@dataclass(frozen=True, slots=True)
class SpendLimits:
    """Budgets to show spending against, US dollars; None where there is none.

    Args:
        game_usd: of each game, over all of its time.
        month_usd: of all games together, in a month of UTC.
    """

    game_usd: Decimal | None = None
    month_usd: Decimal | None = None


NO_SPEND_LIMITS: Final = SpendLimits()
NOTHING_BEFORE: Final[Mapping[str, Decimal]] = MappingProxyType({})


def calendar_unit(attempts: Attempts) -> str:
    """What days are put together to, so that tables by day stay short: `day`, `week` or `month`."""
    if len(attempts.labels["day"].values) <= MOST_DAYS:
        return "day"
    return "week" if len(attempts.labels["week"].values) <= MOST_WEEKS else "month"


def spend_tables(attempts: Attempts, prepared: Prepared, zone: str) -> Iterator[ReportTable]:
    """`summary`, and the tables of BY."""
    yield make_table("summary", _summary(attempts, prepared), SOURCES)
    unit = calendar_unit(attempts)
    for name, by in BY.items():
        keys = tuple(unit if key == "day" else key for key in by)
        groups = group(attempts, (*keys, "draft"))
        note = DAYS_ARE[unit].format(zone=zone) if "day" in by else ""
        yield make_table(name, _rows(attempts, prepared, groups), note)


def _summary(attempts: Attempts, prepared: Prepared) -> list[list[Cell]]:
    """A row of paid attempts and one of drafts, whether there are any or not."""
    groups = group(attempts, ("draft",))
    found = dict(zip(groups.keys, measure(attempts, groups, NAMES, prepared=prepared), strict=True))
    kinds = {"paid": found.get((False,), nothing()), "draft": found.get((True,), nothing())}
    return [[kind, *(said[name] for name in NAMES)] for kind, said in kinds.items()]


def _rows(attempts: Attempts, prepared: Prepared, groups: Groups) -> list[list[Cell]]:
    measured = measure(attempts, groups, NAMES, prepared=prepared)
    return [
        [*labels[:-1], "draft" if labels[-1] else "paid", *(said[name] for name in NAMES)]
        for labels, said in zip(groups.keys, measured, strict=True)
    ]


def cumulative_table(
    attempts: Attempts,
    before: Mapping[str, Decimal],
    limits: SpendLimits,
    zone: str,
    *,
    whole: bool,
    of_month: Mapping[str, Decimal] = NOTHING_BEFORE,
) -> ReportTable:
    """What has been spent so far, day by day, of all games, of each, and of each month that has a budget.

    Args:
        attempts: read with `day`, `week`, `month` and `game`.
        before: what a game had spent before the report begins; a game's budget counts that as well.
        limits: budgets.
        zone: name of the zone of the days.
        whole: whether the report is of all games and runs; if not, no month can be held against its budget.
        of_month: what had been spent of the month in which the report begins; its budget counts that as well.
    """
    unit = calendar_unit(attempts)
    games = _spent(attempts, unit, "game")
    total: dict[str, Decimal] = defaultdict(Decimal)
    for spent in games.values():
        for day, amount in spent.items():
            total[day] += amount
    rows = list(_adding_up("all games", total, sum(before.values(), Decimal(0)), None))
    for game in sorted({*games, *before}):
        rows += _adding_up(game, games.get(game, {}), before.get(game, Decimal(0)), limits.game_usd)
    if whole and limits.month_usd is not None and unit == "day":
        for month in sorted({day[:7] for day in total}):
            days = {day: amount for day, amount in total.items() if day.startswith(month)}
            rows += _adding_up(month, days, of_month.get(month, Decimal(0)), limits.month_usd)
    note = f"Estimated cost of paid attempts. {DAYS_ARE[unit].format(zone=zone)}"
    note += " What was spent before the report begins is in what was spent so far." if before else ""
    return make_table("cumulative", rows, note)


def _spent(attempts: Attempts, unit: str, dimension: str) -> dict[str, dict[str, Decimal]]:
    """Label -> day -> estimate of paid attempts of known cost."""
    groups = group(attempts, (dimension, unit, "draft"))
    spent: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for labels, said in zip(groups.keys, measure(attempts, groups, ("cost_estimate_usd",)), strict=True):
        if not labels[2] and said["cost_estimate_usd"] is not None:
            spent[labels[0]][labels[1]] = said["cost_estimate_usd"]
    return spent


def _adding_up(
    scope: str, spent: Mapping[str, Decimal], before: Decimal, budget: Decimal | None
) -> Iterator[tuple[Cell, ...]]:
    so_far = before
    for day in sorted(spent):
        so_far += spent[day]
        yield scope, day, spent[day], so_far, budget


def spent_before(ledger: Ledger, where: RowFilter, since: datetime | None = None) -> dict[str, Decimal]:
    """What each game had spent before a report begins, and after `since`, as far as it is known.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if where.since is None:
        return {}
    earlier = RowFilter(game=where.game, run_id=where.run_id, since=since, until=where.since)
    attempts = read_attempts(ledger, earlier, ("game",))
    groups = group(attempts, ("game", "draft"))
    said = zip(groups.keys, measure(attempts, groups, ("cost_estimate_usd",)), strict=True)
    spent = {game: figures["cost_estimate_usd"] for (game, draft), figures in said if not draft}
    return {game: amount for game, amount in spent.items() if amount is not None}


def spent_of_month(ledger: Ledger, where: RowFilter, zone: tzinfo) -> dict[str, Decimal]:
    """What had been spent of the month in which a report begins, before it: month -> dollars; nothing on its first day.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if where.since is None:
        return {}
    begins = where.since.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    if begins >= where.since:
        return {}
    spent = spent_before(ledger, where, begins)
    return {f"{begins:%Y-%m}": sum(spent.values(), Decimal(0))}
