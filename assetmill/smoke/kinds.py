"""The kinds of smoke test, and what each sends: the same graphs, words, guides and sizes as a manifest's assets.

`entity` to `parallax` are sample assets that go the way of any asset: prompt, guide, workflow or pipeline. `txt2img`,
`img2img` and `remove-background` are the bare graphs, with the words as they were given. Every job has a seed that
nobody has sent before, so that neither the books nor the worker's own cache can answer in its place. Nothing here
draws or sends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from pydantic import ValidationError

from assetmill.errors import UsageError
from assetmill.guides import recipe
from assetmill.manifest.models import (
    Asset,
    Background,
    Entity,
    Game,
    Grid,
    Pack,
    PackInfo,
    Parallax,
    Sheet,
    Silhouette,
    TitleHero,
    Variant,
)
from assetmill.manifest.parallax import WHOLE, layer_roles
from assetmill.packs.keys import sha256_of
from assetmill.planning.fingerprint import Generation, Maker, digest, fields_of, generation
from assetmill.planning.recipes import GraphRecipe, Recipe, recipe_for
from assetmill.providers.endpoint import SCENARIO, Endpoint
from assetmill.workflows.library import Library
from assetmill.workflows.sizes import generation_size

GAME: Final = "smoke"
KindName = Literal[
    "txt2img", "img2img", "remove-background", "entity", "background", "title-hero", "sheet", "parallax"
]  # fmt: skip
KINDS: Final[tuple[str, ...]] = get_args(KindName)
"""In the order of `full`: each of the first three takes the picture of the one before."""

FULL: Final = "full"
PROMPT: Final = "a friendly orange slime monster"
ALONE: Final = ", before a plain light backdrop"
"""Added to the words of `txt2img` and `img2img` in `full`: their picture is cut out next, and needs a subject."""

SIDE: Final = 1024  # px: about the megapixel that the model was trained at, so that times say something
CELL: Final = 512
STRENGTH: Final = 0.75
TITLE_WORDS: Final = 3
DEPTH_LAYERS: Final = 3
SCENARIO_LAYERS: Final = 2
PACK: Final = Pack(game=Game(id=GAME, title="Smoke tests"), pack=PackInfo(id=GAME, name="Smoke tests"), assets=())


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a job draws from, in place of a guide of our own.

    Args:
        data: a PNG.
        size: (width, height) in pixels.
        source: where it is from, in words.
    """

    data: bytes
    size: tuple[int, int]
    source: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What one job sends, and what has to come back.

    Args:
        kind: one of `KINDS`.
        asset: what plans would call it.
        way: the graph or pipeline that makes it.
        made: its values, guide and size.
        picture: what it draws from; None for its guide, or words alone.
        cut_out: outputs that must have transparency.
        may_be_empty: outputs on which there may be nothing: layers that were taken out of a whole picture.
    """

    kind: str
    asset: Asset
    way: Recipe
    made: Generation
    picture: Picture | None
    cut_out: frozenset[str]
    may_be_empty: frozenset[str] = frozenset()

    @property
    def drawn_from(self) -> str:
        """What it starts from, in words."""
        if self.picture is not None:
            return self.picture.source
        return "a guide of our own" if self.made.guide is not None else "words"


@dataclass(frozen=True, slots=True)
class _Case:
    """What a kind is made from."""

    endpoint: Endpoint
    library: Library
    prompt: str
    seed: int
    picture: Picture | None


def subject_of(
    kind: str, endpoint: Endpoint, library: Library, *, prompt: str, seed: int, picture: Picture | None = None
) -> Subject:
    """What one job of a kind sends to an endpoint.

    Args:
        kind: one of `KINDS`.
        endpoint: decides whether graphs or pipelines are sent.
        library: workflows.
        prompt: the words.
        seed: 0 to 2**53 - 1, of this job alone.
        picture: what it draws from, if it draws from one; kinds that draw from words leave it alone.

    Raises:
        WorkflowError: this endpoint has no way to make it.
        UsageError: the words are none that can be sent.
    """
    case = _Case(endpoint, library, prompt, seed, picture)
    bare = _BARE.get(kind)
    return bare(case) if bare else _of_asset(kind, case)


def takes_picture(kind: str) -> bool:
    """Whether a kind draws from a picture."""
    return kind in ("img2img", "remove-background", "entity", "sheet")


def _of_asset(kind: str, case: _Case) -> Subject:
    asset, endpoint = _sample(kind, case), case.endpoint
    picture = case.picture if takes_picture(kind) else None
    made = generation(
        asset, PACK, 0, library=case.library, maker=Maker(endpoint.kind, endpoint.model),
        reference=None if picture is None else sha256_of(picture.data),
    )  # fmt: skip
    way = recipe_for(asset, endpoint.kind, endpoint.model, case.library)
    if isinstance(way, GraphRecipe):
        way = GraphRecipe(way.workflow.part(made.roles))
    layers = frozenset(layer_roles(asset)[1:]) if isinstance(asset, Parallax) else frozenset[str]()
    cut_out = layers or frozenset({"image"} if kind != "background" else ())
    taken_out = layers if WHOLE in made.roles else frozenset[str]()
    return Subject(kind, asset, way, made, picture, cut_out, taken_out)


def _sample(kind: str, case: _Case) -> Asset:
    given: dict[str, Any] = {"id": kind, "prompt": case.prompt, "seed": case.seed}
    makers: Mapping[str, Callable[[], Asset]] = {
        "entity": lambda: Entity(type="entity", silhouette=Silhouette(canvas=(SIDE, SIDE)), **given),
        "background": lambda: Background(type="background", width=SIDE, height=SIDE, **given),
        "title-hero": lambda: TitleHero(type="title_hero", title=title_of(case.prompt), **given),
        "sheet": lambda: Sheet(
            type="sheet",
            kind="variation",
            layout=Grid(columns=2, rows=2, cell_width=CELL, cell_height=CELL),
            variants=tuple(Variant(key=f"v{number}") for number in range(4)),
            **given,
        ),
        "parallax": lambda: _parallax(case.endpoint.kind, given),
    }
    try:
        return makers[kind]()
    except ValidationError as error:
        why = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise UsageError(f"no {kind} can be made of these words: {why}", hint="1 to 4,000 characters") from None


def _parallax(endpoint_kind: str, given: Mapping[str, Any]) -> Parallax:
    if endpoint_kind == SCENARIO:  # it cannot split a picture by depth
        return Parallax(type="parallax", method="per_layer", layer_count=SCENARIO_LAYERS, **given)
    return Parallax(type="parallax", layer_count=DEPTH_LAYERS, **given)


def title_of(prompt: str) -> str:
    """The words that a title is lettered with: the first few of the prompt."""
    return " ".join(prompt.split()[:TITLE_WORDS]).title() or "Smoke Test"


def _txt2img(case: _Case) -> Subject:
    asset = TitleHero(type="title_hero", id="txt2img", prompt=_words(case.prompt), title="-", transparent=False)
    return _bare("txt2img", case, asset, case.library.get("txt2img").name, (SIDE, SIDE), None)


def _img2img(case: _Case) -> Subject:
    size = (SIDE, SIDE) if case.picture is None else generation_size(*case.picture.size)
    asset = Background(type="background", id="img2img", prompt=_words(case.prompt), references=("guide",))
    return _bare("img2img", case, asset, "img2img", size, case.picture)


def _remove_background(case: _Case) -> Subject:
    size = (SIDE, SIDE) if case.picture is None else case.picture.size
    asset = Entity(type="entity", id="remove-background", prompt=_words(case.prompt))
    return _bare("remove-background", case, asset, "remove-background", size, case.picture)


def _bare(
    kind: str, case: _Case, asset: Asset, workflow: str, size: tuple[int, int], picture: Picture | None
) -> Subject:
    """A graph, or the pipeline that stands for it, with the words as they are."""
    way = _pipeline(kind, asset, case.endpoint.model) if case.endpoint.kind == SCENARIO else None
    way = way or GraphRecipe(case.library.get(workflow))
    guide = recipe(_guide(kind, case.prompt), size) if way.needs_image and picture is None else None
    reference = None if picture is None else sha256_of(picture.data)
    offered = {
        "prompt": case.prompt, "negative_prompt": "", "seed": case.seed, "width": size[0], "height": size[1],
        "denoise": STRENGTH,
    }  # fmt: skip
    values = way.values(offered)
    origin = {
        "workflow": way.name, "workflow_hash": way.template_hash,
        "provider": case.endpoint.kind, "model": case.endpoint.model,
    }  # fmt: skip
    fingerprint = digest(fields_of(values, origin, guide, reference, 0))
    made = Generation(
        way.name, values, guide, reference, size, size, case.seed, 0, origin, fingerprint, ("image",), way.calls
    )
    return Subject(kind, asset, way, made, picture, frozenset({"image"} if kind == "remove-background" else ()))


def _pipeline(kind: str, asset: Asset, model: str) -> Recipe:
    """What Scenario does in place of a bare graph."""
    from assetmill.providers.scenario.pipelines import cut_out_alone, pipeline_for  # noqa: PLC0415  most need none

    return cut_out_alone(model) if kind == "remove-background" else pipeline_for(asset, model)


def _guide(kind: str, prompt: str) -> Entity:
    return Entity(type="entity", id=kind, prompt=_words(prompt), shape="ellipse")


def _words(prompt: str) -> str:
    """Words that a sample asset takes; the ones that are sent stay as they are."""
    return prompt[:200].strip() or PROMPT


_BARE: Final[Mapping[str, Callable[[_Case], Subject]]] = {
    "txt2img": _txt2img,
    "img2img": _img2img,
    "remove-background": _remove_background,
}
