"""The endpoint's bill: whole buckets, sums that are the meter's, and refusals of what cannot be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assetmill.clock import Clock
from assetmill.errors import RequestRejected, UsageError
from assetmill.localpod import LOCAL_GPU, Charge, Gpu, Pod, PodConfig, gpus_named, known_gpus
from assetmill.localpod.billing import Bucket, bill_body, read_query
from assetmill.money import load_prices

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]
T0 = datetime(2026, 8, 5, 10, 59, 50, tzinfo=UTC)  # a Wednesday
GPU = Gpu("NVIDIA GeForce RTX 4090", "RTX 4090", "ADA_24", 24, Decimal("3.6"))  # $0.001 a second


class MovableTime(Protocol):
    seconds: float

    @property
    def clock(self) -> Clock: ...
    async def advance(self, seconds: float) -> None: ...
    async def until(self, condition: Callable[[], bool]) -> None: ...
    async def sleeping(self, count: int) -> None: ...


def walled(time: MovableTime) -> Clock:
    """The clock that stands still, with a wall-clock time that moves along."""
    began_s = time.seconds
    return replace(time.clock, now=lambda: T0 + timedelta(seconds=time.seconds - began_s))


def charge(began: datetime, seconds: int, *, count: int = 1, disk_gb: int = 0) -> Charge:
    return Charge("w", GPU, count, disk_gb, began, seconds, running=False)


def asked(**parameters: str) -> Mapping[str, Any]:
    query = read_query(parameters, T0 + timedelta(hours=2))
    return bill_body([charge(T0, 3_000, disk_gb=30), charge(T0 + timedelta(minutes=1), 60)], "ep", query)


def echo(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"seen": dict(job_input)}


def resource(pod: Pod, path: str) -> str:
    return pod.url.rpartition("/")[0] + path


async def test_the_bill_over_http_is_what_the_meter_counted(open_pod: Open, hand_time: MovableTime) -> None:
    config = PodConfig(gpus=(GPU,), gpu_count=2, cold_start_s=8.5, idle_timeout_s=3, endpoint_id="ep", api_key="k")
    async with open_pod(config, echo, walled(hand_time)) as (client, pod):
        await client.post("run", json={"input": {"n": 1}})
        await hand_time.until(lambda: bool(pod.charges()))
        await hand_time.sleeping(2)  # the worker that starts, and the endpoint's own timekeeper
        await hand_time.advance(8.5)
        await hand_time.until(lambda: pod.counts().completed == 1 and pod.census().idle == 1)
        await hand_time.sleeping(2)  # the worker that waits for another job
        await hand_time.advance(3)
        await hand_time.until(lambda: pod.census().idle == 0)
        window = {"bucketSize": "hour", "startTime": "2026-08-05T10:59:00Z", "endTime": "2026-08-05T11:00:01Z"}
        body = (await client.get(resource(pod, "/billing/serverless"), params=window)).json()
        (life,) = pod.charges()
    assert (life.seconds, life.usd) == (12, Decimal("0.024"))
    before, after = body["records"]
    assert (before["startTime"], before["endTime"]) == ("2026-08-05T10:00:00Z", "2026-08-05T11:00:00Z")
    assert (before["totalAmount"], after["totalAmount"]) == (0.02, 0.004), "ten of its seconds lie before 11:00"
    assert before["serverlessId"] == "ep"
    assert body["metadata"]["totals"]["gpuAmount"] == float(life.usd)
    assert body["metadata"]["query"]["endTime"] == "2026-08-05T12:00:00Z", "snapped outwards"
    assert body["metadata"]["recordCount"] == 2


def test_disk_is_billed_in_blocks_of_five_minutes_beside_the_gpu() -> None:
    (record,) = asked(lastN="1", bucketSize="month")["records"]
    assert record["diskAmount"] == float(Decimal("0.000011574") * 30 * 10)
    assert record["gpuAmount"] == 3.06
    assert record["totalAmount"] == pytest.approx(record["gpuAmount"] + record["diskAmount"], abs=1e-12)
    assert (record["cpuAmount"], record["feeAmount"]) == (0, 0)


@pytest.mark.parametrize(
    ("bucket", "start", "end"),
    (
        (Bucket.HOUR, "2026-08-05T10:00", "2026-08-05T11:00"),
        (Bucket.DAY, "2026-08-05T00:00", "2026-08-06T00:00"),
        (Bucket.WEEK, "2026-08-03T00:00", "2026-08-10T00:00"),
        (Bucket.MONTH, "2026-08-01T00:00", "2026-09-01T00:00"),
        (Bucket.YEAR, "2026-01-01T00:00", "2027-01-01T00:00"),
    ),
)
def test_buckets_begin_where_the_calendar_does(bucket: Bucket, start: str, end: str) -> None:
    query = read_query({"bucketSize": bucket, "startTime": T0.isoformat(), "endTime": "2026-08-05T11:00:00Z"}, T0)
    assert query.since.isoformat()[:16] == start
    assert bucket.after(query.since).isoformat()[:16] == end
    assert bucket.ceiling(query.since) == query.since
    assert query.until.isoformat()[:16] == end


@given(
    lives=st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 200_000)), min_size=1, max_size=6),
    bucket=st.sampled_from(list(Bucket)),
)
def test_buckets_add_up_to_the_charges_however_long_they_are(lives: list[tuple[int, int]], bucket: Bucket) -> None:
    charges = [charge(T0 + timedelta(milliseconds=100 * began), lasts) for began, lasts in lives]
    query = read_query(
        {"bucketSize": bucket, "startTime": "2026-07-01T00:00:00Z", "endTime": "2027-01-01T00:00:00Z"}, T0
    )
    body = bill_body(charges, "ep", query)
    total = sum((Decimal(str(record["totalAmount"])) for record in body["records"]), Decimal(0))
    assert abs(total - sum((one.usd for one in charges), Decimal(0))) <= Decimal("0.00000001") * len(body["records"])
    assert float(total) == pytest.approx(body["metadata"]["totals"]["totalAmount"], abs=1e-9)
    ends = [record["endTime"] for record in body["records"]]
    assert ends == sorted(set(ends))


def test_what_lies_outside_the_window_is_not_told() -> None:
    late = asked(startTime="2026-08-05T11:00:00Z", endTime="2026-08-05T11:30:00Z", bucketSize="hour")
    early = asked(startTime="2026-08-05T09:00:00Z", endTime="2026-08-05T10:00:00Z", bucketSize="hour")
    whole = asked(bucketSize="hour")
    assert [record["startTime"] for record in late["records"]] == ["2026-08-05T11:00:00Z"]
    assert early["records"] == []
    assert [record["startTime"][11:13] for record in whole["records"]] == ["10", "11"]
    assert whole["metadata"]["query"]["startTime"] == "2026-07-06T12:00:00Z", "30 days before now"


def test_the_last_buckets_end_with_the_one_that_goes_on() -> None:
    assert asked(lastN="1", bucketSize="hour")["records"] == []
    assert len(asked(lastN="2", bucketSize="hour")["records"]) == 1
    query = asked(lastN="3", bucketSize="hour")["metadata"]["query"]
    assert (query["startTime"], query["endTime"]) == ("2026-08-05T10:00:00Z", "2026-08-05T13:00:00Z")
    assert asked(lastN="14", bucketSize="month")["metadata"]["query"]["startTime"] == "2025-07-01T00:00:00Z"


def test_another_endpoint_has_no_records_here() -> None:
    body = asked(serverlessId="other")
    assert (body["records"], body["metadata"]["uniqueServerlessCount"]) == ([], 0)
    assert len(asked(serverlessId="ep")["records"]) == 1


@pytest.mark.parametrize(
    ("parameters", "words"),
    (
        ({"bucketSize": "minute"}, "bucketSize"),
        ({"lastN": "0"}, "lastN"),
        ({"lastN": "x"}, "lastN"),
        ({"lastN": "10000", "bucketSize": "year"}, "calendar"),
        ({"lastN": "2", "startTime": "2026-08-01T00:00:00Z"}, "lastN"),
        ({"startTime": "2026-08-01"}, "startTime"),
        ({"startTime": "2026-08-01T00:00:00"}, "startTime"),
        ({"endTime": "soon"}, "endTime"),
        ({"startTime": "2026-08-02T00:00:00Z", "endTime": "2026-08-01T00:00:00Z"}, "before"),
    ),
)
def test_what_cannot_be_asked_is_refused_by_name(parameters: dict[str, str], words: str) -> None:
    with pytest.raises(RequestRejected, match=words):
        read_query(parameters, T0)


async def test_refusals_are_problems_and_nobody_hears_anything_without_the_key(open_pod: Open) -> None:
    async with open_pod(PodConfig(api_key="right"), echo) as (client, pod):
        for path, bad in (("/billing/serverless", {"bucketSize": "x"}), ("/catalog/gpus", {"product": "SERVERLESS"})):
            refused = await client.get(resource(pod, path), params=bad)
            assert (refused.status_code, refused.json()["title"]) == (400, "Bad Request")
            assert refused.headers["content-type"] == "application/problem+json"
            locked = await client.get(resource(pod, path), params=bad, headers={"Authorization": "Bearer wrong"})
            assert locked.status_code == 401


async def test_the_catalogue_and_the_workers_tell_the_same_gpu(open_pod: Open, hand_time: MovableTime) -> None:
    config = PodConfig(gpus=gpus_named(["ADA_24"]), catalog=known_gpus(), gpu_count=2, flashboot=True)
    async with open_pod(config, echo, walled(hand_time)) as (client, pod):
        gpus = (await client.get(resource(pod, "/catalog/gpus"))).json()["gpus"]
        stocked = (
            await client.get(
                resource(pod, "/catalog/gpus"), params={"include": "AVAILABILITY", "product": "SERVERLESS"}
            )
        ).json()["gpus"]
        settings = (await client.get(resource(pod, "/serverless/draft"))).json()
        await client.post("run", json={"input": {"n": 1}})
        await hand_time.until(lambda: pod.counts().completed == 1)
        (worker,) = (await client.get(resource(pod, "/serverless/draft/workers"))).json()["workers"]
    assert (settings["gpu"]["pools"], settings["gpu"]["count"]) == (["ADA_24"], 2)
    assert settings["flashboot"] == "FLASHBOOT"
    (told,) = [gpu for gpu in gpus if gpu["id"] == worker["gpuTypeId"]]
    assert (told["pool"], told["name"], told["memory"]) == ("ADA_24", "RTX 4090", 24)
    assert told["price"]["serverless"] == pytest.approx(float(load_prices()["ADA_24"].usd_per_s or 0) * 3600)
    assert {gpu["pool"] for gpu in gpus} == set(load_prices())
    assert ["availability" in one for one in (gpus[0], stocked[0])] == [False, True]
    (dear,) = [gpu for gpu in gpus if gpu["pool"] == "ADA_32_PRO"]
    assert dear["price"]["serverless"] is None, "nobody has published it"


async def test_without_gpus_an_endpoint_has_no_prices_and_costs_nothing(open_pod: Open) -> None:
    async with open_pod(PodConfig(), echo) as (client, pod):
        assert (await client.get(resource(pod, "/catalog/gpus"))).json() == {"gpus": []}
        await client.post("runsync", json={"input": {"n": 1}})
        assert (await client.get(resource(pod, "/billing/serverless"))).json()["records"] == []
        (life,) = pod.charges()
    assert (life.gpu, life.usd) == (LOCAL_GPU, Decimal(0))


def test_gpus_are_found_by_pool_name_or_id_and_the_nearest_is_named() -> None:
    assert [gpu.name for gpu in gpus_named(["ampere_24", "L4"])] == ["L4", "RTX A5000", "RTX 3090"]
    assert gpus_named(["NVIDIA L40S"]) == gpus_named(["l40s"])
    with pytest.raises(UsageError) as refused:
        gpus_named(["RTX 4080"])
    assert "did you mean" in refused.value.hint
    with pytest.raises(UsageError, match="no GPU is named"):
        gpus_named([])


@pytest.mark.parametrize(
    "bad", ({"gpus": ()}, {"gpu_count": 0}, {"disk_gb": -1}, {"resume_s": -1}, {"image_pull_s": -1})
)
def test_figures_that_cannot_be_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        PodConfig(**bad)
