"""From a job that has ended to raw images in the store and in the books.

The bytes are stored as they came, under their own hashes, before anything else may fail. What a job cost is worked
out here too, from the times that the endpoint tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from assetmill import images
from assetmill.batch.desk import Desk
from assetmill.errors import AssetmillError, DraftAnswer, InvalidImage
from assetmill.ledger import NO_FACTS, Facts, OpenAttempt, Output, Settlement, Status
from assetmill.money import Cost, attempt_cost
from assetmill.packs import put_blob
from assetmill.providers.base import Collected, Job
from assetmill.storage import Store

CONTENT_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp"}


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt that the endpoint has: everything that it takes to collect and settle it.

    Args:
        attempt_id: the attempt.
        job_id: the endpoint's id.
        outputs: role -> filename prefix of the image that must come back.
        submitted_at: aware time.
        usd_per_s: price of the worker when it was sent.
        price_source: where that price comes from.
        high_usd: what the plan said that it costs at most.
    """

    attempt_id: str
    job_id: str
    outputs: Mapping[str, str]
    submitted_at: datetime
    usd_per_s: Decimal | None
    price_source: str
    high_usd: Decimal | None

    def cost(self, job: Job | None) -> Cost:
        """What it cost by the endpoint's times; without them, what it may have cost."""
        if job is None or job.execution_ms is None:
            return possible_cost(self.usd_per_s, self.high_usd)
        return attempt_cost(self.usd_per_s, job.execution_ms, job.delay_ms, source=self.price_source)

    def facts(self, job: Job | None) -> Facts:
        """Times of a job on our own clock: the endpoint gives only durations."""
        if job is None:
            return Facts()
        started = None if job.delay_ms is None else self.submitted_at + timedelta(milliseconds=job.delay_ms)
        ended = None
        if started is not None and job.execution_ms is not None:
            ended = started + timedelta(milliseconds=job.execution_ms)
        return Facts(
            worker_id=job.worker_id,
            started_at=started,
            finished_at=ended,
            queue_ms=job.delay_ms,
            execution_ms=job.execution_ms,
        )


def sent_before(attempt: OpenAttempt, job_id: str) -> Sent:
    """An attempt that was sent earlier, from its row."""
    return Sent(
        attempt_id=attempt.attempt_id,
        job_id=job_id,
        outputs=attempt.expected_outputs,
        submitted_at=attempt.submitted_at or attempt.intended_at,
        usd_per_s=attempt.price_per_s_usd,
        price_source=attempt.price_source,
        high_usd=attempt.planned_high_usd,
    )


def possible_cost(usd_per_s: Decimal | None, high_usd: Decimal | None) -> Cost:
    """The cost of a job that nobody knows to have run: from nothing to what the plan allowed for."""
    if usd_per_s == 0:
        return attempt_cost(usd_per_s, None, None)
    return Cost(Decimal(0), None, high_usd, "unknown: it may not have run; at most what the plan said")


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
    began = desk.clock.monotonic()
    collected = await desk.provider.collect(job, sent.outputs)
    if collected.draft and not desk.endpoint.draft:
        hint = "an endpoint of drafts has the id draft"
        raise DraftAnswer("a draft worker answered where real art was asked", job_id=job.id, hint=hint)
    fetched = desk.clock.monotonic()
    collected = replace(collected, draft=collected.draft or desk.endpoint.draft)  # whoever stands behind it
    outputs = await asyncio.to_thread(store_raw, desk.store, collected)
    facts = replace(
        sent.facts(job),
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
