"""Layers that the draft worker makes: drawn one by one, and taken out of a picture."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from assetmill import prompts
from assetmill.localpod.draft import render
from assetmill.localpod.draft.planes import taken_apart
from assetmill.localpod.draft.values import Picture
from assetmill.localpod.draft.wording import read
from assetmill.manifest.models import Pack
from assetmill.workflows import bind
from assetmill.workflows.library import Library, load_library

SIZE = {"width": 384, "height": 224}
BACKDROP = "One layer of a side-scrolling game's backdrop. {}, seen straight from the side"


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


def drawn(library: Library, workflow: str, count: int, **values: Any) -> dict[str, Image.Image]:
    roles = [role for role in library.get(workflow).outputs if role == "full" or int(role[-1]) < count]
    bound = bind(library.get(workflow), SIZE | values, prefix="x", roles=roles)
    answer = render({"workflow": bound.graph})
    assert "error" not in answer, answer
    found = {one["filename"].removesuffix("_00001_.png"): base64.b64decode(one["data"]) for one in answer["images"]}
    return {role: Image.open(io.BytesIO(found[prefix])) for role, prefix in bound.outputs.items()}


def alpha(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.getchannel("A"))


@pytest.fixture(scope="module")
def planes(library: Library) -> dict[str, Image.Image]:
    distances = ("Far away", "In the middle distance", "Close to the viewer")
    words = ["Only what lies farthest away, open and undisturbed, nothing in front of it: a forest. An empty stage."]
    words += [f"a forest. {BACKDROP.format(distance)}" for distance in distances]
    values = {f"layer_{index}_prompt": text for index, text in enumerate(words)}
    return drawn(library, "parallax-layers", 4, **values, **{f"layer_{index}_seed": index for index in range(4)})


def test_the_farthest_layer_is_opaque_and_the_others_stand_alone(planes: dict[str, Image.Image]) -> None:
    assert [image.mode for image in planes.values()] == ["RGB", "RGBA", "RGBA", "RGBA"]
    assert {image.size for image in planes.values()} == {(384, 224)}
    for image in list(planes.values())[1:]:
        assert 0.05 < (alpha(image) == 255).mean() < 0.8
        assert not alpha(image)[:20].any(), "no sky"
        assert (alpha(image)[-5:] == 255).all(), "rooted in the lower edge"


def test_nearer_layers_are_lower_and_repeat_sideways(planes: dict[str, Image.Image]) -> None:
    nearer = [alpha(image) >= 128 for image in list(planes.values())[1:]]
    heights = [solid.any(axis=1).argmax() for solid in nearer]
    assert heights == sorted(heights)
    assert heights[0] + 30 < heights[-1]
    assert all((solid[:, 0] != solid[:, -1]).mean() < 0.04 for solid in nearer)


def test_layers_carry_nothing_of_the_paper_that_they_were_drawn_on(planes: dict[str, Image.Image]) -> None:
    pixels = np.asarray(planes["layer_3"], dtype=int)
    soft = (pixels[..., 3] > 20) & (pixels[..., 3] < 230)
    assert soft.any()
    assert pixels[soft][:, :3].max(axis=1).mean() < 200, "paper is nearly white"


@pytest.mark.parametrize("count", (2, 3, 5, 8))
def test_a_picture_that_is_taken_apart_is_the_picture_again(library: Library, count: int) -> None:
    size = {"layer_width": 384, "layer_height": 224}
    made = drawn(library, "parallax-decompose", count, prompt="a forest valley", seed=3, layer_count=count, **size)
    whole = made.pop("full")
    assert list(made) == [f"layer_{index}" for index in range(count)]
    assert (alpha(made["layer_0"]) == 255).all()
    together = made["layer_0"].copy()
    for layer in list(made.values())[1:]:
        assert alpha(layer).any()
        together.alpha_composite(layer)
    difference = np.abs(np.asarray(together.convert("RGB"), dtype=int) - np.asarray(whole.convert("RGB"), dtype=int))
    assert difference.max() <= 1


def test_layers_come_in_the_size_at_which_the_picture_is_taken_apart(library: Library) -> None:
    size = {"layer_width": 192, "layer_height": 112}
    made = drawn(library, "parallax-decompose", 2, prompt="the ocean", seed=3, layer_count=2, **size)
    assert {role: image.size for role, image in made.items()} == {
        "full": (384, 224), "layer_0": (192, 112), "layer_1": (192, 112),
    }  # fmt: skip


def test_nothing_that_is_near_is_left_in_the_farthest_layer(library: Library) -> None:
    size = {"layer_width": 384, "layer_height": 224}
    made = drawn(library, "parallax-decompose", 2, prompt="a forest valley", seed=3, layer_count=2, **size)
    near = alpha(made["layer_1"]) == 255
    farthest, whole = (np.asarray(made[role].convert("RGB"), dtype=int) for role in ("layer_0", "full"))
    assert np.abs(farthest - whole).max(axis=2)[near].mean() > 20


def test_layers_that_are_decoded_together_are_refused_in_words(library: Library) -> None:
    values = {"prompt": "a", "seed": 1, "layer_count": 2, "layer_width": 64, "layer_height": 64}
    bound = bind(library.get("parallax-decompose"), SIZE | values, prefix="x", roles=("layer_0",))
    bound.graph["101"]["inputs"]["amount"] = 2
    answer = render({"workflow": bound.graph})
    assert "one by one" in answer["details"][0]


@pytest.mark.parametrize("count", (2, 4, 8))
def test_a_picture_of_which_nothing_is_known_is_taken_apart_from_top_to_bottom(count: int) -> None:
    image = Image.effect_noise((96, 64), 80).convert("RGB")
    layers = [one.image for one in taken_apart(Picture(image), count)]
    together = layers[0].copy()
    for layer in layers[1:]:
        together.alpha_composite(layer)
    assert np.array_equal(np.asarray(together.convert("RGB")), np.asarray(image))
    times = np.sum([alpha(layer) > 0 for layer in layers[1:]], axis=0)
    assert times.max() == 1, "no pixel lies on two layers"
    tops = [int(alpha(layer).any(axis=1).argmax()) for layer in layers]
    assert tops == sorted(tops)
    assert len(set(tops)) == count


@pytest.mark.parametrize(
    ("prompt", "layer", "subject"),
    (
        (f"round hills. {BACKDROP.format('Rather close')}. It runs", 0.7, "round hills. "),
        (f"{BACKDROP.format('Far away')}: a harbour. Only what stands at this distance, high", 0.15, "a harbour"),
        ("Only what lies farthest away, open, nothing in front of it: a sky. An empty stage", 0.0, "a sky. "),
        ("a hill of One layer cake", None, "a hill of One layer cake"),
    ),
)  # fmt: skip
def test_words_for_one_layer_are_understood(prompt: str, layer: float | None, subject: str) -> None:
    wording = read(prompt)
    assert (wording.layer, wording.subject) == (layer, subject)


@pytest.mark.parametrize("layers", ("layer_count", "layers"))
def test_the_programs_own_words_are_understood_from_far_to_near(layers: str) -> None:
    specs = [{"id": f"l{i}", "depth": i / 4, "scroll_factor": 1, "prompt": f"row {i} of trees"} for i in range(5)]
    fields = {"layer_count": 5} if layers == "layer_count" else {"layers": specs}
    given = {"id": "a", "type": "parallax", "prompt": "a forest, wide", "method": "per_layer", "seamless": "x"} | fields
    pack = {
        "game": {"id": "g", "title": "G"},
        "pack": {"id": "p", "name": "P", "theme": "a calm sea"},
        "assets": [given],
    }
    made = Pack.model_validate(pack)
    wordings = [read(prompt) for prompt in prompts.build(made.assets[0], made).layers]
    assert [wording.layer for wording in wordings] == [0.0, 0.3, 0.5, 0.7, 0.9]
    wanted = ["a forest, wide"] * 5 if layers == "layer_count" else [f"row {i} of trees" for i in range(5)]
    assert [wording.subject.strip(". ") for wording in wordings] == wanted
    assert {wording.world.strip(".") for wording in wordings} == {"a calm sea"}
