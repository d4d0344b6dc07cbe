"""Placeholder user interface: buttons, panels, bars and switches in their states.

A widget fills its guide's outline, because a nine-slice is cut from it: borders are even, the middle is
plain. The guide's colour already says the state (lighter for hover, greyed for disabled); here a pressed
element also sinks and a selected one shows its mark.
"""

from __future__ import annotations

from collections.abc import Callable

from assetmill.localpod.draft.forms import INK, WHITE, Box, Disc, Part, Poly, Stroke, mark, part
from assetmill.localpod.draft.palette import word_set

WIDGET_WORDS = word_set("button checkbox slider panel dropdown toggle scrollbar progressbar hud")


def widget(words: frozenset[str], aspect: float) -> list[Part]:
    """Parts of the element that `words` name, in a unit square stretched to `aspect` (width over height)."""
    tall = min(1.0, aspect)
    sunk = "pressed" in words
    mine = _marks(words, aspect)
    rim = 0.09
    x, y = rim * min(1.0, 1 / aspect), rim * tall
    return [
        part("main", Box(0.0, 0.0, 1.0, 1.0, 0.26), shade=0.6, gloss=0.2),
        part(
            "main",
            Box(x, y * (1.5 if sunk else 0.7), 1 - x, 1 - y * (0.8 if sunk else 1.7), 0.24),
            gloss=0.25,
            shade=0.88 if sunk else 1.0,
        ),
        *(
            []
            if sunk or "disabled" in words
            else [mark("light", Box(x * 2.2, y * 1.5, 1 - x * 2.2, y * 2.5, 0.5), clip=True)]
        ),
        *mine,
    ]


def _marks(words: frozenset[str], aspect: float) -> list[Part]:
    """What tells one element from another; nothing for plain ones such as buttons and panels."""
    on = bool(words & {"selected", "checked", "pressed"}) and "unselected" not in words
    for names, draw in _DRAWN.items():
        if words & names:
            return draw(on, aspect)
    return []


def _check(on: bool, _aspect: float) -> list[Part]:
    return [mark(WHITE, Stroke(((0.27, 0.52), (0.44, 0.68), (0.74, 0.32)), 0.11))] if on else []


def _bullet(on: bool, _aspect: float) -> list[Part]:
    return [part("accent", Disc(0.5, 0.48, 0.2, 0.2))] if on else [mark("deep", Disc(0.5, 0.48, 0.2, 0.2))]


def _knob(x: float, aspect: float) -> list[Part]:
    knob = Disc(x, 0.48, 0.3 / max(aspect, 1), 0.3 * min(aspect, 1))
    return [mark("deep", Box(0.14, 0.4, 0.86, 0.56, 0.5)), part(WHITE, knob)]


def _slider(_on: bool, aspect: float) -> list[Part]:
    return _knob(0.6, aspect)


def _toggle(on: bool, aspect: float) -> list[Part]:
    return _knob(0.72 if on else 0.28, aspect)


def _progress(_on: bool, _aspect: float) -> list[Part]:
    return [mark("deep", Box(0.05, 0.28, 0.95, 0.68, 0.5)), part("accent", Box(0.06, 0.31, 0.66, 0.65, 0.5))]


def _scroll(_on: bool, aspect: float) -> list[Part]:
    grip = Box(0.2, 0.14, 0.5, 0.82, 0.5) if aspect > 1 else Box(0.16, 0.2, 0.84, 0.5, 0.5)
    return [part(WHITE, grip, shade=0.92)]


def _arrow(_on: bool, aspect: float) -> list[Part]:
    half = 0.1 / max(aspect, 1)
    return [mark(INK, Poly(((0.9 - 2.4 * half, 0.42), (0.9, 0.42), (0.9 - 1.2 * half, 0.6))))]


_DRAWN: dict[frozenset[str], Callable[[bool, float], list[Part]]] = {
    word_set("checkbox"): _check,
    word_set("radio"): _bullet,
    word_set("slider"): _slider,
    word_set("toggle switch"): _toggle,
    word_set("progress progressbar"): _progress,
    word_set("scroll scrollbar"): _scroll,
    word_set("dropdown drop"): _arrow,
}
