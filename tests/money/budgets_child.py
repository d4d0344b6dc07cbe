"""One of the runs of a trial, in a process of its own; it may be killed at any moment.

Its clock is the endpoint's: both begin at the same moment and run at the same speed, so that the books of eight
processes have one time.
"""

# ruff: noqa: T201  its log is what it prints

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from assetmill.batch.prepare import Request
from assetmill.batch.progress import Progress, listening
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.clock import Clock
from assetmill.errors import AssetmillError
from assetmill.planning.plan import ALL
from assetmill.settings import Settings

CRASHED: Final = 70
SHORTEST_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is to do.

    Args:
        folder: of the trial.
        name: of the manifest, of its log and of its report.
        url: the endpoint.
        speed: of its time.
        began: (monotonic, wall-clock as a timestamp) at which all clocks of the trial agree.
        environment: variables, all of them.
    """

    folder: Path
    name: str
    url: str
    speed: float
    began: tuple[float, float]
    environment: Mapping[str, str]


def common_clock(speed: float, began: tuple[float, float], seed: int = 0) -> Clock:
    """A clock that agrees with those of other processes that were given the same beginning."""
    start, wall = began

    def monotonic() -> float:
        return start + (time.monotonic() - start) * speed

    def now() -> datetime:
        return datetime.fromtimestamp(wall, UTC) + timedelta(seconds=monotonic() - start)

    real = Clock()

    async def sleep(seconds: float) -> None:
        await real.sleep(max(seconds / speed, SHORTEST_S) if seconds > 0 else 0)

    return replace(real, monotonic=monotonic, now=now, sleep=sleep, random=Random(seed))


def main(order: Order) -> None:
    """Run the manifest; the exit code is the batch's."""
    log = os.open(order.folder / f"{order.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    try:
        code, document = asyncio.run(_run(order))
    except AssetmillError as error:
        code, document = error.exit_code, {"error": error.code, "stopped": error.message}
    except BaseException:  # noqa: BLE001  whatever it was, the judge has to hear of it
        code, document = CRASHED, {"crash": traceback.format_exc()}
    print(f"{time.process_time():.2f} s of processor time", flush=True)
    (order.folder / f"{order.name}.json").write_text(json.dumps(document, default=str))
    sys.exit(code)


async def _run(order: Order) -> tuple[int, dict[str, Any]]:
    clock = common_clock(order.speed, order.began, hash(order.name))
    request = Request(Path(f"{order.name}.yaml"), order.url)
    with listening(_log):
        async with open_batch(Settings(), request, clock, clock.new_id()) as batch:
            report, _ = await run_batch(batch, ALL, order.name, Steps())  # a channel publishes one pack
    return report.exit_code, report.model_dump(mode="json")


def _log(progress: Progress) -> None:
    print(f"{time.monotonic():.2f} {progress.kept}+{progress.failed}/{progress.total} {progress.message}", flush=True)
