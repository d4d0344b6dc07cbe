"""Two at once: of one picture, one attempt; of one attempt, one settlement; and who is killed is in nobody's way."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assetmill.audit import findings, read_snapshot
from assetmill.batch.settling import settle_everything
from assetmill.clock import Clock
from assetmill.ledger import Ledger, place_of_this_process
from assetmill.storage import open_store

SIX = "".join(f"  - {{id: s{n}, type: background, prompt: sky {n}, width: 128, height: 128}}\n" for n in range(6))
ONE = "  - {id: s0, type: background, prompt: sky 0, width: 128, height: 128}\n"
SAME = "  - {{id: {}, type: background, prompt: a sky, seed: 7, width: 128, height: 128}}\n"
AT_ONCE_S = 60.0  # real time, on a machine that may be busy; a lease would take an hour

SETTLE = """
import asyncio, json, sys
from dataclasses import asdict
from assetmill.batch.settling import settle_everything
from assetmill.clock import Clock
from assetmill.settings import load_settings

print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(asdict(asyncio.run(settle_everything(load_settings(), Clock(), wait=True)))))
"""
RUN = """
import asyncio, sys
from pathlib import Path
from assetmill.batch.prepare import Request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.planning.plan import ALL
from assetmill.settings import load_settings

async def main(manifest, endpoint):
    clock = Clock()
    async with open_batch(load_settings(), Request(Path(manifest), endpoint), clock, clock.new_id()) as batch:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        report, _ = await run_batch(batch, ALL, "main", Steps())
    print(report.model_dump_json())
    return report.exit_code

sys.exit(asyncio.run(main(*sys.argv[1:])))
"""


class Program:
    """One of our own programs in a process of its own; it says that it is ready, and waits to be told to go."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ready(self) -> None:
        assert await asyncio.wait_for(self.process.stdout.readline(), 60) == b"ready\n"

    def go(self) -> None:
        self.process.stdin.write(b"\n")

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def end(self) -> dict[str, Any]:
        """Its result; it must have ended well."""
        out, err = await asyncio.wait_for(self.process.communicate(), 120)
        assert (self.process.returncode, err) == (0, b""), err.decode()
        return dict(json.loads(out))


@asynccontextmanager
async def program(words: str, *arguments: str) -> AsyncIterator[Program]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", words, *arguments, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def together(words: str, *arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two of the same program, let go at the same moment."""
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(program(words, *arguments)) for _ in range(2)]
        for one in (first, second):
            await one.ready()
        for one in (first, second):
            one.go()
        return await first.end(), await second.end()


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  there is no event for it
            await asyncio.sleep(0)


def disagreements(studio: Any) -> list[str]:
    """What rows, receipts, files and packs do not agree in; every byte is read."""
    with Ledger.open(studio.settings.ledger_url) as ledger:
        snapshot = read_snapshot(ledger, open_store(studio.settings.store_url), deep=True)
    return [str(one) for one in findings(snapshot, datetime.now(UTC)) if one.kind.violation]


def claim(studio: Any, place: str, until_then: datetime) -> None:
    """Give all open attempts to somebody."""
    with Ledger.open(studio.settings.ledger_url) as ledger, ledger._database.write() as connection:
        words = "update attempts set owner = 'somebody', owner_place = ?, claimed_until = ?"
        connection.exec_driver_sql(words, (place, str(until_then.replace(tzinfo=None))))


@pytest.mark.parametrize("status", ("submitted", "collected", "submitting"))
async def test_two_that_settle_thirty_attempts_at_once_settle_each_exactly_once(studio, status):
    many = "".join(f"  - {{id: s{n}, type: background, prompt: sky {n}, width: 64, height: 64}}\n" for n in range(30))
    await studio.run(many)
    studio.reopen(status, job=status != "submitting")
    first, second = await together(SETTLE)
    assert first["settled"] + second["settled"] == 30
    assert first["remaining"] == second["remaining"] == {}
    rows = studio.rows()
    assert {(row["status"], row["error_class"]) for row in rows} == {("kept", None)}
    receipts = [item.key for item in open_store(studio.settings.store_url).list("private/receipts/")]
    assert len(receipts) == len(rows) == 30
    again = await studio.run(many)
    assert (again.exit_code, again.generated, again.cached) == (0, 0, 30)
    assert len(studio.artist.executed) == 30
    assert disagreements(studio) == []


async def test_two_runs_of_one_manifest_at_once_pay_for_each_picture_once(studio):
    manifest = str(studio.write(SIX))
    first, second = await together(RUN, manifest, studio.pod.url)
    for report in (first, second):
        assert (report["exit_code"], report["failed"], report["stopped"]) == (0, 0, None)
        assert report["generated"] + report["shared"] + report["cached"] == 6
    assert first["generated"] + second["generated"] == 6
    assert first["shared"] + second["shared"] > 0
    assert sorted(studio.artist.executed) == sorted({*studio.artist.executed})
    assert len(studio.artist.executed) == studio.pod.counts().executed == len(studio.rows()) == 6
    assert {row["status"] for row in studio.rows()} == {"kept"}
    assert disagreements(studio) == []


async def test_pictures_that_another_run_is_at_are_waited_for_and_reported_as_shared(tmp_path, make_settings, tools):
    async with tools.open_studio(tmp_path, make_settings(ASSETMILL_MAX_WORKERS="6"), workers=6) as studio:
        hold = threading.Event()

        def block(_: Any) -> None:
            if len(studio.artist.executed) > 1:
                hold.wait(60)

        studio.artist.before = block
        async with program(RUN, str(studio.write(SIX)), studio.pod.url) as first:
            await first.ready()
            first.go()
            await until(lambda: len(studio.artist.executed) == 6)
            second = asyncio.create_task(studio.run(SIX))
            await until(lambda: _runs(studio) == 2)
            hold.set()
            theirs, ours = await first.end(), await second
        assert (theirs["generated"], theirs["shared"]) == (6, 0)
        assert (ours.exit_code, ours.generated, ours.shared + ours.cached, ours.collected) == (0, 0, 6, 0)
        assert ours.cost_usd == 0, "what another run has paid is not in this one's sum"
        assert len(studio.artist.executed) == 6


async def test_a_run_that_is_killed_is_taken_over_at_once(tmp_path, make_settings, tools):
    """Its lease is an hour, and its place on this machine is seen to be empty."""
    settings = make_settings(ASSETMILL_LEASE_S="3600", ASSETMILL_MAX_WORKERS="2")
    async with tools.open_studio(tmp_path, settings) as studio:
        hold = threading.Event()

        def block(_: Any) -> None:
            if len(studio.artist.executed) > 1:
                hold.wait(60)

        studio.artist.before = block

        def one_made_and_four_out() -> bool:
            states = Counter(row["status"] for row in studio.rows())
            return (states["kept"], states["submitted"]) == (1, 4)

        async with program(RUN, str(studio.write(SIX)), studio.pod.url) as run:
            await run.ready()
            run.go()
            await until(one_made_and_four_out)
            await run.kill()
        left = [row for row in studio.rows() if row["status"] == "submitted"]
        assert {row["claimed_until"] > datetime.now(UTC) + timedelta(minutes=30) for row in left} == {True}
        hold.set()
        report = await asyncio.wait_for(studio.run(SIX), AT_ONCE_S)
        assert (report.exit_code, report.collected, report.failed) == (0, 4, 0)
        assert len(studio.artist.executed) == len(studio.rows()) == 6
        assert disagreements(studio) == []


async def test_one_on_another_machine_is_taken_over_only_when_its_lease_has_run_out(studio):
    await studio.run(ONE)
    studio.reopen()
    now = datetime.now(UTC)
    claim(studio, "elsewhere/boot/space/1/1", now + timedelta(minutes=5))
    before = Clock(now=lambda: now + timedelta(minutes=4, seconds=59))
    done = await settle_everything(studio.settings, before)
    assert (done.settled, done.busy) == (0, 1)
    assert studio.rows()[0]["owner"] == "somebody"
    after = Clock(now=lambda: now + timedelta(minutes=5, seconds=1))
    done = await settle_everything(studio.settings, after)
    assert (done.settled, done.busy) == (1, 0)
    assert studio.rows()[0]["status"] == "kept"


async def test_a_run_waits_for_one_on_another_machine_until_its_lease_has_run_out(studio):
    await studio.run(ONE)
    studio.reopen()
    began, passed = datetime.now(UTC), [0.0]

    async def sleep(seconds: float) -> None:
        passed[0] += seconds
        await asyncio.sleep(0)

    claim(studio, "elsewhere/boot/space/1/1", began + timedelta(seconds=20))
    studio.clock = Clock(now=lambda: began + timedelta(seconds=passed[0]), monotonic=lambda: passed[0], sleep=sleep)
    report = await studio.run(ONE)
    assert (report.exit_code, report.generated, report.shared) == (0, 0, 1)
    assert 20 <= passed[0] < 30
    assert len(studio.artist.executed) == len(studio.rows()) == 1


async def test_a_place_whose_process_number_was_given_to_another_is_empty(studio):
    """The claim names this very process, but one that began at another time."""
    await studio.run(ONE)
    studio.reopen()
    claim(studio, place_of_this_process().rpartition("/")[0] + "/1", datetime.now(UTC) + timedelta(hours=1))
    assert (await settle_everything(studio.settings, Clock())).settled == 1


async def test_one_that_lives_on_this_machine_keeps_what_it_has(studio):
    await studio.run(ONE)
    studio.reopen()
    claim(studio, place_of_this_process(), datetime.now(UTC) + timedelta(hours=1))
    assert (await settle_everything(studio.settings, Clock())).busy == 1


async def test_assets_that_ask_for_the_very_same_picture_pay_for_it_once(studio):
    """Equal seeds and words make equal fingerprints, whatever an asset is called."""
    first = "  - {id: first, type: background, prompt: the first, width: 128, height: 128}\n"
    same = first + SAME.format("left") + SAME.format("right") + SAME.format("middle")
    report = await studio.run(same)
    assert (report.exit_code, report.generated, report.shared, report.failed) == (0, 2, 2, 0)
    assert len(studio.artist.executed) == len(studio.rows()) == 2
    assert disagreements(studio) == []
    again = await studio.run(same)
    assert (again.generated, again.cached, again.published) == (0, 4, False)


async def test_assets_that_share_an_attempt_of_a_dead_run_settle_it_once(studio):
    same = SAME.format("left") + SAME.format("right")
    await studio.run(same)
    studio.reopen()
    began, passed = datetime.now(UTC), [0.0]

    async def sleep(seconds: float) -> None:
        passed[0] += seconds
        await asyncio.sleep(0)

    claim(studio, "elsewhere/boot/space/1/1", began + timedelta(seconds=10))
    studio.clock = Clock(now=lambda: began + timedelta(seconds=passed[0]), monotonic=lambda: passed[0], sleep=sleep)
    report = await studio.run(same)
    assert (report.exit_code, report.generated, report.shared, report.stopped) == (0, 0, 2, None)
    assert len(studio.artist.executed) == len(studio.rows()) == 1
    assert disagreements(studio) == []


def _runs(studio: Any) -> int:
    with Ledger.open(studio.settings.ledger_url) as ledger:
        return len(ledger.runs())
