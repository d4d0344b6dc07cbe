"""Where the money goes: what each second that a worker was paid for was good for.

Every second stands in one line alone, so that the lines add up to the whole. Only the execution of pictures that were
kept is what one wanted to pay for; all else is the price of having workers come and go, of pictures that the checks
turned down, and of what failed. Model load is hidden in the first execution of a worker's life: what that took beyond
the usual execution of the same workflow on the same GPU is taken for it. Paid attempts with an end alone are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from assetmill.ledger import Ledger, RowFilter, Status, WorkerLife
from assetmill.reports.columns import FAILURES, Attempts
from assetmill.reports.measures import Ranked, group, usd_of
from assetmill.reports.run_costs import had_a_job, jobless_cost
from assetmill.reports.tables import Cell, ReportTable, make_table

if TYPE_CHECKING:
    from assetmill.reports.columns import Bools, Floats

# ruff: noqa: PLC0415  numpy is heavy, and only whoever makes a report needs it

WHAT: Final[Mapping[str, str]] = {
    "kept": "drawing pictures that were kept",
    "load": "loading models",
    "rejected": "drawing pictures that were turned down",
    "failed": "attempts that failed",
    "start": "starting workers",
    "gap": "waiting between two jobs",
    "idle": "idle tails of workers",
    "jobless": "workers that got no job",
}
"""Lines of the table: code -> for a reader."""

NOTE: Final = (
    "Every paid second stands in one line. Loading models is an estimate: what a worker's first execution took beyond "
    "the usual one of the same workflow and GPU."
)
WHOLE_ONLY: Final = " Workers that got no job belong to no game and no run: they are in reports on everything."
UNPRICED: Final = " Seconds at a price that nobody knows are in the time, and not in the estimate."


def losses_table(attempts: Attempts, jobless: tuple[float, Decimal | None] | None) -> ReportTable:
    """Time and money by what they were spent on.

    Args:
        attempts: read with `workflow` and `gpu`.
        jobless: seconds and dollars of workers that got no job, as `jobless_time` tells them.
    """
    import numpy as np

    counted = attempts.is_status(Status.KEPT, Status.REJECTED, *FAILURES) & ~attempts.draft
    by_time = counted & (np.isnan(attempts.steps["cost_low_usd"]) | ~np.isnan(attempts.price))
    seconds = {name: np.where(by_time, values, 0) for name, values in _seconds(attempts).items()}
    steps = _steps(attempts, seconds, counted)
    known = ~np.isnan(attempts.steps["cost_estimate_usd"])
    sums = {name: (float(seconds[name].sum()), _sum(steps[name], seconds[name], known)) for name in seconds}
    if jobless is not None:
        sums["jobless"] = jobless
    whole = sum(time for time, _ in sums.values())
    rows: list[tuple[Cell, ...]] = [
        (what, words, round(sums[what][0], 3), sums[what][0] / whole if whole else None, sums[what][1])
        for what, words in WHAT.items()
        if what in sums
    ]
    unpriced = bool(np.any(by_time & ~known)) or (jobless is not None and jobless[1] is None)
    return make_table("losses", rows, NOTE + ("" if jobless is not None else WHOLE_ONLY) + UNPRICED * unpriced)


def _sum(steps: Floats, seconds: Floats, known: Bools) -> Decimal | None:
    """Dollars of a line; None where there is time in it and nobody knows a price of any of it."""
    unknown = bool(seconds[~known].any()) and not seconds[known].any() and not steps.any()
    return None if unknown else usd_of(round(float(steps.sum())))


def _seconds(attempts: Attempts) -> dict[str, Floats]:
    """Seconds of each attempt by what they were for; each second once."""
    import numpy as np

    seconds = {name: np.nan_to_num(attempts.seconds[name]) for name in ("execution", "start", "gap", "idle")}
    failed = attempts.is_status(*FAILURES)
    load = np.where(failed, 0, _model_load(attempts))
    drawing = seconds["execution"] - load
    kept = attempts.is_status(Status.KEPT)
    rejected = attempts.is_status(Status.REJECTED)
    return {
        "kept": np.where(kept, drawing, 0),
        "load": load,
        "rejected": np.where(rejected, drawing, 0),
        "failed": np.where(failed, seconds["execution"], 0),
        **{name: seconds[name] for name in ("start", "gap", "idle")},
    }


def _model_load(attempts: Attempts) -> Floats:
    """What the first execution of a life took beyond the usual one of its workflow and GPU; 0 for all others."""
    import numpy as np

    execution = attempts.seconds["execution"]
    groups = group(attempts, ("workflow", "gpu", "draft"))
    pictures = attempts.is_status(Status.KEPT, Status.REJECTED)
    warm = np.where(pictures & (attempts.cold == 0), execution, np.nan)
    usual = Ranked(warm).by_group(groups.codes, len(groups.keys)).quantile(0.5)
    beyond = np.maximum(execution - usual[groups.codes], 0)
    load: Floats = np.where((attempts.cold == 1) & ~np.isnan(beyond), beyond, 0)
    return load


def _steps(attempts: Attempts, seconds: Mapping[str, Floats], counted: Bools) -> dict[str, Floats]:
    """Each attempt's estimate, parted as its seconds are; the first line takes what rounding leaves over."""
    import numpy as np

    estimate = np.where(counted, np.nan_to_num(attempts.steps["cost_estimate_usd"]), 0)
    known = ~np.isnan(attempts.steps["cost_estimate_usd"])
    price = np.where(known, np.nan_to_num(attempts.price), 0) * 1e8
    steps = {name: np.rint(values * price) for name, values in seconds.items()}
    rest = estimate - np.sum(list(steps.values()), axis=0)
    home = np.where(attempts.is_status(*FAILURES), 2, np.where(attempts.is_status(Status.REJECTED), 1, 0))
    for place, name in enumerate(("kept", "rejected", "failed")):
        steps[name] = steps[name] + np.where(home == place, rest, 0)
    return steps


def jobless_time(ledger: Ledger, where: RowFilter) -> tuple[float, Decimal | None] | None:
    """Seconds and dollars of workers that got no job, dollars None where none of them has a price.

    A worker is paid for longer than it was seen: its seconds are those that its estimate is of.

    Returns:
        None of a report that is about one game or run.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if where.game is not None or where.run_id is not None:
        return None
    lives = [
        life
        for life, had_jobs in ledger.perhaps_jobless(where.since, where.until)
        if not had_jobs or not had_a_job(ledger, life)
    ]
    costs = [jobless_cost(life).estimate for life in lives]
    known = [cost for cost in costs if cost is not None]
    seconds = sum(_paid_s(life, cost) for life, cost in zip(lives, costs, strict=True))
    return seconds, sum(known, Decimal(0)) if known or not lives else None


def _paid_s(life: WorkerLife, cost: Decimal | None) -> float:
    """What a worker was paid for; as long as it was seen, where nobody knows its price."""
    if cost and life.price_per_s_usd:
        return float(cost / life.price_per_s_usd)
    return max(0.0, (life.last_seen_at - (life.up_since or life.first_seen_at)).total_seconds())
