"""What was spent, on what, and how long it took: the ledger's attempts, grouped.

Paid attempts and drafts are never added up: the draft flag is part of every group, and each has a total of
its own. Every attempt counts, kept or not, because failures are billed too. A sum over attempts of
unknown cost says how many are missing from it; where nothing is known it is None, never 0.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from assetmill.errors import UsageError
from assetmill.ledger import EVERYTHING, Ledger, RowFilter, Status
from assetmill.money import USD_STEP, usd

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["table", "csv", "json"]

DIMENSIONS = {
    "day": "intended_at",
    "game": "game",
    "type": "asset_type",
    "provider": "provider",
    "run": "run_id",
    "status": "status",
    "endpoint": "endpoint",
    "gpu": "gpu",
    "workflow": "workflow",
    "draft": "draft",
}
"""What a report may be grouped by -> column of the ledger. A day is the UTC day of the request."""

BOUNDS = {f"cost_{bound}_usd": bound for bound in ("low", "estimate", "high")}
COUNTS = ("attempts", "kept", "rejected", "failed", "open")
MEASURES = (
    *COUNTS,
    "unknown_cost",
    *BOUNDS,
    "cost_per_kept_image_usd",
    "latency_p50_s",
    "latency_p90_s",
    "latency_p99_s",
    "execution_mean_s",
)
HEADINGS = {
    "unknown_cost": "cost?",
    "cost_low_usd": "low",
    "cost_estimate_usd": "estimate",
    "cost_high_usd": "high",
    "cost_per_kept_image_usd": "per kept image",
    "latency_p50_s": "p50 s",
    "latency_p90_s": "p90 s",
    "latency_p99_s": "p99 s",
    "execution_mean_s": "exec s",
}
FAILURES = (Status.FAILED, Status.LOST, Status.CANCELLED)
EMPTY = "No attempt has been made yet."


def cost_report(ledger: Ledger, by: Sequence[str], fmt: Format = "table", *, where: RowFilter = EVERYTHING) -> str:
    """Report attempts, costs and times by group.

    Args:
        ledger: the books.
        by: names of DIMENSIONS; `draft` is added when it is not among them.
        fmt: `table` for people; `csv` has one line a group and no total; `json` is one object
            `{"by": [...], "rows": [...], "total": {"paid": {...}, "draft": {...}}, "currency": "USD",
            "timezone": "UTC"}`, amounts being decimal strings or null.
        where: which attempts.

    Returns:
        The text, ending in a newline. Groups are sorted. Columns (MEASURES): `failed` counts failed, lost
        and cancelled attempts, `open` those without an end; a cost is the sum over attempts whose cost is
        known, and `unknown_cost` the number of the others; the cost per kept image is the estimate of all
        attempts of the group, failures included, divided by those kept (an attempt counts as one image,
        however many files it makes). Percentiles are interpolated linearly.

    Raises:
        UsageError: no such dimension or format; the hint names the nearest.
        LedgerError: the ledger cannot be read.
    """
    keys = _keys(by)
    if fmt not in ("table", "csv", "json"):
        raise UsageError(f"unknown format {fmt!r}", hint="one of table, csv, json")
    frame = _frame(ledger, where)
    groups = _summarise(frame, keys)
    if fmt == "csv":
        return _csv(keys, groups)
    totals = {"draft" if total["draft"] else "paid": total for total in _summarise(frame, ["draft"])}
    return _json(keys, groups, totals) if fmt == "json" else _table(keys, groups, totals)


def _keys(by: Sequence[str]) -> list[str]:
    for name in by:
        if name not in DIMENSIONS:
            near = get_close_matches(name, DIMENSIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(DIMENSIONS)}"
            raise UsageError(f"a report cannot be grouped by {name!r}", hint=hint)
    return list(dict.fromkeys([*by, "draft"]))


def _frame(ledger: Ledger, where: RowFilter) -> pd.DataFrame:
    """One line an attempt. Amounts become whole numbers of 1e-8 USD, so that sums stay exact."""
    import pandas as pd  # noqa: PLC0415  heavy, and only reports need it

    columns = dict.fromkeys([*DIMENSIONS.values(), *BOUNDS, "latency_ms", "execution_ms"])
    found = pd.DataFrame.from_records(ledger.rows(where, list(columns)), columns=list(columns))
    status = found["status"].astype(str)
    frame = pd.DataFrame({name: found[column] for name, column in DIMENSIONS.items()})
    frame["day"] = [moment.date().isoformat() for moment in found["intended_at"]]
    frame["status"] = status
    frame["attempts"] = 1
    frame["kept"] = (status == Status.KEPT).astype(int)
    frame["rejected"] = (status == Status.REJECTED).astype(int)
    frame["failed"] = status.isin(FAILURES).astype(int)
    frame["open"] = 1 - frame["kept"] - frame["rejected"] - frame["failed"]
    for column in BOUNDS:
        frame[column] = pd.array([_steps(amount) for amount in found[column]], dtype="Int64")
    frame["unknown_cost"] = found[list(BOUNDS)].isna().any(axis=1).astype(int)
    frame["latency_s"] = found["latency_ms"].astype(float) / 1000
    frame["execution_s"] = found["execution_ms"].astype(float) / 1000
    return frame


def _steps(amount: Decimal | None) -> int | None:
    """Whole numbers of USD_STEP."""
    return None if amount is None else int(amount.scaleb(8))


def _summarise(frame: pd.DataFrame, keys: list[str]) -> list[dict[str, Any]]:
    """One mapping a group: its keys, then MEASURES as int, Decimal, float or None."""
    grouped = frame.groupby(keys, sort=True, dropna=False)
    sums = grouped[[*COUNTS, "unknown_cost"]].sum()
    costs = grouped[list(BOUNDS)].sum(min_count=1)
    times = {f"latency_p{p}_s": grouped["latency_s"].quantile(p / 100) for p in (50, 90, 99)}
    times["execution_mean_s"] = grouped["execution_s"].mean()
    groups = []
    for place, index in enumerate(sums.index):
        labels = index if isinstance(index, tuple) else (index,)
        group = {key: _label(label) for key, label in zip(keys, labels, strict=True)}
        group |= {name: int(sums[name].iloc[place]) for name in sums.columns}
        group |= {name: _amount(costs[name].iloc[place]) for name in BOUNDS}
        group["cost_per_kept_image_usd"] = _per_image(group["cost_estimate_usd"], group["kept"])
        group |= {name: _seconds(values.iloc[place]) for name, values in times.items()}
        groups.append(group)
    return groups


def _label(label: Any) -> Any:
    if isinstance(label, str):
        return label
    return None if label is None or label != label else bool(label)  # noqa: PLR0124  NaN: a GPU nobody told


def _amount(steps: Any) -> Decimal | None:
    import pandas as pd  # noqa: PLC0415  heavy, and only reports need it

    return None if steps is pd.NA else int(steps) * USD_STEP


def _per_image(cost: Decimal | None, kept: int) -> Decimal | None:
    return None if cost is None or not kept else (cost / kept).quantize(USD_STEP)


def _seconds(value: float) -> float | None:
    return None if value != value else round(float(value), 3)  # noqa: PLR0124  NaN: nothing was measured


def _nothing() -> dict[str, Any]:
    """Total of no attempts: counts and costs are a known 0, times do not exist."""
    none: dict[str, Any] = dict.fromkeys(MEASURES)
    none |= dict.fromkeys([*COUNTS, "unknown_cost"], 0)
    return none | dict.fromkeys(BOUNDS, 0 * USD_STEP)


def _json(keys: list[str], groups: list[dict[str, Any]], totals: dict[str, dict[str, Any]]) -> str:
    total = {kind: {**_nothing(), **totals.get(kind, {}), "draft": kind == "draft"} for kind in ("paid", "draft")}
    document = {"by": keys, "rows": groups, "total": total, "currency": "USD", "timezone": "UTC"}
    return json.dumps(document, indent=2, default=_fixed) + "\n"


def _fixed(amount: Decimal) -> str:
    return f"{amount:.8f}"


def _csv(keys: list[str], groups: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*keys, *MEASURES], lineterminator="\n")
    writer.writeheader()
    for group in groups:
        writer.writerow({name: _plain(value) for name, value in group.items()})
    return text.getvalue()


def _plain(value: Any) -> Any:
    """As CSV: true and false as in JSON, amounts without exponent, what is unknown empty."""
    if isinstance(value, bool):
        return str(value).lower()
    return _fixed(value) if isinstance(value, Decimal) else value


def _table(keys: list[str], groups: list[dict[str, Any]], totals: dict[str, dict[str, Any]]) -> str:
    lines = [_cells(group, [_words(key, group[key]) for key in keys]) for group in groups]
    for kind, total in sorted(totals.items(), reverse=True):
        labels = ["total", *[""] * (len(keys) - 1)]
        labels[keys.index("draft")] = kind if len(keys) > 1 else f"total {kind}"
        lines.append(_cells(total, labels))
    headings = [*keys, *(HEADINGS.get(name, name) for name in MEASURES)]
    text = _aligned([headings, *lines], left=len(keys), rule_before=len(groups) + 1)
    if not groups:
        return f"{text}\n{EMPTY}\n"
    short = any(total["unknown_cost"] for total in totals.values())
    note = "+ without the attempts counted under cost?, whose cost is not known\n" if short else ""
    return f"{text}\nCosts in US dollars, days in UTC.\n{note}"


def _words(key: str, value: Any) -> str:
    if key == "draft":
        return "draft" if value else "paid"
    return "unknown" if value is None else str(value)


def _cells(group: dict[str, Any], labels: list[str]) -> list[str]:
    mark = "+" if group["unknown_cost"] else ""
    return [*labels, *(_cell(name, group[name], mark) for name in MEASURES)]


def _cell(name: str, value: Any, mark: str) -> str:
    if name.endswith("_usd"):
        no_image = name == "cost_per_kept_image_usd" and value is None
        return "-" if no_image else usd(value) + ("" if value is None else mark)
    if value is None:
        return "-"
    return f"{value:.1f}" if name.endswith("_s") else str(value)


def _aligned(lines: list[list[str]], *, left: int, rule_before: int) -> str:
    """Columns side by side: the first `left` flush left, figures flush right, totals under a rule."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    text = []
    for number, line in enumerate(lines):
        if number in (1, rule_before):
            text.append(rule)
        cells = (
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)
