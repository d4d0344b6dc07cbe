"""One Prefect server for all flow tests, started the way the command line starts it; workers for whoever needs one.

`deployed` is that server with everything on it that `assetmill deploy` puts there. `process_worker` starts a worker as
an operator does: in a folder, with an environment, by Prefect's own command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from assetmill.cli.prefect_server import prefect_api
from assetmill.settings import Settings, variables_of

ENDS = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
LOOK_EVERY_S = 0.3
BUSY_TRIES = 100
READ_S = 30.0  # for one try: a busy server may answer the next one sooner than this one
CHANGE_S = 300.0  # for the only try
STOP_S = 30.0
ASSETS = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default}
assets:
  - {id: slime, type: entity, prompt: a green slime, shape: circle, silhouette: {canvas: 64x64}}
  - {id: crate, type: entity, prompt: a wooden crate, silhouette: {canvas: 64x64}}
"""


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.out))


@dataclass
class Terminal:
    """The `assetmill` program in a folder of its own, with nothing of ours in its environment."""

    folder: Path
    environment: dict[str, str]
    programs: Any

    def __call__(self, *arguments: str, **variables: str) -> Result:
        done = self.programs.run(arguments, self.folder, self.environment | variables)
        return Result(done.returncode, done.stdout, done.stderr)

    def manifest(self, text: str = ASSETS) -> str:
        (self.folder / "tiny.yaml").write_text(text)
        return "tiny.yaml"


@dataclass(frozen=True)
class Api:
    """The API of a Prefect server that may be very busy; what ends all patience is the test's own limit.

    Args:
        url: where it is.
    """

    url: str

    def read(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """What a GET of a path answers, or a filter that is posted to it; asked again when nothing comes.

        Raises:
            httpx.HTTPError: it goes on failing, or refuses.
        """
        for _ in range(BUSY_TRIES):
            try:
                return self._once("GET" if body is None else "POST", path, body, READ_S)
            except httpx.TransportError:
                threading.Event().wait(LOOK_EVERY_S)
        return self._once("GET" if body is None else "POST", path, body, READ_S)

    def send(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """What a change answers. It is never sent again after a lost answer, but waited for; None if it says nothing.

        Raises:
            httpx.HTTPError: it fails or is refused.
        """
        return self._once(method, path, body, CHANGE_S)

    def limit(self, name: str, slots: int) -> None:
        """Have the concurrency limit there without which nobody may send, as `assetmill deploy` makes it."""
        self.send("/v2/concurrency_limits/", {"name": name, "limit": slots, "active": True})

    def _once(self, method: str, path: str, body: Any, timeout_s: float) -> Any:
        for _ in range(BUSY_TRIES):
            answer = httpx.request(method, f"{self.url}{path}", json=body, timeout=timeout_s)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            threading.Event().wait(LOOK_EVERY_S)  # SQLite is locked for a moment: nothing was done
        answer.raise_for_status()
        return answer.json() if answer.content else None


@pytest.fixture(scope="session")
def api_of() -> type[Api]:
    """`api_of(url)`: the API of any Prefect server, asked with patience."""
    return Api


@pytest.fixture(scope="session")
def api(api_url: str) -> Api:
    """The API of the session's server."""
    return Api(api_url)


@pytest.fixture(scope="session")
def api_url(tmp_path_factory: pytest.TempPathFactory, prefect_tables: Callable[[Path], Path]) -> Iterator[str]:
    with prefect_api(prefect_tables(tmp_path_factory.mktemp("prefect")), None) as url:
        yield url


@dataclass(frozen=True)
class Deployed:
    """A Prefect server on which everything is deployed.

    Args:
        api_url: its API.
        said: what `assetmill deploy --json` said when it did it.
    """

    api_url: str
    said: dict[str, Any]

    @property
    def api(self) -> Api:
        """Its API, asked with patience."""
        return Api(self.api_url)

    def start(self, deployment: str, **parameters: Any) -> str:
        """Order a run of a deployment, as the run form of the UI does, and return its id."""
        (found,) = self.api.read("/deployments/filter", {"deployments": {"name": {"any_": [deployment]}}})
        return str(self.api.send(f"/deployments/{found['id']}/create_flow_run", {"parameters": parameters})["id"])

    def flow_run(self, flow_run_id: str) -> dict[str, Any]:
        """A flow run as the API tells of it."""
        return dict(self.api.read(f"/flow_runs/{flow_run_id}"))

    def ended(self, flow_run_id: str, worker: Worker | None = None, limit_s: float = 400) -> dict[str, Any]:
        """The flow run once it has come to its end; looks a few times a second.

        Raises:
            AssertionError: it has not ended in time, or its worker has; the worker's last words are in the message.
        """
        return self.until(flow_run_id, lambda run: run["state"]["type"] in ENDS, worker, limit_s)

    def until(
        self, flow_run_id: str, holds: Callable[[dict[str, Any]], bool], worker: Worker | None = None,
        limit_s: float = 400,
    ) -> dict[str, Any]:  # fmt: skip
        """The flow run once something holds of it; as `ended`."""
        for _ in range(int(limit_s / LOOK_EVERY_S)):
            run = self.flow_run(flow_run_id)
            if holds(run):
                return run
            if worker is not None and worker.gone_within(LOOK_EVERY_S):
                break
            if worker is None:
                threading.Event().wait(LOOK_EVERY_S)
        raise AssertionError(f"{run['name']} is {run['state']}; {worker.words() if worker else ''}")


@pytest.fixture(scope="session")
def deployed(api_url: str, programs: Any, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The session's server with everything on it that `assetmill deploy` puts there."""
    done = Terminal(tmp_path_factory.mktemp("deployer"), clean_environment(), programs)(
        "deploy", "--json", PREFECT_API_URL=api_url
    )
    assert done.code == 0, done.err
    return Deployed(api_url, done.document)


@dataclass(frozen=True)
class Worker:
    """A process worker that runs.

    Args:
        name: as Prefect knows it.
        process: its program; a test may kill it by its pid.
        log: what it and its flow runs say.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def gone_within(self, seconds: float) -> bool:
        """Wait for its end, but no longer; says whether it has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def words(self) -> str:
        """The last of what it has said."""
        return self.log.read_text(errors="replace")[-6000:]


@pytest.fixture
def only_orders(deployed: Deployed) -> Iterator[None]:
    """Nothing runs but what the test orders: a worker would begin with all that was scheduled since the server is up.

    Whatever is paused loses its scheduled runs.
    """
    active = [one["id"] for one in deployed.api.read("/deployments/filter", {}) if not one["paused"]]
    for deployment in active:
        deployed.api.send(f"/deployments/{deployment}/pause_deployment")
    yield
    for deployment in active:
        deployed.api.send(f"/deployments/{deployment}/resume_deployment")


StartWorker = Callable[..., AbstractContextManager[Worker]]


@pytest.fixture
def process_worker(deployed: Deployed, only_orders: None, tmp_path: Path) -> StartWorker:  # noqa: ARG001  its effect
    """Start a worker of pool assetmill: `with process_worker(folder, ASSETMILL_HOME=...) as worker`.

    Takes the folder that it works in (made if need be), `name=` and variables of its environment; nothing of our own
    is in there. It is online in Prefect when the block begins, and is ended by its pid at its end; runs that are then
    still going on end with it, so wait for them before.
    """

    @contextmanager
    def start(folder: Path, *, name: str = "worker", **variables: str) -> Iterator[Worker]:
        folder.mkdir(parents=True, exist_ok=True)
        environment = clean_environment() | {
            "PREFECT_API_URL": deployed.api_url,
            "PREFECT_HOME": str(tmp_path / f"prefect-of-{name}"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",  # asks for work so often; an operator's asks every 10 s
        }
        command = [sys.executable, "-P", "-m", "prefect", "worker", "start", "--pool", "assetmill", "--type", "process"]
        log = tmp_path / f"{name}.log"
        with (
            log.open("ab") as words,
            subprocess.Popen(
                [*command, "--name", name], cwd=folder, env=environment | variables, stdin=subprocess.DEVNULL,
                stdout=words, stderr=words, start_new_session=True,
            ) as process,
        ):  # fmt: skip
            worker = Worker(name, process, log)
            try:
                _wait_until_online(deployed.api, worker)
                yield worker
            finally:
                process.terminate()
                if not worker.gone_within(STOP_S):
                    process.kill()

    return start


def _wait_until_online(api: Api, worker: Worker) -> None:
    body = {"workers": {"status": {"any_": ["ONLINE"]}}}
    for _ in range(600):
        assert not worker.gone_within(LOOK_EVERY_S), worker.words()
        online = api.read("/work_pools/assetmill/workers/filter", body)
        if worker.name in {one["name"] for one in online}:
            return
    raise AssertionError(f"the worker did not come up: {worker.words()}")


def clean_environment() -> dict[str, str]:
    """Our environment without anything that Settings or Prefect would read."""
    names = {variable for field in Settings.model_fields for variable in variables_of(field)}
    kept = {key: value for key, value in os.environ.items() if key not in names and not key.startswith("PREFECT_")}
    return kept | {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


@pytest.fixture
def terminal(tmp_path: Path, programs: Any) -> Terminal:
    return Terminal(tmp_path, clean_environment(), programs)
