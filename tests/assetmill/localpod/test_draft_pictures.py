"""What is on the drafts: sizes, transparency, layers, cells, letters. No stored pictures are compared."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from assetmill.localpod.draft import render

WORKFLOWS_FOLDER = Path(__file__).parents[3] / "workflows"
BINDINGS = json.loads((WORKFLOWS_FOLDER / "bindings.json").read_text("utf-8"))["workflows"]
GROUND = (220, 217, 210)


def drawn(workflow: str, guide: Image.Image | None = None, **values: Any) -> dict[str, Image.Image]:
    """Role -> picture of one of the project's workflows with parameters bound."""
    graph = json.loads((WORKFLOWS_FOLDER / f"{workflow}.json").read_text("utf-8"))
    binding = BINDINGS[workflow]
    for name, value in values.items():
        for node, field in binding["parameters"][name]:
            graph[node]["inputs"][field] = value
    images = []
    if guide is not None:
        buffer = io.BytesIO()
        guide.save(buffer, "PNG")
        images = [{"name": "input.png", "image": base64.b64encode(buffer.getvalue()).decode()}]
    answer = render({"workflow": graph, "images": images})
    assert "error" not in answer, answer
    by_prefix = {entry["filename"].removesuffix("_00001_.png"): entry["data"] for entry in answer["images"]}
    return {
        role: Image.open(io.BytesIO(base64.b64decode(by_prefix[graph[node]["inputs"]["filename_prefix"]])))
        for role, node in binding["outputs"].items()
    }


def guide_of(draw: Callable[[ImageDraw.ImageDraw], object], size: tuple[int, int] = (256, 256)) -> Image.Image:
    image = Image.new("RGB", size, GROUND)
    draw(ImageDraw.Draw(image))
    return image


def disc(colour: tuple[int, int, int] = (206, 70, 60), size: tuple[int, int] = (256, 256)) -> Image.Image:
    box = (size[0] * 0.1, size[1] * 0.1, size[0] * 0.9, size[1] * 0.9)
    return guide_of(lambda pen: pen.ellipse(box, fill=colour), size)


def alpha(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.getchannel("A"))


def grid_guide(
    columns: int, rows: int, colours: Sequence[tuple[int, int, int]], side: int = 64
) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    image = Image.new("RGB", (columns * side, rows * side), GROUND)
    pen = ImageDraw.Draw(image)
    boxes = []
    for index in range(columns * rows):
        x, y = index % columns * side, index // columns * side
        box = (x + 8, y + 6, x + side - 8, y + side - 6)
        pen.rounded_rectangle(box, radius=12, fill=colours[index % len(colours)])
        boxes.append(box)
    return image, boxes


def mean_colour(image: Image.Image, box: tuple[int, int, int, int]) -> NDArray[np.float64]:
    pixels = np.asarray(image.crop(box).convert("RGBA"), dtype=np.float64)
    solid = pixels[..., 3] > 128
    return np.asarray(pixels[solid][:, :3].mean(axis=0))


@pytest.mark.parametrize("size", ((512, 512), (768, 512), (512, 1024), (640, 368)))
def test_a_picture_from_words_has_the_graphs_size_and_is_opaque(size: tuple[int, int]) -> None:
    image = drawn("background", prompt="a snowy valley", seed=1, width=size[0], height=size[1])["image"]
    assert image.size == size
    assert image.mode == "RGB"


@pytest.mark.parametrize("size", ((256, 256), (320, 192)))
def test_a_guide_of_any_size_is_brought_to_the_graphs_size(size: tuple[int, int]) -> None:
    image = drawn("entity", disc(size=(64, 64)), prompt="a coin", seed=1, width=size[0], height=size[1])["image"]
    assert image.size == size


def test_an_entity_is_cut_out_with_soft_edges_inside_its_silhouette() -> None:
    guide = guide_of(lambda pen: pen.rounded_rectangle((60, 20, 196, 236), radius=68, fill=(70, 120, 210)))
    image = drawn("entity", guide, prompt="a blue robot", seed=3, width=256, height=256)["image"]
    assert image.mode == "RGBA"
    opacity = alpha(image)
    assert (opacity == 0).mean() > 0.3
    assert (opacity == 255).mean() > 0.15
    assert ((opacity > 8) & (opacity < 247)).any()
    left, top, right, bottom = image.getchannel("A").point(lambda v: 255 if v > 32 else 0).getbbox() or (0, 0, 0, 0)
    assert left >= 56
    assert top >= 16
    assert right <= 201
    assert bottom <= 241


def test_cut_out_edges_carry_nothing_of_the_guides_ground() -> None:
    guide = Image.new("RGB", (256, 256), (0, 255, 0))
    ImageDraw.Draw(guide).ellipse((20, 20, 236, 236), fill=(200, 40, 160))
    image = drawn("entity", guide, prompt="a magenta coin", seed=3, width=256, height=256)["image"]
    pixels = np.asarray(image, dtype=np.int32)
    edge = pixels[(pixels[..., 3] > 20) & (pixels[..., 3] < 200)]
    assert len(edge) > 50
    assert (edge[:, 1] - np.maximum(edge[:, 0], edge[:, 2]) < 40).all()


def test_a_polygon_keeps_its_outline() -> None:
    corners = [(128, 12), (244, 240), (12, 240)]
    guide = guide_of(lambda pen: pen.polygon(corners, fill=(90, 140, 80)))
    wanted = np.asarray(guide_of(lambda pen: pen.polygon(corners, fill=(0, 0, 0))))[..., 0] == 0
    image = drawn("entity", guide, prompt="an odd green relic", seed=3, width=256, height=256)["image"]
    got = alpha(image) > 127
    assert (got & wanted).sum() / (got | wanted).sum() > 0.93


def test_the_prompts_colour_shows() -> None:
    def tint(prompt: str) -> NDArray[np.float64]:
        image = drawn("entity", disc((150, 150, 150)), prompt=prompt, seed=1, width=256, height=256)["image"]
        return mean_colour(image, (60, 60, 200, 200))

    red, blue, spelled = tint("a red gem"), tint("a gem, blue"), tint("a gem coloured #20c040")
    assert red[0] > red[2] + 40
    assert blue[2] > blue[0] + 40
    assert spelled[1] > max(spelled[0], spelled[2]) + 40


def test_the_colour_of_what_a_subject_has_is_not_its_own() -> None:
    def tint(prompt: str) -> NDArray[np.float64]:
        image = drawn("entity", disc((150, 150, 150)), prompt=prompt, seed=1, width=256, height=256)["image"]
        return mean_colour(image, (90, 40, 170, 100))

    fox, blue_fox = tint("a fox with a blue scarf"), tint("a blue fox")
    assert fox[0] > fox[2]
    assert blue_fox[2] > blue_fox[0]


def test_a_foe_looks_different_from_a_friend() -> None:
    friend = drawn("entity", disc(), prompt="a red slime", seed=1, width=256, height=256)["image"]
    foe = drawn("entity", disc(), prompt="a red slime enemy", seed=1, width=256, height=256)["image"]
    assert (np.abs(np.asarray(friend, dtype=int) - np.asarray(foe, dtype=int)).max(axis=2) > 60).sum() > 200


def test_every_cell_of_a_sheet_has_ink_and_the_room_between_has_none() -> None:
    guide, boxes = grid_guide(4, 3, [(210, 80, 60)])
    image = drawn("sheet", guide, prompt="a fox hero", seed=5, width=256, height=192)["image"]
    opacity = alpha(image).copy()
    for left, top, right, bottom in boxes:
        assert (opacity[top:bottom, left:right] > 127).mean() > 0.25
        opacity[top - 2 : bottom + 3, left - 2 : right + 3] = 0
    assert opacity.max() < 32


def test_cells_keep_the_colours_of_their_guide() -> None:
    colours = [(214, 60, 60), (60, 90, 214), (70, 180, 80)]
    guide, boxes = grid_guide(3, 1, colours)
    image = drawn("sheet", guide, prompt="a gem", seed=5, width=192, height=64)["image"]
    for box, colour in zip(boxes, colours, strict=True):
        assert int(np.argmax(mean_colour(image, box))) == int(np.argmax(colour))


def test_frames_of_one_figure_differ_so_that_they_move() -> None:
    guide, boxes = grid_guide(4, 1, [(210, 120, 60)])
    words = "a fox. A game sheet: 4 pictures in 4 columns and 1 row. Pictures 1 to 4, counted row by row: run, a loop."
    image = drawn("sheet", guide, prompt=words, seed=5, width=256, height=64)["image"]
    frames = {image.crop(box).tobytes() for box in boxes}
    assert len(frames) == 4


def test_words_about_one_cell_change_that_cell_only() -> None:
    guide, boxes = grid_guide(3, 1, [(150, 150, 160)])
    plain = "a gem. A game sheet: 3 pictures in 3 columns and 1 row."
    before = drawn("sheet", guide, prompt=plain, seed=5, width=192, height=64)["image"]
    after = drawn("sheet", guide, prompt=f"{plain} Row 1, column 2: ruby, mainly red.", seed=5, width=192, height=64)[
        "image"
    ]
    changed = [before.crop(box).tobytes() != after.crop(box).tobytes() for box in boxes]
    assert changed == [False, True, False]


def tile_guide(side: int = 64) -> Image.Image:
    """Four by two squares without gaps, told apart by a slight difference of tone alone."""
    image = Image.new("RGB", (4 * side, 2 * side))
    pen = ImageDraw.Draw(image)
    for index in range(8):
        x, y = index % 4, index // 4
        tone = 132 if (x + y) % 2 else 118
        pen.rectangle((x * side, y * side, (x + 1) * side - 1, (y + 1) * side - 1), fill=(tone, tone - 30, tone - 60))
    return image


def test_tiles_are_opaque_and_each_follows_its_own_words() -> None:
    words = (
        "ground tiles. A tile sheet for a game: 8 squares in 4 columns and 2 rows. "
        "Row 1, column 1: lava. Row 1, column 2: water. Row 2, column 4: grass."
    )
    image = drawn("img2img", tile_guide(), prompt=words, seed=5, width=256, height=128)["image"]
    assert image.mode == "RGB"
    tops = [mean_colour(image, (x, y, x + 60, y + 8)) for x, y in ((2, 2), (66, 2), (194, 66))]
    assert tops[0][0] > 200
    assert tops[0][2] < 150
    assert tops[1][2] > 150
    assert int(np.argmax(tops[2])) == 1


def test_a_corner_tile_set_joins_along_shared_corners() -> None:
    guide = Image.new("RGB", (256, 256))
    pen = ImageDraw.Draw(guide)
    for index in range(16):
        x, y = index % 4 * 64, index // 4 * 64
        tone = 140 if (index % 4 + index // 4) % 2 else 124
        pen.rectangle((x, y, x + 63, y + 63), fill=(tone - 40, tone, tone - 60))
    words = (
        "grass over dirt. A tile sheet for a game. The squares are one set of 16 terrain tiles. in 4 columns and 4 rows"
    )
    image = np.asarray(drawn("img2img", guide, prompt=words, seed=5, width=256, height=256)["image"], dtype=int)

    def green(tile: int, dx: int, dy: int) -> bool:
        pixel = image[tile // 4 * 64 + dy, tile % 4 * 64 + dx]
        return bool(pixel[1] > pixel[0] + 10)

    spots = {1: (59, 4), 2: (59, 59), 4: (4, 59), 8: (4, 4)}
    for tile in range(16):
        assert {bit: green(tile, *spot) for bit, spot in spots.items()} == {bit: bool(tile & bit) for bit in spots}


def test_a_title_is_lettered_and_its_words_change_the_picture() -> None:
    def title(text: str) -> Image.Image:
        words = f'A game logo: lettering that reads "{text}". golden letters'
        return drawn("title-hero", prompt=words, seed=2, width=512, height=256)["image"]

    one, other = title("Cloud Hop"), title("Star Run")
    assert one.mode == "RGBA"
    assert 0.1 < (alpha(one) > 127).mean() < 0.9
    assert ImageChops.difference(one.getchannel("A"), other.getchannel("A")).getbbox() is not None
    assert not alpha(one)[0].any()
    assert not alpha(one)[:, 0].any()


@pytest.mark.parametrize("text", ("I", "A very long title of a game with many words in it", "ÄÖÜ ñ", "🐧", "“Q”"))
def test_any_title_stays_inside_its_picture(text: str) -> None:
    words = f'A game logo that reads "{text}"'
    opacity = alpha(drawn("title-hero", prompt=words, seed=2, width=512, height=512)["image"])
    assert (opacity > 127).mean() > 0.03
    assert not np.concatenate([opacity[0], opacity[-1], opacity[:, 0], opacity[:, -1]]).any()


def test_a_title_that_is_not_cut_out_stands_before_a_scene() -> None:
    image = drawn("txt2img", prompt='A game logo that reads "Hop". a forest', seed=2, width=512, height=256)["image"]
    assert image.mode == "RGB"
    corner = np.asarray(image)[:40, :40].reshape(-1, 3)
    assert corner.std(axis=0).max() > 0.5


@pytest.fixture(scope="module")
def layers() -> dict[str, Image.Image]:
    return drawn("parallax-depth", prompt="a forest valley", far_prompt="hills", seed=4, width=512, height=288)


def test_the_far_layer_is_opaque_and_the_nearer_ones_are_not(layers: dict[str, Image.Image]) -> None:
    assert {role: image.mode for role, image in layers.items()} == {
        "full": "RGB", "far": "RGB", "mid": "RGBA", "near": "RGBA", "depth": "RGB",
    }  # fmt: skip
    for role in ("mid", "near"):
        opacity = alpha(layers[role])
        assert 0.03 < (opacity == 255).mean() < 0.8
        assert (opacity == 0).mean() > 0.2


def test_layers_put_together_are_the_whole_picture(layers: dict[str, Image.Image]) -> None:
    stacked = layers["far"].convert("RGBA")
    for role in ("mid", "near"):
        stacked = Image.alpha_composite(stacked, layers[role])
    difference = np.abs(np.asarray(stacked.convert("RGB"), dtype=int) - np.asarray(layers["full"], dtype=int))
    assert (difference.max(axis=2) > 12).mean() < 0.03


def test_what_is_near_is_gone_from_the_far_layer(layers: dict[str, Image.Image]) -> None:
    near = alpha(layers["near"]) == 255
    difference = np.abs(np.asarray(layers["far"], dtype=int) - np.asarray(layers["full"], dtype=int)).max(axis=2)
    assert difference[near].mean() > 20


def test_depth_is_grey_and_grows_towards_the_viewer(layers: dict[str, Image.Image]) -> None:
    depth = np.asarray(layers["depth"], dtype=int)
    assert (depth[..., 0] == depth[..., 1]).all()
    assert depth[-10:].mean() > 170
    assert depth[:10].mean() < 60


@pytest.mark.parametrize(
    "prompt", ("clouds", "a forest", "a cave", "the ocean", "a city at night", "lava fields", "space")
)
def test_a_scene_repeats_sideways_without_a_seam(prompt: str) -> None:
    image = drawn("background", prompt=prompt, seed=6, width=512, height=320)["image"]
    pixels = np.asarray(image, dtype=np.float64)[:290]
    seam = np.abs(pixels[:, 0] - pixels[:, -1]).mean()
    usual = np.abs(np.diff(pixels, axis=1)).mean()
    assert seam < 3 * usual + 2


def test_night_is_darker_than_day() -> None:
    def brightness(prompt: str) -> float:
        image = drawn("background", prompt=prompt, seed=6, width=512, height=320)["image"]
        return float(np.asarray(image.convert("L")).mean())

    assert brightness("a meadow at night") < brightness("a meadow") - 40


def test_scenes_bear_a_small_tag_and_layers_do_not(layers: dict[str, Image.Image]) -> None:
    image = drawn("background", prompt="a forest valley", seed=4, width=512, height=320)["image"]
    other = drawn("txt2img", prompt='a sign that reads "A". a forest valley', seed=4, width=512, height=320)["image"]
    corner = (450, 295, 512, 320)
    assert np.asarray(image.crop(corner).convert("L")).max() > np.asarray(layers["full"].convert("L"))[-30:, -60:].max()
    assert np.asarray(other.crop(corner).convert("L")).max() > 150


def test_background_removal_keys_out_the_border_colour_and_keeps_what_it_encloses() -> None:
    def ring(pen: ImageDraw.ImageDraw) -> None:
        pen.ellipse((30, 30, 226, 226), fill=(180, 40, 40))
        pen.ellipse((90, 90, 166, 166), fill=GROUND)

    image = drawn("remove-background", guide_of(ring))["image"]
    opacity = alpha(image)
    assert image.size == (256, 256)
    assert opacity[4, 4] == 0
    assert opacity[60, 128] == 255
    assert opacity[128, 128] == 255


def test_a_black_figure_on_transparency_is_found_on_its_matte() -> None:
    figure = Image.new("RGBA", (128, 128), (0, 0, 0, 0))
    ImageDraw.Draw(figure).ellipse((20, 20, 108, 108), fill=(0, 0, 0, 255))
    opacity = alpha(drawn("entity", figure, prompt="a bomb", seed=1, width=128, height=128)["image"])
    assert opacity[2, 2] == 0
    assert (opacity > 127).mean() > 0.2


def test_a_low_denoise_leaves_the_guide_as_it_was() -> None:
    guide = disc((206, 70, 60))
    kept = drawn("img2img", guide, prompt="a blue gem", seed=1, denoise=0.1, width=256, height=256)["image"]
    redrawn = drawn("img2img", guide, prompt="a blue gem", seed=1, denoise=0.9, width=256, height=256)["image"]
    assert np.abs(np.asarray(kept, dtype=int) - np.asarray(guide, dtype=int)).mean() < 2
    assert np.abs(np.asarray(redrawn, dtype=int) - np.asarray(guide, dtype=int)).mean() > 5
