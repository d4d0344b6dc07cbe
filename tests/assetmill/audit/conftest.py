"""A ledger and a store that agree in everything, made by the same calls as a run makes them, and ways to spoil them."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assetmill.audit import Finding, Kind, Snapshot, findings, read_snapshot
from assetmill.batch.receipt import settle_with_receipt
from assetmill.ledger import Claim, Facts, Finish, Intent, Ledger, Output, Run, Settlement, Status
from assetmill.money import UNKNOWN_COST, Cost, attempt_cost, no_cost
from assetmill.packs import PackAsset, PackIndex, Published, load_latest, publish, put_blob, receipt_key
from assetmill.storage import FileStore, Store

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PRICE = Decimal("0.00053")
OWNER = "run-1"


class Shop:
    """Books and store of one game, and of others if asked."""

    t0 = T0
    now = T0 + timedelta(hours=1)

    def __init__(self, folder: Path) -> None:
        self.database = folder / "books" / "ledger.db"
        self.url = f"sqlite:///{self.database}"
        self.store: Store = FileStore(folder / "store")
        self.folder = folder / "store"
        self.ledger = Ledger.open(self.url)
        self.run("run-1")

    def run(self, run_id: str, game: str = "cloud-hop") -> None:
        self.ledger.begin_run(Run(run_id, game, "art", "m.yaml", "runpod", "ep", draft=False, started_at=T0))

    def end(self, run_id: str = "run-1") -> None:
        self.ledger.end_run(run_id, state="finished", ended_at=self.now, kept=1, failed=0, cached=0)

    def intend(self, attempt_id: str, **changes: Any) -> str:
        intent = Intent(
            attempt_id=attempt_id, run_id="run-1", game="cloud-hop", pack="art", asset_id=f"asset-{attempt_id}",
            asset_type="sheet", candidate=0, try_no=1, fingerprint=f"picture-{attempt_id}", inputs={"seed": 7},
            provider="runpod", endpoint="ep", endpoint_url="https://api.example/v2/ep", gpu=None, seed=7,
            workflow="entity", workflow_hash="h", width=64, height=64, expected_outputs={"image": "p"},
            price_per_s_usd=PRICE, price_source="list", draft=False, intended_at=T0, planned_usd=Decimal("0.01"),
            planned_high_usd=Decimal("0.02"),
        )  # fmt: skip
        self.ledger.intend(replace(intent, **changes), Claim(OWNER, "elsewhere/1/1", self.now + 60 * SECOND))
        return attempt_id

    def submit(self, attempt_id: str, **changes: Any) -> str:
        self.intend(attempt_id, **changes)
        self.ledger.submitted(attempt_id, job_id=f"job-{attempt_id}", at=T0 + SECOND)
        return attempt_id

    def collect(self, attempt_id: str, **changes: Any) -> str:
        self.submit(attempt_id, **changes)
        facts = Facts(
            worker_id="w1", queue_ms=1000, execution_ms=9000, started_at=T0 + 2 * SECOND, finished_at=T0 + 11 * SECOND
        )
        raw = self.image("image", f"raw of {attempt_id}")
        self.ledger.collected(attempt_id, outputs=(raw,), at=T0 + 12 * SECOND, facts=facts)
        return attempt_id

    def image(self, role: str, words: str) -> Output:
        data = b"\x89PNG\r\n\x1a\n" + words.encode()
        ref = put_blob(self.store, data, ext="png", content_type="image/png")
        return Output(role, ref.key, ref.sha256, ref.bytes, 64, 64)

    def finish(self, attempt_id: str, *, run_id: str = "run-1", game: str = "cloud-hop", shape: str = "one") -> Finish:
        sheet = put_blob(self.store, f'{{"of": "{attempt_id}"}}'.encode(), ext="json", content_type="application/json")
        finish = Finish(
            attempt_id, f"finish-{shape}", game, run_id, (self.image("image", f"{shape} of {attempt_id}"),), sheet.key,
            {"size": 64}, {"score": 0.9}, T0 + 13 * SECOND,
        )  # fmt: skip
        self.ledger.record_finish(finish)
        return finish

    def settle(self, attempt_id: str, status: Status, cost: Cost | None = None, **changes: Any) -> str:
        cost = attempt_cost(PRICE, 9000, 1000) if cost is None else cost
        settlement = replace(Settlement(status, T0 + 14 * SECOND, cost), **changes)
        settle_with_receipt(self.ledger, self.store, attempt_id, settlement, by=OWNER)
        return attempt_id

    def keep(self, attempt_id: str, *, status: Status = Status.KEPT, **changes: Any) -> str:
        self.collect(attempt_id, **changes)
        self.finish(attempt_id, game=changes.get("game", "cloud-hop"), run_id=changes.get("run_id", "run-1"))
        free = no_cost("draft") if changes.get("draft") else None
        return self.settle(attempt_id, status, free)

    def fail(self, attempt_id: str, error_class: str = "worker_fault", **changes: Any) -> str:
        self.submit(attempt_id, **changes)
        return self.settle(attempt_id, Status.FAILED, error_class=error_class)

    def lose(self, attempt_id: str, cost: Cost = UNKNOWN_COST, **changes: Any) -> str:
        """Sent, and no answer seen."""
        self.intend(attempt_id, **changes)
        return self.settle(attempt_id, Status.LOST, cost, error_class="outcome_unknown")

    def refuse(self, attempt_id: str, **changes: Any) -> str:
        """Accepted by nobody."""
        self.intend(attempt_id, **changes)
        return self.settle(attempt_id, Status.FAILED, no_cost("nothing was accepted"), error_class="throttled")

    def publish(self, *attempt_ids: str, channel: str = "main", game: str = "cloud-hop", minute: int = 0) -> Published:
        """Publish the newest finish of these attempts."""
        done = {attempt_id: finish for (attempt_id, _), finish in self.ledger.finishes(game).items()}
        assets = {f"asset-{attempt_id}": self.entry(done[attempt_id]) for attempt_id in attempt_ids}
        at = self.now + minute * 60 * SECOND
        index = PackIndex(game=game, pack="art", run_id="run-1", created_at=at, assets=assets)
        before = load_latest(self.store, game, channel)
        return publish(self.store, game=game, channel=channel, index=index, base=before, now=at)

    def entry(self, finish: Finish) -> PackAsset:
        file = finish.files[0]
        return PackAsset(
            type="sheet", file=file.key, width=64, height=64, bytes=file.bytes, sha256=file.sha256, draft=False,
            sheet=finish.sheet_key, made_in_run="run-1",
        )  # fmt: skip

    def receipt_key(self, attempt_id: str, game: str = "cloud-hop") -> str:
        return receipt_key(game, attempt_id)

    def sql(self, statement: str) -> None:
        """Edit the database as nobody should."""
        with closing(sqlite3.connect(self.database)) as raw, raw:
            raw.execute(statement)

    def snapshot(self, **options: Any) -> Snapshot:
        return read_snapshot(self.ledger, self.store, **options)

    def check(self, **options: Any) -> tuple[Finding, ...]:
        return self.judge(self.snapshot(**options))

    def judge(self, snapshot: Snapshot) -> tuple[Finding, ...]:
        return findings(snapshot, self.now, gone=lambda place: place == "gone")

    def kinds(self, **options: Any) -> list[Kind]:
        return [finding.kind for finding in self.check(**options)]

    def lose_ledger(self) -> None:
        """The database is gone; a new one is opened in its place."""
        self.ledger.close()
        for file in self.database.parent.iterdir():
            file.unlink()
        self.ledger = Ledger.open(self.url)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.ledger.close()


def fill(shop: Shop) -> Shop:
    """Two published pictures, an older version of one, a rejected one, a failure, an unsent one, a draft."""
    shop.keep("knight")
    shop.publish("knight")
    shop.finish("knight", shape="two")
    shop.keep("slime")
    shop.publish("knight", "slime", minute=1)
    shop.keep("ghost", status=Status.REJECTED)
    shop.fail("bat")
    shop.refuse("crow")
    shop.keep("sketch", draft=True)
    shop.end()
    return shop


@pytest.fixture
def full_shop(shop: Shop) -> Shop:
    """A filled shop to spoil."""
    return fill(shop)


@pytest.fixture(scope="session")
def agreeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A filled shop that all tests share; it is only read."""
    made = fill(Shop(tmp_path_factory.mktemp("agreeing")))
    yield made
    made.ledger.close()


@pytest.fixture
def changed() -> Callable[..., Snapshot]:
    """A snapshot in which the row of one attempt has other columns."""

    def change(snapshot: Snapshot, attempt_id: str, **columns: Any) -> Snapshot:
        rows = tuple({**row, **columns} if row["attempt_id"] == attempt_id else row for row in snapshot.rows)
        assert rows != snapshot.rows
        return replace(snapshot, rows=rows)

    return change
