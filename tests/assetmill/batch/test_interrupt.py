"""A run that is asked to end sends nothing more and loses nothing; asked twice, it ends at once and keeps the books."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assetmill.batch.interrupt import Interruption, interruptible
from assetmill.batch.prepare import Request
from assetmill.batch.report import BatchReport
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.ledger import Ledger
from assetmill.localpod import Faults, Rule
from assetmill.localpod.faults import Kind
from assetmill.packs import load_latest
from assetmill.planning.plan import ALL
from assetmill.storage import open_store

FIVE = "".join(f"  - {{id: s{n}, type: background, prompt: sky {n}, width: 128, height: 128}}\n" for n in range(5))
ONE = "  - {id: s0, type: background, prompt: sky 0, width: 128, height: 128}\n"
AT_ONCE_S = 20.0  # real time, on a machine that may be busy; what is waited for would take minutes

PROGRAM = """
import asyncio, sys
from pathlib import Path
from assetmill.batch.interrupt import interruptible
from assetmill.batch.prepare import Request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.planning.plan import ALL
from assetmill.settings import load_settings

async def main(manifest, endpoint):
    clock = Clock()
    async with open_batch(load_settings(), Request(Path(manifest), endpoint), clock, clock.new_id()) as batch:
        batch.progress.listener = lambda progress: print(progress.message, file=sys.stderr, flush=True)
        with interruptible(batch):
            report, _ = await run_batch(batch, ALL, "main", Steps())
    print(report.model_dump_json())
    return report.exit_code

try:
    sys.exit(asyncio.run(main(*sys.argv[1:])))
except asyncio.CancelledError:
    sys.exit(99)
"""


@dataclass
class Running:
    """A run that can be asked to end."""

    task: asyncio.Task[BatchReport]
    interruption: Interruption


async def start(studio: Any, assets: str = FIVE) -> Running:
    """Begin a run the way the flow does, and come back once it can be asked to end."""
    ready: asyncio.Future[Interruption] = asyncio.get_running_loop().create_future()

    async def run() -> BatchReport:
        request, clock = Request(studio.write(assets), studio.endpoint or studio.pod.url), studio.clock
        async with open_batch(studio.settings, request, clock, clock.new_id()) as batch:
            with interruptible(batch) as interruption:
                ready.set_result(interruption)
                return (await run_batch(batch, ALL, "main", Steps()))[0]

    task = asyncio.create_task(run())
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    return Running(task, await ready)


async def until(holds: Callable[[], Any], task: asyncio.Task[Any] | None = None) -> None:
    async with asyncio.timeout(60):
        while not holds():
            if task is not None and task.done():
                raise AssertionError(f"it ended before: {task.result()}")
            await asyncio.sleep(0)


def run_states(studio: Any) -> list[str]:
    with Ledger.open(studio.settings.ledger_url) as ledger:
        return [run["state"] for run in ledger.runs()]


def statuses(studio: Any) -> list[str]:
    return sorted(row["status"] for row in studio.rows())


@pytest.fixture
async def busy(tmp_path, make_settings, tools) -> AsyncIterator[Any]:
    """One worker that makes the canary and then keeps its second job until it is let go: one runs, one waits."""
    async with _held(tmp_path, make_settings(ASSETMILL_MAX_WORKERS="1"), tools) as studio:
        yield studio


@asynccontextmanager
async def _held(tmp_path, settings, tools) -> AsyncIterator[Any]:
    studio_hold = threading.Event()
    async with tools.open_studio(tmp_path, settings, workers=1) as studio:

        def block(_: Any) -> None:
            if len(studio.artist.executed) > 1:
                studio_hold.wait(60)

        studio.artist.before = block
        studio.hold = studio_hold
        try:
            yield studio
        finally:
            studio_hold.set()


def one_runs_and_one_waits(studio: Any) -> bool:
    counts = studio.pod.counts()
    return (counts.in_progress, counts.in_queue) == (1, 1) and statuses(studio) == ["kept", "submitted", "submitted"]


async def test_the_first_request_sends_nothing_more_and_collects_finishes_and_publishes_what_is_out(busy):
    running = await start(busy)
    await until(lambda: one_runs_and_one_waits(busy), running.task)
    running.interruption.ask()
    busy.hold.set()
    report = await running.task
    assert (report.exit_code, report.generated, report.failed) == (130, 3, 2)
    assert report.stopped == "interrupted"
    assert {(line.state, line.error) for line in report.failures} == {("unsent", "stopped")}
    assert statuses(busy) == ["kept"] * 3
    assert len(busy.artist.executed) == busy.pod.counts().executed == 3
    assert run_states(busy) == ["stopped"]
    index = load_latest(open_store(busy.settings.store_url), "tiny", "draft")
    missing = {line.asset for line in report.failures}
    assert set(index.assets) == {f"s{n}" for n in range(5)} - missing
    again = await busy.run(FIVE)
    assert (again.exit_code, again.generated, again.cached) == (0, 2, 3)
    assert len(busy.artist.executed) == 5


async def test_the_second_request_takes_back_what_waits_and_leaves_what_runs_to_the_next_run(busy):
    running = await start(busy)
    await until(lambda: one_runs_and_one_waits(busy), running.task)
    running.interruption.ask()
    running.interruption.ask()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running.task, AT_ONCE_S)
    rows = {row["status"]: row for row in busy.rows()}
    assert sorted(rows) == ["cancelled", "kept", "submitted"]
    assert (rows["cancelled"]["cost_high_usd"], rows["cancelled"]["error_class"]) == (0, "stopped")
    assert rows["submitted"]["owner"] is None, "whoever comes next need not wait for it"
    assert busy.pod.counts().in_queue == 0
    assert run_states(busy) == ["interrupted"]
    busy.hold.set()
    report = await busy.run(FIVE)
    assert (report.exit_code, report.collected) == (0, 1)
    assert statuses(busy) == ["cancelled"] + ["kept"] * 5
    assert len(busy.artist.executed) == busy.pod.counts().executed == 5, "nothing was paid twice"


async def test_a_request_to_end_cuts_the_waiting_for_a_throttled_endpoint_short(tmp_path, make_settings, tools):
    faults = Faults((Rule(Kind.THROTTLE, operation="run", seconds=250),))
    async with tools.open_studio(tmp_path, make_settings(), faults=faults) as studio:
        running = await start(studio)
        await until(lambda: studio.pod.injected().get("throttle"), running.task)
        running.interruption.ask()
        report = await asyncio.wait_for(running.task, AT_ONCE_S)
        assert report.exit_code == 130
        assert "throttled" in {line.error for line in report.failures}
        assert [(row["status"], row["error_class"], row["cost_high_usd"]) for row in studio.rows()] == [
            ("failed", "throttled", 0)
        ]
        assert studio.pod.injected() == {"throttle": 1}, "it was not sent again"
        assert run_states(studio) == ["stopped"]


async def test_a_request_to_end_cuts_the_pause_before_another_try_short(tmp_path, make_settings, tools):
    faults = Faults((Rule(Kind.POISONED_WORKER),))
    settings = make_settings(ASSETMILL_WORKER_IDLE_S="3600", ASSETMILL_MAX_WORKERS="1")
    async with tools.open_studio(tmp_path, settings, workers=1, faults=faults) as studio:
        running = await start(studio, ONE)
        await until(lambda: statuses(studio) == ["failed", "failed"], running.task)
        running.interruption.ask()
        report = await asyncio.wait_for(running.task, AT_ONCE_S)
        assert report.exit_code == 130
        assert [line.state for line in report.failures] == ["failed"], "what its last try ended with"
        assert statuses(studio) == ["failed", "failed"], "no third try"


async def test_a_request_to_end_does_not_wait_for_somebody_else(studio):
    """The picture is being paid for by a run on another machine, which is silent."""
    await studio.run(ONE)
    studio.reopen()
    until_then = str((datetime.now(UTC) + timedelta(hours=1)).replace(tzinfo=None))
    with Ledger.open(studio.settings.ledger_url) as ledger, ledger._database.write() as connection:
        words = "update attempts set owner = 'somebody', owner_place = 'elsewhere/1/1', claimed_until = ?"
        connection.exec_driver_sql(words, (until_then,))
    running = await start(studio, ONE)
    await until(lambda: running.interruption._batch.progress.message == "generating", running.task)
    running.interruption.ask()
    report = await asyncio.wait_for(running.task, AT_ONCE_S)
    assert (report.exit_code, [line.state for line in report.failures]) == (130, ["open"])
    assert "another run is at it" in report.failures[0].message
    row = studio.rows()[0]
    assert (row["status"], row["owner"]) == ("submitted", "somebody")
    assert len(studio.artist.executed) == 1


@dataclass
class Program:
    process: asyncio.subprocess.Process

    async def said(self, words: str) -> None:
        """Read on until the program says this."""
        async with asyncio.timeout(60):
            while words.encode() not in (line := await self.process.stderr.readline()):
                assert line, f"it ended without saying {words!r}"

    async def end(self) -> tuple[int, str]:
        out, _ = await asyncio.wait_for(self.process.communicate(), 60)
        return self.process.returncode or 0, out.decode()


@asynccontextmanager
async def program(studio: Any) -> AsyncIterator[Program]:
    """A run in a process of its own, without Prefect."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", PROGRAM, str(studio.write(FIVE)), studio.pod.url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM), ids=lambda number: number.name)
async def test_a_signal_is_the_first_request(busy, number):
    async with program(busy) as run:
        await until(lambda: one_runs_and_one_waits(busy))
        run.process.send_signal(number)
        await run.said("2 jobs are being collected")
        busy.hold.set()
        code, out = await run.end()
    assert code == 130
    assert json.loads(out)["generated"] == 3
    assert statuses(busy) == ["kept"] * 3
    assert run_states(busy) == ["stopped"]
    assert len(busy.artist.executed) == 3


@pytest.mark.parametrize(
    "numbers", ((signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)), ids=("Ctrl-C twice", "both")
)
async def test_another_signal_is_the_second_request(busy, numbers):
    async with program(busy) as run:
        await until(lambda: one_runs_and_one_waits(busy))
        run.process.send_signal(numbers[0])
        await run.said("2 jobs are being collected")
        run.process.send_signal(numbers[1])
        code, out = await run.end()
    assert (code, out) == (99, "")
    assert statuses(busy) == ["cancelled", "kept", "submitted"]
    assert {row["owner"] for row in busy.rows() if row["status"] == "submitted"} == {None}
    assert busy.pod.counts().in_queue == 0
    assert run_states(busy) == ["interrupted"]
