"""Projects for the real Godot engine, run in Chromium: exported files in, what the engine made of them out.

There is no editor here, only the engine as the editor exports it for the web. So the test does what the editor would
have done: it packs the project, and imports each PNG as a lossless texture.
"""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page

HERE = Path(__file__).parent
TEMPLATE = HERE.parent / "node_modules" / "godot4" / "godot"
PROJECT = ("project.godot", "main.tscn", "main.gd")
TIMEOUT_MS = 60_000
NO_CLASSES = {".godot/global_script_class_cache.cfg": b"list=[]\n"}
"""What the editor writes for a project whose scripts have no names of their own; missing, it is an error."""

_PNG_DATA = 1  # CompressedTexture2D.DataFormat
_FORMATS = {"RGB": 4, "RGBA": 5}  # Image.Format, by Pillow's mode
_IMPORT = """[remap]

importer="texture"
type="CompressedTexture2D"
path="res://{path}"
metadata={{"vram_texture": false}}
"""


@dataclass(frozen=True)
class Answer:
    """What the engine said.

    Args:
        engine: `Engine.get_version_info()`.
        resources: what was measured, by path.
        complaints: every line that the engine or the page printed as an error or a warning.
    """

    engine: dict[str, Any]
    resources: dict[str, dict[str, Any]]
    complaints: list[str]

    def picture(self, path: str, *keys: str) -> np.ndarray:
        """RGBA of what was drawn, rows by columns by 4, 0 to 255; `keys` lead to the part that it belongs to."""
        part: Any = self.resources[path]
        for key in keys:
            part = part[key]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(part["picture"]))).convert("RGBA"))


def texture(png: bytes) -> bytes:
    """A picture as the editor imports it without compression and mipmaps: `.ctex`, version 1, holding the PNG."""
    width, height, mode = _size_and_mode(png)
    data = b"PNG " + png
    head = b"GST2" + struct.pack("<8I", 1, width, height, 0, 0, 0, 0, 0)
    return head + struct.pack("<IHHIII", _PNG_DATA, width, height, 0, _FORMATS[mode], len(data)) + data


def _size_and_mode(png: bytes) -> tuple[int, int, str]:
    with Image.open(io.BytesIO(png)) as picture:
        return *picture.size, picture.mode


def imported(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What an exported game has instead of its PNG files."""
    packed: dict[str, bytes] = {}
    for name, data in files.items():
        if name.endswith(".png"):
            path = f".godot/imported/{name.replace('/', '-')}.ctex"
            packed |= {f"{name}.import": _IMPORT.format(path=path).encode(), path: texture(data)}
        else:
            packed[name] = data
    return packed


def game(files: Mapping[str, bytes]) -> bytes:
    """A project with these files, as a zip that the engine takes for its main pack."""
    questions = {"resources": [f"res://{name}" for name in files if name.endswith(".tres")]}
    project = {name: (HERE / name).read_bytes() for name in PROJECT}
    everything = project | NO_CLASSES | imported(files) | {"questions.json": json.dumps(questions).encode()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in everything.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def boot(page: Page, address: str) -> Answer:
    """Let the engine run the game that is served at this address, until it has answered."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.extend(_complaint(message)))
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.goto(address)
    page.wait_for_function("window.godot.answer || window.godot.failed", timeout=TIMEOUT_MS)
    said = page.evaluate("window.godot")
    complaints += said["errors"]
    assert said["failed"] is None, [said["failed"], *complaints]
    answer = json.loads(said["answer"])
    return Answer(answer["engine"], answer["resources"], complaints)


def _complaint(message: ConsoleMessage) -> list[str]:
    """The message, if it says that something is wrong with what was loaded."""
    about_the_machine = "GL Driver Message" in message.text or "ScriptProcessorNode" in message.text
    return [f"{message.type}: {message.text}"] if message.type in ("error", "warning") and not about_the_machine else []


@pytest.fixture(scope="session")
def play(
    browser: Browser, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Mapping[str, bytes]], Answer]:
    """Run the engine on a project that has these files, and return what it says of them."""
    assert TEMPLATE.is_dir(), "no Godot: run `make test-engines`, or `npm ci` in tests/engines"

    def run(files: Mapping[str, bytes]) -> Answer:
        folder = tmp_path_factory.mktemp("game")
        (folder / "game.zip").write_bytes(game(files))
        page = browser.new_page(viewport={"width": 1024, "height": 768})
        try:
            return boot(page, serve(page=HERE, engine=TEMPLATE, game=folder) + "/page/index.html")
        finally:
            page.screenshot(path=folder / "window.png")  # for people
            page.close()

    return run
