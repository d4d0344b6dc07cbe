"""How fast one GPU would be where another was measured, and how much memory a model needs: stated priors.

Nobody has run these workflows on every card, so this is no measurement and never passes for one: a card's speed follows
from the peak rates that its maker publishes (`speeds.json`, with source and date), with a wide spread on both sides. A
card that is not in the list has no speed, and is not guessed at.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import median
from types import MappingProxyType

from assetmill.money.prices import PriceList
from assetmill.planning.spans import SAME, Span


@dataclass(frozen=True, slots=True)
class Speeds:
    """What is known of cards and models.

    Args:
        speeds: card -> pictures in the time in which the reference card makes one.
        spread: factor by which such a figure may be too high, or too low.
        memory_gb: model -> memory that a card needs to hold it.
        reference: card that the priors of execution times are for.
        source: where the figures come from.
        date: when they were put together, `YYYY-MM-DD`.
    """

    speeds: Mapping[str, float]
    spread: float
    memory_gb: Mapping[str, int]
    reference: str
    source: str
    date: str


@cache
def load_speeds() -> Speeds:
    """Read the list of the package.

    A picture takes both arithmetic and memory traffic, so a card's speed is the geometric mean of the two ratios. Of a
    faster card's lead little arrives at one picture at a time (`faster`); of a slower card's lag everything (`slower`).
    """
    document = json.loads(files("assetmill.planning").joinpath("speeds.json").read_text(encoding="utf-8"))
    rates = {row["card"]: math.sqrt(row["tflops"] * row["gb_per_s"]) for row in document["cards"]}
    reference = document["reference"]
    ratios = {card: rate / rates[reference] for card, rate in rates.items()}
    speeds = {card: ratio ** document["faster" if ratio > 1 else "slower"] for card, ratio in ratios.items()}
    return Speeds(
        speeds=MappingProxyType(speeds),
        spread=document["spread"],
        memory_gb=MappingProxyType({row["model"]: row["memory_gb"] for row in document["models"]}),
        reference=reference,
        source=document["source"],
        date=document["date"],
    )


@cache
def card_of(gpu: str) -> str | None:
    """The card that a provider calls by a longer name: `NVIDIA GeForce RTX 4090` is `RTX 4090`; None if unknown."""
    words = _words(gpu)
    fitting = [card for card in load_speeds().speeds if _words(card) <= words]
    return max(fitting, key=lambda card: len(_words(card)), default=None)


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", name.lower()))


class Pools:
    """GPU pools and the cards that they hand out.

    Args:
        prices: the price list, which knows both.
    """

    def __init__(self, prices: PriceList) -> None:
        self._cards = {pool: frozenset(filter(None, map(card_of, one.gpus))) for pool, one in prices.pools.items()}
        self._models = {gpu: price.pool for gpu, price in prices.models.items()}

    def pool_of(self, gpu: str | None) -> str | None:
        """The pool of a GPU by any of its names, or of a pool's own id; None where nobody knows."""
        if gpu is None or gpu in self._cards:
            return gpu
        if gpu in self._models:
            return self._models[gpu]
        card = card_of(gpu)
        return next((pool for pool, cards in self._cards.items() if card in cards), None) if card else None

    def factor(self, measured: str | None, wanted: str | None) -> Span | None:
        """Factor on a time of one pool that gives the time of another; None where a speed is not known.

        Args:
            measured: pool in which the time was measured; None for the reference card of the priors.
            wanted: pool that it is wanted for; None for the same.
        """
        if wanted is None or wanted == measured:
            return SAME
        known = load_speeds()
        before = {known.reference} if measured is None else self._cards.get(measured, frozenset())
        after = self._cards.get(wanted, frozenset())
        if before == after:
            return SAME
        if not before or not after:
            return None
        return _factor(_speeds_of(before), _speeds_of(after), known.spread)


def _speeds_of(cards: Iterable[str]) -> list[float]:
    return sorted(load_speeds().speeds[card] for card in cards)


def _factor(before: list[float], after: list[float], spread: float) -> Span:
    """A pool may hand out its slowest card or its fastest; the median is what is counted on."""
    usual = median(before)
    return Span(usual / (after[-1] * spread), usual / median(after), usual * spread / after[0])


def memory_needed(model: str) -> int | None:
    """Memory of a card that holds a model, GB; None where nobody has stated it."""
    return load_speeds().memory_gb.get(model)
