"""A cost is low, estimate and high by one rule each, and unknown where a figure is missing."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from assetmill.money import DEAD_TIME_MS, UNKNOWN_TURN, Cost, Turn, attempt_cost
from assetmill.money.costs import ROUNDING_MS, UNKNOWN_TAIL_MS

L40S = Decimal("0.00053")
COLD = Turn(True, 20_000, None, 5_000, "measured")
WARM = Turn(False, None, 1_500, None, "measured")
MAYBE_MS = st.none() | st.integers(0, 10**7)


def test_a_first_job_carries_the_start_and_the_idle_tail_of_its_worker() -> None:
    cost = attempt_cost(L40S, 10_000, 24_000, COLD)
    assert cost.low == L40S * 10
    assert cost.estimate == L40S * 35
    assert cost.high == L40S * Decimal(f"{35 + 0.9 + 1 + 4}")  # all of its delay, of which 20 s were the start
    assert cost.source == "measured"


def test_a_warm_job_carries_the_pause_before_it_and_not_its_queueing() -> None:
    cost = attempt_cost(L40S, 10_000, 60_000, WARM)
    assert (cost.low, cost.estimate, cost.high) == (L40S * 10, L40S * Decimal("11.5"), L40S * Decimal("13.4"))


def test_a_job_of_an_unnamed_worker_may_have_been_cold() -> None:
    cost = attempt_cost(L40S, 10_000, 4_000)
    assert (cost.low, cost.estimate) == (L40S * 10, L40S * Decimal("10.9"))
    most_ms = 10_000 + 2 * DEAD_TIME_MS + ROUNDING_MS + 4_000 + UNKNOWN_TAIL_MS
    assert cost.high == L40S * most_ms / 1000
    assert cost.source.startswith("estimated: ")


def test_an_execution_that_was_taken_back_may_have_been_paid_for() -> None:
    usual, hidden = attempt_cost(L40S, 10_000, 0, WARM), attempt_cost(L40S, 10_000, 0, WARM, hidden_ms=7_000)
    assert (hidden.low, hidden.estimate) == (usual.low, usual.estimate)
    assert hidden.high is not None
    assert usual.high is not None
    assert hidden.high - usual.high == L40S * 7


def test_without_a_price_or_an_execution_time_the_whole_cost_is_unknown() -> None:
    for cost in (attempt_cost(None, 10_000, 0), attempt_cost(L40S, None, 0, COLD), attempt_cost(L40S, -1, 0, WARM)):
        assert (cost.low, cost.estimate, cost.high) == (None, None, None)
        assert cost.source.startswith("unknown: ")


def test_without_a_delay_only_the_upper_bound_of_a_job_that_may_be_cold_is_unknown() -> None:
    for delay_ms in (None, -5):
        cold, unknown, warm = (attempt_cost(L40S, 10_000, delay_ms, turn) for turn in (COLD, UNKNOWN_TURN, WARM))
        assert cold.estimate == L40S * 35
        assert (cold.high, unknown.high) == (None, None)
        assert warm.high == L40S * Decimal("13.4")


def test_a_draft_costs_a_known_zero_whatever_its_times() -> None:
    assert attempt_cost(Decimal(0), None, None) == Cost(Decimal(0), Decimal(0), Decimal(0), "free of charge")


@given(
    execution_ms=st.integers(0, 10**7), delay_ms=MAYBE_MS, cold=st.none() | st.booleans(), start_ms=MAYBE_MS,
    gap_ms=MAYBE_MS, idle_ms=MAYBE_MS, hidden_ms=st.integers(0, 10**6),
)  # fmt: skip
def test_low_estimate_and_high_are_never_out_of_order(
    execution_ms: int, delay_ms: int | None, cold: bool | None, start_ms: int | None, gap_ms: int | None,
    idle_ms: int | None, hidden_ms: int,
) -> None:  # fmt: skip
    turn = Turn(cold, start_ms, gap_ms, idle_ms, "any")
    cost = attempt_cost(L40S, execution_ms, delay_ms, turn, hidden_ms=hidden_ms)
    assert cost.low is not None
    assert cost.estimate is not None
    assert 0 <= cost.low <= cost.estimate
    assert cost.high is None or cost.high > cost.estimate
