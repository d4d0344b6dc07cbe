"""The pipeline of an asset is decided by the asset and the model alone, and refuses what Scenario cannot do."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import TypeAdapter

from assetmill.errors import WorkflowError
from assetmill.manifest.models import Asset
from assetmill.providers.scenario.families import family_of
from assetmill.providers.scenario.pipelines import pipeline_for, pipelines_of

SHEET = {"kind": "variation", "layout": {"kind": "grid", "columns": 2, "rows": 1, "cell_width": 64, "cell_height": 64}}
SHEET |= {"variants": [{"key": "a"}, {"key": "b"}]}
OFFERED: dict[str, Any] = {
    "prompt": 'a "red" bird\n{x}', "negative_prompt": "blurry", "seed": 2**53 - 1, "width": 1024, "height": 768,
    "denoise": 0.9, **{f"layer_{i}_prompt": f"hills {i}" for i in range(8)},
    **{f"layer_{i}_seed": 2**40 + i for i in range(8)},
}  # fmt: skip


def asset(type_: str, **fields: Any) -> Asset:
    return TypeAdapter(Asset).validate_python({"type": type_, "id": "x", "prompt": "words", **fields})


def bodies(made: Asset, model: str = "flux.1-dev") -> list[dict[str, Any]]:
    pipeline = pipeline_for(made, model)
    bound = pipeline.bind(pipeline.values(OFFERED), prefix="p", image="p.png" if pipeline.needs_image else None)
    return json.loads(json.dumps(bound.graph))["steps"]


@pytest.mark.parametrize(
    ("made", "calls", "roles", "guided"),
    (
        (asset("entity"), ("img2img", "remove-background"), ("image",), True),
        (asset("entity", references=("y",)), ("img2img", "remove-background"), ("image",), True),
        (asset("background"), ("txt2img",), ("image",), False),
        (asset("background", references=("y",)), ("img2img",), ("image",), True),
        (asset("title_hero", title="T"), ("txt2img", "remove-background"), ("image",), False),
        (asset("title_hero", title="T", transparent=False), ("txt2img",), ("image",), False),
        (asset("title_hero", title="T", references=("y",)), ("img2img", "remove-background"), ("image",), True),
        (asset("sheet", **SHEET), ("img2img", "remove-background"), ("image",), True),
        (asset("sheet", **SHEET, transparent=False), ("img2img",), ("image",), True),
        (
            asset("parallax", method="per_layer", layer_count=3),
            ("txt2img", "txt2img", "remove-background", "txt2img", "remove-background"),
            ("layer_0", "layer_1", "layer_2"),
            False,
        ),
        (
            asset("parallax", method="decompose", layer_count=2),
            ("txt2img", "layered"),
            ("full", "layer_0", "layer_1"),
            False,
        ),
    ),
)
def test_each_type_has_its_calls_and_says_what_comes_back(made, calls, roles, guided):
    pipeline = pipeline_for(made, "flux.1-dev")
    assert (pipeline.calls, tuple(pipeline.outputs), pipeline.needs_image) == (calls, roles, guided)
    assert pipeline.bind(pipeline.values(OFFERED), prefix="p", image="p.png").outputs == {r: f"p-{r}" for r in roles}


@pytest.mark.parametrize(
    ("made", "words"),
    (
        (asset("entity", workflow="mine"), "ComfyUI graph"),
        (asset("parallax", layer_count=3), "split a picture by depth"),
        (asset("parallax", method="per_layer", layer_count=3, references=("y",)), "words alone"),
    ),
)
def test_what_scenario_cannot_make_is_an_error_that_says_what_to_do(made, words):
    with pytest.raises(WorkflowError, match=words) as caught:
        pipeline_for(made, "flux.1-dev")
    assert caught.value.hint


def test_an_entity_is_redrawn_from_its_guide_and_then_cut_out():
    upload, redrawn, cut = bodies(asset("entity"))
    assert (upload["call"], upload["paid"], upload["body"]) == ("upload", False, {"name": "p.png"})
    assert redrawn["body"]["image"] == {"$step": 0}
    assert redrawn["body"]["strength"] == 0.9
    assert cut["body"] == {"image": {"$step": 1}, "format": "png"}
    assert (redrawn["roles"], cut["roles"]) == ([], ["image"])


def test_words_pass_unchanged_and_a_classic_seed_is_text():
    (body,) = (step["body"] for step in bodies(asset("background")))
    assert body["prompt"] == OFFERED["prompt"]
    assert body["seed"] == str(2**53 - 1)
    assert (body["numSamples"], body["width"], body["height"]) == (1, 1024, 768)


@pytest.mark.parametrize(
    ("model", "sent"),
    (("flux.1-dev", False), ("flux.1-schnell", False), ("stable-diffusion-xl-base-1.0", True), ("model_x", False)),
)
def test_a_negative_prompt_goes_only_to_models_that_take_one(model, sent):
    pipeline = pipeline_for(asset("background"), model)
    body = bodies(asset("background"), model)[0]["body"]
    assert (body.get("negativePrompt") == "blurry") is sent
    assert ("negative_prompt" in pipeline.values(OFFERED)) is sent
    assert pipeline.leaves_out == (() if sent else ("negative_prompt",))


def test_an_empty_negative_prompt_is_no_field():
    pipeline = pipeline_for(asset("background"), "stable-diffusion-xl-base-1.0")
    bound = pipeline.bind({**OFFERED, "negative_prompt": ""}, prefix="p", image=None)
    assert "negativePrompt" not in bound.graph["steps"][0]["body"]


@pytest.mark.parametrize(
    ("model", "guidance", "lowest", "highest"),
    (
        ("flux.1-dev", 3.5, 0, 10),
        ("flux.1.1-pro-ultra", 3.0, 2, 5),
        ("stable-diffusion-xl-base-1.0", 6.0, 0, 20),
        ("stable-diffusion-v1-5", 7.5, 0, 20),
    ),
)
def test_guidance_is_the_models_own_and_within_what_it_takes(model, guidance, lowest, highest):
    assert bodies(asset("background"), model)[0]["body"]["guidance"] == guidance
    family = family_of(model)
    assert (family.clamped(-1), family.clamped(99)) == (lowest, highest)


def test_a_model_that_nobody_knows_is_asked_with_scenarios_own_guidance():
    assert "guidance" not in bodies(asset("background"), "something-new")[0]["body"]


def test_custom_models_are_called_by_their_id_with_small_seeds():
    step = bodies(asset("background"), "model_x")[0]
    assert step["call"] == "custom"
    assert step["body"]["modelId"] == "model_x"
    assert step["body"]["seed"] == (2**53 - 1) % 2**31


def test_layers_are_drawn_with_their_own_words_and_seeds_the_farthest_uncut():
    steps = bodies(asset("parallax", method="per_layer", layer_count=3))
    drawn = [step["body"] for step in steps if step["call"] == "txt2img"]
    assert [body["prompt"] for body in drawn] == ["hills 0", "hills 1", "hills 2"]
    assert [body["seed"] for body in drawn] == [str(2**40 + i) for i in range(3)]
    assert [step["body"]["image"] for step in steps if step["call"] == "remove-background"] == [
        {"$step": 1},
        {"$step": 3},
    ]


def test_a_decomposed_picture_is_taken_apart_into_as_many_layers_as_were_asked_for():
    _, apart = bodies(asset("parallax", method="decompose", layer_count=5))
    assert apart["body"]["layersCount"] == 5
    assert apart["roles"] == [f"layer_{i}" for i in range(5)]


def test_the_hash_tells_pipelines_and_models_apart_and_nothing_else():
    hashes = [one.template_hash for model in ("flux.1-dev", "sdxl") for one in pipelines_of(model)]
    assert len(set(hashes)) == len(hashes)
    one, other = (pipeline_for(asset("entity", id=name), "flux.1-dev") for name in ("a", "b"))
    assert one.template_hash == other.template_hash


def test_a_missing_value_or_picture_is_an_error():
    pipeline = pipeline_for(asset("entity"), "flux.1-dev")
    with pytest.raises(WorkflowError, match="needs prompt"):
        pipeline.values({name: value for name, value in OFFERED.items() if name != "prompt"})
    with pytest.raises(WorkflowError, match="needs a picture"):
        pipeline.bind(pipeline.values(OFFERED), prefix="p", image=None)


def test_drafts_ask_for_a_model_that_there_is():
    assert pipeline_for(asset("background"), "draft-1").models == ("flux.1-dev",)


def test_planning_with_pipelines_loads_no_client_and_no_pictures():
    words = (
        "import sys, assetmill.providers.scenario.pipelines; print(sorted({'PIL', 'numpy', 'httpx'} & {*sys.modules}))"
    )
    told = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
