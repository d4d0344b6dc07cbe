"""Figures of pictures side by side: each on pictures whose figure is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from assetmill import guides
from assetmill.compare.measures import (
    colours,
    figures_of,
    guide_leak,
    pair_figures,
    perceptual_distance,
    silhouette_overlap,
)
from assetmill.guides.drawing import paint
from assetmill.manifest.models import Background, Entity

SLIME = Entity(id="slime", type="entity", prompt="a slime", shape="circle", color="#40c040")


def disc(box: tuple[int, int, int, int], colour: str = "red", size: int = 256) -> Image.Image:
    image = Image.new("RGBA", (size, size))
    ImageDraw.Draw(image).ellipse(box, fill=colour)
    return image


def test_two_outlines_have_in_common_what_both_cover():
    left, right = Image.new("RGBA", (100, 100)), Image.new("RGBA", (200, 200))
    left.paste("red", (0, 0, 50, 100))
    right.paste("blue", (50, 0, 150, 200))  # the same half, moved by half of itself, at twice the size
    assert silhouette_overlap(left, right) == pytest.approx(1 / 3, abs=0.01)
    assert silhouette_overlap(left, left) == 1.0
    assert silhouette_overlap(Image.new("RGBA", (9, 9)), Image.new("RGBA", (7, 7))) == 1.0


def test_the_same_picture_smaller_or_smoothed_looks_alike_and_another_does_not():
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(0, 255, (9, 9, 3), np.uint8)).resize((256, 256), Image.Resampling.BICUBIC)
    other = Image.fromarray(rng.integers(0, 255, (9, 9, 3), np.uint8)).resize((256, 256), Image.Resampling.BICUBIC)
    assert perceptual_distance(coarse, coarse) == 0
    assert perceptual_distance(coarse, coarse.resize((100, 100))) < 0.1
    assert perceptual_distance(coarse, coarse.filter(ImageFilter.GaussianBlur(2))) < 0.1
    assert perceptual_distance(coarse, other) > 0.3


def test_hidden_colours_do_not_make_pictures_differ():
    plain, dirty = disc((40, 40, 200, 200)), disc((40, 40, 200, 200))
    pixels = np.asarray(dirty).copy()
    pixels[pixels[..., 3] == 0, :3] = (0, 255, 0)
    assert perceptual_distance(plain, Image.fromarray(pixels)) == 0


def test_the_distance_of_mean_colours_is_that_of_the_subjects():
    black, white = disc((40, 40, 200, 200), "black"), disc((90, 90, 250, 250), "white")
    figures = pair_figures(SLIME, black, white)
    assert figures.colour == pytest.approx(100, abs=0.5)  # L* runs from 0 to 100
    assert pair_figures(SLIME, black, black).colour == 0


def test_colours_are_those_of_the_subject_that_cover_something():
    image = disc((20, 20, 230, 230), "#ff0000")
    image.putpixel((128, 128), (0, 0, 255, 255))
    assert colours(image) == 1  # one pixel of 34,000 is no colour of it
    image.paste((0, 0, 255, 255), (100, 100, 130, 130))
    assert colours(image) == 2
    assert colours(Image.new("RGBA", (8, 8))) == 0


def test_a_guide_that_was_only_cut_out_leaks_and_another_colour_does_not():
    recipe = guides.recipe(SLIME, (256, 256))
    assert recipe is not None
    painted, mask = paint(recipe), guides.mask(recipe)
    untouched = painted.convert("RGBA")
    untouched.putalpha(mask)
    figures = figures_of(SLIME, untouched, guided=True)
    assert (figures.guide_leak, figures.guide_overlap) == (pytest.approx(1, abs=0.01), pytest.approx(1, abs=0.01))
    repainted = Image.new("RGBA", painted.size, "#b03090")
    repainted.putalpha(mask)
    assert figures_of(SLIME, repainted, guided=True).guide_leak == pytest.approx(0, abs=0.01)
    inside = np.asarray(mask) >= 128
    assert guide_leak(Image.new("RGBA", (256, 256)), painted, inside) == 0
    half = painted.convert("RGBA")
    half.putalpha(0)  # the guide's colours are there still, and nobody sees them
    half.paste("#b03090", (0, 0, 128, 256))
    assert guide_leak(half, painted, inside) == 0


def test_a_cut_out_has_the_figures_of_one_and_an_opaque_picture_has_not():
    figures = figures_of(SLIME, disc((-40, 20, 200, 240)), guided=False)
    assert figures.border_touch is not None
    assert figures.border_touch > 0.05
    assert figures.solid == pytest.approx(math.pi * 120 * 110 / 256**2, rel=0.12)
    assert (figures.guide_leak, figures.seam) == (None, None)
    sky = Background(id="sky", type="background", prompt="a sky", seamless="x")
    ramp = Image.linear_gradient("L").rotate(90).convert("RGB")
    opaque = figures_of(sky, ramp, guided=False)
    assert (opaque.solid, opaque.border_touch, opaque.soft_alpha) == (None, None, None)
    assert opaque.seam is not None
    assert opaque.seam > 1.5  # left is black and right is white
