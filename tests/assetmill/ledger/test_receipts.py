"""A receipt says all of an attempt that its row says, to the last digit, and nothing that is damaged is believed."""

import json
import sqlite3
import string
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from assetmill.errors import LedgerError
from assetmill.ledger import Finish, Ledger, Output, Receipt, Status, read_receipt, write_receipt
from assetmill.ledger.columns import Usd, UtcDateTime
from assetmill.ledger.receipts import PASSING, attempt_of
from assetmill.ledger.schema import MIGRATIONS, NEWEST, VERSION_TABLE
from assetmill.ledger.tables import attempts, finishes, runs
from assetmill.money import Cost

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SHEET = Output("image", "blobs/cd/cd34.png", "cd34" * 16, 500, 64, 64)


def settled(books: Any, attempt_id: str = "a", **changes: Any) -> Receipt:
    """A kept attempt with a finish, as a receipt."""
    books.collect(attempt_id, **changes)
    books.ledger.record_finish(
        Finish(attempt_id, "f" * 64, "cloud-hop", "run-1", (SHEET,), "blobs/ef/ef56.json", {"size": 64}, {}, NOW)
    )
    receipt: Receipt = books.ledger.receipt(attempt_id, books.ending(Status.KEPT, at=NOW))
    books.ledger.settle_as(receipt)
    return receipt


def document_of(receipt: Receipt) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_receipt(receipt))
    return document


def read(document: Any) -> Receipt:
    return read_receipt(json.dumps(document).encode(), "private/receipts/x.json")


def typed(column: Any) -> st.SearchStrategy[Any]:
    """Any value that a column can hold."""
    if isinstance(column.type, UtcDateTime):
        zones = st.sampled_from((UTC, timezone(timedelta(hours=-7))))
        earliest, latest = datetime(1970, 1, 2), datetime(2200, 1, 1)  # noqa: DTZ001  hypothesis adds the zone
        values: st.SearchStrategy[Any] = st.datetimes(earliest, latest, timezones=zones)
    elif isinstance(column.type, Usd):
        values = st.decimals(Decimal(-999_999), Decimal(999_999), places=8, allow_nan=False)
    else:
        kinds: dict[type, st.SearchStrategy[Any]] = {
            bool: st.booleans(),
            int: st.integers(-(2**63) + 1, 2**63 - 1),
            float: st.floats(allow_nan=False, allow_infinity=False),
            str: st.text(),
        }
        values = kinds[column.type.python_type]
    return st.none() | values if column.nullable else values


def rows_of(table: Any, **fixed: Any) -> st.SearchStrategy[dict[str, Any]]:
    columns = {column.name: typed(column) for column in table.c if column.name not in PASSING}
    return st.fixed_dictionaries(columns | {name: st.just(value) for name, value in fixed.items()})


RECEIPTS = st.builds(
    Receipt,
    rows_of(attempts, attempt_id="a", run_id="r", status="kept"),
    rows_of(runs, run_id="r"),
    st.lists(rows_of(finishes, attempt_id="a"), max_size=2).map(tuple),
)


@given(RECEIPTS)
def test_what_is_written_is_read_back_whatever_the_columns_hold(receipt):
    assert read_receipt(write_receipt(receipt)) == receipt


@given(RECEIPTS)
def test_equal_receipts_are_equal_bytes(receipt):
    def the_other_way_round(row: Any) -> dict[str, Any]:
        turned = {name: _another_spelling(row[name]) for name in reversed(list(row))}
        assert turned == row
        return turned

    same = Receipt(
        the_other_way_round(receipt.attempt),
        the_other_way_round(receipt.run),
        tuple(map(the_other_way_round, receipt.finishes)),
    )
    assert write_receipt(same) == write_receipt(receipt)


def _another_spelling(value: Any) -> Any:
    """The same moment in another zone; the same amount with other zeros."""
    if isinstance(value, datetime):
        return value.astimezone(timezone(timedelta(hours=5, minutes=30)))
    if isinstance(value, Decimal):
        return value.quantize(Decimal("1e-10")) if value else Decimal(0)
    return value


def test_a_receipt_that_came_before_its_row_is_the_one_that_its_row_would_give(books):
    before = settled(books)
    row = books.ledger.attempt("a")
    after = Receipt(attempt_of(row), books.ledger.runs()[0], tuple(books.ledger.finish_rows()))
    assert write_receipt(after) == write_receipt(before)


def test_the_claim_is_no_part_of_a_receipt(books):
    assert not PASSING & set(document_of(settled(books))["attempt"])


def test_costs_keep_eight_decimals_and_unknown_stays_unknown(books):
    books.collect("a")
    cost = Cost(Decimal("0.000000015"), Decimal("123456.12345678"), None, "made up")
    receipt = books.ledger.receipt("a", books.ending(Status.KEPT, cost=cost))
    again = read_receipt(write_receipt(receipt)).attempt
    assert (again["cost_low_usd"], again["cost_estimate_usd"]) == (Decimal("0.00000002"), Decimal("123456.12345678"))
    assert again["cost_high_usd"] is None
    books.ledger.settle_as(receipt)
    assert attempt_of(books.ledger.attempt("a")) == again


def test_making_a_receipt_changes_nothing(books):
    books.collect("a")
    before = books.row("a")
    books.ledger.receipt("a", books.ending(Status.KEPT))
    assert books.row("a") == before


def test_no_receipt_of_an_unknown_attempt(books):
    with pytest.raises(LedgerError, match="no attempt nobody"):
        books.ledger.receipt("nobody", books.ending(Status.KEPT))


def test_after_a_crash_between_receipt_and_row_the_stored_receipt_gives_the_row(books):
    books.collect("a")
    stored = write_receipt(books.ledger.receipt("a", books.ending(Status.KEPT, at=NOW)))
    # The process ends here; another one knows other times and another verdict by now.
    books.ledger.settle_as(read_receipt(stored))
    row = books.row("a")
    assert row["status"] == Status.KEPT
    assert row["settled_at"] == NOW
    assert attempt_of(row) == read_receipt(stored).attempt


def test_a_settled_row_does_not_take_another_receipt(books):
    receipt = settled(books)
    other = Receipt({**receipt.attempt, "status": "failed"}, receipt.run, receipt.finishes)
    with pytest.raises(LedgerError, match="settled"):
        books.ledger.settle_as(other)
    assert books.row("a")["status"] == Status.KEPT


def test_restoring_puts_attempt_run_and_finishes_into_an_empty_ledger_once(books, tmp_path):
    receipt = read_receipt(write_receipt(settled(books)))
    with Ledger.open(f"sqlite:///{tmp_path}/other.db") as other:
        assert other.restore(receipt)
        assert not other.restore(receipt)
        assert attempt_of(other.attempt("a")) == receipt.attempt
        assert other.runs() == books.ledger.runs()
        assert other.finish_rows() == books.ledger.finish_rows()


def test_restoring_settles_an_open_attempt_and_leaves_a_settled_one(books):
    receipt = settled(books)
    books.submit("b")
    late = books.ledger.receipt("b", books.ending(Status.LOST))
    assert books.ledger.restore(late)
    assert books.row("b")["status"] == Status.LOST
    other = Receipt({**receipt.attempt, "status": "failed", "cost_high_usd": Decimal(9)}, receipt.run)
    before = books.row("a")
    assert not books.ledger.restore(other)
    assert books.row("a") == before


def test_a_receipt_whose_job_is_anothers_is_refused_and_changes_nothing(books):
    receipt = settled(books)
    books.submit("b")
    foreign = Receipt({**receipt.attempt, "attempt_id": "b"}, receipt.run)
    with pytest.raises(LedgerError, match="already belongs to attempt a"):
        books.ledger.restore(foreign)
    assert books.row("b")["status"] == Status.SUBMITTED
    with pytest.raises(LedgerError):
        books.ledger.restore(Receipt({**receipt.attempt, "attempt_id": "c"}, receipt.run))
    assert len(books.ledger.rows()) == 2


def test_a_receipt_from_before_a_column_existed_is_read(books):
    document = document_of(settled(books))
    for newer in ("retry_of", "planned_usd", "planned_high_usd"):
        del document["attempt"][newer]
    again = read(document).attempt
    assert [again[newer] for newer in ("retry_of", "planned_usd", "planned_high_usd")] == [None] * 3


@pytest.mark.parametrize("version", (2, 0, "1", None))
def test_another_version_is_refused_with_what_to_do(books, version):
    document = document_of(settled(books)) | {"receipt": version}
    with pytest.raises(LedgerError, match=r"private/receipts/x\.json has version .*upgrade assetmill"):
        read(document)


@pytest.mark.parametrize("status", ("submitting", "submitted", "collected"))
def test_an_attempt_without_an_end_has_no_receipt(books, status):
    document = document_of(settled(books))
    document["attempt"]["status"] = status
    with pytest.raises(LedgerError, match="not settled"):
        read(document)


def test_whatever_is_cut_off_is_found_out(books):
    data = write_receipt(settled(books))
    for length in range(len(data)):
        with pytest.raises(LedgerError):
            read_receipt(data[:length])


@pytest.mark.parametrize(
    "data",
    (
        b"", b"null", b"[]", b"{}", b"1", b'"receipt"', b"\xff\xfe\x00", b"\x00" * 100, b"[" * 100_000,
        b'{"receipt": 1}', b'{"receipt": 1, "attempt": [], "run": [], "finishes": []}',
        b'{"receipt": 1, "attempt": "", "run": "", "finishes": null}',
        b'{"receipt": 1, "attempt": {}, "run": {}, "finishes": {}}',
    ),
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_bytes_that_are_no_receipt_are_an_error_that_names_them(data):
    with pytest.raises(LedgerError, match=r"a/key\.json is no receipt"):
        read_receipt(data, "a/key.json")


@pytest.mark.parametrize(
    ("column", "value"),
    (
        ("status", "happy"), ("status", None), ("width", "512"), ("width", 1.5), ("width", True), ("width", None),
        ("seed", 10**30), ("bytes", -(2**63)), ("draft", 0), ("draft", "no"), ("quality_score", "good"),
        ("quality_score", True), ("quality_score", float("nan")), ("quality_score", float("inf")),
        ("quality_score", 10**400), ("settled_at", "yesterday"), ("settled_at", 5),
        ("settled_at", "2026-03-01T12:00:00"), ("settled_at", "0001-01-01T00:00:00+14:00"), ("intended_at", None),
        ("cost_low_usd", "NaN"), ("cost_low_usd", "Infinity"), ("cost_low_usd", "a lot"), ("cost_low_usd", 0.1),
        ("cost_low_usd", [1]), ("cost_low_usd", "1e9"), ("error_text", "\ud800"), ("error_text", {"a": 1}),
        ("outputs", {}), ("run_id", "run-2"), ("nothing_of_ours", 1),
    ),
)  # fmt: skip
def test_a_value_that_its_column_cannot_hold_is_damage(books, column, value):
    document = document_of(settled(books))
    document["attempt"][column] = value
    with pytest.raises(LedgerError):
        read(document)


def test_a_finish_of_another_attempt_is_damage(books):
    document = document_of(settled(books))
    document["finishes"][0]["attempt_id"] = "b"
    with pytest.raises(LedgerError, match="another attempt"):
        read(document)


@given(st.data())
def test_whatever_is_read_from_a_mutated_receipt_is_taken_by_its_columns(data):
    """Either it is found out at once, or a database takes it; nothing but a LedgerError is ever raised."""
    document = json.loads(write_receipt(data.draw(RECEIPTS)))
    part = data.draw(st.sampled_from(("attempt", "run")))
    name = data.draw(st.sampled_from(sorted(document[part])))
    junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(string.digits + "-T:+.eN")
    document[part][name] = data.draw(junk | st.lists(st.integers(), max_size=3) | st.just({}))
    try:
        receipt = read(document)
    except LedgerError:
        return
    for table, row in ((attempts, receipt.attempt), (runs, receipt.run)):
        for column in table.c:
            value = row.get(column.name)
            if value is not None and isinstance(column.type, Usd | UtcDateTime):
                column.type.process_bind_param(value, create_engine("sqlite://").dialect)
            elif isinstance(value, str):
                value.encode()


def test_the_second_migration_keeps_every_row_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    _make_0001(path)
    with closing(sqlite3.connect(path)) as raw:
        raw.row_factory = sqlite3.Row
        before = dict(raw.execute("SELECT * FROM attempts").fetchone())
        assert "owner" not in before
    with Ledger.open(f"sqlite:///{path}") as ledger:
        [row] = ledger.rows()
        assert {row[name] for name in ("owner", "owner_place", "claimed_until", "retry_of", "planned_usd")} == {None}
        assert row["cost_high_usd"] == Decimal("0.00779100")
        assert ledger.runs()[0]["state"] == "finished"
        assert [finish["finish_fingerprint"] for finish in ledger.finish_rows()] == ["f"]
        receipt = Receipt(attempt_of(row), ledger.runs()[0], tuple(ledger.finish_rows()))
        assert read_receipt(write_receipt(receipt)) == receipt
    with closing(sqlite3.connect(path)) as raw:
        raw.row_factory = sqlite3.Row
        after = dict(raw.execute("SELECT * FROM attempts").fetchone())
        assert {name: after[name] for name in before} == before
        assert raw.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()[0] == NEWEST  # noqa: S608  a constant


def _make_0001(path: Path) -> None:
    """A ledger as the first migration made it, with one row in each table."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    at = "2026-03-01 12:00:00.000000"
    run = {
        "run_id": "r", "game": "cloud-hop", "pack": "art", "manifest": "m.yaml", "provider": "runpod",
        "endpoint": "ep", "draft": 0, "started_at": at, "state": "finished",
    }  # fmt: skip
    attempt = {
        "attempt_id": "a", "run_id": "r", "game": "cloud-hop", "pack": "art", "asset_id": "knight",
        "asset_type": "entity", "candidate": 0, "try_no": 1, "fingerprint": "f", "inputs": "{}", "status": "kept",
        "provider": "runpod", "endpoint": "ep", "endpoint_url": "https://api.example/v2/ep", "job_id": "j", "seed": 7,
        "workflow": "entity", "workflow_hash": "h", "width": 64, "height": 64, "expected_outputs": "{}",
        "intended_at": at, "settled_at": at, "price_source": "list", "cost_high_usd": 0.007791, "draft": 0,
        "outputs": '{"image":{"bytes":1,"height":64,"key":"blobs/a","sha256":"s","width":64}}',
    }  # fmt: skip
    finish = {
        "attempt_id": "a", "finish_fingerprint": "f", "game": "cloud-hop", "run_id": "r", "files": "{}",
        "inputs": "{}", "quality": "{}", "finished_at": at,
    }  # fmt: skip
    with closing(sqlite3.connect(path)) as raw, raw:
        for table, row in (("runs", run), ("attempts", attempt), ("finishes", finish)):
            marks = ", ".join(f":{name}" for name in row)
            raw.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", row)  # noqa: S608  names from above


def test_a_job_id_that_came_after_the_receipt_is_not_forgotten(books: Any) -> None:
    books.intend("a1")
    receipt = books.ledger.receipt("a1", books.ending(Status.LOST))
    books.ledger.submitted("a1", job_id="late", at=books.t0)
    books.ledger.settle_as(receipt)
    assert (books.row("a1")["status"], books.row("a1")["job_id"]) == ("lost", "late")
