"""Padding has to leave room for the picture: what a manifest may ask for is what finishing can do."""

from __future__ import annotations

import pytest
from PIL import Image
from pydantic import TypeAdapter

from assetmill.finishing import geometry
from assetmill.manifest.models import Asset, AssetBase
from assetmill.manifest.rules import asset_flaws


def made(asset_type: str, side: int, pad: int, scale: int = 1, **fields: object) -> AssetBase:
    given = {"id": "a", "type": asset_type, "prompt": "x", "post": {"pad": pad, "pixel_scale": scale}, **fields}
    given |= (
        {"silhouette": {"canvas": [side, side * 2]}} if asset_type == "entity" else {"width": side * 2, "height": side}
    )
    asset: AssetBase = TypeAdapter(Asset).validate_python(given)
    return asset


def flawed(asset: AssetBase) -> bool:
    return [flaw.path for flaw in asset_flaws(asset, None)] == [("post", "pad")]


@pytest.mark.parametrize("side", (8, 9, 63, 64, 100))
@pytest.mark.parametrize("scale", (1, 2, 3, 7, 8, 32))
def test_the_most_that_is_allowed_is_the_most_that_leaves_a_pixel(side: int, scale: int) -> None:
    cells = -(-side // scale)
    for pad in range(side + 1):
        room = cells - 2 * -(-pad // scale)
        assert flawed(made("entity", side, pad, scale)) == (room < 1), (side, scale, pad)


def test_what_is_allowed_is_kept_free() -> None:
    picture = Image.new("RGBA", (64, 64), "red")
    for pad in (0, 10, 31):
        asset = made("entity", 64, pad)
        assert not flawed(asset)
        box = geometry.fit(asset, picture).picture.getbbox()
        assert box is not None
        assert min(box[0], box[1], 64 - box[2], 128 - box[3]) >= pad


def test_a_title_is_padded_only_if_it_is_cut_out() -> None:
    assert flawed(made("title_hero", 64, 32, title="Hop"))
    assert not flawed(made("title_hero", 64, 32, title="Hop", transparent=False))
    assert not flawed(made("title_hero", 64, 31, title="Hop"))


@pytest.mark.parametrize("asset_type", ("background", "parallax"))
def test_what_gets_no_padding_has_no_limit(asset_type: str) -> None:
    fields = {"layer_count": 3} if asset_type == "parallax" else {}
    assert not list(asset_flaws(made(asset_type, 64, 512, **fields), None))
