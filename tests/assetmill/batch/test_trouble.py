"""Trouble with one picture stays with that picture, and what is paid for is neither lost nor paid again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import httpx
import pytest
from PIL import PngImagePlugin

from assetmill.batch.context import Batch
from assetmill.batch.run import Steps
from assetmill.errors import LedgerError, StorageError
from assetmill.images import read_text
from assetmill.ledger import Ledger
from assetmill.money import price_of
from assetmill.packs import load_latest
from assetmill.storage import open_store


class Watching(Steps):
    """Plain steps that keep the batch for a look at its counts."""

    batch: Batch

    async def publish(self, batch: Batch, *rest: Any) -> Any:
        self.batch = batch
        return await super().publish(batch, *rest)


class Stumbling(Steps):
    """Steps that raise for the pictures of one asset, after or before they are paid for."""

    def __init__(self, asset_id: str, error: Exception, *, after: bool = False) -> None:
        self.asset_id, self.error, self.after = asset_id, error, after

    async def generate(self, batch: Batch, item: Any, slot: Any) -> Any:
        if item.asset.id == self.asset_id and not self.after:
            raise self.error
        done = await super().generate(batch, item, slot)
        if item.asset.id == self.asset_id:
            raise self.error
        return done

    async def refinish(self, *_: Any) -> None:
        raise self.error


async def test_a_picture_that_trips_the_image_library_stops_no_other_and_is_finished_later_for_free(
    studio, monkeypatch
):
    def add_text(_: Any, _key: str, value: str) -> None:
        if value == "slime":
            raise RuntimeError("a fault of the library")

    with monkeypatch.context() as patch:
        patch.setattr(PngImagePlugin.PngInfo, "add_text", add_text)
        report = await studio.run()
    assert (report.exit_code, report.generated, report.failed, report.stopped) == (1, 2, 1, None)
    assert "RuntimeError: a fault of the library" in report.failures[0].message
    index = load_latest(open_store(studio.settings.store_url), "tiny", "draft")
    assert set(index.assets) == {"crate", "sky"}
    assert {row["asset_id"]: row["status"] for row in studio.rows()}["slime"] == "rejected"
    again = await studio.run()
    assert (again.exit_code, again.generated, again.refinished) == (0, 0, 1)
    assert len(studio.artist.executed) == 3


async def test_bytes_that_no_one_can_read_settle_the_row_whatever_the_library_raises(studio, monkeypatch):
    def stumble(*_: object) -> None:
        raise AttributeError("a fault of the library")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", stumble)
    report = await studio.run()
    assert {line.error for line in report.failures} <= {"invalid_image", "workflow"}
    assert {row["status"] for row in studio.rows()} == {"failed"}


@pytest.mark.parametrize("after", (False, True), ids=("before paying", "after paying"))
async def test_an_error_that_nobody_foresaw_concerns_one_picture(studio, after):
    steps = Stumbling("crate", ZeroDivisionError("by zero"), after=after)
    report = await studio.run(steps=steps)
    assert (report.exit_code, report.generated, report.failed, report.stopped) == (1, 2, 1, None)
    assert "ZeroDivisionError: by zero" in report.failures[0].message
    again = await studio.run()
    assert again.exit_code == 0
    assert len(studio.artist.executed) == 3, "what was paid for is there"


@pytest.mark.parametrize("error", (StorageError("disk full"), LedgerError("disk full")), ids=lambda e: e.code)
async def test_a_full_disk_while_finishing_again_leaves_paid_jobs_to_their_end(studio, tools, error):
    await studio.run()
    changed = tools.three.replace("shape: circle,", "shape: circle, post: {colors: 4},").replace("a sky", "a red sky")
    with pytest.raises(type(error), match="disk full"):
        await studio.run(changed, steps=Stumbling("none", error))
    assert {row["status"] for row in studio.rows()} == {"kept"}


async def test_progress_and_books_count_generated_pictures_and_none_that_were_finished_again(studio, tools):
    await studio.run()
    steps = Watching()
    changed = tools.three.replace("shape: circle,", "shape: circle, post: {colors: 4},").replace("a sky", "a red sky")
    report = await studio.run(changed, steps=steps)
    assert (report.generated, report.refinished) == (1, 1)
    progress = steps.batch.progress
    assert (progress.total, progress.ended, progress.kept) == (1, 1, 1)
    with Ledger.open(studio.settings.ledger_url) as ledger:
        assert ledger.runs()[-1]["kept"] == 1


@pytest.fixture
async def deaf() -> AsyncIterator[str]:
    """An endpoint that takes requests and hangs up without a word; other calls it answers, and knows nothing."""
    nothing = b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"POST"):
                writer.write(nothing)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2/gpu"


ONE = "  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}\n"


async def test_an_answer_that_is_lost_twice_is_in_the_sum_as_unknown_and_not_sent_again(studio, deaf, make_settings):
    studio.settings, studio.endpoint = make_settings(ASSETMILL_GPU_POOL="ADA_24"), deaf
    report = await studio.run(ONE)
    assert {line.error for line in report.failures} == {"outcome_unknown"}
    assert (report.cost_usd, report.unpriced, report.retried) == (None, 2, 1)
    first, second = studio.rows()
    assert {row["status"] for row in (first, second)} == {"lost"}
    assert second["retry_of"] == first["attempt_id"]
    assert (first["cost_low_usd"], first["cost_estimate_usd"]) == (0, None)
    assert first["cost_high_usd"] == first["planned_high_usd"] > 0, "the most that it may have cost"
    again = await studio.run(ONE)
    assert [line.state for line in again.failures] == ["blocked"]
    assert "ASSETMILL_RESEND_UNKNOWN=2" in again.failures[0].message
    assert len(studio.rows()) == 2, "nothing was sent"
    studio.settings = make_settings(ASSETMILL_GPU_POOL="ADA_24", ASSETMILL_RESEND_UNKNOWN="2")
    await studio.run(ONE)
    assert len(studio.rows()) == 3, "told so, it is sent once more"


async def test_an_unknown_outcome_is_never_sent_again_where_the_policy_says_so(studio, deaf, make_settings):
    studio.settings, studio.endpoint = make_settings(ASSETMILL_RESEND_UNKNOWN="0"), deaf
    await studio.run(ONE)
    again = await studio.run(ONE)
    assert [line.state for line in again.failures] == ["blocked"]
    assert len(studio.rows()) == 1


async def test_an_endpoint_that_answers_no_request_stops_getting_any(studio, deaf):
    studio.endpoint = deaf
    many = "".join(f"  - {{id: s{i:02d}, type: background, prompt: sky {i}, size: 128x128}}\n" for i in range(12))
    report = await studio.run(many)
    assert report.failed == 12
    assert len(studio.rows()) <= 3, "canaries"


async def test_whatever_a_draft_endpoint_answers_is_a_draft(studio, tools):
    studio.artist.answers[""] = lambda graph: {"images": tools.answer(graph)["images"]}
    await studio.run()
    assert {row["draft"] for row in studio.rows()} == {True}
    store = open_store(studio.settings.store_url)
    text = read_text(store.get(load_latest(store, "tiny", "draft").assets["slime"].file))
    assert text["assetmill:draft"] == "1"
    assert (await studio.run()).cached == 3


async def until(task: asyncio.Task[Any], done: Callable[[], bool]) -> None:
    while not task.done() and not done():  # noqa: ASYNC110  there is no event for it
        await asyncio.sleep(0)


async def test_jobs_that_nobody_takes_are_withdrawn_and_end_the_run(tmp_path, make_settings, tools, monkeypatch):
    monkeypatch.setattr("assetmill.providers.runpod.watch.LONG_POLL_S", 0.05)
    many = "".join(
        f"  - {{id: e{i:02d}, type: entity, prompt: thing {i}, silhouette: {{canvas: 64x64}}}}\n" for i in range(12)
    )
    async with tools.open_studio(tmp_path, make_settings(ASSETMILL_QUEUE_STALL_S="10"), cold_start_s=3600) as studio:
        studio.clock = tools.fast_clock()
        report = await studio.run(many)
        assert report.exit_code == 4
        assert "queue" in (report.stopped or "")
        rows = studio.rows()
        assert {row["status"] for row in rows} == {"cancelled"}
        assert len(rows) <= 2, "the rest of the batch is not sent after its canary"
        assert studio.pod.counts().in_queue == 0


async def test_a_run_that_is_ended_at_once_takes_back_what_waits_in_the_queue(tmp_path, make_settings, tools):
    async with tools.open_studio(tmp_path, make_settings(), cold_start_s=3600) as studio:
        task = asyncio.create_task(studio.run())
        await until(task, lambda: [row["status"] for row in studio.rows()] == ["submitted"] * 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [(row["status"], row["cost_high_usd"]) for row in studio.rows()] == [("cancelled", 0)] * 2
        assert studio.pod.counts().in_queue == 0


async def test_a_job_of_an_earlier_run_that_nobody_takes_is_withdrawn_before_it_is_sent_again(
    tmp_path, make_settings, tools, monkeypatch
):
    monkeypatch.setattr("assetmill.providers.runpod.watch.LONG_POLL_S", 0.05)
    async with tools.open_studio(tmp_path, make_settings(ASSETMILL_QUEUE_STALL_S="10"), cold_start_s=3600) as studio:
        task = asyncio.create_task(studio.run(ONE))
        await until(task, lambda: [row["status"] for row in studio.rows()] == ["submitted"])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        studio.reopen()
        async with httpx.AsyncClient(headers={"Authorization": "Bearer made-up-key"}) as client:
            answer = await client.post(f"{studio.pod.url}/run", json={"input": {"left": "behind"}})
        with Ledger.open(studio.settings.ledger_url) as ledger, ledger._database.write() as connection:
            connection.exec_driver_sql("update attempts set job_id = ?", (answer.json()["id"],))
        studio.clock = tools.fast_clock()
        await studio.run(ONE)
        assert [row["status"] for row in studio.rows()] == ["cancelled"] * 2
        assert studio.pod.counts().in_queue == 0, "nothing is left that might run, and be paid, unseen"


async def test_a_job_collected_later_costs_what_it_cost_when_it_was_sent(tmp_path, make_settings, tools):
    settings = make_settings(ASSETMILL_GPU_POOL="ADA_24")
    async with tools.open_studio(tmp_path, settings, endpoint_id="gpu") as studio:
        studio.artist.answers[""] = lambda graph: {"images": tools.answer(graph)["images"]}
        await studio.run()
        studio.reopen()
        studio.settings = make_settings(ASSETMILL_GPU_POOL="ADA_80_PRO")
        report = await studio.run()
        assert (report.collected, report.generated) == (3, 0)
        price = price_of("ADA_24").usd_per_s
        for row in studio.rows():
            assert row["price_per_s_usd"] == price
            assert row["cost_low_usd"] == (price * row["execution_ms"] / 1000).quantize(Decimal("1e-8"))


async def test_a_failure_found_later_has_its_times_in_the_row(studio):
    studio.artist.answers["slime"] = lambda _: {"error": "Job processing failed"}
    await studio.run()
    studio.reopen()
    studio.artist.answers.clear()
    await studio.run()
    first = next(row for row in studio.rows() if row["asset_id"] == "slime")
    assert (first["status"], first["error_class"]) == ("failed", "job_failed")
    assert first["execution_ms"] is not None
    assert first["worker_id"]


async def test_a_job_whose_id_could_not_be_written_down_is_named_by_the_error(studio):
    with Ledger.open(studio.settings.ledger_url) as ledger, ledger._database.write() as connection:
        connection.exec_driver_sql(
            "create trigger full before update on attempts when new.status = 'submitted' "
            "begin select raise(abort, 'disk is full'); end"
        )
    with pytest.raises(LedgerError, match="disk is full") as caught:
        await studio.run()
    assert caught.value.job_id
