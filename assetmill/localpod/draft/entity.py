"""One subject, drawn from a guide's silhouette and the words about it.

The words choose the figure; a subject that no figure fits keeps the guide's own outline and gets light,
and a face if it is somebody.
The result is always RGBA, as large as the box it was asked for.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, ImageDraw

from assetmill.localpod.draft.casting import Cast, cast, is_figure, phrases
from assetmill.localpod.draft.faces import face
from assetmill.localpod.draft.forms import Box, Disc, Part, mark, moved, paint, part, raster
from assetmill.localpod.draft.kinds import BEINGS, FOES, Pose
from assetmill.localpod.draft.palette import (
    Palette,
    apart,
    chroma,
    colours_named,
    palette_of,
    spelled_out,
    vivid,
    words_of,
)
from assetmill.localpod.draft.pixels import Rgb, noise, rng_of
from assetmill.localpod.draft.relief import Finish

_MAINLY = re.compile(r"\bmainly ([a-z]+)", re.IGNORECASE)
_GREY = 24  # chroma, of 255, below which a guide has no colour of its own
_PLAIN_OUTLINE = 0.93
"""Overlap above which a guide's outline counts as a box, ellipse or capsule: figures may replace those."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be drawn in one silhouette.

    Args:
        text: the words about it, subject first.
        own: words about this cell alone.
        colour: the guide's colour; None when there is no guide.
        seed: chance.
        pose: moment of the movement.
        role: words for its part in the game, when the subject's own words say too little.
        finish: how surfaces look.
        led: the guide's colour decides, whatever the words say: cells told apart by colour.
        element: it is an element of the user interface.
        own_first: the cell's own words choose the figure before the shared ones do.
    """

    text: str
    seed: int
    own: str = ""
    colour: Rgb | None = None
    pose: Pose = field(default_factory=Pose)
    role: str = ""
    finish: Finish = field(default_factory=Finish)
    led: bool = False
    element: bool = False
    own_first: bool = False


def draw_subject(subject: Subject, silhouette: Image.Image) -> Image.Image:
    """RGBA of the silhouette's size with the subject in it; nothing lies outside the silhouette's box.

    Args:
        subject: what to draw.
        silhouette: mode L, cut to its bounding box.
    """
    size = silhouette.size
    text = f"{subject.own}, {subject.text}" if subject.own else subject.text
    finish = subject.finish
    grain = noise((96, 96), 24, rng_of("grain", subject.seed, subject.text))
    plain = _is_plain(silhouette)
    figure = _cast(subject, size[0] / size[1])
    parts = _posed(figure.parts, subject.pose)
    palette = _palette(text, subject, figure.natural)
    if parts and plain:
        return paint(parts, size, palette, finish, grain)
    return _outlined(silhouette, text, subject, palette, finish, parts, grain)


def _cast(subject: Subject, aspect: float) -> Cast:
    """The figure: frames and variants are one thing, so the shared words come first; a tile is its own thing."""
    shared, own = f"{subject.text}, {subject.own}", f"{subject.own}, {subject.text}"
    first = own if subject.own_first or subject.element else shared
    return cast(first, subject.role, subject.pose, aspect, element=subject.element)


def _posed(parts: list[Part], pose: Pose) -> list[Part]:
    """The figure a little squashed and lifted by its movement, feet on the ground unless it is in the air."""
    if pose == Pose():
        return parts
    squash = 0.03 * pose.lean * math.cos(2 * pose.phase)
    return moved(
        parts, (0.02 - squash * 0.6, max(0.0, 0.03 + squash) - pose.lift * 0.2, 0.98 + squash * 0.6, 1 - pose.lift)
    )


def _outlined(silhouette: Image.Image, text: str, subject: Subject, palette: Palette, finish: Finish,
              parts: list[Part], grain: np.ndarray) -> Image.Image:  # fmt: skip
    """The guide's own outline, filled with the figure's colours and marks."""
    words = set(words_of(text))
    inner = parts or (face(0.5, 0.4, 0.3, bool(words & FOES)) if words & BEINGS else _dapple(subject))
    mass = part(parts[0].tint if parts else "main", Box(0, 0, 1, 1))
    return paint([mass, *inner], silhouette.size, palette, finish, grain, within=silhouette)


def _dapple(subject: Subject) -> list[Part]:
    """A few soft marks, so that an unknown thing still has a surface."""
    rng = rng_of("dapple", subject.seed, subject.text)
    spots = tuple(
        Disc(float(x), float(y), float(r), float(r))
        for x, y, r in rng.random((6, 3)) * (0.8, 0.8, 0.05) + (0.1, 0.1, 0.03)
    )
    return [
        mark("main", *spots, clip=True, shade=0.86),
        mark("light", Disc(0.28, 0.22, 0.1, 0.06), clip=True, shade=0.96),
    ]


def _palette(text: str, subject: Subject, natural: Rgb | None) -> Palette:
    """The prompt's colours; what leads them is the guide, the words, or the thing's own nature.

    A colour that is named for something the subject has (`a fox with a blue scarf`) is not its own colour.
    """
    palette = palette_of(text)
    own = spelled_out(text) or colours_named(_own_words(text))
    if own and not subject.led:
        return palette.led_by(own[0])
    told = _MAINLY.search(f"{text} {subject.role}")
    if subject.led or told or natural is None:
        guide = subject.colour
        if told and (guide is None or chroma(guide) < _GREY) and (said := colours_named(told[1])):
            return palette.led_by(said[0])
        return palette.led_by(palette.main if guide is None else vivid(guide))
    named = [one for one in colours_named(text) if apart(one, natural)]
    return replace(palette.led_by(natural), second=named[0]) if named else palette.led_by(natural)


def _own_words(text: str) -> str:
    """The first phrase without the nouns that choose a figure (`golden coin` keeps `golden`), and colours added to it.

    `a robot, blue` is a blue robot; in `a robot with a blue lamp` the second phrase has a noun of its own.
    """
    found = phrases(text)
    if not found:
        return ""
    first = [word for word in found[0] if not is_figure(word)]
    added = [word for phrase in found[1:] for word in phrase if len(colours_named(" ".join(phrase))) == len(phrase)]
    return " ".join(first + added)


def _is_plain(silhouette: Image.Image) -> bool:
    """Whether an outline is merely a box, an ellipse or a capsule."""
    small = silhouette.resize((64, 64), Image.Resampling.BOX)
    mask = np.asarray(small) > 127  # noqa: PLR2004  half covered
    shorter = min(silhouette.size) / max(silhouette.size)
    wide = silhouette.width >= silhouette.height
    ends = (0.5 * shorter, 0.5) if wide else (0.5, 0.5 * shorter)
    capsule = Image.new("L", (64, 64))
    pen = ImageDraw.Draw(capsule)
    rx, ry = ends[0] * 64, ends[1] * 64
    pen.ellipse((0, 0, 2 * rx, 2 * ry), fill=255)
    pen.ellipse((64 - 2 * rx, 64 - 2 * ry, 64, 64), fill=255)
    pen.rectangle((rx, 0, 64 - rx, 64) if wide else (0, ry, 64, 64 - ry), fill=255)
    ideals = [raster([form], (64, 64)) for form in (Box(0, 0, 1, 1, 0.12), Disc(0.5, 0.5, 0.5, 0.5))] + [capsule]
    return max(_overlap(mask, np.asarray(ideal) > 127) for ideal in ideals) > _PLAIN_OUTLINE  # noqa: PLR2004  as above


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))
