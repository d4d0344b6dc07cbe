"""What comes out of the ledger, as plain frozen values.

Plans read thousands of rows, so JSON columns stay text until somebody asks for them. Nothing here
holds a connection: a record stays good after the ledger is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from assetmill.ledger.codec import read_map, read_outputs
from assetmill.ledger.values import Output, Status


@dataclass(frozen=True, slots=True)
class Picture:
    """An attempt whose picture is stored and paid for. Only what a plan asks of each of thousands."""

    attempt_id: str
    asset_id: str
    candidate: int
    fingerprint: str
    draft: bool


@dataclass(frozen=True, slots=True)
class Details:
    """What such a picture was made of, and where it lies; the JSON is parsed when it is asked for."""

    attempt_id: str
    inputs_json: str
    outputs_json: str

    @property
    def inputs(self) -> dict[str, Any]:
        """What its fingerprint was made of."""
        return read_map(self.inputs_json)

    @property
    def outputs(self) -> dict[str, Output]:
        """Role -> raw image."""
        return read_outputs(self.outputs_json)


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt without an end: everything that it takes to find its job, collect it and settle it."""

    attempt_id: str
    run_id: str
    game: str
    pack: str
    asset_id: str
    asset_type: str
    candidate: int
    try_no: int
    fingerprint: str
    status: Status
    provider: str
    endpoint: str
    endpoint_url: str
    job_id: str | None
    worker_id: str | None
    gpu: str | None
    seed: int
    workflow: str
    workflow_hash: str
    width: int
    height: int
    price_per_s_usd: Decimal | None
    price_source: str
    draft: bool
    intended_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    queue_ms: int | None
    execution_ms: int | None
    units: float | None
    planned_high_usd: Decimal | None
    owner: str | None
    owner_place: str | None
    claimed_until: datetime | None
    inputs_json: str
    expected_outputs_json: str
    outputs_json: str

    @property
    def inputs(self) -> dict[str, Any]:
        """What its fingerprint was made of."""
        return read_map(self.inputs_json)

    @property
    def expected_outputs(self) -> dict[str, str]:
        """Role -> filename prefix of the image that must come back."""
        return {role: str(prefix) for role, prefix in read_map(self.expected_outputs_json).items()}

    @property
    def outputs(self) -> dict[str, Output]:
        """Role -> raw image; empty until it is collected."""
        return read_outputs(self.outputs_json)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a job took, and its worker before and after it: what an estimate is made from.

    `cold` tells the first job of its worker's life, whose execution carries the model load; None where it is not known.
    `cost_source` tells whether somebody saw that worker start. The JSON is parsed when it is asked for.
    """

    workflow: str
    width: int
    height: int
    gpu: str | None
    endpoint_url: str
    execution_ms: int
    queue_ms: int | None
    cold: bool | None
    start_ms: int | None
    gap_ms: int | None
    idle_ms: int | None
    cost_source: str | None
    inputs_json: str

    @property
    def inputs(self) -> dict[str, Any]:
        """What its fingerprint was made of."""
        return read_map(self.inputs_json)


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which attempts a report reads; None is all of them.

    Args:
        game: id of the game.
        run_id: one run.
        statuses: only these; empty is all.
        since: intended at or after this time.
        until: intended before this time.
    """

    game: str | None = None
    run_id: str | None = None
    statuses: tuple[Status, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = RowFilter()
