"""A lost job is found where it can be found; absence is claimed only where it is proven."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from assetmill.errors import NotDelivered, OutcomeUnknown, Throttled
from assetmill.providers.base import JobState, Sighting
from assetmill.providers.runpod import RunPodProvider
from assetmill.providers.runpod import api as api_module
from assetmill.providers.runpod.census import Look
from assetmill.providers.runpod.find import MOST_ASKED, Counting
from assetmill.providers.runpod.listing import attempt_in, read_entries

BROKEN = HTMLResponse("<html>bad gateway</html>", 502)
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}


@dataclass
class Plane:
    """An endpoint with a memory: jobs, counts and a list that a test bends to its needs."""

    script: object
    listed: bool = True
    inputs: bool = True
    before: int = 0
    jobs: dict[str, dict] = field(default_factory=dict)
    lose: dict[str, bool] = field(default_factory=dict)
    """Our key -> whether the job is accepted although the answer is lost."""
    hidden: set[str] = field(default_factory=set)
    forgotten: int = 0

    def __post_init__(self) -> None:
        self.script.say("run", self._run)
        self.script.say("health", lambda _: JSONResponse({"jobs": self.counts(), "workers": {"running": 1}}))
        if self.listed:
            self.script.say("requests", lambda _: JSONResponse({"requests": self.rows()}))

    def _run(self, body: bytes) -> Response:
        given = json.loads(body)["input"]
        lost = self.lose.get(given["assetmill_attempt"])
        if lost is False:
            return BROKEN
        job_id = self.add(given)
        return BROKEN if lost else JSONResponse({"id": job_id, "status": "IN_QUEUE"})

    def add(self, given: dict, status: str = "IN_PROGRESS") -> str:
        job_id = f"job-{len(self.jobs) + 1}"
        self.jobs[job_id] = {"id": job_id, "status": status, "input": given}
        self.script.say(f"status/{job_id}", lambda _: self._status(job_id))
        self.script.say(f"cancel/{job_id}", lambda _: self._cancel(job_id))
        return job_id

    def _status(self, job_id: str) -> Response:
        job = dict(self.jobs[job_id])
        if job["status"] in ENDED:
            del job["input"]
        return JSONResponse(job)

    def _cancel(self, job_id: str) -> Response:
        self.jobs[job_id]["status"] = "CANCELLED"
        return JSONResponse({"id": job_id, "status": "CANCELLED"})

    def counts(self) -> dict[str, int]:
        states = [job["status"] for job in self.jobs.values()]
        return {
            "completed": states.count("COMPLETED") + self.before - self.forgotten,
            "failed": states.count("FAILED"),
            "inProgress": states.count("IN_PROGRESS"),
            "inQueue": states.count("IN_QUEUE"),
            "retried": 0,
        }

    def rows(self) -> list[dict]:
        rows = [dict(job) for job_id, job in self.jobs.items() if job_id not in self.hidden]
        if not self.inputs:
            for row in rows:
                del row["input"]
        return rows


@pytest.fixture
def plane(script):
    return lambda **how: Plane(script, **how)


@pytest.fixture
def sender(provider, request_of):
    """Sends requests by their keys and looks at what was accepted, as a batch does."""

    async def send(*attempts: str) -> list[str]:
        ids = [await provider.submit(request_of(attempt)) for attempt in attempts]
        for job_id in ids:
            await provider.look(job_id, age_s=0.0)
        return ids

    return send


async def lose(provider, request_of, attempt: str) -> None:
    with pytest.raises(OutcomeUnknown):
        await provider.submit(request_of(attempt))


async def finish(plane, provider, job_id: str, status: str = "COMPLETED") -> None:
    plane.jobs[job_id]["status"] = status
    await provider.look(job_id, age_s=0.0)


async def test_a_lost_job_is_found_by_our_key_in_the_list_of_requests(plane, provider, request_of, sender):
    world = plane(lose={"lost": True})
    await sender("a")
    await lose(provider, request_of, "lost")
    sighting = await provider.find("lost", age_s=0.0)
    assert (sighting.job_id, sighting.absent) == ("job-2", False)
    assert "job-2" in sighting.evidence
    assert world.jobs["job-2"]["input"]["assetmill_attempt"] == "lost"


async def test_a_fresh_job_that_shows_late_is_still_found(plane, provider, request_of, sender, time):
    world = plane(lose={"lost": True}, hidden={"job-2"})
    await sender("a")
    await lose(provider, request_of, "lost")
    searching = asyncio.create_task(provider.find("lost", age_s=0.0))
    await time.reach(40)
    world.hidden.clear()
    assert (await searching).job_id == "job-2"
    assert 40 <= time.seconds < 60


async def test_a_job_whose_input_is_not_listed_is_asked_for_one_by_one(plane, provider, request_of, sender, script):
    plane(inputs=False, lose={"lost": True})
    await sender("a")
    await lose(provider, request_of, "lost")
    asked = script.calls("status/job-1")
    assert (await provider.find("lost", age_s=0.0)).job_id == "job-2"
    assert script.calls("status/job-1") == asked, "a job of our books needs no asking"


async def test_no_more_than_twenty_jobs_are_asked_for_at_once(plane, provider, script):
    world = plane(inputs=False)
    for number in range(35):
        world.add({"theirs": number})
    await provider.find("lost", age_s=60.0)
    assert sum(script.calls(f"status/{job_id}") for job_id in world.jobs) == MOST_ASKED


async def test_a_job_that_was_made_twice_gives_the_one_worth_most_and_names_the_other(plane, provider):
    world = plane()
    world.add({"assetmill_attempt": "lost"}, "IN_QUEUE")
    world.add({"assetmill_attempt": "lost"}, "COMPLETED")
    sighting = await provider.find("lost", age_s=0.0)
    assert sighting.job_id == "job-2"
    assert "job-1" in sighting.evidence


async def test_a_whole_list_without_the_job_proves_that_it_was_not_accepted(
    plane, provider, request_of, sender, script, time
):
    world = plane(lose={"lost": False})
    first, _ = await sender("a", "b")
    await finish(world, provider, first)
    script.say_now("health", BROKEN)  # the list alone
    await lose(provider, request_of, "lost")
    sighting = await provider.find("lost", age_s=0.0)
    assert sighting.absent, sighting.evidence
    assert "2 requests" in sighting.evidence
    assert time.seconds >= 60, "absence is judged only once a late job would have shown"


@pytest.fixture
def prepare(provider, request_of, sender, script, time):
    """A job that ended before, a running one, and a lost one, with the counts out of the way."""

    async def go(world) -> None:
        first, _ = await sender("a", "b")
        await finish(world, provider, first)
        time.seconds += 5
        script.say_now("health", BROKEN)
        await lose(provider, request_of, "lost")

    return go


@pytest.mark.parametrize(
    ("bend", "words"),
    (
        (lambda rows: rows[:1], "lacks jobs that are known"),
        (lambda rows: [row for row in rows if row["status"] != "COMPLETED"], "shows no ended job"),
        (lambda rows: [*rows, {"id": "theirs", "status": "COMPLETED"}], "show no input"),
        (lambda rows: [*rows, {"id": "../../escape", "status": "COMPLETED"}], "not be whole"),
        (lambda rows: [*rows, "what"], "not be whole"),
        (lambda _: [], "not be whole"),
        (lambda rows: rows + [{"id": f"t{n}", "status": "FAILED", "input": {"x": 1}} for n in range(8)], "be whole"),
    ),
)
async def test_a_list_that_may_hide_a_job_proves_nothing(plane, provider, prepare, script, bend, words):
    world = plane(lose={"lost": False})
    await prepare(world)
    script.say_now("requests", lambda _: JSONResponse({"requests": bend(world.rows())}))
    sighting = await provider.find("lost", age_s=0.0)
    assert not sighting.absent
    assert sighting.job_id is None
    assert words in sighting.evidence


@pytest.mark.parametrize("more", ({"hasMore": True}, {"total": 900}, {"nextCursor": "x"}))
async def test_a_list_that_says_it_goes_on_proves_nothing(plane, provider, prepare, script, more):
    world = plane(lose={"lost": False})
    await prepare(world)
    script.say_now("requests", lambda _: JSONResponse({"requests": world.rows(), **more}))
    assert not (await provider.find("lost", age_s=0.0)).absent


async def test_a_list_read_long_after_the_sending_proves_nothing(plane, provider, prepare):
    world = plane(lose={"lost": False})
    await prepare(world)
    sighting = await provider.find("lost", age_s=3600.0)
    assert not sighting.absent
    assert "forgotten" in sighting.evidence


@pytest.mark.parametrize(
    "answer",
    (
        JSONResponse({}, 404),
        JSONResponse({}, 405),
        JSONResponse({}, 403),
        HTMLResponse("<html/>"),
        JSONResponse({"error": "no such thing"}),
        JSONResponse("requests"),
        Response("[" * 100_000, media_type="application/json"),
    ),
)
async def test_an_endpoint_without_a_list_is_asked_once_and_never_again(script, provider, answer):
    script.say("requests", answer)
    for attempt in ("x", "y"):
        sighting = await provider.find(attempt, age_s=0.0)
        assert (sighting.job_id, sighting.absent) == (None, False)
        assert "no list of requests" in sighting.evidence
    assert script.calls("requests") == 1


async def test_a_list_that_is_too_large_is_none(script, provider, monkeypatch):
    monkeypatch.setattr(api_module, "MAX_LISTING_BYTES", 1000)
    script.say("requests", JSONResponse([{"id": "j", "status": "COMPLETED", "input": {"x": "y" * 2000}}]))
    assert "larger" in (await provider.find("x", age_s=0.0)).evidence


@pytest.mark.parametrize("answer", (BROKEN, JSONResponse({}, 429)))
async def test_a_list_that_fails_once_is_asked_for_again(plane, provider, script, answer):
    world = plane()
    script.say_now("requests", answer, lambda _: JSONResponse(world.rows()))
    world.add({"assetmill_attempt": "lost"})
    assert (await provider.find("lost", age_s=0.0)).job_id == "job-1"


async def test_an_endpoint_out_of_reach_leaves_the_question_open(time, endpoint, script):
    script.say("requests", BROKEN)
    reached = RunPodProvider(endpoint, time.clock(), window=1, stall_s=900.0)
    away = RunPodProvider(replace(endpoint, url="http://127.0.0.1:9/v2/ep"), time.clock(), window=1, stall_s=900.0)
    for provider in (reached, away):
        sighting = await provider.find("lost", age_s=0.0)
        assert (sighting.job_id, sighting.absent, sighting.unanswered) == (None, False, True)
        await provider.aclose()


async def test_an_endpoint_that_answers_and_has_no_list_leaves_nothing_to_wait_for(provider):
    assert not (await provider.find("lost", age_s=0.0)).unanswered


def test_only_two_looks_that_lie_apart_prove_anything_and_a_surplus_ends_it():
    def verdict(*looks: tuple[float, int | None]) -> bool:
        counting = Counting()
        for at, surplus in looks:
            counting.add(Look(at, surplus))
        return counting.absent

    assert not verdict()
    assert not verdict((50.0, 0))
    assert not verdict((50.0, 0), (54.9, 0))
    assert verdict((50.0, 0), (52.0, None), (55.0, 0))
    assert not verdict((50.0, 0), (55.0, 0), (57.0, 1))
    assert not verdict((50.0, 0), (52.0, 1), (55.0, 0), (57.0, 0))


async def test_searches_at_the_same_time_share_their_calls(plane, provider, script, time):
    plane()
    sightings = await asyncio.gather(*(provider.find(f"lost-{n}", age_s=0.0) for n in range(30)))
    assert len(sightings) == 30
    assert script.calls("requests") <= time.seconds / 2 + 1, "one in two seconds, for all of them"
    assert time.seconds < 70


async def test_counts_that_fit_our_books_prove_that_a_send_was_not_accepted(plane, provider, request_of, sender):
    world = plane(listed=False, lose={"lost": False})
    first, _ = await sender("a", "b")
    await lose(provider, request_of, "lost")
    await finish(world, provider, first)
    sighting = await provider.find("lost", age_s=0.0)
    assert sighting.absent, sighting.evidence
    assert "two looks" in sighting.evidence


async def test_ended_jobs_of_others_may_drop_out_of_the_counts_and_hide_a_lost_job(plane, provider, request_of, sender):
    """One of ours ends as one of theirs is forgotten: no count falls, and the sum is as if nothing had been lost."""
    world = plane(listed=False, before=100, lose={"lost": True})
    first, _ = await sender("a", "b")
    await lose(provider, request_of, "lost")
    await finish(world, provider, first)
    world.jobs["job-3"]["status"] = "COMPLETED"
    world.forgotten = 1
    sighting = await provider.find("lost", age_s=0.0)
    assert sighting.job_id is None
    assert not sighting.absent
    assert "dropped out" in sighting.evidence


@pytest.fixture
def settled(provider, sender, time):
    """A base noted anew after a job of ours, last seen at second 0 before it ended, had ended."""

    async def go(world, ended_after_s: float = 301.0) -> None:
        first, _ = await sender("a", "b")
        time.seconds += ended_after_s
        await finish(world, provider, first)
        time.seconds += 10
        await sender("c")

    return go


async def test_ended_jobs_at_the_base_that_are_all_ours_and_young_leave_the_proof_whole(
    plane, provider, request_of, settled
):
    world = plane(listed=False, lose={"lost": False})
    await settled(world)
    await lose(provider, request_of, "lost")
    assert (await provider.find("lost", age_s=0.0)).absent


@pytest.mark.parametrize(("before", "ended_after_s"), ((1, 301.0), (0, 1480.0)))
async def test_ended_jobs_at_the_base_that_are_not_ours_or_may_be_old_end_the_proof(
    plane, provider, request_of, settled, before, ended_after_s
):
    world = plane(listed=False, before=before, lose={"lost": False})
    await settled(world, ended_after_s)
    await lose(provider, request_of, "lost")
    sighting = await provider.find("lost", age_s=0.0)
    assert not sighting.absent
    assert "dropped out" in sighting.evidence


async def test_one_job_more_than_our_books_have_is_no_proof(plane, provider, request_of, sender):
    plane(listed=False, lose={"lost": True})
    await sender("a")
    await lose(provider, request_of, "lost")
    sighting = await provider.find("lost", age_s=0.0)
    assert sighting == Sighting(evidence=sighting.evidence)
    assert "1 more job" in sighting.evidence


async def test_of_two_lost_sends_neither_is_called_absent_while_one_was_accepted(plane, provider, request_of, sender):
    plane(listed=False, lose={"x": True, "y": False})
    await sender("a")
    await lose(provider, request_of, "x")
    await lose(provider, request_of, "y")
    sightings = await asyncio.gather(provider.find("x", age_s=0.0), provider.find("y", age_s=0.0))
    assert [sighting.absent for sighting in sightings] == [False, False]


async def test_two_lost_sends_are_both_absent_when_none_was_accepted(plane, provider, request_of, sender):
    plane(listed=False, lose={"x": False, "y": False})
    await sender("a")
    await lose(provider, request_of, "x")
    await lose(provider, request_of, "y")
    sightings = await asyncio.gather(provider.find("x", age_s=0.0), provider.find("y", age_s=0.0))
    assert [sighting.absent for sighting in sightings] == [True, True]


async def test_a_cancelled_job_is_not_taken_for_room(plane, provider, request_of, sender):
    """Its count falls by one as the lost job adds one: the sum alone would look as if nothing had been accepted."""
    plane(listed=False, lose={"lost": True})
    _, second = await sender("a", "b")
    await lose(provider, request_of, "lost")
    await provider.cancel(second)
    assert not (await provider.find("lost", age_s=0.0)).absent


async def test_a_cancel_in_the_books_leaves_the_proof_whole(plane, provider, request_of, sender):
    plane(listed=False, lose={"lost": False})
    _, second = await sender("a", "b")
    await lose(provider, request_of, "lost")
    await provider.cancel(second)
    assert (await provider.find("lost", age_s=0.0)).absent


async def test_a_cancel_without_an_answer_ends_the_proof(plane, provider, request_of, sender, script):
    world = plane(listed=False, lose={"lost": True})
    _, second = await sender("a", "b")
    await lose(provider, request_of, "lost")
    script.say_now(f"cancel/{second}", BROKEN)
    with pytest.raises(NotDelivered):
        await provider.cancel(second)
    del world.jobs[second]  # it was carried out all the same
    assert not (await provider.find("lost", age_s=0.0)).absent


@pytest.mark.parametrize("status", ("CANCELLED", "TIMED_OUT"))
async def test_a_job_that_others_ended_ends_the_proof(plane, provider, request_of, sender, status):
    world = plane(listed=False, lose={"lost": True})
    first, _ = await sender("a", "b")
    await lose(provider, request_of, "lost")
    await finish(world, provider, first, status)
    assert not (await provider.find("lost", age_s=0.0)).absent


async def test_a_job_that_vanished_ends_the_proof(plane, provider, request_of, sender, script):
    world = plane(listed=False, lose={"lost": True})
    first, _ = await sender("a", "b")
    await lose(provider, request_of, "lost")
    del world.jobs[first]
    script.say_now(f"status/{first}", JSONResponse({}, 404))
    with pytest.raises(Exception, match="does not know"):
        await provider.look(first, age_s=100.0)
    assert not (await provider.find("lost", age_s=0.0)).absent


async def test_counts_that_fall_are_never_believed_again(plane, provider, request_of, sender):
    world = plane(listed=False, before=50, lose={"x": False, "y": False})
    await sender("a")
    await lose(provider, request_of, "x")
    world.forgotten = 1
    sighting = await provider.find("x", age_s=0.0)
    assert not sighting.absent
    assert "fallen" in sighting.evidence
    world.forgotten = 0
    await lose(provider, request_of, "y")
    assert not (await provider.find("y", age_s=0.0)).absent


async def test_counts_that_forget_ended_jobs_while_one_is_lost_do_not_balance(plane, provider, request_of, sender):
    """One forgotten and one lost make nought; the job that we saw end and they do not count gives it away."""
    world = plane(listed=False, before=0, lose={"lost": True})
    first, _ = await sender("a", "b")
    await lose(provider, request_of, "lost")
    await finish(world, provider, first)
    world.forgotten = 1
    assert not (await provider.find("lost", age_s=0.0)).absent


async def test_others_on_the_endpoint_end_the_proof(plane, provider, request_of, sender):
    world = plane(listed=False, lose={"lost": False})
    await sender("a")
    await lose(provider, request_of, "lost")
    world.add({"theirs": True})
    assert not (await provider.find("lost", age_s=0.0)).absent


async def test_an_endpoint_in_use_before_the_first_send_proves_nothing(plane, provider, request_of, sender):
    world = plane(listed=False, lose={"lost": True})
    theirs = world.add({"theirs": True})
    await sender("a")
    await lose(provider, request_of, "lost")
    del world.jobs[theirs]  # theirs is cancelled as ours is accepted
    sighting = await provider.find("lost", age_s=0.0)
    assert not sighting.absent
    assert "others had jobs" in sighting.evidence


async def test_a_send_under_way_during_the_looks_makes_them_worthless(plane, provider, request_of, sender, script):
    """It may be counted already or not yet: either way it can hide the lost one."""
    world = plane(listed=False, lose={"lost": True})
    await sender("a")
    await lose(provider, request_of, "lost")
    answer, asked = asyncio.Event(), asyncio.Event()

    async def slow(body: bytes) -> Response:
        asked.set()
        await answer.wait()
        return world._run(body)

    script.say_now("run", slow)
    sending = asyncio.create_task(provider.submit(request_of("slow")))
    await asked.wait()
    sighting = await provider.find("lost", age_s=0.0)
    answer.set()
    await sending
    assert not sighting.absent
    assert "under way" in sighting.evidence


async def test_a_look_counts_only_when_sends_have_settled(plane, provider, sender, time):
    plane(listed=False)
    await sender("a")
    assert (await provider._census.look()).surplus is None, "its job may be counted late"
    time.seconds += 5
    assert (await provider._census.look()).surplus == 0


async def test_an_accepted_job_that_does_not_show_yet_hides_nothing(plane, provider, request_of, sender):
    """Counted late, it would make room for the lost one."""
    world = plane(listed=False, lose={"lost": True})
    await sender("a")
    await lose(provider, request_of, "lost")
    unseen = await provider.submit(request_of("late"))
    del world.jobs[unseen]
    sighting = await provider.find("lost", age_s=0.0)
    assert not sighting.absent
    assert "does not show yet" in sighting.evidence


async def test_a_send_of_another_process_is_never_judged_by_our_counts(plane, provider, sender):
    plane(listed=False)
    await sender("a")
    sighting = await provider.find("of-an-earlier-run", age_s=0.0)
    assert not sighting.absent
    assert "not counted before" in sighting.evidence


@pytest.mark.parametrize(
    "health", (HTMLResponse("<html/>"), JSONResponse({"jobs": {"completed": 1}}), BROKEN, JSONResponse({}, 401))
)
async def test_health_without_counts_proves_nothing(plane, provider, request_of, sender, script, health):
    plane(listed=False, lose={"lost": False})
    script.say_now("health", health)
    await sender("a")
    await lose(provider, request_of, "lost")
    assert not (await provider.find("lost", age_s=0.0)).absent


async def test_sends_at_the_same_time_are_all_preceded_by_one_count(plane, provider, request_of, script):
    plane(listed=False)
    await asyncio.gather(*(provider.submit(request_of(f"a{n}")) for n in range(20)))
    assert script.calls("health") == 1
    assert script.seen[0][1] == "health"


async def test_a_send_that_was_refused_counts_for_nothing(plane, provider, request_of, sender, script):
    world = plane(listed=False, lose={"lost": False})
    script.say_now("run", JSONResponse({}, 429))
    with pytest.raises(Throttled):
        await provider.submit(request_of("refused"))
    script.say_now("run", world._run)
    await sender("a")
    await lose(provider, request_of, "lost")
    assert (await provider.find("lost", age_s=0.0)).absent


async def test_a_send_that_is_cut_off_is_searched_for_like_a_lost_one(plane, provider, request_of, sender, script):
    world = plane(listed=False)
    await sender("a")
    held = asyncio.Event()

    def cut(body: bytes) -> Response:
        world._run(body)
        held.set()
        return BROKEN

    script.say_now("run", cut)
    sending = asyncio.create_task(provider.submit(request_of("cut")))
    await held.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    sighting = await provider.find("cut", age_s=0.0)
    assert not sighting.absent
    assert "1 more job" in sighting.evidence


async def test_a_list_that_lacks_a_counted_job_is_not_believed(plane, provider, request_of, sender):
    world = plane(lose={"lost": True}, hidden={"job-3"})
    first, _ = await sender("a", "b")
    await lose(provider, request_of, "lost")
    await finish(world, provider, first)
    sighting = await provider.find("lost", age_s=0.0)
    assert not sighting.absent
    assert "counts jobs that it does not list" in sighting.evidence


async def test_a_search_ends_when_it_was_told_to(plane, endpoint, time):
    plane()
    provider = RunPodProvider(endpoint, time.clock(), window=1, stall_s=900.0, look_for_s=5.0)
    await provider.find("x", age_s=2.0)
    assert time.seconds == pytest.approx(3.0)
    await provider.aclose()


@pytest.mark.parametrize(
    "body",
    (
        {"requests": [{"id": "j", "status": "IN_QUEUE", "input": {"assetmill_attempt": "a"}}]},
        {"jobs": [{"id": "j", "input": {"input": {"assetmill_attempt": "a"}}}]},
        [{"id": "j", "status": "NEVER_HEARD_OF", "input": json.dumps({"assetmill_attempt": "a"})}],
    ),
)
def test_every_form_of_list_that_is_known_is_read(body):
    entries, whole = read_entries(body)
    assert whole
    assert [(entry.job_id, entry.attempt) for entry in entries] == [("j", "a")]


def test_an_input_that_cannot_be_read_is_not_shown():
    for given in (None, {}, [], "no json", "[" * 100_000, 7):
        assert attempt_in({"input": given}) == (False, None)
    assert attempt_in({"input": {"assetmill_attempt": 7}}) == (True, None)


def test_a_job_cannot_be_found_and_absent():
    with pytest.raises(ValueError, match="not absent"):
        Sighting("j", absent=True)


async def test_the_first_ending_of_a_job_stands(plane, provider, sender):
    """A late progress report may put a finished job back to IN_PROGRESS; the books must not have it out again."""
    world = plane(lose={"lost": False})
    first, second = await sender("a", "b")
    await finish(world, provider, first)
    world.jobs[first]["status"] = "IN_PROGRESS"
    assert (await provider.look(first, age_s=0.0)).state is JobState.RUNNING
    assert set(provider._census.outstanding) == {second}
