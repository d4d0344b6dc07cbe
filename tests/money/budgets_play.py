"""One trial of the proof of budgets: eight runs at once, some killed, and what the books and the endpoint say then.

That no budget is overspent is seen three times over: the database itself writes down what is committed whenever an
attempt changes, by a trigger that knows nothing of our code; another connection reads it again and again; and at the
end the endpoint's own record of what its workers did is priced.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any, Final

from budgets_child import CRASHED, Order, common_clock, main
from budgets_scene import KEY, SPEED, Trial
from painter import Painter
from sqlalchemy import Connection, Engine, create_engine, text

from assetmill.batch.settling import settle_everything
from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import Pod, PodConfig, running_pod
from assetmill.settings import Settings, variables_of

LIMIT_S: Final = 240.0
BUDGET_REACHED: Final = 3
FINE: Final = (0, 1, BUDGET_REACHED, 4)
"""All there; some failed; a budget is reached; job after job failed at the endpoint, as faults may bring about."""

PRELOADED: Final = [
    "assetmill.batch.run", "assetmill.batch.session", "assetmill.exports", "assetmill.reports.gallery",
    "sqlalchemy.dialects.sqlite", "PIL.PngImagePlugin", "jinja2", "httpx", "anyio", "concurrent.futures.thread",
]  # fmt: skip
"""What the server that forks runs imports once for all; it does not know the folder that this file is in."""

COMMITTED: Final = """SELECT coalesce(sum(CASE WHEN status IN ('submitting', 'submitted', 'collected')
    THEN coalesce(reserved_usd, 1000000) ELSE coalesce(cost_estimate_usd, reserved_usd, 1000000) END), 0)
    FROM attempts WHERE NOT draft"""
WATCH_SQLITE: Final = (
    "CREATE TABLE committed (usd NUMERIC, what TEXT)",
    *(
        f"CREATE TRIGGER committed_{event} AFTER {event} ON attempts BEGIN "
        f"INSERT INTO committed {COMMITTED.replace('FROM', ', new.status FROM', 1)}; END"
        for event in ("INSERT", "UPDATE")
    ),
)
WATCH_POSTGRES: Final = (
    "CREATE TABLE committed (usd NUMERIC, what TEXT)",
    (
        "CREATE FUNCTION watch_committed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"INSERT INTO committed {COMMITTED.replace('FROM', ', NEW.status FROM', 1)}; RETURN NULL; END $$"
    ),
    "CREATE TRIGGER committed AFTER INSERT OR UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION watch_committed()",
)


@dataclass
class Played:
    """What a trial came to.

    Args:
        trial: what was played.
        moments: changes of the books at which the committed sum was written down.
        most_usd: the largest of them, and of what was read from outside.
        spent_usd: what the rows say at the end.
        executed_usd: price of what workers really did.
        charged_usd: what the endpoint charged altogether, for starts and idle workers too.
        rows: attempts.
        kept: of them, pictures.
        killed: runs that were killed.
        reached: runs that ended at the limit.
        wrong: what must not be.
    """

    trial: Trial
    moments: int = 0
    most_usd: Decimal = Decimal(0)
    spent_usd: Decimal = Decimal(0)
    executed_usd: Decimal = Decimal(0)
    charged_usd: Decimal = Decimal(0)
    rows: int = 0
    kept: int = 0
    killed: int = 0
    open_when_killed: int = 0
    reached: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def play(trial: Trial, folder: Path, ledger_url: str | None = None) -> Played:
    """Play a trial; books, store and logs stay in the folder.

    Args:
        trial: what is played.
        folder: an empty one.
        ledger_url: of an empty database; None for a SQLite file in the folder.
    """
    played, stage = Played(trial), _Stage(trial, folder, ledger_url)
    clock = common_clock(SPEED, stage.began, trial.seed)
    painter = Painter(Random(trial.seed), *(seconds / SPEED for seconds in trial.job_s))
    config = PodConfig(endpoint_id="gpu", api_key=KEY, **trial.pod)
    async with running_pod(config, painter, clock) as pod:
        with stage.watched() as engine:
            try:
                async with asyncio.timeout(LIMIT_S):
                    await _run_all(stage, pod, engine, played)
                    await settle_everything(stage.settings(), clock, wait=True)
            except TimeoutError:
                played.wrong.append(f"not at an end after {LIMIT_S:g} s")
            _judge(stage, pod, engine, played)
    return played


class _Stage:
    """Files and processes of a trial."""

    def __init__(self, trial: Trial, folder: Path, ledger_url: str | None) -> None:
        self.trial, self.folder = trial, folder
        self.began = (time.monotonic(), time.time())
        self.ledger_url = ledger_url or f"sqlite:///{folder / 'ledger.db'}"
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)
        for run, manifest in enumerate(trial.manifests):
            (folder / f"part{run}.yaml").write_text(manifest)

    @property
    def environment(self) -> dict[str, str]:
        """All variables of a run."""
        ours = {variable for name in Settings.model_fields for variable in variables_of(name)}
        month = self.trial.month_usd
        return {name: value for name, value in os.environ.items() if name not in ours} | {
            "ASSETMILL_HOME": str(self.folder / "out"),
            "ASSETMILL_LEDGER_URL": self.ledger_url,
            "ASSETMILL_GAME_BUDGET_USD": f"{self.trial.game_usd:f}",
            **({} if month is None else {"ASSETMILL_MONTH_BUDGET_USD": f"{month:f}"}),
            **self.trial.settings,
        }

    def settings(self) -> Settings:
        """The same, for this process."""
        return Settings(_env_file=None, **self.environment)  # type: ignore[arg-type]  # aliases

    def start(self, run: int, url: str) -> BaseProcess:
        """Begin a run in a process of its own."""
        order = Order(self.folder, f"part{run}", url, SPEED, self.began, self.environment)
        process = self._context.Process(target=main, args=(order,), daemon=True)
        process.start()
        return process

    def report(self, run: int) -> dict[str, Any]:
        """What a run has said of itself; empty for one that was killed."""
        path = self.folder / f"part{run}.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    @contextmanager
    def watched(self) -> Iterator[Engine]:
        """The books, with a trigger that writes down what is committed at every change."""
        Ledger.open(self.ledger_url).close()
        engine = create_engine(self.ledger_url)
        with engine.begin() as connection:
            for statement in WATCH_SQLITE if engine.dialect.name == "sqlite" else WATCH_POSTGRES:
                connection.execute(text(statement))
        try:
            yield engine
        finally:
            engine.dispose()


async def _run_all(stage: _Stage, pod: Pod, engine: Engine, played: Played) -> None:
    """All runs at once, to their ends; reads the books all the while."""
    clock, trial = Clock(), stage.trial
    processes = [stage.start(run, pod.url) for run in range(len(trial.manifests))]
    began, due = clock.monotonic(), list(trial.doomed)
    try:
        while any(process.is_alive() for process in processes):
            await clock.sleep(0.05)
            for one in [one for one in due if clock.monotonic() - began >= one.after_s]:
                due.remove(one)
                if processes[one.run].is_alive():
                    processes[one.run].kill()
                    played.killed += 1
            played.most_usd = max(played.most_usd, await asyncio.to_thread(_committed, engine))
    finally:
        for process in processes:
            process.kill()
            process.join()
    played.codes = Counter(int(process.exitcode or 0) for process in processes)
    for run, process in enumerate(processes):
        fine = process.exitcode in FINE or (process.exitcode or 0) < 0
        if not fine:
            played.wrong.append(f"run {run} ended with {process.exitcode}: {stage.report(run)}")


def _committed(engine: Engine) -> Decimal:
    with engine.connect() as connection:
        return _usd(connection.execute(text(COMMITTED)).scalar())


def _usd(value: Any) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("0.00000001"))


def _judge(stage: _Stage, pod: Pod, engine: Engine, played: Played) -> None:
    trial = stage.trial
    with engine.connect() as connection:
        _read(connection, played)
    charges = {one.worker_id: one.gpu.usd_per_s for one in pod.charges()}
    done = [(one, one.ended_s - one.started_s) for one in pod.executions() if one.ended_s is not None]
    played.executed_usd = sum((charges[one.worker_id] * Decimal(str(length)) for one, length in done), Decimal(0))
    played.charged_usd = sum((one.gpu_usd for one in pod.charges()), Decimal(0))
    reports = [stage.report(run) for run in range(len(trial.manifests))]
    played.reached = sum("is reached" in str(one.get("stopped")) for one in reports)
    judge_amounts(played)
    if len(done) != len(pod.executions()):
        played.wrong.append("a worker is still at a job")
    if CRASHED in played.codes:
        played.wrong.append("a run broke down")
    judge_ends(trial, reports, played)


def judge_amounts(played: Played) -> None:
    """Nothing above the budget: at any moment, at the end, and by what workers have done."""
    limit = played.trial.limit_usd
    for name, amount in (
        ("committed", played.most_usd), ("spent", played.spent_usd), ("executed", played.executed_usd),
    ):  # fmt: skip
        if amount > limit:
            played.wrong.append(f"{name} {amount:.8f}, and the budget is {limit}")


def judge_ends(trial: Trial, reports: list[dict[str, Any]], played: Played) -> None:
    """A run ends at the limit only where no further job fits; one that says nothing of it has all, or has failed."""
    left = trial.limit_usd - played.spent_usd
    if played.reached and not played.killed and left > trial.need_usd:
        played.wrong.append(f"{left} were left, a job needs {trial.need_usd}, and a run has given up")
    for run, report in enumerate(reports):
        left_out = [line for line in report.get("failures", ()) if line["error"] == "budget_exceeded"]
        if left_out and report["exit_code"] != BUDGET_REACHED:
            played.wrong.append(f"run {run} left {len(left_out)} pictures to its budget and ended otherwise")


def _read(connection: Connection, played: Played) -> None:
    moments, most = connection.execute(text("SELECT count(*), max(usd) FROM committed")).one()
    played.moments, played.most_usd = moments, max(played.most_usd, _usd(most or 0))
    played.spent_usd = _usd(connection.execute(text(COMMITTED)).scalar())
    status = Counter(row[0] for row in connection.execute(text("SELECT status FROM attempts")))
    played.rows, played.kept = status.total(), status["kept"]
    if status.keys() & {"submitting", "submitted", "collected"}:
        played.wrong.append(f"attempts stay open: {dict(status)}")
