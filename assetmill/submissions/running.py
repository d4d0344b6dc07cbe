"""What becomes of a record while its run begins, lives and ends: pure, but for the time and the books.

A run is known by the id of its flow run and counts as alive as long as it says so. One that has fallen silent is
replaced, a few times at most; it changes nothing any more should it come back.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from assetmill.errors import LedgerError
from assetmill.settings import Settings
from assetmill.submissions.office import Office
from assetmill.submissions.records import MAX_BEGINNINGS, AssetCost, Failure, FlowRun, Outcome, Record, State

if TYPE_CHECKING:
    from assetmill.batch.report import BatchReport, Ending, Line

_STATE_OF = {"complete": State.DONE, "with_failures": State.DONE_WITH_FAILURES}
_MAX_FAILURES = 200  # a record is read whenever submissions are listed
_MAX_COSTS = 300
_COLUMNS = ("asset_id", "asset_type", "status", "cost_estimate_usd")


def begun(office: Office, now: Record, flow_run: FlowRun) -> Record | None:
    """The record with a run that has begun, or begun anew; None when it is not this flow run's to begin."""
    at = office.now()
    if now.state.waits_to_run:
        fresh = now.moved(State.RUNNING, at, flow_run=flow_run, beginnings=1)
        return fresh.claimed(flow_run.id, at, office.lease_s)
    if now.state is not State.RUNNING or now.held_by_another(flow_run.id, at):
        return None
    if now.beginnings >= MAX_BEGINNINGS:
        return now.moved(State.FAILED, at, f"it was begun {now.beginnings} times, and no run came to its end")
    again = now.changed(flow_run=flow_run, beginnings=now.beginnings + 1)
    return again.claimed(flow_run.id, at, office.lease_s)


def renewed(office: Office, now: Record, flow_run_id: str) -> Record | None:
    """The record with a claim from now on; None when it is not this run's any more."""
    if not _is_run_of(now, flow_run_id):
        return None
    return now.claimed(flow_run_id, office.now(), office.lease_s)


def finished(office: Office, now: Record, outcome: Outcome, ending: Ending, flow_run_id: str) -> Record | None:
    """The record at its end; None when it is not this run's any more."""
    if not _is_run_of(now, flow_run_id):
        return None
    state = _STATE_OF.get(ending, State.FAILED)
    return now.moved(state, office.now(), outcome.stopped or outcome.sentence, outcome=outcome)


def failed(office: Office, now: Record, words: str, flow_run_id: str | None) -> Record | None:
    """The record given up; None when it is final, or somebody else's run that is alive."""
    if now.state.final or (now.state is State.RUNNING and now.held_by_another(flow_run_id or "", office.now())):
        return None
    return now.moved(State.FAILED, office.now(), words)


def _is_run_of(now: Record, flow_run_id: str) -> bool:
    return now.state is State.RUNNING and now.claim is not None and now.claim.owner == flow_run_id


def outcome_of(settings: Settings, now: Record, report: BatchReport) -> Outcome:
    """What a run's report says, with what each asset cost where the books can be read."""
    costs = asset_costs(settings, {*now.run_ids, report.run_id})
    return Outcome(
        run_id=report.run_id,
        sentence=report.sentence,
        generated=report.generated,
        cached=report.cached,
        failed=report.failed,
        cost_usd=report.cost_usd,
        elapsed_s=report.elapsed_s,
        exit_code=report.exit_code,
        gallery=report.gallery,
        index=report.index,
        stopped=report.stopped,
        published=report.published,
        failures=tuple(_failure(line) for line in report.failures[:_MAX_FAILURES]),
        costs=_dearest(costs),
        costs_left_out=max(len(costs) - _MAX_COSTS, 0),
    )


def _failure(line: Line) -> Failure:
    return Failure(
        asset=line.asset, type=line.type, candidate=line.candidate, state=line.state, message=line.message,
        hint=line.hint,
    )  # fmt: skip


def _dearest(costs: tuple[AssetCost, ...]) -> tuple[AssetCost, ...]:
    """Of many only the dearest; those of unknown cost before all."""
    if len(costs) <= _MAX_COSTS:
        return costs
    ranked = sorted(costs, key=lambda one: (one.cost_usd is not None, -(one.cost_usd or Decimal(0)), one.asset))
    return tuple(ranked[:_MAX_COSTS])


def left_of_budget(settings: Settings, now: Record) -> Decimal | None:
    """What the newest run of a record may cost: the agreed amount, less what those before it have cost.

    Their jobs that are still open are not in it: the newest run collects them, and does not pay for them again.

    Returns:
        US dollars; None where no amount was agreed to.
    """
    if now.budget_usd is None:
        return None
    spent = [row["cost_estimate_usd"] or Decimal(0) for row in _attempts(settings, now.run_ids[:-1])]
    return max(now.budget_usd - sum(spent, Decimal(0)), Decimal(0))


def _attempts(settings: Settings, run_ids: Collection[str]) -> list[dict[str, Any]]:
    """Attempts of some runs; none where the books are away."""
    from assetmill.ledger import Ledger, RowFilter  # noqa: PLC0415  handing in and listing need no database library

    try:
        with Ledger.open(settings.ledger_url) as ledger:
            return [row for run_id in sorted(run_ids) for row in ledger.rows(RowFilter(run_id=run_id), _COLUMNS)]
    except LedgerError:
        return []


def asset_costs(settings: Settings, run_ids: Collection[str]) -> tuple[AssetCost, ...]:
    """What each asset cost in some runs, in the order in which they were sent; nothing where the books are away."""
    rows = _attempts(settings, run_ids)
    attempts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        attempts.setdefault((row["asset_id"], row["asset_type"]), []).append(row)
    return tuple(_asset_cost(asset, kind, found) for (asset, kind), found in attempts.items())


def _asset_cost(asset: str, kind: str, attempts: list[dict[str, Any]]) -> AssetCost:
    """All attempts at one asset; one whose cost nobody knows makes the sum unknown."""
    costs: list[Decimal | None] = [row["cost_estimate_usd"] for row in attempts]
    known = [cost for cost in costs if cost is not None]
    return AssetCost(
        asset=asset,
        type=kind,
        attempts=len(attempts),
        kept=sum(row["status"] == "kept" for row in attempts),
        cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
    )
