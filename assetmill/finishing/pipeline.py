"""The way of one raw picture to its file: decode, check, trim, fit, threshold, colours, enlarge, write.

The order is decided by what must hold of the published file. Colours come after every resampling, or
blended pixels would leave the palette; the enlargement of pixel art comes last and copies pixels only.
The checks look at the picture before any of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from assetmill import guides
from assetmill.errors import ResultInvalid
from assetmill.finishing import colour, geometry
from assetmill.finishing.result import Finished, FinishedFile
from assetmill.images import decode, encode_png
from assetmill.manifest.models import DEPTH_LAYERS, AssetBase, Entity, Pack, Parallax
from assetmill.quality import Quality
from assetmill.quality.checks import check, merge
from assetmill.quality.wanted import is_cutout, target_size

_EXTRA_ROLES = ("full", "depth")
_OPAQUE_ROLES = ("far", "full", "depth")
_MASK_SIDE = 256  # silhouettes are compared at this size: finer adds nothing to the figure


def run(asset: AssetBase, pack: Pack, raws: Mapping[str, bytes], *, text: Mapping[str, str] | None) -> Finished:
    """See `assetmill.finishing.finish`."""
    pictures = {role: _decoded(role, raws[role]) for role in _roles(asset, raws)}
    quality = _judge(asset, pack, pictures)
    files = {role: _file(asset, pack, role, picture, text) for role, picture in pictures.items()}
    return Finished(files, quality)


def _roles(asset: AssetBase, raws: Mapping[str, bytes]) -> tuple[str, ...]:
    needed: tuple[str, ...] = DEPTH_LAYERS if isinstance(asset, Parallax) else ("image",)
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


def _judge(asset: AssetBase, pack: Pack, pictures: Mapping[str, Image.Image]) -> Quality:
    asked = target_size(asset)
    if isinstance(asset, Parallax):
        base = check(asset, pictures.get("full", pictures["far"]), pack.qa, asked=asked)
        return merge((base, *(_layer(role, pictures[role]) for role in ("mid", "near"))))
    picture = pictures["image"]
    return check(asset, picture, pack.qa, guide_mask=_guide_mask(asset, picture), asked=asked)


def _layer(role: str, picture: Image.Image) -> Quality:
    """A layer in front of others has to have something on it, and holes to look through."""
    least, most = picture.getchannel("A").getextrema() if picture.mode == "RGBA" else (255, 255)
    if most == 0:
        return Quality(0.7, (f"layer {role} is empty",))
    return Quality(0.7, (f"layer {role} hides all layers behind it",)) if least == most else Quality(1.0)


def _guide_mask(asset: AssetBase, picture: Image.Image) -> Image.Image | None:
    if not isinstance(asset, Entity) or asset.references:
        return None
    scale = _MASK_SIDE / max(picture.size)
    recipe = guides.recipe(asset, (max(16, round(picture.width * scale)), max(16, round(picture.height * scale))))
    return guides.mask(recipe) if recipe is not None else None


def _file(
    asset: AssetBase, pack: Pack, role: str, picture: Image.Image, text: Mapping[str, str] | None
) -> FinishedFile:
    transparent = is_cutout(asset) or (isinstance(asset, Parallax) and role not in _OPAQUE_ROLES)
    picture = picture.convert("RGBA") if transparent else flatten(picture)
    picture = geometry.fit(asset, picture, coarse=asset.post.pixel_scale)
    if transparent:
        picture = colour.threshold(picture, asset.post.alpha_threshold)
    if role != "depth":
        palette = pack.pack.palette if asset.post.palette == "pack" else ()
        picture = colour.reduce(picture, asset.post.colors, palette, dither=asset.post.dither)
    picture = geometry.enlarge(picture, asset.post.pixel_scale, target_size(asset))
    picture = colour.clear_hidden(picture)
    return FinishedFile(encode_png(picture, text=text), *picture.size)


def flatten(picture: Image.Image) -> Image.Image:
    """Mode RGB; what was transparent becomes white."""
    if picture.mode == "RGB":
        return picture
    ground = Image.new("RGBA", picture.size, "#ffffff")
    return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
