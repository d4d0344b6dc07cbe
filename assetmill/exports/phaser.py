"""What Phaser needs beside the TexturePacker file: its animations, and all pages of a sheet in one document.

Phaser ignores the animations of an atlas and reads them from a file of their own (`load.animation`). The duration
of a frame is the whole time that it is shown, as long as nobody plays the animation at another rate. There and back
is Phaser's `yoyo`: in 3.90 and 4.2.1 it shows no end twice in a row, and a single run comes back to its first frame.
"""

from __future__ import annotations

from typing import Any

from assetmill.exports.base import JSON, Place, encoded
from assetmill.exports.play import Step, played
from assetmill.exports.texturepacker import APP, VERSION, animation_name, frame_entries, frame_name, page_meta
from assetmill.sheets.model import Animation, SheetModel

ANIMATIONS = "phaser_anims"
MULTI_ATLAS = "phaser_multiatlas"
FOR_EVER = -1


def write(model: SheetModel, place: Place) -> None:
    """Put role `phaser_anims` for a sheet with animations, and `phaser_multiatlas` for one of several pages."""
    if model.animations:
        animations = {"anims": [_animation(model, animation) for animation in model.animations], "globalTimeScale": 1}
        place.put(ANIMATIONS, f"{model.id}.anims.json", encoded(animations), JSON)
    if len(model.pages) > 1:
        place.put(MULTI_ATLAS, f"{model.id}.multiatlas.json", encoded(_multi_atlas(model, place)), JSON)


def _animation(model: SheetModel, animation: Animation) -> dict[str, Any]:
    return {
        "key": animation_name(model, animation),
        "type": "frame",
        "frames": [
            {"key": model.id, "frame": frame_name(model, step.frame), "duration": step.duration_ms}
            for step in _steps(animation)
        ],
        "frameRate": animation.fps,
        "repeat": FOR_EVER if animation.loop else 0,
        "yoyo": animation.direction == "pingpong",
    }


def _steps(animation: Animation) -> tuple[Step, ...]:
    """What Phaser plays forwards, and with `yoyo` also backwards."""
    there = {"direction": "forward"} if animation.direction == "pingpong" else {}
    return played(animation.model_copy(update=there))


def _multi_atlas(model: SheetModel, place: Place) -> dict[str, Any]:
    entries = frame_entries(model)
    textures = []
    for number in range(len(model.pages)):
        meta = page_meta(model, number, place)
        frames = [
            {"filename": frame_name(model, frame.id), **entries[frame.id]}
            for frame in model.frames
            if frame.page == number
        ]
        picture = {name: meta[name] for name in ("image", "format", "size", "scale")}
        textures.append({**picture, "frames": frames, "meta": meta})  # Phaser keeps `meta` as the texture's customData
    return {"textures": textures, "meta": {"app": APP, "version": VERSION}}
