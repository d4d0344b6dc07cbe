"""What is said of a group of attempts: counts, costs between two bounds, times, and what the money was lost on.

Paid attempts and drafts are never added up: the draft flag is part of every group. Every attempt counts, kept or not,
because failures are billed too. A sum over attempts of unknown cost says how many are missing from it; where nothing is
known it is None, never 0. Figures are exact: amounts are whole numbers of 1e-8 dollars until the very end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from assetmill.ledger import Status
from assetmill.money import USD_STEP
from assetmill.reports.columns import COSTS, FAILURES, Attempts

if TYPE_CHECKING:
    from assetmill.reports.columns import Floats, Ints

# ruff: noqa: PLC0415  numpy is heavy, and only whoever makes a report needs it

SPARSE: Final = 4
COUNTS = ("attempts", "kept", "rejected", "failed", "open", "unknown_cost")
PARTS = ("queue", "start", "execution", "download", "finish", "upload")
PERCENTS = (50, 90, 99)
MEASURES: Final = (
    *COUNTS,
    *COSTS,
    "cost_per_image_usd",
    "cost_per_kept_image_usd",
    *(f"latency_p{percent}_s" for percent in PERCENTS),
    "execution_mean_s",
    "execution_cold_mean_s",
    "paid_s",
    "start_share",
    "idle_share",
    "failed_share",
    *(f"{part}_p{percent}_s" for part in PARTS for percent in PERCENTS),
)
"""Counts: `failed` is failed, lost and cancelled, `open` has no end yet. A cost is the sum over attempts whose cost is
known, `unknown_cost` the number of the others. Per image: the estimate of everything in the group / pictures made
(kept and rejected), and / pictures kept; an attempt is one image, however many files it makes. Percentiles are
interpolated linearly. `execution_mean_s` leaves out the first job of a worker's life, which loads the model:
`execution_cold_mean_s` is of those. `paid_s` is what workers were paid for: execution + start + gap + idle tail. The
shares are of it: starts, gaps and idle tails, and everything that belongs to failed attempts. Of the parts, `queue` is
the delay that the endpoint tells less the start of the worker, and `start` is of attempts that caused one."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Attempts in groups.

    Args:
        codes: of each attempt: the number of its group.
        keys: of each group: its labels, in the order in which they were asked for; groups are sorted by them.
    """

    codes: Ints
    keys: tuple[tuple[Any, ...], ...]


def group(attempts: Attempts, by: Sequence[str]) -> Groups:
    """Part attempts into groups by dimensions that were read with them; a group of no attempts is none."""
    import numpy as np

    labels = [attempts.labels[name] for name in by]
    joined, most = np.zeros(attempts.count, dtype=np.int64), 1
    for label in labels:
        joined = joined * max(len(label.values), 1) + label.codes
        most *= max(len(label.values), 1)
    found, codes = _few_values(joined, most)
    keys = []
    for number in found.tolist():
        places, rest = [], number
        for label in reversed(labels):
            rest, place = divmod(rest, len(label.values))
            places.append(label.values[place])
        keys.append(tuple(reversed(places)))
    return Groups(codes, tuple(keys))


def _few_values(numbers: Ints, below: int) -> tuple[Ints, Ints]:
    """The different numbers, sorted, and of each number its place among them.

    Args:
        numbers: from 0.
        below: all are below this.
    """
    import numpy as np

    if below > SPARSE * max(len(numbers), 1):
        found, places = np.unique(numbers, return_inverse=True)
        return found, places.reshape(-1)
    there = np.bincount(numbers, minlength=below) > 0  # no sorting: a tenth of the time
    return np.flatnonzero(there), (np.cumsum(there) - 1)[numbers]


def measure(
    attempts: Attempts, groups: Groups, wanted: Sequence[str] = MEASURES, *, prepared: Prepared | None = None
) -> list[dict[str, Any]]:
    """Say of every group what MEASURES names: int, Decimal, float or None.

    Args:
        attempts: all of them.
        groups: of these attempts.
        wanted: which measures; the fewer, the sooner it is done.
        prepared: of these attempts, for whoever measures them more than once.
    """
    columns = _Columns(groups, prepared or Prepared(attempts))
    made = {name: columns.of(name) for name in wanted}
    return [dict(zip(made, values, strict=True)) for values in zip(*made.values(), strict=True)]


def nothing() -> dict[str, Any]:
    """What is said of no attempts: counts and costs are a known 0, times do not exist."""
    none: dict[str, Any] = dict.fromkeys(MEASURES)
    return none | dict.fromkeys(COUNTS, 0) | dict.fromkeys(COSTS, 0 * USD_STEP)


def usd_of(steps: float) -> Decimal:
    """Dollars of whole numbers of 1e-8."""
    return int(steps) * USD_STEP


class Prepared:
    """What every grouping of the same attempts needs of them, worked out once.

    Args:
        attempts: all of them.
    """

    def __init__(self, attempts: Attempts) -> None:
        import numpy as np

        self.parts = time_parts(attempts)
        self._ranked: dict[str, Ranked] = {}
        kept, rejected = attempts.is_status(Status.KEPT), attempts.is_status(Status.REJECTED)
        failed = attempts.is_status(*FAILURES)
        unknown = np.isnan(np.sum([attempts.steps[name] for name in COSTS], axis=0))
        masks = {"kept": kept, "rejected": rejected, "failed": failed, "unknown_cost": unknown}
        masks |= {"attempts": np.ones(attempts.count, dtype=bool), "open": ~(kept | rejected | failed)}
        paid, execution, cold = paid_seconds(attempts), attempts.seconds["execution"], attempts.cold == 1
        by_time = ~np.isnan(paid)
        start, gap, idle = (np.nan_to_num(attempts.seconds[name]) for name in ("start", "gap", "idle"))
        values = {
            **attempts.steps,
            "paid_s": paid,
            "start_share": np.where(by_time, start, np.nan),
            "idle_share": np.where(by_time, gap + idle, np.nan),
            "failed_share": np.where(by_time & ~failed, 0, paid),
            "execution_mean_s": np.where(cold, np.nan, execution),
            "execution_cold_mean_s": np.where(cold, execution, np.nan),
        }
        counted = [name for name in values if not name.endswith("_share")]
        self.known = {name: (~np.isnan(values[name])).astype(float) for name in counted}
        self.values = {name: np.nan_to_num(column) for name, column in values.items()}
        self.masks = {name: mask.astype(float) for name, mask in masks.items()}

    def ranked(self, part: str) -> Ranked:
        """Latency or a part of it, sorted when it is first asked for."""
        if part not in self._ranked:
            self._ranked[part] = Ranked(self.parts[part])
        return self._ranked[part]


class _Columns:
    """The measures of all groups, column by column.

    Args:
        groups: of attempts.
        prepared: of the same attempts.
    """

    def __init__(self, groups: Groups, prepared: Prepared) -> None:
        import numpy as np

        self._np = np
        self._codes = groups.codes
        self._size = len(groups.keys)
        self._prepared = prepared
        self._in_order: dict[str, InOrder] = {}
        self._sums: dict[str, Floats] = {}

    def of(self, name: str) -> list[Any]:
        """One measure of all groups."""
        if name in COUNTS:
            return [int(number) for number in self._added(self._prepared.masks[name]).tolist()]
        if name in COSTS:
            return [None if steps != steps else usd_of(steps) for steps in self._sum(name).tolist()]  # noqa: PLR0124
        if name.startswith("cost_per_"):
            return self._per_image(("kept",) if "kept" in name else ("kept", "rejected"))
        return [None if number != number else round(number, 6) for number in self._number(name).tolist()]  # noqa: PLR0124

    def _per_image(self, pictures: Sequence[str]) -> list[Decimal | None]:
        images = self._added(sum((self._prepared.masks[name] for name in pictures), self._np.zeros(len(self._codes))))
        return [
            None if steps != steps or not count else (usd_of(steps) / int(count)).quantize(USD_STEP)  # noqa: PLR0124
            for steps, count in zip(self._sum("cost_estimate_usd").tolist(), images.tolist(), strict=True)
        ]

    def _number(self, name: str) -> Floats:
        """A time or a share, NaN where there is none."""
        if name == "paid_s":
            return self._sum(name)
        if name.endswith("_share"):
            return self._divided(self._added(self._prepared.values[name]), self._sum("paid_s"))
        if name.endswith("_mean_s"):
            return self._divided(self._added(self._prepared.values[name]), self._added(self._prepared.known[name]))
        part, percent = name.removesuffix("_s").rsplit("_p", 1)
        if part not in self._in_order:
            self._in_order[part] = self._prepared.ranked(part).by_group(self._codes, self._size)
        return self._in_order[part].quantile(int(percent) / 100)

    def _added(self, values: Floats) -> Floats:
        sums = self._np.bincount(self._codes, weights=values, minlength=self._size)
        return sums.astype(float)  # whole numbers, where there was nothing to add

    def _sum(self, name: str) -> Floats:
        """Sum of what is known; NaN where nothing is."""
        if name not in self._sums:
            known = self._added(self._prepared.known[name])
            self._sums[name] = self._np.where(known > 0, self._added(self._prepared.values[name]), self._np.nan)
        return self._sums[name]

    def _divided(self, values: Floats, by: Floats) -> Floats:
        shares: Floats = self._np.full(self._size, self._np.nan)
        self._np.divide(values, by, out=shares, where=by > 0)
        return shares


def paid_seconds(attempts: Attempts) -> Floats:
    """What a worker was paid for because of each attempt, NaN where it is unknown.

    An attempt of a known cost and no price of a second was not paid by time, but by the provider's own units.
    """
    import numpy as np

    seconds = attempts.seconds
    beside = sum((np.nan_to_num(seconds[name]) for name in ("start", "gap", "idle")), np.zeros(attempts.count))
    by_time = np.isnan(attempts.steps["cost_low_usd"]) | ~np.isnan(attempts.price)
    return np.where(by_time, seconds["execution"] + beside, np.nan)


def time_parts(attempts: Attempts) -> Mapping[str, Floats]:
    """Latency and the parts of it, seconds, NaN where nothing was measured."""
    import numpy as np

    seconds = attempts.seconds
    waited = np.maximum(seconds["queue"] - np.nan_to_num(seconds["start"]), 0)
    return {**{name: seconds[name] for name in (*PARTS, "latency")}, "queue": waited}


class Ranked:
    """Values in their order, sorted once however often quantiles of groups of them are asked for.

    Args:
        values: of each attempt, NaN where there is none.
    """

    def __init__(self, values: Floats) -> None:
        import numpy as np

        self._order = np.argsort(values)[: len(values) - int(np.isnan(values).sum())]  # NaN is sorted to the end
        self._values = values[self._order]

    def by_group(self, codes: Ints, size: int) -> InOrder:
        """The values, group by group.

        Args:
            codes: of each attempt: the number of its group.
            size: number of groups.
        """
        import numpy as np

        groups = codes[self._order]
        small = groups.astype(np.uint16) if size <= np.iinfo(np.uint16).max else groups  # sorted by radix, in no time
        return InOrder(self._values[np.argsort(small, kind="stable")], np.bincount(groups, minlength=size))


@dataclass(frozen=True, slots=True)
class InOrder:
    """Values group by group, each group in order.

    Args:
        values: of all groups.
        counts: how many values each group has.
    """

    values: Floats
    counts: Ints

    def quantile(self, q: float) -> Floats:
        """Quantile of each group, interpolated linearly; NaN where a group has no value.

        Args:
            q: from 0 to 1.
        """
        import numpy as np

        if not len(self.values):
            return np.full(len(self.counts), float("nan"))
        first = np.cumsum(self.counts) - self.counts
        place = np.maximum(self.counts - 1, 0) * q
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(self.counts - 1, 0))
        low, high = (self.values[np.minimum(first + offset, len(self.values) - 1)] for offset in (below, above))
        return np.where(self.counts > 0, low + (high - low) * (place - below), float("nan"))
