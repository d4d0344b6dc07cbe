"""What a draft takes from words and guides before anything is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from assetmill import colours
from assetmill.localpod.draft.biomes import BIOMES, biome_of
from assetmill.localpod.draft.casting import cast
from assetmill.localpod.draft.cells import read_guide
from assetmill.localpod.draft.decor import GROWTH
from assetmill.localpod.draft.keying import key_out
from assetmill.localpod.draft.kinds import BEINGS, Pose
from assetmill.localpod.draft.palette import apart, palette_of
from assetmill.localpod.draft.pixels import blur, grow, noise, rng_of
from assetmill.localpod.draft.things import FIGURES
from assetmill.localpod.draft.wording import read
from assetmill.manifest.models import Pack
from assetmill.prompts import build

PLAIN = (220, 217, 210)


def pack_with(asset: dict[str, object]) -> Pack:
    return Pack.model_validate(
        {
            "game": {"id": "g", "title": "Cloud Hop"},
            "pack": {"id": "p", "name": "P", "theme": "a kingdom of candy", "style": "cartoon"},
            "assets": [asset],
        }
    )


def prompt_of(**asset: object) -> str:
    pack = pack_with(asset)
    return build(pack.assets[0], pack).positive


def painted(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Image.Image:
    image = Image.new("RGB", size, PLAIN)
    for box in boxes:
        ImageDraw.Draw(image).ellipse(box, fill=(60, 120, 200))
    return image


def test_the_projects_own_sheet_prompt_is_read_back() -> None:
    words = read(
        prompt_of(
            type="sheet",
            id="hero",
            kind="sprite",
            prompt="a fox with a lantern",
            layout={"kind": "grid", "columns": 3, "rows": 2, "cell_width": 64, "cell_height": 64},
            animations={"run": {"frames": 4}, "idle": {"frames": 2}},
            overrides={"run_01": "one foot up"},
        )
    )
    assert words.subject.strip() == "a fox with a lantern."
    assert words.grid == (3, 2)
    assert words.cells == {(0, 1): "one foot up"}
    assert [words.moves[place] for place in (0, 3, 4, 5)] == [
        ("run", 0, 4),
        ("run", 3, 4),
        ("idle", 0, 2),
        ("idle", 1, 2),
    ]
    assert words.world == "a kingdom of candy"


def test_the_projects_own_title_prompt_is_read_back() -> None:
    words = read(prompt_of(type="title_hero", id="t", title='The "Last" {One} 🐧', prompt="gold"))
    assert words.title == "The “Last” {One} 🐧"


def test_the_projects_own_interface_prompt_names_its_states() -> None:
    words = read(
        prompt_of(
            type="sheet",
            id="b",
            kind="ui_component",
            component="button",
            prompt="wooden",
            states=["normal", "hover", "pressed", "disabled"],
            layout={"kind": "strip", "frame_count": 4, "cell_width": 64, "cell_height": 32},
        )
    )
    assert words.element
    assert [words.cells[(0, column)].split(",")[0] for column in (1, 2, 3)] == ["hover", "pressed", "disabled"]


def test_a_role_is_read_from_the_projects_own_entity_prompt() -> None:
    words = read(prompt_of(type="entity", id="e", prompt="a thing", entity_type="enemy", color="#3366cc"))
    assert "enemy" in words.role
    assert "mainly blue" in words.role


@pytest.mark.parametrize("text", ('the word "Inn" on a wall, a sign', 'an inn at "dusk"'))
def test_quotes_in_a_scene_are_a_title_only_where_something_is_lettered(text: str) -> None:
    assert (read(text).title is not None) == ("word" in text)


def test_colours_are_those_of_the_guides_table() -> None:
    red, green, blue = palette_of("a teal vase").main
    assert np.abs(np.subtract((red, green, blue), colours.rgb(colours.COLOUR_WORDS["teal"]))).max() < 25


def test_a_plain_backdrop_is_not_the_subjects_colour() -> None:
    assert not palette_of("a vase on a plain white background").spoken
    assert palette_of("a white vase").spoken


@pytest.mark.parametrize("prompt", ("", "zxcv", "a grey stone", "a black cat with green eyes", "#808080"))
def test_a_palette_has_three_colours_that_can_be_told_apart(prompt: str) -> None:
    palette = palette_of(prompt)
    assert apart(palette.main, palette.second)
    assert all(0 <= part <= 255 for one in (palette.main, palette.second, palette.accent) for part in one)


@pytest.mark.parametrize(
    ("text", "word"),
    (
        ("a golden coin with a star on it", "coin"),
        ("a treasure chest of gems", "chest"),
        ("three red mushrooms", "mushroom"),
        ("a dark thundercloud", "cloud"),
        ("Old Tom, a rusty key", "key"),
    ),
)
def test_the_head_of_a_phrase_is_the_thing(text: str, word: str) -> None:
    assert cast(text, "", Pose(), 1.0) == cast(word, "", Pose(), 1.0)


def test_a_thing_that_is_an_enemy_has_a_face_and_a_spike_never_has() -> None:
    role = "enemy creature, full figure"
    assert len(cast("a cloud", role, Pose(), 1.0).parts) > len(cast("a cloud", "", Pose(), 1.0).parts)
    assert len(cast("ice spikes", role, Pose(), 1.0).parts) == len(cast("ice spikes", "", Pose(), 1.0).parts)


@pytest.mark.parametrize("word", sorted({*FIGURES, *BEINGS}))
def test_every_known_word_has_parts_inside_its_square_or_close_to_it(word: str) -> None:
    parts = cast(word, "", Pose(0.7, 1.0), 1.0).parts
    assert parts
    assert all(one.forms for one in parts)


def test_landscapes_run_from_far_to_near_and_grow_only_what_can_be_drawn() -> None:
    for biome in BIOMES.values():
        depths = [stratum.depth for stratum in biome.strata]
        assert depths[0] < 0.33 < depths[-1]
        assert max(depths) > 0.66
        assert {stratum.growth for stratum in biome.strata} <= {"", *GROWTH}


def test_the_landscape_named_most_often_wins_and_the_hour_is_heard() -> None:
    assert biome_of("a forest path near the sea, deep woods")[0].strata == BIOMES["forest"].strata
    assert biome_of("a meadow at sunset")[1] == "dusk"
    assert biome_of("a cave at night")[1] == "day"


def test_cells_are_found_in_reading_order() -> None:
    guide = painted((300, 200), (210, 12, 290, 90), (10, 6, 90, 84), (110, 116, 190, 194), (110, 10, 190, 88))
    centres = [((c.box[0] + c.box[2]) // 200, (c.box[1] + c.box[3]) // 200) for c in read_guide(guide).cells]
    assert [(round((c.box[0] + c.box[2]) / 2, -1)) for c in read_guide(guide).cells] == [50, 150, 250, 150]
    assert [row for _, row in centres] == [0, 0, 0, 1]


def test_a_hole_in_a_shape_belongs_to_it_and_specks_are_no_cells() -> None:
    guide = painted((200, 200), (20, 20, 180, 180))
    pen = ImageDraw.Draw(guide)
    pen.ellipse((80, 80, 120, 120), fill=PLAIN)
    pen.rectangle((4, 4, 6, 6), fill=(0, 0, 0))
    (cell,) = read_guide(guide).cells
    assert cell.silhouette.getpixel((cell.silhouette.width // 2, cell.silhouette.height // 2)) == 255


@pytest.mark.parametrize("colour", (PLAIN, (0, 0, 0), (255, 255, 255)))
def test_an_empty_guide_is_one_cell_that_fills_it(colour: tuple[int, int, int]) -> None:
    (cell,) = read_guide(Image.new("RGB", (96, 64), colour)).cells
    assert cell.box == (0, 0, 96, 64)


def test_a_subject_as_pale_as_its_ground_is_found_by_its_surface() -> None:
    rng = np.random.default_rng(5)
    pixels = np.full((256, 256, 3), 200, dtype=np.float32)
    lively = np.asarray(Image.fromarray(rng.random((24, 24)).astype(np.float32)).resize((256, 256), 3))
    inside = np.zeros((256, 256), dtype=bool)
    inside[48:208, 48:208] = True
    pixels += (inside * (lively - 0.5) * 90)[..., None]
    pixels[48:208, 48:52] = 90
    pixels[48:208, 204:208] = 90
    found = read_guide(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))).cells
    assert len(found) == 1
    left, top, right, bottom = found[0].box
    assert (right - left) * (bottom - top) > 0.8 * 160 * 160


def test_keying_softens_edges_and_takes_the_ground_out_of_them() -> None:
    large = Image.new("RGB", (512, 512), (0, 200, 0))
    ImageDraw.Draw(large).ellipse((100, 100, 412, 412), fill=(200, 30, 30))
    matte, fore = key_out(large.reduce(4))
    opacity, colour = np.asarray(matte), np.asarray(fore, dtype=int)
    soft = (opacity > 40) & (opacity < 215)
    assert soft.sum() > 40
    assert (colour[soft][:, 1] < 120).all()


def test_a_picture_without_an_even_border_is_left_whole() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    matte, fore = key_out(Image.fromarray(pixels))
    assert np.asarray(matte).min() == 255
    assert (np.asarray(fore) == pixels).all()


@pytest.mark.parametrize("pixels", (0, 1, 2, 5, 12))
def test_a_mask_grows_by_exactly_so_many_pixels_and_shrinks_back(pixels: int) -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (24, 28, 40, 36))
    grown = grow(mask, pixels)
    assert grown.getbbox() == (24 - pixels, 28 - pixels, 40 + pixels, 36 + pixels)
    assert grow(grown, -pixels).getbbox() == mask.getbbox()


def test_blur_keeps_the_sum_of_what_is_inside() -> None:
    field = np.zeros((65, 65), dtype=np.float32)
    field[32, 32] = 1
    blurred = blur(field, 5)
    assert blurred.sum() == pytest.approx(1, abs=1e-4)
    assert blurred[32, 32] == blurred.max() < 0.1


def test_noise_joins_from_right_to_left_and_follows_its_seed() -> None:
    one, same, other = (noise((60, 240), 30, rng_of("n", seed)) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
    assert np.abs(one[:, 0] - one[:, -1]).mean() < 2 * np.abs(np.diff(one, axis=1)).mean()
