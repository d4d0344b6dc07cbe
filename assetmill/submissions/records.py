"""What is known of one submission, and which state may follow which.

A record is the only truth about a submission: whoever takes a step exchanges it by compare-and-swap, so of two that
take the same step one does. Records are JSON documents that newer versions have to go on reading; a field that is not
known is refused, because rewriting the record would lose it. Nothing here reads or writes anything.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assetmill.packs.index import Moment
from assetmill.submissions.keys import submitted_key
from assetmill.submissions.names import Provider

SCHEMA_VERSION = 1
MAX_BEGINNINGS = 3  # of one submission: a run that dies each time would else be begun for ever


class State(StrEnum):
    """Where a submission stands; docs/submissions.md draws the ways between them."""

    RECEIVED = "received"
    INVALID = "invalid"
    PLANNED = "planned"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    RUNNING = "running"
    DONE = "done"
    DONE_WITH_FAILURES = "done_with_failures"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"

    @property
    def final(self) -> bool:
        """Whether nothing comes after it, ever: a wish to run again is a new submission."""
        return not FOLLOWING[self]

    @property
    def waits_to_run(self) -> bool:
        """Whether the run may begin without anybody's further word."""
        return self in (State.PLANNED, State.APPROVED)


_BEFORE_IT_RUNS = (State.SUPERSEDED, State.FAILED)
FOLLOWING: dict[State, tuple[State, ...]] = {
    State.RECEIVED: (State.INVALID, State.PLANNED, State.AWAITING_APPROVAL, *_BEFORE_IT_RUNS),
    State.PLANNED: (State.RUNNING, *_BEFORE_IT_RUNS),
    State.AWAITING_APPROVAL: (State.APPROVED, State.REJECTED, State.EXPIRED, *_BEFORE_IT_RUNS),
    State.APPROVED: (State.RUNNING, *_BEFORE_IT_RUNS),
    State.RUNNING: (State.DONE, State.DONE_WITH_FAILURES, State.FAILED),
    **dict.fromkeys(
        (
            State.INVALID, State.DONE, State.DONE_WITH_FAILURES, State.FAILED, State.REJECTED, State.EXPIRED,
            State.DUPLICATE, State.SUPERSEDED,
        ),
        (),
    ),
}  # fmt: skip


class Part(BaseModel):
    """Frozen, and no field that this version does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(Part):
    """One state that the submission came to.

    `words` say why, for people.
    """

    state: State
    at: Moment
    words: str = ""


class Claim(Part):
    """Who is at it, and until when that counts without a further word."""

    owner: str
    until: Moment


class FlowRun(Part):
    """The flow run that looks after a submission."""

    id: str
    url: str | None = None


class Figures(Part):
    """What the plan says. Money in US dollars, None where the price is unknown; times in seconds."""

    game: str
    game_title: str
    pack: str
    endpoint: str
    draft: bool
    assets: int
    pictures: dict[str, int] = Field(description="Pictures by what the plan says of them.")
    jobs: int
    low_usd: Decimal | None
    estimate_usd: Decimal | None
    high_usd: Decimal | None
    elapsed_s: float
    aside_usd: Decimal | None = Field(None, description="What a job has set aside while it is out.")
    price_source: str
    asks: str | None = Field(description="Why a person has to agree; None when nobody has to.")


class Approval(Part):
    """What a person said. `amount_usd` is the most that the run may cost; None where no price is known."""

    approved: bool
    by: str
    at: Moment
    amount_usd: Decimal | None = None
    note: str = ""
    reason: str = Field("", description="Why it was turned down.")


class AssetCost(Part):
    """What one asset cost in the run, US dollars; `cost_usd` is None where the price is unknown."""

    asset: str
    type: str
    attempts: int
    kept: int
    cost_usd: Decimal | None


class Failure(Part):
    """One picture that is not there, and why."""

    asset: str
    type: str
    candidate: int
    state: str
    message: str
    hint: str = ""


class Outcome(Part):
    """What came of the run."""

    run_id: str
    sentence: str
    generated: int
    cached: int
    failed: int
    cost_usd: Decimal | None
    elapsed_s: float
    exit_code: int
    gallery: str | None = Field(None, description="Key of the gallery in the store.")
    index: str | None = Field(None, description="Key of the pack index in the store.")
    stopped: str | None = None
    published: bool = False
    failures: tuple[Failure, ...] = ()
    costs: tuple[AssetCost, ...] = Field((), description="Of a large pack the dearest.")
    costs_left_out: int = 0


class Record(Part):
    """One version of one file that somebody handed in.

    `id` is unique for ever. `slug` names the line of versions: one file name in one inbox.
    """

    schema_version: Literal[1] = 1
    id: str
    slug: str
    inbox: str = Field(description="Name of the inbox that the file lies in.")
    name: str = Field(description="File name as the artist gave it.")
    version: int = Field(ge=1, description="Order of arrival among the files of this name.")
    sha256: str
    size: int
    file: str = Field(description="The name made plain: what the manifest is called from here on.")
    received_at: Moment
    by: str = ""
    note: str = ""
    provider: Provider | None = Field(None, description="Who draws, if the file's name says it.")
    state: State
    history: tuple[Step, ...]
    claim: Claim | None = None
    trouble: str = Field("", description="What keeps it from going on that is not the artist's fault.")
    plan: Figures | None = None
    paper: str | None = Field(None, description="Key of the details of the plan, or of what is wrong.")
    approve_by: Moment | None = None
    approval: Approval | None = None
    budget_usd: Decimal | None = Field(None, description="The most that the run may cost; None: costs nothing.")
    flow_run: FlowRun | None = None
    beginnings: int = 0
    outcome: Outcome | None = None
    points_at: str | None = Field(None, description="The submission that this one repeats, or gave way to.")
    shown: int = Field(0, description="Length of the history when pages were last written.")

    @property
    def manifest(self) -> str:
        """What `generate_batch` is to run: exactly the bytes that were handed in."""
        return f"store:{submitted_key(self.id, self.file)}"

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Ids in the books of the runs that were begun for it, the present one last."""
        return tuple(self.id if number == 1 else f"{self.id}.{number}" for number in range(1, self.beginnings + 1))

    @property
    def since(self) -> datetime:
        """When it came to its state."""
        return self.history[-1].at

    @property
    def words(self) -> str:
        """Why it is in its state."""
        return self.history[-1].words

    def held_by_another(self, owner: str, now: datetime) -> bool:
        """Whether somebody else is at it now."""
        return self.claim is not None and self.claim.owner != owner and self.claim.until > now

    def claimed(self, owner: str, now: datetime, lease_s: float) -> Record:
        """The record with a claim from now on."""
        return self.changed(claim=Claim(owner=owner, until=now + timedelta(seconds=lease_s)))

    def moved(self, state: State, at: datetime, words: str = "", **fields: Any) -> Record:
        """The record in its next state; the claim ends unless `fields` gives one.

        Raises:
            ValueError: this state never follows: a mistake in the program.
        """
        if state not in FOLLOWING[self.state]:
            raise ValueError(f"{state} does not follow {self.state}")
        step = Step(state=state, at=at, words=words)
        return self.changed(**{"claim": None, "trouble": ""} | fields, state=state, history=(*self.history, step))

    def changed(self, **fields: Any) -> Record:
        """The record with other values, checked like a new one."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate(values | fields)

    def encoded(self) -> bytes:
        """As it is stored: UTF-8 JSON."""
        return self.model_dump_json(indent=1).encode()
