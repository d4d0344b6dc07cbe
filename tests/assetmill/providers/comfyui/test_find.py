from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from assetmill.clock import Clock
from assetmill.errors import OutcomeUnknown
from assetmill.localpod.comfyui import Comfy, Fault, Kind
from assetmill.providers.base import JobRequest
from assetmill.providers.comfyui import ComfyUIProvider
from assetmill.providers.comfyui.api import ComfyApi

ATTEMPT = "0123456789abcdef0123456789abcdef"
JOB = "01234567-89ab-cdef-0123-456789abcdef"
Requests = Callable[..., JobRequest]
EMPTY: dict[str, Any] = {"queue_running": [], "queue_pending": []}


async def lose(comfy: Comfy, provider: ComfyUIProvider, request: JobRequest, kind: Kind) -> None:
    comfy.inject(Fault(kind))
    with pytest.raises(OutcomeUnknown):
        await provider.submit(request)


@pytest.mark.parametrize("takes_ids", (True, False))
@pytest.mark.parametrize("held", (True, False))
async def test_a_graph_whose_answer_was_lost_is_found_wherever_it_is(
    open_comfy: Any, new_provider: Any, request_of: Requests, *, takes_ids: bool, held: bool
) -> None:
    asked = request_of()
    async with open_comfy(takes_ids=takes_ids) as comfy:
        provider = new_provider(comfy.url)
        if held:
            comfy.hold()
        await lose(comfy, provider, asked, Kind.LOST_ANSWER)
        while not held and comfy.outstanding:  # noqa: ASYNC110  the drawing is a thread's
            await asyncio.sleep(0)
        sighting = await provider.find(ATTEMPT, age_s=0.0)
        assert sighting.job_id is not None
        assert (sighting.job_id == JOB) is takes_ids
        comfy.go()
        collected = await provider.collect(await provider.wait(sighting.job_id), asked.outputs)
    assert set(collected.images) == {"image"}
    assert len(comfy.ran) == 1


async def test_a_graph_that_never_arrived_is_proven_absent_by_a_server_that_was_watched(
    comfy: Comfy, provider: ComfyUIProvider, request_of: Requests, time: Any
) -> None:
    await lose(comfy, provider, request_of(), Kind.LOST_REQUEST)
    began = time.seconds
    sighting = await provider.find(ATTEMPT, age_s=0.0)
    assert sighting.absent
    assert "answered all the time" in sighting.evidence
    assert time.seconds - began >= 20


async def test_a_server_that_was_started_again_proves_nothing(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    async with open_comfy(restart_s=10.0) as comfy:
        provider = new_provider(comfy.url)
        await lose(comfy, provider, request_of(), Kind.LOST_REQUEST)
        comfy.restart()
        sighting = await provider.find(ATTEMPT, age_s=0.0)
        assert (sighting.job_id, sighting.absent, sighting.unanswered) == (None, False, False)
        assert "may have been started again" in sighting.evidence


async def test_a_graph_that_a_restart_made_the_server_forget_is_found_by_its_picture(
    open_comfy: Any, new_provider: Any, request_of: Requests
) -> None:
    asked = request_of(ATTEMPT, "far", "near")
    async with open_comfy() as comfy:
        provider = new_provider(comfy.url)
        comfy.inject(Fault(Kind.CRASH_AFTER_WRITING))
        await lose(comfy, provider, asked, Kind.LOST_ANSWER)
        sighting = await new_provider(comfy.url).find(ATTEMPT, age_s=0.0)
        assert sighting.job_id == JOB
        job = await provider.wait(JOB)
        assert set((await provider.collect(job, asked.outputs)).images) == {"far", "near"}


@pytest.mark.parametrize(("older_s", "absent"), ((1_000, True), (150, False), (10, False)))
async def test_a_later_search_rests_on_what_the_history_still_remembers(
    script: Any, new_provider: Any, clock: Clock, *, older_s: int, absent: bool
) -> None:
    """The attempt was sent 100 s ago; the search takes no time, but the server's clock is told to the second."""
    began = (clock.now() - timedelta(seconds=older_s)).timestamp() * 1000
    entry = {"prompt": [1, "x", {}, {}, []], "status": {"messages": [["execution_start", {"timestamp": began}]]}}
    script.say("queue", JSONResponse(EMPTY))
    script.say(f"history/{JOB}", JSONResponse({}))
    script.say("history", JSONResponse({"x": entry}))
    script.say("view", Response(status_code=404))
    sighting = await new_provider(script.url, look_for_s=60.0).find(ATTEMPT, age_s=200.0)
    assert sighting.absent is absent
    assert not sighting.job_id


async def test_a_server_that_does_not_answer_may_do_so_later(script: Any, new_provider: Any) -> None:
    script.say("queue", PlainTextResponse("502 Bad Gateway", 502))
    sighting = await new_provider(script.url, look_for_s=30.0).find(ATTEMPT, age_s=0.0)
    assert sighting.unanswered
    assert not sighting.absent


async def test_a_gap_in_the_answers_ends_the_proof(script: Any, new_provider: Any, time: Any) -> None:
    def away(_body: bytes) -> Response:
        return Response(status_code=502) if 10 < time.seconds < 15 else JSONResponse(EMPTY)

    script.say("queue", away)
    script.say(f"history/{JOB}", JSONResponse({}))
    script.say("history", JSONResponse({}))
    script.say("view", Response(status_code=404))
    sighting = await new_provider(script.url, look_for_s=30.0).find(ATTEMPT, age_s=0.0)
    assert not sighting.absent
    assert not sighting.unanswered


@pytest.fixture
async def dated() -> AsyncIterator[str]:
    """A server whose clock is two hours ahead."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_servers_clock_need_not_be_ours(dated: str, clock: Clock) -> None:
    async with httpx.AsyncClient() as client:
        api = ComfyApi(client, dated, None, clock)
        await api.queue()
    assert api.skew_s == pytest.approx(7200, abs=60)
