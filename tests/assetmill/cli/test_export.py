"""`assetmill export` from outside: from a published store alone to a folder, exit codes and JSON."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.cli.export import FORMATS as SHOWN
from assetmill.exports.folder import FORMATS
from assetmill.packs import PackAsset, PackIndex, publish, put_blob
from assetmill.settings import Settings
from assetmill.sheets.model import Animation, Frame, Page, Rect, SheetModel
from assetmill.storage import FileStore

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def blob(store: FileStore, data: bytes, ext: str) -> str:
    return put_blob(store, data, ext=ext, content_type="image/png" if ext == "png" else "application/json").key


def picture(store: FileStore, colour: str) -> str:
    out = io.BytesIO()
    Image.new("RGBA", (32, 16), colour).save(out, "PNG")
    return blob(store, out.getvalue(), "png")


def asset(store: FileStore, colour: str, **fields: Any) -> PackAsset:
    file = picture(store, colour)
    values: dict[str, Any] = {
        "type": "entity", "file": file, "width": 32, "height": 16, "bytes": len(store.get(file)),
        "sha256": file.rpartition("/")[2].partition(".")[0], "draft": False, "made_in_run": "r1",
    }  # fmt: skip
    return PackAsset(**{**values, **fields})


def sheet(store: FileStore) -> PackAsset:
    run = Animation(name="run", frames=("a",), durations_ms=(100,), fps=10, loop=True, direction="forward")
    frame = Frame(
        id="a", page=0, rect=Rect(x=0, y=0, w=16, h=16), source=(16, 16), offset=(0, 0), pivot=(0.5, 1)
    )  # fmt: skip
    model = SheetModel(
        id="pip", kind="sprite", pages=(Page(role="atlas", size=(32, 16)),), frames=(frame,), animations=(run,)
    )
    files = {"atlas": picture(store, "red"), "model": blob(store, model.encoded(), "json")}
    return asset(store, "green", type="sheet", files=files)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Runs the command with a store of its own that holds a published pack, and nothing else of a run."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSETMILL_HOME", str(tmp_path / "out"))
    store = FileStore(tmp_path / "out" / "store")
    assets = {"knight": asset(store, "blue", draft=True), "pip": sheet(store)}
    assets["old"] = asset(store, "grey", type="sheet")
    index = PackIndex(game="cloud-hop", pack="sky", run_id="r1", created_at=NOON, assets=assets)
    publish(store, game="cloud-hop", channel="main", index=index, base=None, now=NOON)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["export", *arguments])

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)  # every command takes it over


def test_a_published_pack_becomes_a_folder_without_manifest_or_ledger(program, tmp_path):
    done = program("cloud-hop", "--format", "godot", "--to", "art")
    assert done.exit_code == 0, done.output
    assert "3 assets as godot" in done.stdout
    assert 'path="res://art/cloud-hop/sheet/pip.png"' in (tmp_path / "art/sheet/pip.tres").read_text()
    with Image.open(tmp_path / "art/sheet/pip.png") as shown:
        assert shown.getpixel((0, 0)) == (255, 0, 0, 255)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["store"]


def test_what_should_be_known_is_said_on_stderr(program):
    done = program("cloud-hop", "--format", "phaser", "--to", "art")
    assert "old: published before sheets were packed" in done.stderr
    assert "knight: placeholder art" in done.stderr


def test_json_says_what_became_of_the_folder(program, tmp_path):
    first = json.loads(
        program("cloud-hop", "--format", "plain", "--to", "art", "--only", "knight,pip", "--json").stdout
    )
    assert first == {
        "game": "cloud-hop", "pack": "sky", "channel": "main", "format": "plain", "to": str(tmp_path / "art"),
        "assets": ["knight", "pip"], "files": 3, "changed": True, "removed": [], "kept": [], "without_model": [],
        "drafts": ["knight"], "exit_code": 0,
    }  # fmt: skip
    again = json.loads(
        program("cloud-hop", "--format", "plain", "--to", "art", "--only", "pip,knight", "--json").stdout
    )
    assert again == first | {"changed": False}


@pytest.mark.parametrize(
    ("arguments", "hint"),
    (
        (("cloud-hip", "--format", "plain", "--to", "art"), "did you mean cloud-hop?"),
        (
            ("cloud-hop", "--format", "plain", "--to", "art", "--channel", "mian"),
            "did you mean main?; --channel chooses",
        ),
        (("cloud-hop", "--format", "plain", "--to", "art", "--only", "knigt"), "did you mean knight?"),
        (("cloud-hop", "--format", "unreal", "--to", "art"), "there are plain"),
        (("cloud-hop", "--format", "plain", "--to", "art", "--only", ","), "--only"),
        (("cloud-hop", "--format", "godot", "--to", "art", "--res-prefix", "art"), "res://"),
        (("cloud-hop", "--format", "plain", "--to", "out"), "new or empty"),
    ),
)
def test_a_wrong_call_is_2_and_writes_nothing(program, tmp_path, arguments, hint):
    done = program(*arguments, "--json")
    assert done.exit_code == 2, done.output
    assert hint in done.stderr
    assert json.loads(done.stdout)["exit_code"] == 2
    assert not (tmp_path / "art").exists()


def test_a_file_that_somebody_changed_is_2_and_force_goes_over_it(program, tmp_path):
    call = ("cloud-hop", "--format", "plain", "--to", "art")
    program(*call)
    (tmp_path / "art/entity/knight.png").write_bytes(b"painted over")
    refused = program(*call)
    assert refused.exit_code == 2
    assert "entity/knight.png" in refused.stderr
    assert (tmp_path / "art/entity/knight.png").read_bytes() == b"painted over"
    assert program(*call, "--force").exit_code == 0
    assert (tmp_path / "art/entity/knight.png").read_bytes() != b"painted over"


def test_a_picture_that_is_gone_is_5(program, tmp_path):
    for path in (tmp_path / "out/store/blobs").rglob("*.png"):
        path.unlink()
    done = program("cloud-hop", "--format", "plain", "--to", "art")
    assert done.exit_code == 5
    assert not (tmp_path / "art").exists()


def test_the_help_names_every_format():
    assert tuple(SHOWN.split("|")) == FORMATS


def test_the_program_knows_the_command(tmp_path):
    names = {str(field.alias) for field in Settings.model_fields.values()}
    environment = {key: value for key, value in os.environ.items() if key not in names}
    command = [sys.executable, "-P", "-m", "assetmill.cli", "export", "cloud-hop", "--format", "plain", "--to", "art"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no pack of game" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(Path(tmp_path).iterdir()) == []
