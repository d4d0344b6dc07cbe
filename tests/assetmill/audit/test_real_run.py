"""A real run on a real endpoint: its books agree, and after they are lost the receipts bring back all that was paid."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assetmill.audit import Finding, Kind, Rebuilt, findings, read_snapshot, rebuild
from assetmill.batch.prepare import Request, plan_only
from assetmill.batch.report import BatchReport
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import Pod, PodConfig, running_pod
from assetmill.localpod.draft import render
from assetmill.planning.plan import ALL, State
from assetmill.settings import Settings
from assetmill.storage import Store, open_store

KEY = "made-up-key"
MANIFEST = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default, seed: 1}
assets:
  - {id: slime, type: entity, prompt: a slime, shape: circle, silhouette: {canvas: 64x64}}
  - {id: sky, type: background, prompt: a sky, width: 128, height: 128}
  - id: coins
    type: sheet
    kind: variation
    prompt: a round coin
    layout: {columns: 2, rows: 1, cell: 64x64}
    shape: circle
    variants: [{key: silver, prompt: silver}, {key: gold, prompt: gold}]
"""


@dataclass
class Site:
    """A manifest, settings and an endpoint that counts what it draws."""

    manifest: Path
    settings: Settings
    drawn: list[Mapping[str, Any]] = field(default_factory=list)
    pod: Pod | None = None

    def draw(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        self.drawn.append(job_input)
        return render(job_input)

    @property
    def request(self) -> Request:
        assert self.pod is not None
        return Request(self.manifest, self.pod.url, ALL)

    @property
    def store(self) -> Store:
        return open_store(self.settings.store_url)

    async def run(self) -> BatchReport:
        clock = Clock()
        async with open_batch(self.settings, self.request, clock, clock.new_id()) as batch:
            report, _ = await run_batch(batch, ALL, "main", Steps())
        return report

    def plan(self) -> list[State]:
        return [item.state for item in plan_only(self.settings, self.request).items]

    def check(self) -> tuple[Finding, ...]:
        with Ledger.open(self.settings.ledger_url) as ledger:
            return findings(read_snapshot(ledger, self.store, deep=True), datetime.now(UTC))

    def rebuild(self) -> Rebuilt:
        with Ledger.open(self.settings.ledger_url) as ledger:
            return rebuild(ledger, self.store)

    def lose_ledger(self) -> None:
        for file in self.settings.home.glob("ledger.db*"):
            file.unlink()


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Callable[[], Settings]:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields.values():
        monkeypatch.delenv(str(name.alias), raising=False)
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "out"))
    monkeypatch.setenv("ASSETMILL_SERVE_KEY", KEY)
    return Settings


@pytest.fixture
async def site(tmp_path, settings) -> AsyncIterator[Site]:
    (tmp_path / "tiny.yaml").write_text(MANIFEST)
    made = Site(tmp_path / "tiny.yaml", settings())
    async with running_pod(PodConfig(api_key=KEY, workers=3), made.draw) as pod:
        made.pod = pod
        yield made


async def test_the_books_of_a_run_agree_to_the_last_byte(site):
    report = await site.run()
    assert (report.exit_code, report.generated, len(site.drawn)) == (0, 3, 3)
    assert site.check() == ()


async def test_after_a_lost_ledger_everything_that_was_paid_is_there_and_nothing_is_drawn_again(site):
    await site.run()
    site.lose_ledger()
    assert site.plan() == [State.NEW] * 3
    assert {finding.kind for finding in site.check()} == {Kind.ROW_MISSING}
    done = site.rebuild()
    assert (len(done.restored), done.damaged, done.refused, done.left_out) == (3, {}, {}, 0)
    assert site.check() == ()
    assert site.plan() == [State.CACHED] * 3
    again = await site.run()
    assert (again.exit_code, again.generated, again.cached, again.published) == (0, 0, 3, False)
    assert len(site.drawn) == 3


async def test_a_run_after_a_rebuild_without_one_receipt_pays_for_that_picture_alone(site):
    await site.run()
    with Ledger.open(site.settings.ledger_url) as ledger:
        [lost] = [row["attempt_id"] for row in ledger.rows() if row["asset_id"] == "sky"]
    [key] = [info.key for info in site.store.list("private/receipts/") if lost in info.key]
    site.store.delete(key)
    site.lose_ledger()
    assert lost not in site.rebuild().restored
    assert [finding.kind for finding in site.check()] == [Kind.ENTRY_UNKNOWN]
    assert sorted(site.plan()) == [State.CACHED, State.CACHED, State.NEW]
