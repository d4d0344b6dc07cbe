"""Events of ours that Prefect's automations listen for: what only the rules know, told where alerts are made of it.

An event is a word on the side. Telling it never raises into a batch, never waits for the server, and says nothing that
a stranger may not read: names, sentences and hints, no key and no address. Where no server is configured nothing is
told; Prefect would start one of its own for it. docs/alerts.md says what becomes of each.
"""

from __future__ import annotations

from prefect.events import emit_event
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL

from assetmill.batch.purse import Warned
from assetmill.errors import AssetmillError, QueueStalled
from assetmill.providers.runpod.diagnosis import Cause

QUEUE_STALLED = "assetmill.queue.stalled"
NO_WORKERS = "assetmill.endpoint.no-workers"
ENDPOINT = "assetmill.endpoint."
BUDGET_HALF = "assetmill.budget.half"
BUDGET_MOST = "assetmill.budget.most"
BUDGET_SPENT = "assetmill.budget.spent"
BUDGET_EVENTS = {50: BUDGET_HALF, 80: BUDGET_MOST, 100: BUDGET_SPENT}
BUDGET = "assetmill.budget."
LONGEST_WORDS = 1000


def queue_stalled(endpoint: str, words: str, hint: str = "") -> bool:
    """Jobs wait at an endpoint and a run has given up.

    Args:
        endpoint: its short name, as plans and books have it.
        words: why, in one sentence.
        hint: what to do about it.

    Returns:
        Whether it was told; the flow run that tells it becomes a related resource by itself.
    """
    return _tell(QUEUE_STALLED, endpoint, words, hint)


def no_workers(endpoint: str, words: str, hint: str = "") -> bool:
    """An endpoint's maximum of workers is 0: nothing that is sent there will ever run. As `queue_stalled`."""
    return _tell(NO_WORKERS, endpoint, words, hint)


def run_ended(endpoint: str, error: AssetmillError | None) -> None:
    """Tell what there is to tell of the error that ended a run before its time; nothing for most of them."""
    if not isinstance(error, QueueStalled):
        return
    if error.cause == Cause.NO_WORKERS_ALLOWED:
        no_workers(endpoint, error.message, error.hint)
    queue_stalled(endpoint, error.message, error.hint)


def budget_warned(warned: Warned) -> None:
    """A budget is half spent, mostly spent, or reached; the books see to it that each is told once."""
    budget = warned.budget
    _tell(BUDGET_EVENTS[warned.percent], f"{budget.kind}.{budget.of}", warned.words, "", of=BUDGET)


def _tell(event: str, name: str, words: str, hint: str, *, of: str = ENDPOINT) -> bool:
    """Tell of an endpoint, or of whatever else a resource id can begin with."""
    if not PREFECT_API_URL.value():
        return False
    resource = {"prefect.resource.id": of + name, "prefect.resource.name": name}
    payload = {"words": words[:LONGEST_WORDS], "hint": hint[:LONGEST_WORDS]}
    try:
        return emit_event(event=event, resource=resource, payload=payload) is not None
    except Exception as error:  # noqa: BLE001  an alert that cannot be given must not end what it is about
        get_logger(__name__).warning("event %s could not be told: %s", event, type(error).__name__)
        return False
