"""What graphs need of a worker: node classes, and model files where the nodes look for them.

It is read off the graphs and the node contract and knows nothing of an image. Which files stand behind a name that a
custom node chooses from its own list is written down here, because no server tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from assetmill.workflows import Library

FOLDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "CheckpointLoaderSimple": ("checkpoints",),
        "UNETLoader": ("unet", "diffusion_models"),
        "VAELoader": ("vae",),
        "CLIPLoader": ("clip", "text_encoders"),
        "DualCLIPLoader": ("clip", "text_encoders"),
        "LoraLoader": ("loras",),
        "LoraLoaderModelOnly": ("loras",),
        "UpscaleModelLoader": ("upscale_models",),
        "ControlNetLoader": ("controlnet",),
        "BiRefNetRMBG": ("RMBG/BiRefNet",),
        "DownloadAndLoadDepthAnythingV2Model": ("depthanything",),
    }
)
"""Node class -> model folders in which it finds a file; two names of one folder are as good as each other."""

VARIANTS: Mapping[str, frozenset[str]] = MappingProxyType({"layered": frozenset({"parallax-decompose"})})
"""Set of the lock beside core -> workflows that only an image of that set has to run."""

BIREFNET_CODE = ("BiRefNet_config.py", "config.json")


@dataclass(frozen=True, slots=True)
class Need:
    """A model that a graph names.

    Args:
        workflow: its workflow.
        node: id of the node.
        kind: class of the node.
        name: the model, as the graph names it.
    """

    workflow: str
    node: str
    kind: str
    name: str

    @property
    def files(self) -> tuple[str, ...]:
        """Files that stand behind the name; a node that lacks one of them fetches it with its first job."""
        if self.kind != "BiRefNetRMBG":
            return (self.name,)
        code = "birefnet_lite.py" if "_lite" in self.name else "birefnet.py"
        return (f"{self.name}.safetensors", code, *BIREFNET_CODE)

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders in which the node looks; none where nobody wrote that down."""
        return FOLDERS.get(self.kind, ())


def models_needed(library: Library) -> tuple[Need, ...]:
    """Every model that a graph names, in the order of the graphs."""
    found: list[Need] = []
    for workflow in library:
        for node_id, node in workflow.graph.items():
            spec = library.contract.nodes.get(node["class_type"])
            inputs = spec.inputs if spec else {}
            found += [
                Need(workflow.name, node_id, node["class_type"], value)
                for key, value in node["inputs"].items()
                if key in inputs and inputs[key].model and isinstance(value, str)
            ]
    return tuple(found)


def unknown_classes(library: Library) -> dict[str, str]:
    """Class that the node contract does not know -> a workflow that uses it."""
    found: dict[str, str] = {}
    for workflow in library:
        for node in workflow.graph.values():
            if node["class_type"] not in library.contract.nodes:
                found.setdefault(node["class_type"], workflow.name)
    return found


def packs_needed(library: Library) -> dict[str, dict[str, str]]:
    """Folder of a custom node pack -> class -> a workflow that uses it."""
    found: dict[str, dict[str, str]] = {}
    for workflow in library:
        for node in workflow.graph.values():
            spec = library.contract.nodes.get(node["class_type"])
            room, _, folder = (spec.module if spec else "").partition(".")
            if room == "custom_nodes":
                found.setdefault(folder, {}).setdefault(node["class_type"], workflow.name)
    return found
