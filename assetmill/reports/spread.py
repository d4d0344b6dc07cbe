"""How costs and times are spread: an average says nothing of the one picture in a hundred that took a minute.

Bins have round bounds, so that a chart's axis reads well; the last one is open, so that a single stray does not press
all others into one bar. Only paid attempts are in these tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from assetmill.ledger import Status
from assetmill.reports.columns import Attempts
from assetmill.reports.measures import PARTS, Prepared, usd_of
from assetmill.reports.tables import Cell, ReportTable, make_table

if TYPE_CHECKING:
    from assetmill.reports.columns import Bools, Floats

# ruff: noqa: PLC0415  numpy is heavy, and only whoever makes a report needs it

BINS: Final = 20
ROUND: Final = (1, 2, 2.5, 5, 10)
PICTURES: Final = (Status.KEPT, Status.REJECTED)
PART_WORDS: Final = {
    "latency": "all of it",
    "queue": "queue",
    "start": "cold start",
    "execution, warm": "execution, warm",
    "execution, cold": "execution, cold",
    "download": "download",
    "finish": "finish and check",
    "upload": "upload",
}


def cost_distribution(attempts: Attempts) -> ReportTable:
    """How many pictures cost how much, by type; of attempts read with `type`."""
    import numpy as np

    steps = attempts.steps["cost_estimate_usd"]
    counted = attempts.is_status(*PICTURES) & ~attempts.draft & ~np.isnan(steps)
    types = attempts.labels["type"]
    width = round_width(steps[counted])
    bins = np.minimum(steps[counted] // width, BINS).astype(np.int64)
    rows: list[tuple[Cell, ...]] = []
    for place, kind in enumerate(types.values):
        images = np.bincount(bins[types.codes[counted] == place], minlength=BINS + 1).tolist()
        rows += [(kind, *_between(usd_of, number, width), count) for number, count in enumerate(images) if count]
    note = "Estimated cost of each picture kept or rejected; the first of a worker carries its start and idle tail."
    return make_table("cost_distribution", rows, note)


def _between(write: Callable[[float], Cell], number: int, width: float) -> tuple[Cell, Cell]:
    """Bounds of a bin."""
    return write(number * width), None if number == BINS else write((number + 1) * width)


def _in_seconds(bound: float) -> float:
    return round(bound, 9)


def latency_distribution(attempts: Attempts, prepared: Prepared) -> ReportTable:
    """Percentiles of latency and of each of its parts."""
    import numpy as np

    rows = []
    for name, values in _parts(attempts, prepared):
        known = values[~np.isnan(values)]
        figures: list[float | None] = [None] * 5
        if len(known):
            percentiles = np.percentile(known, (50, 90, 99)).tolist()
            figures = [round(float(figure), 6) for figure in (*percentiles, known.mean(), known.max())]
        rows.append((PART_WORDS[name], len(known), *figures))
    note = "From the submission to the final row, of paid attempts. A cold execution loads the model first."
    return make_table("latency_distribution", rows, note)


def _parts(attempts: Attempts, prepared: Prepared) -> Iterator[tuple[str, Floats]]:
    paid = ~attempts.draft
    yield "latency", prepared.parts["latency"][paid]
    for part in PARTS:
        values = prepared.parts[part]
        if part == "execution":
            yield "execution, warm", values[paid & (attempts.cold != 1)]
            yield "execution, cold", values[paid & (attempts.cold == 1)]
        else:
            yield part, values[paid]


def latency_histogram(attempts: Attempts) -> ReportTable:
    """How many pictures took how long, on cold and on warm workers."""
    import numpy as np

    seconds = attempts.seconds["latency"]
    counted = attempts.is_status(*PICTURES) & ~attempts.draft & ~np.isnan(seconds)
    width = round_width(seconds[counted])
    rows: list[tuple[Cell, ...]] = []
    for warmth, mask in warmths(attempts).items():
        bins = np.minimum(seconds[counted & mask] // width, BINS).astype(np.int64)
        images = np.bincount(bins, minlength=BINS + 1).tolist()
        rows += [(warmth, *_between(_in_seconds, number, width), count) for number, count in enumerate(images) if count]
    return make_table("latency_histogram", rows, "From the submission to the final row, of pictures kept or rejected.")


def warmths(attempts: Attempts) -> dict[str, Bools]:
    """Which attempts began on a cold worker, which on a warm one, and of which nobody knows."""
    import numpy as np

    return {"cold": attempts.cold == 1, "warm": attempts.cold == 0, "unknown": np.isnan(attempts.cold)}


def round_width(values: Floats) -> float:
    """A round width of bins, so that nearly all of the values fall into BINS of them; 1 where there are none."""
    import numpy as np

    most = float(np.percentile(values, 99)) if len(values) else 0.0
    if most <= 0:
        return 1.0
    exact = most / BINS
    power = Decimal(10) ** math.floor(math.log10(exact))
    return next(float(power * Decimal(str(factor))) for factor in ROUND if float(power) * factor >= exact * (1 - 1e-9))
