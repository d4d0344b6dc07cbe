"""From a job that has ended to raw images in the store and in the books.

The bytes are stored as they came, under their own hashes, before anything else may fail; the job's times are written
down with them, so that other jobs of its worker can be told apart from a first one.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from assetmill import images
from assetmill.batch.costing import times_of
from assetmill.batch.desk import Desk
from assetmill.batch.sent import Sent
from assetmill.errors import AssetmillError, DraftAnswer, InvalidImage
from assetmill.ledger import NO_FACTS, Facts, Output, Settlement, Status
from assetmill.money import Cost
from assetmill.packs import put_blob
from assetmill.providers.base import Collected, Job
from assetmill.storage import Store

CONTENT_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp"}


def ending(now: datetime, status: Status, cost: Cost, error: AssetmillError, facts: Facts = NO_FACTS) -> Settlement:
    """The end of an attempt that brought no picture."""
    return Settlement(status, now, cost, facts, error_class=error.code, error_text=error.message)


async def take(desk: Desk, sent: Sent, job: Job) -> tuple[Collected, tuple[Output, ...], Facts]:
    """Collect a job's images, store them as they came, and write that down.

    Raises:
        JobFailed, ResultLost, ResultInvalid: the attempt has ended badly.
        NotDelivered, StorageError: the attempt stays open and can be collected again.
        ClaimLost: somebody else looks after the attempt now.
    """
    times = times_of(desk, sent, job)
    began = desk.clock.monotonic()
    collected = await desk.provider.collect(job, sent.outputs)
    if collected.draft and not desk.endpoint.draft:
        hint = "an endpoint of drafts has the id draft"
        raise DraftAnswer("a draft worker answered where real art was asked", job_id=job.id, hint=hint)
    fetched = desk.clock.monotonic()
    collected = replace(collected, draft=collected.draft or desk.endpoint.draft)  # whoever stands behind it
    outputs = await asyncio.to_thread(store_raw, desk.store, collected)
    facts = replace(
        times,
        download_ms=ms(fetched - began),
        upload_ms=ms(desk.clock.monotonic() - fetched),
        draft=collected.draft,
    )
    at, by = desk.clock.now(), desk.owner.id
    await asyncio.to_thread(desk.ledger.collected, sent.attempt_id, outputs=outputs, at=at, facts=facts, by=by)
    return collected, outputs, facts


def store_raw(store: Store, collected: Collected) -> tuple[Output, ...]:
    """Put raw images into the store under their own hashes, named by what their bytes are."""
    outputs = []
    for role, data in collected.images.items():
        kind = images.sniff(data)
        if kind is None:
            raise InvalidImage(f"output {role} is no image of a known format")
        ref = put_blob(store, data, ext=EXTENSIONS[kind], content_type=CONTENT_TYPES[kind])
        width, height = images.decode(data).size
        outputs.append(Output(role, ref.key, ref.sha256, ref.bytes, width, height))
    return tuple(outputs)


def ms(seconds: float) -> int:
    """Whole milliseconds."""
    return round(seconds * 1000)
