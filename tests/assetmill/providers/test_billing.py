"""Reading a bill: as decimals, as a whole or not at all, and from nobody but the endpoint's own management API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from assetmill.errors import NotDelivered, ProviderRefused, UsageError
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.runpod.billing import MOST_HOURS, BilledHour, billed_hours

PATH = "/v2/billing/serverless"
H = datetime(2026, 8, 5, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Scripted(Protocol):
    seen: list[tuple[str, str, bytes, dict[str, str]]]

    def say(self, path: str, *answers: Response) -> None: ...
    def calls(self, path: str) -> int: ...


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


def record(began: datetime = H, **changes: Any) -> dict[str, Any]:
    amounts = {"totalAmount": 0.3, "gpuAmount": 0.2, "cpuAmount": 0, "diskAmount": 0.1, "feeAmount": 0}
    stamps = {"startTime": began.isoformat(), "endTime": (began + HOUR).isoformat()}
    return {"serverlessId": "ep", **stamps, **amounts, **changes}


def bill(*records: Any) -> Response:
    return JSONResponse({"records": list(records), "metadata": {}})


async def test_amounts_never_pass_through_a_float(
    script: Scripted, endpoint: Endpoint, client: httpx.AsyncClient
) -> None:
    body = json.dumps({"records": [record()]}).replace("0.3", "0.30000000000000004", 1)
    script.say(PATH, Response(body, media_type="application/json"))
    (hour,) = await billed_hours(client, endpoint, H, H + HOUR)
    told = (Decimal("0.2"), Decimal(0), Decimal("0.1"), Decimal(0))
    assert hour == BilledHour(H, Decimal("0.30000000000000004"), *told)
    assert script.seen[0][3]["authorization"] == "Bearer made-up-key"


async def test_what_a_record_does_not_say_is_not_known(
    script: Scripted, endpoint: Endpoint, client: httpx.AsyncClient
) -> None:
    script.say(PATH, bill(record(gpuAmount=None, feeAmount="much")))
    (hour,) = await billed_hours(client, endpoint, H, H + HOUR)
    assert (hour.gpu_usd, hour.fee_usd, hour.disk_usd) == (None, None, Decimal("0.1"))


async def test_records_of_others_and_of_other_hours_are_left_out(
    script: Scripted, endpoint: Endpoint, client: httpx.AsyncClient
) -> None:
    script.say(PATH, bill(record(serverlessId="other"), record(H - HOUR), record(H + 2 * HOUR), record(H + HOUR)))
    assert [hour.began_at for hour in await billed_hours(client, endpoint, H, H + 2 * HOUR)] == [H + HOUR]


async def test_two_records_of_one_hour_are_added_up(
    script: Scripted, endpoint: Endpoint, client: httpx.AsyncClient
) -> None:
    script.say(PATH, bill(record(), record(totalAmount=0.5, diskAmount=None)))
    (hour,) = await billed_hours(client, endpoint, H, H + HOUR)
    assert (hour.total_usd, hour.gpu_usd, hour.disk_usd) == (Decimal("0.8"), Decimal("0.4"), Decimal("0.1"))


async def test_a_long_window_is_asked_in_parts(script: Scripted, endpoint: Endpoint, client: httpx.AsyncClient) -> None:
    script.say(PATH, bill(record()), bill(record(H + MOST_HOURS * HOUR)))
    hours = await billed_hours(client, endpoint, H, H + (MOST_HOURS + 1) * HOUR)
    assert len(hours) == script.calls(PATH) == 2


@pytest.mark.parametrize(
    "wrong",
    (
        record(totalAmount=None), record(totalAmount="0.3"), record(startTime="soon"), "x",
        record(startTime="2026-08-05T10:00:00"), record(H + HOUR / 2), record(endTime=(H + 2 * HOUR).isoformat()),
    ),
    ids=("no sum", "a text", "no time", "no record", "no zone", "half an hour", "a longer bucket"),
)  # fmt: skip
async def test_a_bill_with_a_record_that_makes_no_sense_is_not_believed(
    wrong: Any, script: Scripted, endpoint: Endpoint, client: httpx.AsyncClient
) -> None:
    script.say(PATH, bill(record(H + HOUR), wrong))
    with pytest.raises(NotDelivered):
        await billed_hours(client, endpoint, H, H + 3 * HOUR)


@pytest.mark.parametrize(
    "answer",
    (
        Response("<html>", 502),
        Response("<html>", 200),
        JSONResponse({"records": 3}),
        JSONResponse([]),
        Response("[" * 9),
    ),
    ids=("gateway", "a page", "no records", "a list", "broken"),
)
async def test_what_is_no_bill_is_told_as_none(
    answer: Response, script: Scripted, endpoint: Endpoint, client: httpx.AsyncClient
) -> None:
    script.say(PATH, answer)
    with pytest.raises(NotDelivered):
        await billed_hours(client, endpoint, H, H + HOUR)


@pytest.mark.parametrize("status", (401, 403))
async def test_a_key_without_the_permission_is_told_without_being_repeated(
    status: int, script: Scripted, endpoint: Endpoint, client: httpx.AsyncClient
) -> None:
    script.say(PATH, JSONResponse({"detail": "made-up-key may not"}, status))
    with pytest.raises(ProviderRefused) as refused:
        await billed_hours(client, endpoint, H, H + HOUR)
    assert "made-up-key" not in str(refused.value)
    assert "permission" in refused.value.hint


async def test_nobody_is_asked_where_there_is_no_management(endpoint: Endpoint, client: httpx.AsyncClient) -> None:
    with pytest.raises(UsageError, match="management"):
        await billed_hours(client, replace(endpoint, management_url=""), H, H + HOUR)


async def test_an_api_that_is_away_is_told(endpoint: Endpoint, client: httpx.AsyncClient) -> None:
    with pytest.raises(NotDelivered, match="ConnectError"):
        await billed_hours(client, replace(endpoint, management_url="http://127.0.0.1:9/v2"), H, H + HOUR)
