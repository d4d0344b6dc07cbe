"""Jobs: every executed one is in the books exactly once, and no picture was executed twice without a reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from assetmill.errors import AttemptError, OutcomeUnknown
from assetmill.ledger import Status
from assetmill.providers.retry import MOST_PAID, RULES, Charge, rule_for

if TYPE_CHECKING:
    from oracle import Evidence, Verdict

Row = dict[str, Any]
WITH_PICTURE: Final = (Status.KEPT, Status.REJECTED)
TAKEN_BACK, COMPLETED = "TAKEN_BACK", "COMPLETED"
SPOILING: Final = frozenset(
    {
        "no_output", "oversize_result", "partial_outputs", "truncated_image", "not_an_image", "blank_image",
        "wrong_size_image", "jpeg_as_png", "huge_header", "expiry", "late_progress",
    }
)  # fmt: skip
"""Faults that can keep a completed job's picture from us; without one of them it has to be kept."""
SWEEPING: Final = frozenset({"purge", "vanish", "cancelled_elsewhere"})
"""Faults that take a waiting job away, and out of the endpoint's counts: afterwards it is as if it had never come."""


def counted_once(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """Every execution has its row, and every row's job is one that the endpoint took in for it."""
    jobs: dict[str | None, set[str]] = defaultdict(set)
    for job_id, attempt in evidence.truth.accepted.items():
        jobs[attempt].add(job_id)
        if attempt not in evidence.by_id:
            yield f"job {job_id} was accepted for attempt {attempt}, which has no row"
    yield from (f"attempt {one} was accepted {len(ids)} times: {ids}" for one, ids in jobs.items() if len(ids) > 1)
    for one in evidence.truth.ran:
        row = evidence.by_id.get(one.attempt or "")
        if row is None:
            yield f"job {one.job_id} was executed for attempt {one.attempt}, which has no row"
        elif row["job_id"] is None and not _unknown(row):
            yield f"job {one.job_id} was executed, and {_said(row)} names no job"
        elif row["job_id"] not in (None, one.job_id):
            yield f"job {one.job_id} was executed, and {_said(row)} names job {row['job_id']}"
    for row in evidence.rows:
        if row["job_id"] and evidence.truth.accepted.get(row["job_id"]) != row["attempt_id"]:
            yield f"{_said(row)} names job {row['job_id']}, which was not accepted for it"
    verdict.counts["executions"] += len(evidence.truth.ran)


def nothing_unsent_ran(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """What is said never to have arrived, or to have cost nothing, was not executed."""
    sent = {attempt: job_id for job_id, attempt in evidence.truth.accepted.items()}
    swept_away = {whom for kind, whom in evidence.truth.struck if kind in SWEEPING}
    for row in evidence.rows:
        settled = Status(row["status"]).settled
        if settled and row["job_id"] is None and not _unknown(row) and row["attempt_id"] in sent:
            if sent[row["attempt_id"]] in swept_away and not evidence.ran(row):
                verdict.counts["accepted unheard, and withdrawn by others before it ran"] += 1
            else:
                yield f"{_said(row)} was accepted all the same ({row['error_text']})"
        ran = [one for one in evidence.ran(row) if one.status != TAKEN_BACK]  # what became of those nobody is told
        if settled and ran and row["cost_high_usd"] == 0:
            yield f"{_said(row)} cost nothing, and was executed ({row['cost_source']}: {row['error_text']})"
        if _unknown(row):
            did = "was executed" if evidence.ran(row) else "was accepted" if row["attempt_id"] in sent else "never came"
            verdict.counts[f"unknown outcome that {did}"] += 1


def nothing_paid_was_lost(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """A job that completed has brought its picture, unless a fault spoiled that very result or nobody knows of it."""
    spoiled = {whom for kind, whom in evidence.truth.struck if kind in SPOILING}
    for row in evidence.rows:
        ran = evidence.ran(row)
        if not ran or ran[-1].status != COMPLETED or row["status"] in WITH_PICTURE or _unknown(row):
            continue
        verdict.counts["completed jobs whose result a fault spoiled"] += 1
        if ran[-1].job_id not in spoiled:
            yield f"job {ran[-1].job_id} completed, and {_said(row)} has no picture of it ({row['error_text']})"


def never_twice(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """Executions of one picture: each but the first has its reason, and those of one job are the platform's own."""
    by_job: Counter[str] = Counter()
    for one in evidence.truth.ran:
        by_job[one.job_id] += 1
        if one.status == TAKEN_BACK:
            verdict.counts["platform duplicate"] += 1
            by_job[one.job_id] -= 1
    yield from (f"job {job_id} was executed {n} times" for job_id, n in by_job.items() if n > 1)
    by_picture: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in evidence.rows:
        by_picture[row["game"], row["fingerprint"], row["draft"]].append(row)
    for rows in by_picture.values():
        yield from _one_picture(rows, evidence, verdict)


def _one_picture(rows: list[Row], evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    for number, row in enumerate(rows[1:], 1):
        unknown = sum(_unknown(before) for before in rows[:number])
        if unknown > evidence.resend_unknown:
            yield f"{_said(row)} was sent after {unknown} unknown outcomes; {evidence.resend_unknown} may be followed"
        for before in rows[:number]:
            yield from _second(before, row, evidence, verdict)
    yield from _within_the_table(rows)


def _second(before: Row, row: Row, evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """Why one attempt may follow another at the same picture."""
    replaces = row["retry_of"] == before["attempt_id"]
    if before["status"] in WITH_PICTURE and not (replaces and before["error_class"] == "blank_image"):
        yield f"{_said(row)} followed {_said(before)}: the picture was there"
    if before["settled_at"] is None or row["intended_at"] < before["settled_at"]:
        yield f"{_said(row)} was sent while {_said(before)} was open"
    both = evidence.ran(before) and evidence.ran(row)
    if both and _unknown(before):
        verdict.counts["unknown outcome executed twice"] += 1
        verdict.named.append(
            f"{row['asset_id']}: {before['attempt_id']} was unknown and ran, and {row['attempt_id']} too"
        )
    elif both and before["status"] != Status.CANCELLED:
        verdict.counts[f"executed again after {before['error_class']}"] += 1
    same = row["run_id"] == before["run_id"] and row["asset_id"] == before["asset_id"]
    again = row["candidate"] == before["candidate"] and same
    if again and not replaces and row["retry_of"] is None:
        rule = rule_for(_class_of(before))
        verdict.counts["again in the same run without naming its predecessor"] += 1
        if not rule.again and not _unknown(before):
            yield f"{_said(row)} followed {_said(before)} in one run, though that class is never sent again"
    if both and not _unknown(before):
        yield from _beside(before, row, evidence)


def _beside(before: Row, row: Row, evidence: Evidence) -> Iterator[str]:
    """A job must not begin once its replacement has run."""
    first = min(one.started_s for one in evidence.ran(row))
    late = [one for one in evidence.ran(before) if one.started_s > first]
    if late:
        yield f"job {before['job_id']} of {_said(before)} began after its replacement {_said(row)}"


def _within_the_table(rows: list[Row]) -> Iterator[str]:
    """Within one run, no more tries of one picture than the retry table allows."""
    by_run: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        by_run[row["run_id"], row["asset_id"], row["candidate"]].append(row)
    for tries in by_run.values():
        codes = Counter(row["error_class"] for row in tries[:-1])
        for code, times in codes.items():
            again = next((rule.again for kind, rule in RULES.items() if kind.code == code), 0)
            if code != OutcomeUnknown.code and times > again:
                yield f"{_said(tries[-1])} is a try after {times} of class {code}, which allows {again}"
        charged = [row for row in tries if rule_for(_class_of(row)).charged is not Charge.NO]
        if len(charged) > MOST_PAID:
            yield f"{len(charged)} tries of {tries[0]['asset_id']} in one run were charged; the most is {MOST_PAID}"


def _unknown(row: Row) -> bool:
    return bool(row["status"] == Status.LOST and row["error_class"] == OutcomeUnknown.code)


def _class_of(row: Row) -> type[AttemptError]:
    return next((kind for kind in RULES if kind.code == row["error_class"]), AttemptError)


def _said(row: Row) -> str:
    ended = f"{row['status']}({row['error_class']})" if row["error_class"] else row["status"]
    return f"{row['asset_id']}#{row['candidate']} {row['attempt_id'][:8]} {ended}"
