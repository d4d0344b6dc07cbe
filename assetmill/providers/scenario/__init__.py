"""Scenario: a picture is a short pipeline of calls, each a job of its own that is paid for in creative units.

A plan asks this room for its pipelines and must start without a client for pictures or a network, so the provider is
imported only when somebody asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assetmill.providers.scenario.provider import ScenarioProvider

__all__ = ["ScenarioProvider"]


def __getattr__(name: str) -> Any:
    if name == "ScenarioProvider":
        from assetmill.providers.scenario.provider import ScenarioProvider as provider  # noqa: N813, PLC0415  see above

        return provider
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
