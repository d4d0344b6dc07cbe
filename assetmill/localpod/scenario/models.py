"""The models that the local Scenario has, and what each of them takes: the schema that `GET /models/{id}` answers.

Classic models are asked by `/generate/txt2img` and `/generate/img2img`, the others by `/generate/custom/{id}`, each
with inputs of its own. Only tables; what a body must look like is checked in `orders`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal


class Does(StrEnum):
    """What a model or a call makes."""

    TXT2IMG = "txt2img"
    IMG2IMG = "img2img"
    REMOVE_BACKGROUND = "remove-background"
    LAYERS = "layers"
    EXTRACTION = "extraction"


@dataclass(frozen=True, slots=True)
class Input:
    """One field of a body.

    Args:
        name: its name there.
        type: its JSON type; `file` is the id of an asset or a data URL, `file_array` a list of ids.
        required: it must be there.
        least: smallest number, or fewest characters.
        most: largest number, or most characters.
        step: a number must be a multiple of it.
        default: what holds without it.
        allowed: the only texts that it may be.
    """

    name: str
    type: Literal["string", "number", "boolean", "file", "file_array"] = "string"
    required: bool = False
    least: float | None = None
    most: float | None = None
    step: float | None = None
    default: Any = None
    allowed: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """As `GET /models/{id}` lists it."""
        told: dict[str, Any] = {"name": self.name, "type": self.type}
        if self.required:
            told["required"] = {"always": True}
        bounds = ("minLength", "maxLength") if self.type == "string" else ("min", "max")
        extras = {
            bounds[0]: self.least,
            bounds[1]: self.most,
            "step": self.step,
            "default": self.default,
            "allowedValues": list(self.allowed) or None,
            "kind": "image" if self.type.startswith("file") else None,
        }
        return told | {name: value for name, value in extras.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Model:
    """A model.

    Args:
        id: its id; custom ones begin with `model_`.
        name: for people.
        type: its family, in Scenario's words, which have none of its own for Stable Diffusion any more.
        does: what it can be asked for.
        guidance: (least, usual, most) guidance of a classic one.
        inputs: fields of a custom one's body; those of classic ones stand with their calls.
    """

    id: str
    name: str
    type: str
    does: frozenset[Does]
    guidance: tuple[float, float, float] = (0.0, 7.5, 20.0)
    inputs: tuple[Input, ...] = ()

    @property
    def custom(self) -> bool:
        """It is asked by `/generate/custom/{id}`."""
        return bool(self.inputs)

    @property
    def flux(self) -> bool:
        """It belongs to the Flux family."""
        return "flux" in self.id

    def capabilities(self) -> list[str]:
        """In Scenario's words, which know pictures from words and pictures from pictures."""
        made = {"txt2img" if does is Does.TXT2IMG else "img2img" for does in self.does}
        return sorted(made, reverse=True)


_PICTURES: Final = frozenset({Does.TXT2IMG, Does.IMG2IMG})
_IMAGE: Final = Input("image", "file", required=True)

MODELS: Final = (
    Model("flux.1-dev", "FLUX.1 dev", "flux.1", _PICTURES, (0.0, 3.5, 10.0)),
    Model("flux.1-pro", "FLUX.1 pro", "flux.1-pro", _PICTURES, (2.0, 3.0, 5.0)),
    Model("flux.1.1-pro-ultra", "FLUX 1.1 pro ultra", "flux.1.1-pro-ultra", _PICTURES, (2.0, 3.0, 5.0)),
    Model("stable-diffusion-xl-base-1.0", "SDXL", "custom", _PICTURES, (0.0, 6.0, 20.0)),
    Model("stable-diffusion-v1-5", "Stable Diffusion 1.5", "custom", _PICTURES, (0.0, 7.5, 20.0)),
    Model(
        "model_retrodiffusion-plus", "Retro Diffusion Plus", "custom", _PICTURES,
        inputs=(
            Input("prompt", required=True, least=1, most=4096),
            Input("width", "number", least=16, most=2048, default=256),
            Input("height", "number", least=16, most=2048, default=256),
            Input("image", "file"),
            Input("strength", "number", least=0.01, most=1),
            Input("numOutputs", "number", least=1, most=8, step=1, default=1),
            Input("seed", "number", least=0, most=2**32 - 1, step=1),
        ),
    ),
    Model(
        "model_local-painter", "Painter", "custom", _PICTURES,
        inputs=(
            Input("prompt", required=True, least=1, most=4096),
            Input("aspectRatio", allowed=("1:1", "16:9", "9:16", "4:3", "3:4"), default="1:1"),
            Input("referenceImages", "file_array", most=4),
            Input("seed", "number", least=0, most=2**32 - 1, step=1),
        ),
    ),
    Model(
        "model_bria-remove-background", "Bria Remove Background", "custom", frozenset({Does.REMOVE_BACKGROUND}),
        inputs=(_IMAGE,),
    ),
    Model(
        "model_qwen-image-layered", "Qwen Image Layered", "custom", frozenset({Does.LAYERS}),
        inputs=(
            _IMAGE,
            Input("layersCount", "number", least=1, most=10, step=1, default=4),
            Input("description", most=4096),
            Input("goFast", "boolean", default=True),
        ),
    ),
    Model(
        "model_scenario-image-layers-extractor", "Image to Layers", "custom", frozenset({Does.EXTRACTION}),
        inputs=(
            _IMAGE,
            Input("separationInstruction", required=True, least=1, most=4096),
            Input("maxLayers", "number", least=1, most=20, step=1, default=6),
            Input("inpaintModel", default="gpt-image-2"),
            Input("inpaintPrompt", most=4096),
        ),
    ),
)  # fmt: skip
"""Guidance after Scenario's help pages; inputs of the tools after its pages about each model. The bounds of
`layersCount` and `maxLayers`, Retro Diffusion's inputs but the prompt, and the painter, which stands for models that
take a ratio and reference pictures, are ours."""
