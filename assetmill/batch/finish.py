"""From raw bytes to files in the store: free of charge, and always from the raw image.

Changing a finishing option comes through here again and never touches a provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from assetmill.batch.context import Batch, Outcome, provenance
from assetmill.batch.keep import keep_finished
from assetmill.errors import AssetmillError, AttemptError, KeyMissing, ResultInvalid, ResultLost
from assetmill.finishing import Finished, finish, finish_fields
from assetmill.ledger import Finish, Output
from assetmill.planning.plan import PlanItem


async def finish_picture(
    batch: Batch, item: PlanItem, attempt_id: str, raws: Mapping[str, bytes], *, draft: bool
) -> Finish:
    """Finish one picture, store its files and write that down.

    Raises:
        ResultInvalid: the raw image cannot be finished, whatever the reason.
        StorageError, LedgerError: the files cannot be kept.
    """
    text = await asyncio.to_thread(provenance, batch, item, attempt_id, draft=draft)
    try:
        async with batch.finishing:
            finished = await asyncio.to_thread(finish, item.asset, batch.pack, raws, text=text)
        return await asyncio.to_thread(_keep, batch, item, attempt_id, finished, batch.clock.now())
    except AssetmillError:
        raise
    except Exception as error:  # a picture that trips an image library must not end the others
        raise ResultInvalid(
            f"it could not be finished: {type(error).__name__}: {error}",
            hint="the raw picture is kept; finishing it again is free",
        ) from error


def _keep(batch: Batch, item: PlanItem, attempt_id: str, finished: Finished, now: datetime) -> Finish:
    ordered = batch.ledger.attempt(attempt_id)["intended_at"]
    files, sheet_key = keep_finished(batch, item.asset, finished, ordered)
    record = Finish(
        attempt_id=attempt_id,
        finish_fingerprint=item.finish_fingerprint,
        game=batch.pack.game.id,
        run_id=batch.run_id,
        files=files,
        sheet_key=sheet_key,
        inputs=finish_fields(item.asset, batch.pack, strip=batch.strip),
        quality=finished.quality.as_json(),
        finished_at=now,
    )
    batch.ledger.record_finish(record)
    return record


async def refinish(batch: Batch, item: PlanItem, raw: Mapping[str, Output], *, draft: bool) -> Outcome:
    """Finish a picture again that is paid for already, and report it."""
    attempt_id = item.attempt_id or ""
    try:
        done = await finish_again(batch, item, attempt_id, raw, draft=draft)
    except AttemptError as error:
        return batch.report(Outcome(item, "failed", attempt_id, error=error))
    return batch.report(Outcome(item, "kept" if done.rejected is None else "rejected", attempt_id, done))


async def finish_again(
    batch: Batch, item: PlanItem, attempt_id: str, raw: Mapping[str, Output], *, draft: bool
) -> Finish:
    """Finish from stored raw images.

    Raises:
        ResultLost, ResultInvalid: a raw image is gone, or cannot be finished.
        StorageError, LedgerError: the files cannot be kept.
    """
    data = {role: await asyncio.to_thread(_read_raw, batch, output) for role, output in raw.items()}
    return await finish_picture(batch, item, attempt_id, data, draft=draft)


def _read_raw(batch: Batch, output: Output) -> bytes:
    try:
        return batch.store.get(output.key)
    except KeyMissing as error:
        raise ResultLost(f"raw image {output.key} is gone from the store", hint="restore the blob") from error
