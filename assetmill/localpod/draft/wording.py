"""Takes a prompt apart: the subject, the title, and what is said about single cells.

Written for the sentences of `assetmill.prompts`, and content with any other prompt: a sentence that is
not recognised is simply part of the subject, and a prompt with no known sentence is all subject. Never
raises, whatever the words are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from assetmill.localpod.draft.kinds import Pose

_FRAME_OF_PROMPT = re.compile(
    r"A game sprite of|A game sheet:|A tile sheet for a game|The backdrop of a game level|A wide scene for"
    r"|The game's world:|An empty stage|One layer of a side-scrolling game's backdrop"
)
_LAYER = re.compile(
    r"One layer of a side-scrolling game's backdrop\. ([A-Z][a-z ]{3,40}), seen straight from the side"
    r"(?:: (.*?)\. Only what stands at this distance)?",
    re.DOTALL,
)
_FARTHEST = re.compile(r"Only what lies farthest away, [a-z ,]{3,80}: ")
_DEPTHS = {
    "Far away": 0.15, "Behind the middle distance": 0.3, "In the middle distance": 0.5, "Rather close": 0.7,
    "Close to the viewer": 0.9,
}  # fmt: skip
_ROLE = re.compile(r"A game sprite of one ([^.]*)", re.IGNORECASE)
_WORLD = re.compile(r"The game's world: (.*?)(?:\.\s|$)", re.DOTALL)
_TITLE = re.compile(
    r'(?:reads|says|title|titled|logo|lettering|text|word|words|named|called)\b[^"]{0,40}"([^"]{1,200})"'
)
_CELL = re.compile(r"Row (\d{1,3}), column (\d{1,3}): (.*?)(?=\.\s|\.?$|\. Row )", re.DOTALL)
_GRID = re.compile(r"in (\d{1,3}) columns? and (\d{1,3}) rows?")
_MOVE = re.compile(r"Pictures? ([\d, to]{1,200}?), counted row by row: ([\w ]{1,80})")
_ELEMENT = re.compile(r"states of one user interface element[^:]*: an? ([^.]*)")
_STATES = {
    "pushed in": "pressed", "out of use": "disabled", "not chosen": "unselected", "chosen": "selected",
    "under the pointer": "hover", "in focus": "focus",
}  # fmt: skip
_OFFSET = math.pi / 6  # no two of four frames mirror each other
_STILL = ("idle", "stand", "wait", "sleep", "blink", "breathe")
_AIR = ("jump", "fall", "hop", "fly", "glide", "float")


@dataclass(frozen=True, slots=True)
class Wording:
    """What a prompt says.

    Args:
        whole: the prompt as it came.
        subject: what is to be seen, without the sentences that every prompt shares.
        role: words for the subject's role in the game.
        world: words for the game's world.
        title: words to letter; None when there are none.
        grid: (columns, rows) of a sheet; None when it does not say.
        cells: (row, column), from 0 -> words about that cell alone.
        element: the cells are states of one element of the user interface.
        tiles: the cells are tiles, each a thing of its own.
        corners: the sheet is a set of 16 corner tiles.
        moves: place in reading order, from 0 -> (movement, step, steps).
        layer: one layer of a backdrop alone: its depth, 0 for the farthest; None for anything else.
    """

    whole: str
    subject: str
    role: str = ""
    world: str = ""
    title: str | None = None
    grid: tuple[int, int] | None = None
    tiles: bool = False
    corners: bool = False
    element: bool = False
    cells: Mapping[tuple[int, int], str] = field(default_factory=dict)
    moves: Mapping[int, tuple[str, int, int]] = field(default_factory=dict)
    layer: float | None = None

    def pose(self, place: int) -> Pose:
        """The moment of movement at a place of the sheet; without words, frames walk on in fours."""
        name, step, steps = self.moves.get(place, ("walk", place, 4))
        phase = 2 * math.pi * step / max(steps, 2) + _OFFSET
        if any(word in name for word in _STILL):
            return Pose(phase, 0.25)
        return Pose(phase, 0.6, lift=0.1) if any(word in name for word in _AIR) else Pose(phase, 1.0)


def read(prompt: str) -> Wording:
    """Take a prompt apart."""
    frame = _FRAME_OF_PROMPT.search(prompt)
    subject = prompt[: frame.start()] if frame and frame.start() > 0 else prompt
    element = _ELEMENT.search(prompt)
    grid = _GRID.search(prompt)
    layer = _LAYER.search(prompt)
    farthest = _FARTHEST.match(prompt)
    if layer is not None and layer[2]:
        subject = layer[2]
    elif farthest is not None:
        subject = subject[farthest.end() :]
    return Wording(
        whole=prompt,
        subject=f"{element[1]}, {subject}" if element else subject,
        role=_first(_ROLE, prompt),
        world=_first(_WORLD, prompt),
        title=_first(_TITLE, prompt) or None,
        grid=(max(1, int(grid[1])), max(1, int(grid[2]))) if grid else None,
        element=element is not None,
        tiles="A tile sheet for a game" in prompt,
        corners="16 terrain tiles" in prompt or "wang" in prompt.casefold(),
        cells={(int(row) - 1, int(column) - 1): _own(words) for row, column, words in _CELL.findall(prompt)},
        moves=_moves(prompt),
        layer=_DEPTHS.get(layer[1], 0.5) if layer is not None else 0.0 if farthest is not None else None,
    )


def _first(pattern: re.Pattern[str], prompt: str) -> str:
    found = pattern.search(prompt)
    return found[1].strip() if found else ""


def _own(words: str) -> str:
    """A cell's words; a state of an interface element by its plain name."""
    state = next((name for said, name in _STATES.items() if words.startswith(said)), None)
    return f"{state}, {words}" if state else words


def _moves(prompt: str) -> dict[int, tuple[str, int, int]]:
    moves: dict[int, tuple[str, int, int]] = {}
    for span, name in _MOVE.findall(prompt):
        places = _places(span)
        for step, place in enumerate(places):
            moves.setdefault(place - 1, (name.casefold(), step, len(places)))
    return moves


def _places(span: str) -> list[int]:
    numbers = [int(number) for number in re.findall(r"\d{1,4}", span)]
    if "to" in span and len(numbers) == 2:  # noqa: PLR2004  from, to
        return list(range(numbers[0], min(numbers[1], numbers[0] + 4096) + 1))
    return numbers
