"""Runs that share an endpoint: never more out than the window, no worker idle while pictures wait, nothing kept.

Whoever counts the slots is played by `Counter`, which does what a Prefect limit does; tests/flows has the real one.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from assetmill.batch.context import Batch
from assetmill.batch.counters import _started_here
from assetmill.batch.keeper import Keeper
from assetmill.batch.keeping import keeping_slots
from assetmill.batch.prepare import Priority, Request, plan_only
from assetmill.batch.report import BatchReport
from assetmill.batch.request import Try, build_request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch, plan_batch
from assetmill.batch.sharing import limit_name
from assetmill.batch.slots import LEASE_S, Limit, SlotsAwayError
from assetmill.errors import UsageError
from assetmill.ledger import Claim, Ledger, Seat
from assetmill.planning.plan import ALL
from assetmill.providers.endpoints import draft_endpoint

WINDOW = 6  # 3 workers, and one job ahead for each


@dataclass
class Counter:
    """A limit. Leases end when a test says so; `away` makes every answer fail."""

    slots: int | None = WINDOW
    leases: set[str] = field(default_factory=set)
    away: bool = False
    most: int = 0
    given_back: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: Any = field(default_factory=count)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Counter]:
        yield self

    async def limit(self) -> Limit:
        self._answer()
        if self.slots is None:
            raise UsageError("no such limit")
        return Limit(self.slots, len(self.leases))

    async def take(self) -> str | None:
        limit = await self.limit()
        if limit.taken >= limit.slots:
            return None
        lease = f"lease-{next(self._numbers)}"
        self.leases.add(lease)
        self.most = max(self.most, len(self.leases))
        return lease

    async def renew(self, lease: str) -> bool:
        self._answer()
        return lease in self.leases

    async def give_back(self, lease: str) -> None:
        self._answer()
        self.given_back += lease in self.leases
        self.leases.discard(lease)

    def _answer(self) -> None:
        self.asked.set()
        if self.away:
            raise SlotsAwayError("HTTP 503")


def manifest(game: str, pictures: int) -> str:
    assets = "".join(
        f"  - {{id: a{n:02d}, type: entity, prompt: {n} of {game}, shape: circle, silhouette: {{canvas: 64x64}}}}\n"
        for n in range(pictures)
    )
    return f"version: 1\ngame: {{id: {game}, title: {game}}}\npack: {{id: default, name: Default}}\nassets:\n{assets}"


async def shared_run(
    studio: Any, counter: Counter, game: str, pictures: int, priority: Priority = "normal"
) -> BatchReport:
    path = studio.folder / f"{game}.yaml"
    path.write_text(manifest(game, pictures))
    request = Request(path, studio.pod.url, priority=priority)
    async with open_batch(studio.settings, request, studio.clock, studio.clock.new_id()) as batch:
        assert batch.shared
        async with keeping_slots(batch, limit_name(batch.endpoint), counter.open):
            report, _ = await run_batch(batch, ALL, "main", Steps())
    return report


def most_outstanding(pod: Any) -> int:
    """By the endpoint's own record of when jobs came and ended."""
    jobs = pod._queue.jobs()
    steps = sorted([(job.submitted_s, 1) for job in jobs] + [(job.finished_s, -1) for job in jobs])
    level = most = 0
    for _, step in steps:
        level += step
        most = max(most, level)
    return most


def utilisation(pod: Any, workers: int) -> float:
    """Share of the workers' time that they had a job, from the first job until the last one was taken."""
    done = pod.executions()
    first, last = min(one.started_s for one in done), max(one.started_s for one in done)
    busy = sum(min(one.ended_s, last) - one.started_s for one in done if one.started_s < last)
    return busy / (workers * (last - first))


def seats_of(studio: Any) -> list[Seat]:
    with Ledger.open(studio.settings.ledger_url) as ledger:
        return ledger.seats.at(f"endpoint-draft@{studio.pod.url.split('/')[2]}")


async def test_four_runs_at_once_keep_within_the_window_and_the_workers_busy(tmp_path, make_settings, tools):
    counter = Counter()
    async with tools.open_studio(tmp_path, make_settings(), exec_seconds=2.0) as studio:
        games = [("one", 5), ("two", 4), ("three", 4), ("four", 3)]
        reports = await asyncio.gather(*(shared_run(studio, counter, game, size) for game, size in games))
        assert [report.generated for report in reports] == [5, 4, 4, 3]
        assert len(studio.artist.executed) == 16
        assert most_outstanding(studio.pod) <= WINDOW
        assert counter.most <= WINDOW
        assert utilisation(studio.pod, 3) >= 0.7, "0.97 on a machine that has the time; one run at a time: 0.4"
        assert seats_of(studio) == []
    assert counter.leases == set()


@dataclass
class Turns:
    """A run that takes a turn when a test says so, and whose pictures and jobs are made up."""

    batch: Batch
    keeper: Keeper
    counter: Counter
    passes: list[Any] = field(default_factory=list)
    waiting: list[asyncio.Task[None]] = field(default_factory=list)

    async def prove(self) -> None:
        """Let a first job come back good: from then on any number may be sent."""
        self.keeper.batch.admission.resize(1)
        entry = await self.batch.admission.enter("entity")
        entry.job_ended()
        entry.came_back("w", None)
        self.batch.admission.resize(0)

    async def want(self, pictures: int) -> None:
        async def one() -> None:
            self.passes.append(await self.batch.admission.enter("entity"))

        self.waiting += [asyncio.create_task(one()) for _ in range(pictures)]
        await asyncio.sleep(0)

    async def turn(self) -> int:
        """Take a turn; says how many slots are held after it."""
        await self.keeper.turn()
        await asyncio.sleep(0)
        return len(self.keeper.leases)

    async def end(self, jobs: int) -> None:
        for _ in range(jobs):
            entry = self.passes.pop()
            entry.job_ended()
            entry.came_back("w", None)
        await asyncio.sleep(0)

    @property
    def out(self) -> int:
        return self.batch.admission.out

    def seat(self, run_id: str, **changes: Any) -> None:
        """Write the seat of another run."""
        now = self.batch.clock.now()
        seat = Seat(
            run_id, self.keeper.name, "normal", 9, 0, "elsewhere/1/1", (), now, now, now + timedelta(seconds=15)
        )
        self.batch.ledger.seats.take(replace(seat, **changes), now)


RunMaker = Callable[..., Awaitable[Turns]]


@pytest.fixture
async def turns(studio) -> AsyncIterator[Turns]:
    path = studio.folder / "tiny.yaml"
    path.write_text(manifest("tiny", 1))
    counter = Counter()
    with ThreadPoolExecutor(1) as thread:
        request = Request(path, studio.pod.url)
        async with open_batch(studio.settings, request, studio.clock, studio.clock.new_id()) as batch:
            batch.admission.resize(0)
            made = Turns(batch, Keeper(batch, counter, limit_name(batch.endpoint), thread), counter)
            await made.prove()
            yield made
            for task in made.waiting:
                task.cancel()
            await asyncio.gather(*made.waiting, return_exceptions=True)


async def test_a_run_alone_has_its_whole_window_in_one_turn_and_no_more(turns):
    await turns.want(20)
    assert await turns.turn() == WINDOW
    assert turns.out == WINDOW
    assert await turns.turn() == WINDOW


async def test_a_run_takes_no_more_than_it_has_pictures_for_and_gives_back_as_it_drains(turns, monkeypatch):
    monkeypatch.setattr("assetmill.batch.keeper.SPARE_S", 0.0)
    await turns.want(4)
    assert await turns.turn() == 4
    await turns.end(3)
    await turns.turn()
    assert await turns.turn() == 1
    await turns.end(1)
    await turns.turn()
    assert await turns.turn() == 0
    assert (turns.counter.leases, turns.counter.given_back) == (set(), 4)


async def test_before_its_first_job_came_back_a_run_asks_for_one_slot_and_leaves_the_rest_to_others(turns):
    tasks = [asyncio.create_task(turns.batch.admission.enter("another")) for _ in range(9)]
    turns.waiting += tasks
    await asyncio.sleep(0)
    assert await turns.turn() == 1
    assert turns.batch.admission.wants == 1, "the others wait for the canary, not for a slot"


async def test_when_another_run_comes_the_share_is_given_up_job_by_job_and_no_job_is_cancelled(turns):
    await turns.want(20)
    await turns.turn()
    turns.seat("newcomer")
    assert await turns.turn() == WINDOW, "every slot has a job"
    await turns.end(1)
    assert turns.out == 5, "nothing new is sent on a slot that is another's"
    assert await turns.turn() == 5
    await turns.end(3)
    assert await turns.turn() == 3
    assert turns.out == 3


async def test_an_urgent_run_leaves_a_normal_one_a_single_slot_until_its_seat_is_void(turns):
    await turns.want(20)
    turns.seat("urgent", priority="urgent")
    assert await turns.turn() == 1
    now = turns.batch.clock.now()
    turns.seat("urgent", priority="urgent", until=now - timedelta(seconds=1))
    assert await turns.turn() == WINDOW


async def test_an_operator_who_lowers_the_limit_is_obeyed_as_jobs_end_and_zero_holds_everything(turns):
    await turns.want(30)
    await turns.turn()
    turns.counter.slots = 2
    await turns.turn()
    await turns.end(4)
    assert await turns.turn() == 2
    turns.counter.slots = 0
    await turns.turn()
    await turns.end(2)
    assert await turns.turn() == 0
    assert turns.out == 0
    turns.counter.slots = WINDOW
    assert await turns.turn() == WINDOW


async def test_a_counter_that_is_away_for_less_than_a_lease_stops_nothing(turns):
    await turns.want(20)
    await turns.turn()
    turns.counter.away = True
    assert await turns.turn() == WINDOW
    await turns.end(2)
    assert turns.out == WINDOW, "the next two went out on the same slots"
    assert "cannot be counted" in turns.batch.progress.message


async def test_a_lease_that_could_not_be_renewed_in_time_is_a_lost_slot_and_is_taken_anew(turns):
    await turns.want(20)
    await turns.turn()
    turns.counter.away = True
    turns.keeper.leases = dict.fromkeys(turns.keeper.leases, 0.0)
    assert await turns.turn() == 0
    await turns.end(1)
    assert turns.out == 5, "nothing new goes out on a slot that may be another's by now"
    turns.counter.away = False
    turns.counter.leases.clear()
    assert await turns.turn() == WINDOW


async def test_a_lease_that_is_gone_when_it_is_to_be_renewed_is_a_lost_slot(turns):
    await turns.want(20)
    await turns.turn()
    gone = next(iter(turns.keeper.leases))
    turns.counter.leases.discard(gone)
    turns.keeper.leases = {lease: until - LEASE_S / 2 for lease, until in turns.keeper.leases.items()}
    assert await turns.turn() == WINDOW, "one is taken anew"
    assert gone not in turns.keeper.leases


async def test_a_limit_that_is_deleted_holds_everything_until_it_is_there_again(turns):
    await turns.want(20)
    await turns.turn()
    turns.counter.slots = None
    with pytest.raises(UsageError):
        await turns.keeper.turn()
    await turns.end(2)
    assert turns.out == 4
    turns.counter.slots, turns.counter.leases = WINDOW, set()
    assert await turns.turn() == WINDOW


async def left_by_a_killed_run(turns: Turns, studio: Any) -> str:
    """Id of an attempt whose job is at the endpoint, and whose run was killed on another machine just now."""
    await studio.run("  - {id: old, type: entity, prompt: old, shape: circle, silhouette: {canvas: 64x64}}\n")
    studio.reopen("submitted")
    (attempt,) = turns.batch.ledger.open_attempts()
    now = turns.batch.clock.now()
    elsewhere = Claim("killed", "elsewhere/1/1", now + timedelta(seconds=60))
    assert turns.batch.ledger.claim(attempt.attempt_id, elsewhere, now=now)
    return str(attempt.attempt_id)


async def test_jobs_of_a_killed_run_count_against_the_window_until_they_have_ended(turns, studio):
    """The killed run was on another machine, so nobody may settle its job before its claim is void."""
    batch, attempt_id = turns.batch, await left_by_a_killed_run(turns, studio)
    await turns.want(20)
    assert await turns.turn() == WINDOW - 1
    batch.ledger.let_go(attempt_id, "killed", batch.clock.now())
    turns.keeper._collected_at = -1e9
    await turns.turn()
    assert turns.keeper._collecting is not None
    await turns.keeper._collecting
    assert batch.ledger.open_attempts() == [], "what nobody looks after any more, the run collects beside its own"
    assert await turns.turn() == WINDOW


async def test_a_killed_runs_slots_come_back_before_its_jobs_end_and_are_not_taken_until_then(turns, studio):
    """Another run has five jobs out, and is above its share by then: the sixth slot is free in the limit alone."""
    await left_by_a_killed_run(turns, studio)
    held = tuple([str(await turns.counter.take()) for _ in range(5)])
    turns.seat("other", leases=held, held=5)
    await turns.want(20)
    assert await turns.turn() == 0
    await turns.counter.give_back(held[0])
    turns.seat("other", leases=held[1:], held=4)
    assert await turns.turn() == 1


async def test_slots_that_others_have_lost_are_not_taken_while_their_jobs_are_out(turns):
    """Nobody counted for longer than a lease: the limit says that all are free."""
    turns.seat("other", leases=(), held=6)
    await turns.want(20)
    assert await turns.turn() == 0
    turns.seat("other", leases=("a", "b"), held=4)
    turns.counter.leases |= {"a", "b"}
    assert await turns.turn() == 2


async def test_while_nobody_counts_the_seat_is_kept_and_says_what_is_out(turns):
    await turns.want(20)
    await turns.turn()
    (before,) = turns.batch.ledger.seats.at(turns.keeper.name)
    turns.counter.away = True
    turns.keeper.leases = dict.fromkeys(turns.keeper.leases, 0.0)
    await turns.turn()
    (seat,) = turns.batch.ledger.seats.at(turns.keeper.name)
    assert seat.until > before.until
    assert (seat.held, seat.leases) == (WINDOW, ())


async def test_books_that_do_not_answer_keep_no_lease_from_being_renewed(turns, monkeypatch):
    monkeypatch.setattr("assetmill.batch.keeper.BOOKS_S", 0.2)
    await turns.want(20)
    await turns.turn()
    database = turns.batch.ledger.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(20):
            for _ in range(2):
                turns.keeper.leases = {lease: until - LEASE_S / 2 for lease, until in turns.keeper.leases.items()}
                asked_at = asyncio.get_running_loop().time()
                assert await turns.turn() == WINDOW
                assert min(turns.keeper.leases.values()) >= asked_at + LEASE_S
        assert "have not answered" in turns.batch.progress.message
        other.execute("ROLLBACK")
    assert await turns.turn() == WINDOW


async def test_slots_of_a_run_that_was_killed_on_this_machine_come_back_at_once_and_only_once(turns):
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", "from assetmill.ledger import place_of_this_process as p; print(p())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    held = tuple([str(await turns.counter.take()) for _ in range(4)])
    turns.seat("killed", place=ended.stdout.strip(), leases=held, held=4)
    await turns.want(20)
    await turns.turn()
    assert turns.counter.given_back == 4
    assert await turns.turn() == WINDOW
    assert [one.run_id for one in turns.batch.ledger.seats.at(turns.keeper.name)] == [turns.batch.run_id]


async def test_at_the_end_everything_goes_back_and_a_cancelled_run_keeps_nothing(studio):
    counter = Counter()
    hold = asyncio.Event()
    path = studio.folder / "tiny.yaml"
    path.write_text(manifest("tiny", 1))

    async def run() -> None:
        async with (
            open_batch(studio.settings, Request(path, studio.pod.url), studio.clock, "run-1") as batch,
            keeping_slots(batch, limit_name(batch.endpoint), counter.open),
        ):
            await batch.admission.enter("entity")
            hold.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await hold.wait()
    assert len(counter.leases) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert counter.leases == set()
    assert seats_of(studio) == []


async def test_a_run_that_is_cancelled_before_anybody_counts_ends_at_once(studio, caplog):
    counter = Counter(away=True)
    run = asyncio.create_task(shared_run(studio, counter, "tiny", 1))
    await counter.asked.wait()
    run.cancel()
    async with asyncio.timeout(20):
        await asyncio.gather(run, return_exceptions=True)
    assert run.cancelled()
    assert caplog.records == [], "nothing is left that nobody waits for"


async def test_a_missing_limit_is_an_error_before_anything_is_sent(studio):
    with pytest.raises(UsageError, match="no such limit"):
        await shared_run(studio, Counter(slots=None), "tiny", 2)
    assert studio.artist.executed == []
    assert studio.rows() == []


def test_an_endpoint_that_the_run_starts_itself_is_shared_with_nobody(make_settings):
    own, given = draft_endpoint(make_settings()), draft_endpoint(make_settings(), "http://127.0.0.1:8000/v2/draft")
    assert (_started_here(own), _started_here(given)) == (True, False)


async def test_a_run_without_a_flow_has_the_whole_window_at_once(studio):
    report = await studio.run()
    assert report.generated == 3


@pytest.mark.parametrize(("priority", "low"), (("normal", False), ("urgent", False), ("backfill", True)))
async def test_only_backfill_starts_no_worker_at_the_endpoint_and_asks_for_the_same_picture(studio, priority, low):
    path = studio.folder / "tiny.yaml"
    path.write_text(manifest("tiny", 1))
    request = Request(path, studio.pod.url, priority=priority)
    async with open_batch(studio.settings, request, studio.clock, studio.clock.new_id()) as batch:
        plan, _ = await plan_batch(batch, ALL)
        (item,) = plan.items
        sent = await build_request(batch, item, item.made, Try("a" * 32, item.made.seed))
        await batch.provider.submit(sent)
        assert [job.policy.low_priority for job in studio.pod._queue.jobs()] == [low]
    usual = plan_only(studio.settings, Request(path, studio.pod.url))
    assert item.made == usual.items[0].made, "the priority is no part of a fingerprint"
