"""Faults of calls, over real HTTP and, where the connection breaks, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import httpx
import pytest

from assetmill.clock import Clock
from assetmill.localpod import FAULT_HEADER, Faults, Kind, Pod, PodConfig, Rule

Open = Callable[..., AbstractAsyncContextManager[tuple[httpx.AsyncClient, Pod]]]
QUICK = {"input": {"prompt": "a red dragon", "assetmill_attempt": "a-1"}}
BIG = 200_000


class MovableTime(Protocol):
    seconds: float

    @property
    def clock(self) -> Clock: ...
    async def advance(self, seconds: float) -> None: ...
    async def until(self, condition: Callable[[], bool]) -> None: ...
    async def sleeping(self, count: int) -> None: ...


def echo(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"seen": job_input.get("prompt"), "padding": "x" * int(job_input.get("padding", 0))}


def faulty(*rules: Rule, **settings: Any) -> PodConfig:
    return PodConfig(faults=Faults(rules), **settings)


async def settled(pod: Pod, executed: int = 1) -> None:
    async with asyncio.timeout(30):
        while pod.counts().completed < executed:  # noqa: ASYNC110 - nobody was told the job's id
            await asyncio.sleep(0)


async def raw(pod: Pod, path: str, body: Mapping[str, Any] | None = None) -> tuple[bytes, OSError | None]:
    """Send one request on a plain socket; all that came back, and how the connection ended."""
    sent = json.dumps(body).encode() if body is not None else b""
    head = f"{'GET' if body is None else 'POST'} /v2/draft/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sent)}"
    url = httpx.URL(pod.url)
    loop, parts = asyncio.get_running_loop(), []
    with socket.socket() as line:
        line.setblocking(False)
        await loop.sock_connect(line, (url.host, url.port))
        await loop.sock_sendall(line, head.encode() + b"\r\n\r\n" + sent)
        try:
            while part := await loop.sock_recv(line, 65_536):
                parts.append(part)
        except OSError as error:
            return b"".join(parts), error
    return b"".join(parts), None


async def test_a_burst_of_429_ends_and_queues_nothing(open_pod: Open) -> None:
    config = faulty(Rule(Kind.THROTTLE, times=3, seconds=2.5, operation="run"))
    async with open_pod(config, echo) as (client, pod):
        answers = [await client.post("run", json=QUICK) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [429, 429, 429, 200]
        assert {answer.headers.get("Retry-After") for answer in answers[:3]} == {"2.5"}
        assert (await client.get("health")).status_code == 200, "only the operation that was named"
        await settled(pod)
        assert pod.counts().executed == 1
        assert pod.injected() == {"throttle": 3}


async def test_a_429_need_not_say_when_to_come_back(open_pod: Open) -> None:
    async with open_pod(faulty(Rule(Kind.THROTTLE)), echo) as (client, _):
        answer = await client.post("run", json=QUICK)
        assert answer.status_code == 429
        assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("call", (("POST", "run"), ("GET", "status/x"), ("GET", "health"), ("POST", "purge-queue")))
async def test_any_operation_may_meet_a_gateways_page(open_pod: Open, call: tuple[str, str]) -> None:
    async with open_pod(faulty(Rule(Kind.BAD_GATEWAY, times=1)), echo) as (client, pod):
        answer = await client.request(*call, json=QUICK if call[0] == "POST" else None)
        assert answer.status_code == 502
        assert answer.headers["content-type"].startswith("text/html")
        assert "<html>" in answer.text
        assert (await client.get("health")).json()["jobs"]["inQueue"] == 0
        assert pod.counts().executed == 0
        assert [one.subject for one in pod.injections()] == [call[1] if "/" not in call[1] else "x"]


async def test_a_key_may_be_refused_of_a_sudden(open_pod: Open) -> None:
    config = faulty(Rule(Kind.KEY_REFUSED, after=1), api_key="right")
    async with open_pod(config, echo) as (client, _):
        assert [(await client.get("health")).status_code for _ in range(2)] == [200, 401]


async def test_a_lost_answer_leaves_a_job_that_runs(open_pod: Open) -> None:
    async with open_pod(faulty(Rule(Kind.LOST_ANSWER, times=1)), echo) as (client, pod):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("run", json=QUICK)
        await settled(pod)
        (execution,) = pod.executions()
        assert (execution.attempt_key, execution.status) == ("a-1", "COMPLETED")
        (injection,) = pod.injections()
        assert (injection.kind, injection.subject) == (Kind.LOST_ANSWER, execution.job_id)
        assert (await client.get(f"status/{execution.job_id}")).json()["output"]["seen"] == "a red dragon"


async def test_a_lost_answer_is_not_one_byte_on_the_wire(open_pod: Open) -> None:
    async with open_pod(faulty(Rule(Kind.LOST_ANSWER)), echo) as (_, pod):
        assert (await raw(pod, "run", QUICK))[0] == b""
        await settled(pod)


async def test_a_garbled_answer_leaves_a_job_that_runs(open_pod: Open) -> None:
    async with open_pod(faulty(Rule(Kind.GARBLED_ANSWER, status=500)), echo) as (client, pod):
        answer = await client.post("run", json=QUICK)
        assert (answer.status_code, "<html>" in answer.text) == (500, True)
        await settled(pod)
        assert pod.counts().executed == 1


async def test_a_lost_request_leaves_nothing(open_pod: Open) -> None:
    async with open_pod(faulty(Rule(Kind.LOST_REQUEST, times=1)), echo) as (client, pod):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("run", json=QUICK)
        assert (await client.get("health")).json()["jobs"]["inQueue"] == 0
        assert (pod.counts().executed, pod.executions()) == (0, ())
        assert (await client.post("run", json=QUICK)).status_code == 200


async def test_lost_answers_are_those_of_submissions_unless_another_is_named(open_pod: Open) -> None:
    async with open_pod(faulty(Rule(Kind.LOST_ANSWER)), echo) as (client, _):
        assert (await client.get("health")).status_code == 200
    async with open_pod(faulty(Rule(Kind.LOST_ANSWER, operation="health")), echo) as (client, _):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("health")


async def test_a_reset_comes_as_a_reset_in_the_middle_of_the_answer(open_pod: Open) -> None:
    config = faulty(Rule(Kind.RESET, operation="status"))
    async with open_pod(config, echo) as (client, pod):
        job_id = (await client.post("run", json={"input": {"padding": BIG}})).json()["id"]
        await settled(pod)
        received, error = await raw(pod, f"status/{job_id}")
        assert isinstance(error, ConnectionResetError), "the peer's RST, not an orderly end"
        assert len(received) < BIG
        with pytest.raises(httpx.ReadError):
            await client.get(f"status/{job_id}")
        assert (await client.get(f"status-sync/{job_id}")).status_code == 200
        assert pod.injected() == {"reset": 2}


async def test_a_trickle_comes_a_few_bytes_at_a_time_and_whole(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(Rule(Kind.SLOW_TRICKLE, operation="health", size_bytes=40, seconds=3))
    async with open_pod(config, echo, hand_time.clock) as (client, pod):
        url, start = httpx.URL(pod.url), hand_time.seconds
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(b"GET /v2/draft/health HTTP/1.1\r\nHost: x\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].split()[0])
        pieces = [await reader.read(length)]
        while len(b"".join(pieces)) < length:
            await hand_time.sleeping(2)  # the timekeeper and the pause
            await hand_time.advance(3)
            pieces.append(await reader.read(length))
        writer.close()
        assert max(map(len, pieces)) == 40
        assert len(pieces) == -(-length // 40) > 2
        assert hand_time.seconds - start == 3 * (len(pieces) - 1)
        assert json.loads(b"".join(pieces))["jobs"]["inQueue"] == 0
        assert pod.injected() == {"slow_trickle": 1}
        del client


async def test_a_pod_that_goes_sends_what_is_left_of_a_trickle_at_once(open_pod: Open, hand_time: MovableTime) -> None:
    config = faulty(Rule(Kind.SLOW_TRICKLE, size_bytes=1, seconds=1_000))
    async with open_pod(config, echo, hand_time.clock) as (_, pod):
        asking = asyncio.create_task(raw(pod, "health"))
        await hand_time.sleeping(2)
    received, error = await asking
    assert error is None
    assert received.endswith(b"}}")


async def test_a_body_over_a_smaller_limit_is_refused_in_runpods_words(open_pod: Open) -> None:
    config = faulty(Rule(Kind.OVERSIZE_BODY, size_bytes=1_000))
    async with open_pod(config, echo) as (client, pod):
        assert (await client.post("run", json=QUICK)).status_code == 200
        answer = await client.post("run", json={"input": {"prompt": "x" * 1_000}})
        assert answer.status_code == 400
        assert "exceeded max body size of" in answer.text
        await settled(pod)
        assert pod.counts().executed == 1
        assert pod.injected() == {"oversize_body": 1}


async def test_a_young_job_is_not_found_for_a_while(open_pod: Open, hand_time: MovableTime) -> None:
    async with open_pod(faulty(Rule(Kind.NOT_YET)), echo, hand_time.clock) as (client, pod):
        job_id = (await client.post("run", json=QUICK)).json()["id"]
        calls = (("GET", "status"), ("GET", "status-sync"), ("POST", "cancel"))
        for method, operation in calls:
            assert (await client.request(method, f"{operation}/{job_id}")).status_code == 404
        await settled(pod)  # it runs all the same
        await hand_time.advance(1.9)
        assert (await client.get(f"status/{job_id}")).status_code == 404
        await hand_time.advance(0.1)
        assert (await client.get(f"status/{job_id}")).json()["status"] == "COMPLETED"
        assert pod.injected() == {"not_yet": 4}


async def test_only_the_job_with_the_word_in_its_prompt_is_hit(open_pod: Open) -> None:
    async with open_pod(faulty(Rule(Kind.BAD_GATEWAY, match="dragon")), echo) as (client, pod):
        assert (await client.post("run", json=QUICK)).status_code == 502
        cat = (await client.post("run", json={"input": {"prompt": "a cat"}})).json()["id"]
        await settled(pod)
        assert (await client.get(f"status/{cat}")).json()["status"] == "COMPLETED"
        assert (await client.get("health")).status_code == 200


async def test_a_call_may_ask_for_its_own_fault(open_pod: Open) -> None:
    async with open_pod(PodConfig(faults_by_request=True), echo) as (client, pod):
        asked = {FAULT_HEADER: '{"kind": "throttle", "seconds": 4}'}
        answer = await client.get("health", headers=asked)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "4")
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("run", json=QUICK, headers={FAULT_HEADER: "lost_answer"})
        await settled(pod)
        wrong = await client.get("health", headers={FAULT_HEADER: "rest"})
        assert (wrong.status_code, "there is no fault" in wrong.text) == (400, True)
        assert (await client.get("health")).status_code == 200
        assert pod.injected() == {"throttle": 1, "lost_answer": 1}


async def test_a_job_may_ask_for_a_fault_of_its_own_call(open_pod: Open) -> None:
    async with open_pod(PodConfig(faults_by_request=True), echo) as (client, pod):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("run", json={"input": {"assetmill_fault": "lost_request"}})
        wrong = await client.post("run", json={"input": {"assetmill_fault": {"kind": "reset", "chnce": 1}}})
        assert (wrong.status_code, "chnce" in wrong.text) == (400, True)
        assert pod.counts().executed + pod.counts().in_queue == 0


async def test_a_stray_key_or_header_does_nothing(open_pod: Open) -> None:
    async with open_pod(PodConfig(), echo) as (client, pod):
        answer = await client.post(
            "run", json={"input": {"assetmill_fault": "lost_request"}}, headers={FAULT_HEADER: "throttle"}
        )
        assert answer.status_code == 200
        await settled(pod)
        assert pod.injected() == {}


async def test_the_key_is_asked_for_before_any_fault(open_pod: Open) -> None:
    async with open_pod(faulty(Rule(Kind.BAD_GATEWAY), api_key="right"), echo) as (client, pod):
        assert (await client.get("health", headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert pod.injected() == {}
