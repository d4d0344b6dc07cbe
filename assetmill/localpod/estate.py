"""Every endpoint of the local account: the one that this server is, and those that were made by its management API.

Names are not unique, as at RunPod. Endpoints that nobody sends a job to are scaled down behind their owner's back, as
there: to 2 workers after 3 days, to none after 7, and stay so until somebody raises them (serverless/
endpoint-configurations). An endpoint that was made here has settings and releases, and no workers: only the server's
own one carries jobs out. Nothing is kept when the server ends.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from assetmill.clock import Clock
from assetmill.localpod.endpoint_bodies import ProblemError, changed, created

DAY_S: Final = 86_400
SCALED_DOWN: Final = ((7 * DAY_S, 0), (3 * DAY_S, 2))
"""Seconds without a job -> most workers."""
AT_ONCE: Final = frozenset({"workers", "scaling", "timeout", "name"})
"""Settings that take effect without a new release."""
QUEUE_PATHS: Final = ("run", "runsync", "status/{job_id}", "stream/{job_id}", "cancel/{job_id}", "retry/{job_id}")


@dataclass(slots=True)
class _Held:
    """One endpoint: its settings, and since when nobody has asked it for anything."""

    id: str
    settings: dict[str, Any]
    created_at: str
    asked_s: float
    releases: list[dict[str, Any]] = field(default_factory=list)


class Estate:
    """The endpoints.

    Args:
        own: id and settings of the server's own endpoint.
        address: base address of the job API, without a slash at its end.
        pool_of: GPU type id -> pool, of all that there are.
        most_workers: the account's quota.
        clock: time and ids.
    """

    def __init__(
        self,
        own: tuple[str, Mapping[str, Any]],
        address: str,
        pool_of: Mapping[str, str],
        most_workers: int,
        clock: Clock,
    ) -> None:
        self._address = address
        self._pool_of = pool_of
        self._most_workers = most_workers
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._add(own[0], own[1])

    def listing(self) -> list[dict[str, Any]]:
        """All of them, as a list tells them, oldest first."""
        return [self.told(endpoint_id) for endpoint_id in self._held]

    def told(self, endpoint_id: str) -> dict[str, Any]:
        """One, as its GET tells it.

        Raises:
            ProblemError: 404.
        """
        held = self._find(endpoint_id)
        base = f"{self._address}/{held.id}"
        urls = {_camel(path): f"{base}/{path}" for path in (*QUEUE_PATHS, "purge-queue", "health")}
        return {"id": held.id, **copy.deepcopy(held.settings), "requestUrls": urls, "createdAt": held.created_at}

    def create(self, body: Any) -> dict[str, Any]:
        """Make one more.

        Raises:
            ProblemError: the body is refused.
        """
        settings = created(body, self._pool_of, self._most_workers)
        endpoint_id = self._clock.new_id()[:14]
        self._add(endpoint_id, settings)
        return self.told(endpoint_id)

    def update(self, endpoint_id: str, body: Any) -> dict[str, Any]:
        """Change what a body names.

        Raises:
            ProblemError: there is none, or the body is refused.
        """
        held = self._find(endpoint_id)
        before, held.settings = held.settings, changed(held.settings, body, self._pool_of, self._most_workers)
        held.asked_s = self._clock.monotonic()
        differs = [name for name in held.settings if before.get(name) != held.settings[name]]
        if set(differs) - AT_ONCE:
            self._release(held, [name for name in differs if name not in AT_ONCE], before)
        return self.told(endpoint_id)

    def delete(self, endpoint_id: str) -> None:
        """End one for good.

        Raises:
            ProblemError: there is none.
        """
        self._find(endpoint_id)
        del self._held[endpoint_id]

    def asked(self, endpoint_id: str) -> None:
        """A job was sent to an endpoint."""
        if endpoint_id in self._held:
            self._find(endpoint_id).asked_s = self._clock.monotonic()

    def most_workers(self, endpoint_id: str) -> int:
        """Most workers that an endpoint may have now; none where it is gone."""
        return int(self._find(endpoint_id).settings["workers"]["max"]) if endpoint_id in self._held else 0

    def releases(self, endpoint_id: str) -> dict[str, Any]:
        """Its releases, newest first.

        Raises:
            ProblemError: there is none.
        """
        held = self._find(endpoint_id)
        rollout = {"inProgress": False, "workersOnLatest": 0, "workersTotal": 0, "percentOnLatest": 0}
        newest_first = list(reversed(held.releases))
        return {"endpointVersion": len(held.releases), "rollout": rollout, "releases": newest_first}

    def _add(self, endpoint_id: str, settings: Mapping[str, Any]) -> None:
        held = _Held(endpoint_id, dict(settings), self._now(), self._clock.monotonic())
        self._held[endpoint_id] = held
        self._release(held, [], {})

    def _release(self, held: _Held, differs: list[str], before: Mapping[str, Any]) -> None:
        """Note a release; values of the environment are in no diff."""
        shown = [name for name in differs if name != "env"]
        diff = [{"field": name, "old": before.get(name), "new": held.settings[name]} for name in shown]
        diff += [{"field": "env", "old": None, "new": None}] if "env" in differs else []
        held.releases.append(
            {
                "id": self._clock.new_id()[:8],
                "version": len(held.releases) + 1,
                "source": "MANUAL",
                "buildId": None,
                "createdByUserId": None,
                "workerCount": 0,
                "createdAt": self._now(),
                "diff": diff,
            }
        )

    def _find(self, endpoint_id: str) -> _Held:
        """An endpoint, after what has happened to it while nobody asked it for anything."""
        held = self._held.get(endpoint_id)
        if held is None:
            raise ProblemError(404, "resource not found")
        idle_s = self._clock.monotonic() - held.asked_s
        for after_s, most in SCALED_DOWN:
            if idle_s >= after_s:
                workers = held.settings["workers"]
                low = min(workers["max"], most)
                held.settings["workers"] = workers | {"max": low, "min": min(workers["min"], low)}
                break
        return held

    def _now(self) -> str:
        return self._clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _camel(path: str) -> str:
    """Name of a queue operation among the request URLs."""
    name = path.partition("/")[0]
    return {"runsync": "runSync", "purge-queue": "purgeQueue"}.get(name, name)
