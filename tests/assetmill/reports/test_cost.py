"""The cost report's figures are those that one finds by hand, and drafts never hide among paid attempts."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import UsageError
from assetmill.ledger import Facts, Intent, Ledger, Output, RowFilter, Run, Settlement, Status
from assetmill.money import UNKNOWN_COST, Cost, no_cost
from assetmill.reports.columns import DIMENSIONS
from assetmill.reports.cost import FIGURES, cost_report

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TEMPLATE = Intent(
    attempt_id="",
    run_id="run-1",
    game="cloud-hop",
    pack="art",
    asset_id="knight",
    asset_type="entity",
    candidate=0,
    try_no=1,
    fingerprint="f",
    inputs={},
    provider="runpod",
    endpoint="ep",
    endpoint_url="https://api.example/v2/ep",
    gpu="ADA_48_PRO",
    seed=1,
    workflow="entity",
    workflow_hash="h",
    width=64,
    height=64,
    expected_outputs={"image": "p"},
    price_per_s_usd=Decimal("0.00053"),
    price_source="list",
    draft=False,
    intended_at=T0,
)


class Spending:
    """A ledger to which attempts are added in one line each."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._count = 0
        ledger.begin_run(Run("run-1", "cloud-hop", "art", "m.yaml", "runpod", "ep", draft=False, started_at=T0))

    def start(self, **changes: Any) -> str:
        self._count += 1
        attempt_id = f"a{self._count}"
        self.ledger.intend(replace(TEMPLATE, attempt_id=attempt_id, fingerprint=attempt_id, **changes))
        self.ledger.submitted(attempt_id, job_id=f"job-{attempt_id}", at=T0)
        return attempt_id

    def add(
        self,
        status: Status,
        cost: str | Cost | None,
        *,
        latency_ms: int | None = None,
        execution_ms: int | None = None,
        worker_id: str | None = None,
        error_class: str | None = None,
        **changes: Any,
    ) -> None:
        """Add a settled attempt; a cost "x" means the bounds x, 2x and 4x."""
        attempt_id = self.start(**changes)
        image = Output("image", "k", "s", 1, 64, 64)
        self.ledger.collected(attempt_id, outputs=(image,), at=T0, facts=Facts(execution_ms=execution_ms))
        if isinstance(cost, str):
            low = Decimal(cost)
            cost = Cost(low, low * 2, low * 4, "test")
        facts = Facts(latency_ms=latency_ms, worker_id=worker_id)
        settlement = Settlement(status, T0, cost or UNKNOWN_COST, facts, error_class=error_class)
        self.ledger.settle(attempt_id, settlement)


@pytest.fixture
def spending(tmp_path: Path) -> Iterator[Spending]:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        yield Spending(ledger)


def report(spending: Spending, *by: str, where: RowFilter | None = None) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(cost_report(spending.ledger, by, "json", where=where or RowFilter()))
    return document


def test_figures_agree_with_a_calculation_by_hand(spending: Spending) -> None:
    for number in range(1, 11):  # latencies 1 s to 10 s
        spending.add(Status.KEPT, "0.01", latency_ms=number * 1000, execution_ms=2000 if number % 2 else 4000)
    spending.add(Status.REJECTED, "0.01")
    spending.add(Status.FAILED, "0.02")
    spending.add(Status.LOST, "0.03")
    spending.add(Status.CANCELLED, no_cost("never sent"))
    [row] = report(spending, "game")["rows"]
    expected = {
        "game": "cloud-hop",
        "draft": False,
        "attempts": 14,
        "kept": 10,
        "rejected": 1,
        "failed": 3,
        "open": 0,
        "unknown_cost": 0,
        "cost_low_usd": "0.16000000",
        "cost_estimate_usd": "0.32000000",
        "cost_high_usd": "0.64000000",
        "cost_per_image_usd": "0.02909091",  # eleven pictures, one of them turned down
        "cost_per_kept_image_usd": "0.03200000",  # the four without a kept picture are paid by the ten with one
        "latency_p50_s": 5.5,
        "latency_p90_s": 9.1,
        "latency_p99_s": 9.91,
        "execution_mean_s": 3.0,
        "execution_cold_mean_s": None,
        "paid_s": 30.0,
        "start_share": 0.0,
        "failed_share": 0.0,
        "scenario_low_usd": "0.25000000",  # ten pictures, each drawn for 2 cents and cut out for half a one
        "saving_low_share": -0.28,
    }
    assert {name: row[name] for name in expected} == expected


def test_sums_are_exact_to_the_last_digit(spending: Spending) -> None:
    for _ in range(30):
        spending.add(Status.KEPT, "0.00000001")
    spending.add(Status.KEPT, "123456.1")
    assert report(spending, "game")["rows"][0]["cost_low_usd"] == "123456.10000030"


def test_drafts_and_paid_attempts_are_never_one_sum(spending: Spending) -> None:
    spending.add(Status.KEPT, "0.01")
    spending.add(Status.KEPT, no_cost("local draft endpoint"), draft=True)
    spending.add(Status.KEPT, no_cost("local draft endpoint"), draft=True)
    document = report(spending, "game")
    assert document["by"] == ["game", "draft"]
    paid, draft = document["rows"]
    assert (paid["draft"], paid["attempts"], paid["cost_low_usd"]) == (False, 1, "0.01000000")
    assert (draft["draft"], draft["attempts"], draft["cost_high_usd"]) == (True, 2, "0.00000000")
    assert document["total"]["paid"]["attempts"] == 1
    assert document["total"]["draft"]["attempts"] == 2
    table = cost_report(spending.ledger, ["game"])
    assert [line.split()[:3] for line in table.splitlines()[2:4]] == [
        ["cloud-hop", "paid", "1"],
        ["cloud-hop", "draft", "2"],
    ]
    assert [line.split()[:3] for line in table.splitlines()[5:7]] == [["total", "paid", "1"], ["total", "draft", "2"]]


def test_an_unknown_cost_is_counted_and_never_taken_for_zero(spending: Spending) -> None:
    spending.add(Status.KEPT, "0.01", asset_type="entity")
    spending.add(Status.KEPT, None, asset_type="entity")
    spending.add(Status.KEPT, None, asset_type="sheet")
    document = report(spending, "type")
    entity, sheet = document["rows"]
    assert (entity["unknown_cost"], entity["cost_low_usd"]) == (1, "0.01000000")
    assert (sheet["unknown_cost"], sheet["cost_low_usd"], sheet["cost_per_kept_image_usd"]) == (1, None, None)
    assert document["total"]["paid"]["unknown_cost"] == 2
    table = cost_report(spending.ledger, ["type"])
    assert "$0.0100+" in table
    assert "unknown" in table
    assert "whose cost is not known" in table


def test_an_attempt_without_an_end_is_open_and_its_cost_unknown(spending: Spending) -> None:
    spending.start()
    [row] = report(spending)["rows"]
    assert (row["attempts"], row["open"], row["unknown_cost"], row["cost_estimate_usd"]) == (1, 1, 1, None)
    assert (row["latency_p50_s"], row["execution_mean_s"], row["paid_s"]) == (None, None, None)


def test_nothing_kept_means_no_cost_per_image(spending: Spending) -> None:
    spending.add(Status.FAILED, "0.01")
    assert report(spending)["rows"][0]["cost_per_kept_image_usd"] is None


def test_days_are_days_of_utc(spending: Spending) -> None:
    for hours in (11, 13):  # 23:00 of the first of March and 01:00 of the second
        spending.add(Status.KEPT, "0.01", intended_at=T0 + timedelta(hours=hours))
    assert [row["day"] for row in report(spending, "day")["rows"]] == ["2026-03-01", "2026-03-02"]


@pytest.mark.parametrize("dimension", sorted(DIMENSIONS))
def test_every_dimension_parts_the_attempts_and_loses_none(spending: Spending, dimension: str) -> None:
    spending.add(Status.KEPT, "0.01")
    spending.ledger.begin_run(Run("run-2", "other", "p", "m", "comfyui", "ep2", draft=True, started_at=T0))
    other: dict[str, Any] = {
        "run_id": "run-2",
        "game": "other",
        "asset_type": "sheet",
        "provider": "comfyui",
        "endpoint": "ep2",
    }
    other |= {"gpu": None, "workflow": "sheet", "draft": True, "intended_at": T0 + timedelta(days=40)}
    other |= {"pack": "p", "asset_id": "crate", "price_source": "catalog"}
    spending.add(Status.FAILED, no_cost("none"), error_class="worker_fault", worker_id="w1", **other)
    rows = report(spending, dimension)["rows"]
    assert sorted(row["attempts"] for row in rows) == [1, 1]
    assert len({row[dimension] for row in rows}) == 2


def test_days_weeks_and_months_begin_when_they_do_in_the_stated_zone(spending: Spending) -> None:
    berlin = "Europe/Berlin"
    for moment in ("2026-03-28T22:59", "2026-03-28T23:00", "2026-03-29T21:59", "2026-03-29T22:00", "2026-03-31T22:00"):
        spending.add(Status.KEPT, "0.01", intended_at=datetime.fromisoformat(f"{moment}+00:00"))

    def counts(unit: str) -> dict[str, int]:
        document = json.loads(cost_report(spending.ledger, [unit], "json", timezone=berlin))
        assert document["timezone"] == berlin
        return {row[unit]: row["attempts"] for row in document["rows"]}

    # The clocks go forward in the night to the 29th: that day has 23 hours.
    assert counts("day") == {"2026-03-28": 1, "2026-03-29": 2, "2026-03-30": 1, "2026-04-01": 1}
    assert counts("week") == {"2026-03-23": 3, "2026-03-30": 2}
    assert counts("month") == {"2026-03": 4, "2026-04": 1}


def test_a_report_says_which_time_it_is_about(spending: Spending) -> None:
    spending.add(Status.KEPT, "0.01")
    where = RowFilter(since=T0, until=T0 + timedelta(days=1))
    document = report(spending, where=where)
    assert (document["since"], document["until"]) == ("2026-03-01T12:00:00+00:00", "2026-03-02T12:00:00+00:00")
    table = cost_report(spending.ledger, ["game"], where=where, timezone="Asia/Tokyo")
    assert "from 2026-03-01 21:00 until 2026-03-02 21:00, Asia/Tokyo" in table
    later = cost_report(spending.ledger, ["game"], where=RowFilter(since=T0 + timedelta(hours=1)))
    assert "No attempt was made in this time." in later


def test_groups_are_sorted_by_the_dimensions_in_the_order_given(spending: Spending) -> None:
    for game, kind in (("b", "sheet"), ("a", "sheet"), ("b", "entity")):
        spending.add(Status.KEPT, "0.01", game=game, asset_type=kind)
    rows = report(spending, "type", "game", "type")["rows"]
    assert [(row["type"], row["game"]) for row in rows] == [("entity", "b"), ("sheet", "a"), ("sheet", "b")]


def test_totals_are_the_sum_of_the_rows(spending: Spending) -> None:
    for kind, cost in (("entity", "0.01"), ("sheet", "0.02"), ("sheet", "0.04")):
        spending.add(Status.KEPT, cost, asset_type=kind)
    document = report(spending, "type")
    assert sum(Decimal(row["cost_high_usd"]) for row in document["rows"]) == Decimal("0.28")
    assert document["total"]["paid"]["cost_high_usd"] == "0.28000000"
    assert document["total"]["paid"]["cost_per_kept_image_usd"] == "0.04666667"


def test_a_report_can_be_narrowed(spending: Spending) -> None:
    spending.add(Status.KEPT, "0.01")
    spending.add(Status.KEPT, "0.01", game="other")
    assert report(spending, where=RowFilter(game="other"))["total"]["paid"]["attempts"] == 1


def test_csv_parses_back_to_the_rows_of_the_json(spending: Spending) -> None:
    spending.add(Status.KEPT, "0.01", latency_ms=1500, gpu='RTX "6000", Ada')
    spending.add(Status.KEPT, None, draft=True, gpu=None)
    parsed = list(csv.DictReader(io.StringIO(cost_report(spending.ledger, ["gpu"], "csv"))))
    rows = report(spending, "gpu")["rows"]
    assert [list(line) for line in parsed] == [["gpu", "draft", *FIGURES]] * 2
    words = {True: "true", False: "false", None: ""}
    for line, row in zip(parsed, rows, strict=True):
        for name, value in row.items():
            plain = words[value] if isinstance(value, bool) or value is None else str(value)
            assert line[name] == plain, name


def test_the_json_document_is_stable(spending: Spending) -> None:
    spending.add(Status.KEPT, "0.01")
    document = report(spending, "day", "game")
    assert list(document) == ["by", "rows", "total", "currency", "timezone", "since", "until"]
    assert (document["currency"], document["timezone"]) == ("USD", "UTC")
    assert list(document["rows"][0]) == ["day", "game", "draft", *FIGURES]
    assert set(document["total"]) == {"paid", "draft"}
    assert set(document["total"]["paid"]) == set(document["total"]["draft"]) == {"draft", *FIGURES}


def test_an_empty_ledger_gives_an_empty_report_in_every_format(spending: Spending) -> None:
    table = cost_report(spending.ledger, ["day", "game"])
    assert table.endswith("No attempt has been made yet.\n")
    assert cost_report(spending.ledger, ["game"], "csv") == ",".join(["game", "draft", *FIGURES]) + "\n"
    document = report(spending, "game")
    assert document["rows"] == []
    assert document["total"]["paid"]["attempts"] == 0
    assert document["total"]["paid"]["cost_high_usd"] == "0.00000000"
    assert document["total"]["draft"]["latency_p50_s"] is None


def test_columns_of_the_table_stand_under_each_other(spending: Spending) -> None:
    spending.add(Status.KEPT, "0.01", asset_type="entity", latency_ms=1234)
    spending.add(Status.KEPT, "1234", asset_type="title_hero", latency_ms=1_000_000)
    heading, rule, *lines = cost_report(spending.ledger, ["type"]).splitlines()
    assert heading.split()[:3] == ["type", "draft", "attempts"]
    assert {len(line) for line in (heading, rule, *lines[:2])} == {len(rule)}
    assert "$2,468.00" in lines[1]


@pytest.mark.parametrize(("wrong", "hint"), (("provder", "did you mean provider"), ("zzz", "one of day, week")))
def test_an_unknown_dimension_names_the_nearest(spending: Spending, wrong: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint) as caught:
        cost_report(spending.ledger, ["game", wrong])
    assert caught.value.exit_code == 2


def test_an_unknown_format_is_a_usage_error(spending: Spending) -> None:
    with pytest.raises(UsageError, match="table, csv, json"):
        cost_report(spending.ledger, ["game"], "xlsx")  # type: ignore[arg-type]  # that it is refused is the point
