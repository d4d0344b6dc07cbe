"""In which order the frames of an animation are shown.

Engines run through an animation in ways of their own, and some only forwards: Pixi plays a list as it stands. An
export whose engine has no direction of exactly our meaning writes the frames out in the order of play. All such
exports take it from here, or one engine would show what another does not.
"""

from __future__ import annotations

from typing import NamedTuple

from assetmill.sheets.model import Animation


class Step(NamedTuple):
    """One frame of an animation as it is shown.

    Args:
        frame: id of the frame.
        duration_ms: how long it is shown.
    """

    frame: str
    duration_ms: int


def played(animation: Animation) -> tuple[Step, ...]:
    """Steps of one run from the first frame shown to the last, to be played forwards.

    There and back shows no end twice in a row: a loop leaves out its first frame on the way back, for it follows at
    once; an animation that is played once comes back to it.
    """
    steps = tuple(map(Step, animation.frames, animation.durations_ms))
    if animation.direction == "reverse":
        return steps[::-1]
    if animation.direction == "pingpong":
        return steps + steps[1 if animation.loop else 0 : -1][::-1]
    return steps
