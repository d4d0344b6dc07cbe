"""The draft worker answers as worker-comfyui does, in its shapes and its words."""

from __future__ import annotations

import base64
import copy
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from assetmill.localpod.draft import DRAFT_KEY, render

WORKFLOWS = Path(__file__).parents[3] / "workflows"


def graph_of(name: str) -> dict[str, Any]:
    graph: dict[str, Any] = json.loads((WORKFLOWS / f"{name}.json").read_text("utf-8"))
    return graph


def small(name: str, size: tuple[int, int] = (128, 128)) -> dict[str, Any]:
    graph = graph_of(name)
    for node in graph.values():
        for key, value in zip(("width", "height"), size, strict=True):
            if key in node["inputs"]:
                node["inputs"][key] = value
    return graph


def guide_image(name: str = "input.png", size: tuple[int, int] = (128, 128)) -> dict[str, str]:
    image = Image.new("RGB", size, (220, 217, 210))
    ImageDraw.Draw(image).ellipse((24, 20, size[0] - 24, size[1] - 20), fill=(200, 60, 50))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"name": name, "image": base64.b64encode(buffer.getvalue()).decode()}


def opened(entry: dict[str, str]) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(entry["data"])))
    image.load()
    return image


def one_of(kind: str, graph: dict[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = next(node for node in graph.values() if node["class_type"] == kind)
    return node


def test_an_answer_has_exactly_the_keys_of_the_real_worker_and_the_draft_mark() -> None:
    answer = render({"workflow": small("txt2img")})
    assert set(answer) == {"images", "draft"}
    assert answer["draft"] is True
    (entry,) = answer["images"]
    assert set(entry) == {"filename", "type", "data"}
    assert entry["type"] == "base64"
    assert base64.b64decode(entry["data"]).startswith(b"\x89PNG\r\n\x1a\n")


def test_every_png_says_that_it_is_a_draft() -> None:
    answer = render({"workflow": small("parallax-depth", (160, 96))})
    assert [opened(entry).info[DRAFT_KEY] for entry in answer["images"]] == ["1"] * 5


def test_a_file_name_is_the_prefix_without_its_folder() -> None:
    graph = small("txt2img")
    one_of("SaveImage", graph)["inputs"]["filename_prefix"] = "some/where/hero-01"
    assert render({"workflow": graph})["images"][0]["filename"] == "hero-01_00001_.png"


@pytest.mark.parametrize(
    ("job_input", "message"),
    (
        (None, "Please provide input"),
        ("{not json", "Invalid JSON format in input"),
        ({}, "Missing 'workflow' parameter"),
        ({"workflow": None}, "Missing 'workflow' parameter"),
        ({"workflow": {}, "images": "x"}, "'images' must be a list of objects with 'name' and 'image' keys"),
        (
            {"workflow": {}, "images": [{"name": "a"}]},
            "'images' must be a list of objects with 'name' and 'image' keys",
        ),
    ),
)
def test_bad_input_is_refused_in_the_workers_words(job_input: Any, message: str) -> None:
    assert render(job_input) == {"error": message}


def test_json_text_is_taken_like_an_object() -> None:
    assert "images" in render(json.dumps({"workflow": small("txt2img")}))  # type: ignore[arg-type]  # as over HTTP


def test_a_workflow_that_is_no_object_fails_as_comfyui_fails() -> None:
    assert render({"workflow": "x"})["error"].startswith("Error queuing workflow: 500 Server Error")


def test_an_unknown_node_class_is_named_with_its_id() -> None:
    graph = small("txt2img")
    graph["99"] = {"class_type": "BiRefNet", "inputs": {}}
    error = render({"workflow": graph})["error"]
    assert error.startswith("Cannot execute because node BiRefNet does not exist.. Raw response: ")
    assert json.loads(error.split("Raw response: ")[1])["error"]["details"] == "Node ID '#99'"


def test_a_graph_without_output_is_refused() -> None:
    graph = {key: node for key, node in small("txt2img").items() if node["class_type"] != "SaveImage"}
    assert render({"workflow": graph})["error"].startswith("Prompt has no outputs. Raw response: ")


def test_a_missing_input_image_fails_validation() -> None:
    error = render({"workflow": small("entity")})["error"]
    assert error.startswith("Workflow validation failed:\n• Node 1 (errors): [")
    assert "image - Invalid image file: input.png" in error
    assert "• Node 1 (dependent_outputs): ['9']\n• Node 1 (class_type): LoadImage" in error


@pytest.mark.parametrize(
    ("name", "value", "said"),
    (
        ("latent_image", None, "required_input_missing"),
        ("latent_image", ["404", 0], "exception_during_validation"),
        ("seed", "{{SEED}}", "invalid_input_type"),
    ),
)
def test_a_broken_input_fails_validation(name: str, value: Any, said: str) -> None:
    graph = small("txt2img")
    inputs = one_of("KSampler", graph)["inputs"]
    inputs.pop(name)
    if value is not None:
        inputs[name] = value
    error = render({"workflow": graph})["error"]
    assert error.startswith("Workflow validation failed:")
    assert said in error


def test_a_cycle_is_refused_instead_of_followed() -> None:
    graph = small("txt2img")
    one_of("KSampler", graph)["inputs"]["latent_image"] = ["8", 0]
    assert "dependency cycle" in render({"workflow": graph})["error"]


def test_an_invalid_output_beside_a_valid_one_is_left_out_silently() -> None:
    graph = small("txt2img")
    graph["50"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "other", "images": ["404", 0]}}
    answer = render({"workflow": graph})
    assert len(answer["images"]) == 1


def test_only_previews_give_success_without_images() -> None:
    graph = small("txt2img")
    saver = one_of("SaveImage", graph)
    saver["class_type"] = "PreviewImage"
    assert render({"workflow": graph}) == {"status": "success_no_images", "images": [], "draft": True}


@pytest.mark.parametrize("missing", ("mask_blur", "mask_offset", "invert_output", "background"))
def test_background_removal_without_an_optional_input_fails_at_run_time(missing: str) -> None:
    graph = small("entity")
    del one_of("BiRefNetRMBG", graph)["inputs"][missing]
    answer = render({"workflow": graph, "images": [guide_image()]})
    assert answer["error"] == "Job processing failed"
    message = f"Error in image processing: '{missing}'\n"
    assert answer["details"] == [f"Workflow execution error: Node Type: BiRefNetRMBG, Node ID: 20, Message: {message}"]


def test_a_miswired_link_fails_as_a_node_not_as_a_crash() -> None:
    graph = small("txt2img")
    one_of("SaveImage", graph)["inputs"]["images"] = ["6", 0]
    answer = render({"workflow": graph})
    assert answer["error"] == "Job processing failed"
    assert "Node Type: SaveImage" in answer["details"][0]


@pytest.mark.parametrize("name", ("a/b.png", "..png"))
def test_an_upload_outside_the_input_folder_is_refused(name: str) -> None:
    answer = render({"workflow": small("entity"), "images": [guide_image(name)]})
    assert answer["error"] == "Failed to upload one or more input images"
    assert name in answer["details"][0]


def test_bad_base64_is_refused_and_bytes_that_are_no_image_fail_the_job() -> None:
    bad = render({"workflow": small("entity"), "images": [{"name": "input.png", "image": "***"}]})
    assert bad["error"] == "Failed to upload one or more input images"
    text = base64.b64encode(b"no picture").decode()
    assert render({"workflow": small("entity"), "images": [{"name": "input.png", "image": text}]})["error"] == (
        "Job processing failed"
    )


def test_a_data_uri_is_the_same_as_plain_base64() -> None:
    plain = guide_image()
    uri = {"name": "input.png", "image": f"data:image/png;base64,{plain['image']}"}
    graph = small("entity")
    assert render({"workflow": graph, "images": [plain]}) == render({"workflow": graph, "images": [uri]})


def test_a_picture_too_large_for_any_worker_fails_the_job() -> None:
    answer = render({"workflow": small("txt2img", (16384, 16384))})
    assert answer["error"] == "Job processing failed"
    assert "memory" in answer["details"][0]


def test_the_same_job_gives_the_same_bytes_and_leaves_its_input_alone() -> None:
    job = {"workflow": small("entity"), "images": [guide_image()]}
    before = copy.deepcopy(job)
    assert render(job) == render(job)
    assert job == before


def test_workers_that_draw_at_once_draw_the_same_as_one_alone() -> None:
    title = small("title-hero", (256, 128))
    for node in title.values():
        if node["class_type"] == "CLIPTextEncode":
            node["inputs"]["text"] = 'a logo that reads "Cloud Hop"'
    jobs: list[dict[str, Any]] = [{"workflow": title}, {"workflow": small("entity"), "images": [guide_image()]}] * 6
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(render, jobs))
    assert at_once == [render(jobs[0]), render(jobs[1])] * 6


def test_node_ids_are_only_names() -> None:
    graph = small("entity")
    new = {key: f"node-{ord(key[0])}-{key}" for key in graph}
    renamed = {
        new[key]: {
            "class_type": node["class_type"],
            "inputs": {
                name: [new[value[0]], value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            },
        }
        for key, node in reversed(graph.items())
    }
    images = [guide_image()]
    assert render({"workflow": graph, "images": images}) == render({"workflow": renamed, "images": images})


def test_a_batch_gives_numbered_and_different_pictures() -> None:
    graph = small("txt2img")
    one_of("EmptySD3LatentImage", graph)["inputs"]["batch_size"] = 2
    answer = render({"workflow": graph})
    prefix = one_of("SaveImage", graph)["inputs"]["filename_prefix"]
    assert [entry["filename"] for entry in answer["images"]] == [f"{prefix}_00001_.png", f"{prefix}_00002_.png"]
    assert answer["images"][0]["data"] != answer["images"][1]["data"]


def test_seed_and_prompt_change_the_picture() -> None:
    def drawn(seed: int, prompt: str) -> str:
        graph = small("background", (160, 96))
        sampler = one_of("KSampler", graph)["inputs"]
        sampler["seed"] = seed
        graph[graph[sampler["positive"][0]]["inputs"]["conditioning"][0]]["inputs"]["text"] = prompt
        data: str = render({"workflow": graph})["images"][0]["data"]
        return data

    assert len({drawn(1, "a forest"), drawn(2, "a forest"), drawn(1, "a desert")}) == 3


@pytest.mark.parametrize(
    "prompt",
    (
        "",
        "\n\n",
        'a "quoted" {{thing}} with \\ backslash',
        "🦊 fox émigré — «ß» 日本語",
        "x" * 20000,
        'reads "🐧🐧🐧"',
        'a logo that reads "' + "W" * 150 + '"',
        "Row 9, column 999: lava. Pictures 9999 to 1, counted row by row: jump. in 0 columns and 0 rows",
        "lone \ud83e surrogate",
    ),
)
@pytest.mark.parametrize("workflow", ("txt2img", "title-hero", "sheet"))
def test_any_prompt_is_drawn(workflow: str, prompt: str) -> None:
    graph = small(workflow, (96, 96))
    for node in graph.values():
        if node["class_type"] == "CLIPTextEncode":
            node["inputs"]["text"] = prompt
    answer = render({"workflow": graph, "images": [guide_image(size=(96, 96))]})
    assert opened(answer["images"][0]).size == (96, 96)
