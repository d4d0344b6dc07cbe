"""The night: every manifest of the store's active list, one after the other, each as a flow run of its own.

Which manifests, and with what budget, stands in assetmill.active; how a night is judged, in assetmill.night. Whoever
switches its schedule on has consented to what the entries of the list may cost.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from assetmill.active import Entry, read_active
from assetmill.batch.report import BatchReport, Ending
from assetmill.clock import Clock
from assetmill.errors import LedgerError
from assetmill.ledger import Ledger
from assetmill.night import Night, Part, most_spent, part_of
from assetmill.settings import Settings, load_settings
from assetmill.storage import open_store
from flows.generate_batch import generate_batch
from flows.setup.variables import night_budget_usd


@flow(
    name="nightly",
    description="Every manifest of the store's active list, one after the other, each as a run of its own.",
    persist_result=False,
    validate_parameters=True,
)
async def nightly(only: list[str] | None = None, *, budget_usd: float | None = None) -> State[list[str]]:
    """Run the active list. A manifest that fails does not keep the next from running.

    Args:
        only: Names of entries. Empty for all of the list.
        budget_usd: The most that all of them together may cost, US dollars. Empty for what the variable
            assetmill_night_budget_usd says.

    Returns:
        Completed, CompletedWithFailures, Failed or Cancelled by the rule of a single run; the data is the names of
        the entries that were complete.
    """
    settings = load_settings()
    store = open_store(settings.store_url, settings.store_access)
    entries = (await asyncio.to_thread(read_active, store)).chosen(tuple(only or ()))
    budget = Decimal(str(budget_usd)) if budget_usd is not None else await night_budget_usd()
    night = Night(tuple(entry.name for entry in entries), budget)
    for entry in entries:
        if night.stopped:
            break
        night.parts.append(await _part(settings, entry, night.left_usd))
        get_run_logger().info("%s: %s", entry.name, night.parts[-1].words)
    return _final_state(night)


async def _part(settings: Settings, entry: Entry, left_usd: Decimal | None) -> Part:
    """One batch, as a subflow run; whatever it raises is in its state."""
    run_id = Clock().new_id()
    state: State[Any] = await generate_batch(**entry.parameters(left_usd), run_id=run_id, return_state=True)
    value = getattr(state.data, "result", state.data)
    if isinstance(value, BatchReport):
        part = part_of(entry.name, value)
    else:
        ending: Ending = "cancelled" if state.is_cancelled() else "failed"
        part = Part(entry.name, ending, state.message or str(state.name), None)
    if left_usd is None:
        return part
    return replace(part, most_usd=await asyncio.to_thread(_most, settings, run_id, left_usd))


def _most(settings: Settings, run_id: str, left_usd: Decimal) -> Decimal:
    """What a batch takes from what was left: all of it, where nobody can tell."""
    try:
        with Ledger.open(settings.ledger_url) as ledger:
            most = most_spent(ledger, run_id)
    except LedgerError:
        return left_usd
    return left_usd if most is None else most


def _final_state(night: Night) -> State[list[str]]:
    complete = [part.name for part in night.parts if part.ending == "complete"]
    if night.ending == "complete":
        return Completed(message=night.sentence, data=complete)
    if night.ending == "with_failures":
        return Completed(name="CompletedWithFailures", message=night.sentence, data=complete)
    if night.ending == "cancelled":
        return Cancelled(message=night.sentence, data=complete)
    return Failed(message=night.sentence, data=complete)
