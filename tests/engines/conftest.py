"""What the engine tests share: the pack that the program published, a server for it, and engines that have loaded it.

Nothing here is skipped: whoever runs these tests wants to know whether the engines load the pack, so a browser or
an engine that is missing is a failure.
"""

from __future__ import annotations

import base64
import io
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlencode, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

from assetmill.settings import Settings, variables_of
from assetmill.sheets.model import SheetModel

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MANIFEST = ROOT / "manifests" / "cloud-hop" / "cloud-hop.yaml"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SLOW_ON_PURPOSE = ("GPU stall due to ReadPixels", "willReadFrequently")  # that reading pixels back is not quick
TIMEOUT_MS = 60_000
SCREEN = {"width": 1024, "height": 768}
ENGINES = {"PixiJS 8": "pixi.html", "Phaser 3": "phaser3.html", "Phaser 4": "phaser4.html"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first waits for a whole run of the program, which takes its time on a slow machine."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(600))


def program(home: Path, *arguments: str) -> str:
    """What the `assetmill` program prints, run in a folder of its own with nothing of ours in its environment."""
    ours = {variable for name in Settings.model_fields for variable in variables_of(name)}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {"ASSETMILL_HOME": str(home), "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-P", "-m", "assetmill.cli", *arguments]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def premultiplied(picture: Image.Image) -> np.ndarray:
    """Pixels as a screen has them: RGBA, colours multiplied by alpha, as float64 in 0 to 255."""
    pixels = np.asarray(picture.convert("RGBA"), dtype=np.float64)
    return np.dstack([pixels[..., :3] * pixels[..., 3:] / 255, pixels[..., 3]])


@dataclass(frozen=True)
class Published:
    """A store after a run, read as files: what the engines must agree with."""

    home: Path
    report: dict[str, Any]

    @property
    def store(self) -> Path:
        return self.home / "store"

    @cached_property
    def index(self) -> dict[str, Any]:
        return dict(json.loads((self.store / self.report["index"]).read_bytes()))

    def bytes(self, key: str) -> bytes:
        return (self.store / key).read_bytes()

    def asset(self, asset_id: str) -> dict[str, Any]:
        return dict(self.index["assets"][asset_id])

    def model(self, asset_id: str) -> SheetModel:
        return SheetModel.model_validate_json(self.bytes(self.asset(asset_id)["files"]["model"]))

    def cell(self, asset_id: str, cell_id: str) -> np.ndarray:
        """One cell of the picture that came back, cut out where the AssetSheet says; nothing of the atlas is asked."""
        asset = self.asset(asset_id)
        region = json.loads(self.bytes(asset["sheet"]))["entries"][cell_id]["region"]
        box = (region["x"], region["y"], region["x"] + region["w"], region["y"] + region["h"])
        return premultiplied(Image.open(io.BytesIO(self.bytes(asset["file"]))).convert("RGBA").crop(box))

    def picture(self, key: str) -> np.ndarray:
        return premultiplied(Image.open(io.BytesIO(self.bytes(key))))


@dataclass
class Opened:
    """A page, with everything that it asked for and complained about."""

    page: Page
    screenshots: Path
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.faults.append(f"{request.url}: {request.failure}"))
        self.page.on("response", lambda answer: self._answered(answer.status, answer.url))

    def complaints(self) -> list[str]:
        """Errors, warnings and failed requests since the last time that somebody asked."""
        found, self.faults = self.faults, []
        return found

    def photograph(self, name: str) -> None:
        """Keep what the page shows now, for people."""
        self.page.screenshot(path=self.screenshots / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', name)}.png")

    def _said(self, message: ConsoleMessage) -> None:
        known = any(words in message.text for words in SLOW_ON_PURPOSE)
        if message.type in ("error", "warning", "assert") and not known:
            self.faults.append(f"{message.type}: {message.text}")

    def _answered(self, status: int, url: str) -> None:
        if status >= 400:
            self.faults.append(f"{url}: {status}")


@dataclass
class Engine(Opened):
    """A page with an engine that has loaded the pack; tests ask it to draw and to play."""

    def load(self, address: str) -> None:
        """Open a page whose game hands itself over when it has loaded everything."""
        self.page.goto(address)
        self.page.wait_for_function("window.game || window.failed")
        assert (self.page.evaluate("window.failed ?? null"), self.complaints()) == (None, [])

    def ask(self, what: str, *arguments: Any) -> Any:
        """The answer of one function of the page's game."""
        return self.page.evaluate("([what, given]) => window.game[what](...given)", [what, list(arguments)])

    def draw(self, what: str, *arguments: Any) -> np.ndarray:
        """What a function of the page's game has drawn: premultiplied RGBA, as float64 in 0 to 255."""
        answer = self.ask(what, *arguments)
        pixels = np.frombuffer(base64.b64decode(answer["data"]), dtype=np.uint8)
        return pixels.reshape(answer["h"], answer["w"], 4).astype(np.float64)


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Cloud Hop as the program publishes it: planned, drawn by the local endpoint, finished, packed, exported."""
    home = tmp_path_factory.mktemp("cloud-hop")
    report = json.loads(program(home, "run", str(MANIFEST), "--endpoint", "draft", "--json"))
    assert (report["failed"], report["published"]) == (0, True), report["failures"]
    return Published(home, report)


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where exported folders stand."""
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="session")
def exported(pack: Published, exports: Path) -> Callable[[str], Path]:
    """The published pack exported as one format; its folder bears the format's name."""

    def export(form: str) -> Path:
        if not (exports / form).is_dir():
            to = ("--channel", "draft", "--format", form, "--to", str(exports / form))
            program(pack.home, "export", "cloud-hop", *to)
        return exports / form

    return export


class Handler(SimpleHTTPRequestHandler):
    """Serves folders under names, says nothing, and keeps nothing."""

    folders: ClassVar[dict[str, Path]]
    protocol_version = "HTTP/1.1"

    def translate_path(self, path: str) -> str:
        name, _, rest = posixpath.normpath(unquote(urlsplit(path).path)).lstrip("/").partition("/")
        folder = self.folders.get(name)
        return str(folder / rest) if folder and not rest.startswith("private/") else os.devnull + "/"

    def do_GET(self) -> None:
        """Answer; a page without an icon of its own makes the browser ask the host for one."""
        if self.path == "/favicon.ico":
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
        else:
            super().do_GET()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it
        pass


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[..., str]]:
    """Serve folders under names at a free port of this machine: serve(store=...) gives the address."""
    servers = []

    def start(**folders: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (Handler,), {"folders": folders}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium that is installed; none is ever fetched."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert executable, "no Chromium on this machine: install the package `chromium`"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, headless=True, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def engine_folder() -> Path:
    """Where npm has put the engines."""
    engines = HERE / "node_modules"
    assert engines.is_dir(), "no engines: run `make test-engines`, or `npm ci` in tests/engines"
    return engines


@pytest.fixture(scope="session")
def site(pack: Published, exports: Path, serve: Callable[..., str], engine_folder: Path) -> str:
    """Address of the store, exported folders, the games' pages and the engines."""
    return serve(store=pack.store, exports=exports, pages=HERE / "pages", node_modules=engine_folder)


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of all pages are kept, for people."""
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture
def visit(browser: Browser, screenshots: Path) -> Iterator[Callable[..., Opened]]:
    """Open pages for one test. Hosts that are not to be asked for real are answered by the given handlers."""
    opened: list[Opened] = []

    def page(address: str, hosts: dict[str, Callable[[Route], None]] | None = None) -> Opened:
        opened.append(Opened(browser.new_page(viewport=SCREEN), screenshots))
        for host, answer in (hosts or {}).items():
            opened[-1].page.route(f"{host}/**", answer)
        opened[-1].page.goto(address)
        return opened[-1]

    yield page
    for each in opened:
        each.page.close()


@pytest.fixture(scope="session")
def start(browser: Browser, screenshots: Path) -> Iterator[Callable[[str], Engine]]:
    """Open the page of an engine, once for each address, and wait until its game has loaded everything."""
    opened: dict[str, Engine] = {}

    def engine(address: str) -> Engine:
        if address not in opened:
            opened[address] = Engine(browser.new_page(viewport=SCREEN), screenshots)
            opened[address].load(address)
        return opened[address]

    yield engine
    for each in opened.values():
        each.page.close()


SHORT_FORM = ("PixiJS 8", "Phaser 4")  # the newest of each kind of game; Phaser 3 differs from 4 in its renderer


@pytest.fixture(
    params=[pytest.param(name, marks=() if name in SHORT_FORM else pytest.mark.long, id=name) for name in ENGINES]
)
def engine_name(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return str(request.param)


@pytest.fixture
def page_of(site: str, engine_name: str) -> Callable[..., str]:
    """Address of the engine's page for a pack: page_of(latest=...) or page_of(folder=...)."""

    def address(**place: str) -> str:
        return f"{site}/pages/{ENGINES[engine_name]}?{urlencode(place)}"

    return address


@pytest.fixture
def engine(
    request: pytest.FixtureRequest, page_of: Callable[..., str], start: Callable[[str], Engine], pack: Published
) -> Iterator[Engine]:
    """An engine that has loaded the whole pack from the store; in the end it must not have complained of anything."""
    started = start(page_of(latest=f"/store/{pack.report['latest']}"))
    yield started
    started.photograph(request.node.name)
    assert started.complaints() == []
