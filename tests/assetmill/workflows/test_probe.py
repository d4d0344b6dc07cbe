"""A question holds no output that could run, looks at everything, and its refusal is read for what it covers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from assetmill.localpod.comfyui.validation import validate
from assetmill.localpod.draft.graph import GraphRefused, check
from assetmill.workflows import Contract, Library
from assetmill.workflows.contract import InputSpec, NodeSpec
from assetmill.workflows.library import Workflow
from assetmill.workflows.lint import Code, lint_graph
from assetmill.workflows.probe import (
    REQUIRED_MISSING,
    NodeError,
    Question,
    Refusal,
    can_be_asked,
    faults_in,
    question_about,
)

LINE = re.compile(r"^• Node (\S+) \(errors\): (.*)$", re.MULTILINE)


def classes(library: Library) -> list[str]:
    return sorted({node["class_type"] for workflow in library for node in workflow.graph.values()})


def refused(graph: Any, lacks: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    """Errors by node, as a draft worker without some files and classes tells them."""
    with pytest.raises(GraphRefused) as refusal:
        check(graph, {}, lacks)
    return {key: ast.literal_eval(printed) for key, printed in LINE.findall(str(refusal.value))}


def looked_at(graph: Any) -> set[str]:
    """Nodes that a validation comes to: outputs, and what their links lead to."""
    waiting = [key for key, node in graph.items() if node["class_type"] == "SaveImage"]
    seen: set[str] = set()
    while waiting:
        key = waiting.pop()
        if key not in seen:
            seen.add(key)
            waiting += [value[0] for value in graph[key]["inputs"].values() if isinstance(value, list)]
    return seen


def subsets(library: Library) -> Iterator[tuple[str, ...]]:
    """Nothing, each class alone, and all custom nodes together."""
    yield ()
    yield from ((kind,) for kind in classes(library) if kind != "SaveImage")
    yield tuple(kind for kind in classes(library) if library.contract.nodes[kind].module.startswith("custom_nodes."))


def test_whatever_a_worker_lacks_no_output_of_the_question_could_run(library):
    for unknown in subsets(library):
        question = question_about(library, library.contract, unknown)
        outputs = [key for key, place in question.places.items() if place.output]
        assert outputs
        errors = refused(question.graph)
        assert set(outputs) <= set(errors), f"without {unknown}"
        assert all(question.graph[key]["class_type"] not in unknown for key in question.graph)


def test_comfyui_of_every_recorded_version_refuses_all_outputs_and_names_each_class_it_lacks(library, object_infos):
    for version, info in object_infos.items():
        there = {name: {"output_node": False, **node} for name, node in info.items()}
        lacking = {kind for kind in classes(library) if kind not in there}
        unknown: set[str] = set()
        while (verdict := validate(_question(library, unknown).graph, there, ())).error["type"] == "missing_node_type":
            node_id = verdict.error["extra_info"]["node_id"]
            unknown.add(_question(library, unknown).places[node_id].kind)
        assert unknown == lacking, version
        outputs = {key for key, place in _question(library, unknown).places.items() if place.output}
        assert verdict.error["type"] == "prompt_outputs_failed_validation"
        assert (verdict.good, outputs - set(verdict.node_errors)) == ((), set()), version


def test_every_node_that_stays_is_looked_at_however_much_is_missing(library):
    blind_with = {"DepthAnything_V2": {"DownloadAndLoadDepthAnythingV2Model"}}  # its type leads nowhere else
    always_there = {kind for kind in classes(library) if library.contract.nodes[kind].module == "nodes"}
    for unknown in subsets(library):
        if always_there & set(unknown):
            continue
        question = question_about(library, library.contract, unknown)
        blind = {question.graph[key]["class_type"] for key in set(question.graph) - looked_at(question.graph)}
        allowed = set().union(*(blind_with.get(kind, set()) for kind in unknown))
        assert blind <= allowed, f"without {unknown}"


def test_links_of_a_question_fit_so_that_a_validation_follows_them(library):
    for unknown in subsets(library):
        question = question_about(library, library.contract, unknown)
        found = lint_graph(question.graph, library.contract)
        broken = [one for one in found if one.code in (Code.LINK_TYPE, Code.DANGLING_LINK, Code.CYCLE)]
        assert not broken, f"without {unknown}"


def test_a_missing_file_behind_a_missing_node_is_still_named(library):
    question = question_about([library.get("entity")], library.contract, ("BiRefNetRMBG", "KSampler"))
    errors = refused(question.graph, ("flux1-dev-fp8.safetensors",))
    assert "value_not_in_list" in {error["type"] for found in errors.values() for error in found}


def test_what_was_left_out_on_purpose_is_no_fault_and_anything_else_is(library):
    question = question_about(library, library.contract)
    errors = {
        key: tuple(
            NodeError(one["type"], details=one["details"], input=one["extra_info"].get("input_name", ""))
            for one in found
        )
        for key, found in refused(question.graph, ("flux1-dev-fp8.safetensors",)).items()
    }
    faults = faults_in(question, Refusal(errors=errors), library.contract)
    assert set(faults) == set(library.names)
    assert {error.input for found in faults.values() for _, error in found} == {"ckpt_name"}
    assert not faults["remove-background"], "its picture was never uploaded, which is no fault"
    assert not any(error.type == REQUIRED_MISSING for found in faults.values() for _, error in found)


def test_a_workflow_whose_outputs_are_not_all_reported_is_not_covered(library):
    workflows = [library.get("entity"), library.get("background")]
    question = question_about(workflows, library.contract)
    outputs = {key: place.workflow for key, place in question.places.items() if place.output}
    told = {
        key: (NodeError(REQUIRED_MISSING, input="filename_prefix"),)
        for key, name in outputs.items()
        if name == "entity"
    }
    half = next(key for key, place in question.places.items() if place.workflow == "background" and not place.output)
    told[half] = (NodeError("value_not_in_list", input="ckpt_name"),)
    assert set(faults_in(question, Refusal(errors=told), library.contract)) == {"entity"}


def test_an_output_that_nothing_could_make_invalid_is_replaced_by_one_that_is(library):
    preview = NodeSpec(
        inputs={"images": InputSpec(type="IMAGE", required=True)}, outputs=(), output_node=True,
        versions=library.contract.versions,
    )  # fmt: skip
    contract = Contract(versions=library.contract.versions, nodes={**library.contract.nodes, "PreviewImage": preview})
    graph = {**library.get("background").graph}
    shown = next(node["inputs"]["images"] for node in graph.values() if node["class_type"] == "SaveImage")
    graph["preview"] = {"class_type": "PreviewImage", "inputs": {"images": shown}}
    question = question_about([_workflow(graph)], contract)
    assert "PreviewImage" not in {node["class_type"] for node in question.graph.values()}
    assert set(refused(question.graph)) >= {key for key, place in question.places.items() if place.output}


def test_a_graph_with_a_class_that_nobody_knows_is_never_asked_about(library):
    graph = {"1": {"class_type": "PerhapsAnOutput", "inputs": {}}}
    assert not can_be_asked(_workflow(graph), library.contract)
    assert all(can_be_asked(workflow, library.contract) for workflow in library)


def _question(library: Library, unknown: set[str]) -> Question:
    return question_about(library, library.contract, unknown)


def _workflow(graph: dict[str, Any]) -> Workflow:
    return Workflow("own", graph, {}, frozenset(), (), {"image": "9"})
