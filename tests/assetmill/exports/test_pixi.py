"""The manifest with which Pixi knows a whole pack."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from assetmill.errors import StorageError
from assetmill.exports import pixi
from assetmill.packs import PackAsset, PackIndex, PackLayer, blob_key

PICTURE, DOCUMENT, FAR, NEAR = (
    blob_key(digit * 64, ext) for digit, ext in (("a", "png"), ("b", "json"), ("c", "png"), ("d", "png"))
)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def asset(**fields: Any) -> PackAsset:
    values: dict[str, Any] = {
        "type": "entity", "file": PICTURE, "width": 8, "height": 8, "bytes": 9, "sha256": "a" * 64, "draft": False,
        "made_in_run": "r", "exports": ("png", "pixi"),
    }  # fmt: skip
    return PackAsset(**(values | fields))


def layer(name: str, key: str) -> PackLayer:
    return PackLayer(id=name, file=key, width=8, height=8, depth=0, scroll_factor=0.1, opaque=False)


def bundle(**assets: PackAsset) -> Any:
    data = pixi.manifest(PackIndex(game="cloud-hop", pack="spring", run_id="r", created_at=NOON, assets=assets))
    assert data is not None
    (only,) = json.loads(data)["bundles"]
    return only


def test_the_pack_is_one_bundle_and_aliases_are_asset_ids() -> None:
    assert bundle(pip=asset(), coin=asset(type="title_hero")) == {
        "name": "spring",
        "assets": [{"alias": "coin", "src": PICTURE}, {"alias": "pip", "src": PICTURE}],
    }


def test_layers_of_a_parallax_have_an_alias_each() -> None:
    hills = asset(type="parallax", layers=(layer("far", FAR), layer("near", NEAR)))
    assert bundle(hills=hills)["assets"] == [{"alias": "hills/far", "src": FAR}, {"alias": "hills/near", "src": NEAR}]


def test_a_parallax_without_layers_is_its_picture() -> None:
    assert bundle(hills=asset(type="parallax"))["assets"] == [{"alias": "hills", "src": PICTURE}]


def test_a_sheet_is_loaded_from_its_document() -> None:
    hero = asset(type="sheet", files={"atlas": PICTURE, "texturepacker": DOCUMENT})
    assert bundle(hero=hero)["assets"] == [{"alias": "hero", "src": DOCUMENT}]


def test_pixel_art_is_never_filtered() -> None:
    """A picture's data are options of its texture; a sheet hands `textureOptions` on to its pages."""
    hero = asset(type="sheet", smooth=False, files={"texturepacker": DOCUMENT})
    made = {entry["alias"]: entry.get("data") for entry in bundle(hero=hero, pip=asset(smooth=False))["assets"]}
    assert made == {"hero": {"textureOptions": {"scaleMode": "nearest"}}, "pip": {"scaleMode": "nearest"}}


def test_only_what_is_exported_for_pixi_is_in_it() -> None:
    assert [entry["alias"] for entry in bundle(pip=asset(), coin=asset(exports=("phaser",)))["assets"]] == ["pip"]
    index = PackIndex(game="g", pack="p", run_id="r", created_at=NOON, assets={"coin": asset(exports=())})
    assert pixi.manifest(index) is None


def test_a_sheet_without_its_document_is_refused_by_name() -> None:
    with pytest.raises(StorageError, match="hero has no file of role texturepacker"):
        bundle(hero=asset(type="sheet"))
