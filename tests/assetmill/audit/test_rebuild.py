"""From receipts alone the books come back as they were, as often as asked, and nothing settled ever changes."""

import pytest

from assetmill.audit import Kind, rebuild
from assetmill.errors import LedgerError
from assetmill.ledger import Ledger, Receipt, Status, read_receipt, write_receipt
from assetmill.ledger.receipts import attempt_of


def test_a_lost_ledger_comes_back_row_by_row(full_shop):
    rows = [attempt_of(row) for row in full_shop.ledger.rows()]
    full_shop.lose_ledger()
    done = rebuild(full_shop.ledger, full_shop.store)
    assert set(done.restored) == {row["attempt_id"] for row in rows}
    assert (done.present, done.damaged, done.refused, done.left_out) == (0, {}, {}, 0)
    assert [attempt_of(row) for row in full_shop.ledger.rows()] == rows
    pictures = {picture.attempt_id for picture in full_shop.ledger.pictures("cloud-hop")}
    assert pictures == {"knight", "slime", "ghost", "sketch"}


def test_after_a_rebuild_only_what_receipts_could_not_know_is_missing(full_shop):
    finishes = full_shop.ledger.finishes("cloud-hop")
    full_shop.lose_ledger()
    rebuild(full_shop.ledger, full_shop.store)
    [finding] = full_shop.check(deep=True)
    assert finding.kind is Kind.ENTRY_UNKNOWN  # the finish that was made after the receipt
    assert "asset-knight" in finding.message
    restored = full_shop.ledger.finishes("cloud-hop")
    assert restored == {name: finish for name, finish in finishes.items() if name != ("knight", "finish-two")}


def test_a_rebuild_may_be_run_again_and_finds_everything_there(full_shop):
    full_shop.lose_ledger()
    first = rebuild(full_shop.ledger, full_shop.store)
    rows, ended = full_shop.ledger.rows(), full_shop.ledger.finish_rows()
    again = rebuild(full_shop.ledger, full_shop.store)
    assert (again.restored, again.present) == ((), len(first.restored))
    assert (full_shop.ledger.rows(), full_shop.ledger.finish_rows()) == (rows, ended)


def test_a_rebuild_of_books_that_are_whole_changes_nothing(full_shop):
    before = full_shop.ledger.rows(), full_shop.ledger.finish_rows(), full_shop.ledger.runs()
    assert rebuild(full_shop.ledger, full_shop.store).restored == ()
    assert (full_shop.ledger.rows(), full_shop.ledger.finish_rows(), full_shop.ledger.runs()) == before


def test_a_rebuild_that_was_cut_off_goes_on_where_it_was(full_shop):
    receipts = full_shop.snapshot().receipts
    full_shop.lose_ledger()
    full_shop.ledger.restore(receipts["slime"])
    done = rebuild(full_shop.ledger, full_shop.store)
    assert done.present == 1
    assert set(done.restored) == set(receipts) - {"slime"}


def test_what_is_settled_in_the_books_stays_whatever_a_receipt_says(full_shop):
    full_shop.sql("UPDATE attempts SET seed = 8 WHERE attempt_id = 'slime'")
    rebuild(full_shop.ledger, full_shop.store)
    assert full_shop.ledger.attempt("slime")["seed"] == 8
    assert full_shop.kinds() == [Kind.ROW_DIFFERS]


def test_an_attempt_that_crashed_between_receipt_and_row_is_settled_by_its_receipt(full_shop):
    row = attempt_of(full_shop.ledger.attempt("slime"))
    full_shop.sql("UPDATE attempts SET status = 'collected', settled_at = NULL WHERE attempt_id = 'slime'")
    assert rebuild(full_shop.ledger, full_shop.store).restored == ("slime",)
    assert attempt_of(full_shop.ledger.attempt("slime")) == row


def test_lost_finishes_come_back_to_rows_that_are_there(full_shop):
    full_shop.sql("DELETE FROM finishes WHERE attempt_id = 'slime'")
    assert Kind.FINISH_MISSING in full_shop.kinds()
    assert rebuild(full_shop.ledger, full_shop.store).restored == ("slime",)
    assert full_shop.check() == ()


def test_damaged_receipts_are_named_and_the_others_restored(full_shop):
    full_shop.lose_ledger()
    key = full_shop.receipt_key("bat")
    (full_shop.folder / key).write_bytes(b"damaged")
    done = rebuild(full_shop.ledger, full_shop.store)
    assert set(done.damaged) == {key}
    assert "bat" not in done.restored
    assert len(done.restored) == len(full_shop.ledger.rows()) == 5


def test_a_receipt_that_contradicts_the_books_is_named_and_the_others_restored(full_shop):
    full_shop.lose_ledger()
    key = full_shop.receipt_key("slime")
    slime = read_receipt(full_shop.store.get(key))
    stolen = Receipt({**slime.attempt, "job_id": "job-knight"}, slime.run, slime.finishes)
    (full_shop.folder / key).write_bytes(write_receipt(stolen))
    done = rebuild(full_shop.ledger, full_shop.store)
    assert set(done.refused) == {"slime"}
    assert len(done.restored) == len(full_shop.ledger.rows()) == 5


def test_the_end_of_a_run_comes_back_when_any_receipt_knows_it(shop):
    shop.keep("early")
    shop.end()
    shop.fail("late")
    runs = shop.ledger.runs()
    shop.lose_ledger()
    rebuild(shop.ledger, shop.store)
    assert shop.ledger.runs() == runs


@pytest.mark.parametrize("other_run_has_receipts", (True, False))
def test_a_finish_of_another_run_comes_back_if_any_receipt_knows_that_run(shop, other_run_has_receipts):
    shop.collect("picked-up")
    shop.run("run-2")
    shop.finish("picked-up", run_id="run-2")
    shop.settle("picked-up", Status.KEPT)
    if other_run_has_receipts:
        shop.keep("z-later", run_id="run-2", intended_at=shop.t0)
    shop.lose_ledger()
    done = rebuild(shop.ledger, shop.store)
    assert "picked-up" in done.restored
    assert (done.left_out, len(shop.ledger.finish_rows())) == ((0, 2) if other_run_has_receipts else (1, 0))
    assert shop.check() == ()
    assert rebuild(shop.ledger, shop.store).restored == ()


def test_books_that_cannot_be_written_are_an_error_and_not_a_refusal_of_every_receipt(full_shop, tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path}/full.db") as other:
        with other._database.write() as connection:
            connection.exec_driver_sql("DROP TABLE finishes")
            connection.exec_driver_sql("CREATE TABLE finishes (attempt_id TEXT, finish_fingerprint TEXT)")
        with pytest.raises(LedgerError, match="cannot be used"):
            rebuild(other, full_shop.store)


def test_a_store_without_receipts_gives_empty_books(shop):
    done = rebuild(shop.ledger, shop.store)
    assert (done.restored, done.present) == ((), 0)
