"""Trim, fit, pad and enlarge: how a picture gets the size that was asked for.

- Sheets are stretched to their size and nothing else, or the cells would leave their places. The cells of opaque
  ones are resampled each by itself: a filter would mix a line of the neighbour into every tile's edge.
- Opaque pictures never get bars: `contain` would add some, so it crops as `cover` does; after generation
  at nearly the asked aspect that is a few pixels. All layers of a parallax go the same way, with or
  without transparency, or they would no longer lie on each other.
- A trimmed entity fills `silhouette.fill` of its canvas, which is what the game runtime assumes; other
  trimmed cut-outs fill all of it. `pad` is kept free on each side in any case. What is trimmed off, and
  where the rest came to lie, is told with the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from assetmill.finishing.resampling import FILTERS, resized
from assetmill.finishing.result import Box, Placement
from assetmill.manifest.models import AssetBase, Entity, Parallax, Sheet
from assetmill.quality.wanted import target_size
from assetmill.sheets.boxes import place
from assetmill.sheets.parts import HAZE


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture in its canvas, and how it came there if it was trimmed."""

    picture: Image.Image
    placement: Placement | None = None


def fit(asset: AssetBase, picture: Image.Image, *, coarse: int = 1) -> Fitted:
    """Bring a picture to its asked size, or to one pixel per grid cell when `coarse` is above 1.

    A coarse grid is sampled with the box filter: each pixel is then the mean of its square, and nothing rings.
    `resample: nearest` takes the middle of each square instead, for pictures that are true pixel art already.
    """
    width, height = target_size(asset)
    canvas = (-(-width // coarse), -(-height // coarse))
    resample = FILTERS["box" if coarse > 1 and asset.post.resample != "nearest" else asset.post.resample]
    filled = isinstance(asset, Parallax) or picture.mode != "RGBA"
    if isinstance(asset, Sheet) and not asset.cutout:
        return Fitted(_cell_by_cell(asset, picture, canvas, resample))
    if isinstance(asset, Sheet) or (filled and asset.post.fit == "stretch"):
        return Fitted(resized(picture, canvas, resample))
    if filled:
        return Fitted(_cover(picture, canvas, resample, _whole_sides(asset)))
    return _on_canvas(asset, picture, canvas, -(-asset.post.pad // coarse), resample)


def _cell_by_cell(
    sheet: Sheet, picture: Image.Image, canvas: tuple[int, int], resample: Image.Resampling
) -> Image.Image:
    """A sheet in another size, each of its cells made of that cell's own pixels alone."""
    made = resized(picture, canvas, resample)
    if picture.size == canvas:
        return made
    for source, target in zip(place(sheet, picture.size).boxes, place(sheet, canvas).boxes, strict=True):
        made.paste(resized(picture.crop(source), target.size, resample), (target.left, target.top))
    return made


def _on_canvas(
    asset: AssetBase, picture: Image.Image, canvas: tuple[int, int], pad: int, resample: Image.Resampling
) -> Fitted:
    source, trim = picture.size, (0, 0, *picture.size)
    if asset.post.trim:
        trim = _content(picture, max(HAZE, asset.post.alpha_threshold))
        picture = picture.crop(trim)
    room = _room(asset, canvas, pad)
    kept = (0.0, 0.0, float(picture.width), float(picture.height))
    if asset.post.fit == "contain":
        scale = min(room[0] / picture.width, room[1] / picture.height)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        fitted = resized(picture, size, resample)
    elif asset.post.fit == "stretch":
        fitted = resized(picture, room, resample)
    else:
        kept, fitted = _covering(picture.size, room), _cover(picture, room, resample)
    made = Image.new("RGBA", canvas, (0, 0, 0, 0))
    x, y = (canvas[0] - fitted.width) // 2, (canvas[1] - fitted.height) // 2
    made.paste(fitted, (x, y))
    if not asset.post.trim:
        return Fitted(made)
    return Fitted(made, Placement(source, _whole(trim, kept), (x, y, fitted.width, fitted.height)))


def _room(asset: AssetBase, canvas: tuple[int, int], pad: int) -> tuple[int, int]:
    """What of the canvas the picture may take."""
    fill = asset.silhouette.fill if asset.post.trim and isinstance(asset, Entity) else 1.0
    width, height = (max(1, min(round(side * fill), side - 2 * pad)) for side in canvas)
    return width, height


def _content(picture: Image.Image, least_alpha: int) -> tuple[int, int, int, int]:
    """Edges (left, top, right, bottom) of what is not transparent; of a picture without any, all of it."""
    solid = picture.getchannel("A").point([0 if alpha < least_alpha else 255 for alpha in range(256)])
    return solid.getbbox() or (0, 0, *picture.size)


def _whole(trim: tuple[int, int, int, int], kept: tuple[float, float, float, float]) -> Box:
    """What was kept of the source, in whole pixels; `kept` has its edges within the trimmed picture."""
    left, top = round(kept[0]), round(kept[1])
    return (trim[0] + left, trim[1] + top, max(1, round(kept[2]) - left), max(1, round(kept[3]) - top))


def _whole_sides(asset: AssetBase) -> str:
    """Sides of layers of which nothing may be cut off, because their ends have to meet: `x`, `y`, `xy`, or none."""
    return asset.seamless.replace("none", "") if isinstance(asset, Parallax) else ""


def _cover(picture: Image.Image, size: tuple[int, int], resample: Image.Resampling, whole: str = "") -> Image.Image:
    """Fill all of `size`; what stands over is cut off evenly on both sides, or pressed in where a side stays whole."""
    left, top, right, bottom = _covering(picture.size, size)
    if "x" in whole:
        left, right = 0.0, float(picture.width)
    if "y" in whole:
        top, bottom = 0.0, float(picture.height)
    return resized(picture, size, resample, (left, top, right, bottom))


def _covering(source: tuple[int, int], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Edges of the largest part in the middle of a picture that has the aspect of `size`."""
    scale = max(size[0] / source[0], size[1] / source[1])
    width, height = size[0] / scale, size[1] / scale
    left, top = (source[0] - width) / 2, (source[1] - height) / 2
    return (max(0.0, left), max(0.0, top), min(left + width, source[0]), min(top + height, source[1]))


def enlarge(fitted: Fitted, factor: int, size: tuple[int, int]) -> Fitted:
    """Scale a coarse picture up without smoothing; an asked size that is no multiple loses its last pixels."""
    if factor == 1:
        return fitted
    picture, placement = fitted.picture, fitted.placement
    large = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    if placement is not None:
        x, y, w, h = (value * factor for value in placement.at)
        at = (x, y, min(w, size[0] - x), min(h, size[1] - y))
        placement = Placement(placement.source, placement.crop, at)
    return Fitted(large.crop((0, 0, *size)), placement)
