"""Listings: which jobs are asked for, and one page of them.

Newest first, as Scenario sorts them: by creation, or by change where a status or type is asked for. It only chooses;
how a job looks on the wire is `wire`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from assetmill.localpod.scenario.refusal import bad_request
from assetmill.localpod.scenario.works import Job, Status

USUAL_PAGE: Final = 50
MOST_PAGE: Final = 100
_STATUSES: Final = frozenset(status.value for status in Status)
_MOMENTS: Final = ("createdAfter", "updatedAfter")


def chosen(jobs: Iterable[Job], asked: Mapping[str, str]) -> list[Job]:
    """Jobs that a call of `GET /jobs` asks for.

    Raises:
        Refusal: 400, for a status that there is none, a time that is none, or the time that goes with other filters.
    """
    types = frozenset(filter(None, (asked.get("types") or asked.get("type") or "").split(",")))
    status = asked.get("status")
    if status is not None and status not in _STATUSES:
        raise bad_request("status is wrong", status=f"must be one of {', '.join(sorted(_STATUSES))}")
    by_change = bool(types) or status is not None
    name, wrong = reversed(_MOMENTS) if by_change else _MOMENTS
    if wrong in asked:
        raise bad_request(f"{wrong} is wrong", **{wrong: f"with these filters {name} is what is allowed"})
    found = [job for job in jobs if (not types or job.type in types) and status in (None, job.status.value)]
    if name in asked:
        after = _moment(name, asked[name])
        found = [job for job in found if _when(job, by_change=by_change) > after]
    return sorted(found, key=lambda job: _when(job, by_change=by_change), reverse=True)


def page(name: str, bodies: list[dict[str, Any]], asked: Mapping[str, str]) -> dict[str, Any]:
    """One page of a listing, and the token of the next.

    Raises:
        Refusal: 400.
    """
    size = _whole("pageSize", asked.get("pageSize", str(USUAL_PAGE)), 1, MOST_PAGE)
    start = _whole("paginationToken", asked.get("paginationToken", "0"), 0, len(bodies))
    told: dict[str, Any] = {name: bodies[start : start + size]}
    return told | ({"nextPaginationToken": str(start + size)} if start + size < len(bodies) else {})


def _when(job: Job, *, by_change: bool) -> datetime:
    return job.updated_at if by_change else job.created_at


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10) or not least <= int(text) <= most:  # noqa: PLR2004 - a billion
        raise bad_request(f"{name} is wrong", **{name: f"must be {least} to {most}"})
    return int(text)


def _moment(name: str, text: str) -> datetime:
    """A time of ISO 8601; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that nobody encoded
    except ValueError:
        raise bad_request(f"{name} is wrong", **{name: "must be a time of ISO 8601"}) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
