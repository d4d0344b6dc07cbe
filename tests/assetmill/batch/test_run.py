"""A run pays for what is missing, once, and publishes what came out well."""

from __future__ import annotations

import asyncio
import json

import pytest

from assetmill.batch.run import Steps
from assetmill.clock import Clock
from assetmill.errors import LedgerError, StorageError
from assetmill.images import read_text
from assetmill.packs import load_latest
from assetmill.planning.plan import Selection, State
from assetmill.storage import open_store


async def test_every_picture_is_made_once_published_and_in_the_books(studio):
    report = await studio.run()
    assert (report.exit_code, report.generated, report.cached, report.failed) == (0, 3, 0, 0)
    rows = studio.rows()
    assert len(rows) == len(studio.artist.executed) == studio.pod.counts().completed == 3
    assert {row["status"] for row in rows} == {"kept"}
    for row in rows:
        assert row["job_id"]
        assert row["worker_id"]
        assert row["draft"] is True
        assert row["execution_ms"] is not None
        assert row["latency_ms"] >= row["execution_ms"]
        assert row["sha256"] in row["key"]
        assert row["submitted_at"] <= row["started_at"] <= row["finished_at"]
    index = load_latest(open_store(studio.settings.store_url), "tiny", "draft")
    assert index is not None
    assert set(index.assets) == {"slime", "crate", "sky"}
    assert all(asset.draft for asset in index.assets.values())
    assert (index.assets["slime"].width, index.assets["sky"].width) == (64, 128)


async def test_a_second_run_pays_nothing_and_changes_nothing(studio):
    await studio.run()
    report = await studio.run()
    assert (report.exit_code, report.generated, report.cached, report.published) == (0, 0, 3, False)
    assert len(studio.artist.executed) == 3


async def test_a_changed_prompt_makes_exactly_that_picture_again(studio, tools):
    await studio.run()
    report, plan = await studio.run_and_plan(tools.three.replace("a crate", "a mossy crate"))
    changed = [item for item in plan.items if item.state is not State.CACHED]
    assert [(item.asset.id, item.state, item.changed) for item in changed] == [("crate", State.CHANGED, ("prompt",))]
    assert report.generated == 1
    assert len(studio.rows()) == 4


async def test_going_back_to_an_old_prompt_is_free(studio, tools):
    await studio.run()
    await studio.run(tools.three.replace("a crate", "a mossy crate"))
    report = await studio.run(tools.three)
    assert (report.generated, report.cached) == (0, 3)
    assert len(studio.artist.executed) == 4


async def test_a_finishing_option_pays_nothing_and_changes_the_published_file(studio, tools):
    await studio.run()
    store = open_store(studio.settings.store_url)
    before = load_latest(store, "tiny", "draft").assets["slime"]
    finer = tools.three.replace("shape: circle,", "shape: circle, post: {alpha_threshold: 128, colors: 4},")
    report, plan = await studio.run_and_plan(finer)
    assert not plan.to_pay
    assert [item.finish_changed for item in plan.to_refinish] == [("post.alpha_threshold", "post.colors")]
    assert (report.generated, report.refinished, report.published) == (0, 1, True)
    after = load_latest(store, "tiny", "draft").assets["slime"]
    assert after.sha256 != before.sha256
    assert len(studio.artist.executed) == 3


async def test_the_row_stands_before_the_job_is_sent(studio):
    seen: list[str] = []

    def look(job_input):
        seen.extend(row["status"] for row in studio.rows() if row["attempt_id"] == job_input["assetmill_attempt"])

    studio.artist.before = look
    await studio.run()
    assert len(seen) == 3
    assert set(seen) <= {"submitting", "submitted"}


async def test_what_fails_keeps_its_previous_version_and_says_why(studio, tools):
    await studio.run()
    store = open_store(studio.settings.store_url)
    before = load_latest(store, "tiny", "draft")
    studio.artist.answers["broken"] = lambda _: {"error": "Workflow validation failed:\n• Node 4"}
    report = await studio.run(tools.three.replace("a crate", "a broken crate").replace("a slime", "a green slime"))
    assert (report.exit_code, report.generated, report.failed) == (1, 1, 1)
    line = report.failures[0]
    assert (line.asset, line.error, line.state) == ("crate", "validation_failed", "failed")
    assert "validation" in line.message
    after = load_latest(store, "tiny", "draft")
    assert after.assets["crate"] == before.assets["crate"]
    assert after.assets["slime"] != before.assets["slime"]
    failed = [row for row in studio.rows() if row["status"] == "failed"]
    assert [row["error_class"] for row in failed] == ["validation_failed"]


async def test_missing_outputs_and_bytes_that_are_no_image_are_no_success(studio, tools):
    studio.artist.answers["slime"] = lambda graph: tools.answer(graph, leave_out=1)
    studio.artist.answers["crate"] = lambda graph: {
        "images": [entry | {"data": "bm8gaW1hZ2U="} for entry in tools.answer(graph)["images"]]
    }
    report = await studio.run()
    assert report.exit_code == 1
    assert {line.asset: line.error for line in report.failures} == {"slime": "wrong_count", "crate": "invalid_image"}
    assert sorted(row["status"] for row in studio.rows()) == ["failed"] * 3 + ["kept"], (
        "one was tried again, and then the third canary had failed"
    )


async def test_a_picture_that_the_checks_reject_is_paid_once_and_judged_again_for_free(studio, tools):
    studio.artist.answers["slime"] = lambda graph: tools.answer(graph, shape="speck")
    first = await studio.run()
    assert first.exit_code == 1
    assert first.failures[0].state == "rejected"
    second, plan = await studio.run_and_plan(tools.three)
    assert second.exit_code == 1
    assert not plan.to_pay
    assert len(studio.artist.executed) == 3
    row = next(row for row in studio.rows() if row["asset_id"] == "slime")
    assert row["status"] == "rejected"


async def test_the_best_of_several_candidates_is_published(studio, tools):
    seeds: list[int] = []

    def second_is_good(graph):
        seed = next(n["inputs"]["seed"] for n in graph.values() if n["class_type"] == "KSampler")
        seeds.append(seed)
        return tools.answer(graph, shape="good" if seed == 8 else "speck")

    studio.artist.answers["slime"] = second_is_good
    report = await studio.run(tools.three.replace("id: slime,", "id: slime, candidates: 2, seed: 7,"))
    assert sorted(seeds) == [7, 8]
    assert report.exit_code == 0, "one good candidate is enough"
    index = load_latest(open_store(studio.settings.store_url), "tiny", "draft")
    assert index.assets["slime"].candidate == 1


async def test_a_reference_is_made_first_and_sent_along(studio, tools):
    sent: dict[str, int] = {}
    studio.artist.before = lambda job: sent.update({tools.prompt_of(job["workflow"]): len(job.get("images", ()))})
    more = tools.three + "  - {id: elite, type: entity, prompt: an elite slime, references: [slime]}\n"
    report = await studio.run(more)
    assert report.exit_code == 0
    order = [words for words in studio.artist.executed if "slime" in words]
    assert "elite" in order[-1]
    changed = await studio.run(more.replace("a slime", "a blue slime"))
    assert changed.generated == 2, "a picture drawn from a changed one is drawn again"


async def test_a_failed_reference_fails_what_is_drawn_from_it_without_sending_it(studio, tools):
    studio.artist.answers["a slime"] = lambda _: {"error": "Job processing failed"}
    more = tools.three + "  - {id: elite, type: entity, prompt: the elite, references: [slime]}\n"
    report = await studio.run(more)
    assert {line.asset for line in report.failures} == {"slime", "elite"}
    assert not any("the elite" in words for words in studio.artist.executed)


async def test_only_and_types_leave_the_rest_of_the_pack_alone(studio, tools):
    await studio.run()
    report = await studio.run(tools.three.replace("a s", "a new s"), selection=Selection(only=("slime",)))
    assert report.generated == 1
    index = load_latest(open_store(studio.settings.store_url), "tiny", "draft")
    assert set(index.assets) == {"slime", "crate", "sky"}
    report = await studio.run(tools.three.replace("a s", "a new s"), selection=Selection(types=("background",)))
    assert report.generated == 1


async def test_a_wrong_key_stops_the_run_with_4_and_sends_nothing_more(tmp_path, make_settings, tools):
    async with tools.open_studio(tmp_path, make_settings(ASSETMILL_SERVE_KEY="wrong")) as studio:
        report = await studio.run()
        assert report.exit_code == 4
        assert "key" in (report.stopped or "")
        assert studio.artist.executed == []
        assert {row["status"] for row in studio.rows()} <= {"failed"}


async def test_an_endpoint_out_of_reach_stops_the_run_with_4_after_a_few_tries(studio):
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    studio.endpoint, studio.clock = "http://127.0.0.1:9/v2/draft", Clock(sleep=nap)
    report = await studio.run()
    assert report.exit_code == 4
    assert "cannot be reached" in (report.stopped or "")
    assert 5 <= len(naps) <= 15
    assert {row["cost_high_usd"] for row in studio.rows()} == {0}, "nothing was accepted, nothing is owed"


async def test_a_store_that_takes_nothing_is_found_out_before_anything_is_sent(tmp_path, make_settings, tools):
    (tmp_path / "taken").write_text("a file where a folder should be")
    settings = make_settings(ASSETMILL_STORE_URL=(tmp_path / "taken").as_uri())
    async with tools.open_studio(tmp_path, settings) as studio:
        with pytest.raises(StorageError):
            await studio.run()
        assert studio.artist.executed == []


async def test_a_request_whose_answer_was_never_written_down_is_found_by_its_own_key(studio):
    await studio.run()
    studio.reopen("submitting", asset_id="sky", job=False)
    report = await studio.run()
    assert (report.exit_code, report.collected, report.generated) == (0, 1, 0)
    assert {row["status"] for row in studio.rows()} == {"kept"}
    assert all(row["job_id"] for row in studio.rows())
    assert len(studio.artist.executed) == 3


async def test_an_interrupted_run_leaves_jobs_that_the_next_run_collects_without_paying(studio):
    hold = asyncio.Event()
    waiting = asyncio.Event()
    loop = asyncio.get_running_loop()

    def block(_):
        loop.call_soon_threadsafe(waiting.set)
        asyncio.run_coroutine_threadsafe(hold.wait(), loop).result()

    studio.artist.before = block
    task = asyncio.create_task(studio.run())
    await asyncio.wait((task, asyncio.create_task(waiting.wait())), return_when=asyncio.FIRST_COMPLETED)
    while not task.done() and studio.pod.counts().in_progress + studio.pod.counts().in_queue < 2:  # noqa: ASYNC110  no event
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {row["status"] for row in studio.rows()} <= {"submitting", "submitted"}
    hold.set()
    studio.artist.before = None
    report = await studio.run()
    assert report.exit_code == 0
    assert report.collected == 2, "the canaries of two workflows were out"
    assert report.generated + report.cached == 3
    assert len(studio.artist.executed) == 3, "nothing was paid twice"
    assert len(studio.rows()) == studio.pod.counts().completed == 3


async def test_attempts_of_a_draft_endpoint_that_has_ended_are_lost_and_made_again(tmp_path, make_settings, tools):
    settings = make_settings()
    async with tools.open_studio(tmp_path, settings) as first:
        await first.run()
        first.reopen()
    async with tools.open_studio(tmp_path, settings) as second:
        report = await second.run()
        assert report.exit_code == 0
        assert report.generated == 3
        assert sorted(row["status"] for row in second.rows()) == ["kept"] * 3 + ["lost"] * 3


async def test_a_draft_never_stands_in_for_a_real_picture(tmp_path, make_settings, tools):
    settings = make_settings()
    async with tools.open_studio(tmp_path, settings) as drafts:
        await drafts.run()
    async with tools.open_studio(tmp_path, settings, endpoint_id="gpu") as real:
        real.artist.answers[""] = lambda graph: {"images": tools.answer(graph)["images"]}
        report = await real.run()
        assert (report.generated, report.cached, report.draft) == (3, 0, False)
        store = open_store(settings.store_url)
        assert load_latest(store, "tiny", "draft") is not None
        index = load_latest(store, "tiny", "main")
        assert not any(asset.draft for asset in index.assets.values())
        assert {row["cost_estimate_usd"] for row in real.rows() if not row["draft"]} == {None}, "unknown, not 0"


async def test_a_draft_worker_behind_a_real_endpoint_is_found_out(tmp_path, make_settings, tools):
    async with tools.open_studio(tmp_path, make_settings(), endpoint_id="gpu") as studio:
        report = await studio.run()
        assert report.exit_code == 1
        assert {line.error for line in report.failures} == {"draft_answer", "workflow"}
        assert len(studio.artist.executed) == 2, "one canary of each workflow, and no more"
        assert report.published is False


async def test_a_failed_picture_is_tried_again_by_the_next_run_and_counted(studio):
    studio.artist.answers["slime"] = lambda _: {"error": "Job processing failed"}
    await studio.run()
    studio.artist.answers.clear()
    report = await studio.run()
    assert (report.exit_code, report.generated) == (0, 1)
    slime = [row for row in studio.rows() if row["asset_id"] == "slime"]
    assert [(row["status"], row["try_no"]) for row in slime] == [("failed", 1), ("failed", 2), ("kept", 3)]


async def test_provenance_is_in_the_file_and_can_be_left_out(tmp_path, make_settings, tools):
    async with tools.open_studio(tmp_path, make_settings()) as studio:
        await studio.run()
        store = open_store(studio.settings.store_url)
        text = read_text(store.get(load_latest(store, "tiny", "draft").assets["slime"].file))
        assert text["assetmill:asset"] == "slime"
        assert text["assetmill:draft"] == "1"
        assert text["assetmill:attempt"] in {row["attempt_id"] for row in studio.rows()}
        studio.settings = make_settings(ASSETMILL_STRIP_PROVENANCE="true")
        report = await studio.run()
        assert (report.generated, report.refinished) == (0, 3)
        assert read_text(store.get(load_latest(store, "tiny", "draft").assets["slime"].file)) == {}


async def test_books_that_cannot_be_written_stop_everything(studio):
    class Broken(Steps):
        async def generate(self, *_: object):
            raise LedgerError("disk full")

    with pytest.raises(LedgerError):
        await studio.run(steps=Broken())
    assert studio.artist.executed == []


async def test_the_gallery_lies_beside_the_pack_and_names_every_asset(studio):
    report = await studio.run()
    page = open_store(studio.settings.store_url).get(report.gallery).decode()
    assert all(name in page for name in ("slime", "crate", "sky"))


async def test_the_report_is_one_json_object(studio):
    report = await studio.run()
    document = json.loads(report.model_dump_json())
    assert document["exit_code"] == 0
    assert set(document) == set(type(report).model_fields)


async def test_never_more_jobs_outstanding_than_the_window(tmp_path, make_settings, tools):
    many = "".join(
        f"  - {{id: e{i:02d}, type: entity, prompt: thing {i}, silhouette: {{canvas: 64x64}}}}\n" for i in range(24)
    )
    async with tools.open_studio(
        tmp_path, make_settings(ASSETMILL_MAX_WORKERS="2"), workers=2, exec_seconds=0.1
    ) as studio:
        peak = 0

        def watch(_):
            nonlocal peak
            counts = studio.pod.counts()
            peak = max(peak, counts.in_queue + counts.in_progress)

        studio.artist.before = watch
        report = await studio.run(many)
        assert report.generated == 24
        assert 2 <= peak <= 4
