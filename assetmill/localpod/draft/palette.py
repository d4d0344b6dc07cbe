"""Colours from words: a prompt says `red` or `mossy stone`, a draft shows it.

The words' meanings are those of `assetmill.colours`, so a draft and its guide agree; here they become a
set of colours that go together. A prompt that names none gets a harmonious set that follows from its
words, so the same thing is the same colour in every run. Nothing here draws.
"""

from __future__ import annotations

import colorsys
import re
from dataclasses import dataclass, replace

from assetmill.colours import COLOUR_WORDS
from assetmill.localpod.draft.pixels import Rgb, rng_of

_MORE_WORDS = {
    "grassy": "#5fae48", "leafy": "#5aa84a", "mossy": "#74924a", "jungle": "#3f8f52", "rocky": "#85878c",
    "sandy": "#e4c88a", "fiery": "#ef7129", "magma": "#e4562a", "icy": "#a6d6ec", "frozen": "#a6d6ec",
    "frosty": "#b4dcee", "snowy": "#e4ebf2", "marble": "#dcdce2", "plank": "#ab7a45", "bark": "#76583f",
    "moon": "#e8e4c8", "candy": "#f084b4", "poison": "#8cc43c", "apple": "#d8403a",
    "banana": "#f2d94f", "berry": "#7e48b4", "cave": "#5c5874", "dark": "#48425e", "sunny": "#f4c842",
}  # fmt: skip
_HEX = re.compile(r"#([0-9a-f]{6})\b")
_WORD = re.compile(r"[a-z]+")
_ASIDE = re.compile(
    r"\b(?:plain|flat|solid|simple|empty|clean|transparent|uniform|neutral|blank)\b[\w\s-]{0,30}?\b"
    r"(?:background|backdrop|ground|matte|canvas)\b"
)
_ALONE = re.compile(
    r"\b(?:before|on|against|in front of)\s+an?\s+(?:plain|solid|uniform|neutral|blank)\b[\w\s-]{0,30}?\b"
    r"(?:background|backdrop)\b"
)


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one picture.

    Args:
        main: the subject's own colour.
        second: its partner, for belts, caps and rims.
        accent: a small bright note.
        spoken: whether words (rather than chance) chose `main`.
    """

    main: Rgb
    second: Rgb
    accent: Rgb
    spoken: bool

    def led_by(self, main: Rgb) -> Palette:
        """The same set around another main colour; a partner that clashes is turned away."""
        second = self.second if apart(self.second, main) else turned(main, 0.42)
        return replace(self, main=main, second=second)


def subject_words(prompt: str) -> str:
    """The prompt in small letters, without what it says about a plain ground."""
    return _ASIDE.sub(" ", prompt.casefold())


def stands_alone(prompt: str) -> bool:
    """Whether a prompt wants its subject before nothing: `before a plain light backdrop`."""
    return _ALONE.search(prompt.casefold()) is not None


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in small letters, plurals in -s made singular."""
    return tuple(_singular(word) for word in _WORD.findall(text.casefold()))


def word_set(text: str) -> frozenset[str]:
    """The words of a table's line."""
    return frozenset(text.split())


def _singular(word: str) -> str:
    kept = len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us"))  # noqa: PLR2004  gas, bus
    return word if kept else word[:-1]


def colours_named(text: str) -> tuple[Rgb, ...]:
    """Colours that a text names, in its order; '#rrggbb' counts before words."""
    low = text.casefold()
    meant = (COLOUR_WORDS.get(word) or _MORE_WORDS.get(word) for word in words_of(low))
    return spelled_out(low) + tuple(vivid(_rgb(one)) for one in meant if one)


def spelled_out(text: str) -> tuple[Rgb, ...]:
    """Colours that a text gives as '#rrggbb'."""
    return tuple(_rgb(f"#{code}") for code in _HEX.findall(text.casefold()))


def palette_of(prompt: str) -> Palette:
    """Colours for a prompt, by the order in which it names them."""
    text = subject_words(prompt)
    chosen: list[Rgb] = []
    for one in colours_named(text):
        if all(apart(one, other) for other in chosen):
            chosen.append(one)
    spare = _harmony(text, chosen[0] if chosen else None)
    filled = chosen + [one for one in spare if all(apart(one, other) for other in chosen)] + spare
    return Palette(filled[0], filled[1], filled[2], bool(chosen))


def _harmony(text: str, lead: Rgb | None) -> list[Rgb]:
    """Colours that go with `lead`, or with a hue that follows from the words."""
    rng = rng_of("palette", *words_of(text))
    if lead is None or chroma(lead) < 24:  # noqa: PLR2004  grey has no hue to start from
        lead = hsv(float(rng.random()), 0.62, 0.86)
    return [lead, turned(lead, 0.44 + 0.1 * float(rng.random())), (255, 214, 92), turned(lead, 0.25)]


def turned(base: Rgb, share: float) -> Rgb:
    """The colour `share` of the way round the wheel, bright enough to be seen."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(one / 255 for one in base))
    return hsv((hue + share) % 1, min(0.75, max(0.4, saturation * 0.9)), min(0.95, max(0.6, value)))


def vivid(base: Rgb) -> Rgb:
    """A touch more saturated and lighter: middle tones look dull once they are shaded."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(one / 255 for one in base))
    return hsv(hue, min(1, saturation * 1.08), min(1, value * 1.08 + 0.02))


def hsv(hue: float, saturation: float, value: float) -> Rgb:
    """An 8-bit colour from hue, saturation and value between 0 and 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def chroma(base: Rgb) -> int:
    """How far from grey, 0 to 255."""
    return max(base) - min(base)


def apart(one: Rgb, other: Rgb) -> bool:
    """Whether two colours are clearly different."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 80  # noqa: PLR2004  of 765


def toned(base: Rgb, factor: float) -> Rgb:
    """Darker below 1; above 1 that much of the way to white."""
    red, green, blue = (
        round(one * factor) if factor <= 1 else round(one + (255 - one) * min(1, factor - 1)) for one in base
    )
    return red, green, blue


def _rgb(code: str) -> Rgb:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:], 16)
