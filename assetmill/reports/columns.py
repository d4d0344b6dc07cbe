"""Attempts as columns of numbers, which is the only shape in which a hundred thousand are added up in a moment.

What is read is read once and only as far as it is asked for. Text becomes small whole numbers (codes), each standing
for a label; amounts become whole numbers of 1e-8 dollars, so that sums are exact below 90 million dollars; what nobody
knows is NaN. Nothing here decides what a figure means: that is done in `measures`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from assetmill.ledger import Ledger, RowFilter, Status
from assetmill.reports.spans import find_zone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

# ruff: noqa: PLC0415  numpy is heavy, and only whoever makes a report needs it

DIMENSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "day": "intended_at",
        "week": "intended_at",
        "month": "intended_at",
        "game": "game",
        "pack": "pack",
        "run": "run_id",
        "type": "asset_type",
        "asset": "asset_id",
        "workflow": "workflow",
        "provider": "provider",
        "endpoint": "endpoint",
        "gpu": "gpu",
        "worker": "worker_id",
        "status": "status",
        "error": "error_class",
        "source": "cost_source",
        "price": "price_source",
        "draft": "draft",
    }
)
"""What a report may be grouped by -> column of the ledger. Days are those of the request, in the report's zone; a week
is the Monday that begins it, a month its year and number."""

MOMENT = "intended_at"
CALENDAR = ("day", "week", "month")
COSTS = ("cost_low_usd", "cost_estimate_usd", "cost_high_usd")
TIMES = ("queue", "execution", "download", "finish", "upload", "latency", "start", "gap", "idle")
FLAGS = ("draft", "cold")
NUMBERS = (*COSTS, *(f"{name}_ms" for name in TIMES), *FLAGS, "price_per_s_usd")
STEPS_PER_USD = 100_000_000
FAILURES = (Status.FAILED, Status.LOST, Status.CANCELLED)
MINUTE_US = 60_000_000
QUARTER_US = 15 * MINUTE_US
DAY_US = 24 * 60 * MINUTE_US


@dataclass(frozen=True, slots=True)
class Labels:
    """A column of few different texts.

    Args:
        codes: of each attempt: its place in `values`.
        values: the labels, sorted; None, if it is there, comes last.
    """

    codes: Ints
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts, column by column, all in one order.

    Args:
        count: how many.
        labels: dimension -> labels; those that were asked for, and `status`.
        steps: `cost_low_usd` and so on -> whole numbers of 1e-8 dollars, NaN where the cost is unknown.
        seconds: `queue`, `execution`, ... -> seconds, NaN where nothing was measured.
        draft: whether it is a placeholder.
        cold: 1 first job of its worker's life, 0 another, NaN unknown.
        price: dollars a second, NaN unknown.
    """

    count: int
    labels: Mapping[str, Labels]
    steps: Mapping[str, Floats]
    seconds: Mapping[str, Floats]
    draft: Bools
    cold: Floats
    price: Floats

    def is_status(self, *statuses: Status) -> Bools:
        """Which attempts stand so."""
        import numpy as np

        labels = self.labels["status"]
        return np.isin(labels.codes, [place for place, value in enumerate(labels.values) if value in statuses])


def read_attempts(ledger: Ledger, where: RowFilter, dimensions: Collection[str], timezone: str = "UTC") -> Attempts:
    """Read the attempts that a report is made of.

    Args:
        ledger: the books.
        where: which attempts.
        dimensions: names of DIMENSIONS that they will be grouped by.
        timezone: IANA name of the zone of days, weeks and months.

    Raises:
        LedgerError: the ledger cannot be read.
        UsageError: no such zone.
    """
    import numpy as np

    wanted = [name for name in DIMENSIONS if name in {*dimensions, "status"} - {"draft"}]
    texts = list(dict.fromkeys(DIMENSIONS[name] for name in wanted))
    taker = _Taker(texts)
    taker.add(ledger.figures(where, (*texts, *NUMBERS), taker))
    numbers = taker.numbers
    draft = numbers["draft"] == 1
    labels = {name: taker.labels(DIMENSIONS[name]) for name in wanted if name not in CALENDAR}
    labels |= _calendar(taker.moments, [name for name in wanted if name in CALENDAR], timezone)
    labels["draft"] = Labels(draft.astype(np.int64), (False, True))
    return Attempts(
        count=len(draft),
        labels=labels,
        steps={name: np.rint(numbers[name] * STEPS_PER_USD) for name in COSTS},
        seconds={name: numbers[f"{name}_ms"] / 1000 for name in TIMES},
        draft=draft,
        cold=numbers["cold"],
        price=numbers["price_per_s_usd"],
    )


class _Taker:
    """Makes columns of rows as they come.

    Args:
        texts: names of the columns of text and time; behind them come NUMBERS.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import numpy as np

        self._np = np
        self._texts = texts
        self._places: dict[str, dict[str | None, int]] = {name: {} for name in texts if name != MOMENT}
        self.numbers: dict[str, Floats] = {}
        self.moments = np.empty(0, dtype=np.int64)
        self._codes: dict[str, Ints] = {}

    def __call__(self, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """Columns of some rows."""
        columns = zip((*self._texts, *NUMBERS), zip(*rows, strict=True), strict=True)
        return {name: self._column(name, cells, len(rows)) for name, cells in columns}

    def _column(self, name: str, cells: Sequence[Any], count: int) -> Any:
        if name in self._places:
            places = self._places[name]
            for cell in set(cells).difference(places):
                places[cell] = len(places)
            return self._np.fromiter(map(places.__getitem__, cells), self._np.int64, count)
        if name == MOMENT:
            return self._np.array(cells, dtype="datetime64[us]").astype(self._np.int64)
        return self._np.fromiter(cells, float, count)

    def add(self, parts: Sequence[dict[str, Any]]) -> None:
        """Put the parts together."""
        np = self._np
        whole = {name: np.concatenate([part[name] for part in parts] or [[]]) for name in (*self._texts, *NUMBERS)}
        self.numbers = {name: _known(whole[name]) for name in NUMBERS}
        self.moments = whole.get(MOMENT, self.moments).astype(np.int64)
        self._codes = {name: whole[name].astype(np.int64) for name in self._places}

    def labels(self, name: str) -> Labels:
        """Labels of a column of text."""
        return _sorted_labels(self._codes[name], self._places[name])


def _known(numbers: Floats) -> Floats:
    """NaN for what nobody knows, and for what cannot be: clocks out of step measure times below 0."""
    import numpy as np

    numbers[numbers < 0] = np.nan
    return numbers


def _sorted_labels(codes: Ints, places: Mapping[str | None, int]) -> Labels:
    """Labels in their order, of codes in the order in which the texts were met."""
    import numpy as np

    values = sorted(places, key=lambda value: (value is None, value or ""))
    rank = np.empty(len(places), dtype=np.int64)
    for new, value in enumerate(values):
        rank[places[value]] = new
    return Labels(rank[codes], tuple(values))


def _calendar(micros: Ints, names: Collection[str], timezone: str) -> dict[str, Labels]:
    """Days, weeks and months of moments in UTC, as the zone has them."""
    import numpy as np

    if not names:
        return {}
    days, codes = np.unique((micros + _offsets(micros, timezone)) // DAY_US, return_inverse=True)
    dates = [(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(day))).date() for day in days]
    words = {
        "day": [date.isoformat() for date in dates],
        "week": [(date - timedelta(days=date.weekday())).isoformat() for date in dates],
        "month": [f"{date:%Y-%m}" for date in dates],
    }
    labels = {}
    for name in names:
        values = tuple(
            dict.fromkeys(words[name])
        )  # days come in order, and so do the weeks and months that they are in
        few = np.array([values.index(word) for word in words[name]], dtype=np.int64)
        labels[name] = Labels(few[codes.reshape(-1)], values)
    return labels


def _offsets(micros: Ints, timezone: str) -> Ints:
    """What a zone's clocks show more than UTC at each moment, microseconds.

    Clocks are changed at full quarters of an hour, so one look for each quarter is enough.
    """
    import numpy as np

    zone = find_zone(timezone)
    quarters, places = np.unique(micros // QUARTER_US, return_inverse=True)
    offsets = [
        datetime.fromtimestamp(int(quarter) * QUARTER_US / 1_000_000, zone).utcoffset() or timedelta()
        for quarter in quarters
    ]
    return np.array([offset // timedelta(microseconds=1) for offset in offsets], dtype=np.int64)[places.reshape(-1)]
