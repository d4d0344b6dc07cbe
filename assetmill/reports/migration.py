"""Whether the move away from Scenario is the success that it was meant to be, by what the rows say.

The move was planned with criteria: all types of assets but parallax are generated on ComfyUI, an asset takes less than
30 seconds, and costs over 90 % less than on Scenario; elsewhere 95 to 98 % and 50 to 90 % were promised. Here each is
held against measured rows of our own paid attempts. A verdict is `met` or `not met`, and `no data` where nothing was
measured; nothing is rounded in anybody's favour: a saving is the one against Scenario's lower price.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from assetmill.ledger import Status
from assetmill.money import USD_STEP
from assetmill.reports.against_scenario import Comparison, WorkPrice, compare, ours_and_paid, saving
from assetmill.reports.columns import FAILURES, Attempts
from assetmill.reports.measures import Prepared, group, usd_of
from assetmill.reports.spread import PICTURES, warmths
from assetmill.reports.tables import Cell, ReportTable, make_table

if TYPE_CHECKING:
    from assetmill.reports.columns import Bools, Floats

# ruff: noqa: PLC0415  numpy is heavy, and only whoever makes a report needs it

TYPES: Final = ("entity", "background", "title_hero", "sheet", "parallax")
NEEDED: Final = TYPES[:-1]
"""Types that had to be generated without Scenario; parallax was to stay there."""

LIMIT_S: Final = 30.0
MOST_OF_THEM: Final = 0.9
"""The latency counts as under its limit when nine in ten pictures are."""

SAVED: Final = 0.9
PROMISED: Final = {"95 to 98 % cheaper": (0.95, 0.98), "50 to 90 % cheaper": (0.5, 0.9)}
MET, NOT_MET, NO_DATA = "met", "not met", "no data"

Line = tuple[Cell, ...]

SCENARIO_NOTE: Final = (
    "Ours is everything that was spent on attempts of known cost, failures, rejects, starts and idle tails included; "
    "Scenario's is its price for the pictures that were kept. The two are never added."
)
MIGRATION_NOTE: Final = (
    "From rows of paid attempts of ours. Latency is from the submission to the final row; without the queue it is the "
    "worker's start, execution, download, finish and upload. It counts as met when nine in ten pictures are under it."
)


def scenario_table(attempts: Attempts, compared: Comparison) -> ReportTable:
    """What the kept pictures of each type have cost, beside what Scenario takes for as many."""
    import numpy as np

    types = attempts.labels["type"]
    size = len(types.values)
    images = np.bincount(types.codes[compared.kept], minlength=size).tolist()
    own = np.bincount(types.codes, weights=compared.own_steps, minlength=size).tolist()
    rows = [
        _beside(str(kind), int(images[place]), own[place], compared.prices[kind])
        for place, kind in enumerate(types.values)
        if kind in compared.prices and (images[place] or own[place])
    ]
    return make_table("scenario", [*rows, *_all_types(compared)], SCENARIO_NOTE)


def _beside(kind: str, images: int, own_steps: float, price: WorkPrice) -> Line:
    low, high = price.low * images, price.high * images
    own = usd_of(own_steps)
    savings = (saving(float(own), float(total)) for total in (low, high))
    return (kind, images, own, _each(own, images), price.low, price.high, low, high, *savings, price.source)


def _all_types(compared: Comparison) -> Iterator[Line]:
    """The last row: all types together, as far as there is anything to compare."""
    images = int(compared.kept.sum())
    if not images:
        return
    own = usd_of(float(compared.own_steps.sum()))
    low, high = (usd_of(float(steps.sum())) for steps in (compared.low_steps, compared.high_steps))
    each = (_each(low, images), _each(high, images))
    savings = (saving(float(own), float(total)) for total in (low, high))
    yield ("all", images, own, _each(own, images), *each, low, high, *savings, "the types above, as many of each")


def _each(amount: Decimal, images: int) -> Decimal | None:
    return (amount / images).quantize(USD_STEP) if images else None


def migration_table(attempts: Attempts, prepared: Prepared, compared: Comparison) -> ReportTable:
    """The criteria of the move, one line each for all and for every type."""
    lines = [*_generated(attempts), *_latencies(attempts, prepared), *_costs(attempts, compared)]
    return make_table("migration", lines, MIGRATION_NOTE)


def _line(criterion: str, of: str, target: str, verdict: str, **figures: Cell) -> Line:
    """A row of the table; figures that a criterion does not have are empty."""
    names = ("images", "share", "p50_s", "p90_s", "per_image_usd", "scenario_usd")
    return (criterion, of, *(figures.get(name) for name in names), target, verdict)


def _generated(attempts: Attempts) -> Iterator[Line]:
    """Which types have been generated at all, and how many of their attempts went well."""
    import numpy as np

    ours = ours_and_paid(attempts)
    types = attempts.labels["type"]
    kept = np.bincount(types.codes[ours & attempts.is_status(Status.KEPT)], minlength=len(types.values))
    ended = np.bincount(types.codes[ours & attempts.is_status(*PICTURES, *FAILURES)], minlength=len(types.values))
    made = {str(kind): (int(kept[place]), int(ended[place])) for place, kind in enumerate(types.values)}
    done = [kind for kind in NEEDED if made.get(kind, (0, 0))[0]]
    verdict = NO_DATA if not ours.any() else _verdict(len(done) == len(NEEDED))
    images = sum(count for count, _ in made.values())
    share = len(done) / len(NEEDED) if ours.any() else None
    yield _line("asset types generated", "all but parallax", "all of them", verdict, images=images, share=share)
    for kind in (*TYPES, *sorted(set(made) - set(TYPES))):
        good, of = made.get(kind, (0, 0))
        target = "kept at least once" if kind in NEEDED else "may stay on Scenario"
        verdict = _verdict(good > 0) if of else NO_DATA
        yield _line("asset types generated", kind, target, verdict, images=good, share=good / of if of else None)


def _latencies(attempts: Attempts, prepared: Prepared) -> Iterator[Line]:
    """Latency of pictures, cold and warm apart: all together, without the queue, and by type."""
    import numpy as np

    ours = ours_and_paid(attempts) & attempts.is_status(*PICTURES)
    alone = np.maximum(prepared.parts["latency"] - np.nan_to_num(prepared.parts["queue"]), 0)
    types = attempts.labels["type"]
    for warmth, mask in warmths(attempts).items():
        of = ours & mask
        if warmth == "unknown" and not of.any():
            continue
        yield _latency("latency", f"{warmth} worker", prepared.parts["latency"], of)
        yield _latency("latency without the queue", f"{warmth} worker", alone, of)
        for place, kind in enumerate(types.values):
            if (mine := of & (types.codes == place)).any():
                yield _latency("latency", f"{kind}, {warmth} worker", prepared.parts["latency"], mine)


def _latency(criterion: str, of: str, seconds: Floats, mask: Bools) -> Line:
    import numpy as np

    known = seconds[mask & ~np.isnan(seconds)]
    target = f"under {LIMIT_S:.0f} s"
    if not len(known):
        return _line(criterion, of, target, NO_DATA, images=0)
    under = float((known < LIMIT_S).mean())
    p50, p90 = (round(float(value), 6) for value in np.percentile(known, (50, 90)))
    verdict = _verdict(under >= MOST_OF_THEM)
    return _line(criterion, of, target, verdict, images=len(known), share=under, p50_s=p50, p90_s=p90)


def _costs(attempts: Attempts, compared: Comparison) -> Iterator[Line]:
    """Cost of a kept picture against Scenario's lower price: by type, all together, and what was promised."""
    groups = group(attempts, ("type",))
    said = zip(groups.keys, compare(attempts, compared, groups), _own(attempts, compared), strict=True)
    saved = {kind: (figures["saving_low_share"], *own) for (kind,), figures, own in said}
    target = f"over {SAVED:.0%} cheaper"
    for kind, (share, images, each) in saved.items():
        if images:
            price = compared.prices[kind].low
            verdict = _verdict(share is not None and share > SAVED)
            figures = {"images": images, "share": share, "per_image_usd": each, "scenario_usd": price}
            yield _line("cost per asset", str(kind), target, verdict, **figures)
    yield from _all_costs(compared, target)


def _own(attempts: Attempts, compared: Comparison) -> Iterator[tuple[int, Decimal | None]]:
    """Kept pictures of each type, and what each has cost."""
    import numpy as np

    types = attempts.labels["type"]
    size = len(types.values)
    images = np.bincount(types.codes[compared.kept], minlength=size).tolist()
    own = np.bincount(types.codes, weights=compared.own_steps, minlength=size).tolist()
    for count, steps in zip(images, own, strict=True):
        yield int(count), _each(usd_of(steps), int(count))


def _all_costs(compared: Comparison, target: str) -> Iterator[Line]:
    images = int(compared.kept.sum())
    own, low = (float(steps.sum()) for steps in (compared.own_steps, compared.low_steps))
    share = saving(own, low)
    figures: dict[str, Cell] = {"images": images, "share": share}
    figures |= {"per_image_usd": _each(usd_of(own), images), "scenario_usd": _each(usd_of(low), images)}
    verdict = NO_DATA if share is None else _verdict(share > SAVED)
    yield _line("cost per asset", "all", target, verdict, **figures)
    for words, (least, most) in PROMISED.items():
        verdict = NO_DATA if share is None else _verdict(least <= share <= most)
        yield _line("saving as it was promised", "all", words, verdict, **figures)


def _verdict(holds: bool) -> str:
    return MET if holds else NOT_MET
