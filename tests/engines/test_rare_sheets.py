"""What Cloud Hop has no example of: a sheet of two pages, and animations of every direction, across the pages too.

The sheet is the published one, told apart differently: the same frames, half of them said to lie on a second page.
From there on everything is real: the documents are written, published in a channel of their own, and loaded.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from assetmill.exports.pack import pack_files
from assetmill.exports.stored import StoredPlace
from assetmill.exports.write import write_exports
from assetmill.packs import PackIndex, publish, put_blob
from assetmill.sheets.model import MODEL_ROLE, Animation, Page
from assetmill.storage import open_store

ROUNDING = 2  # levels of 255: premultiplying rounds once in the engine and once here
FORMATS = ("texturepacker", "phaser", "pixi")
TIMES_MS = (50, 70, 110, 130)
pytestmark = pytest.mark.long
A, B, C, D = FRAMES = ("crouch", "leap", "glide", "land")
ORDERS = {
    "loop": ("forward", True, (A, B, C, D, A, B)),
    "back": ("reverse", True, (D, C, B, A, D, C)),
    "back-once": ("reverse", False, (D, C, B, A)),
    "there-and-back": ("pingpong", True, (A, B, C, D, C, B, A, B)),
    "there-and-back-once": ("pingpong", False, (A, B, C, D, C, B, A)),
}
ACROSS = ("idle_00", "leap", "run_01", "land")


def animation(name: str, frames: tuple[str, ...], direction: str, *, loop: bool) -> Animation:
    return Animation(name=name, frames=frames, durations_ms=TIMES_MS, fps=10, loop=loop, direction=direction)


@pytest.fixture(scope="session")
def rare(pack):
    """Address in the store of a pack of one sheet: two pages, all directions."""
    store = open_store(pack.store.as_uri())
    index = PackIndex.model_validate(pack.index)
    asset, model = index.assets["pip-moves"], pack.model("pip-moves")
    frames = [each.model_copy(update={"page": int(each.id in FRAMES)}) for each in model.frames]
    animations = [animation(name, FRAMES, way, loop=loop) for name, (way, loop, _) in ORDERS.items()]
    animations.append(animation("across", ACROSS, "forward", loop=True))
    width, height = model.pages[0].size
    pages = [Page(role="atlas", size=(width, height)), Page(role="atlas_1", size=(width, height + 7))]
    model = model.model_copy(update={"pages": (*pages,), "frames": (*frames,), "animations": (*animations,)})

    def keep(data: bytes, extension: str, content_type: str) -> str:
        return put_blob(store, data, ext=extension, content_type=content_type).key

    taller = io.BytesIO()
    with Image.open(pack.store / asset.files["atlas"]) as page:
        page.crop((0, 0, *pages[1].size)).save(taller, "PNG")
    pictures = {"atlas": asset.files["atlas"], "atlas_1": keep(taller.getvalue(), "png", "image/png")}
    place = StoredPlace("hop", pictures, keep)
    write_exports(FORMATS, model, place)
    stored = {MODEL_ROLE: keep(model.encoded(), "json", "application/json")}
    asset = asset.model_copy(update={"files": pictures | place.documents | stored, "exports": FORMATS})
    alone = index.model_copy(update={"assets": {"pip-moves": asset}, "files": {}})
    now = datetime.now(UTC)
    published = publish(store, game=index.game, channel="rare", index=alone, base=None, now=now, pack_files=pack_files)
    return published.latest_key


@pytest.fixture
def rare_engine(start, page_of, rare):
    started = start(page_of(latest=f"/store/{rare}"))
    yield started
    assert started.complaints() == []


def test_frames_of_every_page_are_their_cells(rare_engine, pack):
    for frame in pack.model("pip-moves").frames:
        shown = rare_engine.draw("frame", "pip-moves", f"pip-moves/{frame.id}", *frame.source)
        assert np.abs(shown - pack.cell("pip-moves", frame.id)).max() <= ROUNDING, frame.id


@pytest.mark.parametrize("name", tuple(ORDERS))
def test_an_animation_runs_in_its_direction_and_shows_no_end_twice(rare_engine, name):
    _, loop, order = ORDERS[name]
    times = dict(zip(FRAMES, TIMES_MS, strict=True))
    starts = np.cumsum([0, *(times[frame] for frame in order)])
    length_ms = int(starts[-2]) + 5 if loop else int(starts[-1]) + 5
    played = rare_engine.ask("play", "pip-moves", f"pip-moves/{name}", length_ms)
    assert [frame for _, frame in played["changes"]] == [f"pip-moves/{frame}" for frame in order]
    assert np.abs(np.subtract([at for at, _ in played["changes"]], starts[:-1])).max() <= 1
    assert played["playing"] == loop


def test_an_animation_runs_across_pages(rare_engine):
    played = rare_engine.ask("play", "pip-moves", "pip-moves/across", sum(TIMES_MS) - 5)
    assert [frame for _, frame in played["changes"]] == [f"pip-moves/{frame}" for frame in ACROSS]
