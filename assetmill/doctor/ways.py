"""Every kind of picture that a manifest can ask for, and what makes it at an endpoint.

The kinds are sample assets, and what makes them is asked of the very rules that plans go by: a rule that changes
changes the answer here. Nothing is drawn or sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assetmill.doctor.findings import Way
from assetmill.errors import WorkflowError
from assetmill.manifest.models import Asset, Background, Entity, Grid, Parallax, Sheet, TitleHero, Variant
from assetmill.planning.recipes import Recipe, recipe_for
from assetmill.providers.base import Ability
from assetmill.providers.endpoint import Endpoint
from assetmill.workflows.library import Library

LAYERS = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of picture, and how this endpoint would make it.

    Args:
        type: asset type.
        variant: which of its kind, in words.
        recipe: what makes it; None where nothing does.
        why_not: why nothing does.
    """

    type: str
    variant: str
    recipe: Recipe | None
    why_not: str = ""


def kinds_at(endpoint: Endpoint, library: Library) -> tuple[Kind, ...]:
    """Every kind of picture, and what makes it there."""
    return tuple(_kind(variant, asset, endpoint, library) for variant, asset in _samples())


def recipes_of(kinds: Iterable[Kind]) -> tuple[Recipe, ...]:
    """What makes them, each once."""
    found = {kind.recipe.name: kind.recipe for kind in kinds if kind.recipe is not None}
    return tuple(found.values())


def ways_of(kinds: Iterable[Kind], abilities: Mapping[str, Ability]) -> tuple[Way, ...]:
    """What an endpoint's abilities mean for each kind of picture."""
    return tuple(_way(kind, abilities) for kind in kinds)


def _way(kind: Kind, abilities: Mapping[str, Ability]) -> Way:
    if kind.recipe is None:
        return Way(kind.type, kind.variant, None, able=False, why=kind.why_not)
    ability = abilities.get(kind.recipe.name)
    if ability is None:
        return Way(kind.type, kind.variant, kind.recipe.name, able=None, why="nobody has asked yet")
    return Way(kind.type, kind.variant, kind.recipe.name, able=ability.able, why=ability.why)


def _kind(variant: str, asset: Asset, endpoint: Endpoint, library: Library) -> Kind:
    try:
        return Kind(asset.type, variant, recipe_for(asset, endpoint.kind, endpoint.model, library))
    except WorkflowError as error:
        return Kind(asset.type, variant, None, error.message)


def _samples() -> tuple[tuple[str, Asset], ...]:
    name, words = "sample", "a sample"
    grid = Grid(columns=2, rows=1, cell_width=64, cell_height=64)
    return (
        ("", Entity(type="entity", id=name, prompt=words)),
        ("from words", Background(type="background", id=name, prompt=words)),
        ("from a reference", Background(type="background", id=name, prompt=words, references=("other",))),
        ("on transparency", TitleHero(type="title_hero", id=name, prompt=words, title=words)),
        ("with its background", TitleHero(type="title_hero", id=name, prompt=words, title=words, transparent=False)),
        (
            "cells cut out",
            Sheet(type="sheet", id=name, prompt=words, kind="variation", layout=grid, variants=(Variant(key=name),)),
        ),
        ("opaque, such as tiles", Sheet(type="sheet", id=name, prompt=words, kind="tile", layout=grid)),
        ("depth", Parallax(type="parallax", id=name, prompt=words, layer_count=LAYERS)),
        ("per_layer", Parallax(type="parallax", id=name, prompt=words, method="per_layer", layer_count=LAYERS)),
        ("decompose", Parallax(type="parallax", id=name, prompt=words, method="decompose", layer_count=LAYERS)),
    )
