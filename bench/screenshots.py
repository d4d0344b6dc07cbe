"""Makes docs/images/*.png: what a batch looks like in the Prefect UI, from a fresh run of the example manifest.

Everything is real and on this machine: a Prefect server with its pages, everything deployed on it, a worker, the
example on the local draft endpoint, and a submission that asks for approval, since its plan is made for an endpoint
with a price; nothing is ever sent there. All of it lives in a folder of its own and is ended afterwards. It needs
Chromium.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1280, 800
MAX_BYTES = 250_000
PATIENCE_S = 300
LOOK_EVERY_S = 0.5
SETTLED_MS = 15_000  # pages are drawn in steps, the timeline last
COLOURS = 256
TAIL = 2000

T = TypeVar("T")


@dataclass(frozen=True)
class Studio:
    """A folder with a Prefect server of its own.

    Args:
        folder: where everything lies.
        url: the server's pages.
        environment: of every program.
    """

    folder: Path
    url: str
    environment: dict[str, str]

    def say(self, *arguments: str) -> str:
        """What an `assetmill` command prints; it has to succeed."""
        command = [sys.executable, "-P", "-m", "assetmill.cli", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def running(self, *arguments: str) -> Iterator[None]:
        """An `assetmill` program for the length of the block."""
        command = [sys.executable, "-P", "-m", "assetmill.cli", *arguments]
        log = self.folder / f"{arguments[0]}.log"
        with log.open("wb") as words:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=words, stderr=words)
        try:
            yield
        except BaseException:
            print(log.read_text(errors="replace")[-TAIL:], file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait()

    def ask(self, path: str, **body: Any) -> Any:
        """An answer of the API."""
        return httpx.post(f"{self.url}/api{path}", json=body, timeout=60).raise_for_status().json()

    def deployment(self, name: str) -> str:
        """Id of a deployment."""
        (found,) = self.ask("/deployments/filter", deployments={"name": {"any_": [name]}})
        return str(found["id"])

    def flow_run(self, flow: str, state: str) -> str | None:
        """Id of a run of a flow that is in this state; None while there is none."""
        found = self.ask("/flow_runs/filter", flows={"name": {"any_": [flow]}})
        return next((str(run["id"]) for run in found if run["state"]["type"] == state), None)


def main() -> None:
    """Make them all."""
    parser = argparse.ArgumentParser(description="Screenshots of the Prefect UI for the documentation.")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assetmill-shots-")))
        studio = open_studio(folder)
        stack.enter_context(studio.running("server", "--port", studio.url.rpartition(":")[2]))
        until("the server", lambda: answers(f"{studio.url}/api/health"))
        studio.say("deploy")
        studio.say("run", "manifests/cloud-hop/cloud-hop.yaml", "--endpoint", "draft")
        studio.say("submit", "manifests/cloud-hop/enemies.csv", "--provider", "runpod", "--by", "Anna")
        with studio.running("worker"):
            studio.ask(f"/deployments/{studio.deployment('ingest-submissions')}/create_flow_run")
            paused = until("the approval", lambda: studio.flow_run("submission", "PAUSED"))
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark")
        page.set_default_timeout(PATIENCE_S * 1000)
        take_all(page, studio, paused, out)
        browser.close()


def open_studio(folder: Path) -> Studio:
    """The folder, and an environment in which only RunPod's price is set: its address leads nowhere."""
    shutil.copytree(ROOT / "manifests", folder / "manifests")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASSETMILL_", "PREFECT_"))}
    environment = kept | {
        "ASSETMILL_HOME": str(folder / "out"), "ASSETMILL_GPU_POOL": "ADA_48_PRO", "PREFECT_API_URL": f"{url}/api",
        "PREFECT_HOME": str(folder / "prefect"), "PREFECT_WORKER_QUERY_SECONDS": "1", "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "RUNPOD_API_URL": "http://127.0.0.1:9/v2",
        "RUNPOD_API_KEY": "made-up-key", "RUNPOD_COMFYUI_ENDPOINT_ID": "example0endpoint", "TZ": "UTC",
        "IMAGE_GENERATION_PROVIDER": "draft", "ASSETMILL_SUBMISSION_QUIET_S": "0", "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
    }  # fmt: skip
    return Studio(folder, url, environment)


def take_all(page: Page, studio: Studio, paused: str, out: Path) -> None:
    """Every page that the documentation shows."""
    run = studio.flow_run("generate-batch", "COMPLETED")
    shown = {row["key"]: row["id"] for row in studio.ask("/artifacts/filter", limit=100)}
    take(page, f"{studio.url}/runs/flow-run/{run}", "Task Runs", out / "run.png")
    take(
        page,
        f"{studio.url}/artifacts/artifact/{shown['contact-sheet-cloud-hop']}",
        "Flow Run",
        out / "contact-sheet.png",
    )
    take(page, f"{studio.url}/artifacts/artifact/{shown['assets-cloud-hop']}", "Flow Run", out / "assets.png")
    form = f"{studio.url}/deployments/deployment/{studio.deployment('generate-batch')}/run"
    take(page, form, "priority (Optional)", out / "run-form.png", height=1500)
    page.goto(f"{studio.url}/runs/flow-run/{paused}", wait_until="networkidle")
    page.get_by_role("button", name="Resume").first.click()
    page.wait_for_timeout(SETTLED_MS)
    save(page.screenshot(), out / "approval.png")


def take(page: Page, url: str, sign: str, path: Path, *, height: int = HEIGHT) -> None:
    """Open a page, wait until a text is there that only the whole page has, and save what is seen."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(url, wait_until="networkidle")
    page.get_by_text(sign, exact=True).first.wait_for()
    page.wait_for_timeout(SETTLED_MS)
    save(page.screenshot(), path)


def save(data: bytes, path: Path) -> None:
    """Save a screenshot with few colours, which is enough for a page and a fraction of the size."""
    with Image.open(io.BytesIO(data)) as shot:
        few = shot.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    few.save(path, optimize=True)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"{path.name} has {size:,} bytes, more than {MAX_BYTES:,}")
    print(f"{path}: {size:,} bytes")


def until(what: str, found: Callable[[], T | None]) -> T:
    """What is found as soon as it is there."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(LOOK_EVERY_S)
    raise SystemExit(f"{what} did not come within {PATIENCE_S} s")


def answers(url: str) -> bool:
    """Whether somebody answers there."""
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
