from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assetmill.errors import WorkflowError
from assetmill.workflows import Library, bind, effective_values, lint_library, load_library
from assetmill.workflows.canonical import Target
from assetmill.workflows.library import Workflow, default_folder

EXPECTED = {
    "entity": {"image"},
    "background": {"image"},
    "title-hero": {"image"},
    "sheet": {"image"},
    "parallax-depth": {"full", "far", "mid", "near", "depth"},
    "parallax-layers": {f"layer_{index}" for index in range(8)},
    "parallax-decompose": {"full", *(f"layer_{index}" for index in range(8))},
    "txt2img": {"image"},
    "img2img": {"image"},
    "remove-background": {"image"},
}
CUT_OUT = {"entity", "title-hero", "sheet", "remove-background"}


def edit_json(path: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_the_library_holds_the_ten_workflows_with_their_outputs(library: Library) -> None:
    assert {workflow.name: set(workflow.outputs) for workflow in library} == EXPECTED


def test_the_library_is_found_without_naming_a_folder() -> None:
    assert load_library().names == load_library(default_folder()).names


def test_an_installed_copy_reads_its_own_workflows(tmp_path: Path, library: Library) -> None:
    site = tmp_path / "site"
    package = Path(sys.modules["assetmill"].__file__ or "").parent
    shutil.copytree(package, site / "assetmill", ignore=shutil.ignore_patterns("__pycache__", "_workflows"))
    inside = site / "assetmill" / "_workflows"
    inside.mkdir()
    for path in library.folder.iterdir():
        (inside / path.name).write_bytes(path.read_bytes())
    program = f"import sys; sys.path.insert(0, {str(site)!r}); from assetmill.workflows import load_library as l; "
    run = [sys.executable, "-I", "-c", program + "x = l(); print(x.folder); print(len(x.names))"]
    answer = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.split("\n")
    assert answer[:2] == [str(inside), "10"]


def test_every_shipped_workflow_is_free_of_findings(library: Library) -> None:
    assert [str(finding) for finding in lint_library(library, library.contract)] == []


def test_every_cut_out_workflow_saves_what_background_removal_gives(library: Library) -> None:
    for workflow in library:
        saved = {role: workflow.graph[node]["inputs"]["images"][0] for role, node in workflow.outputs.items()}
        cut = {role for role, node in saved.items() if workflow.graph[node]["class_type"] == "BiRefNetRMBG"}
        layers = set(workflow.outputs) - {"layer_0"} if workflow.name == "parallax-layers" else set()
        assert cut == (set(workflow.outputs) if workflow.name in CUT_OUT else layers), workflow.name


def test_workflows_that_need_a_picture_say_so(library: Library) -> None:
    needing = {workflow.name for workflow in library if workflow.needs_image}
    assert needing == {"entity", "sheet", "img2img", "remove-background"}


def test_the_model_files_of_a_workflow_are_named(library: Library) -> None:
    assert library.get("parallax-depth").models == (
        "depth_anything_v2_vits_fp32.safetensors",
        "flux1-dev-fp8.safetensors",
    )
    assert library.get("remove-background").models == ("BiRefNet-general",)


def test_an_unknown_workflow_is_refused_with_the_nearest_name(library: Library) -> None:
    with pytest.raises(WorkflowError, match="did you mean 'title-hero'") as caught:
        library.get("title_hero")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "text", "words"),
    (
        ("entity.json", "{", "is not JSON"),
        ("entity.json", '{"1": {"class_type": "A", "inputs": {}}, "1": {"class_type": "B", "inputs": {}}}', "twice"),
        ("entity.json", '{"1": {"class_type": "A", "inputs": {"x": NaN}}}', "NaN"),
        ("entity.json", "[]", "not a ComfyUI API graph"),
        ("entity.json", "{}", "not a ComfyUI API graph"),
        ("entity.json", '{"nodes": [], "links": []}', "class_type and inputs"),
        ("contract.json", "{}", "node contract"),
        ("contract.json", "nonsense", "node contract"),
        ("bindings.json", '{"version": 2, "workflows": {}}', "version"),
        ("bindings.json", '{"version": 1}', "workflows"),
        ("stray.json", "{}", "no entry in bindings.json"),
    ),
)
def test_a_malformed_file_is_a_workflow_error_that_names_it(
    workflows_copy: Path, name: str, text: str, words: str
) -> None:
    (workflows_copy / name).write_text(text)
    with pytest.raises(WorkflowError, match=words) as caught:
        load_library(workflows_copy)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ("sheet.json", "bindings.json", "contract.json"))
def test_a_missing_file_is_a_workflow_error_that_names_it(workflows_copy: Path, name: str) -> None:
    (workflows_copy / name).unlink()
    with pytest.raises(WorkflowError, match=name):
        load_library(workflows_copy)


@pytest.mark.parametrize(
    ("change", "words"),
    (
        (lambda entry: entry["required"].append("colour"), "not bound: colour"),
        (lambda entry: entry["images"].append("mask_image"), "not bound: mask_image"),
        (lambda entry: entry["parameters"].update(empty=[]), "without a node: empty"),
        (lambda entry: entry.update(output={"image": "9"}), "output"),
        (lambda entry: entry.update(outputs={}), "outputs"),
        (lambda entry: entry.update(negative_cfg=1.0), "negative_cfg"),
    ),
)
def test_bindings_that_contradict_themselves_are_refused(
    workflows_copy: Path, change: Callable[[Any], Any], words: str
) -> None:
    edit_json(workflows_copy / "bindings.json", lambda value: change(value["workflows"]["entity"]))
    with pytest.raises(WorkflowError, match=words):
        load_library(workflows_copy)


def test_the_template_hash_ignores_titles_prefixes_and_bound_defaults(library: Library) -> None:
    entity = library.get("entity")
    graph = copy.deepcopy(dict(entity.graph))
    graph["17"]["_meta"] = {"title": "another title"}
    graph["9"]["inputs"]["filename_prefix"] = "elsewhere"
    graph["6"]["inputs"]["text"] = "another default"
    assert replace(entity, graph=graph).template_hash == entity.template_hash


@pytest.mark.parametrize(
    ("node", "name", "value"),
    (
        ("17", "sampler_name", "heun"),
        ("4", "ckpt_name", "other.safetensors"),
        ("9", "images", ["8", 0]),
        ("21", "crop", "disabled"),
    ),
)
def test_the_template_hash_changes_with_anything_else(library: Library, node: str, name: str, value: Any) -> None:
    entity = library.get("entity")
    graph = copy.deepcopy(dict(entity.graph))
    graph[node]["inputs"][name] = value
    assert replace(entity, graph=graph).template_hash != entity.template_hash


def test_the_template_hash_changes_when_a_parameter_goes_elsewhere(library: Library) -> None:
    entity = library.get("entity")
    swapped = {**entity.parameters, "prompt": (Target("7", "text"),), "negative_prompt": (Target("6", "text"),)}
    assert replace(entity, parameters=swapped).template_hash != entity.template_hash


def test_template_hash_and_effective_values_decide_the_bound_graph(library: Library) -> None:
    """What planning keeps in place of the bound graph: equal pairs bind equally, changed defaults are seen."""
    entity = library.get("entity")
    given = {"prompt": "a chest", "seed": 5, "width": 512, "height": 512}

    def pair(workflow: Workflow) -> tuple[str, dict[str, Any]]:
        return workflow.template_hash, effective_values(workflow, given)

    def bound_hash(workflow: Workflow) -> str:
        return bind(workflow, {**given, "input_image": "a.png"}, prefix="x").hash

    graph = copy.deepcopy(dict(entity.graph))
    graph["17"]["inputs"]["steps"] = 20
    fewer_steps = replace(entity, graph=graph)
    assert fewer_steps.template_hash == entity.template_hash
    assert pair(fewer_steps) != pair(entity)
    assert bound_hash(fewer_steps) != bound_hash(entity)
    assert pair(replace(entity, graph=copy.deepcopy(dict(entity.graph)))) == pair(entity)


def test_a_whole_number_exported_for_a_fraction_stays_a_fraction(workflows_copy: Path) -> None:
    """ComfyUI's editor writes a FLOAT of 1.0 as 1."""
    edit_json(workflows_copy / "entity.json", lambda graph: graph["17"]["inputs"].update(cfg=1, denoise=1))
    entity = load_library(workflows_copy).get("entity")
    assert type(entity.defaults["cfg"]) is float
    given = {"prompt": "a", "seed": 1, "width": 512, "height": 512, "denoise": 0.5}
    assert effective_values(entity, given)["denoise"] == 0.5


def test_the_readme_names_every_workflow_and_parameter(library: Library) -> None:
    text = (library.folder / "README.md").read_text()
    names = {*library.names, *(name for workflow in library for name in workflow.parameters)}
    assert sorted(name for name in names if f"`{name}`" not in text) == []
