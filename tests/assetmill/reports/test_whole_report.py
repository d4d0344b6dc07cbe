"""Every figure of a report is the one that a slow and plain calculation over the same rows finds."""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assetmill.ledger import Ledger, RowFilter
from assetmill.ledger.tables import workers
from assetmill.reports.build import build_report
from assetmill.reports.columns import DIMENSIONS, read_attempts
from assetmill.reports.cost import grouped
from assetmill.reports.losses import losses_table
from assetmill.reports.measures import PARTS
from assetmill.reports.run_costs import jobless_cost
from assetmill.reports.spend import SpendLimits
from assetmill.reports.tables import MEASURES, TABLES, CostReport

HISTORY = Path(__file__).parents[2] / "money" / "history.py"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
ROWS = 900
FAILED = ("failed", "lost", "cancelled")
PARTED = ("intended_at", "collected_at", "started_at", "finished_at")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A drawn history with two endpoints of known price, one of unknown price, Scenario and drafts."""
    spec = importlib.util.spec_from_file_location("history_of_tests", HISTORY)
    assert spec is not None
    assert spec.loader is not None
    history = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(history)
    folder = tmp_path_factory.mktemp("history")
    with Ledger.open(f"sqlite:///{folder}/ledger.db") as opened:
        history.fill(opened, ROWS, seed=19, days=50)
        with opened._database.write() as connection:
            connection.execute(workers.insert(), late_workers(opened.rows()))
        yield opened
    del sys.modules[spec.name]


def late_workers(rows: list[Row]) -> list[Row]:
    """Two workers that came up and got no job, and one that a listing saw only when its job was just over."""
    done = next(row for row in rows if row["worker_id"] is not None and row["endpoint"] == "runpod:l40")
    blank = {"endpoint_url": done["endpoint_url"], "price_source": "list", "idle_timeout_s": 5.0, "up_since": None}
    blank |= {"gpu": done["gpu"], "price_per_s_usd": Decimal("0.00053"), "ready_at": None}
    seen = done["finished_at"] + timedelta(seconds=1)
    spares = [
        {"worker_id": f"spare-{n}", "first_seen_at": seen, "last_seen_at": seen + timedelta(seconds=30 + n)}
        for n in (0, 7)
    ]
    just_over = {"worker_id": done["worker_id"], "first_seen_at": seen, "last_seen_at": seen + timedelta(seconds=1)}
    return [blank | life for life in (*spares, just_over)]


@pytest.fixture(scope="module")
def rows(ledger: Ledger) -> list[Row]:
    found = ledger.rows()
    assert len(found) == ROWS
    assert {row["provider"] for row in found} == {"runpod", "scenario", "draft"}
    assert len({row["price_per_s_usd"] for row in found}) == 4  # two prices, the draft's 0, and one that nobody knows
    return found


@pytest.fixture(scope="module")
def report(ledger: Ledger) -> CostReport:
    return build_report(ledger, made_at=NOW)


def paid(rows: list[Row]) -> list[Row]:
    return [row for row in rows if not row["draft"]]


def known(rows: list[Row], name: str) -> list[Any]:
    return [row[name] for row in rows if row[name] is not None]


def total(rows: list[Row], name: str = "cost_estimate_usd") -> Decimal | None:
    amounts = known(rows, name)
    return sum(amounts, Decimal(0)) if amounts else None


def paid_ms(row: Row) -> int | None:
    """What its worker was paid for; attempts that are paid by the unit, or that never ran, have none."""
    if row["execution_ms"] is None or row["units"] is not None:
        return None
    return int(row["execution_ms"] + sum(row[name] or 0 for name in ("start_ms", "gap_ms", "idle_ms")))


def part_s(row: Row, part: str) -> float | None:
    if row[f"{part}_ms"] is None:
        return None
    waited = row["queue_ms"] - (row["start_ms"] or 0) if part == "queue" else row[f"{part}_ms"]
    return max(0, waited) / 1000


def quantile(values: list[float], percent: int) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def plain(rows: list[Row]) -> dict[str, Any]:
    """Every measure of some rows, one row after the other."""
    by = Counter(row["status"] for row in rows)
    figures: dict[str, Any] = {"attempts": len(rows), "kept": by["kept"], "rejected": by["rejected"]}
    figures["failed"] = sum(by[name] for name in FAILED)
    figures["open"] = len(rows) - by["kept"] - by["rejected"] - figures["failed"]
    figures["unknown_cost"] = sum(row["cost_estimate_usd"] is None for row in rows)
    figures |= {name: total(rows, name) for name in ("cost_low_usd", "cost_estimate_usd", "cost_high_usd")}
    cost = figures["cost_estimate_usd"]
    for name, images in (("cost_per_image_usd", by["kept"] + by["rejected"]), ("cost_per_kept_image_usd", by["kept"])):
        figures[name] = (cost / images).quantize(Decimal("1e-8")) if images and cost is not None else None
    for part in ("latency", *PARTS):
        values = [value for row in rows if (value := part_s(row, part)) is not None]
        figures |= {f"{part}_p{percent}_s": quantile(values, percent) for percent in (50, 90, 99)}
    for name, cold in (("execution_mean_s", False), ("execution_cold_mean_s", True)):
        times = [row["execution_ms"] / 1000 for row in rows if bool(row["cold"]) is cold and row["execution_ms"]]
        figures[name] = statistics.fmean(times) if times else None
    return figures | shares(rows)


def shares(rows: list[Row]) -> dict[str, float | None]:
    timed = [(row, ms) for row in rows if (ms := paid_ms(row)) is not None]
    whole = sum(ms for _, ms in timed)
    parts = {
        "start_share": sum(row["start_ms"] or 0 for row, _ in timed),
        "idle_share": sum((row["gap_ms"] or 0) + (row["idle_ms"] or 0) for row, _ in timed),
        "failed_share": sum(ms for row, ms in timed if row["status"] in FAILED),
    }
    found: dict[str, float | None] = {name: part / whole if whole else None for name, part in parts.items()}
    return {"paid_s": whole / 1000 if timed else None, **found}


def close(figure: Any) -> Any:
    return pytest.approx(figure, abs=2e-6) if isinstance(figure, float) else figure


@pytest.mark.parametrize("by", (["game"], ["day", "type"], ["status", "gpu", "endpoint"], ["run"], ["source", "price"]))
def test_every_measure_of_every_group_is_that_of_a_plain_calculation(ledger, rows, by):
    expected: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        day = row["intended_at"].date().isoformat()
        labels = [day if name == "day" else row[DIMENSIONS[name]] for name in by]
        expected[*labels, row["draft"]].append(row)
    found = {tuple(group[name] for name in (*by, "draft")): group for group in grouped(ledger, by).rows}
    assert set(found) == set(expected)
    for labels, theirs in expected.items():
        figures = {name: close(figure) for name, figure in plain(theirs).items()}
        assert {name: found[labels][name] for name in figures} == figures, labels


def test_the_report_has_every_table_in_its_order_with_cells_of_its_kinds(report):
    kinds = {"text": str, "count": int, "usd": Decimal, "seconds": float, "share": float, "moment": datetime}
    assert list(report.tables) == list(TABLES)
    for table in report.tables.values():
        assert table.rows, table.id
        for row in table.rows:
            for column, cell in zip(table.columns, row, strict=True):
                assert cell is None or type(cell) is kinds[column.kind], (table.id, column.name, cell)


def test_the_tables_by_group_are_the_groups_of_the_report_by_that(report, ledger):
    for name, by in (("by_day_game", ["day", "game"]), ("by_gpu", ["gpu"]), ("by_status", ["status"])):
        groups = [
            [*(group[key] for key in by), "draft" if group["draft"] else "paid", *(group[m.name] for m in MEASURES)]
            for group in grouped(ledger, by).rows
        ]
        assert [list(row) for row in report.tables[name].rows] == groups
    summary = report.tables["summary"].records()
    assert [row["kind"] for row in summary] == ["paid", "draft"]


def test_the_money_goes_somewhere_to_the_last_digit_and_every_second_is_in_one_line(report, rows):
    lines = {line["what"]: line for line in report.tables["losses"].records()}
    ended = [row for row in paid(rows) if row["status"] in ("kept", "rejected", *FAILED)]
    of_jobs = [line for what, line in lines.items() if what != "jobless"]
    assert sum(line["cost_usd"] for line in of_jobs) == total(ended)
    assert sum(line["seconds"] for line in of_jobs) == pytest.approx(sum(paid_ms(row) or 0 for row in ended) / 1000)
    assert sum(line["share"] for line in lines.values()) == pytest.approx(1)
    for name in ("start", "gap", "idle"):
        assert lines[name]["seconds"] == pytest.approx(sum(row[f"{name}_ms"] or 0 for row in ended) / 1000)
    failed = [row for row in ended if row["status"] in FAILED and row["units"] is None]
    assert lines["failed"]["seconds"] == pytest.approx(sum(known(failed, "execution_ms")) / 1000)


def test_time_that_nobody_knows_a_price_of_has_an_unknown_cost_and_not_none(ledger):
    attempts = read_attempts(ledger, RowFilter(), DIMENSIONS)
    unknown = np.full(attempts.count, np.nan)
    bare = replace(attempts, steps=dict.fromkeys(attempts.steps, unknown), price=unknown)
    lines = losses_table(bare, (12.0, None)).records()
    assert {line["what"] for line in lines if line["seconds"]} == {line["what"] for line in lines}
    assert [line["cost_usd"] for line in lines] == [None] * len(lines)


def test_model_load_is_what_a_first_execution_took_beyond_the_usual_one(report, rows):
    usual: dict[tuple[str, str], list[int]] = defaultdict(list)
    pictures = [row for row in paid(rows) if row["status"] in ("kept", "rejected") and row["units"] is None]
    for row in pictures:
        if row["cold"] is False:
            usual[row["workflow"], row["gpu"]].append(row["execution_ms"])
    load_ms = sum(
        max(0, row["execution_ms"] - statistics.median(usual[row["workflow"], row["gpu"]]))
        for row in pictures
        if row["cold"] and usual[row["workflow"], row["gpu"]]
    )
    (line,) = [line for line in report.tables["losses"].records() if line["what"] == "load"]
    assert line["seconds"] == pytest.approx(load_ms / 1000)
    assert load_ms > 0


def test_workers_that_got_no_job_are_counted_apart_and_only_where_all_games_are(report, ledger):
    jobs = {(row["endpoint_url"], row["worker_id"]) for row in ledger.rows()}
    spare = [life for life in ledger.workers.lives() if (life.endpoint_url, life.worker_id) not in jobs]
    assert {life.worker_id for life in spare} == {"spare-0", "spare-7"}
    (line,) = [line for line in report.tables["losses"].records() if line["what"] == "jobless"]
    assert line["cost_usd"] == sum(jobless_cost(life).estimate or 0 for life in spare) > 0
    assert {life.price_per_s_usd for life in spare} == {spare[0].price_per_s_usd}
    assert line["seconds"] == pytest.approx(float(line["cost_usd"] / spare[0].price_per_s_usd)), "the same seconds"
    one_game = build_report(ledger, RowFilter(game="cloud-hop"), made_at=NOW)
    assert "jobless" not in {line["what"] for line in one_game.tables["losses"].records()}
    assert one_game.tables["reconciliation"].rows == ()


def test_distributions_hold_every_picture_once_in_bins_that_do_not_overlap(report, rows):
    pictures = [row for row in paid(rows) if row["status"] in ("kept", "rejected")]
    for name, label, column in (
        ("cost_distribution", "type", "cost_estimate_usd"),
        ("latency_histogram", "warmth", ""),
    ):
        values = known(pictures, column) if column else [ms / 1000 for ms in known(pictures, "latency_ms")]
        bins: Counter[Any] = Counter()
        low, high = ("from_usd", "to_usd") if column else ("from_s", "to_s")
        for line in report.tables[name].records():
            bins[line[low], line[high]] += line["images"]
        expected = {
            bounds: sum(bounds[0] <= value and (bounds[1] is None or value < bounds[1]) for value in values)
            for bounds in bins
        }
        assert dict(bins) == expected
        assert sum(bins.values()) == len(values)
        assert {line[label] for line in report.tables[name].records()} <= {*known(pictures, "asset_type"), "cold",
                                                                           "warm", "unknown"}  # fmt: skip


def test_what_was_spent_so_far_ends_at_the_sum_and_stands_against_budgets(ledger, rows):
    limits = SpendLimits(game_usd=Decimal(3), month_usd=Decimal(5))
    table = build_report(ledger, made_at=NOW, limits=limits).tables["cumulative"].records()
    last = {line["scope"]: line for line in table}
    assert last["all games"]["cumulative_usd"] == total(paid(rows))
    assert last["all games"]["budget_usd"] is None
    for game in {row["game"] for row in paid(rows)}:
        assert last[game]["cumulative_usd"] == total([row for row in paid(rows) if row["game"] == game])
        assert last[game]["budget_usd"] == Decimal(3)
    for month in ("2026-09", "2026-10"):
        spent = total([row for row in paid(rows) if f"{row['intended_at']:%Y-%m}" == month])
        assert (last[month]["cumulative_usd"], last[month]["budget_usd"]) == (spent, Decimal(5))
    half = NOW - timedelta(days=25)
    later = build_report(ledger, RowFilter(since=half), made_at=NOW, limits=limits).tables["cumulative"].records()
    games = {line["scope"]: line for line in later}
    assert games["all games"]["cumulative_usd"] == total(paid(rows))
    assert games["2026-10"]["cumulative_usd"] == last["2026-10"]["cumulative_usd"], "a month is as dear in a part of it"
    assert all(line["day"] >= half.date().isoformat() for line in later)


def test_a_worker_is_at_one_thing_at_a_time_from_its_start_to_its_idle_tail(report):
    lives: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for line in report.tables["occupancy"].records():
        lives[line["life"]].append(line)
    assert len(lives) > 10
    for segments in lives.values():
        assert segments[-1]["what"] == "idle" or all(line["what"] != "start" for line in segments)
        for before, after in pairwise(segments):
            assert abs((after["began"] - before["ended"]).total_seconds()) < 0.002
        assert len({(line["endpoint"], line["worker"]) for line in segments}) == 1


def test_scenario_takes_its_own_measured_price_where_it_has_drawn_enough_and_the_listed_one_elsewhere(report, rows):
    ours = [row for row in paid(rows) if row["provider"] != "scenario" and row["cost_estimate_usd"] is not None]
    theirs = [row for row in paid(rows) if row["provider"] == "scenario"]
    lines = {line["type"]: line for line in report.tables["scenario"].records()}
    kinds = {row["asset_type"] for row in ours}
    assert set(lines) == {*kinds, "all"}
    sources = set()
    for kind in kinds:
        line, made = lines[kind], [row for row in theirs if (row["asset_type"], row["status"]) == (kind, "kept")]
        assert line["images"] == sum(row["status"] == "kept" for row in ours if row["asset_type"] == kind)
        assert line["own_usd"] == total([row for row in ours if row["asset_type"] == kind])
        if len(made) >= 5:
            spent = total([row for row in theirs if row["asset_type"] == kind])
            assert spent is not None
            each = (spent / len(made)).quantize(Decimal("1e-8"))
            assert line["scenario_low_usd"] == line["scenario_high_usd"] == each
        assert line["source"].startswith("measured") == (len(made) >= 5)
        sources.add(len(made) >= 5)
        assert line["saving_low"] == pytest.approx(
            float(1 - line["own_usd"] / line["scenario_total_low_usd"]), abs=1e-6
        )
    assert sources == {True, False}
    assert lines["all"]["scenario_total_low_usd"] == sum(lines[kind]["scenario_total_low_usd"] for kind in kinds)


def test_criteria_of_the_migration_are_judged_by_rows_of_our_own(report, rows):
    ours = [row for row in paid(rows) if row["provider"] != "scenario"]
    lines = {(line["criterion"], line["of"]): line for line in report.tables["migration"].records()}
    assert lines["asset types generated", "all but parallax"]["share"] == 1
    for warmth, cold in (("cold", True), ("warm", False)):
        line = lines["latency", f"{warmth} worker"]
        seconds = [row["latency_ms"] / 1000 for row in ours
                   if row["status"] in ("kept", "rejected") and row["cold"] is cold]  # fmt: skip
        under = sum(value < 30 for value in seconds) / len(seconds)
        assert (line["images"], line["share"]) == (len(seconds), pytest.approx(under))
        assert line["p90_s"] == close(quantile(seconds, 90))
        assert line["verdict"] == ("met" if under >= 0.9 else "not met")
    everything = lines["cost per asset", "all"]
    scenario = {line["type"]: line for line in report.tables["scenario"].records()}["all"]
    assert everything["share"] == pytest.approx(scenario["saving_low"], abs=1e-5)
    assert everything["verdict"] == ("met" if everything["share"] > 0.9 else "not met")
    promised = {
        line["target"]: line["verdict"]
        for line in report.tables["migration"].records()
        if "promised" in line["criterion"]
    }
    assert promised == {
        "95 to 98 % cheaper": "met" if 0.95 <= everything["share"] <= 0.98 else "not met",
        "50 to 90 % cheaper": "met" if 0.5 <= everything["share"] <= 0.9 else "not met",
    }


def test_prices_are_those_of_the_rows_with_their_sources(report, rows):
    expected = Counter((row["gpu"], row["price_source"], row["price_per_s_usd"]) for row in paid(rows))
    found = {(line["gpu"], line["source"], line["usd_per_s"]): line for line in report.tables["prices"].records()}
    assert {key: line["attempts"] for key, line in found.items()} == expected
    assert all(line["usd_per_h"] == (price and price * 3600) for (_, _, price), line in found.items())


def test_an_empty_ledger_makes_a_report_of_nothing(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as empty:
        report = build_report(empty, made_at=NOW)
    filled = {name for name, table in report.tables.items() if table.rows}
    assert filled == {"summary", "latency_distribution", "losses", "migration"}
    assert {line["verdict"] for line in report.tables["migration"].records()} == {"no data"}
    assert report.tables["summary"].records()[0]["cost_estimate_usd"] == 0


def test_many_days_are_put_together_to_weeks_and_then_to_months(ledger, tmp_path):
    tables = build_report(ledger, made_at=NOW).tables
    assert "in UTC" in tables["by_day_game"].note
    assert "week" not in tables["by_day_game"].note
    spec = sys.modules["history_of_tests"]
    for days, unit, length in ((400, "week", 10), (1200, "month", 7)):
        with Ledger.open(f"sqlite:///{tmp_path}/{unit}.db") as long:
            spec.fill(long, 420, days=days, run_rows=(1, 1))
            table = build_report(long, made_at=NOW).tables["by_day_game"]
        assert f"By {unit}" in table.note
        assert {len(line["day"]) for line in table.records()} == {length}
        assert sum(line["attempts"] for line in table.records()) == 420
