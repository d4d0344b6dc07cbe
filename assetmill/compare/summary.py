"""What a comparison says of who should make which type: by votes first, then by the checks, then by price.

A person's eye counts before everything: a type is decided by votes where enough pairs were judged and they lean one way
beyond chance. Checks decide where one side fails them and the other does not. Price, and then speed, decide only where
people have found both sides as good. Whatever is thinner than that stays undecided, and is said to be. A sign test is
asked because its only claim is what is needed: so lopsided a result is unlikely between equals.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import comb
from typing import Literal

from assetmill.compare.values import EQUAL, NEITHER, Comparison, Pair
from assetmill.ledger import Vote

CHANCE = 0.1
"""A type is decided where equals would look so lopsided in fewer than one case of ten: 5 of 5, 7 of 8, 9 of 11."""

LEAST_JUDGED = 5
CHEAPER = 0.9
"""Of two as good, one is cheaper or faster where it takes less than nine tenths of the other's money or time."""

Basis = Literal["votes", "checks", "cost", "latency", "none"]


@dataclass(frozen=True, slots=True)
class Tally:
    """One side's figures for one type. Money is in US dollars.

    Args:
        pictures: pairs of this type.
        kept: of these, pictures that passed the checks.
        better: pairs that people find better here.
        spent_usd: all tries together; None where any of it is unknown.
        latency_s: median of the pictures that are there; None without any.
    """

    pictures: int
    kept: int
    better: int
    spent_usd: Decimal | None
    latency_s: float | None

    @property
    def each_usd(self) -> Decimal | None:
        """What a picture that passed has cost on average, with all tries; None where unknown, or where none has."""
        return None if self.spent_usd is None or not self.kept else self.spent_usd / self.kept


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one type.

    Args:
        type: asset type; `*` for all together.
        sides: figures in the order of the sides.
        equal: pairs that people find as good.
        neither: pairs of which they want neither.
        winner: name of the side that should make it; None where undecided.
        basis: what decided.
        words: why, in one sentence.
    """

    type: str
    sides: tuple[Tally, Tally]
    equal: int
    neither: int
    winner: str | None
    basis: Basis
    words: str

    @property
    def judged(self) -> int:
        """Pairs with a vote."""
        return self.sides[0].better + self.sides[1].better + self.equal + self.neither


def verdicts(comparison: Comparison, votes: Iterable[Vote]) -> tuple[Verdict, ...]:
    """One verdict for each type of the comparison, in the order in which they first come."""
    said = opinions(comparison, votes)
    types = dict.fromkeys(pair.type for pair in comparison.pairs)
    return tuple(_verdict(name, [p for p in comparison.pairs if p.type == name], comparison, said) for name in types)


def opinions(comparison: Comparison, votes: Iterable[Vote]) -> dict[tuple[str, int], str]:
    """One word for each pair that was voted on: that of most voters; `equal` where as many say this as that.

    Pairs are counted, not people: ten votes on one picture say nothing of other pictures.
    """
    by_pair: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for vote in votes:
        if comparison.pair(vote.asset_id, vote.candidate) is not None and vote.choice in comparison.choices:
            by_pair[vote.asset_id, vote.candidate][vote.choice] += 1
    found = {}
    for key, counts in by_pair.items():
        most = max(counts.values())
        leaders = [choice for choice, count in counts.items() if count == most]
        found[key] = leaders[0] if len(leaders) == 1 else EQUAL
    return found


def by_chance(first: int, second: int) -> float:
    """Probability, 0 to 1, that equals differ so much or more: an exact two-sided sign test."""
    total, most = first + second, max(first, second)
    if not total:
        return 1.0
    ways: int = sum(comb(total, k) for k in range(most, total + 1))
    return min(1.0, ways / float(2 ** (total - 1)))


def _verdict(name: str, pairs: Sequence[Pair], comparison: Comparison, said: Mapping[tuple[str, int], str]) -> Verdict:
    words = Counter(said[pair.key] for pair in pairs if pair.key in said)
    sides = _tally(pairs, 0, words[comparison.names[0]]), _tally(pairs, 1, words[comparison.names[1]])
    winner, basis, why = _decided(pairs, comparison.names, sides, words)
    return Verdict(name, sides, words[EQUAL], words[NEITHER], winner, basis, why)


def _tally(pairs: Sequence[Pair], side: int, better: int) -> Tally:
    shots = [pair.shots[side] for pair in pairs]
    spent = [shot.spent_usd for shot in shots]
    times = [shot.latency_ms / 1000 for shot in shots if shot.latency_ms is not None]
    return Tally(
        pictures=len(shots),
        kept=sum(shot.state == "kept" for shot in shots),
        better=better,
        spent_usd=None if None in spent else sum((one for one in spent if one is not None), Decimal(0)),
        latency_s=statistics.median(times) if times else None,
    )


def _decided(
    pairs: Sequence[Pair], names: tuple[str, str], sides: tuple[Tally, Tally], words: Counter[str]
) -> tuple[str | None, Basis, str]:
    first, second = sides[0].better, sides[1].better
    judged = first + second + words[EQUAL] + words[NEITHER]
    for side in (0, 1):
        if sides[side].kept and all(pair.shots[1 - side].state == "blocked" for pair in pairs):
            return names[side], "checks", f"{names[1 - side]} cannot make it: {pairs[0].shots[1 - side].why}"
    if words[NEITHER] * 2 > judged:
        return None, "none", f"undecided: of {judged} judged pairs, {words[NEITHER]} have no usable picture"
    if judged >= LEAST_JUDGED and by_chance(first, second) <= CHANCE:
        return _by_votes(names, first, second)
    passed = [_alone(pairs, 0), _alone(pairs, 1)]
    if sum(passed) >= LEAST_JUDGED and by_chance(*passed) <= CHANCE and not _against(passed, first, second):
        side = 0 if passed[0] > passed[1] else 1
        what = f"{passed[side]} pictures pass the checks of {names[side]} alone, {passed[1 - side]} of the other alone"
        return names[side], "checks", what
    if judged >= LEAST_JUDGED and words[EQUAL] * 2 >= judged:
        return _by_price(names, sides, judged)
    return None, "none", _thin(judged, first, second, names)


def _by_votes(names: tuple[str, str], first: int, second: int) -> tuple[str, Basis, str]:
    side = 0 if first > second else 1
    most, least = max(first, second), min(first, second)
    return names[side], "votes", f"better in {most} of {most + least} pairs that were not equal"


def _alone(pairs: Sequence[Pair], side: int) -> int:
    """Pairs of which only this side's picture passed the checks."""
    return sum(pair.shots[side].state == "kept" and pair.shots[1 - side].state != "kept" for pair in pairs)


def _against(passed: Sequence[int], first: int, second: int) -> bool:
    """Whether people lean the other way than the checks; then these decide nothing."""
    return (passed[0] - passed[1]) * (first - second) < 0


def _by_price(names: tuple[str, str], sides: tuple[Tally, Tally], judged: int) -> tuple[str | None, Basis, str]:
    as_good = f"as good in the eyes of people ({judged} pairs)"
    for basis, figures, word in (
        ("cost", [side.each_usd for side in sides], "cheaper"),
        ("latency", [side.latency_s for side in sides], "faster"),
    ):
        one, other = figures
        if one is None or other is None:
            continue
        less, more = (0, 1) if one < other else (1, 0)
        if float(min(one, other)) < CHEAPER * float(max(one, other)):
            return names[less], basis, f"{as_good}, and {word} than {names[more]}"  # type: ignore[return-value]  # both are a Basis
    return None, "none", f"undecided: {as_good}, and neither is much cheaper or faster"


def _thin(judged: int, first: int, second: int, names: tuple[str, str]) -> str:
    if judged < LEAST_JUDGED:
        return f"undecided: {judged} pairs were judged, {LEAST_JUDGED} are the least"
    return f"undecided: {first} for {names[0]} and {second} for {names[1]} may be chance"
