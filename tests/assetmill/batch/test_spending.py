"""A run under a budget: it waits for what is set aside, ends at the limit with what fits, and leaves a remainder."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from assetmill.batch.budget import bounds_at
from assetmill.batch.prepare import Request, plan_only
from assetmill.batch.request import Try, build_request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch, plan_batch
from assetmill.clock import Clock
from assetmill.errors import BudgetExceeded, LedgerError
from assetmill.ledger import Claim, Intent, Ledger, Run, Settlement, Status
from assetmill.ledger.tables import attempts
from assetmill.localpod import Pod, PodConfig, gpus_named, running_pod
from assetmill.money import no_cost, usd
from assetmill.money.budgets import Limits
from assetmill.planning.plan import ALL
from assetmill.providers.base import EndpointFacts

SKY = "  - {{id: s{}, type: background, prompt: sky {}, width: 128, height: 128}}\n"
IDLE_S = 1.0


def skies(count: int) -> str:
    return "".join(SKY.format(number, number) for number in range(count))


class Paid:
    """A studio whose endpoint has a price: an L40, a cent for nineteen seconds."""

    def __init__(self, studio: Any, make_settings: Callable[..., Any], pod: Pod) -> None:
        self.studio, self._make, self.pod = studio, make_settings, pod
        self.clock = Clock()
        self.limited()

    def limited(self, **budgets: Decimal) -> None:
        texts = {f"ASSETMILL_{kind}_BUDGET_USD": f"{amount:f}" for kind, amount in budgets.items()}
        self.settings = self._make(ASSETMILL_GPU_POOL="ADA_48_PRO", **texts)

    def request(self, count: int, most: Decimal | None = None) -> Request:
        return Request(self.studio.write(skies(count)), self.pod.url, budget_usd=most)

    async def run(self, count: int, most: Decimal | None = None, steps: Steps | None = None) -> Any:
        request = self.request(count, most)
        async with open_batch(self.settings, request, self.clock, self.clock.new_id()) as batch:
            report, _ = await run_batch(batch, ALL, "main", steps or Steps())
        return report

    @property
    def need(self) -> Decimal:
        """What one of its jobs has set aside under a budget."""
        plan = plan_only(self.settings, self.request(1))
        limits, facts = Limits(run_usd=Decimal(1)), EndpointFacts(idle_timeout_s=IDLE_S)
        return bounds_at(plan.endpoint, self.settings, limits, facts).reservation(plan.items[0])

    @property
    def executed(self) -> int:
        return len(self.studio.artist.executed)

    def rows(self) -> list[dict[str, Any]]:
        return self.studio.rows()

    def make_dear(self, amount: Decimal) -> None:
        """Let the settled attempts have cost that much together."""
        with Ledger.open(self.settings.ledger_url) as ledger, ledger._database.write() as connection:
            first = select(attempts.c.attempt_id).limit(1).scalar_subquery()
            connection.execute(update(attempts).values(cost_estimate_usd=Decimal(0)))
            connection.execute(update(attempts).where(attempts.c.attempt_id == first).values(cost_estimate_usd=amount))

    def somebody_has_out(self, amount: Decimal, until: datetime, url: str) -> None:
        """A job of another run of the game, on another machine."""
        with Ledger.open(self.settings.ledger_url) as ledger:
            ledger.begin_run(
                Run("other", "tiny", "default", "tiny.yaml", "runpod", "ep", draft=False, started_at=until)
            )
            claim = Claim("somebody", "elsewhere/boot/space/1/1", until)
            ledger.intend(intent("theirs", amount, until, url), claim)
            ledger.submitted("theirs", job_id="job-of-theirs", at=until)

    def states(self) -> list[str]:
        with Ledger.open(self.settings.ledger_url) as ledger:
            return [run["state"] for run in ledger.runs("tiny")]


def intent(name: str, reserved: Decimal, at: datetime, url: str) -> Intent:
    return Intent(
        attempt_id=name, run_id="other", game="tiny", pack="default", asset_id="x", asset_type="background",
        candidate=0, try_no=1, fingerprint="f" * 64, inputs={}, provider="runpod", endpoint="ep", endpoint_url=url,
        gpu=None, seed=1, workflow="background", workflow_hash="a" * 64, width=8, height=8,
        expected_outputs={"image": "x"}, price_per_s_usd=Decimal("0.00053"), price_source="list", draft=False,
        intended_at=at, reserved_usd=reserved,
    )  # fmt: skip


@pytest.fixture
async def paid(studio, make_settings) -> AsyncIterator[Paid]:
    def real(job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**studio.artist(job_input), "draft": False}

    gpus = gpus_named(["ADA_48_PRO"])[:1]
    config = PodConfig(
        endpoint_id="gpu", api_key="made-up-key", workers=2, idle_timeout_s=IDLE_S, gpus=gpus, exec_seconds=0.05
    )
    async with running_pod(config, real) as pod:
        yield Paid(studio, make_settings, pod)


A_LITTLE = Decimal("0.00001")
MUCH = Decimal(10)


async def test_every_paid_row_has_its_reservation_and_none_costs_more(paid):
    need = paid.need
    report = await paid.run(2, MUCH)
    assert (report.exit_code, report.stopped, report.warnings) == (0, None, ())
    assert [(one.kind, one.limit_usd, one.reserved_usd) for one in report.budgets] == [("run", MUCH, 0)]
    assert report.budgets[0].spent_usd == sum(row["cost_estimate_usd"] for row in paid.rows()) > 0
    for row in paid.rows():
        assert row["cost_estimate_usd"] <= row["cost_high_usd"] < row["reserved_usd"] == need


async def test_without_a_budget_a_row_says_what_it_may_cost_all_the_same(paid):
    await paid.run(1)
    (row,) = paid.rows()
    assert row["reserved_usd"] > Decimal("0.00053") * 600, "for others, who have one"


async def test_the_limit_that_a_reservation_relies_on_is_the_one_that_is_sent(paid):
    for most, limited in ((None, 600_000), (MUCH, None)):
        async with open_batch(paid.settings, paid.request(1, most), paid.clock, paid.clock.new_id()) as batch:
            (item,) = (await plan_batch(batch, ALL))[0].items
            request = await build_request(batch, item, item.made, Try("an-attempt", 1))
            assert request.execution_timeout_ms == (limited or batch.purse.bounds.execution_ms(item))
    assert request.execution_timeout_ms < 600_000


async def test_as_many_jobs_are_out_as_fit_and_the_others_wait_for_what_comes_free(paid):
    """After the canary they run in pairs: each waits on its worker until another one is there, and a third never is."""
    pair = threading.Barrier(2)

    def together(_: Any) -> None:
        if paid.executed > 1:
            pair.wait(60)

    paid.studio.artist.before = together
    report = await paid.run(7, 2 * paid.need + paid.need / 2)
    assert (report.exit_code, report.generated, report.stopped) == (0, 7, None)
    assert paid.pod.most_outstanding() == 2
    assert paid.executed == 7


async def test_at_the_limit_nothing_more_is_sent_and_what_fits_is_published(paid):
    report = await paid.run(4, paid.need + A_LITTLE)
    assert (report.exit_code, report.generated, report.ending) == (3, 1, "with_failures")
    assert paid.executed == len(paid.rows()) == 1
    assert report.published
    assert report.stopped.startswith("the run's budget of $")
    assert "1 kept, 3 not sent" in report.sentence
    unsent = [line for line in report.failures if line.state == "unsent"]
    assert {line.message for line in unsent} == {report.stopped}
    assert {line.error for line in unsent} == {"budget_exceeded"}
    assert [warning for warning in report.warnings if "is reached" in warning] == [report.stopped]
    assert paid.states() == ["stopped"]


async def test_the_next_run_makes_what_was_left(paid):
    await paid.run(4, paid.need + A_LITTLE)
    report = await paid.run(4, MUCH)
    assert (report.exit_code, report.cached, report.generated, report.stopped) == (0, 1, 3, None)
    assert paid.executed == 4


async def test_tries_again_count(paid):
    """The first try is charged, and the second does not fit any more."""
    paid.studio.artist.answers["sky"] = lambda _graph: {"error": "CUDA error: an illegal memory access", "images": []}
    report = await paid.run(1, paid.need + A_LITTLE)
    assert (report.exit_code, report.generated, paid.executed) == (3, 0, 1)
    assert report.ending == "failed"
    (row,) = paid.rows()
    assert row["cost_estimate_usd"] > A_LITTLE


async def test_runs_of_one_game_share_its_budget_and_those_of_another_do_not(paid):
    paid.limited(GAME=paid.need + A_LITTLE)
    assert (await paid.run(1)).exit_code == 0
    with pytest.raises(BudgetExceeded, match=r"the budget of tiny of .* nothing was sent"):
        await paid.run(2)
    assert paid.executed == 1
    path = paid.studio.write(skies(1))
    path.write_text(path.read_text().replace("id: tiny", "id: dust"))
    request = Request(path, paid.pod.url)
    async with open_batch(paid.settings, request, paid.clock, "dust") as batch:
        report, _ = await run_batch(batch, ALL, "main", Steps())
    assert report.exit_code == 0


async def test_the_budget_of_a_month_holds_for_all_games(paid):
    paid.limited(MONTH=paid.need + A_LITTLE)
    assert (await paid.run(1)).exit_code == 0
    path = paid.studio.write(skies(1))
    path.write_text(path.read_text().replace("id: tiny", "id: dust"))
    async with open_batch(paid.settings, Request(path, paid.pod.url), paid.clock, "dust") as batch:
        with pytest.raises(BudgetExceeded, match="for all games"):
            await run_batch(batch, ALL, "main", Steps())


@pytest.mark.parametrize(("pool", "words"), (("ADA_48_PRO", "needs"), ("", "nobody knows what a job costs")))
async def test_where_nothing_may_be_sent_the_plan_is_told_and_the_books_say_that_it_was_stopped(
    paid, make_settings, studio, pool, words
):
    settings = make_settings(**({"ASSETMILL_GPU_POOL": pool} if pool else {}))
    heard: list[int] = []

    class Planned(Steps):
        async def planned(self, batch, plan):  # noqa: ARG002  as the step it takes the place of
            heard.append(len(plan.items))

    url = paid.pod.url if pool else studio.pod.url.replace("/draft", "/gpu")
    request = Request(studio.write(), url, budget_usd=A_LITTLE)
    async with open_batch(settings, request, studio.clock, "first") as batch:
        with pytest.raises(BudgetExceeded, match=words):
            await run_batch(batch, ALL, "main", Planned())
    assert heard == [3], "who watches is told the plan that was refused"
    assert (paid.rows(), paid.executed, paid.states()) == ([], 0, ["stopped"])


async def test_drafts_pass_a_budget_of_nothing(studio, make_settings):
    studio.settings = make_settings(ASSETMILL_GAME_BUDGET_USD="0", ASSETMILL_MONTH_BUDGET_USD="0")
    report = await studio.run()
    assert (report.exit_code, report.generated, report.budgets) == (0, 3, ())
    assert {row["reserved_usd"] for row in studio.rows()} == {0}


async def test_a_warning_is_told_once_and_of_two_that_are_due_the_graver_one(paid):
    limit = 100 * paid.need
    paid.limited(GAME=limit)
    await paid.run(1)
    paid.make_dear(limit / 2)
    (words,) = (await paid.run(1)).warnings
    assert words == f"the budget of tiny of {usd(limit)}: 50 % is spent, {usd(limit / 2)} of {usd(limit)}"
    assert (await paid.run(1)).warnings == (), "another run has told it"
    paid.limited(GAME=limit + 1)
    assert (await paid.run(1)).warnings == (), "49 %"
    paid.make_dear(limit * Decimal("0.9"))
    (words,) = (await paid.run(2)).warnings
    assert ": 80 % is spent" in words
    assert (await paid.run(3)).warnings == ()
    paid.limited(GAME=limit + limit / 20)
    (words,) = (await paid.run(3)).warnings
    assert ": 80 % is spent" in words, "a raised budget warns anew, and not of the half as well"


async def test_what_another_run_has_set_aside_is_waited_for(paid):
    now, passed = datetime.now(UTC), [0.0]

    async def sleep(seconds: float) -> None:
        passed[0] += seconds
        if passed[0] > 30:
            settle_theirs()
        await asyncio.sleep(0)

    def settle_theirs() -> None:
        with Ledger.open(paid.settings.ledger_url) as ledger, suppress(LedgerError):
            ledger.settle("theirs", Settlement(Status.FAILED, now, no_cost("it never ran")))

    paid.clock = Clock(now=lambda: now + timedelta(seconds=passed[0]), monotonic=lambda: passed[0], sleep=sleep)
    paid.limited(GAME=MUCH)
    paid.somebody_has_out(MUCH - paid.need / 2, now + timedelta(hours=1), "https://api.example/v2/ep")
    report = await paid.run(2)
    assert (report.exit_code, report.generated) == (0, 2)
    assert passed[0] > 30


async def test_what_is_set_aside_for_a_job_that_nobody_looks_after_ends_the_run(paid):
    now = datetime.now(UTC)
    paid.limited(GAME=MUCH)
    paid.somebody_has_out(MUCH - paid.need / 2, now - timedelta(seconds=1), "https://api.example/v2/ep")
    report = await paid.run(1)
    assert (report.exit_code, report.generated, paid.executed) == (3, 0, 0)
    assert "nobody looks after the jobs that are out" in report.stopped
    assert "assetmill settle" in report.failures[0].hint


async def test_a_job_of_a_killed_run_at_the_endpoint_is_settled_and_what_it_held_is_free(paid):
    paid.limited(GAME=MUCH)
    await paid.run(1)
    paid.studio.reopen()
    with Ledger.open(paid.settings.ledger_url) as ledger, ledger._database.write() as connection:
        connection.execute(update(attempts).values(reserved_usd=MUCH - paid.need / 2))
    report = await paid.run(2)
    assert (report.exit_code, report.collected, report.cached, report.generated) == (0, 1, 1, 1)


class Faulty(Steps):
    """A step that breaks when its first picture is out: its row stays open, in the name of the run."""

    def __init__(self, reserved: Decimal, url: str) -> None:
        self._reserved: Decimal | None = reserved
        self._url = url

    async def generate(self, batch: Any, item: Any, entry: Any) -> Any:
        if self._reserved is None:
            return await super().generate(batch, item, entry)
        reserved, self._reserved = self._reserved, None
        now = batch.clock.now()
        left = replace(intent("left", reserved, now, self._url), run_id=batch.run_id, fingerprint="e" * 64)
        await asyncio.to_thread(batch.ledger.intend, left, batch.owner.claim(now))
        raise RuntimeError("a fault")


@pytest.mark.parametrize("neighbour", (False, True))
async def test_a_run_does_not_wait_for_what_a_fault_has_left_to_itself_nor_for_other_budgets(paid, neighbour):
    url = "https://api.example/v2/ep"
    if neighbour:  # of the same game, and none of this run's business: only the run has a budget
        paid.somebody_has_out(MUCH, datetime.now(UTC) + timedelta(hours=1), url)
    async with asyncio.timeout(30):
        report = await paid.run(2, MUCH, Faulty(MUCH - paid.need / 2, url))
    assert (report.exit_code, report.generated, paid.executed) == (3, 0, 0)
    assert "nobody looks after the jobs that are out" in report.stopped


async def test_a_fault_in_looking_after_the_budgets_ends_the_run_instead_of_holding_it_for_ever(paid):
    paid.limited(GAME=MUCH)
    await paid.run(1)
    paid.make_dear(MUCH * Decimal("0.6"))

    def breaks(_warned: Any) -> None:
        raise RuntimeError("nobody listens")

    async with (
        asyncio.timeout(30),
        open_batch(paid.settings, paid.request(2), paid.clock, paid.clock.new_id()) as batch,
    ):
        batch.purse.told = breaks
        report, _ = await run_batch(batch, ALL, "main", Steps())
    assert (report.exit_code, report.generated, report.cached) == (1, 0, 1)
    assert "nobody listens" in report.stopped
