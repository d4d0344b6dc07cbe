"""The way of one raw picture to its file: decode, check, defringe, trim, fit, threshold, colours, enlarge, write.

The order is decided by what must hold of the published file. The checks look at the picture before anything hides
its faults. Edges are freed of their rim at full size, because every resampling spreads it. Trimming comes before
fitting, so that the subject is resampled once; colours come after it, or blended pixels would leave the palette,
and after the threshold, so that pixels which it removes have no say in them. The enlargement of pixel art comes
last and copies pixels only. A sheet is cut up when all that is done: its frames are the very pixels of its grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PIL import Image

from assetmill import guides
from assetmill.errors import ResultInvalid
from assetmill.finishing import colour, geometry, layers
from assetmill.finishing.edges import defringe
from assetmill.finishing.fields import is_smooth
from assetmill.finishing.geometry import Fitted
from assetmill.finishing.result import Finished, FinishedFile
from assetmill.images import decode, encode_png
from assetmill.manifest.models import AssetBase, Entity, Pack, Parallax, Sheet
from assetmill.manifest.parallax import DEPTH_MAP, WHOLE, layer_roles
from assetmill.quality import Quality
from assetmill.quality.checks import check
from assetmill.quality.layers import judge, stacked, torn_edges
from assetmill.quality.wanted import is_cutout, target_size

_EXTRA_ROLES = (WHOLE, DEPTH_MAP)
_MASK_SIDE = 256  # silhouettes are compared at this size: finer adds nothing to the figure


def run(asset: AssetBase, pack: Pack, raws: Mapping[str, bytes], *, text: Mapping[str, str] | None) -> Finished:
    """See `assetmill.finishing.finish`."""
    pictures = {role: _decoded(role, raws[role]) for role in _roles(asset, raws)}
    quality, pictures = _judge(asset, pack, pictures)
    fitted = {role: _fitted(asset, pack, role, picture) for role, picture in pictures.items()}
    placements = {role: one.placement for role, one in fitted.items() if one.placement is not None}
    finished = {role: one.picture for role, one in fitted.items()}
    if isinstance(asset, Parallax) and WHOLE not in finished:
        finished[WHOLE] = stacked([finished[role] for role in layer_roles(asset)])
    if not isinstance(asset, Sheet):
        return Finished(_written(finished, text), quality, placements)
    return _with_pages(asset, pack, finished["image"], quality, text)


def _with_pages(
    sheet: Sheet, pack: Pack, picture: Image.Image, quality: Quality, text: Mapping[str, str] | None
) -> Finished:
    """A sheet with its pages and its model; what its cutting found is added to the notes."""
    from assetmill.sheets.atlas import build  # noqa: PLC0415  only sheets are packed, and the packer is slow to load

    built = build(sheet, picture, smooth=is_smooth(sheet, pack))
    files = _written({"image": built.grid, **built.pages}, text)
    return Finished(files, replace(quality, notes=quality.notes + tuple(built.notes)), model=built.model)


def _roles(asset: AssetBase, raws: Mapping[str, bytes]) -> tuple[str, ...]:
    needed: tuple[str, ...] = layer_roles(asset) if isinstance(asset, Parallax) else ("image",)
    missing = [role for role in needed if role not in raws]
    if missing:
        raise ResultInvalid(
            f"{asset.id}: no picture for {', '.join(missing)}; there is {', '.join(raws) or 'none'}",
            hint="the workflow's outputs must have these roles",
        )
    return needed + tuple(role for role in _EXTRA_ROLES if isinstance(asset, Parallax) and role in raws)


def _decoded(role: str, data: bytes) -> Image.Image:
    try:
        return decode(data)
    except ResultInvalid as error:
        raise ResultInvalid(f"{role}: {error.message}", hint=error.hint) from error


def _judge(asset: AssetBase, pack: Pack, pictures: dict[str, Image.Image]) -> tuple[Quality, dict[str, Image.Image]]:
    """The verdict on the pictures as they came back, and the pictures to finish."""
    asked = target_size(asset)
    if isinstance(asset, Parallax):
        torn = torn_edges(asset, pictures)
        return judge(asset, pictures, pack.qa, asked, torn), layers.prepared(asset, pictures, torn)
    picture = pictures["image"]
    return check(asset, picture, pack.qa, guide_mask=_guide_mask(asset, picture), asked=asked), pictures


def _guide_mask(asset: AssetBase, picture: Image.Image) -> Image.Image | None:
    if not isinstance(asset, Entity) or asset.references:
        return None
    scale = _MASK_SIDE / max(picture.size)
    recipe = guides.recipe(asset, (max(16, round(picture.width * scale)), max(16, round(picture.height * scale))))
    return guides.mask(recipe) if recipe is not None else None


def _fitted(asset: AssetBase, pack: Pack, role: str, picture: Image.Image) -> Fitted:
    """One picture in its asked size and colours."""
    post = asset.post
    transparent = is_cutout(asset) or (isinstance(asset, Parallax) and role in layer_roles(asset)[1:])
    picture = picture.convert("RGBA") if transparent else flatten(picture)
    if transparent and post.defringe:
        picture = defringe(picture)
    fitted = geometry.fit(asset, picture, coarse=post.pixel_scale)
    picture = fitted.picture
    if transparent:
        picture = colour.threshold(picture, post.alpha_threshold)
    if role != DEPTH_MAP:
        palette = pack.pack.palette if post.palette == "pack" else ()
        picture = colour.reduce(picture, post.colors, palette, dither=post.dither)
    enlarged = geometry.enlarge(replace(fitted, picture=picture), post.pixel_scale, target_size(asset))
    return replace(enlarged, picture=colour.clear_hidden(enlarged.picture))


def _written(pictures: Mapping[str, Image.Image], text: Mapping[str, str] | None) -> dict[str, FinishedFile]:
    return {role: FinishedFile(encode_png(one, text=text), *one.size) for role, one in pictures.items()}


def flatten(picture: Image.Image) -> Image.Image:
    """Mode RGB; what was transparent becomes white."""
    if picture.mode == "RGB":
        return picture
    ground = Image.new("RGBA", picture.size, "#ffffff")
    return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
