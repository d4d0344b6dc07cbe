"""Godot 4: resources that the editor and `load()` take as they are, beside the pictures.

A sprite sheet becomes one SpriteFrames, a tile sheet one TileSet, each variant an AtlasTexture and each state of
an interface element a StyleBoxTexture, because that is what the nodes that use them ask for: AnimatedSprite2D,
TileMapLayer, Sprite2D, a theme's styles. What Godot has no property for is kept as metadata (`get_meta`): the
`pivot` of a frame and the `weight` of a variant. Whether pixels stay sharp is no matter of these files: it is the
texture filter of the node or of the project.

Names of properties are Godot's own, as `scene/resources` of its source reads them.
"""

from __future__ import annotations

from collections.abc import Iterator

from assetmill.exports import godot_text as gd
from assetmill.exports.base import TEXT, Place
from assetmill.exports.godot_tiles import tile_set
from assetmill.exports.nine_slice import borders_in_rect
from assetmill.exports.play import played
from assetmill.sheets.model import Animation, Frame, SheetModel

ROLE = "godot"
_SECOND_MS = 1000


def write(model: SheetModel, place: Place) -> None:
    """Put role `godot`, or for variants and states one role `godot_<name>` each."""
    if model.kind == "sprite":
        place.put(ROLE, f"{model.id}.tres", sprite_frames(model, place), TEXT)
    elif model.kind == "tile":
        place.put(ROLE, f"{model.id}.tres", tile_set(model, place), TEXT)
    else:
        _write_each(model, place)


def sprite_frames(model: SheetModel, place: Place) -> bytes:
    """A SpriteFrames with all animations, frames written out in the order of play."""
    parts = [
        gd.Part("AtlasTexture", _part_id(frame.id), tuple(_atlas_texture(frame, frame.page))) for frame in model.frames
    ]
    animations = ", ".join(_animation(animation) for animation in model.animations)
    textures = [place.image(page.role) for page in model.pages]
    return gd.document("SpriteFrames", textures, parts, [("animations", f"[{animations}]")])


def atlas_texture(model: SheetModel, frame: Frame, place: Place) -> bytes:
    """One frame as a texture of its own, with the weight of its variant."""
    weights = [("metadata/weight", gd.number(v.weight)) for v in model.variants if v.frame == frame.id]
    return gd.document("AtlasTexture", [_page(model, frame, place)], [], [*_atlas_texture(frame, 0), *weights[:1]])


def style_box(model: SheetModel, frame: Frame, place: Place) -> bytes:
    """One state of an interface element; without borders it stretches all over."""
    borders = borders_in_rect(model.borders, frame) if model.borders else None
    sides = borders.model_dump().items() if borders else ()
    margins = [(f"texture_margin_{side}", gd.number(length)) for side, length in sides if length]
    rect = frame.rect
    region = ("region_rect", gd.rect(rect.x, rect.y, rect.w, rect.h))
    return gd.document(
        "StyleBoxTexture", [_page(model, frame, place)], [], [("texture", gd.texture(0)), *margins, region]
    )


def _write_each(model: SheetModel, place: Place) -> None:
    form = style_box if model.kind == "ui_component" else atlas_texture
    taken: set[str] = {ROLE}
    for frame in model.frames:
        role = _role(frame.id, taken)
        taken.add(role)
        place.put(role, f"{model.id}.{frame.id}.tres", form(model, frame, place), TEXT)


def _role(frame_id: str, taken: set[str]) -> str:
    """A role of its own: `a-b` and `a_b` may both be there, and a role has no hyphens."""
    plain = f"{ROLE}_{frame_id.replace('-', '_')}"
    numbered = (f"{plain}_{number}" for number in range(2, len(taken) + 3))
    return plain if plain not in taken else next(role for role in numbered if role not in taken)


def _page(model: SheetModel, frame: Frame, place: Place) -> str:
    return place.image(model.pages[frame.page].role)


def _part_id(frame_id: str) -> str:
    return f"frame_{frame_id}"


def _atlas_texture(frame: Frame, page: int) -> Iterator[tuple[str, str]]:
    """Properties of an AtlasTexture; `margin` puts the trimmed border back: its size is all that is left out."""
    rect, (width, height) = frame.rect, frame.source
    yield "atlas", gd.texture(page)
    yield "region", gd.rect(rect.x, rect.y, rect.w, rect.h)
    if frame.trimmed:
        yield "margin", gd.rect(*frame.offset, width - rect.w, height - rect.h)
    yield "filter_clip", "true"
    yield "metadata/pivot", gd.vector(*frame.pivot)


def _animation(animation: Animation) -> str:
    frames = ", ".join(
        f'{{"duration": {gd.number(_relative(animation, step.duration_ms))}, '
        f'"texture": {gd.part(_part_id(step.frame))}}}'
        for step in played(animation)
    )
    loop = "true" if animation.loop else "false"
    return (
        f'{{"frames": [{frames}], "loop": {loop}, "name": {gd.name(animation.name)}, '
        f'"speed": {gd.number(animation.fps)}}}'
    )


def _relative(animation: Animation, duration_ms: int) -> float:
    """A frame's duration in frames of the animation's speed: it is shown for duration / speed seconds.

    The model's times are whole milliseconds; one that only rounds what the speed says is exactly one frame.
    """
    if duration_ms == round(_SECOND_MS / animation.fps):
        return 1.0
    return duration_ms * animation.fps / _SECOND_MS
