"""Whether what came back is a picture of the kind that was asked for: size, transparency, anything on it at all.

These are the faults of an endpoint (a node that does nothing, a model of other numbers, a size that was ignored). How
good a picture is as art is nobody's question here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from PIL import Image

from assetmill.images import decode
from assetmill.manifest.parallax import DEPTH_MAP
from assetmill.quality import measure
from assetmill.quality.checks import FLAT
from assetmill.smoke.kinds import Subject

NOTHING_LEFT = 0.001
"""Share of solid pixels below which a cut-out is empty."""
NOTHING_GONE = 0.999
"""Share of solid pixels from which nothing was cut out."""


def problems_in(subject: Subject, images: Mapping[str, bytes], *, exact: bool) -> tuple[str, ...]:
    """What is wrong with the pictures of a job, one sentence each; none if it passes.

    Args:
        subject: what was asked for.
        images: output -> bytes, every one of them a picture that decodes.
        exact: the pictures have to have the very size that was asked for; else only its shape.
    """
    missing = [f"{role}: no picture came" for role in subject.made.roles if role not in images]
    found = [words for role, data in images.items() for words in _problems(subject, role, decode(data), exact=exact)]
    return (*missing, *found)


def _problems(subject: Subject, role: str, image: Image.Image, *, exact: bool) -> Iterator[str]:
    yield from (f"{role}: {words}" for words in _shape(subject, role, image, exact=exact))
    look = _cut_out if role in subject.cut_out else _opaque
    empty = role in subject.may_be_empty or role == DEPTH_MAP
    yield from (f"{role}: {words}" for words in look(image, may_be_empty=empty))


def _shape(subject: Subject, role: str, image: Image.Image, *, exact: bool) -> Iterator[str]:
    width, height = subject.made.size
    if image.size == (width, height) or role == DEPTH_MAP:
        return
    alike = abs(image.width * height - image.height * width) * 50 <= image.width * height
    if exact or not alike:
        yield f"came back as {image.width} x {image.height}, and not as {width} x {height}"


def _opaque(image: Image.Image, *, may_be_empty: bool) -> Iterator[str]:
    if image.mode == "RGBA" and measure.coverage(measure.alpha_of(image)) < NOTHING_GONE:
        yield "it has transparent parts, and should be whole"
    if not may_be_empty and measure.contrast(image) < FLAT:
        yield "it is one flat colour"


def _cut_out(image: Image.Image, *, may_be_empty: bool) -> Iterator[str]:
    if image.mode != "RGBA":
        yield "it has no transparency at all"
        return
    solid = measure.coverage(measure.alpha_of(image))
    if solid > NOTHING_GONE:
        yield "nothing was cut out: all of it is opaque"
    elif solid < NOTHING_LEFT and not may_be_empty:
        yield "everything was cut away: all of it is transparent"
