"""The bill of one endpoint in time buckets, as RunPod's billing resource tells it.

It divides the meter's charges over buckets and knows nothing of HTTP. A record never holds more than sums: neither
there nor here does a bill say what a job or a GPU model cost.

Source: docs.runpod.io, api-reference-v2/billing/get-serverless-billing-history. Without a window it is the last 30
days; the window is snapped outwards to whole buckets; `lastN` is counted back from the bucket that is going on.
Whether a bucket without costs has a record is not said there; here it has none. Weeks begin on Monday, days at 0:00
UTC. The platform fee is always 0: RunPod publishes no rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Final

from assetmill.errors import RequestRejected
from assetmill.localpod.meter import USD_STEP, Charge

USUAL_DAYS: Final = 30
MOST_BUCKETS: Final = 10_000
AMOUNTS: Final = ("totalAmount", "gpuAmount", "cpuAmount", "diskAmount", "feeAmount")


class Bucket(StrEnum):
    """Length of one record."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    def floor(self, moment: datetime) -> datetime:
        """Start of the bucket that a moment lies in."""
        hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        match self:
            case Bucket.HOUR:
                return hour
            case Bucket.DAY:
                return hour.replace(hour=0)
            case Bucket.WEEK:
                return hour.replace(hour=0) - timedelta(days=hour.weekday())
            case Bucket.MONTH:
                return hour.replace(hour=0, day=1)
            case _:
                return hour.replace(hour=0, day=1, month=1)

    def after(self, start: datetime) -> datetime:
        """Start of the bucket after the one that starts then."""
        match self:
            case Bucket.HOUR:
                return start + timedelta(hours=1)
            case Bucket.DAY:
                return start + timedelta(days=1)
            case Bucket.WEEK:
                return start + timedelta(days=7)
            case Bucket.MONTH:
                return self.floor(start + timedelta(days=31))
            case _:
                return self.floor(start + timedelta(days=366))

    def ceiling(self, moment: datetime) -> datetime:
        """The moment itself where a bucket starts, else the start of the next one."""
        start = self.floor(moment)
        return start if start == moment else self.after(start)


@dataclass(frozen=True, slots=True)
class BillQuery:
    """What was asked, snapped to whole buckets.

    Args:
        bucket: length of one record.
        since: start of the first bucket.
        until: end of the last one.
        serverless_id: the only endpoint that is asked about; None for all.
    """

    bucket: Bucket
    since: datetime
    until: datetime
    serverless_id: str | None = None


def read_query(parameters: Mapping[str, str], now: datetime) -> BillQuery:
    """Read the parameters of a call.

    Raises:
        RequestRejected: one of them cannot be, or two exclude each other; the message names it.
    """
    try:
        return _snapped(parameters, _bucket(parameters.get("bucketSize", Bucket.DAY)), now)
    except OverflowError:
        raise RequestRejected("the window reaches beyond the calendar") from None


def _snapped(parameters: Mapping[str, str], bucket: Bucket, now: datetime) -> BillQuery:
    last = parameters.get("lastN")
    if last is None:
        since = _moment(parameters, "startTime", now - timedelta(days=USUAL_DAYS))
        until = _moment(parameters, "endTime", now)
        if since >= until:
            raise RequestRejected("startTime must be before endTime")
        return BillQuery(bucket, bucket.floor(since), bucket.ceiling(until), parameters.get("serverlessId"))
    if "startTime" in parameters or "endTime" in parameters:
        raise RequestRejected("lastN cannot be combined with startTime or endTime")
    since = bucket.floor(now)
    until = bucket.after(since)
    for _ in range(_whole("lastN", last) - 1):
        since = bucket.floor(since - timedelta(hours=1))
    return BillQuery(bucket, since, until, parameters.get("serverlessId"))


def bill_body(charges: Iterable[Charge], endpoint_id: str, query: BillQuery) -> dict[str, Any]:
    """The answer: a record for each bucket in which something was charged, and the sums of all of them."""
    mine = query.serverless_id in (None, endpoint_id)
    records = [_record(endpoint_id, *found) for found in _amounts(tuple(charges) if mine else (), query)]
    totals = {name: sum((record[name] for record in records), Decimal(0)) for name in AMOUNTS}
    return {
        "records": [_plain(record) for record in records],
        "metadata": {
            "query": {
                "startTime": _stamp(query.since),
                "endTime": _stamp(query.until),
                "bucketSize": query.bucket.value,
                **({"serverlessId": query.serverless_id} if query.serverless_id else {}),
            },
            "recordCount": len(records),
            "uniqueServerlessCount": min(len(records), 1),
            "totals": _plain(totals),
        },
    }


def _amounts(charges: tuple[Charge, ...], query: BillQuery) -> Iterator[tuple[datetime, datetime, Decimal, Decimal]]:
    """Bucket by bucket: start, end, and what GPUs and disks cost in it, where they cost anything."""
    if not charges:
        return
    start = max(query.since, query.bucket.floor(min(one.started_at for one in charges)))
    last = min(query.until, query.bucket.ceiling(max(one.billed_until for one in charges)))
    while start < last:
        end = query.bucket.after(start)
        shares = [one.within(start, end) for one in charges]
        gpu, disk = (sum((share[place] for share in shares), Decimal(0)) for place in (0, 1))
        if gpu or disk:
            yield start, end, _rounded(gpu), _rounded(disk)
        start = end


def _record(endpoint_id: str, start: datetime, end: datetime, gpu: Decimal, disk: Decimal) -> dict[str, Any]:
    return {
        "startTime": _stamp(start),
        "endTime": _stamp(end),
        "serverlessId": endpoint_id,
        "totalAmount": gpu + disk,
        "gpuAmount": gpu,
        "cpuAmount": Decimal(0),
        "diskAmount": disk,
        "feeAmount": Decimal(0),
    }


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """Amounts as JSON numbers: fifteen digits of a double hold eight decimals of any bill of this machine."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in record.items()}


def _bucket(text: str) -> Bucket:
    try:
        return Bucket(text)
    except ValueError:
        raise RequestRejected(f"bucketSize must be one of {', '.join(Bucket)}") from None


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MOST_BUCKETS or len(text) > len("10000"):
        raise RequestRejected(f"{name} must be a whole number from 1 to {MOST_BUCKETS}")
    return int(text)


def _moment(parameters: Mapping[str, str], name: str, default: datetime) -> datetime:
    """A time of RFC 3339, which has a zone."""
    text = parameters.get(name)
    if text is None:
        return default.astimezone(UTC)
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that nobody encoded
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or "T" not in text.upper():
        raise RequestRejected(f"{name} must be a time of RFC 3339, such as 2026-08-01T00:00:00Z")
    return moment.astimezone(UTC)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(USD_STEP, ROUND_HALF_UP)
