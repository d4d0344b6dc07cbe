"""The provider that speaks to an endpoint, set up as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from assetmill.batch.progress import Progress
from assetmill.batch.steps import LedgerSteps
from assetmill.clock import Clock
from assetmill.ledger import Ledger, Owner
from assetmill.providers.base import Provider
from assetmill.providers.endpoint import COMFYUI, SCENARIO, Endpoint
from assetmill.providers.runpod import RunPodProvider
from assetmill.settings import Settings

# ruff: noqa: PLC0415  most runs speak one protocol, and need no other client


class Waits(TypedDict):
    """What every provider is told: how many jobs will be out, and how long to wait for what, seconds."""

    window: int
    stall_s: float
    look_for_s: float
    execution_timeout_s: float
    notice: Callable[[str], None]
    secrets: tuple[str, ...]


def new_provider(
    endpoint: Endpoint, settings: Settings, clock: Clock, progress: Progress, ledger: Ledger, owner: Owner
) -> Provider:
    """The provider of an endpoint.

    Args:
        endpoint: where jobs go.
        settings: how long to wait for what.
        clock: time.
        progress: told what holds jobs up.
        ledger: where the steps of pipelines are.
        owner: in whose name they are written.
    """
    common: Waits = {
        "window": window_of(endpoint, settings),
        "stall_s": settings.queue_stall_s,
        "look_for_s": settings.look_for_s,
        "execution_timeout_s": settings.execution_timeout_s,
        "notice": progress.say,
        "secrets": settings.secrets,
    }
    if endpoint.kind == SCENARIO:
        from assetmill.providers.scenario import ScenarioProvider

        book = LedgerSteps(ledger, owner)
        return ScenarioProvider(endpoint, clock, book, **common)
    if endpoint.kind == COMFYUI:
        from assetmill.providers.comfyui import ComfyUIProvider

        return ComfyUIProvider(endpoint, clock, **common)
    return RunPodProvider(endpoint, clock, **common)


def queue_ahead(endpoint: Endpoint, settings: Settings) -> int:
    """Jobs that may wait at an endpoint for each of its workers; Scenario takes as many as it runs at once."""
    return 0 if endpoint.by_units else settings.queue_ahead


def window_of(endpoint: Endpoint, settings: Settings) -> int:
    """Jobs that may be out at an endpoint at once."""
    return endpoint.max_workers * (1 + queue_ahead(endpoint, settings))
