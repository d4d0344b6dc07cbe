"""The Prefect API as a proof uses it: it starts runs, waits for them, and counts what is not final."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

BATCH = "generate-batch/generate-batch"
SETTLE = "settle-open/settle-open"
FINAL = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
PAGE = 200
LOOK_EVERY_S = 0.5
BUSY = (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A flow run as the API shows it."""

    id: str
    name: str
    type: str
    state: str
    words: str
    parameters: dict[str, Any]

    @property
    def final(self) -> bool:
        """Whether it is over."""
        return self.type in FINAL


class Console:
    """A Prefect API."""

    def __init__(self, api: str) -> None:
        self._client = httpx.Client(base_url=api, timeout=30)

    def start(self, name: str, parameters: dict[str, Any]) -> str:
        """Run a deployment, `<flow>/<deployment>`; its flow run's id."""
        deployment = self._asked("GET", f"/deployments/name/{name}")
        return str(self._asked("POST", f"/deployments/{deployment['id']}/create_flow_run", parameters=parameters)["id"])

    def runs(self, ids: Iterable[str]) -> list[FlowRun]:
        """Flow runs, in the order of their ids."""
        wanted = list(ids)
        found = {
            one["id"]: FlowRun(
                one["id"], one["name"], one["state"]["type"], one["state"]["name"], one["state"]["message"] or "",
                one["parameters"],
            )
            for one in self._asked("POST", "/flow_runs/filter", flow_runs={"id": {"any_": wanted}}, limit=PAGE)
        }  # fmt: skip
        return [found[one] for one in wanted]

    def task_runs(self, flow_run_ids: Iterable[str]) -> Counter[str]:
        """Task runs of flow runs, by the type of their state."""
        states: Counter[str] = Counter()
        mine = {"id": {"any_": list(flow_run_ids)}}
        while page := self._asked("POST", "/task_runs/filter", flow_runs=mine, limit=PAGE, offset=states.total()):
            states.update(one["state"]["type"] if one["state"] else "NONE" for one in page)
        return states

    def until(self, what: str, done: Callable[[], bool], limit_s: float) -> None:
        """Wait until something holds.

        Raises:
            AssertionError: it does not.
        """
        pause = threading.Event()
        for _ in range(round(limit_s / LOOK_EVERY_S)):
            if done():
                return
            pause.wait(LOOK_EVERY_S)
        raise AssertionError(f"not within {limit_s:g} s: {what}")

    def _asked(self, method: str, path: str, **body: Any) -> Any:
        for _ in range(20):
            try:
                answer = self._client.request(method, path, json=body or None)
            except httpx.TransportError:
                threading.Event().wait(LOOK_EVERY_S)
                continue
            if answer.status_code not in BUSY:
                break
            threading.Event().wait(LOOK_EVERY_S)
        answer.raise_for_status()
        return answer.json()


def not_final(states: Counter[str]) -> int:
    """How many of them are not."""
    return sum(count for state, count in states.items() if state not in FINAL)
