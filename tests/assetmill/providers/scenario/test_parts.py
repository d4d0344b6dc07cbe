"""The small rules beside a pipeline's way: who may go, whose job that is, how bodies and addresses are spelled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from starlette.responses import JSONResponse

from assetmill.errors import RequestRejected, Throttled
from assetmill.providers.base import Job, JobState
from assetmill.providers.scenario.api import ScenarioApi
from assetmill.providers.scenario.fetch import Fetcher
from assetmill.providers.scenario.gate import Gate
from assetmill.providers.scenario.inputs import fitted, inputs_of
from assetmill.providers.scenario.pipelines import pipelines_of
from assetmill.providers.scenario.probe import abilities
from assetmill.providers.scenario.seek import Likeness, Seeker, likeness

SENT = {"modelId": "flux.1-dev", "prompt": "a  bird", "seed": "7", "width": 64, "strength": 0.9, "numSamples": 1}
NOON = datetime(2026, 1, 1, tzinfo=UTC)


async def test_places_go_to_whoever_came_first_and_no_further(time):
    gate, went = Gate(time.clock(), 2), []

    async def one(name: str) -> None:
        await gate.enter(name, 1000.0)
        went.append(name)

    await gate.enter("a", 10.0)
    await gate.enter("b", 10.0)
    waiting = [asyncio.create_task(one(name)) for name in ("c", "d", "e")]
    await time.reach(3.0)
    assert went == []
    gate.leave("b")
    await time.reach(6.0)
    assert went == ["c"]
    gate.leave("a")
    gate.leave("c")
    await asyncio.gather(*waiting)
    assert went == ["c", "d", "e"]


async def test_who_was_sent_away_keeps_the_place_in_the_line(time):
    gate, went = Gate(time.clock(), 1), []
    await gate.enter("a", 10.0)
    with pytest.raises(Throttled):
        await gate.enter("b", time.seconds + 5)

    async def one(name: str) -> None:
        await gate.enter(name, 1000.0)
        went.append(name)
        gate.leave(name)

    tasks = [asyncio.create_task(one(name)) for name in ("c", "b")]
    await time.reach(20.0)
    gate.leave("a")
    await asyncio.gather(*tasks)
    assert went == ["b", "c"]


async def test_a_learnt_ceiling_holds_and_other_users_of_the_key_are_given_a_moment(time):
    gate = Gate(time.clock(), 8)
    gate.learn(1)
    assert gate.limit == 1
    await gate.enter("a", 100.0)
    assert time.seconds >= 3, "the place that was refused was somebody else's"
    with pytest.raises(Throttled, match="all 1 places"):
        await gate.enter("b", time.seconds + 10)


@pytest.mark.parametrize(
    ("shown", "same"),
    (
        ({**SENT, "guidance": 3.5}, Likeness.SAME),
        ({**SENT, "seed": 7, "strength": 0.9000000001, "prompt": "a bird"}, Likeness.SAME),
        ({**SENT, "seed": "8"}, Likeness.OTHER),
        ({**SENT, "width": 128}, Likeness.OTHER),
        ({**SENT, "prompt": "a fish"}, Likeness.OTHER),
        ({"prompt": "a bird"}, Likeness.DOUBT),
        ({}, Likeness.DOUBT),
        (None, Likeness.DOUBT),
    ),
)
def test_a_job_is_ours_by_its_words_seed_and_picture(shown, same):
    assert likeness(SENT, shown) is same


@pytest.mark.parametrize(
    ("sent", "shown"),
    (
        ({"image": "asset_1", "format": "png"}, {"prompt": "a bird", "seed": "7"}),
        (SENT, {**SENT, "image": "asset_1"}),
    ),
)
def test_a_job_that_is_about_something_else_is_another_calls(sent, shown):
    assert likeness(sent, shown) is Likeness.OTHER


async def test_jobs_that_none_of_our_calls_makes_leave_no_doubt(script, seeker):
    script.say("jobs", JSONResponse({"jobs": [listed("job_1", jobType="upload"), listed("job_2", jobType="caption")]}))
    assert (await seeker.find(SENT, NOON, 100.0)).absent


def test_a_picture_may_be_named_by_its_address():
    assert likeness({"image": "asset_1"}, {"image": "https://cdn/asset_1?x=1"}) is Likeness.SAME
    assert likeness({"image": "asset_1"}, {"image": "asset_2"}) is Likeness.OTHER


def listed(job_id: str, **fields: object) -> dict[str, object]:
    return {"jobId": job_id, "status": "queued", "createdAt": "2026-01-01T00:00:01Z", **fields}


@pytest.fixture
async def seeker(script, time, book):
    async with httpx.AsyncClient() as client:
        yield Seeker(ScenarioApi(client, script.url, "", "", None, time.clock()), book, time.clock(), 60.0)


async def test_a_job_that_hides_its_input_is_asked_for_it_and_else_nobody_can_tell(script, seeker):
    script.say("jobs", JSONResponse({"jobs": [listed("job_1")]}))
    script.say("jobs/job_1", JSONResponse({"job": listed("job_1")}))
    assert not (await seeker.find(SENT, NOON, 100.0)).absent
    script.say_now("jobs/job_1", JSONResponse({"job": listed("job_1", metadata={"input": {**SENT, "seed": "9"}})}))
    assert (await seeker.find(SENT, NOON, 100.0)).absent
    script.say_now("jobs/job_1", JSONResponse({"job": listed("job_1", metadata={"input": SENT})}))
    assert (await seeker.find(SENT, NOON, 100.0)).job_id == "job_1"


async def test_every_page_of_the_list_is_read(script, seeker):
    other = {"input": {**SENT, "seed": "9"}}
    script.say("jobs", JSONResponse({"jobs": [listed("job_1", metadata=other)], "nextPaginationToken": "t"}))
    script.say("jobs", JSONResponse({"jobs": [listed("job_2", metadata={"input": SENT})]}))
    assert (await seeker.find(SENT, NOON, 100.0)).job_id == "job_2"


async def test_a_list_without_an_end_proves_nothing(script, seeker):
    script.say(
        "jobs", JSONResponse({"jobs": [listed("job_1", metadata={"input": {"seed": "9"}})], "nextPaginationToken": "t"})
    )
    sighting = await seeker.find(SENT, NOON, 100.0)
    assert (sighting.absent, sighting.job_id) == (False, None)


INPUTS = inputs_of({
    "inputs": [
        {"name": "prompt", "type": "string"}, {"name": "images", "type": "file_array"},
        {"name": "aspectRatio", "type": "string", "allowedValues": ["1:1", "16:9", "9:16", "odd"]},
        {"name": "numLayers", "type": "number"},
    ]
})  # fmt: skip


def test_a_body_is_spelled_as_the_model_spells_it():
    body = {
        "modelId": "m",
        "prompt": "x",
        "image": "asset_1",
        "width": 1344,
        "height": 768,
        "layersCount": 3,
        "seed": 1,
    }
    assert fitted(body, INPUTS) == {
        "modelId": "m", "prompt": "x", "images": ["asset_1"], "aspectRatio": "16:9", "numLayers": 3,
    }  # fmt: skip
    assert fitted(body, {}) == body


def test_what_a_model_has_no_input_for_is_refused():
    with pytest.raises(RequestRejected, match="takes no strength"):
        fitted({"modelId": "m", "prompt": "x", "strength": 0.9}, INPUTS)


async def test_a_signed_address_is_used_exactly_as_it_came_and_gets_no_key(script, time):
    lines: list[bytes] = []
    picture = await _png()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(picture)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + picture)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    target = '/cdn/a%2fb.png?p=|\'^`{}&sig=%7e~+%20==&Key="x"'
    script.say("assets/asset_1", JSONResponse({"asset": {"id": "asset_1", "url": f"http://127.0.0.1:{port}{target}"}}))
    async with server, httpx.AsyncClient() as client:
        fetcher = Fetcher(ScenarioApi(client, script.url, "n", "s", None, time.clock()), client, time.clock())
        done = Job("j", JobState.COMPLETED, output={"image": "asset_1"})
        collected = await fetcher.collect(done, {"image": "p"})
    assert collected.images["image"] == picture
    assert lines[0].startswith(b"GET " + target.encode() + b" HTTP/1.1\r\n")
    assert b"authorization" not in lines[0].lower()


async def _png() -> bytes:
    import base64  # noqa: PLC0415  only here

    from assetmill.providers.scenario.probe import grey_picture  # noqa: PLC0415  as above

    return base64.b64decode(grey_picture().partition(",")[2])


async def test_an_endpoint_says_what_it_can_make_and_for_how_much(desk, time):
    here = await desk()
    found = {one.workflow: one for one in await abilities(here.endpoint, time.clock(), pipelines_of("flux.1-dev"))}
    assert all(one.able for one in found.values())
    assert found["scenario-entity"].units == 20.625
    assert not here.scenario.jobs(), "nothing was made"


@pytest.mark.parametrize(
    ("model", "missing", "words"),
    (
        ("unheard-of", ("unheard-of",), "no model"),
        ("flux.1.1-pro-ultra", (), "plan"),
        ("model_bria-remove-background", (), "takes no prompt"),
    ),
)
async def test_an_endpoint_says_what_it_cannot_make_and_why(desk, time, model, missing, words):
    here = await desk()
    background = [one for one in pipelines_of(model) if one.name == "scenario-background"]
    (found,) = await abilities(here.endpoint, time.clock(), background)
    assert (found.able, found.missing) == (False, missing)
    assert words in found.why
