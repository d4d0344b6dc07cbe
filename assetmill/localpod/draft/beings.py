"""Placeholder creatures: round bodies with faces, so that a level has somebody to look at.

A being is built from what its words say (a bee has stripes, a robot an antenna, an enemy a frown). Those
on two feet are in walkers.py. Parts lie in a unit square; proportions are taste.
"""

from __future__ import annotations

import math

from assetmill.localpod.draft.faces import face
from assetmill.localpod.draft.forms import INK, Box, Disc, Part, Poly, Stroke, mark, moved, part, ring
from assetmill.localpod.draft.kinds import BLOBS, FISHES, FLIERS, FOES, LONG_EARS, MACHINES, Pose
from assetmill.localpod.draft.pixels import Rgb
from assetmill.localpod.draft.walkers import walker

_LONG = 1.35  # width over height from which a creature goes on four feet


def being(words: frozenset[str], pose: Pose, aspect: float = 1.0) -> list[Part]:
    """Parts of the creature that `words` describe, back to front."""
    foe = bool(words & FOES)
    if words & BLOBS:
        return _blob(words, pose, foe)
    if words & FISHES:
        return _fish(pose, foe)
    if words & FLIERS:
        return _flier(words, pose, foe)
    if words & MACHINES:
        return _robot(pose, foe)
    if aspect > _LONG:
        return _crawler(words, pose, foe, aspect)
    body = walker(words, pose, foe)
    return moved(body, (0.04, 0.22, 0.96, 1.0)) if words & LONG_EARS else body


def _crawler(words: frozenset[str], pose: Pose, foe: bool, aspect: float) -> list[Part]:
    """A long body on four feet, its head at the right; round parts stay round whatever the aspect."""
    swing, dip, k = pose.swing, pose.bob, 1 / aspect
    feet = tuple(
        Disc(x + 0.04 * s * swing, 0.9 - 0.05 * max(0.0, s * swing), 0.13 * k, 0.09)
        for x, s in ((0.2, 1), (0.38, -1), (0.6, 1), (0.76, -1))
    )
    spines = [
        Poly(((0.1 + 0.1 * i, 0.5), (0.12 + 0.1 * i, 0.06 + 0.05 * abs(i - 3)), (0.24 + 0.1 * i, 0.4)))
        for i in range(6)
    ]
    spiky = bool(words & {"hedgehog", "thistle", "spiky", "porcupine", "dragon"})
    head_x = 1 - 0.4 * k
    return [
        *(
            [part("second", *spines)]
            if spiky
            else [part("main", Stroke(((0.14, 0.6), (0.04, 0.4 + 0.06 * swing)), 0.12))]
        ),
        part("main", *feet, shade=0.8),
        part("main", Disc(0.44, 0.56 + dip, 0.42, 0.34)),
        part("light", Disc(0.44, 0.76 + dip, 0.28, 0.1), gloss=0.2, clip=True),
        part("main", Disc(head_x, 0.46 + dip, 0.38 * k, 0.38)),
        *moved(face(0.5, 0.5, 0.36, foe), (head_x - 0.38 * k, 0.06 + dip, head_x + 0.38 * k, 0.82 + dip)),
    ]


def _blob(words: frozenset[str], pose: Pose, foe: bool) -> list[Part]:
    squash = 0.05 * pose.swing
    if words & {"ghost", "spirit", "jellyfish", "octopus", "squid"}:
        hem = tuple(Disc(0.17 + 0.22 * i, 0.84 + 0.03 * math.sin(pose.phase + i), 0.115, 0.12) for i in range(4))
        return [
            part("main", Box(0.06, 0.06 - squash, 0.94, 0.86, 0.48), Box(0.06, 0.5, 0.94, 0.86), *hem, gloss=0.8),
            *face(0.52, 0.42 - squash, 0.27, foe),
        ]
    top = 0.12 + squash
    body = (
        Disc(0.5, 0.56 + squash / 2, 0.42 + squash / 2, 0.56 - top),
        Box(0.03 - squash / 3, 0.6, 0.97 + squash / 3, 0.96, 0.42),
    )
    return [
        part("main", *body, gloss=1.6),
        mark("light", Disc(0.3, 0.32 + squash, 0.07, 0.05)),
        *face(0.52, 0.6 + squash / 2, 0.28, foe),
    ]


def _fish(pose: Pose, foe: bool) -> list[Part]:
    flick = 0.08 * pose.swing
    return [
        part("second", Poly(((0.3, 0.5), (0.02, 0.22 + flick), (0.1, 0.5), (0.02, 0.78 + flick)))),
        part("second", Poly(((0.44, 0.3), (0.62, 0.06), (0.76, 0.32))), Poly(((0.46, 0.7), (0.6, 0.92), (0.68, 0.68)))),
        part("main", Disc(0.58, 0.5, 0.39, 0.32)),
        part("light", Disc(0.6, 0.68, 0.24, 0.09), gloss=0.2, clip=True),
        *face(0.74, 0.45, 0.17, foe),
    ]


def _flier(words: frozenset[str], pose: Pose, foe: bool) -> list[Part]:
    flap = 0.16 * math.sin(pose.phase) * max(pose.lean, 0.4)
    spread = 0.34 if words & {"bat", "bee", "wasp", "butterfly", "moth", "fly", "fairy"} else 0.3
    wings = tuple(Disc(0.5 + s * (spread + 0.02), 0.5 - flap, 0.17, 0.12 + abs(flap) * 0.5) for s in (-1, 1))
    pale: str | Rgb = (226, 242, 252) if words & {"bee", "wasp", "fly", "fairy", "moth"} else "second"
    stripes = [mark(INK, Box(0, 0.62, 1, 0.7), Box(0, 0.78, 1, 0.86), clip=True)] if words & {"bee", "wasp"} else []
    beak = (
        [part((250, 170, 50), Poly(((0.45, 0.5), (0.63, 0.5), (0.54, 0.62))))]
        if not words & {"bat", "bee", "wasp", "butterfly", "moth", "fly", "fairy"}
        else []
    )
    ears = (
        [part("main", *(Poly(((0.5 + s * 0.08, 0.2), (0.5 + s * 0.25, 0.03), (0.5 + s * 0.3, 0.3))) for s in (-1, 1)))]
        if "bat" in words
        else []
    )
    tuft = [part("second", Poly(((0.44, 0.2), (0.5, 0.04), (0.56, 0.2))))] if beak else []
    feet = [part((250, 170, 50), Disc(0.4, 0.93, 0.08, 0.045), Disc(0.6, 0.93, 0.08, 0.045))] if beak else []
    return [
        part(pale, *wings),
        *feet,
        *ears,
        *tuft,
        part("main", Disc(0.5, 0.54, 0.34, 0.39)),
        *stripes,
        *([part("light", Disc(0.5, 0.75, 0.2, 0.14), gloss=0.2, clip=True)] if not stripes else []),
        *(face(0.53, 0.4, 0.24, foe) if foe and not beak else face(0.53, 0.4, 0.24, foe)[: 4 if foe else 3]),
        *beak,
    ]


def _robot(pose: Pose, foe: bool) -> list[Part]:
    swing, dip = pose.swing, pose.bob
    glow: Rgb = (255, 92, 70) if foe else (120, 240, 250)
    return [
        part("deep", Stroke(((0.5, 0.16 + dip), (0.5, 0.06 + dip)), 0.04)),
        part("accent", Disc(0.5, 0.05 + dip, 0.05, 0.045)),
        part(
            "deep",
            Box(0.04, 0.58 + dip + 0.04 * swing, 0.2, 0.8 + dip + 0.04 * swing, 0.4),
            Box(0.8, 0.58 + dip - 0.04 * swing, 0.96, 0.8 + dip - 0.04 * swing, 0.4),
        ),
        part(
            "deep",
            Box(0.26, 0.84 - 0.05 * max(0, swing), 0.46, 0.97 - 0.05 * max(0, swing), 0.3),
            Box(0.54, 0.84 - 0.05 * max(0, -swing), 0.74, 0.97 - 0.05 * max(0, -swing), 0.3),
        ),
        part("main", Box(0.2, 0.54 + dip, 0.8, 0.88, 0.25)),
        part("second", Poly(ring(0.5, 0.7 + dip, 0.1, 0.09, 6))),
        part("main", Box(0.12, 0.14 + dip, 0.88, 0.56 + dip, 0.3)),
        part((44, 48, 70), Box(0.2, 0.23 + dip, 0.8, 0.48 + dip, 0.4), gloss=0.4),
        mark(glow, Disc(0.38, 0.35 + dip, 0.07, 0.075), Disc(0.64, 0.35 + dip, 0.07, 0.075)),
    ]
