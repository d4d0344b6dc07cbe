"""What came back is judged by its size and its transparency, in words that name the output."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from io import BytesIO

import pytest
from PIL import Image, ImageDraw

from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings
from assetmill.smoke import subject_of
from assetmill.smoke.looks import problems_in
from assetmill.workflows import load_library


@cache
def png(size: tuple[int, int], mode: str = "RGB", alpha: int | str = 255) -> bytes:
    """A disc on a ground; `alpha` the whole picture's, or `disc`."""
    image = Image.new("RGB", size, "#808890")
    disc = Image.new("L", size)
    ImageDraw.Draw(disc).ellipse((64, 64, size[0] - 64, size[1] - 64), fill=255)
    image.paste("#ff8800", mask=disc)
    if mode == "RGBA":
        image.putalpha(disc if alpha == "disc" else int(alpha))
    stream = BytesIO()
    image.save(stream, "PNG", compress_level=0)
    return stream.getvalue()


@pytest.fixture
def problems(settings_with: Callable[..., Settings]) -> Callable[..., tuple[str, ...]]:
    endpoint = resolve_endpoint(settings_with(), "draft")

    def look(kind: str, exact: bool = True, **images: bytes) -> tuple[str, ...]:
        subject = subject_of(kind, endpoint, load_library(), prompt="a fox", seed=1)
        return problems_in(subject, images, exact=exact)

    return look


@pytest.mark.parametrize("kind", ("remove-background", "entity", "title-hero", "sheet"))
def test_a_cut_out_has_to_have_something_gone_and_something_left(problems, kind):
    size = (1024, 1024)
    assert problems(kind, image=png(size, "RGBA", "disc")) == ()
    assert problems(kind, image=png(size)) == ("image: it has no transparency at all",)
    assert problems(kind, image=png(size, "RGBA")) == ("image: nothing was cut out: all of it is opaque",)
    gone = problems(kind, image=png(size, "RGBA", 0))
    assert gone == ("image: everything was cut away: all of it is transparent",)


@pytest.mark.parametrize("kind", ("txt2img", "img2img", "background"))
def test_a_whole_picture_has_to_be_whole_and_to_show_something(problems, kind):
    flat = BytesIO()
    Image.new("RGB", (1024, 1024)).save(flat, "PNG")
    assert problems(kind, image=png((1024, 1024))) == ()
    assert problems(kind, image=flat.getvalue()) == ("image: it is one flat colour",)
    assert problems(kind, image=png((1024, 1024), "RGBA", "disc")) == (
        "image: it has transparent parts, and should be whole",
    )


def test_a_size_that_was_ignored_is_told_and_where_models_have_their_own_only_the_shape_counts(problems):
    half, other = png((512, 512)), png((512, 256))
    assert problems("txt2img", image=half) == ("image: came back as 512 x 512, and not as 1024 x 1024",)
    assert problems("txt2img", exact=False, image=half) == ()
    assert problems("txt2img", exact=False, image=other) != ()


def test_layers_that_depth_cuts_out_may_be_empty_and_a_missing_one_is_named(problems):
    whole, empty = png((1344, 768)), png((1344, 768), "RGBA", 0)
    assert problems("parallax", full=whole, far=whole, mid=empty, near=empty, depth=whole) == ()
    assert problems("parallax", full=whole, far=whole, mid=empty, near=whole, depth=whole) == (
        "near: it has no transparency at all",
    )
    assert problems("parallax", full=whole, far=whole, mid=empty, near=empty) == ("depth: no picture came",)
