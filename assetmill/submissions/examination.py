"""One step: a submission that was received becomes invalid, planned, or awaits approval.

Whoever examines holds a claim meanwhile, so that two ingesters do not plan the same file; should the claim run out, the
exchange of the record still lets only one finding stand.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from assetmill.errors import AssetmillError
from assetmill.manifest import ManifestError
from assetmill.planning.plan import Plan
from assetmill.submissions import papers
from assetmill.submissions.examining import figures_of, plan_manifest
from assetmill.submissions.gate import unasked_budget
from assetmill.submissions.office import Office
from assetmill.submissions.records import Record, State


def examine(office: Office, record_id: str, limit: Decimal) -> Record | None:
    """Validate and plan; see `Desk.examine`."""
    claimed = office.shelf.change(record_id, lambda now: _claimed(office, now))
    if claimed is None:
        return None
    try:
        data = office.shelf.bytes_of(claimed)
        plan = plan_manifest(office.settings, claimed.name, data, claimed.provider)
    except ManifestError as error:
        document = papers.errors_document(claimed.name, error.problems, data)
        paper = office.shelf.keep_paper(claimed.id, document)
        return _found(office, record_id, State.INVALID, error.message, paper=paper)
    except AssetmillError as error:
        return _troubled(office, record_id, f"{error.message}{f' ({error.hint})' if error.hint else ''}")
    except Exception as error:  # noqa: BLE001  a fault of ours in one file must not hold up everybody else's
        return _troubled(office, record_id, f"assetmill could not plan it: {type(error).__name__}")
    return _planned(office, claimed, plan, limit)


def _claimed(office: Office, now: Record) -> Record | None:
    at = office.now()
    if now.state is not State.RECEIVED or now.held_by_another(office.owner, at):
        return None
    return now.claimed(office.owner, at, office.lease_s)


def _planned(office: Office, record: Record, plan: Plan, limit: Decimal) -> Record | None:
    figures = figures_of(plan, limit)
    paper = office.shelf.keep_paper(record.id, papers.plan_document(plan, limit))
    found: dict[str, Any] = {"plan": figures, "paper": paper}
    if figures.asks is None:
        budget = unasked_budget(plan, limit)
        return _found(office, record.id, State.PLANNED, "nobody has to agree to it", **found, budget_usd=budget)
    until = office.now() + timedelta(hours=office.settings.approval_hours)
    return _found(office, record.id, State.AWAITING_APPROVAL, figures.asks, **found, approve_by=until)


def _found(office: Office, record_id: str, state: State, words: str, **fields: Any) -> Record | None:
    """Write the finding down, unless somebody else has."""

    def step(now: Record) -> Record | None:
        if now.state is not State.RECEIVED or now.held_by_another(office.owner, office.now()):
            return None
        return now.moved(state, office.now(), words, **fields)

    return office.shelf.change(record_id, step)


def _troubled(office: Office, record_id: str, words: str) -> Record | None:
    """Let go of it, and say why: it is tried again."""

    def step(now: Record) -> Record | None:
        if now.state is not State.RECEIVED or now.held_by_another(office.owner, office.now()):
            return None
        return now.changed(claim=None, trouble=words)

    return office.shelf.change(record_id, step)
