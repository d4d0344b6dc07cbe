"""One process of a run: it runs the batch or settles what is open, and may be made to die on the way.

Started by a fork server that has imported everything, so that it begins in a few hundredths of a second.
"""

# ruff: noqa: T201  its log is what it prints

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from killing import arm
from scenario import Kill

from assetmill.batch.interrupt import interruptible
from assetmill.batch.prepare import Request
from assetmill.batch.progress import Progress, listening
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.batch.settling import settle_everything
from assetmill.clock import Clock
from assetmill.errors import AssetmillError, Stopped
from assetmill.localpod import scaled
from assetmill.planning.plan import ALL
from assetmill.settings import Settings

CRASHED: Final = 70  # EX_SOFTWARE of sysexits.h; none of the program's own exit codes


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is to do.

    Args:
        kind: `run`, `settle` or `settle_wait`.
        folder: where the manifest, the books and the store are.
        name: of its files in the folder's `processes`.
        url: the endpoint.
        speed: of its time.
        environment: variables, all of them.
        kill: the point at which it dies.
    """

    kind: str
    folder: Path
    name: str
    url: str
    speed: float
    environment: Mapping[str, str]
    kill: Kill | None = None

    def file(self, ending: str) -> Path:
        """A file of this process."""
        return self.folder / "processes" / f"{self.name}.{ending}"


def main(order: Order) -> None:
    """Do what is ordered; the exit code is the batch's."""
    log = os.open(order.file("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.register(signal.SIGUSR1, file=log)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    if order.kill is not None and order.kill.point:
        arm(order.kill, order.file("killed"))
    code, document = _done(order)
    order.file("json").write_text(json.dumps(document, default=str))
    sys.exit(code)


def _done(order: Order) -> tuple[int, dict[str, Any]]:
    try:
        return asyncio.run(_run(order) if order.kind == "run" else _settle(order))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return Stopped.exit_code, {"stopped": True}
    except AssetmillError as error:
        return error.exit_code, {"error": error.code, "message": str(error)}
    except BaseException:  # noqa: BLE001  whatever it was, the oracle has to hear of it
        return CRASHED, {"crash": traceback.format_exc()}


async def _run(order: Order) -> tuple[int, dict[str, Any]]:
    settings, clock = Settings(), scaled(Clock(), order.speed)
    request = Request(Path("tiny.yaml"), order.url)
    with listening(_log):
        async with open_batch(settings, request, clock, clock.new_id()) as batch:
            with interruptible(batch):
                report, _ = await run_batch(batch, ALL, "main", Steps())
    return report.exit_code, report.model_dump(mode="json")


def _log(progress: Progress) -> None:
    jobs = ", ".join(f"{job_id[:8]} {state}" for job_id, state in progress.jobs.items())
    print(
        f"{time.monotonic():.2f} {progress.kept}+{progress.failed}/{progress.total} {progress.message} [{jobs}]",
        flush=True,
    )


async def _settle(order: Order) -> tuple[int, dict[str, Any]]:
    clock = scaled(Clock(), order.speed)
    done = await settle_everything(Settings(), clock, wait=order.kind == "settle_wait")
    return 0, {"settled": done.settled, "open": done.open, "busy": done.busy}
