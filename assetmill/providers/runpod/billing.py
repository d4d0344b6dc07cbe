"""What RunPod has billed for an endpoint, hour by hour, from its management API.

It only asks and reads; what an hour's sum was made of no record says, nor which job or GPU caused it. Numbers are read
as decimals and never pass through a float. The key goes to the endpoint's own management address and nowhere else, and
no answer's words are repeated without hiding it.

Source: docs.runpod.io, api-reference-v2/billing/get-serverless-billing-history. The smallest bucket is an hour; the
window is snapped outwards; `endTime` is exclusive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import httpx

from assetmill.errors import NotDelivered, ProviderRefused, UsageError
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod.management import bearer

HOUR: Final = timedelta(hours=1)
MOST_HOURS: Final = 31 * 24
"""Hours of one question; a longer window is asked in parts."""

ANSWERS_S: Final = 30.0
UNAUTHORISED: Final = frozenset({401, 403})
AMOUNTS: Final = ("totalAmount", "gpuAmount", "cpuAmount", "diskAmount", "feeAmount")


@dataclass(frozen=True, slots=True)
class BilledHour:
    """One hour of an endpoint's bill, US dollars; a part that the record does not name is None.

    Args:
        began_at: start of the hour, aware.
        total_usd: everything.
        gpu_usd: for GPUs.
        cpu_usd: for processors.
        disk_usd: for container disks.
        fee_usd: the platform's fee.
    """

    began_at: datetime
    total_usd: Decimal
    gpu_usd: Decimal | None = None
    cpu_usd: Decimal | None = None
    disk_usd: Decimal | None = None
    fee_usd: Decimal | None = None


async def billed_hours(
    client: httpx.AsyncClient, endpoint: Endpoint, since: datetime, until: datetime
) -> tuple[BilledHour, ...]:
    """Ask what was billed from one whole hour to another; hours without a record are left out.

    Args:
        client: shared HTTP client.
        endpoint: its id, management address and key.
        since: start of the first hour, aware.
        until: end of the last one.

    Raises:
        UsageError: the endpoint has no management address.
        ProviderRefused: the key may not read bills, or there is no such resource.
        NotDelivered: no answer, or none that can be read.
    """
    if not endpoint.management_url or not endpoint.id:
        raise UsageError(f"nobody tells what endpoint {endpoint.name} was billed", hint="it has no management address")
    hours: dict[datetime, BilledHour] = {}
    start = since
    while start < until:
        end = min(until, start + MOST_HOURS * HOUR)
        for hour in _read(await _ask(client, endpoint, start, end), endpoint.id, start, end):
            known = hours.get(hour.began_at)
            hours[hour.began_at] = hour if known is None else _both(known, hour)
        start = end
    return tuple(hours[began] for began in sorted(hours))


async def _ask(client: httpx.AsyncClient, endpoint: Endpoint, since: datetime, until: datetime) -> Mapping[str, Any]:
    headers = bearer(endpoint.key)
    try:
        response = await client.get(
            f"{endpoint.management_url}/billing/serverless",
            params={
                "serverlessId": endpoint.id,
                "bucketSize": "hour",
                "startTime": _stamp(since),
                "endTime": _stamp(until),
            },
            headers=headers,
            timeout=ANSWERS_S,
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise NotDelivered(f"the bill of {endpoint.name} cannot be asked for ({type(error).__name__})") from None
    if response.status_code in UNAUTHORISED:
        raise ProviderRefused(
            f"the key may not read the bill of {endpoint.name} ({response.status_code})",
            hint="give the key the permission to read billing",
        )
    if not response.is_success:
        raise NotDelivered(f"no bill of {endpoint.name}: the management API answered {response.status_code}")
    try:
        body = json.loads(response.content, parse_float=Decimal, parse_int=Decimal)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("records"), list):
        raise NotDelivered(f"the bill of {endpoint.name} is none that can be read")
    return body


def _read(body: Mapping[str, Any], endpoint_id: str, since: datetime, until: datetime) -> list[BilledHour]:
    """Records of this endpoint and this window.

    Raises:
        NotDelivered: one of them cannot be read: a bill is believed as a whole, or not at all.
    """
    hours = []
    for record in body["records"]:
        if isinstance(record, Mapping) and record.get("serverlessId", endpoint_id) != endpoint_id:
            continue
        hour = _hour(record)
        if hour is None:
            raise NotDelivered("the bill has a record that cannot be read", hint="is it of whole hours?")
        if since <= hour.began_at < until:
            hours.append(hour)
    return hours


def _hour(record: Any) -> BilledHour | None:
    if not isinstance(record, Mapping):
        return None
    began, ended = _moment(record.get("startTime")), _moment(record.get("endTime"))
    total, *parts = (_amount(record.get(name)) for name in AMOUNTS)
    if began is None or total is None or began != began.replace(minute=0, second=0, microsecond=0):
        return None
    if ended is not None and ended - began > HOUR:
        return None
    return BilledHour(began, total, *parts)


def _both(one: BilledHour, other: BilledHour) -> BilledHour:
    """Two records of one hour, added up."""
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("gpu_usd", "cpu_usd", "disk_usd", "fee_usd"))
    parts = [first if second is None else second if first is None else first + second for first, second in pairs]
    return BilledHour(one.began_at, one.total_usd + other.total_usd, *parts)


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None


def _amount(value: Any) -> Decimal | None:
    return value if isinstance(value, Decimal) and value.is_finite() else None


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
