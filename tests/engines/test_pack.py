"""Engines load the whole pack from its documents alone, see every picture of it, and complain of nothing."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

HERE = Path(__file__).parent
PACKAGES = {"PixiJS 8": "pixi.js", "Phaser 3": "phaser3", "Phaser 4": "phaser4"}
SEEN = (512, 384)  # how much of a picture is looked at
ROUNDING = 2  # levels of 255: premultiplying rounds once in the engine and once here


def sizes_in(pack) -> dict[str, list[int]]:
    """Every picture and frame of the pack by the name that games know it by, with its size."""
    sizes: dict[str, list[int]] = {}
    for asset_id, asset in pack.index["assets"].items():
        if asset["type"] == "sheet":
            sizes |= {f"{asset_id}/{frame.id}": list(frame.source) for frame in pack.model(asset_id).frames}
        elif asset["layers"]:
            sizes |= {f"{asset_id}/{layer['id']}": [layer["width"], layer["height"]] for layer in asset["layers"]}
        else:
            sizes[asset_id] = [asset["width"], asset["height"]]
    return sizes


def pictures_in(pack) -> dict[str, str]:
    """Blob keys of whole pictures, by the name that games know them by."""
    assets = {name: asset for name, asset in pack.index["assets"].items() if asset["type"] != "sheet"}
    layers = {f"{name}/{layer['id']}": layer["file"] for name, asset in assets.items() for layer in asset["layers"]}
    return {name: asset["file"] for name, asset in assets.items() if not asset["layers"]} | layers


def test_the_engine_is_of_the_version_that_is_pinned(engine, engine_name):
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"][PACKAGES[engine_name]]
    assert engine.ask("version") == pinned.rpartition("@")[2]


def test_everything_in_the_pack_is_loaded_and_has_its_size(engine, pack):
    sizes, wanted = engine.ask("sizes"), sizes_in(pack)
    assert len(wanted) > 60
    assert {name: sizes.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("name", ("morning-meadow", "pip", "title", "sky-islands/towers", "sky-islands/islands"))
def test_pictures_are_drawn_as_they_were_published(engine, pack, name):
    expected = pack.picture(pictures_in(pack)[name])[: SEEN[1], : SEEN[0]]
    shown = engine.draw("picture", name, expected.shape[1], expected.shape[0])
    assert np.abs(shown - expected).max() <= ROUNDING
    assert np.ptp(expected[..., :3]) > 100


def test_nothing_is_asked_for_but_the_engine_and_what_is_published(engine, pack, site):
    asked = [urlsplit(address) for address in engine.requests if not address.startswith(("blob:", "data:"))]
    assert {f"{each.scheme}://{each.netloc}" for each in asked} == {site}
    files = [each.path.removeprefix("/store/") for each in asked if each.path.startswith("/store/")]
    assert files[:2] == [pack.report["latest"], pack.report["index"]]
    assets = pack.index["assets"].values()
    published = {key for asset in assets for key in (asset["file"], *asset["files"].values())}
    published |= {layer["file"] for asset in assets for layer in asset["layers"]} | set(pack.index["files"].values())
    assert set(files[2:]) <= published
    assert len(files) == len(set(files)), "a file was asked for twice"


def test_the_exported_folder_loads_as_the_store_does(engine, engine_name, pack, start, page_of, exported):
    form = "pixi" if engine_name == "PixiJS 8" else "phaser"
    assert exported(form).name == form
    from_folder = start(page_of(folder=f"/exports/{form}/"))
    sizes, wanted = from_folder.ask("sizes"), sizes_in(pack)
    assert {name: sizes.get(name) for name in wanted} == wanted
    given = ("pip-moves", "pip-moves/leap", 128, 128)
    assert np.array_equal(from_folder.draw("frame", *given), engine.draw("frame", *given))
    assert from_folder.complaints() == []
