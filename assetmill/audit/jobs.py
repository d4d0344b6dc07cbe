"""What was executed, for what, and how often: a picture is paid for once, and what could not be is named.

Every retry is an attempt with its own cost. Two stored pictures of one fingerprint are a fault of the rules; a job
after one that failed is none, and is listed all the same, because it was paid for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from assetmill.audit.findings import Finding, Kind, Row
from assetmill.audit.receipts import SETTLE
from assetmill.errors import BlankImage, OutcomeUnknown
from assetmill.ledger import Status
from assetmill.money import usd

WITH_PICTURE = (Status.KEPT, Status.REJECTED)
HOUR_S, DAY_S = 3600, 86_400

IsGone = Callable[[str | None], bool]
Groups = defaultdict[tuple[object, ...], list[Row]]


def compare_jobs(attempts: Iterable[Row]) -> Iterator[Finding]:
    """Jobs that two attempts claim, and pictures that are stored twice."""
    by_job: Groups = defaultdict(list)
    by_picture: Groups = defaultdict(list)
    for attempt in attempts:
        if attempt["job_id"] is not None:
            by_job[attempt["endpoint"], attempt["job_id"]].append(attempt)
        if attempt["status"] in WITH_PICTURE and attempt["error_class"] != BlankImage.code:
            by_picture[attempt["game"], attempt["fingerprint"], attempt["draft"]].append(attempt)
    for (endpoint, job_id), claimed in by_job.items():
        if len(claimed) > 1:
            yield _about(Kind.JOB_TWICE, claimed, f"job {job_id} of {endpoint} belongs to {_names(claimed)}")
    for stored in by_picture.values():  # a picture of nothing is kept too, and rightly drawn once more
        if len(stored) > 1:
            words = f"{_picture(stored[0])} was {_paid(stored)} for {_names(stored)}"
            yield _about(Kind.PAID_TWICE, stored, words)


def list_repeats(attempts: Iterable[Row]) -> Iterator[Finding]:
    """Pictures that took several jobs, with the class by which each one ended."""
    by_id = {attempt["attempt_id"]: attempt for attempt in attempts}
    chains: Groups = defaultdict(list)
    for attempt in by_id.values():
        if _executed(attempt):
            first = _first_of(attempt, by_id)
            chains[first["game"], first["fingerprint"], first["draft"]].append(attempt)
    for chain in chains.values():
        if len(chain) > 1:
            ends = ", ".join(_end(attempt) for attempt in chain)
            message = f"{_picture(chain[0])} took {len(chain)} jobs: {ends}"
            yield _about(Kind.EXECUTED_AGAIN, chain, message)


def list_unknowns(attempts: Iterable[Row]) -> Iterator[Finding]:
    """Attempts whose outcome nobody knows, and what they may have cost."""
    for attempt in attempts:
        if attempt["status"] == Status.LOST and attempt["error_class"] == OutcomeUnknown.code:
            message = f"{_picture(attempt)} was sent at {attempt['intended_at']:%F %T} UTC: {_may_have_cost(attempt)}"
            yield _about(Kind.OUTCOME_UNKNOWN, [attempt], message, "the endpoint's own list of jobs or its bill tells")


def list_open(
    attempts: Iterable[Row], receipts: Mapping[str, object], now: datetime, is_gone: IsGone
) -> Iterator[Finding]:
    """Attempts without an end: how old, whose, and whether anybody is at them.

    Args:
        attempts: rows of the books.
        receipts: receipts by attempt id.
        now: aware time.
        is_gone: whether the process at a place has ended for certain.
    """
    for attempt in attempts:
        if Status(attempt["status"]).settled:
            continue
        job = f" as job {attempt['job_id']}" if attempt["job_id"] else ""
        receipt = "; its receipt is stored, only the final row is missing" if attempt["attempt_id"] in receipts else ""
        free, owner = _owner(attempt, now, is_gone)
        age = _span(now - attempt["intended_at"])
        message = f"{_picture(attempt)} is {attempt['status']}{job}, {age} old, {owner}{receipt}"
        yield _about(Kind.OPEN, [attempt], message, SETTLE if free else "wait: somebody is at it")


def _owner(attempt: Row, now: datetime, is_gone: IsGone) -> tuple[bool, str]:
    """Whether anybody may take an attempt over, and why."""
    owner, until = attempt["owner"], attempt["claimed_until"]
    if owner is None:
        return True, "looked after by nobody"
    if is_gone(attempt["owner_place"]):
        return True, f"claimed by {owner}, whose process has ended"
    if until is None or until < now:
        since = "" if until is None else f" {_span(now - until)} ago"
        return True, f"claimed by {owner}, whose claim ran out{since}"
    return False, f"claimed by {owner} for another {_span(until - now)}"


def _executed(attempt: Row) -> bool:
    """Whether a job ran, or may have."""
    if attempt["status"] == Status.CANCELLED:
        return False
    return attempt["job_id"] is not None or attempt["status"] == Status.LOST


def _first_of(attempt: Row, by_id: Mapping[str, Row]) -> Row:
    """The attempt that a chain of retries began with; a retry may have another seed, so another fingerprint."""
    seen = {attempt["attempt_id"]}
    while (earlier := by_id.get(attempt["retry_of"] or "")) is not None and earlier["attempt_id"] not in seen:
        seen.add(earlier["attempt_id"])
        attempt = earlier
    return attempt


def _may_have_cost(attempt: Row) -> str:
    if attempt["draft"]:
        return "a draft, which costs nothing"
    high = attempt["cost_high_usd"] if attempt["cost_high_usd"] is not None else attempt["planned_high_usd"]
    return "nobody can say what it may have cost" if high is None else f"it may have cost up to {usd(high)}"


def _paid(stored: list[Row]) -> str:
    return "drawn and stored" if stored[0]["draft"] else "paid and stored"


def _end(attempt: Row) -> str:
    return f"{attempt['status']}({attempt['error_class']})" if attempt["error_class"] else str(attempt["status"])


def _picture(attempt: Row) -> str:
    return f"{attempt['asset_id']} candidate {attempt['candidate']}"


def _names(attempts: list[Row]) -> str:
    return " and ".join(attempt["attempt_id"] for attempt in attempts)


def _about(kind: Kind, attempts: list[Row], message: str, hint: str = "") -> Finding:
    last = attempts[-1]
    return Finding(kind, last["attempt_id"], last["game"], message, hint)


def _span(length: timedelta) -> str:
    seconds = max(0.0, length.total_seconds())
    if seconds < HOUR_S:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR_S:.0f} h" if seconds < 2 * DAY_S else f"{seconds / DAY_S:.0f} days"
