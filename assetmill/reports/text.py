"""A report as text of fixed width, for terminals and for pages that show no tables.

It shows what a reader can take in at once: counts, costs, and the whole of the latency for each group; what the time
and the money went into, and Scenario's price, below it for all paid attempts together. The other formats have every
figure of every group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from assetmill.money import usd
from assetmill.reports.measures import PARTS, PERCENTS

SHOWN: Final = (
    "attempts",
    "kept",
    "rejected",
    "failed",
    "open",
    "unknown_cost",
    "cost_low_usd",
    "cost_estimate_usd",
    "cost_high_usd",
    "cost_per_kept_image_usd",
    "latency_p50_s",
    "latency_p90_s",
    "latency_p99_s",
    "execution_mean_s",
)
HEADINGS: Final[Mapping[str, str]] = {
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
EMPTY = "No attempt has been made yet."
NONE_THEN = "No attempt was made in this time."
SHORT = "+ without the attempts counted under cost?, whose cost is not known"

Group = Mapping[str, Any]


def as_text(
    keys: Sequence[str], groups: Sequence[Group], totals: Mapping[str, Group], span: str, *, bounded: bool
) -> str:
    """Write groups, and below them what is said of all paid attempts.

    Args:
        keys: names of the dimensions, one of them `draft`.
        groups: labels and measures, as `measures` and `against_scenario` make them.
        totals: of `paid` and `draft`, as far as there are any.
        span: which time, and in which zone its days are, in words.
        bounded: whether that is less than all of the time.
    """
    lines = [_cells(group, [_words(key, group[key]) for key in keys]) for group in groups]
    for kind, total in sorted(totals.items(), reverse=True):
        labels = ["total", *[""] * (len(keys) - 1)]
        labels[keys.index("draft")] = kind if len(keys) > 1 else f"total {kind}"
        lines.append(_cells(total, labels))
    headings = [*keys, *(HEADINGS.get(name, name) for name in SHOWN)]
    text = aligned([headings, *lines], left=len(keys), rule_before=len(groups) + 1)
    said = f"Costs in US dollars, estimated by us and not billed; {span}."
    if not groups:
        return f"{text}\n{NONE_THEN if bounded else EMPTY}\n" + (f"{said}\n" if bounded else "")
    notes = [said, *([SHORT] if any(total["unknown_cost"] for total in totals.values()) else [])]
    return "\n".join([text, *notes, *_of_all("paid", totals)]) + "\n"


def _of_all(kind: str, totals: Mapping[str, Group]) -> list[str]:
    """Times in their parts, what was lost, and Scenario's price."""
    total = totals.get(kind)
    if total is None:
        return []
    parts = [[part, *(_cell(f"{part}_p{percent}_s", total) for percent in PERCENTS)] for part in PARTS]
    table = aligned([[f"all {kind}", *(f"p{percent} s" for percent in PERCENTS)], *parts], left=1)
    return ["", table, *_lost(total), *_elsewhere(total)]


def _lost(total: Group) -> list[str]:
    if not total["paid_s"]:
        return []
    shares = ", ".join(
        f"{total[name]:.1%} {words}"
        for name, words in (
            ("start_share", "cold starts"),
            ("idle_share", "gaps and idle tails"),
            ("failed_share", "failed attempts"),
        )
    )
    return [f"Of {total['paid_s']:,.0f} s of paid worker time: {shares}."]


def _elsewhere(total: Group) -> list[str]:
    low, high = total["scenario_low_usd"], total["scenario_high_usd"]
    if low is None:
        return []
    price = usd(low) if low == high else f"{usd(low)} to {usd(high)}"
    saved = " to ".join(f"{total[name]:.1%}" for name in ("saving_low_share", "saving_high_share"))
    return [f"Scenario would take {price} for the pictures kept: {saved if low != high else saved.split()[0]} saved."]


def _words(key: str, value: Any) -> str:
    if key == "draft":
        return "draft" if value else "paid"
    return "unknown" if value is None else str(value)


def _cells(group: Group, labels: list[str]) -> list[str]:
    return [*labels, *(_cell(name, group) for name in SHOWN)]


def _cell(name: str, group: Group) -> str:
    value = group[name]
    if name.endswith("_usd"):
        no_image = name == "cost_per_kept_image_usd" and value is None
        return "-" if no_image else usd(value) + ("+" if value is not None and group["unknown_cost"] else "")
    if value is None:
        return "-"
    return f"{value:.1f}" if name.endswith("_s") else str(value)


def aligned(lines: Sequence[Sequence[str]], *, left: int, rule_before: int = 1) -> str:
    """Columns side by side: the first `left` flush left, figures flush right, a rule below the headings.

    Args:
        lines: of cells; the first are the headings.
        left: how many columns are words.
        rule_before: number of the line that has another rule above it.
    """
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
