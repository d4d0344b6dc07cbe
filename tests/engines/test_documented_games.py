"""The games that docs/exports-web.md shows run as they stand there, and draw what they say."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
STORE = "https://assets.example"  # as the documentation calls it; here it is the published pack
SCREENS = 60  # pictures of the screen until the game must have drawn everything
LEVELS = 3  # of 255: blending onto black rounds again
PAGE = """<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<style>body {{ margin: 0 }} canvas {{ display: block }}</style>
<script type="importmap">{{"imports": {{"pixi.js": "/node_modules/pixi.js/dist/pixi.mjs"}}}}</script>
<script src="/node_modules/{phaser}/dist/phaser.min.js"></script>
<script type="module" src="{game}"></script>
"""
GAMES = {
    "PixiJS 8": ("pixi-game.js", "phaser4"),
    "Phaser 3": ("phaser-game.js", "phaser3"),
    "Phaser 4": ("phaser-game.js", "phaser4"),
}


@pytest.fixture(scope="session")
def documented(tmp_path_factory):
    """A folder with every program of the documentation, under the name in its first line, and pages that start them."""
    folder = tmp_path_factory.mktemp("documented")
    text = (ROOT / "docs" / "exports-web.md").read_text(encoding="utf-8")
    for program in re.findall(r"```js\n(.*?)```", text, re.DOTALL):
        name = re.match(r"// ([\w-]+\.js)\n", program)
        assert name, program[:80]
        (folder / name.group(1)).write_text(program, encoding="utf-8")
    for engine, (game, phaser) in GAMES.items():
        (folder / f"{engine}.html").write_text(PAGE.format(game=game, phaser=phaser), encoding="utf-8")
    return folder


@pytest.fixture
def from_the_store(pack):
    """Answers for the store that the documentation names: the published pack, allowed to pages of every host."""

    def answer(route) -> None:
        key = urlsplit(route.request.url).path.removeprefix("/")
        if key.endswith("/latest.json"):  # of whichever channel
            key = pack.report["latest"]
        route.fulfill(path=pack.store / key, headers={"Access-Control-Allow-Origin": "*"})

    return answer


def on_black(pixels: np.ndarray) -> np.ndarray:
    """How a picture looks on a black screen: premultiplied colours as they are."""
    return pixels[..., :3]


@pytest.mark.parametrize("engine_name", tuple(GAMES))
def test_a_documented_game_draws_what_its_words_say(
    visit, serve, engine_folder, documented, from_the_store, pack, engine_name
):
    tiles = [pack.cell("cloud-tiles", tile.frame) for tile in pack.model("cloud-tiles").tiles[:6]]
    ground = on_black(np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])]))
    run = next(each for each in pack.model("pip-moves").animations if each.name == "run")
    poses = [on_black(pack.cell("pip-moves", frame)) for frame in run.frames]
    stands = np.s_[300 - 128 : 300, 100 - 64 : 100 + 64]  # with his feet at (100, 300)
    game = visit(
        f"{serve(docs=documented, node_modules=engine_folder)}/docs/{engine_name}.html", {STORE: from_the_store}
    )
    off = {"the ground": 255.0, "the runner": 255.0}
    for _ in range(SCREENS):
        shown = np.asarray(Image.open(io.BytesIO(game.page.screenshot())).convert("RGB"), dtype=np.float64)
        off["the ground"] = np.abs(shown[:128, :192] - ground).max()
        off["the runner"] = min(np.abs(shown[stands] - pose).max() for pose in poses)
        if max(off.values()) <= LEVELS:
            break
    game.photograph(f"documented-{engine_name}")
    assert game.complaints() == []
    assert {what: levels for what, levels in off.items() if levels > LEVELS} == {}
