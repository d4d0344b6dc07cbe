"""One process of a run at Scenario's endpoint, which kills itself with SIGKILL at a moment that it was told.

The moments are the calls by which a picture's way is written down and sent, each once before and once after. The
product has no hooks for this: its methods are wrapped here, in the process that is to die.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from assetmill.batch.prepare import Request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.batch.steps import LedgerSteps
from assetmill.clock import Clock
from assetmill.errors import AssetmillError
from assetmill.ledger import Ledger
from assetmill.localpod import scaled
from assetmill.planning.plan import ALL
from assetmill.providers.scenario.api import ScenarioApi
from assetmill.providers.scenario.fetch import Fetcher
from assetmill.settings import Settings
from assetmill.storage.local import FileStore

CRASHED: Final = 70
PLACES: Final[tuple[tuple[Any, str], ...]] = (
    (Ledger, "intend"),
    (Ledger, "submitted"),
    (Ledger, "collected"),
    (Ledger, "settle_as"),
    (LedgerSteps, "note"),
    (ScenarioApi, "start"),
    (Fetcher, "collect"),
    (FileStore, "put"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is to do.

    Args:
        folder: where manifest, books and store are.
        name: of its log and its report.
        url: the endpoint.
        speed: of its time.
        environment: variables, all of them.
        moment: it dies at this moment, from 1; 0 for never.
    """

    folder: Path
    name: str
    url: str
    speed: float
    environment: Mapping[str, str]
    moment: int = 0

    def file(self, ending: str) -> Path:
        """A file of this process."""
        return self.folder / f"{self.name}.{ending}"


class Moments:
    """Counts the moments, notes what each was, and ends the process at one of them."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.passed: list[str] = []

    def at(self, name: str) -> None:
        """A moment has come."""
        self.passed.append(name)
        if len(self.passed) == self._order.moment:
            self._order.file("killed").write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        """Wrap the methods."""
        for place, name in PLACES:
            setattr(place, name, self._wrapped(getattr(place, name), f"{place.__name__}.{name}"))

    def _wrapped(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(method)
        def plain(*args: Any, **kwargs: Any) -> Any:
            self.at(f"before {name}")
            done = method(*args, **kwargs)
            self.at(f"after {name}")
            return done

        @functools.wraps(method)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            self.at(f"before {name}")
            done = await method(*args, **kwargs)
            self.at(f"after {name}")
            return done

        return awaited if asyncio.iscoroutinefunction(method) else plain


def main(order: Order) -> None:
    """Run the manifest; the exit code is the batch's."""
    log = os.open(order.file("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    moments = Moments(order)
    moments.arm()
    code, told = _done(order)
    order.file("json").write_text(json.dumps({"report": told, "moments": moments.passed}, default=str))
    sys.exit(code)


def _done(order: Order) -> tuple[int, dict[str, Any]]:
    try:
        return asyncio.run(_run(order))
    except AssetmillError as error:
        return error.exit_code, {"error": error.code, "message": str(error)}
    except BaseException:  # noqa: BLE001  whatever it was, the judge has to hear of it
        return CRASHED, {"crash": traceback.format_exc()}


async def _run(order: Order) -> tuple[int, dict[str, Any]]:
    clock = scaled(Clock(), order.speed)
    async with open_batch(Settings(), Request(Path("game.yaml"), order.url), clock, clock.new_id()) as batch:
        report, _ = await run_batch(batch, ALL, "main", Steps())
    return report.exit_code, report.model_dump(mode="json")
