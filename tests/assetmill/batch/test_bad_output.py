"""A pack made from bad worker output: right files or named failures, never a crash and never a wrong file.

The endpoint spoils each asset's picture in another way. What is right is told by an asset whose picture it leaves
alone: a form that loses nothing has to end in the very same pixels.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from assetmill.ledger import Ledger
from assetmill.localpod import Faults, Kind, Rule
from assetmill.packs import PackIndex, load_latest
from assetmill.storage import Store, open_store

SKY, SLIME = (128, 96), (64, 64)
LOSSLESS = (Kind.DEEP_PNG, Kind.APNG, Kind.EXIF_ROTATED)
LOSSY = {Kind.PALETTE_PNG: 4.0, Kind.JPEG_AS_PNG: 4.0, Kind.CMYK_JPEG: 4.0}
"""Mean difference in levels that the form itself may make."""
OPAQUE = (Kind.JPEG_AS_PNG, Kind.CMYK_JPEG)
"""Forms without transparency: a cut-out that comes so has lost what makes it one."""
BROKEN = {
    Kind.TRUNCATED_IMAGE: ("invalid_image", "damaged PNG"),
    Kind.NOT_AN_IMAGE: ("invalid_image", "not a PNG, JPEG or WebP"),
    Kind.HUGE_HEADER: ("invalid_image", "30000 x 30000"),
    Kind.BLANK_IMAGE: ("blank_image", "every pixel is transparent"),
}


def scene() -> Image.Image:
    """No turning and no exchange of channels leaves it as it is, and nothing in it is hard to compress."""
    y, x = np.mgrid[0:192, 0:256]
    levels = np.stack([x * 220 // 256, y * 200 // 192, 255 - (x + y) // 2], axis=-1).astype(np.uint8)
    picture = Image.fromarray(levels, "RGB")
    ImageDraw.Draw(picture).rectangle((16, 16, 90, 50), fill=(250, 220, 30))
    return picture


def creature() -> Image.Image:
    """Upright, with one arm, cut out."""
    picture = Image.new("RGBA", (256, 256), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((70, 40, 190, 230), fill=(60, 160, 60, 255))
    pen.rectangle((150, 90, 235, 120), fill=(220, 60, 40, 255))
    return picture


def answer(graph: Mapping[str, Any]) -> Mapping[str, Any]:
    kinds = {node["class_type"] for node in graph.values()}
    buffer = BytesIO()
    (creature() if "BiRefNetRMBG" in kinds else scene()).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    saves = [node["inputs"]["filename_prefix"] for node in graph.values() if node["class_type"] == "SaveImage"]
    return {"images": [{"filename": f"{name}_00001_.png", "type": "base64", "data": data} for name in saves]}


def asset(kind: str, asset_type: str) -> str:
    if asset_type == "sky":
        return f"  - {{id: sky_{kind}, type: background, prompt: a {kind} sky, width: 128, height: 96}}\n"
    shape = "silhouette: {canvas: 64x64}, post: {trim: true, defringe: true}"
    return f"  - {{id: slime_{kind}, type: entity, prompt: a {kind} slime, {shape}}}\n"


def spoiling(*kinds: Kind) -> Faults:
    return Faults(
        tuple(Rule(kind, match=f"a {kind} ", transparent=True if kind is Kind.BLANK_IMAGE else None) for kind in kinds)
    )


def published(studio: Any) -> tuple[Store, PackIndex]:
    store = open_store(studio.settings.store_url)
    index = load_latest(store, "tiny", "draft")
    assert index is not None
    return store, index


def levels(store: Store, index: PackIndex, asset_id: str) -> NDArray[np.int16]:
    with Image.open(BytesIO(store.get(index.assets[asset_id].file)), formats=["PNG"]) as opened:
        assert opened.size == (index.assets[asset_id].width, index.assets[asset_id].height)
        return np.asarray(opened, np.int16)


@pytest.fixture
def open_bad(tmp_path, make_settings, tools):
    def open_one(*kinds: Kind) -> Any:
        return tools.open_studio(tmp_path, make_settings(), faults=spoiling(*kinds))

    return open_one


async def test_odd_forms_of_good_pictures_end_in_right_files(open_bad):
    kinds = (*LOSSLESS, *LOSSY)
    names = ("good", *kinds)
    async with open_bad(*kinds) as studio:
        studio.artist.answers[""] = answer
        report = await studio.run("".join(asset(name, what) for name in names for what in ("sky", "slime")))
        assert set(studio.pod.injected()) == {kind.value for kind in kinds}
    assert {line.asset for line in report.failures} == {f"slime_{kind}" for kind in OPAQUE}
    store, index = published(studio)
    assert set(index.assets) == {f"{what}_{name}" for name in names for what in ("sky", "slime")} - {
        line.asset for line in report.failures
    }
    for what, size, mode in (("sky", SKY, 3), ("slime", SLIME, 4)):
        right = levels(store, index, f"{what}_good")
        assert right.shape == (size[1], size[0], mode)
        for kind in LOSSLESS:
            assert np.array_equal(levels(store, index, f"{what}_{kind}"), right), (what, kind)
        for kind, most in LOSSY.items():
            if what == "sky" or kind not in OPAQUE:
                assert np.abs(levels(store, index, f"{what}_{kind}") - right).mean() < most, (what, kind)


async def test_the_right_file_is_the_picture_that_was_drawn(open_bad):
    """Not only the same as an unspoilt one: upright, in its colours, and in its place."""
    async with open_bad(Kind.EXIF_ROTATED) as studio:
        studio.artist.answers[""] = answer
        await studio.run(asset(Kind.EXIF_ROTATED, "sky") + asset(Kind.EXIF_ROTATED, "slime"))
    store, index = published(studio)
    sky = levels(store, index, "sky_exif_rotated")
    assert sky[16, 24].tolist() == [250, 220, 30], "the yellow sign is at the upper left"
    assert np.abs(sky - np.asarray(scene().resize(SKY, Image.Resampling.LANCZOS), np.int16)).mean() < 1
    slime = levels(store, index, "slime_exif_rotated")
    reds = np.argwhere((slime[..., 0] > 180) & (slime[..., 3] > 200))
    assert reds[:, 1].mean() > 40, "its arm is on the right"
    assert reds[:, 0].max() < 32, "and above its middle"


async def test_a_cutout_that_came_without_transparency_is_rejected_by_name(open_bad):
    async with open_bad(*OPAQUE) as studio:
        studio.artist.answers[""] = answer
        report = await studio.run("".join(asset(kind, "slime") for kind in OPAQUE))
    assert {(line.asset, line.state) for line in report.failures} == {(f"slime_{kind}", "rejected") for kind in OPAQUE}
    assert all("background was not removed" in line.message for line in report.failures)
    assert report.exit_code == 1


async def test_a_picture_of_another_size_ends_in_the_asked_one_and_is_noted(open_bad):
    async with open_bad(Kind.WRONG_SIZE_IMAGE) as studio:
        studio.artist.answers[""] = answer
        report = await studio.run(asset(Kind.WRONG_SIZE_IMAGE, "sky") + asset(Kind.WRONG_SIZE_IMAGE, "slime"))
    with Ledger.open(studio.settings.ledger_url) as ledger:
        notes = [note for finish in ledger.finishes("tiny").values() for note in finish.quality["notes"]]
    assert report.failures == ()
    store, index = published(studio)
    assert levels(store, index, "sky_wrong_size_image").shape == (96, 128, 3)
    assert levels(store, index, "slime_wrong_size_image").shape == (64, 64, 4)
    assert "came back as 128 x 193, another shape than 128 x 96" in notes


@pytest.mark.parametrize("kind", tuple(BROKEN))
async def test_what_is_no_picture_is_a_named_failure_and_publishes_nothing(open_bad, kind):
    code, words = BROKEN[kind]
    async with open_bad(kind) as studio:
        studio.artist.answers[""] = answer
        report = await studio.run(asset(kind, "slime") + asset("good", "sky"))
    (line,) = report.failures
    assert (line.asset, line.error) == (f"slime_{kind}", code)
    assert words in line.message
    assert line.hint
    assert report.exit_code == 1
    _, index = published(studio)
    assert set(index.assets) == {"sky_good"}


async def test_everything_bad_at_once_ends_with_a_pack_of_what_is_right(open_bad):
    """Whatever stops, nothing crashes: each asset is published right or named."""
    kinds = (*LOSSLESS, *LOSSY, Kind.WRONG_SIZE_IMAGE, *BROKEN)
    async with open_bad(*kinds) as studio:
        studio.artist.answers[""] = answer
        report = await studio.run("".join(asset(name, "sky") for name in ("good", *kinds)))
    store, index = published(studio)
    assert {line.asset for line in report.failures} == {f"sky_{kind}" for kind in BROKEN}
    assert set(index.assets) == {f"sky_{name}" for name in ("good", *LOSSLESS, *LOSSY, Kind.WRONG_SIZE_IMAGE)}
    assert {levels(store, index, name).shape for name in index.assets} == {(96, 128, 3)}
