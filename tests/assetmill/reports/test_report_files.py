"""A report as a file: other programs read from it what the tables say; no name is a formula, and zones are stated."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import load_workbook

from assetmill.errors import UsageError
from assetmill.ledger import Facts, Intent, Ledger, Output, RowFilter, Run, Settlement, Status
from assetmill.money import UNKNOWN_COST, Cost
from assetmill.reports.cost import FIGURES
from assetmill.reports.render import FORMATS, rendered
from assetmill.reports.spans import Span, read_span
from assetmill.reports.tables import TABLES, CostReport, json_cell, json_document, make_table
from assetmill.reports.workbook import workbook_bytes

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
GPUS = ("=HYPERLINK(1)", 'RTX "6000", <Ada> & \x07\ud800', None)


@pytest.fixture
def ledger(tmp_path: Path, new_intent: Callable[..., Intent]) -> Any:
    """One kept picture a GPU, one of them of unknown cost; the names want to be formulas and markup."""
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as opened:
        opened.begin_run(Run("r", "tiny", "p", "m.yaml", "runpod", "e", draft=False, started_at=T0))
        for number, gpu in enumerate(GPUS):
            cost = Cost(Decimal("0.00000001"), Decimal("0.25"), Decimal("123456.1"), "test")
            name = gpu.encode("utf-8", "replace").decode() if gpu else None
            add(opened, new_intent(f"a{number}", T0, gpu=name), cost if number else UNKNOWN_COST)
        yield opened


def add(ledger: Ledger, intent: Intent, cost: Cost) -> None:
    name = intent.attempt_id
    ledger.intend(intent)
    ledger.submitted(name, job_id=name, at=T0)
    facts = Facts(worker_id="w", started_at=T0, finished_at=T0 + timedelta(seconds=2), execution_ms=2000, cold=True)
    ledger.collected(name, outputs=(Output("image", "k", "s", 1, 8, 8),), at=T0, facts=facts)
    ledger.settle(name, Settlement(Status.KEPT, T0, cost, Facts(latency_ms=2500)))


def groups(ledger: Ledger) -> list[dict[str, Any]]:
    document = json.loads(rendered(ledger, ["gpu"], "json", made_at=NOW))
    found: list[dict[str, Any]] = document["rows"]
    return found


def test_parquet_has_the_groups_with_exact_amounts_and_says_what_it_is_about(ledger):
    where = RowFilter(since=T0, until=T0 + timedelta(days=1))
    data = rendered(ledger, ["gpu", "day"], "parquet", made_at=NOW, where=where, timezone="Asia/Tokyo")
    table = pq.read_table(io.BytesIO(data))
    assert table.column_names == ["gpu", "day", "draft", *FIGURES]
    assert table.schema.field("cost_high_usd").type == pa.decimal128(18, 8)
    assert table.schema.field("attempts").type == pa.int64()
    assert table.schema.field("draft").type == pa.bool_()
    assert table.schema.metadata[b"timezone"] == b"Asia/Tokyo"
    assert table.schema.metadata[b"since"] == b"2026-03-01T12:00:00+00:00"
    rows = [{name: json_cell(value) for name, value in row.items() if name != "day"} for row in table.to_pylist()]
    assert rows == groups(ledger)


def test_an_empty_parquet_still_has_its_columns(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path}/empty.db") as empty:
        table = pq.read_table(io.BytesIO(rendered(empty, ["game"], "parquet", made_at=NOW)))
    assert (table.num_rows, table.column_names) == (0, ["game", "draft", *FIGURES])


def test_a_name_is_no_formula_in_a_csv(ledger):
    rows = list(csv.DictReader(io.StringIO(rendered(ledger, ["gpu"], "csv", made_at=NOW).decode())))
    assert rows[0]["gpu"] == "'=HYPERLINK(1)"
    assert rows[2]["gpu"] == ""
    assert rows[0]["cost_low_usd"] == ""
    assert rows[1]["cost_low_usd"] == "0.00000001"


def sheet_value(value: Any) -> Any:
    """What a workbook can hold of a cell."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return value.replace("\x07", "\ufffd") if isinstance(value, str) else value


def test_a_workbook_has_a_sheet_a_table_with_the_figures_of_the_report():
    report = everything()
    book = load_workbook(io.BytesIO(workbook_bytes(report)))
    assert book.sheetnames == ["about", *TABLES]
    about = {row[0]: row[1] for row in book["about"].iter_rows(values_only=True) if row[0]}
    assert (about["time zone"], about["since"]) == ("Europe/Berlin", "2026-03-01T01:00:00+01:00")
    for table in report.tables.values():
        head, *rows = book[table.id].iter_rows(values_only=True)
        assert list(head) == [column.title for column in table.columns]
        assert [list(row) for row in rows] == [
            [pytest.approx(cell) if isinstance(cell, float) else cell for cell in (sheet_value(value) for value in row)]
            for row in table.rows
        ]
    cells = [cell for row in book["by_gpu"].iter_rows(min_row=2) for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert next(cell for cell in cells if isinstance(cell.value, float)).number_format == "$#,##0.00000000"


def everything() -> CostReport:
    """A cell of every kind in every table, and unknown ones; the zone's summer begins in between."""
    zone = ZoneInfo("Europe/Berlin")
    cells: dict[str, tuple[Any, ...]] = {
        "text": ("=1+1", "<&>\x07\n  indented", "plain"),
        "count": (0, 7, None),
        "usd": (Decimal("0.00000001"), Decimal("89999999.12345678"), None),
        "seconds": (0.001, 123456.789, None),
        "share": (-0.5, 1.0, None),
        "moment": (datetime(2026, 3, 29, 1, 59, 59, 123000, zone), datetime(2026, 3, 29, 3, 0, tzinfo=zone), None),
    }
    tables = {
        name: make_table(name, [[cells[column.kind][n] for column in shape.columns] for n in range(3)], "note")
        for name, shape in TABLES.items()
    }
    since = datetime(2026, 3, 1, tzinfo=UTC).astimezone(zone)
    return CostReport("Costs", since, None, "Europe/Berlin", NOW.astimezone(zone), tables)


def test_the_workbook_of_a_ledger_opens_with_its_groups_and_is_the_same_each_time(ledger):
    data = rendered(ledger, ["gpu"], "xlsx", made_at=NOW)
    assert data == rendered(ledger, ["gpu"], "xlsx", made_at=NOW)
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    book = load_workbook(io.BytesIO(data))
    head, first, *_ = book["groups"].iter_rows(values_only=True)
    assert dict(zip(head, first, strict=True))["gpu"] == "=HYPERLINK(1)"
    assert book["groups"]["A2"].data_type == "s"
    assert book.sheetnames[:3] == ["about", "groups", "summary"]


def test_the_json_of_a_report_is_its_tables_to_the_last_digit():
    report = everything()
    document = json.loads(json.dumps(json_document(report)))
    assert (document["timezone"], document["currency"]) == ("Europe/Berlin", "USD")
    for name, table in report.tables.items():
        told = document["tables"][name]
        assert [column["name"] for column in told["columns"]] == list(table.names)
        assert told["rows"] == [[json_cell(cell) for cell in row] for row in table.rows]
    assert document["tables"]["summary"]["rows"][1][7] == "89999999.12345678"


def test_a_row_of_another_length_is_no_row_of_a_table():
    with pytest.raises(ValueError, match="cumulative has 2 cells, and it has 5 columns"):
        make_table("cumulative", [("all games", "2026-03-01")])


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_is_made_of_nothing_and_of_something(ledger, tmp_path, fmt):
    with Ledger.open(f"sqlite:///{tmp_path}/empty.db") as empty:
        assert rendered(empty, ["game"], fmt, made_at=NOW)
    assert rendered(ledger, ["game"], fmt, made_at=NOW)


def test_an_unknown_format_names_those_that_there_are(ledger):
    with pytest.raises(UsageError, match="table, csv, json, parquet, xlsx, html"):
        rendered(ledger, ["game"], "pdf", made_at=NOW)


@pytest.mark.parametrize(
    ("since", "until", "zone", "first", "last"),
    (
        ("2026-10-01", None, "UTC", datetime(2026, 10, 1, tzinfo=UTC), None),
        ("2026-10-01", "2026-11-01", "Europe/Berlin", datetime(2026, 9, 30, 22, tzinfo=UTC),
         datetime(2026, 10, 31, 23, tzinfo=UTC)),
        (None, "2026-10-01T09:30", "America/New_York", None, datetime(2026, 10, 1, 13, 30, tzinfo=UTC)),
        ("2026-10-01T09:30+02:00", None, "Asia/Tokyo", datetime(2026, 10, 1, 7, 30, tzinfo=UTC), None),
        (None, None, "UTC", None, None),
    ),
)  # fmt: skip
def test_dates_and_times_are_of_the_stated_zone(since, until, zone, first, last):
    assert read_span(since, until, zone) == Span(first, last, zone)


@pytest.mark.parametrize(
    ("since", "until", "zone", "words"),
    (
        ("yesterday", None, "UTC", "--since 'yesterday' is no date or time"),
        (None, "2026-13-01", "UTC", "--until '2026-13-01' is no date or time"),
        ("2026-10-02", "2026-10-02", "UTC", "nothing lies between --since 2026-10-02 and --until 2026-10-02"),
        (None, None, "Mars/Olympus", "no time zone 'Mars/Olympus'"),
        (None, None, "../etc/passwd", "no time zone"),
        (None, None, "", "no time zone"),
    ),
)
def test_a_time_that_cannot_be_is_refused_with_an_example(since, until, zone, words):
    with pytest.raises(UsageError, match=words) as refused:
        read_span(since, until, zone)
    assert refused.value.hint


def test_a_span_says_itself_as_the_zone_has_it():
    tokyo = timezone(timedelta(hours=9))
    span = Span(datetime(2026, 10, 1, tzinfo=tokyo), None, "Asia/Tokyo")
    assert span.in_words() == "from 2026-10-01 00:00, Asia/Tokyo"
    assert Span().in_words() == "all of the time, UTC"
