"""Which calls of Scenario's make an asset, in which order, and what of an asset decides their bodies.

A pipeline is data: templates of bodies in which `{"$parameter": name}` stands for a value of the picture and
`{"$step": n}` for the asset that an earlier step made. Nothing is sent and nothing is drawn here, and a plan of
thousands of assets loads no client for it. A road that does not exist is an error with the reason, never a quiet
substitute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assetmill.errors import WorkflowError
from assetmill.manifest.models import Asset, Background, Entity, Parallax, Sheet, TitleHero
from assetmill.manifest.parallax import WHOLE, count_of, layer_role
from assetmill.providers.scenario.templates import (
    IMAGE,
    OPTIONAL,
    PARAMETER,
    Call,
    cut_out,
    filled,
    layered,
    redraw,
    txt2img,
    upload,
)
from assetmill.workflows.contract import Scalar

PICTURE = "image"
DRAFT_MODEL = "draft-1"
DRAWN_AS = "flux.1-dev"
"""What a stand-in that draws placeholders is asked for: the model that drafts name exists nowhere."""


@dataclass(frozen=True, slots=True)
class BoundPipeline:
    """A pipeline with every parameter set: what a request carries, and a role for every picture that comes back.

    Args:
        graph: JSON: its name and its steps, each with `call`, `body`, `roles` and `paid`.
        outputs: role -> a name unique to the attempt; only the roles count.
    """

    graph: dict[str, Any]
    outputs: dict[str, str]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Calls that make one picture; a `Recipe` of plans.

    Args:
        name: as plans and books name it.
        model: Scenario's id of the model that draws.
        steps: the calls, in the order in which they are made.
    """

    name: str
    model: str
    steps: tuple[Call, ...]

    @property
    def template_hash(self) -> str:
        """Sha256 over its name, its calls and their bodies without the bound values."""
        return _hash(self)

    @property
    def needs_image(self) -> bool:
        """Whether a guide or another picture is uploaded first."""
        return self.steps[0].call == "upload"

    @property
    def outputs(self) -> Collection[str]:
        """Roles of the pictures that come back, in the order of the calls that make them."""
        return tuple(role for step in self.steps for role in step.roles)

    @property
    def calls(self) -> tuple[str, ...]:
        """Calls that are charged one by one: `txt2img`, `img2img`, `remove-background`, `layered`."""
        return tuple(step.kind for step in self.steps if step.paid)

    @property
    def models(self) -> tuple[str, ...]:
        """Ids of the models that its calls name, each once."""
        named = [str(step.body["modelId"]) for step in self.steps if "modelId" in step.body]
        return tuple(dict.fromkeys(named))

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """Offered parameters that its model has no place for: `negative_prompt` with flux and custom models."""
        return tuple(sorted(OPTIONAL - set(_parameters(self.steps))))

    def values(self, offered: Mapping[str, Any]) -> Mapping[str, Scalar]:
        """Of the offered values those that its bodies hold.

        Raises:
            WorkflowError: one that it needs is missing.
        """
        names = _parameters(self.steps)
        missing = sorted(name for name in names if name not in offered and name not in OPTIONAL)
        if missing:
            raise WorkflowError(f"pipeline {self.name} needs {', '.join(missing)}")
        return {name: offered[name] for name in names if name in offered}

    def bind(self, values: Mapping[str, Any], *, prefix: str, image: str | None) -> BoundPipeline:
        """Put values into the bodies.

        Args:
            values: as `values` gives them.
            prefix: unique to the attempt.
            image: name of the picture that is uploaded; None where none is.

        Raises:
            WorkflowError: a value or the picture is missing.
        """
        if self.needs_image and image is None:
            raise WorkflowError(f"pipeline {self.name} needs a picture, and there is none")
        known = {**self.values(values), IMAGE: image}
        steps = [
            {"call": step.call, "body": filled(step.body, known), "roles": list(step.roles), "paid": step.paid}
            for step in self.steps
        ]
        return BoundPipeline(
            {"pipeline": self.name, "steps": steps}, {role: f"{prefix}-{role}" for role in self.outputs}
        )


def pipeline_for(asset: Asset, model: str) -> Pipeline:
    """The pipeline that makes an asset with a model of Scenario's.

    Raises:
        WorkflowError: Scenario has no way to make it; the message says what to do.
    """
    model = DRAWN_AS if model == DRAFT_MODEL else model
    if asset.workflow is not None:
        raise WorkflowError(
            f"workflow {asset.workflow} is a ComfyUI graph, and Scenario runs none",
            hint="take `workflow` away, or have it made by runpod or comfyui",
        )
    redrawn = bool(asset.references)
    match asset:
        case Entity():
            return _guided("scenario-entity", model, cut=True)
        case Background():
            return _guided("scenario-img2img", model, cut=False) if redrawn else _painted("scenario-background", model)
        case TitleHero():
            return _title(model, redrawn=redrawn, transparent=asset.transparent)
        case Sheet():
            return _guided("scenario-sheet" if asset.cutout else "scenario-img2img", model, cut=asset.cutout)
        case Parallax():
            return _parallax(asset, model)


def cut_out_alone(model: str) -> Pipeline:
    """The pipeline that takes the background away from a picture that is there; no asset asks for it.

    Args:
        model: Scenario's id of the endpoint's model, which draws nothing here.
    """
    return Pipeline("scenario-remove-background", model, (upload(), cut_out(0, (PICTURE,))))


def pipelines_of(model: str, layers: int = 3) -> tuple[Pipeline, ...]:
    """One pipeline of every kind that a model's pictures may take, for probing.

    Args:
        model: Scenario's id of it.
        layers: of the parallax ones.
    """
    model = DRAWN_AS if model == DRAFT_MODEL else model
    return (
        _guided("scenario-entity", model, cut=True),
        _guided("scenario-sheet", model, cut=True),
        _guided("scenario-img2img", model, cut=False),
        _painted("scenario-background", model),
        _painted("scenario-txt2img", model),
        _cut("scenario-title-hero", model),
        _by_layer(model, layers),
        _decomposed(model, layers),
    )


def _title(model: str, *, redrawn: bool, transparent: bool) -> Pipeline:
    if redrawn:
        return _guided("scenario-entity" if transparent else "scenario-img2img", model, cut=transparent)
    return _cut("scenario-title-hero", model) if transparent else _painted("scenario-txt2img", model)


def _parallax(asset: Parallax, model: str) -> Pipeline:
    if asset.references:
        raise WorkflowError(
            "a parallax background is drawn from words alone and cannot start from a reference picture",
            hint="take `references` away",
        )
    if asset.method == "depth":
        raise WorkflowError(
            "Scenario cannot split a picture by depth",
            hint="use method per_layer or decompose, or have it made by runpod or comfyui",
        )
    return (_by_layer if asset.method == "per_layer" else _decomposed)(model, count_of(asset))


@lru_cache(maxsize=64)
def _guided(name: str, model: str, *, cut: bool) -> Pipeline:
    drawn = redraw(model, 0, () if cut else (PICTURE,))
    return Pipeline(name, model, (upload(), drawn, cut_out(1, (PICTURE,))) if cut else (upload(), drawn))


@lru_cache(maxsize=64)
def _painted(name: str, model: str) -> Pipeline:
    return Pipeline(name, model, (txt2img(model, roles=(PICTURE,)),))


@lru_cache(maxsize=64)
def _cut(name: str, model: str) -> Pipeline:
    return Pipeline(name, model, (txt2img(model), cut_out(0, (PICTURE,))))


@lru_cache(maxsize=64)
def _by_layer(model: str, count: int) -> Pipeline:
    """Each layer drawn by itself; all but the farthest are cut out."""
    steps = [txt2img(model, prompt="layer_0_prompt", seed="layer_0_seed", roles=(layer_role(0),))]
    for index in range(1, count):
        steps.append(txt2img(model, prompt=f"layer_{index}_prompt", seed=f"layer_{index}_seed"))
        steps.append(cut_out(len(steps) - 1, (layer_role(index),)))
    return Pipeline(f"scenario-parallax-layers-{count}", model, tuple(steps))


@lru_cache(maxsize=64)
def _decomposed(model: str, count: int) -> Pipeline:
    roles = tuple(layer_role(index) for index in range(count))
    steps = (txt2img(model, roles=(WHOLE,)), layered(0, roles))
    return Pipeline(f"scenario-parallax-decompose-{count}", model, steps)


def _parameters(steps: tuple[Call, ...]) -> list[str]:
    """Names of the values that bodies hold, each once, in the order of the bodies; the picture's is none of them."""
    found = (value[PARAMETER] for step in steps for value in _placeholders(step.body))
    return [name for name in dict.fromkeys(found) if name != IMAGE]


def _placeholders(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (value for value in body.values() if isinstance(value, Mapping) and PARAMETER in value)


@lru_cache(maxsize=256)
def _hash(pipeline: Pipeline) -> str:
    spelled = [[step.call, step.body, step.roles, step.paid] for step in pipeline.steps]
    text = json.dumps([pipeline.name, spelled], sort_keys=True, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).hexdigest()
