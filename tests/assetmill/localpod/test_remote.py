"""The calls of RunPod's worker SDK, one by one, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import httpx
import pytest

from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.localpod import Counts, Limits, Pod, PodConfig, Rate, running_pod
from assetmill.localpod.remote import worker_environment
from assetmill.localpod.workers import Census

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]
REMOTE = PodConfig(remote_workers=True, limits=Limits(result_bytes=2_000, chunk_bytes=500))
FORM = {"Content-Type": "application/x-www-form-urlencoded", "charset": "utf-8"}


class MovableTime(Protocol):
    @property
    def clock(self) -> Clock: ...
    async def advance(self, seconds: float) -> None: ...
    async def until(self, condition: Callable[[], bool]) -> None: ...
    async def sleeping(self, count: int) -> None: ...


class Wires:
    """Both ends of an endpoint: what a client calls, and what the SDK calls."""

    def __init__(self, client: httpx.AsyncClient, pod: Pod) -> None:
        self.client = client
        self.pod = pod

    async def submit(self, **job_input: Any) -> str:
        answer = await self.client.post("run", json={"input": {"n": 0, **job_input}})
        return str(answer.json()["id"])

    async def take(self, worker: str = "w1", *, busy: bool = False) -> httpx.Response:
        asked = {"gpu": "local", "job_in_progress": "1" if busy else "0"}
        return await self.client.get(f"job-take/{worker}", params=asked)

    async def take_batch(self, size: str, worker: str = "w1") -> httpx.Response:
        asked = {"gpu": "local", "batch_size": size, "job_in_progress": "0"}
        return await self.client.get(f"job-take-batch/{worker}", params=asked)

    async def done(self, job_id: str, posted: Any, worker: str = "w1") -> httpx.Response:
        text = posted if isinstance(posted, str) else json.dumps(posted, ensure_ascii=False)
        asked = {"gpu": "local", "isStream": "false"}
        return await self.client.post(f"job-done/{worker}/{job_id}", params=asked, content=text, headers=FORM)

    async def piece(self, job_id: str, posted: Any, worker: str = "w1") -> httpx.Response:
        asked = {"gpu": "local", "isStream": "true"}
        text = json.dumps(posted)
        return await self.client.post(f"job-stream/{worker}/{job_id}", params=asked, content=text, headers=FORM)

    async def status(self, job_id: str) -> dict[str, Any]:
        body: dict[str, Any] = (await self.client.get(f"status/{job_id}")).json()
        return body

    async def workers(self) -> Mapping[str, int]:
        told: Mapping[str, int] = (await self.client.get("health")).json()["workers"]
        return {state: count for state, count in told.items() if count}


@pytest.fixture
async def wires(open_pod: Open, hand_time: MovableTime) -> AsyncIterator[Wires]:
    async with open_pod(REMOTE, None, hand_time.clock) as (client, pod):
        yield Wires(client, pod)


async def test_a_job_goes_to_the_worker_that_asks_and_its_result_to_the_client(
    wires: Wires, hand_time: MovableTime
) -> None:
    job_id = await wires.submit(prompt='a "cat"\n{🐈}')
    await hand_time.advance(3)
    taken = await wires.take()
    assert (taken.status_code, taken.headers["content-type"]) == (200, "application/json")
    assert taken.json() == {"id": job_id, "input": {"n": 0, "prompt": 'a "cat"\n{🐈}'}}
    assert (await wires.status(job_id))["status"] == "IN_PROGRESS"
    await hand_time.advance(2)
    assert (await wires.done(job_id, {"output": {"images": ["🐈"]}})).status_code == 200
    assert await wires.status(job_id) == {
        "id": job_id, "status": "COMPLETED", "delayTime": 3000, "executionTime": 2000, "workerId": "w1",
        "output": {"images": ["🐈"]},
    }  # fmt: skip
    assert wires.pod.counts() == Counts(completed=1, executed=1)


async def test_a_request_for_a_job_is_held_until_one_comes(wires: Wires, hand_time: MovableTime) -> None:
    asking = asyncio.create_task(wires.take())
    await hand_time.until(lambda: wires.pod.census().idle == 1)
    assert not asking.done()
    job_id = await wires.submit()
    assert (await asking).json()["id"] == job_id


async def test_a_request_for_a_job_ends_empty_after_the_hold(wires: Wires, hand_time: MovableTime) -> None:
    asking = asyncio.create_task(wires.take())
    await hand_time.sleeping(2)  # the endpoint's own tick, and the held request
    await hand_time.advance(REMOTE.worker_hold_s - 1)
    assert not asking.done()
    await hand_time.advance(1)
    answer = await asking
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_worker_that_has_hung_up_gets_no_job(wires: Wires, hand_time: MovableTime) -> None:
    asking = asyncio.create_task(wires.take())
    await hand_time.until(lambda: wires.pod.census().idle == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert wires.pod._remote is not None
    worker = wires.pod._remote._workers["w1"]
    await hand_time.until(lambda: worker.taking is None)
    await wires.submit()
    assert wires.pod.counts() == Counts(in_queue=1)
    assert (await wires.take("w2")).status_code == 200


async def test_a_second_request_of_the_same_worker_is_throttled(wires: Wires, hand_time: MovableTime) -> None:
    asking = asyncio.create_task(wires.take())
    await hand_time.until(lambda: wires.pod.census().idle == 1)
    answer = await wires.take()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    job_id = await wires.submit()
    assert (await asking).json()["id"] == job_id


async def test_a_batch_brings_what_waits_and_no_more_than_asked_for(wires: Wires) -> None:
    job_ids = [await wires.submit(n=n) for n in range(3)]
    first = (await wires.take_batch("2")).json()
    assert [(job["id"], job["input"]) for job in first] == [(job_ids[0], {"n": 0}), (job_ids[1], {"n": 1})]
    assert [job["id"] for job in (await wires.take_batch("9")).json()] == job_ids[2:]


@pytest.mark.parametrize("size", ("", "two", "-1", "99999"))
async def test_a_batch_size_that_is_none_is_refused(wires: Wires, size: str) -> None:
    assert (await wires.take_batch(size)).status_code == 400


async def test_only_the_worker_with_the_job_can_end_it_and_only_once(wires: Wires) -> None:
    job_id = await wires.submit()
    await wires.take("w1")
    other = await wires.done(job_id, {"output": "theirs"}, worker="w2")
    assert (other.status_code, other.json()) == (200, {"accepted": False})
    assert (await wires.status(job_id))["status"] == "IN_PROGRESS"
    assert (await wires.done(job_id, {"output": "mine"})).json() == {"accepted": True}
    for late in ({"output": "again"}, {"error": "again"}):
        again = await wires.done(job_id, late)
        assert (again.status_code, again.json()) == (200, {"accepted": False})
    assert (await wires.done("no-such-job", {"output": 1})).json() == {"accepted": False}
    assert (await wires.status(job_id))["output"] == "mine"
    assert wires.pod.counts() == Counts(completed=1, executed=1)


async def test_progress_shows_until_the_result_and_never_after_it(wires: Wires) -> None:
    job_id = await wires.submit()
    await wires.take()
    assert (await wires.done(job_id, {"status": "IN_PROGRESS", "output": "50 %"})).json() == {"accepted": True}
    told = await wires.status(job_id)
    assert (told["status"], told["output"]) == ("IN_PROGRESS", "50 %")
    await wires.done(job_id, {"output": {"images": []}})
    assert (await wires.done(job_id, {"status": "IN_PROGRESS", "output": "100 %"})).json() == {"accepted": False}
    told = await wires.status(job_id)
    assert (told["status"], told["output"]) == ("COMPLETED", {"images": []})


async def test_progress_of_another_worker_is_dropped(wires: Wires) -> None:
    job_id = await wires.submit()
    await wires.take()
    posted = {"status": "IN_PROGRESS", "output": "50 %"}
    assert (await wires.done(job_id, posted, worker="w2")).json() == {"accepted": False}
    assert "output" not in await wires.status(job_id)


@pytest.mark.parametrize(
    "posted",
    ({"output": "x" * 2_000}, "no JSON", '{"output": NaN}', "[1]", ""),
    ids=["large", "text", "nan", "list", "nothing"],
)
async def test_a_result_that_cannot_be_read_is_refused_and_lost(wires: Wires, posted: Any) -> None:
    job_id = await wires.submit()
    await wires.take()
    assert (await wires.done(job_id, posted)).status_code == 400
    told = await wires.status(job_id)
    assert (told["status"], told["workerId"]) == ("COMPLETED", "w1")
    assert told.keys().isdisjoint({"output", "error"})


async def test_an_unreadable_result_of_another_worker_ends_nothing(wires: Wires) -> None:
    job_id = await wires.submit()
    await wires.take()
    assert (await wires.done(job_id, "no JSON", worker="w2")).status_code == 400
    assert (await wires.status(job_id))["status"] == "IN_PROGRESS"


async def test_streamed_pieces_are_handed_out_once_and_in_order(wires: Wires) -> None:
    job_id = await wires.submit()
    await wires.take()
    for number in range(3):
        assert (await wires.piece(job_id, {"output": {"piece": number}})).json() == {"accepted": True}
    pieces = [{"output": {"piece": number}} for number in range(3)]
    assert (await wires.client.get(f"stream/{job_id}")).json() == {"status": "IN_PROGRESS", "stream": pieces}
    await wires.piece(job_id, {"output": "last"})
    await wires.done(job_id, {"output": []})
    assert (await wires.piece(job_id, {"output": "late"})).json() == {"accepted": False}
    ended = {"status": "COMPLETED", "stream": [{"output": "last"}]}
    assert (await wires.client.get(f"stream/{job_id}")).json() == ended
    assert (await wires.client.get(f"stream/{job_id}")).json() == {"status": "COMPLETED", "stream": []}


async def test_a_too_large_piece_is_refused_and_the_job_goes_on(wires: Wires) -> None:
    job_id = await wires.submit()
    await wires.take()
    assert (await wires.piece(job_id, {"output": "x" * 500})).status_code == 400
    assert (await wires.done(job_id, {"output": "all"})).json() == {"accepted": True}
    assert (await wires.status(job_id))["output"] == "all"


async def test_a_client_waits_for_the_next_piece_while_one_who_waits_for_the_end_goes_on_waiting(
    wires: Wires, hand_time: MovableTime
) -> None:
    job_id = await wires.submit()
    await wires.take()
    piece = asyncio.create_task(wires.client.get(f"stream/{job_id}"))
    end = asyncio.create_task(wires.client.get(f"status-sync/{job_id}"))
    await hand_time.until(lambda: bool(wires.pod._streams._events and wires.pod._waiters._events))
    await wires.piece(job_id, {"output": 1})
    assert (await piece).json() == {"status": "IN_PROGRESS", "stream": [{"output": 1}]}
    assert not end.done()
    await wires.done(job_id, {"output": []})
    assert (await end).json()["status"] == "COMPLETED"


async def test_the_stream_of_an_unknown_job_is_not_found(wires: Wires) -> None:
    assert (await wires.client.get("stream/no-such-job")).status_code == 404


async def test_a_worker_is_told_once_to_stop_a_cancelled_job_and_its_late_result_is_dropped(wires: Wires) -> None:
    job_id = await wires.submit()
    await wires.take()
    assert (await wires.client.post(f"cancel/{job_id}")).json()["status"] == "CANCELLED"
    told = await wires.client.get("job-stop/w1", params={"gpu": "local"})
    assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
    assert told.json() == {"jobsToStop": [job_id]}
    assert await wires.workers() == {"running": 1}  # a handler that does not await hears nothing of it
    assert (await wires.done(job_id, {"output": "late"})).json() == {"accepted": False}
    assert await wires.workers() == {"idle": 1, "ready": 1}
    assert (await wires.status(job_id)) == {"id": job_id, "status": "CANCELLED", "workerId": "w1"} | times(0, 0)


async def test_a_worker_that_listens_hears_at_once_of_a_job_that_timed_out(
    wires: Wires, hand_time: MovableTime
) -> None:
    body = {"input": {"n": 0}, "policy": {"executionTimeout": 5_000}}
    job_id = (await wires.client.post("run", json=body)).json()["id"]
    await wires.take()
    listening = asyncio.create_task(wires.client.get("job-stop/w1"))
    await hand_time.sleeping(2)  # the endpoint's own tick, and the held request
    await hand_time.advance(5)
    assert (await listening).json() == {"jobsToStop": [job_id]}
    assert (await wires.status(job_id))["status"] == "TIMED_OUT"


async def test_a_request_for_jobs_to_stop_ends_empty_after_the_hold(wires: Wires, hand_time: MovableTime) -> None:
    listening = asyncio.create_task(wires.client.get("job-stop/w1"))
    await hand_time.sleeping(2)
    await hand_time.advance(REMOTE.worker_hold_s)
    answer = await listening
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_worker_that_ended_its_job_itself_is_not_told_to_stop_it(wires: Wires, hand_time: MovableTime) -> None:
    job_id = await wires.submit()
    await wires.take()
    await wires.done(job_id, {"output": 1})
    listening = asyncio.create_task(wires.client.get("job-stop/w1"))
    await hand_time.sleeping(2)
    await hand_time.advance(REMOTE.worker_hold_s)
    assert (await listening).status_code == 204


async def test_a_stopped_worker_is_free_when_its_heartbeat_names_the_job_no_more(wires: Wires) -> None:
    job_id = await wires.submit()
    await wires.take()
    await wires.client.post(f"cancel/{job_id}")
    await wires.client.get("ping/w1", params={"job_id": f"x,{job_id}", "runpod_version": "1.12.0"})
    assert await wires.workers() == {"running": 1}
    await wires.client.get("ping/w1", params={"runpod_version": "1.12.0"})
    assert await wires.workers() == {"idle": 1, "ready": 1}


@pytest.mark.parametrize(("busy", "workers"), ((False, {"idle": 1, "ready": 1}), (True, {"running": 1})))
async def test_a_worker_says_with_its_request_whether_a_stopped_job_still_runs_on_it(
    wires: Wires, hand_time: MovableTime, busy: bool, workers: dict[str, int]
) -> None:
    job_id = await wires.submit()
    await wires.take()
    await wires.client.post(f"cancel/{job_id}")
    asking = asyncio.create_task(wires.take(busy=busy))
    await hand_time.sleeping(2)
    assert await wires.workers() == workers
    await hand_time.advance(REMOTE.worker_hold_s)
    assert (await asking).status_code == 204


async def test_the_endpoint_takes_a_silent_workers_job_back_by_itself(wires: Wires, hand_time: MovableTime) -> None:
    job_id = await wires.submit()
    await wires.take()
    await wires.client.get("ping/w1", params={"job_id": job_id})
    asking = asyncio.create_task(wires.take("w2"))
    await hand_time.sleeping(2)  # the endpoint's own tick, and the held request
    await hand_time.advance(REMOTE.worker_hold_s / 2)
    await wires.client.get("ping/w2")
    assert not asking.done()
    await hand_time.advance(REMOTE.worker_hold_s / 2)
    assert (await asking).status_code == 204
    await hand_time.advance(REMOTE.worker_silence_s - REMOTE.worker_hold_s + 1)
    await hand_time.until(lambda: wires.pod.counts().retried == 1)
    assert (await wires.take("w2")).json()["id"] == job_id
    assert await wires.workers() == {"running": 1}


async def test_a_worker_that_finds_itself_unfit_is_told_of_and_gets_no_job(
    wires: Wires, hand_time: MovableTime
) -> None:
    await wires.client.get("ping/w1", params={"runpod_version": "1.12.0"})
    assert await wires.workers() == {"initializing": 1}
    await wires.client.get("ping/w1", params={"status": "unhealthy", "check": "cuda", "reason": "none"})
    assert await wires.workers() == {"unhealthy": 1}
    await wires.submit()
    asking = asyncio.create_task(wires.take())
    await hand_time.sleeping(2)
    assert wires.pod.counts() == Counts(in_queue=1)
    await wires.client.get("ping/w1")
    assert (await asking).status_code == 200


def times(delay_ms: int, execution_ms: int) -> dict[str, int]:
    return {"delayTime": delay_ms, "executionTime": execution_ms}


async def test_a_key_is_taken_bare_from_workers_and_never_from_clients(open_pod: Open) -> None:
    async with open_pod(PodConfig(remote_workers=True, api_key="right"), None) as (client, _):
        job = {"input": {"n": 1}}
        bare = {"Authorization": "right"}
        assert (await client.post("run", json=job, headers=bare)).status_code == 401
        assert (await client.post("run", json=job)).status_code == 200
        assert (await client.get("job-take/w1", headers=bare)).status_code == 200
        assert (await client.get("ping/w1")).status_code == 200


@pytest.mark.parametrize(
    ("path", "header", "status"),
    (
        ("draft/job-take/w1", "wrong", 401),
        ("draft/ping/w1", "Bearer wrong", 401),
        ("draft/job-stop/w1", "", 401),
        ("other/job-take/w1", "right", 404),
    ),
)
async def test_who_may_not_enter_is_held_back_a_while_so_that_it_does_not_spin(
    open_pod: Open, hand_time: MovableTime, path: str, header: str, status: int
) -> None:
    async with open_pod(PodConfig(remote_workers=True, api_key="right"), None, hand_time.clock) as (client, pod):
        url = f"{pod.url.removesuffix('draft')}{path}"
        asking = asyncio.create_task(client.get(url, headers={"Authorization": header}))
        await hand_time.sleeping(2)  # the endpoint's own tick, and the refused one
        await hand_time.advance(0.5)
        assert (await client.get("health")).status_code == 200  # time enough to answer the other one
        assert not asking.done()
        await hand_time.advance(0.5)
        assert (await asking).status_code == status
        assert pod.census() == Census()


async def test_held_requests_are_answered_when_the_endpoint_goes(hand_time: MovableTime) -> None:
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        async with running_pod(REMOTE, clock=hand_time.clock) as pod:
            calls = [asyncio.create_task(client.get(f"{pod.url}/{path}/w1")) for path in ("job-take", "job-stop")]
            remote = pod._remote
            assert remote is not None
            await hand_time.until(lambda: any(w.taking and w.listening for w in remote._workers.values()))
        assert [(await call).status_code for call in calls] == [204, 204]


async def test_an_endpoint_with_workers_of_its_own_serves_no_others(open_pod: Open) -> None:
    async with open_pod(PodConfig(), dict) as (client, _):
        for path in ("job-take/w1", "job-take-batch/w1", "job-stop/w1", "ping/w1"):
            assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(("config", "worker"), ((PodConfig(), None), (REMOTE, dict)))
async def test_an_endpoint_has_either_a_handler_or_remote_workers(config: PodConfig, worker: Any) -> None:
    with pytest.raises(UsageError, match="either"):
        async with running_pod(config, worker):
            pass


@pytest.mark.parametrize(("hold_s", "silence_s"), ((0.0, 30.0), (20.0, -1.0)))
def test_a_worker_can_neither_be_held_nor_be_silent_for_no_time(hold_s: float, silence_s: float) -> None:
    with pytest.raises(UsageError, match="no time"):
        PodConfig(remote_workers=True, worker_hold_s=hold_s, worker_silence_s=silence_s)


async def test_the_stream_has_a_rate_of_its_own(open_pod: Open) -> None:
    limits = Limits(stream=Rate(1), status=Rate(1))
    async with open_pod(PodConfig(remote_workers=True, limits=limits), None) as (client, _):
        codes = [(await client.get(f"{call}/no-such-job")).status_code for call in ("stream", "status", "stream")]
    assert codes == [404, 404, 429]


def test_a_workers_environment_has_the_addresses_the_sdk_fills_in_and_no_key() -> None:
    made = worker_environment("http://127.0.0.1:1/v2/ep", "w1")
    addresses = {name: value for name, value in made.items() if name.startswith("RUNPOD_WEBHOOK_")}
    assert len(addresses) == 4
    assert all("?" in address for address in addresses.values())  # the SDK appends `&…`
    assert addresses["RUNPOD_WEBHOOK_GET_JOB"].count("$ID") == 1
    assert int(made["RUNPOD_PING_INTERVAL"]) >= 1_000  # less is no pause at all
    assert made["RUNPOD_POD_ID"] == "w1"
    assert "RUNPOD_AI_API_KEY" not in made
