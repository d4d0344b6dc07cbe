"""What goes into the ledger, as plain frozen values.

An attempt is one request that may cost money. Its life is written down step by step, each step
before the next side effect, so that a crash at any moment leaves a row that says what to do next::

    submitting ── submitted(job id) ── collected ── kept | rejected
         └───────────────┴─────────────────┴─────── failed | lost | cancelled

Nothing here reads or writes a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from assetmill.money import UNKNOWN_COST, Cost


class Status(StrEnum):
    """Where an attempt stands."""

    SUBMITTING = "submitting"
    """About to be sent, or sent and its answer lost: find the job before sending again."""
    SUBMITTED = "submitted"
    """The endpoint has the job, and its id is known."""
    COLLECTED = "collected"
    """The raw images are stored; all that remains is free and may be repeated."""
    KEPT = "kept"
    """Settled: the picture is good."""
    REJECTED = "rejected"
    """Settled: the picture is stored, and did not pass the checks."""
    FAILED = "failed"
    """Settled: no picture; `error_class` says whose fault it was."""
    LOST = "lost"
    """Settled: it ran or may have run, and nothing can be got of it any more."""
    CANCELLED = "cancelled"
    """Settled: withdrawn."""

    @property
    def settled(self) -> bool:
        """Whether the row is final."""
        return self not in OPEN_STATUSES


OPEN_STATUSES = (Status.SUBMITTING, Status.SUBMITTED, Status.COLLECTED)


@dataclass(frozen=True, slots=True)
class Output:
    """A file of an attempt in the store: an image, or a document made from one.

    Args:
        role: what it is of its attempt, such as `image` or `far`.
        key: key in the store.
        sha256: hash of its bytes, hex.
        bytes: length.
        width: pixels; 0 for a document.
        height: pixels; 0 for a document.
        placement: how a trimmed picture came into its canvas, as JSON values; None when it was not trimmed.
    """

    role: str
    key: str
    sha256: str
    bytes: int
    width: int
    height: int
    placement: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a batch.

    Args:
        run_id: unique id.
        game: id of the game.
        pack: id of the pack.
        manifest: where the manifest was read from, as a reader would write it.
        provider: kind of provider.
        endpoint: name of the endpoint, without secrets.
        draft: whether the endpoint draws placeholders.
        started_at: aware time.
    """

    run_id: str
    game: str
    pack: str
    manifest: str
    provider: str
    endpoint: str
    draft: bool
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt that is about to be sent, committed before the request leaves.

    Args:
        attempt_id: unique id; it travels in the request.
        run_id: run that sends it; the run must have been begun.
        game: id of the game.
        pack: id of the pack.
        asset_id: id of the asset.
        asset_type: entity, background, title_hero, parallax or sheet.
        candidate: which of the asset's candidates, from 0.
        try_no: how often this candidate has been tried, from 1.
        fingerprint: generation fingerprint.
        inputs: what the fingerprint was made of, so that a later plan can name what changed.
        provider: kind of provider.
        endpoint: name of the endpoint.
        endpoint_url: where its jobs can be asked for; credentials and query are dropped before writing.
        gpu: GPU or GPU pool, if known.
        seed: below 2**53, exact in every JSON reader.
        workflow: name of the workflow.
        workflow_hash: hash of its graph.
        width: width asked of the worker, pixels.
        height: height asked of the worker, pixels.
        expected_outputs: role -> filename prefix of the image that must come back.
        price_per_s_usd: price of the worker, None when unknown.
        price_source: where the price comes from.
        draft: whether a placeholder is expected.
        intended_at: aware time.
        retry_of: attempt that it replaces, if it does.
        planned_usd: what the plan says that it costs, None when unknown.
        planned_high_usd: what the plan says that it may cost at most.
        reserved_usd: what is set aside for it within the budgets while it is open.
        instead_of: name of the endpoint that was asked for and could not; None for who was asked first.
        instead_why: why it could not.
    """

    attempt_id: str
    run_id: str
    game: str
    pack: str
    asset_id: str
    asset_type: str
    candidate: int
    try_no: int
    fingerprint: str
    inputs: Mapping[str, Any]
    provider: str
    endpoint: str
    endpoint_url: str
    gpu: str | None
    seed: int
    workflow: str
    workflow_hash: str
    width: int
    height: int
    expected_outputs: Mapping[str, str]
    price_per_s_usd: Decimal | None
    price_source: str
    draft: bool
    intended_at: datetime
    retry_of: str | None = None
    planned_usd: Decimal | None = None
    planned_high_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    instead_of: str | None = None
    instead_why: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is learned about a job while it is watched; None is not known (yet), and overwrites nothing.

    Args:
        worker_id: worker that ran it.
        gpu: GPU that ran it.
        started_at: when it began on the worker.
        finished_at: when it ended on the worker.
        queue_ms: from submission to start, as the endpoint tells it (delayTime).
        execution_ms: on the worker (executionTime).
        download_ms: fetching and decoding the answer.
        finish_ms: finishing and checking.
        upload_ms: writing to the store.
        latency_ms: from the submission to the final row.
        draft: whether the worker says that it drew a placeholder.
        cold: whether it was the first job of its worker's life.
        start_ms: of such a job: the worker's start, as far as it is known.
        gap_ms: of another job: how long the worker had stood idle since the job before.
        idle_ms: of the first job: the idle tail that ends the worker's life.
        units: what it cost in the provider's own currency.
        price_per_s_usd: price of the worker's own GPU, where that is known better than when it was sent.
        price_source: where that price comes from.
    """

    worker_id: str | None = None
    gpu: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    queue_ms: int | None = None
    execution_ms: int | None = None
    download_ms: int | None = None
    finish_ms: int | None = None
    upload_ms: int | None = None
    latency_ms: int | None = None
    draft: bool | None = None
    cold: bool | None = None
    start_ms: int | None = None
    gap_ms: int | None = None
    idle_ms: int | None = None
    units: float | None = None
    price_per_s_usd: Decimal | None = None
    price_source: str | None = None


NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of an attempt.

    Args:
        status: kept, rejected, failed, lost or cancelled.
        settled_at: aware time.
        cost: what it cost, with its source.
        facts: times and places; added to those known already.
        outputs: raw images, if they are not written yet; empty leaves them as they stand.
        quality_score: 0 bad to 1 good, if it was judged.
        error_class: code of the error, if there was one.
        error_text: its words, shortened to 2,000 characters when written.
    """

    status: Status
    settled_at: datetime
    cost: Cost = UNKNOWN_COST
    facts: Facts = NO_FACTS
    outputs: tuple[Output, ...] = ()
    quality_score: float | None = None
    error_class: str | None = None
    error_text: str | None = None


def rejection(quality: Mapping[str, Any]) -> str | None:
    """Why the checks turned a picture down; None when they did not."""
    reason = quality.get("rejected")
    return str(reason) if reason is not None else None


@dataclass(frozen=True, slots=True)
class Finish:
    """The finished files of a kept or rejected attempt, under one finish fingerprint.

    Args:
        attempt_id: attempt whose raw images were finished.
        finish_fingerprint: fingerprint of the finishing options and of the finisher's version.
        game: id of the game.
        run_id: run that finished them.
        files: finished images by role.
        sheet_key: key of the sheet metadata, for sheets.
        inputs: what the finish fingerprint was made of.
        quality: findings of the checks, as JSON values.
        finished_at: aware time.
    """

    attempt_id: str
    finish_fingerprint: str
    game: str
    run_id: str
    files: tuple[Output, ...]
    sheet_key: str | None
    inputs: Mapping[str, Any]
    quality: Mapping[str, Any]
    finished_at: datetime

    @property
    def by_role(self) -> dict[str, Output]:
        """Role -> finished image."""
        return {file.role: file for file in self.files}

    @property
    def rejected(self) -> str | None:
        """Why the checks turned the picture down; None when they did not."""
        return rejection(self.quality)

    @property
    def score(self) -> float:
        """What the checks think of it, 0 bad to 1 good."""
        return float(self.quality.get("score", 0.0))
