"""Every answer that /run can give is the right decision for its caller."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse

from assetmill.errors import (
    AssetmillError,
    NotDelivered,
    OutcomeUnknown,
    ProviderRefused,
    RequestRejected,
    RequestTooLarge,
    Throttled,
)
from assetmill.providers.base import InputImage, JobRequest
from assetmill.providers.runpod.api import MAX_RUN_BYTES, JobApi, JobUnknownError
from assetmill.providers.wire import retry_after_s

REQUEST = JobRequest("attempt-1", {"9": {"class_type": "SaveImage", "inputs": {}}}, {"image": "attempt-1-image"})


async def test_run_returns_the_job_id_and_sends_key_policy_and_attempt(script, api):
    script.say("run", JSONResponse({"id": "job-1", "status": "IN_QUEUE", "unheard_of": [1]}))
    assert await api.run(REQUEST) == "job-1"
    method, _, body, headers = script.seen[0]
    sent = json.loads(body)
    assert method == "POST"
    assert headers["authorization"] == "Bearer made-up-key"
    assert sent["policy"] == {"executionTimeout": 600_000, "ttl": 86_400_000}
    assert sent["input"]["assetmill_attempt"] == "attempt-1"
    assert sent["input"]["workflow"] == REQUEST.graph


@pytest.mark.parametrize(
    ("answer", "error"),
    (
        (JSONResponse({"error": "bad"}, 400), RequestRejected),
        (PlainTextResponse("exceeded max body size of 10MiB", 400), RequestTooLarge),
        (JSONResponse({}, 413), RequestTooLarge),
        (JSONResponse({}, 401), ProviderRefused),
        (JSONResponse({}, 403), ProviderRefused),
        (JSONResponse({"error": "endpoint not found"}, 404), ProviderRefused),
        (JSONResponse({}, 429), Throttled),
        (JSONResponse({}, 500), OutcomeUnknown),
        (HTMLResponse("<html>bad gateway</html>", 502), OutcomeUnknown),
        (HTMLResponse("<html>origin timed out</html>", 524), OutcomeUnknown),
        (HTMLResponse("<html>all is well</html>", 200), OutcomeUnknown),
        (JSONResponse({"error": "something"}), OutcomeUnknown),
        (JSONResponse(["no", "object"]), OutcomeUnknown),
        (JSONResponse({"id": 7}), OutcomeUnknown),
    ),
)
async def test_an_answer_without_a_job_is_a_decision(script, api, answer, error):
    script.say("run", answer)
    with pytest.raises(error) as caught:
        await api.run(REQUEST)
    assert type(caught.value) is error
    assert script.calls("run") == 1, "nothing may be sent twice here"


async def test_throttling_tells_how_long_to_wait(script, api):
    script.say("run", JSONResponse({}, 429, headers={"Retry-After": "7"}))
    with pytest.raises(Throttled) as caught:
        await api.run(REQUEST)
    assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    (
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Thu, 01 Jan 2026 00:01:30 GMT", 90.0),
        ("Thu, 01 Jan 2026 01:00:30 +0100", 30.0),
        ("Thu, 01 Jan 2026 00:00:10", 10.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("inf", None),
        ("1e400", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Thu, 99 Jan 2026 00:01:30 GMT", None),
    ),
)
def test_retry_after_is_a_number_or_a_date(header, seconds):
    assert retry_after_s(header, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


async def test_a_refused_connection_delivered_nothing(time):
    async with httpx.AsyncClient() as client:
        with pytest.raises(NotDelivered):
            await JobApi(client, "http://127.0.0.1:9/v2/ep", None, time.clock()).run(REQUEST)


async def test_a_connection_that_breaks_after_the_request_has_an_unknown_outcome(time):
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient() as client:
        with pytest.raises(OutcomeUnknown):
            await JobApi(client, f"http://127.0.0.1:{port}/v2/ep", None, time.clock()).run(REQUEST)


async def test_a_request_over_the_limit_is_never_sent(script, api):
    image = InputImage("guide.png", b"x" * MAX_RUN_BYTES)
    with pytest.raises(RequestRejected, match="bytes"):
        await api.run(JobRequest("a", {}, {}, (image,)))
    assert script.seen == []


async def test_errors_name_neither_the_key_nor_a_whole_page(script, api):
    script.say("run", HTMLResponse("<html>" + "x" * 5000, 502))
    with pytest.raises(AssetmillError) as caught:
        await api.run(REQUEST)
    assert "made-up-key" not in str(caught.value)
    assert len(str(caught.value)) < 400


async def test_health_of_an_unexpected_form_is_empty_not_an_error(script, api):
    script.say("health", HTMLResponse("<html/>"))
    assert await api.health() == {}


@pytest.mark.parametrize("status", (401, 429, 500, 502))
async def test_a_cancel_that_was_not_carried_out_is_no_cancel(script, api, status):
    script.say("cancel/j1", HTMLResponse("no", status))
    with pytest.raises(NotDelivered):
        await api.cancel("j1")


async def test_cancelling_a_job_that_is_gone_is_fine(api):
    await api.cancel("j1")


@pytest.mark.parametrize(
    ("answer", "error"),
    (
        (JSONResponse({"error": "not found"}, 404), JobUnknownError),
        (JSONResponse("not found", 404), JobUnknownError),
        (PlainTextResponse('{"status": 404}', 404), JobUnknownError),
        (PlainTextResponse("404", 404), NotDelivered),
        (HTMLResponse("<html/>", 404), NotDelivered),
        (JSONResponse({}, 405), NotDelivered),
        (JSONResponse({}, 403), ProviderRefused),
        (HTMLResponse("<html>a challenge</html>", 403), NotDelivered),
        (PlainTextResponse("", 401), NotDelivered),
        (JSONResponse({}, 429), Throttled),
    ),
)
async def test_only_what_the_endpoint_itself_says_counts_as_a_word_on_a_job(script, api, answer, error):
    script.say("status-sync/j1", answer)
    with pytest.raises(error):
        await api.status_sync("j1", 4.0)
    assert script.calls("status-sync/j1") == 1
