"""Every way in which books, receipts, files and packs can disagree is found, named, and called by its kind."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from assetmill.audit import Finding, Kind
from assetmill.audit.findings import TITLES
from assetmill.ledger import Receipt
from assetmill.money import Cost

BELOW = Decimal(-1)
SPOILED_ROWS = (
    ("knight", {"cost_high_usd": Decimal(9)}, {Kind.ROW_DIFFERS}),
    ("knight", {"seed": 8}, {Kind.ROW_DIFFERS}),
    ("knight", {"error_text": "edited"}, {Kind.ROW_DIFFERS}),
    ("knight", {"status": "happy"}, {Kind.ROW_DAMAGED}),
    ("knight", {"outputs": "not json"}, {Kind.ROW_DAMAGED}),
    ("knight", {"outputs": '{"image": 5}'}, {Kind.ROW_DAMAGED}),
    ("knight", {"outputs": '{"image": {"key": 1}}'}, {Kind.ROW_DAMAGED}),
    ("knight", {"outputs": "{}"}, {Kind.ROW_DAMAGED}),
    ("knight", {"cost_low_usd": BELOW}, {Kind.COST_NEGATIVE, Kind.ROW_DIFFERS}),
    ("knight", {"cost_low_usd": Decimal(1)}, {Kind.COST_DISORDERED, Kind.ROW_DIFFERS}),
    ("knight", {"cost_estimate_usd": None, "cost_low_usd": Decimal(1)}, {Kind.COST_DISORDERED, Kind.ROW_DIFFERS}),
    ("knight", {"execution_ms": 8000}, {Kind.COST_UNEXPLAINED, Kind.ROW_DIFFERS}),
    ("knight", {"price_per_s_usd": Decimal("0.001")}, {Kind.COST_UNEXPLAINED, Kind.ROW_DIFFERS}),
    ("knight", {"cold": True, "start_ms": 5000}, {Kind.COST_UNEXPLAINED, Kind.ROW_DIFFERS}),
    (
        "knight",
        {"cold": False, "gap_ms": 900, "cost_high_usd": Decimal("0.00524701")},
        {Kind.COST_UNEXPLAINED, Kind.ROW_DIFFERS},
    ),
    ("sketch", {"cost_high_usd": Decimal("0.01")}, {Kind.DRAFT_CHARGED, Kind.ROW_DIFFERS}),
    ("crow", {"cost_high_usd": Decimal("0.01")}, {Kind.UNSENT_CHARGED, Kind.ROW_DIFFERS}),
    ("slime", {"job_id": "job-knight"}, {Kind.JOB_TWICE, Kind.ROW_DIFFERS}),
    ("slime", {"fingerprint": "picture-knight"}, {Kind.PAID_TWICE, Kind.EXECUTED_AGAIN, Kind.ROW_DIFFERS}),
    ("ghost", {"fingerprint": "picture-knight"}, {Kind.PAID_TWICE, Kind.EXECUTED_AGAIN, Kind.ROW_DIFFERS}),
)


def kinds(found: tuple[Finding, ...]) -> set[Kind]:
    return {finding.kind for finding in found}


def only(found: tuple[Finding, ...], kind: Kind) -> Finding:
    [finding] = [finding for finding in found if finding.kind is kind]
    return finding


def test_books_that_were_kept_step_by_step_agree_in_everything(agreeing):
    assert agreeing.check() == ()
    assert agreeing.check(deep=True) == ()


def test_empty_books_and_an_empty_store_agree(shop):
    assert shop.check() == ()


@pytest.mark.parametrize(("attempt_id", "columns", "expected"), SPOILED_ROWS)
def test_a_spoiled_row_is_found_and_named(agreeing, changed, attempt_id, columns, expected):
    found = agreeing.judge(changed(agreeing.snapshot(), attempt_id, **columns))
    assert kinds(found) == expected
    assert all(attempt_id in finding.subject + finding.message for finding in found)
    assert all(finding.game == "cloud-hop" for finding in found)


@pytest.mark.parametrize("step", ("submitted_at", "collected_at", "settled_at"))
def test_a_step_before_the_one_that_comes_first_is_found(agreeing, changed, step):
    snapshot = agreeing.snapshot()
    early = agreeing.t0 - timedelta(hours=1)
    found = agreeing.judge(changed(snapshot, "knight", **{step: early}))
    assert step in only(found, Kind.TIMES_DISORDERED).message


def test_a_job_that_ended_before_it_began_is_found(agreeing, changed):
    found = agreeing.judge(changed(agreeing.snapshot(), "knight", finished_at=agreeing.t0))
    assert only(found, Kind.TIMES_DISORDERED).subject == "knight"


def test_clocks_of_two_machines_may_be_a_little_apart(agreeing, changed):
    settled = agreeing.t0 + timedelta(seconds=12 - 4)  # four seconds before it was collected
    assert Kind.TIMES_DISORDERED not in kinds(
        agreeing.judge(changed(agreeing.snapshot(), "knight", settled_at=settled))
    )


def test_row_and_receipt_that_differ_name_the_columns_and_both_values(agreeing, changed):
    found = agreeing.judge(changed(agreeing.snapshot(), "knight", seed=8, worker_id="w2"))
    message = only(found, Kind.ROW_DIFFERS).message
    assert "seed is 8 and 7" in message
    assert "worker_id is w2 and w1" in message


def test_many_differing_columns_are_all_named_and_only_some_quoted(agreeing, changed):
    columns = {"seed": 8, "worker_id": "w2", "gpu": "x" * 500, "width": 1, "height": 2}
    message = only(agreeing.judge(changed(agreeing.snapshot(), "knight", **columns)), Kind.ROW_DIFFERS).message
    assert all(name in message for name in columns)
    assert len(message) < 300


def test_a_run_that_differs_is_found_and_how_it_ended_may_differ(agreeing):
    snapshot = agreeing.snapshot()
    assert snapshot.runs["run-1"]["state"] == "finished"
    assert snapshot.receipts["knight"].run["state"] == "running"
    moved = replace(snapshot, runs={"run-1": {**snapshot.runs["run-1"], "endpoint": "elsewhere"}})
    found = agreeing.judge(moved)
    assert kinds(found) == {Kind.ROW_DIFFERS}
    assert "run.endpoint is elsewhere and ep" in found[0].message


def test_a_settled_row_without_receipt_says_how_to_mend_it(agreeing):
    snapshot = agreeing.snapshot()
    receipts = {name: receipt for name, receipt in snapshot.receipts.items() if name not in ("bat", "slime")}
    found = agreeing.judge(replace(snapshot, receipts=receipts))
    assert [(finding.kind, finding.subject) for finding in found] == [
        (Kind.RECEIPT_MISSING, "bat"),
        (Kind.RECEIPT_MISSING, "slime"),
    ]
    assert {finding.hint for finding in found} == {"assetmill ledger check --mend"}


def test_a_receipt_without_row_says_how_to_restore_it_and_is_checked_like_a_row(agreeing):
    snapshot = agreeing.snapshot()
    lost = replace(snapshot, rows=(), finishes=(), runs={})
    found = agreeing.judge(lost)
    assert [(finding.kind, finding.subject) for finding in found if finding.kind is Kind.ROW_MISSING] == [
        (Kind.ROW_MISSING, name) for name in sorted(snapshot.receipts)
    ]
    assert {finding.hint for finding in found if finding.kind is Kind.ROW_MISSING} == {"assetmill ledger rebuild"}
    # The second finish of the knight came after its receipt, and nothing else is unknown.
    assert kinds(found) == {Kind.ROW_MISSING, Kind.ENTRY_UNKNOWN}
    assert kinds(agreeing.judge(replace(lost, blobs={}))) >= {Kind.RAW_MISSING, Kind.FILE_MISSING}


def test_a_finish_that_only_its_receipt_knows_is_found_unless_nobody_knows_its_run(agreeing):
    snapshot = agreeing.snapshot()
    found = agreeing.judge(replace(snapshot, finishes=()))
    lost = [finding.subject for finding in found if finding.kind is Kind.FINISH_MISSING]
    assert lost == ["ghost", "knight", "sketch", "slime"]
    receipt = snapshot.receipts["ghost"]
    stranger = tuple({**row, "run_id": "run-9"} for row in receipt.finishes)
    receipts = {"ghost": Receipt(receipt.attempt, receipt.run, stranger)}
    rows = tuple(row for row in snapshot.rows if row["attempt_id"] == "ghost")
    alone = replace(snapshot, finishes=(), receipts=receipts, rows=rows, indexes=())
    assert agreeing.judge(alone) == ()


def test_a_raw_image_that_is_gone_or_of_another_size_is_found(agreeing):
    snapshot = agreeing.snapshot()
    [row] = [row for row in snapshot.rows if row["attempt_id"] == "ghost"]
    without = {key: size for key, size in snapshot.blobs.items() if key != row["key"]}
    found = agreeing.judge(replace(snapshot, blobs=without))
    assert [(finding.kind, finding.subject) for finding in found] == [(Kind.RAW_MISSING, "ghost")]
    assert row["key"] in found[0].message
    found = agreeing.judge(replace(snapshot, blobs=dict(snapshot.blobs) | {row["key"]: 3}))
    assert [(finding.kind, finding.subject) for finding in found] == [(Kind.BLOB_DIFFERS, row["key"])]
    assert "3 bytes" in found[0].message


def test_a_raw_image_whose_name_is_not_its_hash_in_the_books_is_found(agreeing, changed):
    snapshot = agreeing.snapshot()
    [row] = [row for row in snapshot.rows if row["attempt_id"] == "ghost"]
    edited = row["outputs"].replace(f'"sha256":"{row["sha256"]}"', f'"sha256":"{"0" * 64}"')
    found = agreeing.judge(changed(snapshot, "ghost", outputs=edited))
    assert kinds(found) == {Kind.ROW_DIFFERS, Kind.BLOB_DIFFERS}


def test_a_finished_file_and_its_sheet_that_are_gone_are_found(agreeing):
    snapshot = agreeing.snapshot()
    [finish] = [finish for finish in snapshot.finishes if finish["attempt_id"] == "ghost"]
    file_key = next(key for key in snapshot.blobs if key in finish["files"])
    without = {key: size for key, size in snapshot.blobs.items() if key not in (file_key, finish["sheet_key"])}
    found = agreeing.judge(replace(snapshot, blobs=without))
    assert [(finding.kind, finding.subject) for finding in found] == [
        (Kind.FILE_MISSING, "ghost"),
        (Kind.SHEET_MISSING, "ghost"),
    ]


def test_an_unreadable_finish_is_found_and_hides_no_other(agreeing):
    snapshot = agreeing.snapshot()
    finishes = tuple(
        {**finish, "files": "["} if finish["attempt_id"] == "ghost" else finish for finish in snapshot.finishes
    )
    found = agreeing.judge(replace(snapshot, finishes=finishes))
    assert [(finding.kind, finding.subject) for finding in found] == [(Kind.ROW_DAMAGED, "ghost")]


def test_a_published_file_that_is_gone_is_found_once_however_many_packs_name_it(agreeing):
    snapshot = agreeing.snapshot()
    first = next(published for published in snapshot.indexes if published.current)
    assert first.index is not None
    key = first.index.assets["asset-slime"].file
    without = {name: size for name, size in snapshot.blobs.items() if name != key}
    found = agreeing.judge(replace(snapshot, blobs=without))
    assert [(finding.kind, finding.subject) for finding in found] == [
        (Kind.FILE_MISSING, "slime"),
        (Kind.ENTRY_MISSING, first.key),
    ]


def test_an_entry_that_the_index_gives_another_size_is_found(agreeing):
    snapshot = agreeing.snapshot()
    spoiled = []
    for published in snapshot.indexes:
        entry = published.index.assets["asset-knight"].model_copy(update={"bytes": 1})
        index = published.index.model_copy(update={"assets": published.index.assets | {"asset-knight": entry}})
        spoiled.append(replace(published, index=index))
    found = agreeing.judge(replace(snapshot, indexes=tuple(spoiled)))
    assert kinds(found) == {Kind.BLOB_DIFFERS}
    assert all("not 1" in finding.message for finding in found)


def test_a_current_entry_that_no_finish_knows_is_found_and_an_old_one_is_only_told(agreeing):
    snapshot = agreeing.snapshot()
    finishes = tuple(finish for finish in snapshot.finishes if finish["attempt_id"] != "knight")
    receipts = {name: receipt for name, receipt in snapshot.receipts.items() if name != "knight"}
    rows = tuple(row for row in snapshot.rows if row["attempt_id"] != "knight")
    found = agreeing.judge(replace(snapshot, finishes=finishes, receipts=receipts, rows=rows))
    assert [finding.kind for finding in found] == [Kind.ENTRY_UNKNOWN, Kind.UNKNOWN_IN_HISTORY]
    assert all("asset-knight" in finding.message for finding in found)


def test_pointers_that_lead_nowhere_are_found_by_whether_a_game_reads_them(agreeing):
    snapshot = agreeing.snapshot()
    current = {published.key for published in snapshot.indexes if published.current}
    lost = {True: current, False: {published.key for published in snapshot.indexes} - current}
    for is_current, kind in ((True, Kind.POINTER_BROKEN), (False, Kind.INDEX_MISSING)):
        indexes = tuple(
            replace(published, index=None)
            if published.current is is_current and published.key in lost[is_current]
            else published
            for published in snapshot.indexes
        )
        assert kinds(agreeing.judge(replace(snapshot, indexes=indexes))) == {kind}


def test_a_damaged_index_is_told_once(agreeing):
    snapshot = agreeing.snapshot()
    indexes = tuple(replace(published, index=None, problem="damaged") for published in snapshot.indexes)
    found = agreeing.judge(replace(snapshot, indexes=indexes))
    assert [finding.kind for finding in found] == [Kind.INDEX_DAMAGED] * 2
    assert len({finding.subject for finding in found}) == 2


def test_a_channel_that_was_never_current_is_only_told(agreeing):
    snapshot = agreeing.snapshot()
    indexes = tuple(published for published in snapshot.indexes if not published.current)
    found = agreeing.judge(replace(snapshot, indexes=indexes))
    assert [(finding.kind, finding.subject) for finding in found] == [
        (Kind.NEVER_CURRENT, "packs/cloud-hop/main/latest.json")
    ]


def test_a_picture_executed_again_after_a_failure_is_told_with_the_classes(shop):
    shop.fail("first", fingerprint="same")
    shop.refuse("unsent", fingerprint="same")
    shop.lose("second", fingerprint="same", retry_of="first")
    shop.keep("third", fingerprint="other seed", retry_of="second")
    found = shop.check()
    assert [finding.kind for finding in found] == [Kind.EXECUTED_AGAIN, Kind.OUTCOME_UNKNOWN]
    assert "took 3 jobs: failed(worker_fault), lost(outcome_unknown), kept" in found[0].message
    assert not any(finding.kind.violation for finding in found)


def test_retries_that_name_each_other_end_the_search(agreeing, changed):
    snapshot = changed(agreeing.snapshot(), "knight", retry_of="slime")
    found = agreeing.judge(changed(snapshot, "slime", retry_of="knight"))
    assert kinds(found) <= {Kind.ROW_DIFFERS, Kind.EXECUTED_AGAIN}


def test_the_same_picture_as_a_draft_or_of_another_game_is_not_paid_twice(shop):
    shop.keep("real", fingerprint="same")
    shop.keep("draft", fingerprint="same", draft=True)
    shop.run("run-2", game="other")
    shop.keep("other", fingerprint="same", game="other", run_id="run-2")
    assert shop.check() == ()


def test_an_unknown_outcome_says_what_it_may_have_cost(shop):
    shop.lose("plan-knows")
    shop.lose("nobody-knows", planned_high_usd=None)
    shop.lose("draft", draft=True)
    shop.lose("was-settled-with-a-bound", Cost(Decimal(0), None, Decimal("0.03"), "at most"))
    found = shop.check()
    assert kinds(found) == {Kind.OUTCOME_UNKNOWN}
    messages = {finding.subject: finding.message for finding in found}
    assert "up to $0.0300" in messages["was-settled-with-a-bound"]
    assert "up to $0.0200" in messages["plan-knows"]
    assert "nobody can say" in messages["nobody-knows"]
    assert "costs nothing" in messages["draft"]


def test_open_attempts_are_told_with_age_job_owner_and_whether_to_settle_them(shop, changed):
    shop.intend("alive")
    shop.submit("expired")
    shop.collect("gone")
    shop.collect("free")
    snapshot = shop.snapshot()
    snapshot = changed(snapshot, "expired", claimed_until=shop.now - timedelta(minutes=5))
    snapshot = changed(snapshot, "gone", owner_place="gone")
    snapshot = changed(snapshot, "free", owner=None)
    found = {finding.subject: finding for finding in shop.judge(snapshot)}
    assert {finding.kind for finding in found.values()} == {Kind.OPEN}
    assert "submitting, 1 h old, claimed by run-1 for another 1 min" in found["alive"].message
    assert found["alive"].hint.startswith("wait")
    assert "as job job-expired" in found["expired"].message
    assert "ran out 5 min ago" in found["expired"].message
    assert "whose process has ended" in found["gone"].message
    assert "nobody" in found["free"].message
    assert {found[name].hint for name in ("expired", "gone", "free")} == {"assetmill settle"}


def test_an_open_attempt_whose_receipt_is_stored_lacks_only_its_row(shop):
    shop.keep("knight")
    shop.sql("UPDATE attempts SET status = 'collected', settled_at = NULL")
    found = shop.check()
    assert [finding.kind for finding in found] == [Kind.OPEN]
    assert "only the final row is missing" in found[0].message


def test_a_failed_attempt_without_price_or_picture_is_no_finding(shop):
    shop.fail("a", error_class="execution_failed")
    shop.sql("UPDATE attempts SET cost_low_usd = NULL")
    assert {finding.kind for finding in shop.check()} == {Kind.ROW_DIFFERS}


def test_findings_come_in_one_order(agreeing):
    snapshot = agreeing.snapshot()
    spoiled = replace(snapshot, blobs={}, receipts={})
    turned = replace(spoiled, rows=tuple(reversed(spoiled.rows)), finishes=tuple(reversed(spoiled.finishes)))
    assert agreeing.judge(spoiled) == agreeing.judge(turned)


def test_every_kind_has_words():
    assert set(TITLES) == set(Kind)
