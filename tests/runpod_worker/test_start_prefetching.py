"""The start file's own rules, without the SDK: one lane, in order, whatever the handler is; and what is left alone."""

from __future__ import annotations

import asyncio
import runpy
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

PATH = Path(__file__).parents[2] / "runpod-worker" / "start_prefetching.py"
START = SimpleNamespace(**runpy.run_path(str(PATH), run_name="start_prefetching"))
ENOUGH_S = 30


class Desk:
    """A handler that waits for a word before it ends, and knows how many jobs were in it at once."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.inside = self.most = 0
        self.may_end = threading.Semaphore(0)
        self.in_it = threading.Semaphore(0)

    def handle(self, job: dict[str, Any]) -> dict[str, Any]:
        self.enter(job)
        assert self.may_end.acquire(timeout=ENOUGH_S)
        self.inside -= 1
        return {"images": [job["id"]]}

    async def handle_async(self, job: dict[str, Any]) -> dict[str, Any]:
        self.enter(job)
        await asyncio.to_thread(self.may_end.acquire)
        self.inside -= 1
        return {"images": [job["id"]]}

    def handle_late(self, job: dict[str, Any]) -> Any:
        return self.handle_async(job)  # a plain function whose answer has to be awaited

    def enter(self, job: dict[str, Any]) -> None:
        self.began.append(job["id"])
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.in_it.release()

    async def somebody_is_in(self) -> None:
        assert await asyncio.to_thread(self.in_it.acquire, timeout=ENOUGH_S)


@pytest.mark.parametrize("kind", ("handle", "handle_async", "handle_late"))
async def test_jobs_run_one_after_another_in_their_order_whatever_the_handler_is(kind: str) -> None:
    desk = Desk()
    in_turn = START.one_at_a_time(getattr(desk, kind))
    tasks = [asyncio.create_task(in_turn({"id": name})) for name in "abc"]
    for _ in tasks:
        await desk.somebody_is_in()
        desk.may_end.release()
    answers = await asyncio.gather(*tasks)
    assert [answer["images"] for answer in answers] == [["a"], ["b"], ["c"]]
    assert (desk.began, desk.most) == (["a", "b", "c"], 1)


async def test_the_loop_is_free_while_a_handler_that_does_not_await_runs() -> None:
    desk = Desk()
    running = asyncio.create_task(START.one_at_a_time(desk.handle)({"id": "a"}))
    await desk.somebody_is_in()  # this very line would never be reached
    assert not running.done()
    desk.may_end.release()
    await running


async def test_a_job_that_is_stopped_while_it_waits_never_runs() -> None:
    desk = Desk()
    in_turn = START.one_at_a_time(desk.handle)
    tasks = [asyncio.create_task(in_turn({"id": name})) for name in "abc"]
    await desk.somebody_is_in()
    tasks[1].cancel()
    for _ in range(2):
        desk.may_end.release()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert desk.began == ["a", "c"]


async def test_a_job_that_is_stopped_while_it_runs_keeps_the_lane_until_its_handler_has_ended() -> None:
    desk = Desk()
    in_turn = START.one_at_a_time(desk.handle)
    first, second = (asyncio.create_task(in_turn({"id": name})) for name in "ab")
    await desk.somebody_is_in()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    for _ in range(20):
        await asyncio.sleep(0)
    assert desk.began == ["a"], "the GPU still draws it"
    for _ in range(2):
        desk.may_end.release()
    answer = await second
    assert (desk.began, desk.most) == (["a", "b"], 1)
    assert answer["assetmill_worker"]["handler_ms"] < ENOUGH_S * 1000


async def test_an_exception_is_the_sdks_to_report_and_does_not_hold_up_the_next_job() -> None:
    def handler(job: dict[str, Any]) -> dict[str, Any]:
        if job["id"] == "a":
            raise ValueError("no such checkpoint")
        return {"images": []}

    in_turn = START.one_at_a_time(handler)
    with pytest.raises(ValueError, match="no such checkpoint"):
        await in_turn({"id": "a"})
    assert (await in_turn({"id": "b"}))["images"] == []


@pytest.mark.parametrize("answer", (None, "words", ["a"], True))
def test_an_answer_that_is_no_object_is_passed_on_as_it_is(answer: Any) -> None:
    assert START.noted(answer, 0.0) is answer


def test_the_note_stands_beside_whatever_the_handler_said() -> None:
    answer = {"error": "Job processing failed", "details": ["node 20"], "refresh_worker": True}
    noted = START.noted(answer, 0.0)
    assert noted.items() >= answer.items()
    assert noted.keys() - answer.keys() == {"assetmill_worker"}
    assert isinstance(noted["assetmill_worker"]["handler_ms"], int)


def config_that_reaches_the_sdk(config: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    START.prefetching(found.append)(config)
    return found[0]


def test_a_handler_gets_its_lane_and_the_sdk_room_for_one_more() -> None:
    own = {"handler": lambda job: job, "refresh_worker": True}
    given = config_that_reaches_the_sdk(own)
    assert given["concurrency_modifier"](1) == 2
    assert given["handler"] is not own["handler"]
    assert given["refresh_worker"] is True


def _pieces(_job: dict[str, Any]) -> Iterator[int]:
    yield 1


async def _later_pieces(_job: dict[str, Any]) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    "config",
    ({"handler": _pieces}, {"handler": _later_pieces}, {"handler": len, "concurrency_modifier": lambda _: 5}, {}),
)
def test_a_handler_that_streams_or_has_plans_of_its_own_is_left_alone(config: dict[str, Any]) -> None:
    assert config_that_reaches_the_sdk(config) is config


async def test_no_two_jobs_are_asked_for_at_once() -> None:
    asked: list[int] = []

    async def get_job(_session: Any, num_jobs: int = 1) -> list[str]:
        asked.append(num_jobs)
        return ["job"]

    scaler = SimpleNamespace(get_job=get_job)
    START.fetch_singly(scaler)
    assert await scaler.get_job(None, 2) == ["job"]
    assert await scaler.get_job(None) == ["job"]
    assert asked == [1, 1]
    START.fetch_singly(SimpleNamespace())  # an SDK that fetches otherwise is said to, and runs


def test_switched_off_it_runs_the_handler_file_as_if_that_had_been_started_itself(tmp_path: Path) -> None:
    handler = tmp_path / "handler.py"
    handler.write_text("import beside, sys\nprint(__name__, sys.argv, beside.WORD, 'runpod' in sys.modules)\n")
    (tmp_path / "beside.py").write_text("WORD = 'here'\n")
    for arguments, variables in (
        ([str(handler), "--rp_log_level", "INFO"], {}),
        (["--rp_log_level", "INFO"], {"ASSETMILL_HANDLER": str(handler)}),
    ):
        done = subprocess.run(
            [sys.executable, str(PATH), *arguments],
            env={"ASSETMILL_PREFETCH": "0", **variables}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == f"__main__ {[str(handler), '--rp_log_level', 'INFO']} here False\n"
