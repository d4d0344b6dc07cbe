"""Everything that submissions need to be real: a Prefect server, deployments, a worker, ingesters, a priced endpoint.

Programs are started as an operator starts them and ended by their pid. Nothing is replaced by a stand-in but the GPU:
its endpoint is the one of `assetmill serve`, and counts what it executes.
"""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
from PIL import Image

from assetmill.settings import Settings, variables_of

ENDPOINT, KEY = "gpu", "made-up-key"
LOOK_S = 0.3
INGESTER = """
import asyncio, sys
from flows.ingest_submissions import ingest_submissions
print("up", flush=True)
for _ in sys.stdin:
    state = asyncio.run(ingest_submissions(return_state=True))
    print(f"{state.name}: {state.message}".replace(chr(10), " "), flush=True)
"""


class Gpu:
    """What the endpoint's workers do, and what they have done."""

    def __init__(self) -> None:
        self.attempts: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        """One job: a gradient for each picture that the graph saves."""
        with self._lock:
            self.attempts.append(str(job_input["assetmill_attempt"]))
        nodes = job_input["workflow"].values()
        saves = [node["inputs"]["filename_prefix"] for node in nodes if node["class_type"] == "SaveImage"]
        buffer = io.BytesIO()
        Image.linear_gradient("L").resize((128, 128)).convert("RGB").save(buffer, "PNG")
        data = base64.b64encode(buffer.getvalue()).decode()
        return {"images": [{"filename": f"{name}_00001_.png", "type": "base64", "data": data} for name in saves]}


@dataclass
class Stage:
    """Where everything is.

    Args:
        folder: holds all that is written.
        api: of the Prefect server.
        environment: of every program.
    """

    folder: Path
    api: str
    environment: dict[str, str]
    _words: dict[str, IO[bytes]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """What the programs read."""
        given = {one: self.environment[one] for name in Settings.model_fields for one in variables_of(name)
                 if one in self.environment}  # fmt: skip
        return Settings(_env_file=None, **given)

    def deploy(self) -> None:
        """`assetmill deploy`."""
        command = [sys.executable, "-P", "-m", "assetmill.cli", "deploy", "--json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"deploy: {done.stderr}{done.stdout}")
        for deployment in self.ask("/deployments/filter", {}):  # nothing but what is told to runs here
            httpx.post(f"{self.api}/deployments/{deployment['id']}/pause_deployment", timeout=120).raise_for_status()

    @contextmanager
    def worker(self, limit: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """A process worker of the pool; the pool, and not the worker, may be limited to so many flow runs at once.

        A worker with a limit of its own dies when a flow run is answered before its process has quite ended.
        """
        if limit is not None:
            url = f"{self.api}/work_pools/assetmill"
            httpx.patch(url, json={"concurrency_limit": limit}, timeout=120).raise_for_status()
        command = [
            sys.executable, "-P", "-m", "prefect", "worker", "start", "--pool", "assetmill", "--type", "process",
            "--name", "bench",
        ]  # fmt: skip
        environment = self.environment | {"PREFECT_WORKER_QUERY_SECONDS": "1"}
        with (
            (self.folder / "worker.log").open("ab") as log,
            subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            ) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()

    @contextmanager
    def ingesters(self, count: int, **variables: str) -> Iterator[list[Ingester]]:
        """Programs that run the ingest flow whenever they are told to, as so many machines would."""
        with ExitStack() as stack:
            started = [stack.enter_context(self._ingester(number, variables)) for number in range(count)]
            for ingester in started:
                ingester.heard()
            yield started

    @contextmanager
    def _ingester(self, number: int, variables: Mapping[str, str]) -> Iterator[Ingester]:
        log = self.folder / f"ingester-{number}.log"
        command = [sys.executable, "-P", "-c", INGESTER]
        with (
            log.open("ab") as words,
            subprocess.Popen(
                command, cwd=self.folder, env=self.environment | dict(variables), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=words, text=True,
            ) as process,
        ):  # fmt: skip
            try:
                yield Ingester(process, log)
            finally:
                if process.stdin:
                    process.stdin.close()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()

    # What Prefect says

    def ask(self, path: str, body: Mapping[str, Any]) -> Any:
        """The API's answer; a SQLite server that is busy is asked again."""
        for _ in range(40):
            answer = httpx.post(f"{self.api}{path}", json=body, timeout=120)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return answer.raise_for_status().json()
            threading.Event().wait(LOOK_S)
        raise AssertionError(f"{path} answers 503 all the time")

    def flow_runs(self) -> list[dict[str, Any]]:
        """Every flow run of a submission."""
        found: list[dict[str, Any]] = []
        wanted = {"flows": {"name": {"any_": ["submission"]}}, "sort": "START_TIME_DESC", "limit": 200}
        while page := self.ask("/flow_runs/filter", wanted | {"offset": len(found)}):
            found += page
        return found

    def answer(self, flow_run_id: str, **words: Any) -> str:
        """Answer the question of a suspended flow run, as the form of the UI does; what the server says to it."""
        return str(self.ask(f"/flow_runs/{flow_run_id}/resume", {"run_input": words})["status"])


@dataclass(frozen=True)
class Ingester:
    """A program that runs the ingest flow."""

    process: subprocess.Popen[str]
    log: Path

    def tell(self) -> None:
        """Let it run the flow once."""
        assert self.process.stdin is not None
        self.process.stdin.write("once\n")
        self.process.stdin.flush()

    def heard(self) -> str:
        """The next line that it says: how the flow run has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the ingester has ended: {self.log.read_text(errors='replace')[-3000:]}")
        return line.strip()


def environment(folder: Path, api: str, pod_url: str, **more: str) -> dict[str, str]:
    """What every program reads: nothing of our own environment that Settings or Prefect would take."""
    named = {one for name in Settings.model_fields for one in variables_of(name)}
    kept = {key: value for key, value in os.environ.items() if key not in named and not key.startswith("PREFECT_")}
    base, _, endpoint_id = pod_url.rpartition("/")
    return kept | {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(folder / "prefect-home"),
        "ASSETMILL_HOME": str(folder / "home"),
        "IMAGE_GENERATION_PROVIDER": "runpod",
        "RUNPOD_API_URL": base,
        "RUNPOD_MANAGEMENT_URL": base,
        "RUNPOD_API_KEY": KEY,
        "RUNPOD_COMFYUI_ENDPOINT_ID": endpoint_id,
        "ASSETMILL_GPU_POOL": "ADA_24",
        "ASSETMILL_LOOK_FOR_S": "0",
        "ASSETMILL_SUBMISSION_QUIET_S": "5",
        **more,
    }
