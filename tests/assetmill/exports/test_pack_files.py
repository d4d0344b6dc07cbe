"""Files that load a whole pack, and the formats and places that documents are written in and to."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import StorageError, UsageError
from assetmill.exports.addresses import FILE
from assetmill.exports.pack import pack_files
from assetmill.exports.stored import StoredPlace
from assetmill.exports.write import write_exports
from assetmill.manifest.models import EXPORTS
from assetmill.packs import PackAsset, PackIndex, PackLayer, blob_key, put_blob
from assetmill.sheets.model import Animation, Frame, Page, Rect, SheetModel
from assetmill.storage import FileStore

PICTURE, ATLAS, SHEET, ANIMS, MULTI, FAR = (
    blob_key(digit * 64, ext)
    for digit, ext in (("a", "png"), ("b", "png"), ("c", "json"), ("d", "json"), ("e", "json"), ("f", "png"))
)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HERO = SheetModel(
    id="hero",
    kind="sprite",
    pages=(Page(role="atlas", size=(8, 8)),),
    frames=(Frame(id="a", page=0, rect=Rect(x=0, y=0, w=8, h=8), source=(8, 8), offset=(0, 0), pivot=(0.5, 0.5)),),
    animations=(Animation(name="go", frames=("a",), durations_ms=(10,), fps=100, loop=True, direction="forward"),),
)


def asset(**fields: Any) -> PackAsset:
    values: dict[str, Any] = {
        "type": "entity", "file": PICTURE, "width": 8, "height": 8, "bytes": 9, "sha256": "a" * 64, "draft": False,
        "made_in_run": "r", "exports": ("phaser",),
    }  # fmt: skip
    return PackAsset(**(values | fields))


def index_of(**assets: PackAsset) -> PackIndex:
    return PackIndex(game="cloud-hop", pack="spring", run_id="r", created_at=NOON, assets=assets)


def sections(**assets: PackAsset) -> dict[str, list[dict[str, Any]]]:
    pack = json.loads(pack_files(index_of(**assets))["phaser"])
    return {name: section["files"] for name, section in pack.items()}


def test_phaser_loads_pictures_under_the_ids_of_their_assets() -> None:
    far = PackLayer(id="far", file=FAR, width=8, height=8, depth=0, scroll_factor=0.1, opaque=True)
    assert sections(pip=asset(), hills=asset(type="parallax", layers=(far,))) == {
        "hills": [{"type": "image", "key": "hills/far", "url": FAR}],
        "pip": [{"type": "image", "key": "pip", "url": PICTURE}],
    }


def test_phaser_loads_a_sheet_as_an_atlas_with_its_animations() -> None:
    files = {"atlas": ATLAS, "texturepacker": SHEET, "phaser_anims": ANIMS}
    assert sections(hero=asset(type="sheet", files=files))["hero"] == [
        {"type": "atlas", "key": "hero", "textureURL": ATLAS, "atlasURL": SHEET},
        {"type": "animation", "key": "hero/anims", "url": ANIMS},
    ]


def test_a_sheet_that_was_not_packed_has_its_frames_on_its_own_picture() -> None:
    assert sections(panel=asset(type="sheet", files={"texturepacker": SHEET}))["panel"] == [
        {"type": "atlas", "key": "panel", "textureURL": PICTURE, "atlasURL": SHEET}
    ]


def test_phaser_looks_for_the_pages_of_a_large_sheet_beside_the_document_that_names_them() -> None:
    files = {"atlas": ATLAS, "texturepacker": SHEET, "phaser_multiatlas": MULTI}
    assert sections(hero=asset(type="sheet", files=files))["hero"] == [
        {"type": "multiatlas", "key": "hero", "url": MULTI, "path": "blobs/ee/"}
    ]


def test_a_format_that_no_asset_asks_for_has_no_file() -> None:
    assert pack_files(index_of()) == {}
    assert pack_files(index_of(pip=asset(exports=("png", "godot")))) == {}
    assert sorted(pack_files(index_of(pip=asset(), coin=asset(exports=("pixi",))))) == ["phaser", "pixi"]
    assert list(sections(pip=asset(), coin=asset(exports=("pixi",)))) == ["pip"]


def test_the_same_assets_give_the_same_bytes_whoever_publishes_them() -> None:
    both = asset(exports=("phaser", "pixi"))
    one = pack_files(index_of(pip=both, coin=both))
    later = {"run_id": "later", "created_at": NOON + timedelta(days=1)}
    other = pack_files(index_of(coin=both, pip=both).model_copy(update=later))
    assert one == other
    assert sorted(one) == ["phaser", "pixi"]


def test_a_sheet_without_its_document_is_refused_by_name() -> None:
    with pytest.raises(StorageError, match="hero has no file of role texturepacker"):
        pack_files(index_of(hero=asset(type="sheet", files={"atlas": ATLAS})))


def test_a_folder_with_names_of_its_own_has_the_same_files() -> None:
    names = {
        ("pip", FILE): "pip.png",
        ("hero", "phaser_multiatlas"): "hero/hero.multiatlas.json",
        ("panel", "image"): "panel.png",
        ("panel", "texturepacker"): "panel.json",
    }
    index = index_of(pip=asset(exports=("phaser", "pixi")), hero=asset(type="sheet"), panel=asset(type="sheet"))
    made = pack_files(index, lambda asset_id, role: names.get((asset_id, role)))
    assert json.loads(made["pixi"])["bundles"][0]["assets"] == [{"alias": "pip", "src": "pip.png"}]
    phaser = json.loads(made["phaser"])
    assert phaser["hero"]["files"] == [
        {"type": "multiatlas", "key": "hero", "url": "hero/hero.multiatlas.json", "path": "hero/"}
    ]
    assert phaser["panel"]["files"] == [
        {"type": "atlas", "key": "panel", "textureURL": "panel.png", "atlasURL": "panel.json"}
    ]


def test_documents_in_a_store_find_the_pictures_from_where_they_are(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    picture = put_blob(store, b"\x89PNG\r\n\x1a\n", ext="png", content_type="image/png")
    place = StoredPlace(
        "hop",
        {"atlas": picture.key},
        lambda data, ext, content_type: put_blob(store, data, ext=ext, content_type=content_type).key,
    )
    write_exports(("phaser",), HERO, place)
    document = tmp_path / place.documents["texturepacker"]
    image = json.loads(document.read_bytes())["meta"]["image"]
    assert (document.parent / image).read_bytes() == store.get(picture.key)


def test_two_documents_cannot_have_one_role() -> None:
    place = StoredPlace("hop", {}, lambda data, ext, _content_type: blob_key(data.hex().rjust(64, "0"), ext))
    assert place.put("godot", "a.tres", b"1", "text/plain; charset=utf-8").endswith("31.tres")
    with pytest.raises(ValueError, match="godot"):
        place.put("godot", "b.tres", b"2", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("formats", "roles"),
    (
        ((), []),
        (("png", "assetsheet"), []),
        (("texturepacker",), ["texturepacker"]),
        (("pixi",), ["texturepacker"]),
        (("phaser",), ["phaser_anims", "texturepacker"]),
        (("phaser", "pixi", "texturepacker", "phaser"), ["phaser_anims", "texturepacker"]),
    ),
)
def test_formats_that_share_a_document_write_it_once(formats: tuple[str, ...], roles: list[str]) -> None:
    place = StoredPlace(
        "hop", {"atlas": ATLAS}, lambda data, ext, _content_type: blob_key("0" * 64, ext) if data else ""
    )
    write_exports(formats, HERO, place)
    assert sorted(place.documents) == roles


def test_every_format_that_a_manifest_may_ask_for_can_be_written() -> None:
    place = StoredPlace(
        "hop", {"atlas": ATLAS}, lambda data, ext, _content_type: blob_key("0" * 64, ext) if data else ""
    )
    write_exports(EXPORTS, HERO, place)
    assert {"texturepacker", "phaser_anims"} < place.documents.keys()


def test_an_unknown_format_is_refused_before_anything_is_written() -> None:
    place = StoredPlace(
        "hop", {"atlas": ATLAS}, lambda data, ext, _content_type: blob_key("0" * 64, ext) if data else ""
    )
    with pytest.raises(UsageError, match="flash") as caught:
        write_exports(("texturepacker", "flash"), HERO, place)
    assert "texturepacker" in caught.value.hint
    assert place.documents == {}


def test_formats_load_no_picture_library() -> None:
    """Publishing and planning import them; both start in a moment."""
    code = (
        "import sys, assetmill.exports.write, assetmill.exports.pack, assetmill.exports.texturepacker, "
        "assetmill.exports.phaser; print(sorted({'numpy', 'scipy', 'PIL', 's3fs'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
