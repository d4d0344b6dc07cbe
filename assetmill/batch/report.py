"""What a run says of itself at the end; `assetmill run --json` prints exactly this object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from assetmill.batch.context import Batch, Outcome
from assetmill.batch.progress import spent_words
from assetmill.batch.results import Choice
from assetmill.errors import AssetmillError, BudgetExceeded, Stopped
from assetmill.money import usd
from assetmill.money.budgets import Standing
from assetmill.packs import Published
from assetmill.planning.plan import Plan, PlanItem, State

ExitCode = Literal[0, 1, 2, 3, 4, 5, 130]
Ending = Literal["complete", "with_failures", "failed", "cancelled"]

MISSING: Mapping[str, str] = {
    "failed": "failed", "lost": "failed", "rejected": "rejected", "open": "open", "unsent": "not sent",
    "blocked": "blocked",
}  # fmt: skip
"""What the sentence of a run calls the pictures that are not there, by their state, in the order in which it does."""

MINUTE_S = 60
HOUR_MIN = 60


class Line(BaseModel):
    """One picture that is not there, and why."""

    model_config = ConfigDict(frozen=True)

    asset: str = Field(description="Asset id.")
    type: str = Field(description="Asset type.")
    candidate: int = Field(description="Candidate, from 0.")
    state: str = Field(description="failed, rejected, lost, open, unsent or blocked.")
    error: str = Field(description="Class of the error; `rejected` or `blocked` where there was none.")
    message: str = Field(description="What happened, in one sentence.")
    hint: str = Field("", description="What to do about it.")
    job_id: str | None = Field(None, description="The provider's id.")


class TakenOver(BaseModel):
    """A picture of this run that another endpoint made than the one that was asked first."""

    model_config = ConfigDict(frozen=True)

    asset: str = Field(description="Asset id.")
    candidate: int = Field(description="Candidate, from 0.")
    by: str = Field(description="Name of the endpoint that made it.")
    instead_of: str = Field(description="Name of the endpoint that was asked first.")
    why: str = Field(description="Why that one did not.")


class BudgetLine(BaseModel):
    """A budget of the run, as it stood at its end."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(description="run, game or month.")
    of: str = Field(description="Id of the run or of the game, or the month.")
    limit_usd: Decimal = Field(description="The most that may be spent.")
    spent_usd: Decimal = Field(description="What settled attempts have cost; at most, where nobody knows better.")
    reserved_usd: Decimal = Field(description="What is set aside for jobs that are out, of whichever run.")


class BatchReport(BaseModel):
    """Result of one run."""

    model_config = ConfigDict(frozen=True)

    run_id: str = Field(description="Id of the run.")
    game: str = Field(description="Game id.")
    pack: str = Field(description="Pack id.")
    endpoint: str = Field(description="Name of the endpoint.")
    draft: bool = Field(description="Whether the pictures are placeholders.")
    assets: int = Field(description="Assets of the manifest that were looked at.")
    planned: dict[str, int] = Field(description="Pictures by what the plan said of them.")
    estimate_usd: Decimal | None = Field(None, description="What the plan was going to cost; null if nobody knew.")
    dry_run: bool = Field(False, description="Whether it only planned; every count below is 0 then.")
    generated: int = Field(description="Pictures that were paid for and kept in this run.")
    cached: int = Field(description="Pictures that were there already and cost nothing.")
    shared: int = Field(0, description="Pictures that another attempt was at and has paid for.")
    refinished: int = Field(description="Of these, pictures that were finished again, for free.")
    failed: int = Field(description="Pictures that are not there.")
    retried: int = Field(0, description="Attempts of this run that failed and were replaced by another one.")
    collected: int = Field(description="Attempts of earlier runs that were settled.")
    cost_usd: Decimal | None = Field(description="Sum of the estimates of this run's attempts; null if none is known.")
    unpriced: int = Field(description="Charged attempts without a known price; not in the sum.")
    bounded: int = Field(0, description="Of these, jobs of unknown outcome, of which the most is known.")
    unpriced_high_usd: Decimal | None = Field(None, description="The most that these may have cost; null without any.")
    elapsed_s: float = Field(description="Seconds from start to end.")
    gallery: str | None = Field(description="Key of the gallery page in the store.")
    index: str | None = Field(description="Key of the pack index in the store.")
    latest: str | None = Field(description="Key of the pointer that games read.")
    published: bool = Field(description="Whether the pack has changed.")
    store: str = Field(description="Address of the store.")
    failures: tuple[Line, ...] = Field(description="Pictures that are not there, and why.")
    stopped: str | None = Field(description="Why the run stopped before its end; null if it did not.")
    taken_over: tuple[TakenOver, ...] = Field((), description="Pictures that another endpoint made than was asked.")
    budgets: tuple[BudgetLine, ...] = Field((), description="Budgets that held; none where there is none.")
    warnings: tuple[str, ...] = Field((), description="Of the budgets: half spent, mostly spent, reached.")
    scaling: tuple[str, ...] = Field((), description="What was done to endpoints' max workers, or could not be.")
    exit_code: ExitCode = Field(description="As documented for the command line.")

    @property
    def missing(self) -> Counter[str]:
        """Pictures that are not there, by the words for it: failed, rejected, open, not sent, blocked."""
        return Counter(MISSING.get(line.state, line.state) for line in self.failures)

    @property
    def ending(self) -> Ending:
        """How the run ended; docs/prefect.md tells the rule, and Prefect's state follows it."""
        if self.exit_code == 0:
            return "complete"
        if self.exit_code == Stopped.exit_code:
            return "cancelled"
        at_its_limit = self.exit_code == BudgetExceeded.exit_code  # an end that was asked for: what fits is there
        return "with_failures" if (self.stopped is None or at_its_limit) and self.there else "failed"

    @property
    def there(self) -> int:
        """Pictures that are there at the end of the run, whoever has paid for them."""
        return self.generated + self.cached + self.shared

    @property
    def _heirs(self) -> str:
        return ", ".join(dict.fromkeys(line.by for line in self.taken_over))

    @property
    def sentence(self) -> str:
        """The run in one line: `57 kept, 2 failed, 1 open; $0.84; 12 min`."""
        if self.dry_run:
            return f"dry run: {planned_words(self.planned)}; {estimate_words(self.estimate_usd)}"
        missing = self.missing
        parts = [f"{self.generated} kept"] if self.generated or not self.there else []
        parts += [f"{self.cached} cached"] if self.cached else []
        parts += [f"{self.shared} made by another run"] if self.shared else []
        parts += [f"{self.refinished} finished again"] if self.refinished else []
        parts += [f"{self.retried} tried again"] if self.retried else []
        parts += [f"{len(self.taken_over)} taken over by {self._heirs}"] if self.taken_over else []
        parts += [
            f"{missing[words]} {words}" for words in dict.fromkeys([*MISSING.values(), *missing]) if missing[words]
        ]
        spent = spent_words(self.cost_usd, self.unpriced, self.bounded, self.unpriced_high_usd)
        return f"{', '.join(parts)}; {spent}; {duration_words(self.elapsed_s)}"


def planned_words(planned: Mapping[str, int]) -> str:
    """What a plan comes to, of its pictures by state: `35 to make, 4 cached`."""
    counts = Counter({str(state): count for state, count in planned.items()})
    parts = [f"{counts['new'] + counts['changed']} to make"]
    parts += [f"{counts[state]} {state}" for state in ("open", "cached", "blocked") if counts[state]]
    return ", ".join(parts)


def estimate_words(estimate_usd: Decimal | None) -> str:
    """An estimate in words."""
    return "cost unknown" if estimate_usd is None else f"{usd(estimate_usd)} estimated"


def duration_words(seconds: float) -> str:
    """A duration for people: `42 s`, `12 min`, `2 h 05 min`."""
    if round(seconds) < MINUTE_S:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / MINUTE_S), HOUR_MIN)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def dry_report(plan: Plan, store: str, run_id: str) -> BatchReport:
    """The report of a run that only planned: nothing was sent, written or published."""
    return BatchReport(
        run_id=run_id,
        game=plan.pack.game.id,
        pack=plan.pack.pack.id,
        endpoint=plan.routes.name,
        draft=plan.draft,
        assets=len({item.asset.id for item in plan.items}),
        planned={str(state): count for state, count in plan.counts().items()},
        estimate_usd=plan.total.cost.estimate,
        dry_run=True,
        generated=0,
        cached=0,
        refinished=0,
        failed=0,
        collected=0,
        cost_usd=Decimal(0),
        unpriced=0,
        elapsed_s=0.0,
        gallery=None,
        index=None,
        latest=None,
        published=False,
        store=store,
        failures=(),
        stopped=None,
        exit_code=0,
    )


def build_report(
    batch: Batch, plan: Plan, choices: dict[str, Choice], *, published: Published | None, gallery: str | None,
    collected: int, elapsed_s: float,
) -> BatchReport:  # fmt: skip
    """Put the report together from what happened."""
    failures = _failures(batch, plan)
    outcomes = batch.outcomes.values()
    fresh = [o for o in outcomes if o.good and o.item.state is not State.CACHED and not o.followed]
    there = [o for o in outcomes if o.good and o.item.state is State.CACHED]
    return BatchReport(
        run_id=batch.run_id,
        game=batch.pack.game.id,
        pack=batch.pack.pack.id,
        endpoint=batch.routes.name,
        draft=batch.endpoint.draft,
        assets=len({item.asset.id for item in plan.items}),
        planned={str(state): count for state, count in plan.counts().items()},
        estimate_usd=plan.total.cost.estimate,
        generated=len(fresh),
        cached=len(there),
        shared=sum(o.good and o.followed for o in outcomes),
        refinished=sum(o.item.refinish for o in there),
        failed=len(failures),
        retried=batch.common.retried,
        collected=collected,
        cost_usd=batch.progress.known_usd,
        unpriced=batch.progress.unpriced,
        bounded=batch.progress.bounded,
        unpriced_high_usd=batch.progress.unpriced_high_usd if batch.progress.bounded else None,
        elapsed_s=elapsed_s,
        gallery=gallery,
        index=published.index_key if published else None,
        latest=published.latest_key if published else None,
        published=bool(published and published.changed),
        store=batch.store.url,
        failures=failures,
        stopped=batch.common.ended.message if batch.common.ended else None,
        taken_over=_taken_over(fresh),
        budgets=tuple(_budget_line(standing) for standing in batch.purse.standings),
        warnings=tuple(warned.words for warned in batch.purse.warnings),
        scaling=tuple(batch.common.scaling),
        exit_code=_exit_code(batch.common.ended, failures, choices),
    )


def _budget_line(standing: Standing) -> BudgetLine:
    budget = standing.budget
    return BudgetLine(
        kind=budget.kind, of=budget.of, limit_usd=budget.limit_usd, spent_usd=standing.spent_usd,
        reserved_usd=standing.reserved_usd,
    )  # fmt: skip


def _taken_over(fresh: Iterable[Outcome]) -> tuple[TakenOver, ...]:
    lines = [line for outcome in fresh if (line := _moved(outcome.item)) is not None]
    return tuple(sorted(lines, key=lambda line: (line.asset, line.candidate)))


def _moved(item: PlanItem) -> TakenOver | None:
    if item.road is None or item.instead_of is None:
        return None
    by, why = item.road.endpoint.name, item.instead_why
    return TakenOver(asset=item.asset.id, candidate=item.candidate, by=by, instead_of=item.instead_of, why=why)


def _failures(batch: Batch, plan: Plan) -> tuple[Line, ...]:
    lines = [_line(outcome) for outcome in batch.outcomes.values() if not outcome.good]
    for item in plan.items:
        if item.key not in batch.outcomes:
            state = str(item.state)
            lines.append(
                Line(
                    asset=item.asset.id,
                    type=item.asset.type,
                    candidate=item.candidate,
                    state=state,
                    error=state,
                    message=item.reason,
                )
            )
    return tuple(sorted(lines, key=lambda line: (line.asset, line.candidate)))


def _line(outcome: Outcome) -> Line:
    error = outcome.error
    return Line(
        asset=outcome.item.asset.id,
        type=outcome.item.asset.type,
        candidate=outcome.item.candidate,
        state=outcome.status,
        error=error.code if error else "rejected",
        message=error.message if error else outcome.note,
        hint=error.hint if error else "change the prompt, the seed or the limits in `qa`",
        job_id=outcome.job_id or (error.job_id if error else None),
    )


def _exit_code(ended: AssetmillError | None, failures: tuple[Line, ...], choices: dict[str, Choice]) -> ExitCode:
    """An asset with one good candidate is there; every other failure counts."""
    if ended is not None:
        return ended.exit_code  # type: ignore[return-value]  # the tree's exit codes are exactly these
    there = {asset_id for asset_id, choice in choices.items() if choice.chosen is not None}
    return 1 if any(line.asset not in there for line in failures) else 0
