"""`workflows lint` ahead of an upgrade: against what a ComfyUI told of its nodes, which was saved as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assetmill.cli.app import app

RECORDED = Path(__file__).parents[2] / "fixtures" / "object_info"


def lint(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["workflows", "lint", *arguments], catch_exceptions=False)


def test_a_recorded_version_that_has_no_models_is_sound_but_for_them():
    recorded = str(RECORDED / "0.25.1.json")
    bare = lint("--against", recorded)
    assert bare.exit_code == 2
    assert "is not among the model files; there are none" in bare.stdout
    nodes_only = lint("--against", recorded, "--ignore-models")
    assert nodes_only.exit_code == 0, nodes_only.output
    assert nodes_only.stdout == "10 workflows, 0 findings, 12 model files not looked for\n"


def test_a_node_that_a_new_version_dropped_ends_with_2_and_is_named(tmp_path):
    info = json.loads((RECORDED / "0.25.1.json").read_text())
    del info["ImageScale"]
    (tmp_path / "new.json").write_text(json.dumps(info))
    done = lint("--against", str(tmp_path / "new.json"), "--ignore-models", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 2
    assert {(one["code"], "ImageScale" in one["message"]) for one in told["findings"]} >= {("unknown-node", True)}
    assert told["ignored_models"] == 12


def test_a_base_without_our_packs_and_models_shows_only_what_its_own_nodes_lack(tmp_path):
    info = json.loads((RECORDED / "0.25.1.json").read_text())
    for kind in ("BiRefNetRMBG", "DepthAnything_V2", "DownloadAndLoadDepthAnythingV2Model"):
        del info[kind]
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(info))
    done = lint("--against", str(bare), "--ignore-models", "--ignore-packs")
    assert done.exit_code == 0, done.output
    assert done.stdout == "10 workflows, 0 findings, 12 model files, 13 custom nodes not looked for\n"


def test_a_pack_that_is_there_and_lacks_a_node_stays_a_fault(tmp_path):
    info = json.loads((RECORDED / "0.25.1.json").read_text())
    del info["BiRefNetRMBG"], info["DepthAnything_V2"]
    part = tmp_path / "part.json"
    part.write_text(json.dumps(info))
    told = json.loads(lint("--against", str(part), "--ignore-models", "--ignore-packs", "--json").stdout)
    assert {one["node"] for one in told["findings"]} == {"31"}, "its other node has loaded"
    assert told["ignored_nodes"] == 11


@pytest.mark.parametrize(
    "arguments",
    (
        ("--against", "localhost:8188"),
        ("--against", "no-such-file.json"),
        ("--against", "ftp://host/object_info"),
        ("--against", __file__),
        ("--ignore-models",),
        ("--ignore-packs",),
    ),
)
def test_what_is_neither_an_address_nor_a_node_list_is_a_wrong_call(arguments):
    assert lint(*arguments).exit_code == 2


def test_a_comfyui_that_does_not_answer_ends_with_4():
    assert lint("--against", "http://127.0.0.1:9").exit_code == 4
