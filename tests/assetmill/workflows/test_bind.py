from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from assetmill.errors import WorkflowError
from assetmill.workflows import Library, bind, effective_values, ensure_sound

BASE: dict[str, Any] = {"prompt": "a chest", "seed": 7, "width": 768, "height": 512}
ENTITY = {**BASE, "input_image": "guide-a1.png"}
NASTY = (
    "she said \"hi\" and 'bye'",
    "line one\nline two\r\n\ttabbed",
    "{{PROMPT}} ${seed} {a|b} {} %date:yyyy%",
    "back\\slash \\n \\u0041",
    "emoji \N{CHERRIES}\N{ZERO WIDTH JOINER} and \N{COMBINING ACUTE ACCENT}",
    "nul \x00 and \x1b[31m",
    '", "seed": 0, "x": "',
    "",
)


def required(library: Library, name: str) -> dict[str, Any]:
    """Just what a workflow demands."""
    everything = {**ENTITY, "far_prompt": "hills", "layer_count": 8, "layer_width": 896, "layer_height": 512}
    everything |= {f"layer_{index}_prompt": "hills" for index in range(8)}
    everything |= {f"layer_{index}_seed": index for index in range(8)}
    return {key: value for key, value in everything.items() if key in library.get(name).required}


def test_each_parameter_reaches_every_input_it_is_bound_to(library: Library) -> None:
    graph = bind(library.get("entity"), {**ENTITY, "denoise": 0.5, "mask_offset": -2}, prefix="a").graph
    assert graph["6"]["inputs"]["text"] == "a chest"
    assert graph["17"]["inputs"]["seed"] == 7
    assert graph["17"]["inputs"]["denoise"] == 0.5
    assert graph["1"]["inputs"]["image"] == "guide-a1.png"
    assert graph["20"]["inputs"]["mask_offset"] == -2
    assert [(graph[node]["inputs"]["width"], graph[node]["inputs"]["height"]) for node in ("21", "22")] == [
        (768, 512),
        (768, 512),
    ]


def test_a_seed_reaches_both_samplers_of_a_parallax(library: Library) -> None:
    graph = bind(library.get("parallax-depth"), {**BASE, "far_prompt": "hills"}, prefix="a").graph
    assert [graph[node]["inputs"]["seed"] for node in ("17", "45")] == [7, 7]
    assert graph["43"]["inputs"]["text"] == "hills"


def test_binding_leaves_the_template_as_it_was(library: Library) -> None:
    for workflow in library:
        before = copy.deepcopy(dict(workflow.graph))
        bound = bind(workflow, required(library, workflow.name), prefix="a")
        for node in bound.graph.values():
            for value in node["inputs"].values():
                if isinstance(value, list):
                    value.append("scribble")
            node["inputs"]["scribble"] = 1
        assert dict(workflow.graph) == before


@pytest.mark.parametrize("prompt", NASTY)
def test_a_prompt_is_data(library: Library, prompt: str) -> None:
    bound = bind(library.get("txt2img"), {**BASE, "prompt": prompt}, prefix="a")
    body = json.dumps({"input": {"workflow": bound.graph}}, ensure_ascii=False).encode()
    arrived = json.loads(body)["input"]["workflow"]
    assert arrived["6"]["inputs"]["text"] == prompt
    assert arrived == bound.graph


def test_any_prompt_changes_the_text_node_and_nothing_else(library: Library) -> None:
    source = random.Random(20)
    letters = "ab \"'{}[]$%\\\n\t:,<>#&\N{SNOWMAN}\N{CHERRIES}\x00"
    plain = bind(library.get("txt2img"), BASE, prefix="a").graph
    for _ in range(300):
        prompt = "".join(source.choices(letters, k=source.randint(0, 60)))
        graph = json.loads(json.dumps(bind(library.get("txt2img"), {**BASE, "prompt": prompt}, prefix="a").graph))
        assert graph["6"]["inputs"].pop("text") == prompt
        rest = copy.deepcopy(plain)
        del rest["6"]["inputs"]["text"]
        assert graph == rest


def test_every_output_gets_a_prefix_of_its_own(library: Library) -> None:
    for workflow in library:
        bound = bind(workflow, required(library, workflow.name), prefix="run1-castle-a1")
        assert bound.outputs == {role: f"run1-castle-a1-{role}" for role in workflow.outputs}
        for role, node in workflow.outputs.items():
            assert bound.graph[node]["inputs"]["filename_prefix"] == bound.outputs[role]
        assert len(set(bound.outputs.values())) == len(bound.outputs)


def test_every_bound_workflow_keeps_the_contract(library: Library) -> None:
    for workflow in library:
        ensure_sound(bind(workflow, required(library, workflow.name), prefix="a"), library.contract)


LAYERS = {"width": 1344, "height": 768} | {
    f"layer_{index}_{kind}": value
    for index in range(3)
    for kind, value in (("prompt", f"plane {index}"), ("seed", index))
}


def test_what_feeds_no_output_that_is_asked_for_is_not_sent(library: Library) -> None:
    """Eight layers are in the graph; three are asked for, and three are drawn and paid for."""
    workflow = library.get("parallax-layers")
    bound = bind(workflow, LAYERS, prefix="a", roles=("layer_0", "layer_1", "layer_2"))
    kinds = [node["class_type"] for node in bound.graph.values()]
    assert (kinds.count("KSampler"), kinds.count("BiRefNetRMBG"), kinds.count("SaveImage")) == (3, 2, 3)
    assert bound.outputs == {f"layer_{index}": f"a-layer_{index}" for index in range(3)}
    ensure_sound(bound, library.contract)
    words = {node["inputs"]["text"] for node in bound.graph.values() if node["class_type"] == "CLIPTextEncode"}
    assert words == {"", "plane 0", "plane 1", "plane 2"}


def test_a_parameter_of_an_output_that_is_not_asked_for_decides_nothing(library: Library) -> None:
    workflow = library.get("parallax-layers")
    with pytest.raises(WorkflowError, match="layer_7_prompt"):
        bind(workflow, LAYERS, prefix="a")
    part = workflow.part(("layer_0", "layer_1", "layer_2"))
    assert not {name for name in effective_values(part, LAYERS) if name.startswith("layer_3")}
    with pytest.raises(WorkflowError, match="no parameter 'layer_3_seed'"):
        bind(workflow, {**LAYERS, "layer_3_seed": 1}, prefix="a", roles=part.outputs)


def test_all_outputs_asked_for_are_the_workflow_itself(library: Library) -> None:
    """Otherwise pictures that were paid for before would count as changed."""
    for workflow in library:
        assert workflow.part(list(workflow.outputs)) is workflow
    part = library.get("parallax-layers").part(["layer_0"])
    assert part is library.get("parallax-layers").part(("layer_0",))
    assert part.template_hash != library.get("parallax-layers").template_hash


@pytest.mark.parametrize("roles", ((), ("layer_0", "layer_9")))
def test_an_output_that_a_workflow_does_not_make_is_refused(library: Library, roles: tuple[str, ...]) -> None:
    with pytest.raises(WorkflowError, match=r"does not make (nothing|layer_9)"):
        library.get("parallax-layers").part(roles)


def test_a_bound_value_out_of_bounds_is_refused_before_sending(library: Library) -> None:
    bound = bind(library.get("entity"), {**ENTITY, "mask_offset": 99, "seed": 2**64}, prefix="a")
    with pytest.raises(WorkflowError) as caught:
        ensure_sound(bound, library.contract)
    text = str(caught.value)
    assert "mask_offset: 99 is above 20 [out-of-bounds]" in text
    assert "node 17 seed" in text


def test_an_output_that_was_cut_off_is_refused_before_sending(library: Library) -> None:
    bound = bind(library.get("parallax-depth"), {**BASE, "far_prompt": "hills"}, prefix="a")
    del bound.graph["52"]
    with pytest.raises(WorkflowError, match="missing-output"):
        ensure_sound(bound, library.contract)


def test_the_hash_ignores_what_differs_by_attempt(library: Library) -> None:
    entity = library.get("entity")
    first = bind(entity, ENTITY, prefix="attempt-1")
    second = bind(entity, {**ENTITY, "input_image": "guide-b2.png"}, prefix="attempt-2")
    assert first.hash == second.hash
    assert first.graph != second.graph


@pytest.mark.parametrize(
    "change", ({"prompt": "a chest."}, {"seed": 8}, {"width": 784}, {"denoise": 0.94}, {"rmbg_model": "Lucida"})
)
def test_the_hash_changes_with_every_value(library: Library, change: dict[str, Any]) -> None:
    entity = library.get("entity")
    assert bind(entity, {**ENTITY, **change}, prefix="a").hash != bind(entity, ENTITY, prefix="a").hash


def test_a_whole_number_counts_as_the_fraction_it_equals(library: Library) -> None:
    entity = library.get("entity")
    whole, fraction = ({**ENTITY, "denoise": value} for value in (1, 1.0))
    assert bind(entity, whole, prefix="a").hash == bind(entity, fraction, prefix="a").hash


def test_values_hold_defaults_and_given_ones_without_pictures(library: Library) -> None:
    entity = library.get("entity")
    values = bind(entity, ENTITY, prefix="a").values
    assert values["steps"] == 28
    assert values["seed"] == 7
    assert set(values) == set(entity.parameters) - {"input_image"}
    assert values == effective_values(entity, BASE)


def test_without_a_negative_prompt_cfg_stays_at_1(library: Library) -> None:
    for negative in ({}, {"negative_prompt": ""}, {"negative_prompt": " \n"}):
        assert effective_values(library.get("background"), {**BASE, **negative})["cfg"] == 1.0


def test_a_negative_prompt_raises_cfg_so_that_it_counts(library: Library) -> None:
    for workflow in library:
        if "negative_prompt" in workflow.parameters:
            bound = bind(workflow, {**required(library, workflow.name), "negative_prompt": "text"}, prefix="a")
            flux = [node for node, _ in workflow.parameters["cfg"]]  # a model that takes pictures apart has its own cfg
            samplers = [bound.graph[node] for node in flux]
            assert {node["inputs"]["cfg"] for node in samplers} == {2.0}
            assert {bound.graph[node["inputs"]["negative"][0]]["inputs"]["text"] for node in samplers} == {"text"}


def test_a_cfg_that_is_given_is_kept(library: Library) -> None:
    values = effective_values(library.get("background"), {**BASE, "negative_prompt": "text", "cfg": 3.5})
    assert values["cfg"] == 3.5


def test_a_negative_prompt_that_would_be_dropped_is_refused(library: Library) -> None:
    with pytest.raises(WorkflowError, match="ignore the negative prompt at cfg 1"):
        effective_values(library.get("background"), {**BASE, "negative_prompt": "text", "cfg": 1.0})


@pytest.mark.parametrize(
    ("change", "words"),
    (
        ({"promt": "x"}, "did you mean 'prompt'"),
        ({"width": "768"}, "takes a whole number, not '768' (str)"),
        ({"width": 768.0}, "takes a whole number"),
        ({"width": True}, "takes a whole number, not True (bool)"),
        ({"width": 770}, "not a multiple of 16"),
        ({"seed": None}, "takes a whole number, not None"),
        ({"denoise": "0.5"}, "takes a number"),
        ({"denoise": float("nan")}, "not a finite number"),
        ({"denoise": float("inf")}, "not a finite number"),
        ({"denoise": 10**400}, "takes a number"),
        ({"denoise": True}, "takes a number"),
        ({"refine_foreground": 1}, "takes true or false"),
        ({"prompt": ["a", "b"]}, "takes text"),
        ({"prompt": "broken \ud83d"}, "half a character"),
        ({"prompt": b"bytes"}, "takes text"),
        ({"input_image": "../up.png"}, "cannot be a picture's name"),
        ({"input_image": "a/b.png"}, "cannot be a picture's name"),
        ({"input_image": ""}, "cannot be a picture's name"),
        ({"input_image": 5}, "cannot be a picture's name"),
        ({"input_image": None}, "needs a picture as input_image"),
    ),
)
def test_a_wrong_parameter_is_refused(library: Library, change: dict[str, Any], words: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        bind(library.get("entity"), {**ENTITY, **change}, prefix="a")
    assert words in str(caught.value)


@pytest.mark.parametrize("left_out", ("prompt", "seed", "width", "height", "input_image"))
def test_a_missing_parameter_is_refused(library: Library, left_out: str) -> None:
    given = {key: value for key, value in ENTITY.items() if key != left_out}
    with pytest.raises(WorkflowError, match=left_out):
        bind(library.get("entity"), given, prefix="a")


@pytest.mark.parametrize("prefix", ("", "a/b", "../a", "a b", "%date%", "-a", "a\n", "x" * 121, "\N{SNOWMAN}"))
def test_a_prefix_that_comfyui_would_change_is_refused(library: Library, prefix: str) -> None:
    with pytest.raises(WorkflowError, match="filename prefix"):
        bind(library.get("txt2img"), BASE, prefix=prefix)
