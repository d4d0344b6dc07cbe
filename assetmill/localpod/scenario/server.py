"""Listening: the local Scenario behind a socket of this machine, in a block or until told to end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from assetmill.clock import Clock
from assetmill.localpod.scenario.config import ScenarioConfig
from assetmill.localpod.scenario.endpoint import LocalScenario
from assetmill.localpod.server import hosting, until_told


@asynccontextmanager
async def running_scenario(
    config: ScenarioConfig | None = None, clock: Clock | None = None
) -> AsyncIterator[LocalScenario]:
    """Run a Scenario endpoint in this process for as long as the block lasts.

    Args:
        config: how it behaves; port 0 takes a free one.
        clock: time, sleep, chance and ids; the real ones when left out.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    settings, time = config or ScenarioConfig(), clock or Clock()
    async with hosting(settings, lambda port: LocalScenario(settings, time, port)) as scenario:
        yield scenario


async def serve_scenario(
    config: ScenarioConfig, *, ready: Callable[[str], None], clock: Clock | None = None, follow_parent: bool = False
) -> None:
    """Run a Scenario endpoint until this task is cancelled or the process gets SIGTERM.

    Args:
        config: how it behaves.
        ready: told its address, up to `/v1`, once it listens.
        clock: time, sleep, chance and ids; the real ones when left out.
        follow_parent: also end when the process that started this one is gone.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
    """
    time = clock or Clock()
    await until_told(running_scenario(config, time), ready=ready, clock=time, follow_parent=follow_parent)
