from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import AssetmillError, WorkflowError
from assetmill.workflows import Code, Contract, Library, contract_from_object_info, lint_library
from assetmill.workflows.record import main, make_contract, read_recordings

VERSIONS = ("0.3.77", "0.8.0", "0.17.0", "0.25.1")


def described(required: dict[str, Any], optional: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One node as /object_info describes it."""
    given = {"required": required} | ({"optional": optional} if optional else {})
    return {"input": given, "output": ["IMAGE"], "output_node": False, "python_module": "nodes"} | more


def merged(*infos: dict[str, Any], graphs: Any = None) -> dict[str, Any]:
    """The contract's entry for a node `N` described by several versions."""
    recorded = {f"1.{number}": {"N": info} for number, info in enumerate(infos)}
    return dict(contract_from_object_info(recorded, ["N"], graphs)["nodes"]["N"])


def test_the_shipped_contract_is_what_the_recordings_give(library: Library, recordings_folder: Path) -> None:
    kept = json.loads((library.folder / "contract.json").read_text())
    assert kept == make_contract(read_recordings(recordings_folder), library.folder)


def test_the_recordings_cover_four_versions_oldest_first(recordings_folder: Path, contract: Contract) -> None:
    assert tuple(read_recordings(recordings_folder)) == VERSIONS == contract.versions


@pytest.mark.parametrize("version", VERSIONS)
def test_every_workflow_is_sound_on_each_version_by_itself(
    library: Library, object_infos: dict[str, dict[str, Any]], version: str
) -> None:
    """A workflow that needs a newer ComfyUI says so, and is not asked of an older one."""
    meant = [one for one in library if one.since is None or numbers(one.since) <= numbers(version)]
    assert len(meant) == (len(library.names) if version != "0.3.77" else len(library.names) - 1)
    nodes = {node["class_type"] for workflow in meant for node in workflow.graph.values()}
    graphs = [workflow.graph for workflow in meant]
    alone = Contract.model_validate(contract_from_object_info({version: object_infos[version]}, nodes, graphs))
    assert [str(finding) for finding in lint_library(meant, alone)] == []


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_a_node_that_is_newer_than_its_workflow_says_is_found(library: Library) -> None:
    for since, codes in (
        ("0.8.0", set()),
        ("0.7.9", set()),
        ("0.3.77", {Code.NODE_NOT_EVERYWHERE}),
        (None, {Code.NODE_NOT_EVERYWHERE}),
    ):
        workflow = replace(library.get("parallax-decompose"), since=since)
        assert {finding.code for finding in lint_library([workflow], library.contract)} == codes


def test_bounds_are_those_that_hold_everywhere() -> None:
    entry = merged(
        described({"x": ["INT", {"min": 0, "max": 63}]}),
        described({"x": ["INT", {"min": -16, "max": 100, "step": 8}]}),
    )
    assert entry["inputs"]["x"] == {"type": "INT", "required": True, "min": 0, "max": 63}


def test_a_step_is_kept_where_all_agree_and_only_for_whole_numbers() -> None:
    node = described({"x": ["INT", {"step": 16}], "y": ["FLOAT", {"step": 0.1}], "z": ["INT", {"step": 1}]})
    inputs = merged(node, node)["inputs"]
    assert inputs["x"]["step"] == 16
    assert "step" not in inputs["y"]
    assert "step" not in inputs["z"]


def test_choices_are_those_that_every_version_offers_in_either_spelling() -> None:
    entry = merged(described({"x": [["a", "b", "c"]]}), described({"x": ["COMBO", {"options": ["c", "d", "b"]}]}))
    assert entry["inputs"]["x"]["values"] == ["b", "c"]


@pytest.mark.parametrize("entry", (["COMBO", {}], ["COMBO", {"options": [{"key": "a", "inputs": {}}]}]))
def test_a_choice_without_plain_options_is_open(entry: list[Any]) -> None:
    assert "values" not in merged(described({"x": entry}))["inputs"]["x"]


def test_bounds_that_are_no_numbers_are_not_taken() -> None:
    entry = merged(described({"x": ["INT", {"min": "low", "max": None}]}))
    assert entry["inputs"]["x"] == {"type": "INT", "required": True}


def test_an_input_that_one_version_demands_is_required() -> None:
    entry = merged(described({}, {"x": ["INT", {}]}), described({"x": ["INT", {}]}))
    assert entry["inputs"]["x"]["required"] is True


def test_an_input_that_came_later_says_since_when() -> None:
    entry = merged(described({}), described({}, {"x": ["INT", {}]}))
    assert entry["inputs"]["x"]["versions"] == ["1.1"]


def test_only_outputs_that_every_version_has_are_kept() -> None:
    entry = merged(described({}, output=["IMAGE", "MASK"]), described({}, output=["IMAGE", "MASK", "INT"]))
    assert entry["outputs"] == ["IMAGE", "MASK"]


def test_optional_values_of_custom_nodes_are_always_sent_and_links_are_not() -> None:
    optional = {"x": ["INT", {}], "mask": ["MASK"]}
    own = merged(described({}, optional))["inputs"]
    custom = merged(described({}, optional, python_module="custom_nodes.pack"))["inputs"]
    assert "always" not in own["x"]
    assert custom["x"]["always"] is True
    assert "always" not in custom["mask"]


def test_model_files_are_those_that_our_graphs_name(contract: Contract) -> None:
    checkpoint = contract.nodes["CheckpointLoaderSimple"].inputs["ckpt_name"]
    assert checkpoint.model
    assert checkpoint.values == ("flux1-dev-fp8.safetensors",)
    assert contract.nodes["LoraLoader"].inputs["lora_name"].values == ()
    assert contract.nodes["LoadImage"].inputs["image"].upload


def test_without_graphs_the_recorded_files_are_kept() -> None:
    info = {"UNETLoader": described({"unet_name": [["a.safetensors"]]})}
    entry = contract_from_object_info({"1.0": info}, ["UNETLoader"])["nodes"]["UNETLoader"]
    assert entry["inputs"]["unet_name"] == {
        "type": "COMBO",
        "required": True,
        "model": True,
        "values": ["a.safetensors"],
    }


def test_the_bounds_that_matter_are_there(contract: Contract) -> None:
    seed = contract.nodes["KSampler"].inputs["seed"]
    assert (seed.min, seed.max) == (0, 2**64 - 1)
    offset = contract.nodes["BiRefNetRMBG"].inputs["mask_offset"]
    assert (offset.min, offset.max, offset.always) == (-20, 20, True)
    assert contract.nodes["EmptySD3LatentImage"].inputs["width"].step == 16
    assert "exp_heun_2_x0" not in (contract.nodes["KSampler"].inputs["sampler_name"].values or ())
    assert [name for name, node in contract.nodes.items() if node.output_node] == ["SaveImage"]


@pytest.mark.parametrize(
    ("infos", "words"),
    (
        ((described({"x": ["INT", {}]}), described({"x": ["FLOAT", {}]})), "changes its type"),
        (({"output": []},), "unknown shape"),
        ((described({"x": []}),), "unknown shape"),
        ((described({"x": 5}),), "unknown shape"),
        (({**described({}), "input": None},), "unknown shape"),
    ),
)
def test_a_description_that_makes_no_sense_is_refused(infos: tuple[dict[str, Any], ...], words: str) -> None:
    with pytest.raises(WorkflowError, match=words):
        merged(*infos)


def test_a_node_that_no_version_knows_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(WorkflowError, match="did you mean 'KSampler'"):
        contract_from_object_info({"1.0": {"KSampler": described({})}}, ["KSamplr"])


def test_recording_again_gives_the_same_contract_and_slim_recordings(
    workflows_copy: Path, recordings_folder: Path, tmp_path: Path
) -> None:
    before = (workflows_copy / "contract.json").read_bytes()
    (workflows_copy / "contract.json").unlink()
    main([str(recordings_folder), str(workflows_copy), "--slim-into", str(tmp_path / "slim")])
    assert (workflows_copy / "contract.json").read_bytes() == before
    for version in VERSIONS:
        name = f"{version}.json"
        assert (tmp_path / "slim" / name).read_bytes() == (recordings_folder / name).read_bytes()


def test_a_new_model_file_enters_the_contract_when_it_is_made_again(
    workflows_copy: Path, recordings_folder: Path
) -> None:
    path = workflows_copy / "txt2img.json"
    path.write_text(path.read_text().replace("flux1-dev-fp8.safetensors", "ours.safetensors"))
    made = Contract.model_validate(make_contract(read_recordings(recordings_folder), workflows_copy))
    assert "ours.safetensors" in (made.nodes["CheckpointLoaderSimple"].inputs["ckpt_name"].values or ())


def test_recordings_without_versions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetmillError, match="no recordings"):
        read_recordings(tmp_path)
    (tmp_path / "latest.json").write_text("{}")
    with pytest.raises(AssetmillError, match="not named for a ComfyUI version"):
        read_recordings(tmp_path)
