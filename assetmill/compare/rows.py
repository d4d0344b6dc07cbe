"""The figures of a pair as rows of a table: both sides in words, and which one is better where a figure says so.

A figure marks a side only where more, or less, is better for any picture, and only where both differ by more than the
figure's own noise. Colours and detail never do: more of them is neither good nor bad.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any

from assetmill.compare.values import Comparison, Pair, Shot
from assetmill.money import usd

HUNDRED = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Args:
        label: what it is.
        help: what it means, in one sentence.
        texts: both sides in words, in the order of the sides.
        better: the number of the better side; None where neither is, or nobody can say.
        reveals: it tells who is who, so that it stays hidden until a vote is cast.
    """

    label: str
    help: str
    texts: tuple[str, str]
    better: int | None = None
    reveals: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def rows_of(pair: Pair) -> tuple[Row, ...]:
    """Every figure that both, or one, of the pictures have."""
    return (*_checks(pair), *_pixels(pair), *_price(pair))


def between(pair: Pair) -> tuple[tuple[str, str], ...]:
    """Figures of both together: label and words."""
    figures = pair.figures
    told = (
        ("outlines in common", _percent(figures.silhouette_overlap)),
        ("perceptual distance", _percent(figures.perceptual)),
        ("distance of mean colours", "" if figures.colour is None else f"ΔE {figures.colour:.1f}"),
    )
    return tuple((label, text) for label, text in told if text)


def _checks(pair: Pair) -> Iterator[Row]:
    states = tuple(shot.state for shot in pair.shots)
    passed = [state == "kept" for state in states]
    better = None if passed[0] == passed[1] else passed.index(True)
    yield Row("checks", "Whether it may be published.", (_state(pair.shots[0]), _state(pair.shots[1])), better)
    yield from _row(pair, "score", "What the checks think of it, 0 to 100 %.", attrgetter("score"), 0.02, more=True)


def _pixels(pair: Pair) -> Iterator[Row]:
    figures: tuple[tuple[str, str, str, float | None, bool], ...] = (
        ("solid", "coverage", "Share of the canvas that is solid.", None, False),
        ("border_touch", "touches the border", "Share of the outermost pixels that are solid.", 0.002, False),
        (
            "soft_alpha",
            "soft edges",
            "Half transparent pixels per solid one; above 13 % it looks smeared.",
            0.01,
            False,
        ),
        ("guide_overlap", "keeps its silhouette", "Intersection over union with the guide.", 0.02, True),
        ("guide_leak", "guide shows through", "Share that still has the guide's own colour.", 0.02, False),
        ("detail", "detail", "Mean difference of neighbouring pixels, levels.", None, False),
        ("colours", "colours", "Colours at 32 levels a channel.", None, False),
        ("seam", "seam", "Jump where repeats join; above 1.5 it shows.", 0.05, False),
    )
    for name, label, help_text, noise, more in figures:
        yield from _row(
            pair, label, help_text, attrgetter(f"figures.{name}"), noise, more=more,
            write=_WRITERS.get(name, _percent),
        )  # fmt: skip


def _price(pair: Pair) -> Iterator[Row]:
    costs = tuple("nothing" if shot.state == "blocked" else usd(shot.spent_usd) for shot in pair.shots)
    tries = [f"{shot.tries} tries" if shot.tries > 1 else "" for shot in pair.shots]
    texts = _both(" in ".join(filter(None, (cost, tried))) for cost, tried in zip(costs, tries, strict=True))
    spent = [None if shot.spent_usd is None else float(shot.spent_usd) for shot in pair.shots]
    better = _better(spent, 0.0, more=False)
    yield Row("cost", "All tries at this picture, estimated.", texts, better, reveals=True)
    for name, label in (("latency_ms", "latency"), ("queue_ms", "of it waiting"), ("execution_ms", "of it at work")):
        times = [getattr(shot, name) for shot in pair.shots]
        if any(time is not None for time in times):
            words = _both("" if time is None else f"{time / 1000:.1f} s" for time in times)
            best = _better(times, 0.0, more=False) if name == "latency_ms" else None
            yield Row(label, "From sending to its last row in the books.", words, best, reveals=True)
    how = _both(shot.workflow or "none" for shot in pair.shots)
    yield Row("made by", "Workflow, or pipeline of calls.", how, reveals=True)
    seeds = _both("" if shot.seed is None else str(shot.seed) for shot in pair.shots)
    yield Row("seed", "A picture that came back blank is tried with another one.", seeds)


def _row(
    pair: Pair,
    label: str,
    help_text: str,
    read: Callable[[Shot], float | None],
    noise: float | None,
    *,
    more: bool,
    write: Callable[[float | None], str] | None = None,
) -> Iterator[Row]:
    values = [read(shot) for shot in pair.shots]
    if values != [None, None]:
        better = None if noise is None else _better(values, noise, more=more)
        yield Row(label, help_text, _both((write or _percent)(value) for value in values), better)


def _better(values: list[float | None], noise: float, *, more: bool) -> int | None:
    first, second = values
    if first is None or second is None or abs(first - second) <= noise:
        return None
    return 0 if (first > second) is more else 1


def _both(texts: Any) -> tuple[str, str]:
    first, second = texts
    return first, second


def _state(shot: Shot) -> str:
    words = {"kept": "passed", "rejected": "rejected", "missing": "not there", "blocked": "no way to it"}[shot.state]
    return f"{words}: {shot.why}" if shot.why else words


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value * HUNDRED:.1f} %"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _tenths(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


_WRITERS: dict[str, Callable[[float | None], str]] = {"detail": _tenths, "colours": _number, "seam": _tenths}


def totals(comparison: Comparison) -> tuple[dict[str, str], dict[str, str]]:
    """What each side comes to, label to words, in the order of the sides."""
    return _total(comparison, 0), _total(comparison, 1)


def _total(comparison: Comparison, side: int) -> dict[str, str]:
    shots = [pair.shots[side] for pair in comparison.pairs]
    spent = [shot.spent_usd for shot in shots if shot.state != "blocked"]
    times = sorted(shot.latency_ms for shot in shots if shot.latency_ms is not None)
    kept = sum(shot.state == "kept" for shot in shots)
    known = [one for one in spent if one is not None]
    return {
        "passed": f"{kept} of {len(shots)}",
        "cost": usd(sum(known[1:], known[0])) if known and len(known) == len(spent) else "unknown",
        "median latency": f"{times[len(times) // 2] / 1000:.1f} s" if times else "",
    }
