"""An attempt is written down only where its reservation fits into every budget, whoever else is writing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from assetmill.errors import BudgetExceeded, BudgetTaken
from assetmill.ledger import Ledger, Status
from assetmill.ledger.budgets import KEPT_FOR, LAG
from assetmill.money import Cost
from assetmill.money.budgets import NO_LIMITS, Budget, Kind, Limits, budgets_of

EVERY_DATABASE = True
GAME = Limits(game_usd=Decimal("1.00"))


def usd(text: str) -> Decimal:
    return Decimal(text)


def cost(amount: str | None, high: str | None = None) -> Cost:
    known = None if amount is None else usd(amount)
    return Cost(known, known, usd(high) if high else known, "measured")


def try_to(books: Any, name: str, reserved: str | None, limits: Limits = GAME, **changes: Any) -> None:
    changes["reserved_usd"] = None if reserved is None else usd(reserved)
    books.ledger.intend(books.intent(name, **changes), limits=limits)


def settle(books: Any, name: str, ending: Cost, status: Status = Status.FAILED) -> None:
    books.ledger.settle(name, books.ending(status, cost=ending))


def standing(books: Any, limits: Limits = GAME, **changes: Any) -> tuple[Decimal, Decimal]:
    asked = {"run_id": "run-1", "game": "cloud-hop", "at": books.t0} | changes
    (one,) = books.ledger.standings(limits, **asked)
    return one.spent_usd, one.reserved_usd


def test_what_fits_exactly_is_written_and_a_hundredth_of_a_millionth_more_is_not(books):
    try_to(books, "a", "0.60")
    with pytest.raises(BudgetTaken):
        try_to(books, "b", "0.40000001")
    assert [one.attempt_id for one in books.ledger.open_attempts()] == ["a"], "nothing of it was written"
    try_to(books, "b", "0.40")
    assert standing(books) == (0, 1)


def test_what_a_job_did_not_need_is_free_again_once_it_is_settled(books):
    try_to(books, "a", "0.90")
    with pytest.raises(BudgetTaken):
        try_to(books, "b", "0.90")
    settle(books, "a", cost("0.10"))
    try_to(books, "b", "0.90")
    assert standing(books) == (usd("0.10"), usd("0.90"))


def test_money_that_is_out_is_waited_for_and_money_that_is_gone_is_not(books):
    try_to(books, "a", "0.50")
    settle(books, "a", cost("0.50"))
    try_to(books, "b", "0.30")
    with pytest.raises(BudgetTaken) as waits:
        try_to(books, "c", "0.40")
    with pytest.raises(BudgetExceeded, match=r"\$0\.5000 spent, \$0\.3000 set aside .* needs \$0\.6000") as over:
        try_to(books, "c", "0.60")
    assert not isinstance(over.value, BudgetTaken)
    assert over.value.exit_code == 3
    assert waits.value.scope == over.value.scope == "game:cloud-hop:1"


def test_one_of_several_budgets_that_can_never_hold_it_decides(books):
    both = Limits(run_usd=usd("0.20"), game_usd=usd("1.00"))
    try_to(books, "a", "0.90")
    with pytest.raises(BudgetExceeded) as over:
        try_to(books, "b", "0.30", both)
    assert (type(over.value), over.value.scope) == (BudgetExceeded, "run:run-1:0.2")


def test_a_job_of_unknown_cost_keeps_what_was_set_aside_for_it(books):
    """It may have run to its limit; the books never forget it for having no figure."""
    try_to(books, "a", "0.40")
    settle(books, "a", cost(None, high="0.05"), Status.LOST)
    assert standing(books) == (usd("0.40"), 0)
    books.ledger.intend(books.intent("old", planned_high_usd=usd("0.20")))
    assert standing(books) == (usd("0.40"), usd("0.20")), "one of before budgets counts with what was planned"
    settle(books, "old", cost(None, high="0.15"), Status.LOST)
    assert standing(books) == (usd("0.55"), 0)


def test_a_known_cost_counts_as_it_is_even_above_what_was_set_aside(books):
    try_to(books, "a", "0.10")
    settle(books, "a", cost("0.30"))
    assert standing(books) == (usd("0.30"), 0)


def test_each_budget_counts_its_own(books):
    for run in ("run-2", "run-3"):
        books.begin(run)
    limits = Limits(run_usd=usd(1), game_usd=usd(2), month_usd=usd(3))
    try_to(books, "a", "1.00", limits)
    with pytest.raises(BudgetTaken, match="the run's budget of"):
        try_to(books, "b", "0.01", limits)
    try_to(books, "b", "1.00", limits, run_id="run-2")
    with pytest.raises(BudgetTaken, match="the budget of cloud-hop of"):
        try_to(books, "c", "0.01", limits, run_id="run-3")
    try_to(books, "c", "1.00", limits, run_id="run-3", game="dust")
    books.begin("run-4")
    with pytest.raises(BudgetTaken, match="the budget of 2026-03 for all games of"):
        try_to(books, "d", "0.01", limits, run_id="run-4", game="third")


def test_a_month_begins_at_midnight_utc_whatever_zone_the_clock_has(books):
    limits = Limits(month_usd=usd(1))
    last = datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    try_to(books, "a", "1.00", limits, intended_at=last)
    with pytest.raises(BudgetTaken):
        try_to(books, "b", "1.00", limits, intended_at=last)
    later = (last + timedelta(microseconds=1)).astimezone(datetime.fromisoformat("2026-01-01T00:00-09:00").tzinfo)
    assert later.month == 3
    try_to(books, "b", "1.00", limits, intended_at=later)
    assert standing(books, limits, at=last) == standing(books, limits, at=later) == (0, 1)
    december = budgets_of(limits, run_id="r", game="g", at=datetime(2026, 12, 31, tzinfo=UTC))
    assert standing(books, limits, at=datetime(2026, 12, 31, tzinfo=UTC)) == (0, 0)
    assert december[0].of == "2026-12"


def test_a_draft_and_what_costs_nothing_pass_a_budget_of_nothing(books):
    nothing = Limits(game_usd=usd(0))
    try_to(books, "a", "0.50", nothing, draft=True)
    try_to(books, "b", "0", nothing)
    with pytest.raises(BudgetExceeded):
        try_to(books, "c", "0.00000001", nothing)


def test_where_nobody_knows_what_to_set_aside_nothing_is_written_under_a_budget(books):
    with pytest.raises(BudgetExceeded, match="nobody knows what a job may cost") as over:
        try_to(books, "a", None)
    assert over.value.hint
    try_to(books, "a", None, NO_LIMITS)


@pytest.mark.parametrize("later", (timedelta(0), LAG + KEPT_FOR, timedelta(days=40)))
def test_what_is_remembered_is_what_a_ledger_that_was_just_opened_reads(books, ledger_url, later):
    """However long a job stays open, and whether it was open or settled when the sums were made."""
    for name in ("kept", "stays", "ends"):
        try_to(books, name, "0.10")
    settle(books, "kept", cost("0.02"))
    at = books.t0 + later
    assert standing(books, at=at) == (usd("0.02"), usd("0.20"))
    settle(books, "ends", cost("0.03"))
    try_to(books, "new", "0.10", intended_at=at)
    for when in (at, at + KEPT_FOR / 2, at + 2 * KEPT_FOR):
        with Ledger.open(ledger_url) as fresh:
            (read,) = fresh.standings(GAME, run_id="run-1", game="cloud-hop", at=when)
        assert standing(books, at=when) == (read.spent_usd, read.reserved_usd) == (usd("0.05"), usd("0.20"))


def test_what_comes_in_under_an_old_time_is_seen_after_a_while(books, ledger_url):
    at = books.t0 + timedelta(hours=1)
    assert standing(books, at=at) == (0, 0)
    with Ledger.open(ledger_url) as other:
        other.intend(books.intent("late", reserved_usd=usd("0.70")))
    assert standing(books, at=at + KEPT_FOR + timedelta(seconds=1)) == (0, usd("0.70"))


def test_of_many_writers_at_once_as_many_as_fit_get_in(books, ledger_url):
    """Eight connections of their own, which all read the same sums before any of them writes."""
    start = threading.Barrier(8)

    def writer(number: int) -> int:
        with Ledger.open(ledger_url) as ledger:
            start.wait(30)
            written = 0
            for turn in range(5):
                intent = books.intent(f"{number}-{turn}", reserved_usd=usd("0.07"))
                try:
                    ledger.intend(intent, limits=GAME)
                except BudgetTaken:
                    continue
                written += 1
            return written

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(writer, range(8))) == 14
    assert standing(books) == (0, usd("0.98"))


def test_writers_of_different_games_under_one_month_neither_overspend_nor_lock_each_other_out(books, ledger_url):
    month = Limits(run_usd=usd(5), game_usd=usd(5), month_usd=usd("0.50"))
    start = threading.Barrier(4)
    for number in range(4):
        books.begin(f"run-of-{number}", game=f"game-{number}")

    def writer(number: int) -> int:
        with Ledger.open(ledger_url) as ledger:
            start.wait(30)
            written = 0
            for turn in range(6):
                same = {"run_id": f"run-of-{number}", "game": f"game-{number}", "reserved_usd": usd("0.10")}
                try:
                    ledger.intend(books.intent(f"{number}-{turn}", **same), limits=month)
                except BudgetTaken:
                    continue
                written += 1
            return written

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(writer, range(4))) == 5


def test_a_warning_is_told_once_by_whichever_run_is_first_and_anew_when_the_budget_is_raised(books, ledger_url):
    five, ten = (Budget(Kind.GAME, "cloud-hop", usd(amount)) for amount in ("5.00", "10"))
    with Ledger.open(ledger_url) as other:
        assert books.ledger.warn_once(five, 50, books.t0)
        assert not other.warn_once(five, 50, books.t0)
        assert other.warn_once(five, 80, books.t0)
        assert other.warn_once(ten, 50, books.t0)
    assert not books.ledger.warn_once(Budget(Kind.GAME, "cloud-hop", usd(5)), 50, books.t0), "5 is 5.00"
