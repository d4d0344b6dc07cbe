"""Max workers around a run: raised before the first job, 0 after the last, and never under anybody's feet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from assetmill.batch.report import BatchReport
from assetmill.batch.sharing import limit_name
from assetmill.ledger import Ledger, Seat
from assetmill.localpod import Faults, Kind, Rule
from assetmill.providers.endpoints import resolve_endpoint

FILE = """name: gpu
image: studio/worker:1.0.0
gpu: {pools: [ADA_24]}
workers: {max: 3}
"""
ONE = "  - {id: slime, type: entity, prompt: a slime, silhouette: {canvas: 64x64}}\n"
OTHER = ONE.replace("slime", "crate")
LATER = 10_000
KEY = {"Authorization": "Bearer made-up-key"}


@pytest.fixture
async def gpu(tmp_path, make_settings, tools) -> AsyncIterator[Callable[..., Any]]:
    """A real-looking endpoint `gpu`, its studio, and the file that describes it."""
    (tmp_path / "endpoint.yaml").write_text(FILE)
    async with AsyncExitStack() as stack:

        async def open_one(policy: str, **options: Any) -> Any:
            settings = make_settings(ASSETMILL_SCALE=policy, ASSETMILL_ENDPOINT_FILE=str(tmp_path / "endpoint.yaml"))
            opening = tools.open_studio(tmp_path, settings, endpoint_id="gpu", **options)
            studio = await stack.enter_async_context(opening)
            studio.artist.answers[""] = lambda graph: {"images": tools.answer(graph)["images"]}
            return studio

        yield open_one


def address(studio: Any) -> str:
    return studio.pod.url.replace("/v2/", "/v2/serverless/")


async def most(studio: Any) -> int:
    async with httpx.AsyncClient(headers=KEY) as client:
        return (await client.get(address(studio))).json()["workers"]["max"]


async def set_most(studio: Any, most: int) -> None:
    async with httpx.AsyncClient(headers=KEY) as client:
        (await client.patch(address(studio), json={"workers": {"max": most}})).raise_for_status()


async def test_a_run_that_keeps_changes_nothing(gpu):
    studio = await gpu("keep")
    await set_most(studio, 1)
    report = await studio.run(ONE)
    assert (report.generated, report.scaling, await most(studio)) == (1, (), 1)


async def test_restoring_raises_what_runpod_has_lowered_before_the_first_job_and_leaves_it_so(gpu):
    studio = await gpu("restore")
    await set_most(studio, 0)
    report = await studio.run(ONE)
    assert report.generated == 1, "with 0 workers no job would ever have begun"
    assert report.scaling == (f"max workers of {report.endpoint} was 0, and is 3 now",)
    assert await most(studio) == 3


async def test_restoring_never_lowers_and_asks_nothing_when_nothing_is_to_be_drawn(gpu):
    studio = await gpu("restore")
    await set_most(studio, 5)
    first = await studio.run(ONE)
    assert (first.generated, first.scaling, await most(studio)) == (1, (), 5)
    await set_most(studio, 1)
    again = await studio.run(ONE)
    assert (again.cached, again.scaling, await most(studio)) == (1, (), 1)


async def test_around_a_run_the_endpoint_is_raised_and_closed_again(gpu):
    studio = await gpu("around")
    await set_most(studio, 0)
    report = await studio.run(ONE)
    name = report.endpoint
    assert report.generated == 1
    assert report.scaling == (
        f"max workers of {name} was 0, and is 3 now",
        f"max workers of {name} was 3, and is 0 until the next run",
    )
    assert await most(studio) == 0


def seat_at(studio: Any, run_id: str, until: datetime) -> Seat:
    endpoint = resolve_endpoint(studio.settings, studio.pod.url)
    now = datetime.now(UTC)
    return Seat(run_id, limit_name(endpoint), "normal", 1, 0, "elsewhere", (), now, now, until)


async def test_an_endpoint_at_which_another_run_has_a_seat_stays_open(gpu):
    studio = await gpu("around")
    with Ledger.open(studio.settings.ledger_url) as ledger:
        now = datetime.now(UTC)
        ledger.seats.take(seat_at(studio, "another@gpu", now + timedelta(minutes=5)), now)
    report = await studio.run(ONE)
    assert report.generated == 1
    assert report.scaling == (f"max workers of {report.endpoint} is left as it is: 1 other run may send jobs to it",)
    assert await most(studio) == 3


async def test_a_void_seat_keeps_nothing_open(gpu):
    studio = await gpu("around")
    with Ledger.open(studio.settings.ledger_url) as ledger:
        now = datetime.now(UTC)
        ledger.seats.take(seat_at(studio, "killed", now - timedelta(seconds=1)), now)
    assert (await studio.run(ONE)).generated == 1
    assert await most(studio) == 0


async def test_an_endpoint_with_an_open_attempt_of_another_process_stays_open(gpu):
    studio = await gpu("around")
    await studio.run(ONE)
    studio.reopen("submitted")
    later = (datetime.now(UTC) + timedelta(minutes=10)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with Ledger.open(studio.settings.ledger_url) as ledger, ledger._database.write() as connection:
        looked_after = "update attempts set game = 'elsewhere', owner = 'another', claimed_until = ?"
        connection.exec_driver_sql(looked_after, (later,))
    report = await studio.run(OTHER)
    assert report.generated == 1
    assert "1 of its jobs are open in the books" in report.scaling[-1]
    assert await most(studio) == 3


async def test_an_endpoint_with_jobs_of_strangers_stays_open(gpu):
    studio = await gpu("around", workers=1)
    ours, release, loop = studio.artist.answers.pop(""), asyncio.Event(), asyncio.get_running_loop()

    async def send_a_strangers_job() -> None:
        async with httpx.AsyncClient(headers=KEY) as client:
            (await client.post(f"{studio.pod.url}/run", json={"input": {"workflow": {}}})).raise_for_status()

    def answer(graph):
        if not graph:
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(60)
            return {}
        asyncio.run_coroutine_threadsafe(send_a_strangers_job(), loop).result(30)
        return ours(graph)

    studio.artist.answers[""] = answer
    report = await studio.run(ONE)
    release.set()
    assert report.generated == 1
    assert "1 jobs that are not of these books" in report.scaling[-1]
    assert await most(studio) == 3


async def test_a_run_that_begins_while_the_endpoint_is_closed_gets_it_back(gpu):
    studio = await gpu("around")

    def somebody_comes_when_it_is_closed() -> None:
        if studio.pod._management.most_workers() == 0:
            with Ledger.open(studio.settings.ledger_url) as ledger:
                now = datetime.now(UTC)
                ledger.seats.take(seat_at(studio, "new", now + timedelta(minutes=5)), now)

    studio.pod._management._rescaled = somebody_comes_when_it_is_closed
    report = await studio.run(ONE)
    assert "is 3 again: 1 other run may send jobs to it" in report.scaling[-1]
    assert await most(studio) == 3


def breaks_once_it_is_closed(studio: Any) -> None:
    def close() -> None:
        if studio.pod._management.most_workers() == 0:
            for tally in studio.pod._injector._tallies:
                tally.matched = LATER

    studio.pod._management._rescaled = close


async def test_an_endpoint_that_cannot_be_looked_at_once_it_is_closed_gets_its_workers_back(gpu):
    """Somebody's jobs may have come in between: a look that fails is no look that found nobody."""
    studio = await gpu("around", faults=Faults((Rule(Kind.KEY_REFUSED, operation="health", after=LATER),)))
    breaks_once_it_is_closed(studio)
    report = await studio.run(ONE)
    assert report.generated == 1
    assert "is 3 again: nobody can tell whether it is in use" in report.scaling[-1]
    assert await most(studio) == 3


async def test_an_endpoint_that_stays_closed_with_somebody_there_is_told_as_that(gpu):
    operations = ("health", "endpoints-update")
    broken = Faults(tuple(Rule(Kind.KEY_REFUSED, operation=one, after=LATER) for one in operations))
    studio = await gpu("around", faults=broken)
    breaks_once_it_is_closed(studio)
    report = await studio.run(ONE)
    assert (report.generated, await most(studio)) == (1, 0)
    assert "is 0, and could not be raised again (nobody can tell" in report.scaling[-1]
    assert "`assetmill endpoint scale file` does it by hand" in report.scaling[-1]


async def test_a_run_that_is_ended_at_once_while_it_closes_the_endpoint_leaves_it_open(gpu):
    studio = await gpu("around")
    loop, run = asyncio.get_running_loop(), asyncio.create_task(studio.run(ONE))

    def end_it_when_it_is_closed() -> None:
        if studio.pod._management.most_workers() == 0:
            loop.call_soon_threadsafe(run.cancel)

    studio.pod._management._rescaled = end_it_when_it_is_closed
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await most(studio) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    (
        (FILE.replace("name: gpu", "name: another"), "is about another, and this is gpu"),
        (FILE.replace("ADA_24", "ADA_25"), "was not raised: 1 problem in"),
        (None, "was not raised: 1 problem in"),
    ),
    ids=("another endpoint's", "wrong", "missing"),
)
async def test_a_file_that_is_of_no_use_is_told_and_loses_no_batch(gpu, tmp_path, text, words):
    studio = await gpu("around")
    if text is None:
        (tmp_path / "endpoint.yaml").unlink()
    else:
        (tmp_path / "endpoint.yaml").write_text(text)
    report = await studio.run(ONE)
    assert report.generated == 1
    assert len(report.scaling) == 1
    assert words in report.scaling[0]
    assert await most(studio) == 3, "what was not looked after is not closed either"


async def test_a_management_api_that_refuses_is_told_with_a_hint_and_loses_no_batch(gpu):
    refused = Rule(Kind.KEY_REFUSED, operation="endpoints-update", status=403)
    studio = await gpu("around", faults=Faults((refused,)))
    report: BatchReport = await studio.run(ONE)
    assert report.generated == 1
    [words] = report.scaling
    assert "was not set to 0" in words
    assert "RUNPOD_API_KEY needs the permission" in words
    assert report.exit_code == 0
