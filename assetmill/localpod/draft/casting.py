"""Casts the figure for a subject: which word of a prompt is the thing, and who it is.

The head of the first phrase that means anything decides (a `brave fox hero with a sword` is a fox, a
`treasure chest of gold` a chest), compounds count by their last part (`thundercloud`), and a thing whose
role is somebody's gets a face. Nothing is drawn here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assetmill.localpod.draft.beings import being
from assetmill.localpod.draft.faces import face
from assetmill.localpod.draft.forms import Part
from assetmill.localpod.draft.grounds import MATERIALS, PLATFORM_WORDS, Piece, ground, material_of
from assetmill.localpod.draft.kinds import ANYONE, BEINGS, FOES, NATURAL, WORN, Pose
from assetmill.localpod.draft.palette import subject_words, word_set, words_of
from assetmill.localpod.draft.pixels import Rgb
from assetmill.localpod.draft.things import FIGURES, Figure, small_eyes
from assetmill.localpod.draft.widgets import WIDGET_WORDS, widget

_PHRASE_END = re.compile(
    r"[.,;:!?()\n]|\b(?:with|of|on|in|at|by|from|under|over|that|who|which|wearing|holding|shaped|made|for|and)\b"
)
_SOMEBODY = word_set("character creature enemy playable")
_LEAST_STEM = 4  # letters of a word that may end a compound


@dataclass(frozen=True, slots=True)
class Cast:
    """A figure.

    Args:
        parts: back to front; empty when no figure fits.
        natural: its colour when nobody names one; None when it has none.
    """

    parts: list[Part]
    natural: Rgb | None = None


def phrases(text: str) -> list[tuple[str, ...]]:
    """The words of each phrase of a text, in order; a phrase ends where something is added to it."""
    return [words_of(phrase) for phrase in _PHRASE_END.split(subject_words(text)) if phrase.strip()]


def is_figure(word: str) -> bool:
    """Whether a word names a figure (and so is no colour, even where it could be)."""
    return word in FIGURES or word in BEINGS


def cast(text: str, role: str, pose: Pose, aspect: float, *, element: bool = False) -> Cast:
    """The figure for a subject.

    Args:
        text: words about it, its own first.
        role: words for its part in the game.
        pose: moment of its movement.
        aspect: width over height of the room it has.
        element: it is an element of the user interface, whatever its words are.
    """
    everything = words_of(subject_words(text))
    if element:
        return Cast(widget(frozenset(everything), aspect))
    roles = words_of(role)
    known = frozenset(everything) | (frozenset(roles) & (FOES | _SOMEBODY))
    for phrase in [*phrases(text), everything, roles]:
        for word in reversed(phrase):
            found = _figure(_stem(word), phrase, known, pose, aspect)
            if found is not None:
                return found
    return Cast([])


def _stem(word: str) -> str:
    """The known word that a compound ends with: `thundercloud` is a cloud."""
    if is_figure(word) or word in WIDGET_WORDS or word in PLATFORM_WORDS:
        return word
    ends = (word[start:] for start in range(1, len(word) - _LEAST_STEM + 1))
    return next((end for end in ends if is_figure(end)), word)


def _figure(word: str, phrase: tuple[str, ...], known: frozenset[str], pose: Pose, aspect: float) -> Cast | None:
    if word in WIDGET_WORDS:
        return Cast(widget(known, aspect))
    if word in ANYONE | FOES and (thing := next((FIGURES[one] for one in phrase if one in FIGURES), None)):
        return _thing(thing, known, alive=True)
    if word in BEINGS:
        natural = next((NATURAL[one] for one in (word, *phrase) if one in NATURAL), None)
        return Cast(being(frozenset(phrase) | {word} | (known & (FOES | WORN)), pose, aspect), natural)
    if word in FIGURES:
        return _thing(FIGURES[word], known, alive=bool(known & (_SOMEBODY | FOES)))
    if word in PLATFORM_WORDS:
        material = material_of(phrase) or material_of(tuple(known)) or MATERIALS["plain"]
        return Cast(ground(Piece(material, aspect)), material.natural or material.body)
    return None


def _thing(figure: Figure, known: frozenset[str], *, alive: bool) -> Cast:
    """A thing, with a face if it is somebody."""
    parts = figure.parts()
    if alive and not figure.lifeless:
        x, y = figure.eyes[:2] if figure.eyes else (0.5, 0.52)
        return Cast(parts + face(x, min(y, 0.6), 0.24, bool(known & FOES)), figure.natural)
    return Cast(parts + (small_eyes(*figure.eyes) if figure.eyes else []), figure.natural)
