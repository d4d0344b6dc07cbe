"""A published pack as a folder: what stands in it, that its files find each other, and that nothing is lost."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from assetmill.errors import StorageError, UsageError
from assetmill.exports.folder import AS_DRAWN, ENGINES, FORMATS, contents_of
from assetmill.exports.folder_marker import MARKER, Marker
from assetmill.exports.folder_source import Source, read_blob, read_source
from assetmill.exports.folder_write import Written, write_folder
from assetmill.packs import PackAsset, PackIndex, PackLayer, load_latest, publish, put_blob
from assetmill.sheets.model import Animation, Borders, Frame, Page, Rect, SheetModel, Tile, TileGrid, Variant
from assetmill.storage import FileStore

GAME = "cloud-hop"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROOT = "res://art/cloud-hop"


def png(colour: tuple[int, int, int], size: tuple[int, int] = (64, 32)) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", size, (*colour, 255)).save(out, "PNG")
    return out.getvalue()


def frame(frame_id: str, x: int = 0, page: int = 0) -> Frame:
    return Frame(
        id=frame_id, page=page, rect=Rect(x=x, y=0, w=16, h=16), source=(16, 16), offset=(0, 0), pivot=(0.5, 1)
    )


def page(number: int = 0) -> Page:
    return Page(role=f"atlas_{number}" if number else "atlas", size=(64, 32))


def models() -> dict[str, SheetModel]:
    run = Animation(name="run", frames=("a", "b"), durations_ms=(100, 100), fps=10, loop=True, direction="forward")
    borders = Borders(left=4, top=4, right=4, bottom=4)
    grid = TileGrid(columns=2, rows=1, tile=(16, 16), margin=2, spacing=4, extrude=1)
    return {
        "pip": SheetModel(
            id="pip", kind="sprite", pages=(page(), page(1)), frames=(frame("a"), frame("b", 16), frame("c", page=1)),
            animations=(run,), smooth=False,
        ),
        "ground": SheetModel(
            id="ground", kind="tile", pages=(page(),), frames=(frame("fence"), frame("bush", 16)), grid=grid,
            tiles=(Tile(index=0, frame="fence", collision="full"), Tile(index=1, frame="bush")),
        ),
        "button": SheetModel(
            id="button", kind="ui_component", pages=(page(),), frames=(frame("normal"), frame("hover", 16)),
            component="button", states=("normal", "hover"), borders=borders,
        ),
        "flowers": SheetModel(
            id="flowers", kind="variation", pages=(page(),), frames=(frame("red"), frame("blue", 16)),
            variants=(Variant(frame="red", weight=1), Variant(frame="blue", weight=3)),
        ),
    }  # fmt: skip


class Shop:
    """A store with a published pack, which may be published again."""

    def __init__(self, root: Path) -> None:
        self.store = FileStore(root / "store")
        self.colour = 0

    def blob(self, data: bytes, ext: str) -> str:
        kind = "image/png" if ext == "png" else "application/json"
        return put_blob(self.store, data, ext=ext, content_type=kind).key

    def picture(self) -> str:
        self.colour += 7
        return self.blob(png((self.colour, 90, 250 - self.colour)), "png")

    def asset(self, kind: str = "entity", **fields: Any) -> PackAsset:
        file = fields.pop("file", None) or self.picture()
        sha256 = file.rpartition("/")[2].partition(".")[0]
        values = {"type": kind, "file": file, "width": 64, "height": 32, "bytes": len(self.store.get(file))}
        return PackAsset(**{**values, "sha256": sha256, "draft": False, "made_in_run": "r1", **fields})

    def sheet(self, name: str, model: SheetModel | None) -> PackAsset:
        file = self.picture()
        document = {"id": name, "imageUrl": file, "entries": {}}
        sheet = self.blob(json.dumps(document).encode(), "json")
        files = {}
        if model is not None:
            files = {one.role: self.picture() for one in model.pages} | {"model": self.blob(model.encoded(), "json")}
        smooth = model is None or model.smooth
        return self.asset("sheet", file=file, sheet=sheet, files=files, smooth=smooth)

    def publish(self, assets: Mapping[str, PackAsset], channel: str = "main") -> PackIndex:
        index = PackIndex(game=GAME, pack="sky", run_id="r1", created_at=NOON, assets=dict(assets))
        base = load_latest(self.store, GAME, channel)
        return publish(self.store, game=GAME, channel=channel, index=index, base=base, now=NOON).index

    def whole(self) -> dict[str, PackAsset]:
        layers = tuple(
            PackLayer(id=name, file=self.picture(), width=128, height=64, depth=0, scroll_factor=0.1, opaque=True)
            for name in ("towers", "islands")
        )
        return {
            "knight": self.asset(tags=("spring", "a|b"), draft=True),
            "islands": self.asset("parallax", layers=layers, files={"towers": layers[0].file}),
            "title": self.asset("title_hero"),
            **{name: self.sheet(name, model) for name, model in models().items()},
            "old": self.sheet("old", None),
        }

    def source(self, only: tuple[str, ...] = ()) -> Source:
        return read_source(self.store, GAME, "main", only)

    def export(self, to: Path, form: str = "plain", **options: Any) -> Written:
        force, only = options.get("force", False), options.get("only", ())
        source = self.source(only)
        marker = Marker(game=GAME, channel="main", format=form, only=only, index=source.index_sha256, files={})
        fetch: Callable[[str], bytes] = options.get("fetch") or (lambda key: read_blob(self.store, key))
        return write_folder(to, contents_of(source, form, root=ROOT), marker, fetch, force=force, token="t1")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder whose store holds the whole pack, published once."""
    folder = tmp_path_factory.mktemp("published")
    made = Shop(folder)
    made.publish(made.whole())
    return made


@pytest.fixture
def shop(published, tmp_path):
    """A copy of it that a test may change."""
    shutil.copytree(published.store.root, tmp_path / "store")
    made = Shop(tmp_path)
    made.colour = published.colour
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MARKER
    }


# What stands in a folder


def test_people_get_pictures_as_they_were_drawn_under_their_own_names(shop, tmp_path):
    shop.export(tmp_path / "art")
    found = files(tmp_path / "art")
    assert sorted(found) == [
        "entity/knight.png", "index.csv", "parallax/islands.png", "parallax/islands/islands.png",
        "parallax/islands/towers.png", "sheet/button.json", "sheet/button.png", "sheet/flowers.json",
        "sheet/flowers.png", "sheet/ground.json", "sheet/ground.png", "sheet/old.json", "sheet/old.png",
        "sheet/pip.json", "sheet/pip.png", "title_hero/title.png",
    ]  # fmt: skip
    assets = shop.source().index.assets
    assert found["entity/knight.png"] == shop.store.get(assets["knight"].file)
    assert found["sheet/pip.png"] == shop.store.get(assets["pip"].file)
    assert found["parallax/islands/towers.png"] == shop.store.get(assets["islands"].layers[0].file)
    assert json.loads(found["sheet/pip.json"])["imageUrl"] == "pip.png"


def test_the_table_has_a_line_for_every_picture(shop, tmp_path):
    shop.export(tmp_path / "art")
    found = files(tmp_path / "art")
    lines = list(csv.DictReader(io.StringIO(found["index.csv"].decode())))
    assert {line["file"] for line in lines} == {path for path in found if path.endswith(".png")}
    knight = next(line for line in lines if line["name"] == "knight")
    assert knight == {
        "name": "knight", "type": "entity", "width": "64", "height": "32", "file": "entity/knight.png",
        "tags": "spring|a\\|b", "draft": "yes",
    }  # fmt: skip
    layer = next(line for line in lines if line["name"] == "islands/towers")
    assert (layer["type"], layer["width"], layer["draft"]) == ("parallax", "128", "no")


@pytest.mark.parametrize("form", ENGINES)
def test_engines_get_the_packed_pages_and_every_other_picture(shop, tmp_path, form):
    shop.export(tmp_path / "art", form)
    found = files(tmp_path / "art")
    pip = shop.source().index.assets["pip"]
    assert found["sheet/pip.png"] == shop.store.get(pip.files["atlas"])
    assert found["sheet/pip.1.png"] == shop.store.get(pip.files["atlas_1"])
    assert {"entity/knight.png", "parallax/islands/towers.png", "title_hero/title.png"} <= found.keys()


@pytest.mark.parametrize(
    ("form", "documents"),
    (
        ("texturepacker", {"sheet/pip.json", "sheet/pip.1.json", "sheet/ground.json"}),
        ("phaser", {"cloud-hop.pack.json", "sheet/pip.anims.json", "sheet/pip.multiatlas.json", "sheet/ground.json"}),
        ("pixi", {"cloud-hop.manifest.json", "sheet/pip.json", "sheet/flowers.json"}),
        ("godot", {"sheet/pip.tres", "sheet/ground.tres", "sheet/button.hover.tres", "sheet/flowers.red.tres"}),
        ("tiled", {"sheet/ground.tsj"}),
        ("aseprite", {"sheet/pip.json", "sheet/pip.1.json", "sheet/button.json"}),
        ("unity", {"sheet/pip.png.meta", "sheet/pip.1.png.meta", "entity/knight.png.meta"}),
    ),
)
def test_each_engine_gets_its_own_documents(shop, tmp_path, form, documents):
    shop.export(tmp_path / "art", form)
    assert documents <= files(tmp_path / "art").keys()
    assert "index.csv" not in files(tmp_path / "art")


def test_a_sheet_from_before_there_were_models_comes_as_it_was_drawn(shop, tmp_path):
    for form in (*AS_DRAWN, *ENGINES):
        source = shop.source()
        assert source.without_model == ("old",)
        shop.export(tmp_path / form, form)
        found = files(tmp_path / form)
        assert found["sheet/old.png"] == shop.store.get(source.index.assets["old"].file)
        assert json.loads(found["sheet/old.json"])["imageUrl"] == "old.png"


def test_all_formats_are_folders_of_one_folder(shop, tmp_path):
    shop.export(tmp_path / "art", "all")
    found = files(tmp_path / "art")
    for form in (*AS_DRAWN, *ENGINES):
        shop.export(tmp_path / form, form)
        alone = files(tmp_path / form)
        assert {path.removeprefix(f"{form}/"): found[path] for path in found if path.startswith(f"{form}/")} == alone


def pictures_named_in(path: str, data: bytes) -> list[str]:
    """Addresses of pictures that a document names, resolved from where it stands to the top of the folder."""
    if path.endswith(".tres"):
        found = re.findall(r'path="([^"]+)"', data.decode())
        assert all(address.startswith(f"{ROOT}/") for address in found)
        return [address.removeprefix(f"{ROOT}/") for address in found]
    document = json.loads(data)
    named = [document.get("image"), document.get("imageUrl"), (document.get("meta") or {}).get("image")]
    named += [texture["image"] for texture in document.get("textures", ())]
    return [os.path.normpath(Path(path).parent / address) for address in named if address]


@pytest.mark.parametrize("form", (*AS_DRAWN, "texturepacker", "phaser", "pixi", "godot", "tiled", "aseprite"))
def test_every_picture_that_a_document_names_is_there(shop, tmp_path, form):
    shop.export(tmp_path / "art", form)
    found = files(tmp_path / "art")
    documents = [path for path in found if path.startswith("sheet/") and not path.endswith(".png")]
    named = {path: pictures_named_in(path, found[path]) for path in documents}
    assert {picture for pictures in named.values() for picture in pictures} <= found.keys()
    assert all(named[path] for path in documents if not path.endswith(".anims.json"))


def test_godot_addresses_may_be_relative_and_the_root_must_be_one_of_godot(shop):
    source = shop.source()
    document = contents_of(source, "godot", root="").documents["sheet/pip.tres"]
    assert re.findall(rb'path="([^"]+)"', document) == [b"pip.png", b"pip.1.png"]
    top = contents_of(source, "godot", root="res://").documents["sheet/pip.tres"]
    assert b'path="res://sheet/pip.png"' in top
    with pytest.raises(UsageError, match="Godot"):
        contents_of(source, "godot", root="/srv/art")


def addresses(value: Any) -> list[str]:
    """All addresses in the file of a whole pack."""
    if isinstance(value, dict):
        own = [value[key] for key in ("url", "textureURL", "atlasURL", "src") if isinstance(value.get(key), str)]
        return own + [found for inner in value.values() for found in addresses(inner)]
    return [found for inner in value for found in addresses(inner)] if isinstance(value, list) else []


@pytest.mark.parametrize(("form", "name"), (("phaser", "cloud-hop.pack.json"), ("pixi", "cloud-hop.manifest.json")))
def test_the_file_of_the_whole_pack_finds_everything_from_the_top_of_the_folder(shop, tmp_path, form, name):
    shop.export(tmp_path / "art", form)
    found = files(tmp_path / "art")
    named = addresses(json.loads(found[name]))
    assert set(named) <= found.keys()
    for path in ("entity/knight.png", "parallax/islands/towers.png", "sheet/button.json"):
        assert path in named
    assert not [path for path in named if "old" in path]


def test_every_picture_for_unity_has_settings_with_an_id_of_its_own(shop, tmp_path):
    shop.export(tmp_path / "art", "unity")
    found = files(tmp_path / "art")
    pictures = [path for path in found if path.endswith(".png")]
    settings = {path: yaml.load(found[f"{path}.meta"], Loader=yaml.BaseLoader) for path in pictures}  # noqa: S506  a loader that makes texts only
    assert len({one["guid"] for one in settings.values()}) == len(pictures)
    modes = {path: one["TextureImporter"]["spriteMode"] for path, one in settings.items()}
    assert {path for path in modes if modes[path] == "2"} == {
        "sheet/pip.png", "sheet/pip.1.png", "sheet/ground.png", "sheet/button.png", "sheet/flowers.png",
    }  # fmt: skip
    assert settings["sheet/pip.png"]["TextureImporter"]["textureSettings"]["filterMode"] == "0"


@pytest.mark.parametrize("form", ENGINES)
def test_a_document_never_takes_the_name_of_another(tmp_path, form):
    shop = Shop(tmp_path)
    for kind, added in (
        ("pip", ("pip-1", "pip-anims", "pip-multiatlas")),
        ("button", ("button-normal", "button_hover")),
    ):
        model = models()[kind]
        ids = (kind, *added)
        shop.publish({name: shop.sheet(name, model.model_copy(update={"id": name})) for name in ids})
        alone: dict[str, bytes] = {}
        for name in ids:
            shop.export(tmp_path / form / name, form, only=(name,))
            alone |= files(tmp_path / form / name)
        shop.export(tmp_path / form / f"all-{kind}", form)
        together = files(tmp_path / form / f"all-{kind}")
        assert together.keys() == alone.keys()
        assert all(
            together[path] == data for path, data in alone.items() if "/" in path
        )  # one file is of the whole pack


# Reading the pack


def test_only_some_assets(shop, tmp_path):
    shop.export(tmp_path / "art", only=("knight",))
    assert sorted(files(tmp_path / "art")) == ["entity/knight.png", "index.csv"]


@pytest.mark.parametrize(
    ("game", "channel", "only", "says", "hint"),
    (
        ("cloud-hip", "main", (), "no pack of game", "did you mean cloud-hop?"),
        ("Cloud Hop!", "main", (), "no pack of game", "did you mean cloud-hop?"),
        ("zebra", "main", (), "no pack of game", "games there: cloud-hop"),
        (GAME, "man", (), "no channel 'man'", "did you mean main?"),
        (GAME, "Main Channel", (), "no channel", "channels there: main"),
        (GAME, "main", ("zzz",), "no asset 'zzz'", "assets there: button"),
        (GAME, "main", ("knigt",), "no asset 'knigt'", "did you mean knight?"),
    ),
)
def test_what_is_not_there_is_a_usage_error_that_names_the_nearest(shop, game, channel, only, says, hint):
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        read_source(shop.store, game, channel, only)
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_store_without_packs_says_so(tmp_path):
    with pytest.raises(UsageError, match="no pack") as caught:
        read_source(FileStore(tmp_path / "empty"), GAME, "main")
    assert "assetmill run" in caught.value.hint


def test_a_model_of_a_newer_version_is_refused(tmp_path):
    shop = Shop(tmp_path)
    newer = shop.blob(json.dumps(json.loads(models()["pip"].encoded()) | {"version": 2}).encode(), "json")
    shop.publish({"pip": shop.asset("sheet", files={"model": newer})})
    with pytest.raises(StorageError, match="version") as caught:
        shop.source()
    assert "newer" in caught.value.hint


def test_a_damaged_or_missing_picture_stops_the_export_and_leaves_no_folder(shop, tmp_path):
    path = shop.store.root / shop.source().index.assets["knight"].file
    path.write_bytes(png((1, 2, 3)))
    with pytest.raises(StorageError, match="damaged"):
        shop.export(tmp_path / "art")
    path.unlink()
    with pytest.raises(StorageError, match="gone"):
        shop.export(tmp_path / "art")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_an_unknown_format_is_a_usage_error(shop):
    with pytest.raises(UsageError, match="no such export format"):
        contents_of(shop.source(), "unreal", root="")
    assert set(FORMATS) == {*AS_DRAWN, *ENGINES, "all"}


# Writing and writing again


def test_the_same_pack_again_writes_nothing_and_fetches_nothing(shop, tmp_path):
    shop.export(tmp_path / "art")
    before = {path: path.stat().st_ino for path in (tmp_path / "art").rglob("*")}

    def fetch(key: str) -> bytes:
        raise AssertionError(key)

    again = shop.export(tmp_path / "art", fetch=fetch)
    assert (again.changed, again.removed) == (False, ())
    assert {path: path.stat().st_ino for path in (tmp_path / "art").rglob("*")} == before


def test_a_new_pack_replaces_what_changed_removes_what_is_gone_and_fetches_no_more_than_that(shop, tmp_path):
    shop.export(tmp_path / "art", "godot")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "art").rglob("*.*")}
    assets = dict(shop.source().index.assets)
    del assets["title"]
    del assets["button"]
    assets["knight"] = shop.asset()
    shop.publish(assets)
    fetched: list[str] = []

    def fetch(key: str) -> bytes:
        fetched.append(key)
        return read_blob(shop.store, key)

    written = shop.export(tmp_path / "art", "godot", fetch=fetch)
    assert written.removed == (
        "sheet/button.hover.tres", "sheet/button.normal.tres", "sheet/button.png", "title_hero/title.png",
    )  # fmt: skip
    assert fetched == [assets["knight"].file]
    shop.export(tmp_path / "fresh", "godot")
    assert files(tmp_path / "art") == files(tmp_path / "fresh")
    same = [path for path in before if path.exists() and path.name not in (MARKER, "knight.png")]
    assert len(same) > 5
    assert all(path.stat().st_mtime_ns == before[path] for path in same)


def test_a_file_that_somebody_changed_or_put_in_the_way_stops_the_export_by_name(shop, tmp_path):
    art = tmp_path / "art"
    shop.export(art)
    (art / "entity/knight.png").write_bytes(b"painted over")
    new = {"rock": shop.asset(), "heap": shop.asset(), "moss": shop.asset("background")}
    shop.publish(shop.source().index.assets | new)
    (art / "entity/rock.png").write_bytes(b"my own rock")
    (art / "entity/heap.png").mkdir()
    (art / "entity/heap.png/inner.txt").write_bytes(b"a folder where a file goes")
    (art / "background").write_bytes(b"a file where a folder goes")
    before = files(art)
    with pytest.raises(UsageError) as caught:
        shop.export(art)
    named = caught.value.message.rpartition(": ")[2].split(", ")
    assert named == ["background", "entity/heap.png/inner.txt", "entity/knight.png", "entity/rock.png"]
    assert "--force" in caught.value.hint
    assert files(art) == before
    assert shop.export(art, force=True).changed
    shop.export(tmp_path / "fresh")
    assert files(art) == files(tmp_path / "fresh")


def test_a_changed_file_that_left_the_pack_is_not_removed_silently(shop, tmp_path):
    art = tmp_path / "art"
    shop.export(art)
    (art / "title_hero/title.png").write_bytes(b"painted over")
    shop.publish({name: asset for name, asset in shop.source().index.assets.items() if name != "title"})
    with pytest.raises(UsageError, match=re.escape("title_hero/title.png")):
        shop.export(art)
    assert shop.export(art, force=True).removed == ("title_hero/title.png",)
    assert not (art / "title_hero").exists()


def test_files_of_other_people_stay_as_they_are(shop, tmp_path):
    art = tmp_path / "art"
    shop.export(art)
    (art / "entity/knight.png.import").write_text("of the engine")
    (art / "notes").mkdir()
    (art / "notes/todo.txt").write_text("of an artist")
    (art / "empty/inner").mkdir(parents=True)
    (art / "link").symlink_to("entity/knight.png")
    held = (art / "notes/todo.txt").stat()
    shop.publish(shop.source().index.assets | {"knight": shop.asset()})
    written = shop.export(art)
    assert written.changed
    assert written.kept == ("empty/inner", "entity/knight.png.import", "link", "notes/todo.txt")
    assert (art / "entity/knight.png.import").read_text() == "of the engine"
    now = (art / "notes/todo.txt").stat()
    assert (now.st_ino, now.st_mtime_ns) == (held.st_ino, held.st_mtime_ns)
    assert (art / "empty/inner").is_dir()
    assert (art / "link").readlink() == Path("entity/knight.png")


def test_a_file_that_somebody_deleted_comes_back(shop, tmp_path):
    art = tmp_path / "art"
    shop.export(art)
    whole = files(art)
    (art / "entity/knight.png").unlink()
    assert shop.export(art).changed
    assert files(art) == whole


@pytest.mark.parametrize("left", ("keep.txt", ".hidden", "folder/inner.txt"))
def test_a_folder_with_files_and_no_export_is_refused_even_by_force(shop, tmp_path, left):
    (tmp_path / "art" / left).parent.mkdir(parents=True)
    (tmp_path / "art" / left).write_text("mine")
    for force in (False, True):
        with pytest.raises(UsageError, match="holds files"):
            shop.export(tmp_path / "art", force=force)
    assert files(tmp_path / "art") == {left: b"mine"}


def test_a_file_in_place_of_the_folder_and_a_marker_that_cannot_be_read_are_refused(shop, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        shop.export(tmp_path / "file")
    shop.export(tmp_path / "art")
    (tmp_path / "art" / MARKER).write_text('{"version": 9}')
    with pytest.raises(UsageError, match="newer"):
        shop.export(tmp_path / "art")


def test_an_empty_folder_and_folders_that_are_not_there_are_made(shop, tmp_path):
    (tmp_path / "art").mkdir(mode=0o750)
    shop.export(tmp_path / "art")
    shop.export(tmp_path / "deep/er/art")
    assert files(tmp_path / "art") == files(tmp_path / "deep/er/art")
    assert (tmp_path / "art").stat().st_mode & 0o777 == 0o750


def test_one_export_never_silently_takes_the_place_of_another(shop, tmp_path):
    art = tmp_path / "art"
    shop.export(art)
    before = files(art)
    with pytest.raises(UsageError, match="as plain"):
        shop.export(art, "unity")
    with pytest.raises(UsageError, match="--only would remove"):
        shop.export(art, only=("knight",))
    assert files(art) == before
    shop.export(art, "unity", force=True)
    assert "entity/knight.png.meta" in files(art)


def test_a_choice_of_assets_may_grow_and_may_not_shrink(shop, tmp_path):
    art = tmp_path / "art"
    shop.export(art, only=("knight",))
    shop.export(art, only=("knight", "title"))
    with pytest.raises(UsageError, match="--only would remove"):
        shop.export(art, only=("title",))
    shop.export(art)
    assert "sheet/pip.png" in files(art)


@pytest.mark.parametrize("fails_at", range(4))
def test_an_export_that_breaks_off_changes_nothing_and_leaves_nothing_behind(shop, tmp_path, fails_at):
    art = tmp_path / "art"
    shop.export(art)
    (art / "mine.txt").write_text("mine")
    before = files(art)
    shop.publish({name: shop.asset() for name in ("a", "b", "c", "d")})
    count = iter(range(100))

    def fetch(key: str) -> bytes:
        if next(count) == fails_at:
            raise StorageError("the store went away")
        return read_blob(shop.store, key)

    with pytest.raises(StorageError, match="went away"):
        shop.export(art, fetch=fetch)
    assert files(art) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["art", "store"]
    shop.export(art)
    assert files(art)["mine.txt"] == b"mine"


def test_an_export_killed_between_the_two_renames_is_put_back_by_the_next(shop, tmp_path):
    art, aside = tmp_path / "art", tmp_path / ".art.assetmill-old"
    shop.export(art)
    (art / "mine.txt").write_text("mine")
    art.rename(aside)
    assert shop.export(art).kept == ("mine.txt",)
    assert not aside.exists()
    # killed after them: what is left over is the old folder
    aside.mkdir()
    (aside / "old.png").write_bytes(b"old")
    shop.export(art)
    assert not aside.exists()
    assert files(art)["mine.txt"] == b"mine"


def test_files_that_came_where_a_broken_off_export_left_nothing_cost_nobody_the_old_ones(shop, tmp_path):
    art, aside = tmp_path / "art", tmp_path / ".art.assetmill-old"
    shop.export(art)
    (art / "mine.txt").write_text("mine")
    art.rename(aside)
    art.mkdir()
    (art / "new.txt").write_text("new")
    with pytest.raises(UsageError, match=re.escape(str(aside))):
        shop.export(art, force=True)
    assert (aside / "mine.txt").read_text() == "mine"
    (art / "new.txt").unlink()
    assert shop.export(art).kept == ("mine.txt",)


def test_what_a_killed_export_left_is_cleared_and_one_at_work_is_left_alone(shop, tmp_path):
    dead, alive, other = (tmp_path / f".{name}" for name in ("art.assetmill-dead", "art.assetmill-alive", "art.x"))
    for folder in (dead, alive, other):
        folder.mkdir()
        (folder / "half.png").write_bytes(b"half")
    handle = os.open(alive, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    shop.export(tmp_path / "art")
    assert [folder.exists() for folder in (dead, alive, other)] == [False, True, True]
    os.close(handle)
    shop.export(tmp_path / "art")
    assert not alive.exists()


def test_the_folder_of_an_export_at_work_is_locked(shop, tmp_path):
    shop.export(tmp_path / "art")
    shop.publish(shop.source().index.assets | {"knight": shop.asset()})

    def fetch(key: str) -> bytes:
        handle = os.open(tmp_path / ".art.assetmill-t1", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        return read_blob(shop.store, key)

    assert shop.export(tmp_path / "art", fetch=fetch).changed


@pytest.mark.parametrize("path", ("entity/knight.png", "notes.txt", "new.txt"))
def test_what_somebody_does_to_the_folder_meanwhile_is_never_lost(shop, tmp_path, path):
    art = tmp_path / "art"
    shop.export(art)
    (art / "notes.txt").write_text("of an artist")
    shop.publish(shop.source().index.assets | {"knight": shop.asset()})

    def fetch(key: str) -> bytes:
        (art / "saved").write_text("as editors save: another file in its place")
        (art / "saved").replace(art / path)
        return read_blob(shop.store, key)

    with pytest.raises(UsageError, match=f"while it was exported: {re.escape(path)}; nothing"):
        shop.export(art, fetch=fetch)
    assert (art / path).read_text().startswith("as editors save")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["art", "store"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told_in_words(shop, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        shop.export(tmp_path / "locked" / "art")


def test_a_disk_error_is_told_in_words(shop, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        shop.export(tmp_path / "file" / "art")
