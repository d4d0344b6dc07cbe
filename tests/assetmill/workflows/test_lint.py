from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from assetmill.workflows import Code, Contract, Library, lint_graph, lint_workflow
from assetmill.workflows.canonical import Target
from assetmill.workflows.library import Workflow

Graph = dict[str, Any]


def put(node: str, name: str, value: Any) -> Callable[[Graph], None]:
    """Set one input."""
    return lambda graph: graph[node]["inputs"].update({name: value})


def drop(node: str, name: str) -> Callable[[Graph], None]:
    """Take one input away."""
    return lambda graph: graph[node]["inputs"].pop(name)


def add(node: str, kind: str, **inputs: Any) -> Callable[[Graph], None]:
    """Add one node."""
    return lambda graph: graph.update({node: {"class_type": kind, "inputs": inputs}})


def rename(node: str, kind: str) -> Callable[[Graph], None]:
    """Change a node's class."""
    return lambda graph: graph[node].update(class_type=kind)


Fault = tuple[str, Callable[[Graph], Any], Code, str, str]
GRAPH_FAULTS: tuple[Fault, ...] = (
    ("entity", rename("20", "BiRefNet"), Code.UNKNOWN_NODE, "20", ""),
    ("entity", rename("17", "ksampler"), Code.UNKNOWN_NODE, "17", ""),
    ("entity", add("90", "RMBG", image=["8", 0]), Code.UNKNOWN_NODE, "90", ""),
    ("entity", drop("17", "scheduler"), Code.MISSING_INPUT, "17", "scheduler"),
    ("entity", drop("17", "model"), Code.MISSING_INPUT, "17", "model"),
    ("entity", drop("9", "filename_prefix"), Code.MISSING_INPUT, "9", "filename_prefix"),
    ("entity", put("17", "sampler", "euler"), Code.EXTRA_INPUT, "17", "sampler"),
    ("entity", put("5", "length", 1), Code.EXTRA_INPUT, "5", "length"),
    ("entity", drop("20", "mask_blur"), Code.OPTIONAL_NOT_SENT, "20", "mask_blur"),
    ("entity", drop("20", "background"), Code.OPTIONAL_NOT_SENT, "20", "background"),
    ("entity", drop("20", "sensitivity"), Code.OPTIONAL_NOT_SENT, "20", "sensitivity"),
    ("parallax-depth", drop("30", "precision"), Code.OPTIONAL_NOT_SENT, "30", "precision"),
    ("entity", put("17", "steps", "28"), Code.WRONG_TYPE, "17", "steps"),
    ("entity", put("17", "steps", 28.0), Code.WRONG_TYPE, "17", "steps"),
    ("entity", put("17", "steps", True), Code.WRONG_TYPE, "17", "steps"),
    ("entity", put("17", "cfg", "1"), Code.WRONG_TYPE, "17", "cfg"),
    ("entity", put("17", "cfg", False), Code.WRONG_TYPE, "17", "cfg"),
    ("entity", put("17", "denoise", float("nan")), Code.WRONG_TYPE, "17", "denoise"),
    ("entity", put("6", "text", None), Code.WRONG_TYPE, "6", "text"),
    ("entity", put("6", "text", {"a": 1}), Code.WRONG_TYPE, "6", "text"),
    ("entity", put("20", "invert_output", 0), Code.WRONG_TYPE, "20", "invert_output"),
    ("entity", put("20", "background_color", "#222"), Code.WRONG_TYPE, "20", "background_color"),
    ("entity", put("17", "sampler_name", None), Code.WRONG_TYPE, "17", "sampler_name"),
    ("entity", put("4", "ckpt_name", 1), Code.WRONG_TYPE, "4", "ckpt_name"),
    ("entity", put("17", "model", "flux"), Code.WRONG_TYPE, "17", "model"),
    ("entity", put("17", "model", ["4"]), Code.WRONG_TYPE, "17", "model"),
    ("entity", put("17", "model", [4, 0]), Code.WRONG_TYPE, "17", "model"),
    ("entity", put("17", "model", ["4", "0"]), Code.WRONG_TYPE, "17", "model"),
    ("entity", put("17", "steps", 0), Code.OUT_OF_BOUNDS, "17", "steps"),
    ("entity", put("17", "seed", -1), Code.OUT_OF_BOUNDS, "17", "seed"),
    ("entity", put("17", "seed", 2**64), Code.OUT_OF_BOUNDS, "17", "seed"),
    ("entity", put("17", "denoise", 1.01), Code.OUT_OF_BOUNDS, "17", "denoise"),
    ("entity", put("20", "mask_offset", -21), Code.OUT_OF_BOUNDS, "20", "mask_offset"),
    ("entity", put("22", "color", 0x1000000), Code.OUT_OF_BOUNDS, "22", "color"),
    ("txt2img", put("5", "width", 0), Code.OUT_OF_BOUNDS, "5", "width"),
    ("txt2img", put("5", "width", 1000), Code.OFF_STEP, "5", "width"),
    ("entity", put("17", "sampler_name", "eular"), Code.VALUE_NOT_ALLOWED, "17", "sampler_name"),
    ("entity", put("17", "sampler_name", "exp_heun_2_x0"), Code.VALUE_NOT_ALLOWED, "17", "sampler_name"),
    ("entity", put("21", "crop", "middle"), Code.VALUE_NOT_ALLOWED, "21", "crop"),
    ("parallax-depth", put("35", "operation", "minus"), Code.VALUE_NOT_ALLOWED, "35", "operation"),
    ("parallax-depth", put("32", "channel", "grey"), Code.VALUE_NOT_ALLOWED, "32", "channel"),
    ("entity", put("4", "ckpt_name", "flux-dev.safetensors"), Code.MODEL_MISSING, "4", "ckpt_name"),
    ("entity", put("20", "model", "BiRefNet-specific"), Code.MODEL_MISSING, "20", "model"),
    ("entity", put("17", "model", ["44", 0]), Code.DANGLING_LINK, "17", "model"),
    ("entity", put("17", "model", ["4", 3]), Code.DANGLING_LINK, "17", "model"),
    ("entity", put("17", "model", ["4", -1]), Code.DANGLING_LINK, "17", "model"),
    ("entity", lambda graph: graph.pop("24"), Code.DANGLING_LINK, "2", "pixels"),
    ("entity", put("17", "model", ["4", 1]), Code.LINK_TYPE, "17", "model"),
    ("entity", put("9", "images", ["20", 1]), Code.LINK_TYPE, "9", "images"),
    ("entity", put("24", "mask", ["1", 0]), Code.LINK_TYPE, "24", "mask"),
    ("entity", put("17", "steps", ["4", 0]), Code.LINK_TYPE, "17", "steps"),
    ("entity", put("2", "pixels", ["8", 0]), Code.CYCLE, "", ""),
    ("entity", put("23", "mask", ["23", 0]), Code.CYCLE, "23", ""),
    ("entity", put("9", "images", ["8", 0]), Code.DEAD_NODE, "20", ""),
    ("entity", add("90", "InvertMask", mask=["1", 1]), Code.DEAD_NODE, "90", ""),
    ("entity", lambda graph: graph.pop("9"), Code.NO_OUTPUT, "", ""),
    ("entity", lambda graph: graph.clear(), Code.NO_OUTPUT, "", ""),
    (
        "parallax-depth",
        put("52", "filename_prefix", "parallax-depth-mid"),
        Code.DUPLICATE_PREFIX,
        "52",
        "filename_prefix",
    ),
    ("entity", put("9", "filename_prefix", "a/b"), Code.BAD_PREFIX, "9", "filename_prefix"),
    ("entity", put("9", "filename_prefix", "%date%"), Code.BAD_PREFIX, "9", "filename_prefix"),
    ("entity", put("9", "filename_prefix", ""), Code.BAD_PREFIX, "9", "filename_prefix"),
    ("entity", lambda graph: graph.update({"90": "text"}), Code.MALFORMED, "90", ""),
    ("entity", lambda graph: graph.update({"90": {"class_type": "KSampler"}}), Code.MALFORMED, "90", ""),
)


@pytest.mark.parametrize("fault", GRAPH_FAULTS, ids=lambda fault: f"{fault[2]} {fault[3]} {fault[4]}")
def test_a_fault_in_a_graph_is_found_where_it_is(
    graph_of: Callable[[str], Graph], contract: Contract, fault: Fault
) -> None:
    name, breaks, code, node, field = fault
    graph = graph_of(name)
    graph.update({"5": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}}})
    breaks(graph)
    found = [finding for finding in lint_graph(graph, contract) if finding.code is code]
    assert found
    assert any(node in ("", finding.node) and field == finding.input for finding in found)


def test_the_faults_cover_every_code_of_a_graph() -> None:
    of_bindings = {
        Code.BAD_BINDING,
        Code.BINDING_DEFAULTS_DIFFER,
        Code.UNBOUND_PARAMETER,
        Code.INERT_NEGATIVE,
        Code.PLACEHOLDER,
        Code.MISSING_OUTPUT,
        Code.UNCLAIMED_OUTPUT,
        Code.NODE_NOT_EVERYWHERE,
    }
    assert {fault[2] for fault in GRAPH_FAULTS} == set(Code) - of_bindings


@pytest.mark.parametrize(
    "value",
    (
        put("17", "seed", 2**64 - 1),
        put("17", "cfg", 1),
        put("17", "denoise", 0),
        put("20", "mask_offset", 20),
        put("6", "text", "{{words}} ['4', 0] \N{CHERRIES}"),
        put("20", "background_color", "#A0b1C2"),
        put("1", "image", "whatever-is-uploaded.png"),
    ),
)
def test_values_at_the_edge_are_fine(
    graph_of: Callable[[str], Graph], contract: Contract, value: Callable[[Graph], Any]
) -> None:
    graph = graph_of("entity")
    value(graph)
    assert lint_graph(graph, contract) == ()


def test_a_number_may_arrive_over_a_link_of_its_type(graph_of: Callable[[str], Graph], contract: Contract) -> None:
    number = {"class_type": "Width", "inputs": {}}
    spec = {"inputs": {}, "outputs": ["INT"], "versions": contract.versions}
    graph = {**graph_of("txt2img"), "90": number}
    graph["5"]["inputs"]["width"] = ["90", 0]
    wider = Contract.model_validate(
        {**contract.model_dump(), "nodes": {**contract.model_dump()["nodes"], "Width": spec}}
    )
    assert lint_graph(graph, wider) == ()


def test_a_node_that_one_version_lacks_is_found(graph_of: Callable[[str], Graph], contract: Contract) -> None:
    data = contract.model_dump()
    data["nodes"]["GrowMask"]["versions"] = ("0.25.1",)
    found = lint_graph(graph_of("parallax-depth"), Contract.model_validate(data))
    assert [(finding.code, finding.node) for finding in found] == [(Code.NODE_NOT_EVERYWHERE, "40")]
    assert "0.3.77, 0.8.0, 0.17.0" in found[0].message


def test_an_expected_output_that_nothing_writes_is_found(graph_of: Callable[[str], Graph], contract: Contract) -> None:
    graph = graph_of("entity")
    found = lint_graph(graph, contract, expected_outputs={"image": "entity-image", "mask": "entity-mask"})
    assert [finding.code for finding in found] == [Code.MISSING_OUTPUT]
    found = lint_graph(graph, contract, expected_outputs={"image": "other"})
    assert {finding.code for finding in found} == {Code.MISSING_OUTPUT, Code.UNCLAIMED_OUTPUT}


def test_all_faults_are_reported_at_once(graph_of: Callable[[str], Graph], contract: Contract) -> None:
    graph = graph_of("entity")
    for breaks in (put("17", "steps", 0), drop("20", "mask_blur"), rename("23", "Invert"), put("6", "text", 1)):
        breaks(graph)
    codes = {finding.code for finding in lint_graph(graph, contract)}
    assert codes == {Code.OUT_OF_BOUNDS, Code.OPTIONAL_NOT_SENT, Code.UNKNOWN_NODE, Code.WRONG_TYPE}


def test_a_finding_reads_as_one_line_with_its_place(graph_of: Callable[[str], Graph], contract: Contract) -> None:
    graph = graph_of("entity")
    put("17", "scheduler", "simpel")(graph)
    (finding,) = lint_graph(graph, contract, workflow="entity")
    assert str(finding) == (
        "entity node 17 scheduler: 'simpel' is not among the choices; did you mean 'simple'? [value-not-allowed]"
    )


def edited(workflow: Workflow, change: Callable[[Graph], Any]) -> Workflow:
    graph = copy.deepcopy(dict(workflow.graph))
    change(graph)
    return replace(workflow, graph=graph)


def rebound(workflow: Workflow, **parameters: tuple[Target, ...]) -> Workflow:
    return replace(workflow, parameters={**workflow.parameters, **parameters})


def without(workflow: Workflow, name: str) -> Workflow:
    return replace(workflow, parameters={key: value for key, value in workflow.parameters.items() if key != name})


BINDING_FAULTS: tuple[tuple[str, Callable[[Workflow], Workflow], Code], ...] = (
    ("entity", lambda w: rebound(w, prompt=(Target("66", "text"),)), Code.BAD_BINDING),
    ("entity", lambda w: rebound(w, prompt=(Target("6", "txt"),)), Code.BAD_BINDING),
    ("entity", lambda w: rebound(w, prompt=(Target("17", "positive"),)), Code.BAD_BINDING),
    (
        "entity",
        lambda w: rebound(w, height=(*w.parameters["height"], Target("17", "steps"))),
        Code.BINDING_DEFAULTS_DIFFER,
    ),
    ("entity", lambda w: edited(w, put("21", "width", 512)), Code.BINDING_DEFAULTS_DIFFER),
    ("entity", lambda w: without(w, "seed"), Code.UNBOUND_PARAMETER),
    ("entity", lambda w: without(w, "input_image"), Code.UNBOUND_PARAMETER),
    ("entity", lambda w: replace(w, images=()), Code.UNBOUND_PARAMETER),
    ("parallax-depth", lambda w: rebound(w, seed=(Target("17", "seed"),)), Code.UNBOUND_PARAMETER),
    ("txt2img", lambda w: edited(w, put("6", "text", "{{PROMPT}}")), Code.PLACEHOLDER),
    ("txt2img", lambda w: edited(w, put("6", "text", "a ${thing}")), Code.PLACEHOLDER),
    ("txt2img", lambda w: replace(w, negative_cfg=None), Code.INERT_NEGATIVE),
    ("txt2img", lambda w: without(w, "cfg"), Code.INERT_NEGATIVE),
    ("txt2img", lambda w: replace(w, outputs={"image": "99"}), Code.MISSING_OUTPUT),
    ("txt2img", lambda w: replace(w, outputs={"image": "8"}), Code.MISSING_OUTPUT),
    ("parallax-depth", lambda w: replace(w, outputs={"full": "9"}), Code.UNCLAIMED_OUTPUT),
)


@pytest.mark.parametrize(("name", "breaks", "code"), BINDING_FAULTS)
def test_a_fault_in_bindings_is_found(
    library: Library, name: str, breaks: Callable[[Workflow], Workflow], code: Code
) -> None:
    found = lint_workflow(breaks(library.get(name)), library.contract)
    assert code in {finding.code for finding in found}
    assert {finding.workflow for finding in found} == {name}


def test_a_graph_whose_own_cfg_reads_the_negative_prompt_needs_no_other(library: Library) -> None:
    own = edited(library.get("txt2img"), put("17", "cfg", 7.0))
    assert lint_workflow(replace(own, negative_cfg=None), library.contract) == ()
