"""Unity's import settings (`.png.meta`) for every page: where its sprites lie, and how to import the picture.

Unity makes a .meta for each picture that has none, with its own defaults: blurred, compressed, one sprite. This
one comes first. Its ids follow from the names of asset, picture and frame and from nothing else, so a scene that
uses a sprite still finds it after the next export. Unity measures from the lower edge, and a sprite is its
rectangle: a pivot that lay in the trimmed border lies outside it.

The text is laid out as Unity itself writes it, because readers of these files are often not YAML parsers.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assetmill.exports.base import TEXT, Place
from assetmill.exports.nine_slice import borders_in_rect
from assetmill.sheets.model import Borders, Frame, SheetModel, Size

ROLE = "unity"
EXTENSION = ".meta"
PIXELS_PER_UNIT = 100  # Unity's default
_SPRITE_CLASS = 213  # Unity's class id of Sprite
_CUSTOM_PIVOT = 9  # SpriteAlignment.Custom
_POINT, _BILINEAR = 0, 1  # FilterMode
_SINGLE, _MULTIPLE = 1, 2  # SpriteImportMode
_LEAST_TEXTURE = 2048  # Unity's default maxTextureSize; a larger page would be made smaller
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")


@dataclass(frozen=True, slots=True)
class _Sprite:
    """A sprite in Unity's own measures: pixels from the lower left corner, pivot as shares of the rectangle."""

    name: str
    x: int
    y: int
    w: int
    h: int
    pivot: tuple[float, float]
    border: tuple[int, int, int, int]  # left, bottom, right, top
    sprite_id: str
    internal_id: int


def write(model: SheetModel, place: Place) -> None:
    """Put roles `unity`, `unity_1`, ...: the .meta of each page, named after the picture that it belongs to."""
    for number, page in enumerate(model.pages):
        sprites = [_sprite(place.game, model, frame) for frame in model.frames if frame.page == number]
        name = posixpath.basename(place.image(page.role)) + EXTENSION
        settings = _settings(_guid(place.game, model.id, page.role), page.size, _MULTIPLE, model.smooth, sprites)
        place.put(f"{ROLE}_{number}" if number else ROLE, name, settings, TEXT)


def single_picture(game: str, asset_id: str, role: str, size: Size, *, smooth: bool = True) -> bytes:
    """The .meta of a picture that is one sprite, with its pivot in the middle.

    Args:
        game: id of the game.
        asset_id: the asset.
        role: which of its pictures; the three decide its id.
        size: of the picture, so that it is not made smaller.
        smooth: whether Unity should filter when it scales.
    """
    return _settings(_guid(game, asset_id, role), size, _SINGLE, smooth, [])


def _sprite(game: str, model: SheetModel, frame: Frame) -> _Sprite:
    rect, page = frame.rect, model.pages[frame.page]
    border = borders_in_rect(model.borders, frame) if model.borders else Borders(left=0, top=0, right=0, bottom=0)
    own = (game, model.id, page.role, frame.id)
    return _Sprite(
        name=frame.id,
        x=rect.x,
        y=page.size[1] - rect.y - rect.h,
        w=rect.w,
        h=rect.h,
        pivot=_pivot(frame),
        border=(border.left, border.bottom, border.right, border.top),
        sprite_id=_guid(*own),
        internal_id=_internal_id(*own),
    )


def _pivot(frame: Frame) -> tuple[float, float]:
    """The pivot as shares of the rectangle, from its lower left corner; outside 0 to 1 in a trimmed border."""
    x = (frame.pivot[0] * frame.source[0] - frame.offset[0]) / frame.rect.w
    y = (frame.pivot[1] * frame.source[1] - frame.offset[1]) / frame.rect.h
    return x, 1 - y


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _guid(*parts: str) -> str:
    """32 hex digits that follow from the names."""
    return _digest(parts)[:32]


def _internal_id(*parts: str) -> int:
    """A file id inside the asset: signed, 64 bits, never 0, which means none."""
    return int.from_bytes(bytes.fromhex(_digest(parts))[-8:], signed=True) or 1


def _settings(guid: str, size: Size, mode: int, smooth: bool, sprites: Sequence[_Sprite]) -> bytes:
    values = {
        "guid": guid,
        "names": _listed("  internalIDToNameTable:", map(_table_entry, sprites), "[]"),
        "filter": _BILINEAR if smooth else _POINT,
        "mode": mode,
        "ppu": PIXELS_PER_UNIT,
        "largest": max(_LEAST_TEXTURE, 1 << (max(size) - 1).bit_length()),
        "sprites": _listed("    sprites:", map(_sprite_entry, sprites), "[]"),
        "sprite_id": "" if sprites else _guid(guid, "sprite"),
        "ids": _listed("    nameFileIdTable:", (f"      {_plain(s.name)}: {s.internal_id}" for s in sprites), "{}"),
    }
    return _SETTINGS.format_map(values).encode()


def _listed(heading: str, entries: Iterable[str], empty: str) -> str:
    """A YAML list or map below its heading, or on the heading's line when it is empty."""
    lines = list(entries)
    return "\n".join((heading, *lines)) if lines else f"{heading} {empty}"


def _table_entry(sprite: _Sprite) -> str:
    return f"  - first:\n      {_SPRITE_CLASS}: {sprite.internal_id}\n    second: {_plain(sprite.name)}"


def _sprite_entry(sprite: _Sprite) -> str:
    left, bottom, right, top = sprite.border
    x, y = (_share(value) for value in sprite.pivot)
    return _SPRITE.format(
        name=_plain(sprite.name),
        x=sprite.x,
        y=sprite.y,
        w=sprite.w,
        h=sprite.h,
        alignment=_CUSTOM_PIVOT,
        pivot=f"{{x: {x}, y: {y}}}",
        border=f"{{x: {left}, y: {bottom}, z: {right}, w: {top}}}",
        sprite_id=sprite.sprite_id,
        internal_id=sprite.internal_id,
    )


def _share(value: float) -> str:
    """A number without powers of ten, and without zeros that say nothing."""
    return f"{round(value, 6) + 0:.6f}".rstrip("0").rstrip(".")


def _plain(name: str) -> str:
    """A name as Unity writes it: bare, also one that looks like a number; in quotes if it has other characters."""
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


_SETTINGS = """\
fileFormatVersion: 2
guid: {guid}
TextureImporter:
{names}
  externalObjects: {{}}
  serializedVersion: 12
  mipmaps:
    mipMapMode: 0
    enableMipMap: 0
    sRGBTexture: 1
  isReadable: 0
  maxTextureSize: {largest}
  textureSettings:
    serializedVersion: 2
    filterMode: {filter}
    aniso: 1
    mipBias: 0
    wrapU: 1
    wrapV: 1
    wrapW: 1
  nPOTScale: 0
  textureCompression: 0
  spriteMode: {mode}
  spriteExtrude: 0
  spriteMeshType: 0
  alignment: 0
  spritePivot: {{x: 0.5, y: 0.5}}
  spritePixelsToUnits: {ppu}
  spriteBorder: {{x: 0, y: 0, z: 0, w: 0}}
  spriteGenerateFallbackPhysicsShape: 1
  alphaUsage: 1
  alphaIsTransparency: 1
  textureType: 8
  textureShape: 1
  platformSettings:
  - serializedVersion: 3
    buildTarget: DefaultTexturePlatform
    maxTextureSize: {largest}
    resizeAlgorithm: 0
    textureFormat: -1
    textureCompression: 0
    compressionQuality: 50
    crunchedCompression: 0
    allowsAlphaSplitting: 0
    overridden: 0
  spriteSheet:
    serializedVersion: 2
{sprites}
    outline: []
    physicsShape: []
    bones: []
    spriteID: {sprite_id}
    internalID: 0
    vertices: []
    indices:
    edges: []
    weights: []
    secondaryTextures: []
{ids}
  spritePackingTag:
  userData:
  assetBundleName:
  assetBundleVariant:
"""
"""spriteMeshType 0 is the whole rectangle, which nine-slices and tiles need; textureType 8 is a sprite."""

_SPRITE = """\
    - serializedVersion: 2
      name: {name}
      rect:
        serializedVersion: 2
        x: {x}
        y: {y}
        width: {w}
        height: {h}
      alignment: {alignment}
      pivot: {pivot}
      border: {border}
      outline: []
      physicsShape: []
      tessellationDetail: 0
      bones: []
      spriteID: {sprite_id}
      internalID: {internal_id}
      vertices: []
      indices:
      edges: []
      weights: []"""
