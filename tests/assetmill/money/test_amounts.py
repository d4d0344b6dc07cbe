"""Amounts are exact to 1e-8, and written so that a reader cannot take an unknown one for nothing."""

from decimal import Decimal

import pytest

from assetmill.money import usd
from assetmill.money.amounts import charge


def test_a_charge_is_rounded_as_the_ledger_stores_it() -> None:
    assert charge(Decimal("0.00031"), 1) == Decimal("0.00000031")
    assert str(charge(Decimal("0.00053"), 7)) == "0.00000371"
    assert charge(Decimal("0.000000015"), 1000) == Decimal("0.00000002")


@pytest.mark.parametrize(
    ("amount", "words"),
    (
        (None, "unknown"),
        (Decimal(0), "$0.00"),
        (Decimal("0.0053"), "$0.0053"),
        (Decimal("0.00001"), "<$0.0001"),
        (Decimal("12.8549"), "$12.85"),
        (Decimal("1234567.5"), "$1,234,567.50"),
        (Decimal("-0.25"), "-$0.2500"),
    ),
)
def test_amounts_are_written_for_readers(amount: Decimal | None, words: str) -> None:
    assert usd(amount) == words
