"""What the local ComfyUI says of its nodes: GET /object_info, made from the node contract.

The contract was recorded from real servers, so what is offered here is what all of them take. Only nodes that the
draft worker can carry out are there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from assetmill.localpod.draft.nodes import OPERATIONS
from assetmill.workflows.contract import Contract, InputSpec, NodeSpec

ObjectInfo = Mapping[str, Mapping[str, Any]]


def object_info(contract: Contract, lacks: Collection[str], uploaded: Collection[str] = ()) -> dict[str, Any]:
    """Node class -> its description in ComfyUI's own form.

    Args:
        contract: the nodes that there are.
        lacks: node classes and model files to leave out.
        uploaded: names of the pictures in the input folder.
    """
    return {
        name: _node(name, spec, lacks, uploaded)
        for name, spec in contract.nodes.items()
        if name in OPERATIONS and name not in lacks
    }


def _node(name: str, spec: NodeSpec, lacks: Collection[str], uploaded: Collection[str]) -> dict[str, Any]:
    inputs: dict[str, dict[str, Any]] = {"required": {}, "optional": {}}
    for key, wanted in spec.inputs.items():
        inputs["required" if wanted.required else "optional"][key] = _input(wanted, lacks, uploaded)
    given = {kind: entries for kind, entries in inputs.items() if entries}
    return {
        "input": given,
        "input_order": {kind: list(entries) for kind, entries in given.items()},
        "is_input_list": False,
        "output": list(spec.outputs),
        "output_is_list": [False] * len(spec.outputs),
        "output_name": list(spec.outputs),
        "name": name,
        "display_name": name,
        "description": "",
        "python_module": spec.module,
        "category": "",
        "output_node": spec.output_node,
    }


def _input(spec: InputSpec, lacks: Collection[str], uploaded: Collection[str]) -> list[Any]:
    if spec.upload:
        return [sorted(uploaded), {"image_upload": True}]
    if spec.type == "COMBO":
        return ["COMBO", {}] if spec.values is None else [[value for value in spec.values if value not in lacks], {}]
    bounds = {"min": spec.min, "max": spec.max, "step": spec.step}
    return [spec.type, {key: bound for key, bound in bounds.items() if bound is not None}]
