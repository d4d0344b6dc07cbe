"""Files: pictures, receipts, the published pack, and books made again from receipts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assetmill import audit
from assetmill.errors import AssetmillError
from assetmill.images import decode
from assetmill.ledger import Ledger, Status, read_receipt
from assetmill.ledger.codec import read_map, read_outputs
from assetmill.ledger.receipts import attempt_of
from assetmill.packs import load_latest, receipt_key

if TYPE_CHECKING:
    from oracle import Evidence, Verdict

GAME, CHANNEL = "tiny", "main"
TWINS = {"dawn": "dusk", "dusk": "dawn"}
"""Assets that ask for the very same picture: one attempt serves both."""


def kept_whole(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """Every stored file's bytes hash to its key, and every picture can be opened."""
    for row in evidence.rows:
        if row["status"] in (Status.KEPT, Status.REJECTED):
            outputs = read_outputs(row["outputs"])
            if set(outputs) != set(read_map(row["expected_outputs"])):
                yield f"attempt {row['attempt_id']} kept {sorted(outputs)}, and other images were asked for"
            for output in outputs.values():
                verdict.counts["kept images"] += 1
                yield from _whole(evidence, output.key, output.sha256)
    for finish in evidence.finishes:
        for output in read_outputs(finish["files"]).values():
            yield from _whole(evidence, output.key, output.sha256, picture=output.width > 0)


def _whole(evidence: Evidence, key: str, sha256: str, *, picture: bool = True) -> Iterator[str]:
    try:
        data = evidence.store.get(key)
        if picture:
            decode(data)
    except AssetmillError as error:
        yield f"{key}: {error}"
        return
    found = hashlib.sha256(data).hexdigest()
    if found != sha256 or found not in key:
        yield f"{key} hashes to {found}, and the books say {sha256}"


def receipted(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """Receipts are the settled rows, column by column."""
    keys = {info.key for info in evidence.store.list("private/receipts/")}
    verdict.counts["receipts"] += len(keys)
    for row in evidence.rows:
        key = receipt_key(row["game"], row["attempt_id"])
        if key not in keys:
            yield f"attempt {row['attempt_id']} ({row['status']}) has no receipt"
            continue
        keys.discard(key)
        receipt = read_receipt(evidence.store.get(key), key).attempt
        settled = attempt_of(row)
        differing = sorted(name for name, value in settled.items() if receipt[name] != value)
        if differing:
            told = {name: (settled[name], receipt[name]) for name in differing}
            yield f"attempt {row['attempt_id']}: row and receipt differ in {told}"
    yield from (f"{key} is the receipt of no row" for key in sorted(keys))


def indexed(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """The published pack is whole, has only what was paid for and kept, and all of that."""
    index = load_latest(evidence.store, GAME, CHANNEL)
    good = _good_files(evidence)
    if index is None:
        yield from (f"{asset_id} is finished, and nothing is published" for asset_id in sorted(good))
        return
    verdict.counts["published assets"] += len(index.assets)
    for asset_id, entry in index.assets.items():
        for key in sorted(entry.blobs()):
            yield from _named_by_hash(evidence, key, asset_id)
        if entry.file not in good.get(asset_id, set()) | good.get(TWINS.get(asset_id, ""), set()):
            yield f"published file {entry.file} of {asset_id} is of no finish that passed the checks"
    named = {asset_id for asset_id in good if f"id: {asset_id}," in (evidence.folder / "tiny.yaml").read_text()}
    yield from (f"{asset_id} is finished, and not published" for asset_id in sorted(named - index.assets.keys()))


def _named_by_hash(evidence: Evidence, key: str, asset_id: str) -> Iterator[str]:
    try:
        data = evidence.store.get(key)
    except AssetmillError as error:
        yield f"published file {key} of {asset_id}: {error}"
    else:
        if hashlib.sha256(data).hexdigest() not in key:
            yield f"published file {key} of {asset_id} does not hash to its name"


def _good_files(evidence: Evidence) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finish in evidence.finishes:
        row = evidence.by_id[finish["attempt_id"]]
        if row["status"] in (Status.KEPT, Status.REJECTED) and read_map(finish["quality"]).get("rejected") is None:
            found.setdefault(row["asset_id"], set()).update(one.key for one in read_outputs(finish["files"]).values())
    return found


def audited(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """`assetmill ledger check --deep` finds nothing."""
    with Ledger.open(evidence.ledger_url) as ledger:
        found = audit.findings(audit.read_snapshot(ledger, evidence.store, deep=True), datetime.now(UTC))
    for one in found:
        if one.kind.violation:
            yield f"{one.kind} {one.subject}: {one.message}"
        else:
            verdict.counts[f"audit says {one.kind}"] += 1


def rebuilt(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """Books made again from receipts alone have the same attempts."""
    fresh = evidence.folder / "rebuilt.db"
    for file in evidence.folder.glob("rebuilt.db*"):
        file.unlink()
    with Ledger.open(f"sqlite:///{fresh}") as ledger:
        done = audit.rebuild(ledger, evidence.store)
        again = {row["attempt_id"]: attempt_of(row) for row in ledger.rows()}
    for subject, why in {**done.damaged, **done.refused}.items():
        yield f"{subject} could not be restored: {why}"
    verdict.counts["rebuilt attempts"] += len(again)
    for row in evidence.rows:
        restored: dict[str, Any] = again.pop(row["attempt_id"], {})
        differing = sorted(name for name, value in attempt_of(row).items() if restored.get(name) != value)
        if differing:
            yield f"attempt {row['attempt_id']} comes back with other {', '.join(differing)}"
    yield from (f"attempt {attempt_id} came back, and has no row" for attempt_id in again)
