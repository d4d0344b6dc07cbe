"""The node contract: what ComfyUI accepts, known before anything is sent or paid for.

ComfyUI validates a graph only when it is queued, and some faults (an optional input that a custom node reads without
a default) only when it runs, which is charged. The contract is made from recorded /object_info answers of several
ComfyUI versions and holds what is true on all of them: bounds and allowed values are intersections. It is data and is
regenerated (`assetmill.workflows.record`), never edited by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assetmill.errors import WorkflowError
from assetmill.workflows.names import did_you_mean

Scalar = bool | int | float | str

VALUE_TYPES = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COLORCODE"})
"""Types that are written as values; every other type arrives over a link."""

FILE_INPUTS: Mapping[str, tuple[str, ...]] = {
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "VAELoader": ("vae_name",),
    "CLIPLoader": ("clip_name",),
    "DualCLIPLoader": ("clip_name1", "clip_name2"),
    "LoraLoader": ("lora_name",),
    "LoraLoaderModelOnly": ("lora_name",),
    "UpscaleModelLoader": ("model_name",),
    "ControlNetLoader": ("control_net_name",),
}
"""Inputs whose allowed values are the files on that machine, so that a recording of them says nothing."""

MODEL_CHOICES: Mapping[str, tuple[str, ...]] = {
    "BiRefNetRMBG": ("model",),
    "DownloadAndLoadDepthAnythingV2Model": ("model",),
}
"""Inputs that choose a model from a list fixed in the custom node's own code."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Frozen):
    """What one input of a node accepts."""

    type: str = Field(description="ComfyUI's type name; COMBO for a choice.")
    required: bool = Field(False, description="Whether ComfyUI refuses a graph without it.")
    min: int | float | None = Field(None, description="Least value.")
    max: int | float | None = Field(None, description="Greatest value.")
    step: int | None = Field(None, description="Whole-number grid; off it ComfyUI rounds the picture down silently.")
    values: tuple[Scalar, ...] | None = Field(None, description="Allowed values of a COMBO; None: any.")
    model: bool = Field(False, description="Whether the value names a model file.")
    upload: bool = Field(False, description="Whether the value names an uploaded picture.")
    always: bool = Field(False, description="Optional for ComfyUI, yet the custom node fails without it.")
    versions: tuple[str, ...] = Field((), description="Versions that know this input; empty: all of the node's.")

    @property
    def is_value(self) -> bool:
        """Whether the input may be written as a value rather than linked."""
        return self.type in VALUE_TYPES


class NodeSpec(_Frozen):
    """What one node class takes and gives."""

    inputs: dict[str, InputSpec] = Field(description="Inputs by name.")
    outputs: tuple[str, ...] = Field(description="Output types, in order.")
    output_node: bool = Field(False, description="Whether ComfyUI runs the graph for this node's sake.")
    module: str = Field("", description="Python module that registers the node.")
    versions: tuple[str, ...] = Field(description="Versions that know the node.")


class Contract(_Frozen):
    """The nodes that graphs may use."""

    versions: tuple[str, ...] = Field(description="Versions that were recorded.")
    nodes: dict[str, NodeSpec] = Field(description="Nodes by class.")


def load_contract(path: Path) -> Contract:
    """Read a contract file.

    Raises:
        WorkflowError: it is missing or is no contract.
    """
    try:
        return Contract.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        problem = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        raise WorkflowError(
            f"node contract {path}: {problem}", hint="regenerate it: workflows/README.md says how"
        ) from error


def contract_from_object_info(
    infos: Mapping[str, Mapping[str, Any]], nodes: Iterable[str], graphs: Iterable[Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Make a contract from /object_info answers.

    Args:
        infos: version -> that version's /object_info answer.
        nodes: classes to describe.
        graphs: graphs whose model files become the allowed ones; None keeps the files that were recorded.

    Returns:
        A JSON value that `Contract` accepts.

    Raises:
        WorkflowError: no version knows a node, a node is described in a shape that cannot be read, or versions
            disagree about an input's type.
    """
    named = None if graphs is None else _named_files(graphs)
    return {
        "versions": list(infos),
        "nodes": {name: _node(name, infos, named) for name in sorted(set(nodes))},
    }


def _named_files(graphs: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], set[str]]:
    named: dict[tuple[str, str], set[str]] = {}
    for node in (node for graph in graphs for node in graph.values()):
        for name in FILE_INPUTS.get(node["class_type"], ()):
            if isinstance(value := node["inputs"].get(name), str):
                named.setdefault((node["class_type"], name), set()).add(value)
    return named


@dataclass(slots=True)
class _Recorded:
    """One input as one version describes it."""

    version: str
    required: bool
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _node(
    name: str, infos: Mapping[str, Mapping[str, Any]], named: Mapping[tuple[str, str], set[str]] | None
) -> dict[str, Any]:
    known = {version: info[name] for version, info in infos.items() if name in info}
    if not known:
        everything = {other for info in infos.values() for other in info}
        raise WorkflowError(f"no recorded ComfyUI has a node {name!r}", hint=did_you_mean(name, everything))
    try:
        recorded: dict[str, list[_Recorded]] = {}
        for version, info in known.items():
            for entry_name, entry in _inputs(version, info):
                recorded.setdefault(entry_name, []).append(entry)
        outputs = [[str(item) for item in info["output"]] for info in known.values()]
        module = str(next(reversed(known.values())).get("python_module", ""))
        output_node = all(info.get("output_node", False) for info in known.values())
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise WorkflowError(f"/object_info describes node {name!r} in an unknown shape: {error!r}") from error
    custom = module.startswith("custom_nodes.")
    return {
        "module": module,
        "versions": list(known),
        "output_node": output_node,
        "outputs": _common_start(outputs),
        "inputs": {
            input_name: _merge(name, input_name, entries, custom=custom, versions=len(known), named=named)
            for input_name, entries in recorded.items()
        },
    }


def _inputs(version: str, info: Mapping[str, Any]) -> Iterable[tuple[str, _Recorded]]:
    """Both spellings of a choice: `[[...], {}]` and `["COMBO", {"options": [...]}]`."""
    for kind in ("required", "optional"):
        for name, (head, *rest) in (info["input"].get(kind) or {}).items():
            options = dict(rest[0]) if rest else {}
            if isinstance(head, list):
                head, options = "COMBO", {**options, "options": head}  # noqa: PLW2901  one spelling from here on
            yield name, _Recorded(version, kind == "required", str(head), options)


def _common_start(lists: Sequence[Sequence[str]]) -> list[str]:
    """Outputs that every version has at the same number; newer versions only add at the end."""
    return [column[0] for column in takewhile(lambda column: len(set(column)) == 1, zip(*lists, strict=False))]


def _merge(
    node: str,
    name: str,
    entries: Sequence[_Recorded],
    *,
    custom: bool,
    versions: int,
    named: Mapping[tuple[str, str], set[str]] | None,
) -> dict[str, Any]:
    types = {entry.type for entry in entries}
    if len(types) > 1:
        raise WorkflowError(f"{node}.{name} changes its type between versions: {', '.join(sorted(types))}")
    kind = types.pop()
    required = any(entry.required for entry in entries)
    spec: dict[str, Any] = {"type": kind, "required": required} | _bounds(entries)
    if kind == "COMBO":
        spec |= _choice(node, name, entries, named)
    if custom and not required and kind in VALUE_TYPES:
        spec["always"] = True
    if len(entries) < versions:
        spec["versions"] = [entry.version for entry in entries]
    return spec


def _bounds(entries: Sequence[_Recorded]) -> dict[str, Any]:
    low = [bound for entry in entries if isinstance(bound := entry.options.get("min"), int | float)]
    high = [bound for entry in entries if isinstance(bound := entry.options.get("max"), int | float)]
    steps = {entry.options.get("step") for entry in entries}
    step = steps.pop() if len(steps) == 1 else None
    bounds: dict[str, Any] = {"min": max(low)} if low else {}
    if high:
        bounds["max"] = min(high)
    if isinstance(step, int) and step > 1:
        bounds["step"] = step
    return bounds


def _choice(
    node: str, name: str, entries: Sequence[_Recorded], named: Mapping[tuple[str, str], set[str]] | None
) -> dict[str, Any]:
    if any(entry.options.get("image_upload") for entry in entries):
        return {"upload": True}
    is_file = name in FILE_INPUTS.get(node, ())
    if is_file and named is not None:
        return {"model": True, "values": sorted(named.get((node, name), ()))}
    lists = [entry.options["options"] for entry in entries if isinstance(entry.options.get("options"), list)]
    choice: dict[str, Any] = {"model": True} if is_file or name in MODEL_CHOICES.get(node, ()) else {}
    plain = all(isinstance(value, Scalar) for values in lists for value in values)
    if lists and plain:  # newer nodes offer choices that are forms of their own; those stay open
        choice["values"] = [value for value in lists[0] if all(value in other for other in lists[1:])]
    return choice
