"""Check workflows as a whole: the graph, its bindings, and what only shows when they are read together.

A parameter that leads nowhere, or a seed that nothing sets, gives pictures that look right and ignore the manifest;
no worker would ever report it. Nothing here binds, repairs or sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assetmill.workflows.canonical import PREFIX_INPUT, SAVE_IMAGE, Target
from assetmill.workflows.contract import Contract
from assetmill.workflows.library import Workflow
from assetmill.workflows.lint import Code, Finding, lint_graph
from assetmill.workflows.names import did_you_mean

MUST_BE_BOUND: Mapping[str, str] = {"LoadImage": "image", "KSampler": "seed", "RandomNoise": "noise_seed"}
"""Inputs whose default is never meant: the same seed for ever, or a picture that nobody uploads."""

_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\$\{.*?\}")


def lint_library(workflows: Iterable[Workflow], contract: Contract) -> tuple[Finding, ...]:
    """Every fault of every workflow; a `Library` is given as it is."""
    return tuple(finding for workflow in workflows for finding in lint_workflow(workflow, contract))


def lint_workflow(workflow: Workflow, contract: Contract) -> tuple[Finding, ...]:
    """Every fault of one workflow: its graph, its bindings, its outputs."""
    found = [
        *lint_graph(
            workflow.graph, contract, expected_outputs=_written(workflow), workflow=workflow.name, since=workflow.since
        ),
        *_lost_outputs(workflow),
        *_bindings(workflow),
        *_unbound(workflow),
        *_placeholders(workflow),
        *_negative(workflow),
    ]
    return tuple(found)


def _written(workflow: Workflow) -> dict[str, str]:
    """Role -> prefix in the template, for outputs that are SaveImage nodes of the graph."""
    nodes = {role: workflow.graph.get(node_id) for role, node_id in workflow.outputs.items()}
    return {role: str(node["inputs"].get(PREFIX_INPUT)) for role, node in nodes.items() if node and _saves(node)}


def _saves(node: Mapping[str, Any]) -> bool:
    return bool(node["class_type"] == SAVE_IMAGE)


def _lost_outputs(workflow: Workflow) -> Iterator[Finding]:
    found = _written(workflow)
    for role, node_id in workflow.outputs.items():
        if role not in found:
            message = f"output {role!r} is bound to node {node_id}, which is no {SAVE_IMAGE} of this graph"
            yield Finding(Code.MISSING_OUTPUT, message, workflow.name, node_id)


def _bindings(workflow: Workflow) -> Iterator[Finding]:
    for name, targets in workflow.parameters.items():
        values = []
        for target in targets:
            if problem := _lost(workflow, target):
                yield Finding(Code.BAD_BINDING, f"parameter {name!r} {problem}", workflow.name, *target)
            else:
                values.append(workflow.graph[target.node]["inputs"][target.input])
        if any(value != values[0] for value in values):
            message = f"parameter {name!r} sets inputs with different defaults: {values}"
            yield Finding(Code.BINDING_DEFAULTS_DIFFER, message, workflow.name, *targets[0])


def _lost(workflow: Workflow, target: Target) -> str:
    """Why a target cannot be set; empty when it can."""
    node = workflow.graph.get(target.node)
    if node is None:
        return f"is bound to a node that is not in the graph; {did_you_mean(target.node, workflow.graph)}"
    if target.input not in node["inputs"]:
        return f"is bound to an input that the node has not; {did_you_mean(target.input, node['inputs'])}"
    return "is bound to a link, which it would cut" if isinstance(node["inputs"][target.input], list) else ""


def _unbound(workflow: Workflow) -> Iterator[Finding]:
    bound = {target: name for name, targets in workflow.parameters.items() for target in targets}
    for node_id, node in workflow.graph.items():
        name = MUST_BE_BOUND.get(node["class_type"])
        if name is None or isinstance(node["inputs"].get(name), list):
            continue
        parameter = bound.get(Target(node_id, name))
        if parameter is None:
            yield Finding(Code.UNBOUND_PARAMETER, "no parameter sets it", workflow.name, node_id, name)
        elif name == "image" and parameter not in workflow.images:
            message = f"parameter {parameter!r} is not listed in `images`, so nothing is uploaded for it"
            yield Finding(Code.UNBOUND_PARAMETER, message, workflow.name, node_id, name)


def _placeholders(workflow: Workflow) -> Iterator[Finding]:
    for node_id, node in workflow.graph.items():
        for name, value in node["inputs"].items():
            if isinstance(value, str) and _PLACEHOLDER.search(value):
                message = f"{value!r} looks like a text template; put a valid default there and bind the input"
                yield Finding(Code.PLACEHOLDER, message, workflow.name, node_id, name)


def _negative(workflow: Workflow) -> Iterator[Finding]:
    cfg = workflow.defaults.get("cfg")
    ignored = isinstance(cfg, int | float) and cfg <= 1 and workflow.negative_cfg is None
    if "negative_prompt" in workflow.parameters and (cfg is None or ignored):
        message = "negative_prompt has no effect at cfg 1: bind cfg and give `negative_cfg`"
        yield Finding(Code.INERT_NEGATIVE, message, workflow.name, *workflow.parameters["negative_prompt"][0])
