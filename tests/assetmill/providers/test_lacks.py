"""What is missing is told with where it belongs."""

from __future__ import annotations

import pytest

from assetmill.providers.lacks import FOLDERS, ability_of, missing_node, other_fault, unseen_files, wrong_value
from assetmill.workflows import Library, load_library
from assetmill.workflows.contract import FILE_INPUTS, MODEL_CHOICES


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


def test_every_input_that_names_a_file_has_its_folder():
    named = {(kind, name) for inputs in (FILE_INPUTS, MODEL_CHOICES) for kind in inputs for name in inputs[kind]}
    assert named == set(FOLDERS)


def test_a_node_is_told_with_its_pack_or_the_version_that_brings_it(library):
    contract = library.contract
    assert missing_node("BiRefNetRMBG", contract).words.endswith("of the node pack comfyui-rmbg")
    assert missing_node("KSampler", contract).words == "it has no node KSampler of ComfyUI itself"
    newer = next(name for name, spec in contract.nodes.items() if spec.versions != contract.versions)
    assert missing_node(newer, contract).words.endswith("which ComfyUI has from 0.8.0 on")
    assert missing_node("Own", contract).words == "it has no node Own"


def test_a_file_is_told_with_its_folder_and_with_what_lies_there(library):
    lack = wrong_value("CheckpointLoaderSimple", "ckpt_name", "a.safetensors", list("bcdef"), library.contract)
    assert lack.words == "it has no model a.safetensors in models/checkpoints (but b, c, d and 2 more)"


def test_a_choice_that_a_node_does_not_offer_asks_for_another_version(library):
    lack = wrong_value("BiRefNetRMBG", "model", "Lucida", ["BiRefNet-general"], library.contract)
    told = "its node BiRefNetRMBG of node pack comfyui-rmbg does not offer model Lucida"
    assert lack.words == f"{told}: it needs another version"
    assert wrong_value("KSampler", "sampler_name", "x", (), library.contract).name == "KSampler.sampler_name"


def test_what_is_missing_twice_is_told_once_and_what_nobody_looks_at_is_told_of_the_able(library):
    workflow = library.get("entity")
    lack = missing_node("BiRefNetRMBG", library.contract)
    ability = ability_of(workflow, [lack, other_fault("KSampler", "seed", "too large", "seed"), lack])
    assert (ability.able, ability.missing) == (False, ("BiRefNetRMBG", "KSampler.seed"))
    assert ability.why == f"{lack.words}; KSampler.seed: too large"
    able = ability_of(workflow, [])
    assert (able.able, able.why) == (True, unseen_files(workflow))
    assert "BiRefNet-general in models/RMBG/BiRefNet" in able.why
    assert ability_of(library.get("background"), []).why == ""
