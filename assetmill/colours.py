"""What colour words mean, and which colour a thing has when its manifest names none.

Guides, sheet cells and prompts must agree on a subject's colour: a guide in another colour than the
words ask for pulls the picture off both. So the table stands here once. Planning asks it thousands of
times: nothing here may draw, read a file or import numpy.
"""

from __future__ import annotations

import colorsys
import re
import zlib
from functools import lru_cache

COLOUR_WORDS = {
    "red": "#d8403a", "crimson": "#b3203a", "ruby": "#c4214b", "scarlet": "#e0342b", "cherry": "#c92a3f",
    "orange": "#ef8632", "amber": "#f0a437", "copper": "#b8703c", "rust": "#a8552c", "pumpkin": "#e67f2a",
    "yellow": "#f2cf3f", "gold": "#e0b12e", "golden": "#e0b12e", "lemon": "#f0df4a", "sand": "#d9bd84",
    "green": "#4fae4c", "emerald": "#1fa870", "lime": "#a3d13f", "olive": "#7f8a3a", "mint": "#83d6ac",
    "cyan": "#41c3d3", "teal": "#2a9290", "turquoise": "#3fc4b4", "aqua": "#4fcbd6",
    "blue": "#3f76d6", "azure": "#4a9be8", "navy": "#2f4379", "sapphire": "#2a5cc0", "indigo": "#4a48a6",
    "purple": "#8a51b8", "violet": "#8c62cf", "amethyst": "#9a62cc", "lavender": "#b49fdc", "plum": "#7d3f73",
    "pink": "#ec83b0", "rose": "#db6187", "magenta": "#c9419c", "coral": "#f08068", "peach": "#f4b58e",
    "brown": "#8d6038", "chocolate": "#6b432a", "tan": "#c8a272", "beige": "#d8c7a2", "cream": "#ece0c0",
    "white": "#eceae4", "ivory": "#ebe5d2", "pearl": "#e3e1de", "silver": "#b9bec6", "grey": "#8d9097",
    "gray": "#8d9097", "black": "#3b3b42", "charcoal": "#46484e", "onyx": "#3a3a44",
    "meadow": "#6db04c",
    "grass": "#5fae48", "leaf": "#5aa84a", "leaves": "#5aa84a", "moss": "#74924a", "forest": "#3f7f4c",
    "cactus": "#5a9a58", "vine": "#5a9a48", "tree": "#5b8f47", "slime": "#7cc24e", "frog": "#64ad4c",
    "water": "#4a92d4", "ocean": "#3680b8", "sea": "#3f88bd", "ice": "#a6d6ec", "frost": "#b4dcee",
    "snow": "#e4ebf2", "cloud": "#dfe6ef", "sky": "#82bfec", "rain": "#7d9fc2", "ghost": "#d5dcec",
    "fire": "#ef7129", "flame": "#f07c2b", "lava": "#e4562a", "ember": "#dd6030", "sun": "#f4c842",
    "star": "#f4cc48", "coin": "#e3b430", "lightning": "#f2d544", "honey": "#e3a32f",
    "stone": "#8f9299", "rock": "#85878c", "granite": "#87868c", "cobblestone": "#8a8c92", "brick": "#b0563f",
    "iron": "#80868f", "steel": "#939ca8", "metal": "#8b939e", "bronze": "#b17e42", "brass": "#c69d47",
    "wood": "#9c6b3e", "wooden": "#9c6b3e", "log": "#8a5d37", "crate": "#ab7a45", "barrel": "#946237",
    "dirt": "#8a623f", "earth": "#84603f", "mud": "#76583f", "clay": "#b0714f", "desert": "#dab877",
    "night": "#34406e", "shadow": "#474a63", "crystal": "#78c5de", "diamond": "#a8def0", "heart": "#e0455c",
    "mushroom": "#cf4f43", "pumpkins": "#e67f2a", "bone": "#e2d9c2", "skull": "#ddd6c4", "spike": "#8c95a3",
    "spikes": "#8c95a3",
}  # fmt: skip
"""Colour and material words of game art -> the middle tone they stand for, '#rrggbb'."""

_PLAIN_NAMES = (
    "red", "crimson", "orange", "amber", "copper", "yellow", "gold", "sand", "green", "emerald", "lime", "olive",
    "mint", "cyan", "teal", "blue", "azure", "navy", "indigo", "purple", "lavender", "plum", "pink", "rose",
    "magenta", "coral", "peach", "brown", "chocolate", "tan", "cream", "white", "silver", "grey", "charcoal", "black",
)  # fmt: skip
_WORD = re.compile(r"[a-z]+")
_GOLDEN_ANGLE = 0.381966


def rgb(colour: str) -> tuple[int, int, int]:
    """'#rrggbb' as three numbers from 0 to 255."""
    value = int(colour[1:], 16)
    return value >> 16, (value >> 8) & 255, value & 255


def to_hex(red: float, green: float, blue: float) -> str:
    """Three numbers from 0 to 255, clipped and rounded, as '#rrggbb'."""
    return "#" + "".join(f"{round(min(255, max(0, part))):02x}" for part in (red, green, blue))


def luminance(colour: str) -> float:
    """Perceived lightness of a colour from 0 to 1, with the weights of ITU-R BT.601."""
    red, green, blue = rgb(colour)
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


@lru_cache(maxsize=4096)
def mix(colour: str, other: str, share: float) -> str:
    """A colour with `share` (0 to 1) of another one in it."""
    pairs = zip(rgb(colour), rgb(other), strict=True)
    return to_hex(*(a + (b - a) * share for a, b in pairs))


@lru_cache(maxsize=4096)
def distance(colour: str, other: str) -> float:
    """How different two colours look, 0 to about 1: RGB distance weighted for the eye ("redmean")."""
    (r1, g1, b1), (r2, g2, b2) = rgb(colour), rgb(other)
    mean = (r1 + r2) / 2
    squared = (2 + mean / 256) * (r1 - r2) ** 2 + 4 * (g1 - g2) ** 2 + (2 + (255 - mean) / 256) * (b1 - b2) ** 2
    return float(squared**0.5) / 765


@lru_cache(maxsize=4096)
def name_of(colour: str) -> str:
    """The plain colour word nearest to '#rrggbb': a picture model understands words better than codes."""
    return min(_PLAIN_NAMES, key=lambda word: distance(colour, COLOUR_WORDS[word]))


@lru_cache(maxsize=4096)
def colour_in(text: str) -> str | None:
    """Colour of the first colour or material word of a text; None when it has none."""
    for word in _WORD.findall(text.lower()):
        if word in COLOUR_WORDS:
            return COLOUR_WORDS[word]
    return None


def distinct(index: int, offset: float = 0.0) -> str:
    """The `index`-th of a row of colours that are easy to tell apart: hues a golden angle apart."""
    red, green, blue = colorsys.hsv_to_rgb((offset + index * _GOLDEN_ANGLE) % 1, 0.62, 0.82)
    return to_hex(red * 255, green * 255, blue * 255)


def subject_colour(text: str, name: str) -> str:
    """Main colour of what a text describes: its first colour word, else a middle tone that follows from `name`.

    The tone hangs on the asset's name and not on the text, so that rewording a prompt leaves the guide alone.
    """
    named = colour_in(text)
    if named is not None:
        return named
    red, green, blue = colorsys.hsv_to_rgb(zlib.crc32(name.encode()) % 360 / 360, 0.48, 0.7)
    return to_hex(red * 255, green * 255, blue * 255)
