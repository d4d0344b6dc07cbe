"""What went wrong is tried again where that makes sense, each time as an attempt of its own, and never otherwise."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from assetmill.localpod import Faults, Rule
from assetmill.localpod.faults import Kind

ONE = "  - {id: slime, type: entity, prompt: a slime, shape: circle, silhouette: {canvas: 64x64}}\n"
SOME = "".join(
    f"  - {{id: e{i:02d}, type: entity, prompt: thing {i}, silhouette: {{canvas: 64x64}}}}\n" for i in range(14)
)
DEAD = "ComfyUI server (127.0.0.1:8188) not reachable after multiple retries."
ILL = "Workflow execution error: Node Type: KSampler, Node ID: 3, Message: CUDA error: an illegal memory access"
RAISED = (
    "Workflow execution error: Node Type: VAEDecode, Node ID: 8, Message: 'NoneType' object has no attribute 'shape'"
)
CUDA = {"error": "Job processing failed", "details": [ILL]}
NODE = {"error": "Job processing failed", "details": [RAISED]}
Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def then_good(studio: Any, tools: Any, *bad: Answer) -> None:
    """The worker answers with these, one after another, and well from then on."""
    left = list(bad)

    def answer(graph: Mapping[str, Any]) -> Mapping[str, Any]:
        return left.pop(0)(graph) if left else dict(tools.answer(graph))

    studio.artist.answers["slime"] = answer


def says(answer: Mapping[str, Any]) -> Answer:
    return lambda _: answer


def garbage(graph: Mapping[str, Any], tools: Any) -> Mapping[str, Any]:
    data = base64.b64encode(b"<html>not a picture</html>").decode()
    return {"images": [entry | {"data": data} for entry in tools.answer(graph)["images"]]}


LINES: dict[str, tuple[str, int, Callable[[Any], Answer]]] = {
    "worker fault": ("worker_fault", 2, lambda _: says(CUDA)),
    "start-up": ("startup_failed", 2, lambda _: says({"error": DEAD})),
    "execution error": ("execution_failed", 0, lambda _: says(NODE)),
    "validation error": ("validation_failed", 0, lambda _: says({"error": "Workflow validation failed:\n• Node 4"})),
    "no reason given": ("job_failed", 1, lambda _: says({"error": "Job processing failed"})),
    "no image": ("invalid_image", 1, lambda tools: lambda graph: garbage(graph, tools)),
    "wrong count": ("wrong_count", 1, lambda tools: lambda graph: tools.answer(graph, leave_out=1)),
}


@pytest.mark.parametrize(("code", "again", "answer"), LINES.values(), ids=LINES.keys())
async def test_a_failure_is_tried_again_as_often_as_its_class_allows(studio, tools, code, again, answer):
    bad = answer(tools)
    then_good(studio, tools, *[bad] * (again + 1))
    report = await studio.run(ONE)
    rows = studio.rows()
    assert [row["error_class"] for row in rows] == [code] * (again + 1)
    assert {row["status"] for row in rows} == {"failed"}
    assert (report.exit_code, report.retried, len(studio.artist.executed)) == (1, again, again + 1)
    assert [row["try_no"] for row in rows] == list(range(1, again + 2))
    assert [row["retry_of"] for row in rows] == [None, *(row["attempt_id"] for row in rows[:-1])]


@pytest.mark.parametrize(("code", "again", "answer"), [line for line in LINES.values() if line[1]])
async def test_a_try_that_goes_well_is_the_picture_and_every_try_has_a_prefix_of_its_own(
    studio, tools, code, again, answer
):
    then_good(studio, tools, *[answer(tools)] * again)
    prefixes: list[str] = []
    studio.artist.before = lambda job: prefixes.extend(
        node["inputs"]["filename_prefix"] for node in job["workflow"].values() if node["class_type"] == "SaveImage"
    )
    report = await studio.run(ONE)
    assert (report.exit_code, report.generated, report.retried) == (0, 1, again)
    rows = studio.rows()
    assert [row["error_class"] for row in rows] == [code] * again + [None]
    assert len({row["seed"] for row in rows}) == 1, "the pixels were never the fault"
    assert len(set(prefixes)) == again + 1


async def test_an_empty_picture_is_kept_and_drawn_once_more_with_another_seed(studio, tools):
    then_good(studio, tools, lambda graph: tools.answer(graph, shape="empty"))
    report = await studio.run(ONE)
    assert (report.exit_code, report.generated, report.retried) == (0, 1, 1)
    blank, good = studio.rows()
    assert (blank["status"], blank["error_class"]) == ("rejected", "blank_image")
    assert blank["key"], "it is paid for, and kept"
    assert good["status"] == "kept"
    assert blank["seed"] != good["seed"]
    assert blank["fingerprint"] == good["fingerprint"], "it answers the same wish"
    again = await studio.run(ONE)
    assert (again.exit_code, again.cached) == (0, 1)


ELITE = "  - {id: elite, type: entity, prompt: the elite, references: [slime]}\n"


async def test_what_is_drawn_from_an_empty_picture_waits_for_the_next_try(studio, tools):
    then_good(studio, tools, lambda graph: tools.answer(graph, shape="empty"))
    report = await studio.run(ONE + ELITE)
    assert (report.exit_code, report.generated, report.retried) == (0, 2, 1)


async def test_nothing_is_paid_for_what_would_be_drawn_from_an_empty_picture(studio, tools):
    studio.artist.answers["slime"] = lambda graph: tools.answer(graph, shape="empty")
    for _ in range(2):
        report = await studio.run(ONE + ELITE)
        assert {line.asset for line in report.failures} == {"slime", "elite"}
    assert not any("elite" in words for words in studio.artist.executed)


async def test_two_empty_pictures_are_not_bought_a_third_time(studio, tools):
    studio.artist.answers["slime"] = lambda graph: tools.answer(graph, shape="empty")
    await studio.run(ONE)
    again = await studio.run(ONE)
    assert (again.exit_code, len(studio.rows())) == (1, 2)


FAULTS: dict[str, tuple[Rule, list[str]]] = {
    "lost to size": (Rule(Kind.NO_OUTPUT, times=3), ["result_too_large"]),
    "expired": (Rule(Kind.VANISH, times=1), ["result_expired", "kept"]),
    "timed out": (Rule(Kind.WORKER_DIES, times=1, seconds=0.01), ["timed_out", "kept"]),
    "cancelled elsewhere": (Rule(Kind.CANCELLED_ELSEWHERE, times=1), ["cancelled_elsewhere"]),
}


@pytest.mark.parametrize(("rule", "ends"), FAULTS.values(), ids=FAULTS.keys())
async def test_what_the_endpoint_does_to_a_job_is_tried_again_by_its_class(tmp_path, make_settings, tools, rule, ends):
    async with tools.open_studio(tmp_path, make_settings(), faults=Faults(rules=(rule,))) as studio:
        studio.clock = tools.fast_clock()
        await studio.run(ONE)
        assert [row["error_class"] or row["status"] for row in studio.rows()] == ends


async def test_no_replacement_is_sent_for_a_job_that_could_not_be_cancelled(tmp_path, make_settings, tools):
    rules = (Rule(Kind.WORKER_DIES, times=1, seconds=0.01), Rule(Kind.BAD_GATEWAY, operation="cancel"))
    async with tools.open_studio(tmp_path, make_settings(), faults=Faults(rules=rules)) as studio:
        studio.clock = tools.fast_clock()
        await studio.run(ONE)
        assert [row["error_class"] for row in studio.rows()] == ["timed_out"]


async def test_throttling_is_waited_out_and_is_no_attempt_of_its_own(tmp_path, make_settings, tools):
    rule = Rule(Kind.THROTTLE, operation="run", times=3)
    naps: list[float] = []
    async with tools.open_studio(tmp_path, make_settings(), faults=Faults(rules=(rule,))) as studio:
        studio.clock = tools.fast_clock(naps)
        report = await studio.run(ONE)
        assert (report.exit_code, len(studio.rows())) == (0, 1)
        assert len(naps) >= 3


async def test_an_endpoint_at_which_most_jobs_fail_gets_no_more(studio, tools):
    failing = iter(range(100))
    studio.artist.answers["thing"] = lambda graph: tools.answer(graph) if next(failing) < 1 else {"error": DEAD}
    report = await studio.run(SOME)
    assert report.exit_code == 4
    assert report.stopped
    assert len(studio.artist.executed) < 14, "most of them were never sent"
    assert any(line.state == "unsent" for line in report.failures)


async def test_nothing_but_the_canary_is_sent_before_it_has_come_back(tmp_path, make_settings, tools):
    outstanding: list[int] = []
    async with tools.open_studio(tmp_path, make_settings(), exec_seconds=0.3) as studio:

        def look(_: Any) -> None:
            counts = studio.pod.counts()
            outstanding.append(counts.in_queue + counts.in_progress)

        studio.artist.before = look
        await studio.run(SOME)
    assert outstanding[0] == 1
    assert max(outstanding) > 1


async def test_a_canary_that_the_worker_refuses_is_the_only_job_of_its_workflow(studio):
    studio.artist.answers["thing"] = lambda _: {"error": "Workflow validation failed:\n• Node 4"}
    sky = "  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}\n"
    report = await studio.run(SOME + sky)
    assert len(studio.artist.executed) == 2, "one of each workflow"
    assert (report.generated, report.failed) == (1, 14)
    unsent = [line for line in report.failures if line.state == "unsent"]
    assert len(unsent) == 13
    assert all("validation" in line.message for line in unsent)
