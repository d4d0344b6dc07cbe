"""Mending adds the receipts that are missing, and touches nothing else."""

from pathlib import Path

from assetmill.audit import Kind, mend
from assetmill.ledger import read_receipt


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_rows_from_before_there_were_receipts_get_theirs_and_then_agree(full_shop):
    for attempt_id in ("knight", "bat", "ghost"):
        full_shop.store.delete(full_shop.receipt_key(attempt_id))
    rows = full_shop.ledger.rows()
    assert full_shop.kinds() == [Kind.RECEIPT_MISSING] * 3
    assert set(mend(full_shop.store, full_shop.snapshot())) == {"knight", "bat", "ghost"}
    assert full_shop.check() == ()
    assert full_shop.ledger.rows() == rows
    receipt = read_receipt(full_shop.store.get(full_shop.receipt_key("knight")))
    assert {finish["finish_fingerprint"] for finish in receipt.finishes} == {"finish-one", "finish-two"}
    assert receipt.run["state"] == "finished"


def test_mending_books_that_agree_writes_nothing(full_shop):
    before = files_of(full_shop.folder)
    assert mend(full_shop.store, full_shop.snapshot()) == ()
    assert files_of(full_shop.folder) == before


def test_neither_damaged_nor_differing_receipts_are_written_again(full_shop):
    damaged = full_shop.folder / full_shop.receipt_key("knight")
    damaged.write_bytes(b"damaged")
    full_shop.sql("UPDATE attempts SET seed = 8 WHERE attempt_id = 'slime'")
    before = files_of(full_shop.folder)
    assert mend(full_shop.store, full_shop.snapshot()) == ()
    assert files_of(full_shop.folder) == before


def test_a_receipt_that_was_stored_meanwhile_is_left_as_it_is(full_shop):
    key = full_shop.receipt_key("knight")
    original = full_shop.store.get(key)
    full_shop.store.delete(key)
    snapshot = full_shop.snapshot()
    full_shop.store.create(key, original, content_type="application/json")
    mend(full_shop.store, snapshot)  # would hold the end of the run, and the finish that came later
    assert full_shop.store.get(key) == original


def test_open_attempts_and_rows_that_cannot_be_get_no_receipt(full_shop):
    full_shop.collect("open")
    full_shop.store.delete(full_shop.receipt_key("bat"))
    full_shop.sql("UPDATE attempts SET status = 'happy' WHERE attempt_id = 'bat'")
    assert mend(full_shop.store, full_shop.snapshot()) == ()
