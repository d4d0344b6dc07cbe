"""Which landscape a prompt means: its sky, its strata from far to near, and the hour.

Tables only; the drawing is in scenery.py. Strata run from far (depth 0) to near (1), so that a scene can
be taken apart into layers. Colours and heights are taste.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from assetmill.localpod.draft.palette import word_set, words_of
from assetmill.localpod.draft.pixels import Rgb

Sky = tuple[Rgb, Rgb, Rgb]
"""Colours at the top, the middle and the horizon."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """One layer of a landscape.

    Args:
        kind: ground line: hills, peaks, dunes, flat, bank (of cloud), or none for things that float.
        crest: height of its line, as a share of the picture from the top.
        rise: how far the line swings, as a share of the shorter side.
        colour: its own colour; air in between is added by its depth.
        depth: 0 far to 1 near.
        growth: what stands on it; see decor.py.
        crowd: how many of them.
        scale: their height, as a share of the shorter side.
    """

    kind: str
    crest: float
    rise: float
    colour: Rgb
    depth: float
    growth: str = ""
    crowd: int = 0
    scale: float = 0.1


@dataclass(frozen=True, slots=True)
class Biome:
    """A landscape.

    Args:
        sky: its colours by day.
        strata: far to near.
        light: sun, moon, glow or none.
        air: small things in the air: clouds, stars, snow, bubbles, embers, motes, rays.
        enclosed: underground or indoors; the hour changes nothing.
    """

    sky: Sky
    strata: tuple[Stratum, ...]
    light: str = "sun"
    air: tuple[str, ...] = ("clouds",)
    enclosed: bool = False


_DAY: Sky = ((72, 148, 232), (138, 200, 248), (226, 244, 252))
BIOMES: dict[str, Biome] = {
    "meadow": Biome(_DAY, (
        Stratum("peaks", 0.56, 0.16, (128, 160, 204), 0.12),
        Stratum("hills", 0.63, 0.09, (128, 190, 150), 0.26, "tree", 16, 0.05),
        Stratum("hills", 0.72, 0.08, (104, 184, 92), 0.5, "tree", 9, 0.15),
        Stratum("hills", 0.88, 0.05, (74, 150, 70), 0.86, "tuft", 34, 0.07),
    )),
    "sky": Biome(((64, 132, 230), (120, 190, 250), (236, 246, 255)), (
        Stratum("bank", 0.74, 0.07, (214, 232, 252), 0.14),
        Stratum("none", 0.6, 0.0, (120, 176, 120), 0.24, "island", 4, 0.1),
        Stratum("none", 0.5, 0.0, (102, 182, 92), 0.5, "island", 3, 0.19),
        Stratum("bank", 0.82, 0.06, (238, 246, 255), 0.56),
        Stratum("bank", 0.93, 0.05, (255, 255, 255), 0.86),
    )),
    "forest": Biome(((120, 190, 190), (176, 222, 196), (230, 244, 206)), (
        Stratum("hills", 0.5, 0.1, (138, 184, 160), 0.12, "pine", 26, 0.16),
        Stratum("hills", 0.62, 0.07, (92, 156, 118), 0.28, "pine", 18, 0.26),
        Stratum("hills", 0.76, 0.06, (62, 126, 86), 0.5, "pine", 10, 0.36),
        Stratum("hills", 0.9, 0.04, (36, 88, 62), 0.86, "bush", 16, 0.13),
    ), air=("rays", "motes")),
    "desert": Biome(((84, 164, 226), (178, 214, 226), (252, 236, 196)), (
        Stratum("mesas", 0.6, 0.16, (220, 164, 128), 0.14),
        Stratum("dunes", 0.68, 0.08, (238, 196, 132), 0.28),
        Stratum("dunes", 0.78, 0.07, (232, 178, 104), 0.5, "cactus", 6, 0.15),
        Stratum("dunes", 0.9, 0.05, (202, 138, 78), 0.86, "rock", 7, 0.06),
    ), air=()),
    "snow": Biome(((84, 140, 212), (146, 190, 234), (222, 236, 250)), (
        Stratum("peaks", 0.52, 0.22, (176, 196, 226), 0.12),
        Stratum("hills", 0.66, 0.07, (184, 206, 236), 0.28, "pine", 16, 0.09),
        Stratum("hills", 0.76, 0.07, (206, 222, 244), 0.5, "pine", 8, 0.2),
        Stratum("hills", 0.9, 0.05, (250, 253, 255), 0.86, "rock", 5, 0.07),
    ), air=("clouds", "snow")),
    "cave": Biome(((26, 22, 46), (46, 40, 78), (84, 76, 120)), (
        Stratum("hills", 0.62, 0.1, (84, 76, 122), 0.14, "spire", 14, 0.18),
        Stratum("hang", 0.2, 0.1, (74, 66, 110), 0.24, "fang", 16, 0.16),
        Stratum("hills", 0.78, 0.07, (62, 54, 96), 0.5, "crystal", 9, 0.13),
        Stratum("hang", 0.08, 0.06, (40, 34, 66), 0.8, "fang", 12, 0.2),
        Stratum("hills", 0.92, 0.05, (36, 30, 60), 0.86, "spire", 9, 0.12),
    ), "glow", ("motes",), enclosed=True),
    "sea": Biome(((70, 152, 234), (150, 210, 248), (232, 246, 250)), (
        Stratum("flat", 0.606, 0.0, (140, 180, 176), 0.12, "isle", 3, 0.1),
        Stratum("swell", 0.6, 0.006, (64, 150, 214), 0.22),
        Stratum("swell", 0.72, 0.018, (48, 134, 204), 0.48),
        Stratum("swell", 0.88, 0.03, (36, 112, 184), 0.86),
    )),
    "underwater": Biome(((96, 206, 230), (42, 146, 204), (20, 76, 142)), (
        Stratum("hills", 0.62, 0.12, (44, 128, 178), 0.14),
        Stratum("hills", 0.74, 0.09, (34, 104, 152), 0.28, "weed", 18, 0.18),
        Stratum("hills", 0.84, 0.06, (214, 190, 140), 0.5, "coral", 10, 0.13),
        Stratum("hills", 0.94, 0.04, (150, 126, 104), 0.86, "weed", 14, 0.22),
    ), "none", ("rays", "bubbles"), enclosed=True),
    "space": Biome(((12, 10, 34), (32, 22, 70), (74, 40, 112)), (
        Stratum("none", 0.34, 0.0, (196, 132, 190), 0.16, "planet", 2, 0.2),
        Stratum("peaks", 0.74, 0.12, (84, 70, 130), 0.26),
        Stratum("hills", 0.83, 0.06, (116, 100, 160), 0.5, "crater", 8, 0.05),
        Stratum("hills", 0.94, 0.04, (60, 48, 96), 0.86, "rock", 10, 0.07),
    ), "none", ("stars",), enclosed=True),
    "city": Biome(((90, 158, 232), (164, 208, 246), (236, 240, 242)), (
        Stratum("flat", 0.74, 0.0, (158, 180, 214), 0.14, "tower", 18, 0.3),
        Stratum("flat", 0.8, 0.0, (112, 138, 184), 0.28, "tower", 12, 0.34),
        Stratum("flat", 0.88, 0.0, (76, 94, 142), 0.5, "tower", 8, 0.3),
        Stratum("flat", 0.94, 0.0, (48, 56, 88), 0.86, "bush", 14, 0.07),
    )),
    "castle": Biome(((96, 140, 214), (170, 196, 232), (242, 226, 214)), (
        Stratum("peaks", 0.58, 0.16, (136, 152, 196), 0.12),
        Stratum("hills", 0.7, 0.05, (124, 156, 140), 0.28, "keep", 3, 0.3),
        Stratum("hills", 0.8, 0.06, (92, 142, 92), 0.5, "pine", 9, 0.16),
        Stratum("flat", 0.92, 0.0, (92, 94, 112), 0.86, "merlon", 12, 0.06),
    )),
    "volcano": Biome(((58, 26, 44), (142, 48, 46), (250, 146, 62)), (
        Stratum("peaks", 0.5, 0.28, (112, 54, 62), 0.14),
        Stratum("peaks", 0.68, 0.14, (86, 40, 52), 0.28),
        Stratum("swell", 0.78, 0.012, (252, 132, 42), 0.5),
        Stratum("peaks", 0.93, 0.08, (42, 24, 36), 0.86, "spire", 8, 0.09),
    ), "glow", ("embers",), enclosed=True),
}  # fmt: skip

_WORDS = {
    "underwater": "underwater seabed coral reef aquarium submarine deep-sea seafloor",
    "space": "space galaxy planet asteroid cosmic starfield alien lunar orbit",
    "cave": "cave cavern well underground dungeon crypt mine tunnel grotto catacomb",
    "volcano": "volcano volcanic lava magma inferno hell molten",
    "snow": "snow snowy winter ice icy frozen arctic glacier tundra frost polar",
    "desert": "desert dune canyon pyramid savanna sahara sand sandy mesa",
    "city": "city skyline urban street town building cyberpunk neon rooftop",
    "castle": "castle fortress kingdom palace medieval citadel",
    "forest": "forest jungle wood woodland grove swamp rainforest bamboo",
    "sea": "sea ocean beach coast island harbor harbour lagoon wave shore pirate",
    "sky": "sky cloud cloudy airy heaven floating skyland aerial cloudscape",
    "meadow": "meadow grass grassland field hill hilly farm countryside valley village garden park mountain",
}
_BY_WORD = {word: name for name, words in _WORDS.items() for word in words.split()}

_HOURS: dict[str, Sky] = {
    "night": ((14, 18, 54), (34, 44, 100), (84, 92, 156)),
    "dusk": ((62, 50, 128), (224, 110, 132), (255, 198, 118)),
    "dawn": ((110, 140, 214), (246, 178, 176), (255, 230, 186)),
    "storm": ((58, 66, 92), (104, 116, 142), (166, 176, 190)),
}
_HOUR_WORDS = {
    "night": "night", "midnight": "night", "moonlit": "night", "moon": "night", "moonlight": "night", "starry": "night",
    "sunset": "dusk", "dusk": "dusk", "evening": "dusk", "twilight": "dusk", "sunrise": "dawn", "dawn": "dawn",
    "morning": "dawn", "storm": "storm", "stormy": "storm", "rain": "storm", "rainy": "storm", "thunder": "storm",
}  # fmt: skip


_LEDGE = word_set("ledge grass grassy meadow")


def biome_of(prompt: str) -> tuple[Biome, str]:
    """(landscape, hour) of a prompt: the landscape that most of its words name, the first of equals."""
    words = words_of(prompt)
    counts: dict[str, int] = {}
    for word in words:
        if word in _BY_WORD:
            counts[_BY_WORD[word]] = counts.get(_BY_WORD[word], 0) + 1
    name = max(counts, key=lambda key: counts[key]) if counts else "meadow"
    biome = BIOMES[name]
    if name == "sky" and _LEDGE & set(words):
        biome = replace(biome, strata=(*biome.strata[:-1], BIOMES["meadow"].strata[-1]))
    hour = next((_HOUR_WORDS[word] for word in words if word in _HOUR_WORDS), "day")
    if biome.enclosed or hour == "day":
        return biome, "day"
    return replace(biome, sky=_HOURS[hour], light="moon" if hour == "night" else "none" if hour == "storm" else "sun",
                   air=biome.air + (("stars",) if hour == "night" else ())), hour  # fmt: skip


TINTS: dict[str, tuple[Rgb, float]] = {
    "day": ((255, 255, 255), 0.0), "night": ((24, 30, 84), 0.58), "dusk": ((150, 60, 96), 0.34),
    "dawn": ((250, 170, 150), 0.2), "storm": ((70, 80, 104), 0.42),
}  # fmt: skip
"""What the hour does to the land: a colour, and how much of it."""
