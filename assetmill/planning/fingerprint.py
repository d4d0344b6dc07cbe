"""The generation fingerprint: everything that determines the paid pixels, field by field.

The fields are kept in the ledger beside the hash, so that a plan can name what changed. The guide takes part
with its recipe, not its bytes: planning draws nothing. Filename prefixes and attempt ids never take part.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import orjson

from assetmill import prompts
from assetmill.errors import WorkflowError
from assetmill.finishing import target_size
from assetmill.guides import recipe
from assetmill.guides.strength import default_strength
from assetmill.manifest.models import Asset, AssetBase, Pack, Parallax
from assetmill.manifest.parallax import count_of, is_layer, layer_roles
from assetmill.planning.recipes import Recipe, recipe_for
from assetmill.workflows.library import Library
from assetmill.workflows.sizes import generation_size, layer_size

SEED_SPACE = 2**53
_LAYER_SEED = re.compile(r"layer_(\d+)_seed")


@dataclass(frozen=True, slots=True)
class Maker:
    """Who would make the pixels: kind and model of the endpoint. Part of every fingerprint."""

    kind: str
    model: str


@dataclass(frozen=True, slots=True)
class Generation:
    """One picture to make.

    Args:
        workflow: name of the workflow.
        parameters: values to bind, by parameter name.
        guide: recipe of the guide that is drawn and sent along, or None.
        reference: fingerprint of the picture that is sent in place of a guide, or None.
        size: (width, height) in pixels that the model is asked for.
        asked: (width, height) in pixels of the finished picture.
        candidate: number of the candidate.
        origin: workflow and maker; one value for all pictures that share them.
        fingerprint: SHA-256 of `fields`.
        roles: outputs that are asked for.
        calls: what is charged call by call, where it is.
    """

    workflow: str
    parameters: Mapping[str, Any]
    guide: Mapping[str, Any] | None
    reference: str | None
    size: tuple[int, int]
    asked: tuple[int, int]
    seed: int
    candidate: int
    origin: Mapping[str, Any]
    fingerprint: str
    roles: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        """Everything that determines the pixels, JSON-able; put together when it is asked for."""
        return fields_of(self.parameters, self.origin, self.guide, self.reference, self.candidate)


def digest(value: Any) -> str:
    """SHA-256, in hex, of JSON text that is the same for equal values: sorted, compact, UTF-8."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def seed_of(asset: AssetBase, pack: Pack, candidate: int) -> int:
    """Seed of one candidate, 0 to 2**53 - 1: the asset's own counted up, or one that follows from the pack's."""
    if asset.seed is not None:
        return (asset.seed + candidate) % SEED_SPACE
    text = f"{pack.pack.seed}\0{asset.id}\0{candidate}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % SEED_SPACE


def generation(
    asset: Asset, pack: Pack, candidate: int, *, library: Library, maker: Maker, reference: str | None = None
) -> Generation:
    """Everything about one picture that decides its pixels.

    Raises:
        WorkflowError: there is no road to this picture; the message says why.
    """
    way = recipe_for(asset, maker.kind, maker.model, library)
    roles = _roles(asset, way)
    asked = target_size(asset)
    size = generation_size(*asked)
    guide = recipe(asset, size) if way.needs_image and reference is None else None
    parameters = _parameters(asset, pack, candidate, size)
    bound = way.values(parameters)
    origin = _origin(way.name, way.template_hash, maker)
    fingerprint = digest(fields_of(bound, origin, guide, reference, candidate))
    seed = parameters["seed"]
    return Generation(
        way.name, bound, guide, reference, size, asked, seed, candidate, origin, fingerprint, roles, way.calls
    )


def _roles(asset: Asset, way: Recipe) -> tuple[str, ...]:
    """Outputs that are asked for; a picture that could not be finished or published afterwards is not paid for."""
    needed = layer_roles(asset) if isinstance(asset, Parallax) else ("image",)
    missing = [role for role in needed if role not in way.outputs]
    if missing:
        raise WorkflowError(f"workflow {way.name} does not make {', '.join(missing)}, which {asset.type} needs")
    return tuple(role for role in way.outputs if role in needed or not is_layer(role))


def with_reference(made: Generation, reference: str) -> Generation:
    """The same picture drawn from another one than was planned."""
    fields = fields_of(made.parameters, made.origin, made.guide, reference, made.candidate)
    return replace(made, reference=reference, fingerprint=digest(fields))


def fields_of(
    parameters: Mapping[str, Any],
    origin: Mapping[str, Any],
    guide: Mapping[str, Any] | None,
    reference: str | None,
    candidate: int,
) -> dict[str, Any]:
    """The fields of a generation fingerprint. A new one would make every picture be paid for again (ADR 0002)."""
    return {**parameters, **origin, "guide": guide, "reference": reference, "candidate": candidate}


@cache
def _origin(workflow: str, workflow_hash: str, maker: Maker) -> Mapping[str, Any]:
    return {"workflow": workflow, "workflow_hash": workflow_hash, "provider": maker.kind, "model": maker.model}


def _parameters(asset: Asset, pack: Pack, candidate: int, size: tuple[int, int]) -> dict[str, Any]:
    prompt = prompts.build(asset, pack)
    offered: dict[str, Any] = {
        "prompt": prompt.positive,
        "negative_prompt": prompt.negative,
        "seed": seed_of(asset, pack, candidate),
        "width": size[0],
        "height": size[1],
        "denoise": asset.strength if asset.strength is not None else default_strength(asset),
    }
    if prompt.far is not None:
        offered["far_prompt"] = prompt.far
    return offered | (_of_layers(asset, prompt, offered["seed"], size) if isinstance(asset, Parallax) else {})


def _of_layers(asset: Parallax, prompt: prompts.Prompt, seed: int, size: tuple[int, int]) -> dict[str, Any]:
    """What ways that make a parallax background layer by layer, or take one apart, are offered besides."""
    width, height = layer_size(*size)
    offered: dict[str, Any] = {"layer_count": count_of(asset), "layer_width": width, "layer_height": height}
    for index, words in enumerate(prompt.layers):
        offered |= {f"layer_{index}_prompt": words, f"layer_{index}_seed": layer_seed(seed, index)}
    return offered


def layer_seed(seed: int, index: int) -> int:
    """Seed of one layer that is drawn by itself, 0 to 2**53 - 1. It follows from the picture's seed.

    Counting up would draw a layer of one candidate with the seed of another's.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}\0layer\0{index}".encode()).digest()[:8]) % SEED_SPACE


def with_seed(parameters: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The same values with another seed: the picture's own, and those of its layers."""
    seeds = {name: layer_seed(seed, int(found[1])) for name in parameters if (found := _LAYER_SEED.fullmatch(name))}
    return {**parameters, **seeds, **({"seed": seed} if "seed" in parameters else {})}


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the fields that differ; inside `guide`, the guide's own fields (`guide.color`)."""
    names = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            names += [f"{key}.{inner}" for inner in changed_fields(old, new)]
        else:
            names.append(key)
    return tuple(names)
