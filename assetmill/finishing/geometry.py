"""Trim, fit, pad and enlarge: how a picture gets the size that was asked for.

- Sheets are stretched to their size and nothing else, or the cells would leave their places.
- Opaque pictures never get bars: `contain` would add some, so it crops as `cover` does; after generation
  at nearly the asked aspect that is a few pixels. All layers of a parallax go the same way, with or
  without transparency, or they would no longer lie on each other.
- A trimmed entity fills `silhouette.fill` of its canvas, which is what the game runtime assumes; other
  trimmed cut-outs fill all of it. `pad` is kept free on each side in any case.
"""

from __future__ import annotations

from PIL import Image

from assetmill.manifest.models import AssetBase, Entity, Parallax, Sheet
from assetmill.quality.wanted import target_size

_HAZE = 8  # alpha below this is no part of the subject: cut-outs have a faint veil around them

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
}


def fit(asset: AssetBase, picture: Image.Image, *, coarse: int = 1) -> Image.Image:
    """Bring a picture to its asked size, or to one pixel per grid cell when `coarse` is above 1.

    A coarse grid is sampled with the box filter, whatever `resample` says: each pixel is then the mean of
    its square, and nothing rings.
    """
    width, height = target_size(asset)
    canvas = (-(-width // coarse), -(-height // coarse))
    resample = FILTERS["box" if coarse > 1 else asset.post.resample]
    filled = isinstance(asset, Parallax) or picture.mode != "RGBA"
    if isinstance(asset, Sheet) or (filled and asset.post.fit == "stretch"):
        return _resize(picture, canvas, resample)
    if filled:
        return _cover(picture, canvas, resample)
    return _on_canvas(asset, picture, canvas, -(-asset.post.pad // coarse), resample)


def _on_canvas(
    asset: AssetBase, picture: Image.Image, canvas: tuple[int, int], pad: int, resample: Image.Resampling
) -> Image.Image:
    if asset.post.trim:
        picture = trim(picture, max(_HAZE, asset.post.alpha_threshold))
    room = _room(asset, canvas, pad)
    if asset.post.fit == "contain":
        scale = min(room[0] / picture.width, room[1] / picture.height)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        fitted = _resize(picture, size, resample)
    else:
        bring = _resize if asset.post.fit == "stretch" else _cover
        fitted = bring(picture, room, resample)
    made = Image.new("RGBA", canvas, (0, 0, 0, 0))
    made.paste(fitted, ((canvas[0] - fitted.width) // 2, (canvas[1] - fitted.height) // 2))
    return made


def _room(asset: AssetBase, canvas: tuple[int, int], pad: int) -> tuple[int, int]:
    """What of the canvas the picture may take."""
    fill = asset.silhouette.fill if asset.post.trim and isinstance(asset, Entity) else 1.0
    width, height = (max(1, min(round(side * fill), side - 2 * pad)) for side in canvas)
    return width, height


def trim(picture: Image.Image, least_alpha: int) -> Image.Image:
    """Cut off transparent borders; a wholly transparent picture stays as it is."""
    solid = picture.getchannel("A").point([0 if alpha < least_alpha else 255 for alpha in range(256)])
    box = solid.getbbox()
    return picture.crop(box) if box else picture


def _resize(picture: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, resample)


def _cover(picture: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    """Fill all of `size`; what stands over is cut off evenly on both sides."""
    if picture.size == size:
        return picture
    scale = max(size[0] / picture.width, size[1] / picture.height)
    width, height = size[0] / scale, size[1] / scale
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    edges = (max(0.0, left), max(0.0, top), min(left + width, picture.width), min(top + height, picture.height))
    return picture.resize(size, resample, box=edges)


def enlarge(picture: Image.Image, factor: int, size: tuple[int, int]) -> Image.Image:
    """Scale a coarse picture up without smoothing; an asked size that is no multiple loses its last pixels."""
    if factor == 1:
        return picture
    large = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    return large.crop((0, 0, *size))
