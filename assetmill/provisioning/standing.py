"""How an endpoint stands at this moment: workers, newest release, and whether it is as the file says. It only looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from assetmill.providers.runpod.manage import ManagementApi
from assetmill.providers.runpod.management import count, part
from assetmill.providers.words import one_line
from assetmill.provisioning.access import prices_there
from assetmill.provisioning.apply import one_called
from assetmill.provisioning.loading import load_spec
from assetmill.provisioning.plan import EndpointPlan, planned
from assetmill.settings import Settings

STATES = ("running", "idle", "initializing", "throttled", "unhealthy")


@dataclass(frozen=True, slots=True)
class Release:
    """The newest release.

    Args:
        version: its number, if it is told.
        at: when it was made, if that is told.
        rolling_out: workers of an older one are still there.
    """

    version: int | None
    at: datetime | None
    rolling_out: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """An endpoint at one moment.

    Args:
        endpoint_id: its id.
        run_url: where jobs are sent.
        workers: state -> how many.
        gpus: models that its workers have now.
        release: its newest release; None where none is told.
        plan: what the file would change.
        max_workers: most workers that it may have, if that is told.
        min_workers: how many are always on, if that is told.
    """

    endpoint_id: str
    run_url: str
    workers: Mapping[str, int]
    gpus: tuple[str, ...]
    release: Release | None
    plan: EndpointPlan
    max_workers: int | None
    min_workers: int | None


async def standing(api: ManagementApi, settings: Settings, path: Path, endpoint_id: str | None = None) -> Standing:
    """Look at the endpoint of a file.

    Args:
        api: the account's endpoints.
        settings: for prices, and for what runs do to its max workers.
        path: the file; its image may still be the placeholder.
        endpoint_id: which endpoint, where several have the name.

    Raises:
        ManifestError: the file cannot be used.
        NoSuchEndpoint, Refused, ProviderRefused: no such endpoint, several, no answer.
    """
    prices = prices_there(settings)
    spec = load_spec(path, prices, to_deploy=False)
    there = await one_called(api, spec.name, endpoint_id)
    found_id = str(there["id"])
    listed, released = await api.workers(found_id), await api.releases(found_id)
    rows = listed.get("workers")
    lines = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    states = [str(row.get("status", "")).lower() for row in lines]
    limits = part(there, "workers")
    return Standing(
        endpoint_id=found_id,
        run_url=str(part(there, "requestUrls").get("run", "")),
        workers={state: states.count(state) for state in STATES},
        gpus=tuple(sorted({one_line(row["gpuTypeId"]) for row in lines if row.get("gpuTypeId")})),
        release=_release(released),
        plan=planned(spec, there, prices, resting=settings.scale == "around"),
        max_workers=count(limits.get("max")),
        min_workers=count(limits.get("min")),
    )


def _release(body: Mapping[str, Any]) -> Release | None:
    releases = body.get("releases")
    newest = releases[0] if isinstance(releases, list) and releases else None
    if not isinstance(newest, Mapping):
        return None
    return Release(
        count(newest.get("version")), _time(newest.get("createdAt")), part(body, "rollout").get("inProgress") is True
    )


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
