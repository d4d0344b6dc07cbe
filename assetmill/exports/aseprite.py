"""Aseprite's JSON, for tools and games that read sheets as Aseprite exports them.

A tag plays frames that follow one another, so every animation has its own run of frames, and a picture that two
animations share is listed twice. Frames are called "0", "1", ... because Phaser's `createFromAseprite` finds
them by no other name; what they show is told by tags: of animations in a sprite sheet, of each single frame in
all others. Nine-slice borders and pivots are slices, as Aseprite has it.

The format has one picture a document. A sheet of several pages gets a document for each, and an animation whose
frames lie on more than one page has no tag in any: `meta.leftOut` names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from assetmill.exports.base import JSON, Place, encoded
from assetmill.sheets.model import Animation, Frame, SheetModel

ROLE = "aseprite"
STILL_MS = 100  # Aseprite's own duration of a new frame
_BLUE = "#0000ffff"
_BLACK = "#000000ff"


class _Shown(NamedTuple):
    """An entry of the list of frames."""

    frame: Frame
    duration_ms: int


class _Tag(NamedTuple):
    name: str
    start: int
    end: int
    direction: str
    repeat: int = 0


def write(model: SheetModel, place: Place) -> None:
    """Put role `aseprite`, and `aseprite_1` and so on for further pages."""
    for number, page in enumerate(model.pages):
        document = encoded(sheet(model, number, place.image(page.role)))
        role, name = (f"{ROLE}_{number}", f"{model.id}.{number}") if number else (ROLE, model.id)
        place.put(role, f"{name}.json", document, JSON)


def sheet(model: SheetModel, number: int, image: str) -> dict[str, Any]:
    """The document of one page; `image` is its address."""
    shown, tags, left_out = _timeline(model, number)
    page = model.pages[number]
    return {
        "frames": {str(at): _entry(one) for at, one in enumerate(shown)},
        "meta": {
            "app": "assetmill",
            "version": "1.3",
            "image": image,
            "format": "RGBA8888",
            "size": {"w": page.size[0], "h": page.size[1]},
            "scale": "1",
            "frameTags": [_tag(tag) for tag in tags],
            "layers": [{"name": model.id, "opacity": 255, "blendMode": "normal"}],
            "slices": _slices(model, shown),
            **({"leftOut": left_out} if left_out else {}),
        },
    }


def _timeline(model: SheetModel, number: int) -> tuple[list[_Shown], list[_Tag], list[str]]:
    """Frames of a page in the order of its tags, the tags, and animations that lie on other pages as well."""
    here = {frame.id: frame for frame in model.frames if frame.page == number}
    shown: list[_Shown] = []
    tags: list[_Tag] = []
    left_out: list[str] = []
    for animation in model.animations:
        if here.keys() >= set(animation.frames):
            tags.append(_animation_tag(animation, len(shown)))
            shown += [_Shown(here[f], ms) for f, ms in zip(animation.frames, animation.durations_ms, strict=True)]
        elif not here.keys().isdisjoint(animation.frames):
            left_out.append(animation.name)
    used = {one.frame.id for one in shown}
    for frame in here.values():
        if frame.id not in used:
            tags.append(_Tag(frame.id, len(shown), len(shown), "forward"))
            shown.append(_Shown(frame, STILL_MS))
    return shown, tags, left_out


def _animation_tag(animation: Animation, start: int) -> _Tag:
    end = start + len(animation.frames) - 1
    once = 2 if animation.direction == "pingpong" else 1  # Aseprite counts there and back as two
    return _Tag(animation.name, start, end, animation.direction, 0 if animation.loop else once)


def _entry(one: _Shown) -> dict[str, Any]:
    frame, size = one.frame, {"w": one.frame.rect.w, "h": one.frame.rect.h}
    return {
        "frame": {"x": frame.rect.x, "y": frame.rect.y, **size},
        "rotated": False,
        "trimmed": frame.trimmed,
        "spriteSourceSize": {"x": frame.offset[0], "y": frame.offset[1], **size},
        "sourceSize": {"w": frame.source[0], "h": frame.source[1]},
        "duration": one.duration_ms,
    }


def _tag(tag: _Tag) -> dict[str, Any]:
    """`repeat` is text, as Aseprite writes it; without it a tag plays for ever."""
    repeat = {"repeat": str(tag.repeat)} if tag.repeat else {}
    return {"name": tag.name, "from": tag.start, "to": tag.end, "direction": tag.direction, "color": _BLACK, **repeat}


def _slices(model: SheetModel, shown: list[_Shown]) -> list[dict[str, Any]]:
    """One slice over the whole frame, with a key wherever it changes; it holds until the next one."""
    keys: list[dict[str, Any]] = []
    last: dict[str, Any] | None = None
    for at, one in enumerate(shown):
        key = dict(_slice_key(model, one.frame))
        if key != last:
            keys.append({"frame": at, **key})
            last = key
    return [{"name": model.id, "color": _BLUE, "keys": keys}] if keys else []


def _slice_key(model: SheetModel, frame: Frame) -> Iterator[tuple[str, Any]]:
    width, height = frame.source
    yield "bounds", {"x": 0, "y": 0, "w": width, "h": height}
    if model.borders:
        left, top, right, bottom = (getattr(model.borders, side) for side in ("left", "top", "right", "bottom"))
        yield "center", {"x": left, "y": top, "w": width - left - right, "h": height - top - bottom}
    yield "pivot", {"x": round(frame.pivot[0] * width), "y": round(frame.pivot[1] * height)}
