"""Money: prices with source and date, and what an attempt has cost between two bounds.

Money is always Decimal US dollars, rounded to 1e-8 as the ledger stores it. This room never guesses: what nobody knows
is None, never 0. It reads no ledger and asks no network by itself.
"""

from assetmill.money.amounts import USD_STEP, usd
from assetmill.money.costs import NO_PRICE, NO_TIMES, UNKNOWN_COST, Cost, attempt_cost, no_cost
from assetmill.money.prices import (
    DRAFT_PRICE,
    UNKNOWN_PRICE,
    Price,
    PriceList,
    UnitPrice,
    load_prices,
    price_of,
    published_prices,
    unit_prices,
)
from assetmill.money.turns import DEAD_TIME_MS, UNKNOWN_TURN, Around, Spell, Turn, turn_of

__all__ = [
    "DEAD_TIME_MS",
    "DRAFT_PRICE",
    "NO_PRICE",
    "NO_TIMES",
    "UNKNOWN_COST",
    "UNKNOWN_PRICE",
    "UNKNOWN_TURN",
    "USD_STEP",
    "Around",
    "Cost",
    "Price",
    "PriceList",
    "Spell",
    "Turn",
    "UnitPrice",
    "attempt_cost",
    "load_prices",
    "no_cost",
    "price_of",
    "published_prices",
    "turn_of",
    "unit_prices",
    "usd",
]
