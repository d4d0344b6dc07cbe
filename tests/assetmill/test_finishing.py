import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import TypeAdapter

from assetmill.errors import ResultInvalid
from assetmill.finishing import colour, finish, finish_fields
from assetmill.finishing.edges import defringe
from assetmill.finishing.result import Placement
from assetmill.images import is_png, read_text
from assetmill.manifest.models import Asset, Pack
from assetmill.packs import index

RED, BLUE = (220, 40, 40, 255), (40, 60, 220, 255)
PALETTE = ("#f2cf3f", "#d8403a", "#2f4379")
LAYOUT = {"kind": "grid", "columns": 4, "rows": 2, "cell_width": 32, "cell_height": 32}

GIVEN: dict[str, dict[str, Any]] = {
    "entity": {"silhouette": {"canvas": [128, 128]}},
    "background": {"width": 160, "height": 96},
    "title_hero": {"title": "Cloud Hop", "width": 128, "height": 64},
    "parallax": {"layer_count": 3, "width": 160, "height": 96},
    "sheet": {"kind": "sprite", "layout": LAYOUT, "animations": {"run": {"frames": 8}}},
}


def raw_asset(asset_type: str = "entity", /, **fields: Any) -> Asset:
    given = {"id": "thing", "type": asset_type, "prompt": "a thing"} | GIVEN[asset_type] | fields
    asset: Asset = TypeAdapter(Asset).validate_python(given)
    return asset


def raw_pack(**fields: Any) -> Pack:
    pack = {"id": "sky", "name": "Sky", "palette": PALETTE}
    return Pack.model_validate({"game": {"id": "hop", "title": "Hop"}, "pack": pack, "assets": ()} | fields)


def raw_png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def cutout(size: tuple[int, int] = (256, 256), box: tuple[int, int, int, int] = (60, 40, 200, 220)) -> Image.Image:
    """A smoothly coloured ellipse with soft edges on transparency."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    rgb = np.stack([x % 256, y % 256, (x + y) % 256], axis=-1).astype(np.uint8)
    large = Image.new("L", (size[0] * 2, size[1] * 2), 0)
    ImageDraw.Draw(large).ellipse([2 * edge for edge in box], fill=255)
    picture = Image.fromarray(rgb, "RGB").convert("RGBA")
    picture.putalpha(large.reduce(2))
    return picture


def scene(size: tuple[int, int] = (320, 192)) -> Image.Image:
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    return Image.fromarray(np.stack([x % 256, y % 256, (x * y) % 256], axis=-1).astype(np.uint8), "RGB")


RAWS = {
    "entity": {"image": raw_png(cutout())},
    "background": {"image": raw_png(scene())},
    "title_hero": {"image": raw_png(cutout((256, 128), (20, 20, 230, 110)))},
    "parallax": {"far": raw_png(scene()), "mid": raw_png(cutout((320, 192))), "near": raw_png(cutout((320, 192)))},
    "sheet": {"image": raw_png(cutout((512, 256), (10, 10, 500, 246)))},
}


def finished_image(asset: Asset, raws: dict[str, bytes], pack: Pack | None = None, role: str = "image") -> Image.Image:
    file = finish(asset, pack or raw_pack(), raws).files[role]
    with Image.open(BytesIO(file.data)) as opened:
        opened.load()
        assert opened.size == (file.width, file.height)
        return opened.copy()


def seen_colours(image: Image.Image) -> set[tuple[int, ...]]:
    levels = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    return {tuple(int(part) for part in row) for row in np.unique(levels[levels[:, 3] > 0][:, :3], axis=0)}


def solid_box(image: Image.Image) -> tuple[int, int, int, int]:
    box = image.getchannel("A").point([0] * 128 + [255] * 128).getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize(
    ("asset_type", "size", "mode"),
    (
        ("entity", (128, 128), "RGBA"),
        ("background", (160, 96), "RGB"),
        ("title_hero", (128, 64), "RGBA"),
        ("sheet", (128, 64), "RGBA"),
    ),
)
def test_every_type_gets_its_asked_size_and_mode(asset_type: str, size: tuple[int, int], mode: str) -> None:
    made = finish(raw_asset(asset_type), raw_pack(), RAWS[asset_type])
    assert is_png(made.files["image"].data)
    image = finished_image(raw_asset(asset_type), RAWS[asset_type])
    assert (image.size, image.mode) == (size, mode)
    assert made.quality.rejected is None


@pytest.mark.parametrize(
    ("asset_type", "fields"), (("title_hero", {"transparent": False}), ("sheet", {"transparent": False}))
)
def test_pictures_that_are_not_cut_out_come_out_opaque(asset_type: str, fields: dict[str, Any]) -> None:
    assert finished_image(raw_asset(asset_type, **fields), RAWS[asset_type]).mode == "RGB"


@pytest.mark.parametrize("kind", ("JPEG", "WEBP"))
def test_whatever_came_back_a_png_goes_out(kind: str) -> None:
    out = BytesIO()
    scene().save(out, kind)
    made = finish(raw_asset("background"), raw_pack(), {"image": out.getvalue()})
    assert is_png(made.files["image"].data)


@pytest.mark.parametrize("asset_type", tuple(GIVEN))
def test_the_same_raw_bytes_give_the_same_files(asset_type: str) -> None:
    one, two = (finish(raw_asset(asset_type), raw_pack(), RAWS[asset_type]) for _ in range(2))
    assert one == two


def test_provenance_is_written_when_given_and_only_then() -> None:
    text = {"assetmill:asset": "thing", "assetmill:prompt": 'a "thing" 👋'}
    written = finish(raw_asset(), raw_pack(), RAWS["entity"], text=text).files["image"].data
    plain = finish(raw_asset(), raw_pack(), RAWS["entity"]).files["image"].data
    assert read_text(written) == text
    assert read_text(plain) == {}


def test_layers_keep_transparency_but_the_far_one_and_stay_on_each_other() -> None:
    raws = RAWS["parallax"] | {"full": raw_png(scene()), "depth": raw_png(scene().convert("L"))}
    asset = raw_asset("parallax", width=160, height=80)
    made = {role: finished_image(asset, raws, role=role) for role in raws}
    assert {role: image.mode for role, image in made.items()} == {
        "far": "RGB", "mid": "RGBA", "near": "RGBA", "full": "RGB", "depth": "RGB",
    }  # fmt: skip
    assert {image.size for image in made.values()} == {(160, 80)}
    x = np.asarray(made["far"])[40, 80]
    assert np.abs(np.asarray(made["mid"])[40, 80, :2].astype(int) - x[:2]).max() <= 3


@pytest.mark.parametrize("missing", ("far", "mid", "near"))
def test_a_missing_layer_is_named(missing: str) -> None:
    raws = {role: data for role, data in RAWS["parallax"].items() if role != missing}
    with pytest.raises(ResultInvalid, match=f"no picture for {missing}"):
        finish(raw_asset("parallax"), raw_pack(), raws)


def test_broken_bytes_are_named_by_their_role() -> None:
    with pytest.raises(ResultInvalid, match=r"^mid: "):
        finish(raw_asset("parallax"), raw_pack(), RAWS["parallax"] | {"mid": b"<html>"})


def test_contain_keeps_the_aspect_and_centres() -> None:
    tall = raw_png(cutout((128, 256), (4, 4, 124, 252)))
    left, top, right, bottom = solid_box(finished_image(raw_asset(), {"image": tall}))
    assert abs(left - (128 - right)) <= 1
    assert abs(top - (128 - bottom)) <= 1
    assert (bottom - top) / (right - left) == pytest.approx(248 / 120, rel=0.05)


def test_stretch_and_cover_fill_the_canvas() -> None:
    tall = raw_png(Image.new("RGBA", (64, 256), RED))
    for fit in ("stretch", "cover"):
        image = finished_image(raw_asset(post={"fit": fit}), {"image": tall}, raw_pack(qa={"max_coverage": 1}))
        assert solid_box(image) == (0, 0, 128, 128)


def test_opaque_pictures_never_get_bars() -> None:
    striped = Image.new("RGB", (320, 320), "#ff0000")
    image = finished_image(raw_asset("background"), {"image": raw_png(striped)})
    assert seen_colours(image) == {(255, 0, 0)}


def test_a_trimmed_entity_fills_its_share_of_the_canvas() -> None:
    small = raw_png(cutout((256, 256), (20, 30, 80, 90)))
    asset = raw_asset(post={"trim": True}, silhouette={"canvas": [128, 128], "fill": 0.75})
    left, top, right, bottom = solid_box(finished_image(asset, {"image": small}))
    assert right - left == pytest.approx(96, abs=2)
    assert bottom - top == pytest.approx(96, abs=2)
    assert abs(left - (128 - right)) <= 1


@pytest.mark.parametrize("trim", (False, True))
def test_padding_stays_free_on_each_side(trim: bool) -> None:
    asset = raw_asset("title_hero", post={"pad": 10, "trim": trim})
    alpha = np.asarray(finished_image(asset, RAWS["title_hero"]).getchannel("A"))
    assert alpha[10:-10, 10:-10].max() == 255
    assert max(alpha[:10].max(), alpha[-10:].max(), alpha[:, :10].max(), alpha[:, -10:].max()) == 0


def test_padding_larger_than_the_canvas_which_no_manifest_may_ask_for_still_ends_in_a_picture() -> None:
    assert finished_image(raw_asset(post={"pad": 512}), RAWS["entity"]).size == (128, 128)


@pytest.mark.parametrize("side", (64, 100, 128, 255))
@pytest.mark.parametrize("box", ((20, 30, 80, 90), (60, 10, 100, 250), (3, 100, 250, 140), (0, 0, 255, 255)))
def test_a_trimmed_square_entity_fills_nine_tenths_of_its_canvas(box: tuple[int, int, int, int], side: int) -> None:
    """What the game runtime assumes of square textures."""
    asset = raw_asset(post={"trim": True}, silhouette={"canvas": [side, side]})
    alpha = finished_image(asset, {"image": raw_png(cutout((256, 256), box))}).getchannel("A")
    seen = alpha.point([0] * 8 + [255] * 248).getbbox()
    assert seen is not None
    left, top, right, bottom = seen
    assert max(right - left, bottom - top) == pytest.approx(0.9 * side, abs=1)
    assert abs(left - (side - right)) <= 1
    assert abs(top - (side - bottom)) <= 1


def test_a_picture_that_is_not_trimmed_stays_as_large_as_it_was_drawn() -> None:
    image = finished_image(raw_asset(), {"image": raw_png(cutout((256, 256), (20, 30, 80, 90)))})
    left, top, right, bottom = solid_box(image)
    assert (left, top) == (pytest.approx(10, abs=1), pytest.approx(15, abs=1))
    assert (right - left, bottom - top) == (pytest.approx(30, abs=1), pytest.approx(30, abs=1))


def placed(asset: Asset, raw: Image.Image) -> tuple[Image.Image, Placement]:
    made = finish(asset, raw_pack(qa={"max_coverage": 1}), {"image": raw_png(raw)})
    with Image.open(BytesIO(made.files["image"].data)) as opened:
        opened.load()
        return opened.copy(), made.placements["image"]


def back(image: Image.Image, placement: Placement) -> Image.Image:
    """The finished picture put back where it was drawn."""
    x, y, w, h = placement.at
    left, top, width, height = placement.crop
    restored = Image.new("RGBA", placement.source)
    restored.paste(image.crop((x, y, x + w, y + h)).resize((width, height), Image.Resampling.BILINEAR), (left, top))
    return restored


@pytest.mark.parametrize(
    ("fields", "coarse"),
    (
        ({"post": {"trim": True}}, 1),
        ({"post": {"trim": True, "pad": 20}}, 1),
        ({"post": {"trim": True, "fit": "stretch"}}, 1),
        ({"post": {"trim": True, "fit": "cover"}, "silhouette": {"canvas": [128, 64]}}, 1),
        ({"post": {"trim": True, "fit": "cover"}, "silhouette": {"canvas": [64, 128]}}, 1),
        ({"post": {"trim": True, "pixel_scale": 2}}, 2),
        ({"post": {"trim": True, "pixel_scale": 5}, "silhouette": {"canvas": [128, 96]}}, 5),
        ({"post": {"trim": True, "pixel_scale": 5}, "silhouette": {"canvas": [128, 128], "fill": 1.0}}, 5),
    ),
)
def test_a_trimmed_picture_can_be_put_back_where_it_was_drawn(fields: dict[str, Any], coarse: int) -> None:
    raw = cutout((256, 192), (90, 20, 230, 150))
    asset = raw_asset(**fields)
    image, placement = placed(asset, raw)
    assert placement.source == (256, 192)
    left, top, width, height = placement.crop
    x, y, w, h = placement.at
    assert 89 <= left < left + width <= 232
    assert 19 <= top < top + height <= 152
    assert 0 <= x < x + w <= image.width
    assert 0 <= y < y + h <= image.height
    assert placement.at[0] % coarse == placement.at[1] % coarse == 0
    restored = np.asarray(back(image, placement).getchannel("A"), int)
    drawn = np.asarray(raw.getchannel("A"), int) * (restored > 0)  # `cover` cuts some off
    solid = (restored > 200).sum() / max(1, (drawn > 200).sum())
    assert solid == pytest.approx(1, abs=0.05 * coarse)
    middle = (slice(top + height // 3, top + 2 * height // 3), slice(left + width // 3, left + 2 * width // 3))
    moved = np.abs(np.asarray(back(image, placement), int)[middle] - np.asarray(raw, int)[middle])[..., :3]
    assert moved.mean() < 6 * coarse


def test_a_placement_is_what_a_pack_index_holds() -> None:
    _, placement = placed(raw_asset(post={"trim": True}), cutout())
    kept = index.Placement.model_validate_json(json.dumps(placement.as_json()))
    assert kept.source == placement.source
    assert (kept.crop.x, kept.crop.y, kept.crop.w, kept.crop.h) == placement.crop
    assert (kept.at.x, kept.at.y, kept.at.w, kept.at.h) == placement.at


def test_only_trimmed_cutouts_have_a_placement() -> None:
    for asset_type in GIVEN:
        assert not finish(raw_asset(asset_type), raw_pack(), RAWS[asset_type]).placements
    for asset_type in ("background", "parallax"):
        assert not finish(raw_asset(asset_type, post={"trim": True}), raw_pack(), RAWS[asset_type]).placements
    trimmed = raw_asset("title_hero", post={"trim": True})
    assert set(finish(trimmed, raw_pack(), RAWS["title_hero"]).placements) == {"image"}


def test_a_picture_that_was_turned_is_placed_as_it_is_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    out = BytesIO()
    cutout((192, 256)).save(out, "PNG", exif=exif)
    made = finish(raw_asset(post={"trim": True}), raw_pack(), {"image": out.getvalue()})
    assert made.placements["image"].source == (256, 192)


@pytest.mark.parametrize("resample", ("lanczos", "bicubic", "bilinear", "box", "nearest"))
@pytest.mark.parametrize("hidden", ((0, 0, 0, 0), (255, 255, 255, 0), (0, 255, 0, 0)))
@pytest.mark.parametrize("side", (37, 128, 300))
def test_no_hidden_colour_bleeds_into_an_edge(resample: str, hidden: tuple[int, ...], side: int) -> None:
    raw = Image.new("RGBA", (128, 128), hidden)
    raw.paste((200, 100, 50, 255), (31, 31, 97, 97))
    asset = raw_asset(post={"resample": resample}, silhouette={"canvas": [side, side]})
    levels = np.asarray(finished_image(asset, {"image": raw_png(raw)}), int)
    shown = levels[levels[..., 3] >= 64][:, :3]
    assert np.abs(shown - (200, 100, 50)).max() <= 3
    faint = levels[(levels[..., 3] > 0) & (levels[..., 3] < 64)]  # where a level of alpha is worth more than one
    assert (np.abs(faint[:, :3] - (200, 100, 50)) <= 2 + 255 / faint[:, 3:]).all()


def rimmed(rim: tuple[int, int, int] = (255, 255, 255), width: int = 2) -> Image.Image:
    """A red square, its edge half transparent in the colour of the ground that it was cut from."""
    picture = Image.new("RGBA", (128, 128), (*rim, 0))
    for step in range(width, 0, -1):
        picture.paste((*rim, 220 // step), (32 - step, 32 - step, 96 + step, 96 + step))
    picture.paste(RED, (32, 32, 96, 96))
    return picture


@pytest.mark.parametrize("rim", ((255, 255, 255), (0, 0, 0)))
def test_defringe_takes_the_rim_away_and_leaves_alpha(rim: tuple[int, int, int]) -> None:
    before = rimmed(rim)
    after = np.asarray(defringe(before))
    assert np.array_equal(after[..., 3], np.asarray(before)[..., 3])
    assert {tuple(pixel) for pixel in after[after[..., 3] > 0][:, :3].tolist()} == {RED[:3]}


def test_defringe_is_done_when_asked_for_and_only_then() -> None:
    def whitest(**post: Any) -> int:
        levels = np.asarray(finished_image(raw_asset(post=post), {"image": raw_png(rimmed())}))
        return int(levels[levels[..., 3] > 40][:, 1].max())

    assert whitest() > 200
    assert whitest(defringe=True) <= RED[1] + 8
    assert whitest(defringe=True, alpha_threshold=40) <= RED[1] + 8


def test_defringe_takes_the_nearest_colour_and_leaves_what_is_far_from_any() -> None:
    picture = Image.new("RGBA", (200, 64), (9, 9, 9, 0))
    picture.paste(RED, (10, 10, 40, 54))
    picture.paste(BLUE, (44, 10, 74, 54))
    picture.paste((255, 255, 255, 90), (40, 10, 44, 54))
    picture.paste((255, 255, 0, 60), (120, 10, 190, 54))
    after = defringe(picture)
    assert [after.getpixel((x, 30)) for x in (40, 43)] == [(*RED[:3], 90), (*BLUE[:3], 90)]
    assert after.getpixel((150, 30)) == (255, 255, 0, 60), "a glow is no edge"


@pytest.mark.parametrize("alpha", (0, 100, 255))
def test_a_picture_without_edges_is_left_as_it_is(alpha: int) -> None:
    picture = Image.new("RGBA", (16, 16), (1, 2, 3, alpha))
    assert np.array_equal(np.asarray(defringe(picture)), np.asarray(picture))


def test_layers_are_defringed_and_what_is_opaque_is_not() -> None:
    raws = {"far": raw_png(scene()), "mid": raw_png(rimmed()), "near": raw_png(rimmed())}
    asset = raw_asset("parallax", width=128, height=128, post={"defringe": True})
    mid = np.asarray(finished_image(asset, raws, role="mid"))
    assert mid[mid[..., 3] > 0][:, 1].max() <= RED[1] + 1
    plain, asked = (finished_image(raw_asset("background", post=post), RAWS["background"]) for post in ({}, post_of()))
    assert np.array_equal(np.asarray(plain), np.asarray(asked))


def post_of() -> dict[str, Any]:
    return {"defringe": True}


@pytest.mark.parametrize("least", (1, 128, 255))
def test_the_alpha_threshold_leaves_no_soft_pixel(least: int) -> None:
    alpha = np.asarray(finished_image(raw_asset(post={"alpha_threshold": least}), RAWS["entity"]).getchannel("A"))
    assert set(np.unique(alpha)) == {0, 255}
    assert len(np.unique(np.asarray(finished_image(raw_asset(), RAWS["entity"]).getchannel("A")))) > 2


@pytest.mark.parametrize("dither", (False, True))
@pytest.mark.parametrize("asset_type", ("entity", "background"))
def test_colours_are_reduced_to_the_number_asked_for(asset_type: str, dither: bool) -> None:
    asset = raw_asset(asset_type, post={"colors": 7, "dither": dither})
    assert 2 <= len(seen_colours(finished_image(asset, RAWS[asset_type]))) <= 7


@pytest.mark.parametrize("dither", (False, True))
def test_a_palette_is_kept_to_the_letter(dither: bool) -> None:
    allowed = {(0xF2, 0xCF, 0x3F), (0xD8, 0x40, 0x3A), (0x2F, 0x43, 0x79)}
    asset = raw_asset(post={"palette": "pack", "dither": dither})
    assert seen_colours(finished_image(asset, RAWS["entity"])) == allowed


def test_a_short_palette_is_not_filled_up_with_black() -> None:
    dark = Image.new("RGB", (64, 64), "#050505")
    reduced = colour.reduce(dark, 0, ("#d8403a", "#2f4379"), dither=True)
    assert (0, 0, 0) not in seen_colours(reduced)


def test_pixels_that_are_in_the_palette_stay_as_they_are() -> None:
    close = ("#101010", "#111111", "#121212", "#131313")
    for name in close:
        picture = Image.new("RGB", (2, 2), name)
        assert colour.reduce(picture, 0, close, dither=False).getpixel((0, 0)) == picture.getpixel((0, 0))


@pytest.mark.parametrize("dither", (False, True))
def test_one_colour_is_a_palette_too(dither: bool) -> None:
    asset = raw_asset(post={"palette": "pack", "dither": dither})
    pack = raw_pack(pack={"id": "sky", "name": "Sky", "palette": ("#336699",)})
    image = finished_image(asset, RAWS["entity"], pack)
    assert seen_colours(image) == {(0x33, 0x66, 0x99)}
    assert len(np.unique(np.asarray(image)[..., 3])) > 2, "soft edges stay"


@pytest.mark.parametrize("dither", (False, True))
@pytest.mark.parametrize("count", (1, 2))
def test_fewer_colours_than_the_palette_has_are_all_of_the_palette(count: int, dither: bool) -> None:
    asset = raw_asset(post={"palette": "pack", "colors": count, "dither": dither})
    seen = seen_colours(finished_image(asset, RAWS["entity"]))
    assert len(seen) == count
    assert seen <= {(0xF2, 0xCF, 0x3F), (0xD8, 0x40, 0x3A), (0x2F, 0x43, 0x79)}


@pytest.mark.parametrize("hidden", ((0, 0, 0, 0), (255, 255, 255, 0), (0, 255, 0, 0)))
def test_hidden_pixels_do_not_spread_their_rounding_into_visible_ones(hidden: tuple[int, ...]) -> None:
    """A surface in a colour of the palette stays flat, whatever lies hidden beside it."""
    picture = Image.new("RGBA", (64, 64), hidden)
    picture.paste((0xD8, 0x40, 0x3A, 255), (16, 16, 48, 48))
    reduced = colour.reduce(picture, 0, PALETTE, dither=True)
    assert seen_colours(reduced) == {(0xD8, 0x40, 0x3A)}
    assert np.array_equal(np.asarray(reduced)[..., 3], np.asarray(picture)[..., 3])


def test_dithering_mixes_what_the_palette_lacks() -> None:
    picture = Image.new("RGB", (32, 32), (128, 128, 128))
    assert seen_colours(colour.reduce(picture, 0, ("#000000", "#ffffff"), dither=False)) == {(255, 255, 255)}
    mixed = np.asarray(colour.reduce(picture, 0, ("#000000", "#ffffff"), dither=True))
    assert mixed.mean() == pytest.approx(128, abs=8)


@pytest.mark.parametrize(
    ("seen", "nearest"),
    (
        ("#788cb4", "#9fc5e8"),
        ("#7a5fa0", "#2f4379"),
        ("#3c7846", "#5a8f4e"),
        ("#e8d060", "#f2cf3f"),
        ("#302838", "#1d1d2b"),
    ),
)
def test_the_nearest_colour_is_of_the_same_hue(seen: str, nearest: str) -> None:
    palette = ("#1d1d2b", "#f2cf3f", "#d8403a", "#2f4379", "#5a8f4e", "#9fc5e8")
    reduced = colour.reduce(Image.new("RGB", (1, 1), seen), 0, palette, dither=False)
    assert "#{:02x}{:02x}{:02x}".format(*np.asarray(reduced)[0, 0]) == nearest


def test_a_number_and_a_palette_together_keep_the_most_used_of_its_colours() -> None:
    picture = Image.new("RGB", (10, 1), "#f2cf3f")
    picture.paste((0x2F, 0x43, 0x79), (0, 0, 4, 1))
    picture.paste((0xD8, 0x40, 0x3A), (0, 0, 1, 1))
    assert seen_colours(colour.reduce(picture, 2, PALETTE, dither=False)) == {(0xF2, 0xCF, 0x3F), (0x2F, 0x43, 0x79)}


def test_hidden_pixels_have_no_say_in_the_colours() -> None:
    picture = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    picture.paste(RED, (10, 10, 20, 20))
    picture.paste(BLUE, (20, 10, 22, 20))
    reduced = colour.clear_hidden(colour.reduce(picture, 2, (), dither=False))
    assert seen_colours(reduced) == {RED[:3], BLUE[:3]}
    assert reduced.getpixel((0, 0)) == (0, 0, 0, 0)


@pytest.mark.parametrize("scale", (2, 4, 5))
def test_pixel_art_is_made_of_whole_squares(scale: int) -> None:
    asset = raw_asset(post={"pixel_scale": scale, "alpha_threshold": 128, "colors": 16})
    levels = np.asarray(finished_image(asset, RAWS["entity"]))
    assert levels.shape[:2] == (128, 128)
    whole = 128 // scale * scale
    blocks: NDArray[np.uint8] = levels[:whole, :whole].reshape(whole // scale, scale, whole // scale, scale, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()
    assert set(np.unique(levels[..., 3])) == {0, 255}


def test_true_pixel_art_keeps_its_colours_when_nearest_is_asked_for() -> None:
    """Blown up and moved off its grid by two pixels: the mean of a square would blend, its middle does not."""
    rng = np.random.default_rng(3)
    art = np.kron(rng.choice(np.array([[200, 10, 10], [10, 200, 10], [10, 10, 200]]), (16, 16)), np.ones((16, 16, 1)))
    raw = raw_png(Image.fromarray(np.roll(art.astype(np.uint8), 2, axis=(0, 1)), "RGB"))
    fields: dict[str, Any] = {"width": 128, "height": 128}
    exact = finished_image(
        raw_asset("background", post={"pixel_scale": 8, "resample": "nearest"}, **fields), {"image": raw}
    )
    blended = finished_image(raw_asset("background", post={"pixel_scale": 8}, **fields), {"image": raw})
    assert len(seen_colours(exact)) == 3
    assert len(seen_colours(blended)) > 3


def test_a_sheet_is_only_stretched_so_that_cells_stay_in_place() -> None:
    raw = Image.new("RGBA", (512, 256), (0, 0, 0, 0))
    ImageDraw.Draw(raw).rectangle((128 * 2 + 8, 128 + 8, 128 * 3 - 9, 255 - 8), fill=RED)
    for post in ({}, {"trim": True, "pad": 20}, {"fit": "cover"}):
        image = finished_image(raw_asset("sheet", post=post), {"image": raw_png(raw)})
        left, top, right, bottom = solid_box(image)
        assert 64 <= left <= 67
        assert 93 <= right <= 96
        assert 32 <= top <= 35
        assert 61 <= bottom <= 64


def test_a_cutout_whose_background_stayed_is_rejected() -> None:
    opaque = raw_png(scene((256, 256)))
    made = finish(raw_asset(), raw_pack(), {"image": opaque})
    assert made.quality.rejected is not None
    assert "background was not removed" in made.quality.rejected


def test_a_layer_that_is_empty_or_hides_everything_is_noted() -> None:
    raws = RAWS["parallax"] | {"mid": raw_png(Image.new("RGBA", (320, 192))), "near": raw_png(scene())}
    notes = finish(raw_asset("parallax"), raw_pack(), raws).quality.notes
    assert any("mid is empty" in note for note in notes)
    assert any("near hides all" in note for note in notes)


@pytest.mark.parametrize(
    ("asset_type", "fields"),
    (
        *((name, {}) for name in GIVEN),
        ("sheet", {"kind": "tile", "animations": {}, "tiles": {3: {"name": "grass"}, 11: {"name": "air"}}}),
        ("sheet", {"kind": "variation", "animations": {}, "variants": [{"key": "red"}]}),
    ),
)
def test_finish_fields_are_equal_to_themselves_after_json(asset_type: str, fields: dict[str, Any]) -> None:
    made = finish_fields(raw_asset(asset_type, **fields), raw_pack())
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize(
    ("asset_type", "change"),
    (
        ("entity", {"post": {"trim": True}}),
        ("entity", {"silhouette": {"canvas": [64, 64]}}),
        ("entity", {"export": ["png"]}),
        ("background", {"width": 320}),
        ("background", {"seamless": "x"}),
        ("title_hero", {"transparent": False}),
        ("sheet", {"id": "renamed"}),
        ("sheet", {"pivot": {"x": 0, "y": 0}}),
        ("sheet", {"animations": {"run": {"frames": 8, "fps": 24}}}),
        ("sheet", {"overrides": {"run_00": "blinking"}}),
        ("sheet", {"style": "pixel"}),
        ("entity", {"post": {"defringe": True}}),
    ),
)
def test_what_changes_the_file_changes_the_fields(asset_type: str, change: dict[str, Any]) -> None:
    assert finish_fields(raw_asset(asset_type), raw_pack()) != finish_fields(
        raw_asset(asset_type, **change), raw_pack()
    )


def test_the_style_decides_only_where_an_engine_is_told_to_smooth() -> None:
    assert finish_fields(raw_asset(style="pixel"), raw_pack()) == finish_fields(raw_asset(), raw_pack())
    of_pack = raw_pack(pack={"id": "sky", "name": "Sky", "style": "pixel"})
    assert finish_fields(raw_asset("sheet"), of_pack)["smooth"] is False
    assert finish_fields(raw_asset("sheet", style="cartoon"), of_pack)["smooth"] is True


@pytest.mark.parametrize(
    ("fields", "smooth"),
    (
        ({}, True),
        ({"style": "cartoon"}, True),
        ({"style": "pixel"}, False),
        ({"post": {"pixel_scale": 2}}, False),
        ({"post": {"resample": "nearest"}}, False),
    ),
)
def test_a_sheet_comes_with_its_pages_and_their_model(fields: dict[str, Any], smooth: bool) -> None:
    asset, text = raw_asset("sheet", **fields), {"assetmill:asset": "thing"}
    made = finish(asset, raw_pack(), RAWS["sheet"], text=text)
    assert made.model is not None
    assert made.model.smooth is smooth
    assert tuple(made.files) == ("image", *(page.role for page in made.model.pages))
    assert made.files["atlas"].width == made.model.pages[0].size[0]
    assert all(read_text(file.data) == text for file in made.files.values())
    assert len(made.model.frames) == 8


def test_frames_are_the_pixels_of_the_grid() -> None:
    """Reduced to a palette first and cut afterwards: no page has a colour that the palette lacks."""
    asset = raw_asset("sheet", post={"palette": "pack", "alpha_threshold": 128})
    made = finish(asset, raw_pack(), RAWS["sheet"])
    allowed = {(0xF2, 0xCF, 0x3F), (0xD8, 0x40, 0x3A), (0x2F, 0x43, 0x79)}
    for role in made.files:
        assert seen_colours(finished_image(asset, RAWS["sheet"], role=role)) <= allowed


def test_what_the_cutting_of_a_sheet_found_is_noted_and_costs_no_score() -> None:
    whole = Image.new("RGBA", (512, 256))
    pen = ImageDraw.Draw(whole)
    for column in range(4):
        for row in range(2):
            pen.ellipse((column * 128 + 20, row * 128 + 20, column * 128 + 108, row * 128 + 108), fill=RED)
    spilt = whole.copy()
    ImageDraw.Draw(spilt).rectangle((100, 60, 140, 70), fill=RED)  # an arm that reaches into the next cell
    plain, noted = (finish(raw_asset("sheet"), raw_pack(), {"image": raw_png(one)}) for one in (whole, spilt))
    assert plain.model is not None
    assert noted.model is not None
    assert (len(plain.model.spills), len(noted.model.spills)) == (0, 1)
    assert len(noted.quality.notes) == len(plain.quality.notes) + 1
    assert noted.quality.rejected is None


def test_nothing_but_a_sheet_has_a_model() -> None:
    for asset_type in GIVEN:
        assert (finish(raw_asset(asset_type), raw_pack(), RAWS[asset_type]).model is None) == (asset_type != "sheet")


def test_limits_provenance_and_the_palette_in_use_are_fields_and_words_are_not() -> None:
    asset, mapped = raw_asset(), raw_asset(post={"palette": "pack"})
    plain = finish_fields(asset, raw_pack())
    other = {"id": "sky", "name": "Sky", "palette": ("#000000",)}
    assert finish_fields(asset, raw_pack(), strip=True) != plain
    assert finish_fields(asset, raw_pack(qa={"min_coverage": 0.5})) != plain
    assert finish_fields(mapped, raw_pack(pack=other)) != finish_fields(mapped, raw_pack())
    assert finish_fields(asset, raw_pack(pack=other)) == plain
    assert finish_fields(raw_asset(prompt="another thing", tags=["new"], candidates=3), raw_pack()) == plain


@pytest.mark.parametrize("side", (32, 40, 8))
def test_an_opaque_tile_takes_no_colour_from_its_neighbour(side: int) -> None:
    layout = {"kind": "grid", "columns": 2, "rows": 2, "cell_width": 16, "cell_height": 16}
    names = {str(i): {"name": f"t{i}"} for i in range(4)}
    ground = raw_asset("sheet", kind="tile", layout=layout, tiles=names, animations={})
    colours = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30))
    drawn = Image.new("RGB", (2 * side, 2 * side))
    for i, rgb in enumerate(colours):
        drawn.paste(rgb, (i % 2 * side, i // 2 * side, i % 2 * side + side, i // 2 * side + side))
    made = finished_image(ground, {"image": raw_png(drawn)})
    for i, rgb in enumerate(colours):
        tile = made.crop((i % 2 * 16, i // 2 * 16, i % 2 * 16 + 16, i // 2 * 16 + 16))
        assert tile.getcolors() == [(256, rgb)]
