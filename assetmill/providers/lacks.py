"""What a ComfyUI lacks for a workflow, in plain words: a node and its pack, a model file and its folder, a value.

Whoever has found out, be it from a refused job or from a node list, says it in these words and no others, so that a
person reads the same of every endpoint. Nothing here asks anybody. Folders are those of ComfyUI, and of the custom
nodes that `workflows/README.md` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assetmill.providers.base import Ability
from assetmill.workflows.contract import FILE_INPUTS, MODEL_CHOICES, Contract
from assetmill.workflows.library import Workflow

CUSTOM = "custom_nodes."
OFFERED = 3
"""Files that are named as being there in place of a missing one: more would hide what is missing."""

FOLDERS: Mapping[tuple[str, str], str] = {
    ("CheckpointLoaderSimple", "ckpt_name"): "models/checkpoints",
    ("UNETLoader", "unet_name"): "models/diffusion_models or models/unet",
    ("VAELoader", "vae_name"): "models/vae",
    ("CLIPLoader", "clip_name"): "models/text_encoders or models/clip",
    ("DualCLIPLoader", "clip_name1"): "models/text_encoders or models/clip",
    ("DualCLIPLoader", "clip_name2"): "models/text_encoders or models/clip",
    ("LoraLoader", "lora_name"): "models/loras",
    ("LoraLoaderModelOnly", "lora_name"): "models/loras",
    ("UpscaleModelLoader", "model_name"): "models/upscale_models",
    ("ControlNetLoader", "control_net_name"): "models/controlnet",
    ("BiRefNetRMBG", "model"): "models/RMBG/BiRefNet",
    ("DownloadAndLoadDepthAnythingV2Model", "model"): "models/depthanything",
}
"""Folder below ComfyUI's own that the file of a loader's input lies in."""


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that is not there.

    Args:
        name: class of the node, name of the file, or `Node.input` of what else is wrong.
        words: what to make of it.
    """

    name: str
    words: str


def missing_node(kind: str, contract: Contract) -> Lack:
    """A node class that the server does not know."""
    spec = contract.nodes.get(kind)
    if spec is not None and spec.module.startswith(CUSTOM):
        return Lack(kind, f"it has no node {kind} of the node pack {spec.module.removeprefix(CUSTOM)}")
    if spec is not None and spec.versions != contract.versions:
        return Lack(kind, f"it has no node {kind}, which ComfyUI has from {spec.versions[0]} on")
    return Lack(kind, f"it has no node {kind}" + (" of ComfyUI itself" if spec else ""))


def wrong_value(kind: str, name: str, value: object, offered: Iterable[object], contract: Contract) -> Lack:
    """A value that an input does not offer there, which mostly is a file.

    Args:
        kind: class of the node.
        name: its input.
        value: what the graph asks for.
        offered: what there is instead, as far as it was told.
        contract: knows the node packs.
    """
    folder = FOLDERS.get((kind, name))
    if name in FILE_INPUTS.get(kind, ()):
        there = _listed(offered)
        where = f" in {folder}" if folder else f", which node {kind} loads"
        return Lack(str(value), f"it has no model {value}{where}" + (f" (but {there})" if there else ""))
    spec = contract.nodes.get(kind)
    pack = f" of node pack {spec.module.removeprefix(CUSTOM)}" if spec and spec.module.startswith(CUSTOM) else ""
    if name in MODEL_CHOICES.get(kind, ()):
        return Lack(str(value), f"its node {kind}{pack} does not offer model {value}: it needs another version")
    told = f"its node {kind}{pack} does not take {value!r} as {name}: it needs another version"
    return Lack(f"{kind}.{name}", told)


def other_fault(kind: str, name: str, message: str, details: str) -> Lack:
    """Anything else that the server has against a node; its words are repeated, on one line and not too long."""
    place = f"{kind}.{name}" if name else kind
    told = " ".join(part for part in (message, details if details != name else "") if part)
    return Lack(place, f"{place}: {told}")


def unseen_files(workflow: Workflow) -> str:
    """What no validation looks at: files that a custom node fetches by itself; empty where there are none."""
    found: dict[str, None] = {}
    for node in workflow.graph.values():
        for name in MODEL_CHOICES.get(node["class_type"], ()):
            folder = FOLDERS.get((node["class_type"], name), "its own folder")
            found[f"{node['inputs'].get(name)} in {folder}"] = None
    return f"not seen: {', '.join(found)}; fetched at the first job if missing" if found else ""


def ability_of(workflow: Workflow, lacks: Iterable[Lack]) -> Ability:
    """The ability that follows: able if nothing is missing."""
    missing = {lack.name: lack for lack in lacks}
    if missing:
        why = "; ".join(dict.fromkeys(lack.words for lack in missing.values()))
        return Ability(workflow.name, able=False, why=why, missing=tuple(missing))
    return Ability(workflow.name, able=True, why=unseen_files(workflow))


def _listed(offered: Iterable[object]) -> str:
    names = [str(one) for one in offered]
    more = f" and {len(names) - OFFERED} more" if len(names) > OFFERED else ""
    return ", ".join(names[:OFFERED]) + more
