"""Image and mask nodes of ComfyUI, carried out for real with Pillow.

Masks are mode L, white is 1. Sizes and edge cases are those of the real nodes as far as our graphs meet
them. Nothing here is drawn: that is the artist's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image, ImageChops

from assetmill.localpod.draft.calls import Call, sized
from assetmill.localpod.draft.pixels import grow
from assetmill.localpod.draft.values import Picture

_FILTERS = {
    "nearest-exact": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR, "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS,
}  # fmt: skip


def scale(call: Call) -> tuple[Any, ...]:
    """ImageScale: to a size, cropped in the middle if asked; a side of 0 keeps the aspect."""
    source = call.picture("image")
    width, height = int(call.inputs["width"]), int(call.inputs["height"])
    if not width and not height:
        return (source,)
    width = width or max(1, round(source.size[0] * height / source.size[1]))
    height = height or max(1, round(source.size[1] * width / source.size[0]))
    whole = (0.0, 0.0, float(source.size[0]), float(source.size[1]))
    box = _centre(source.size, width / height) if call.inputs["crop"] == "center" else whole
    return (source.scaled(sized(width, height), _FILTERS[str(call.inputs["upscale_method"])], box),)


def _centre(size: tuple[int, int], aspect: float) -> tuple[float, float, float, float]:
    """The largest middle part of that aspect."""
    width, height = min(size[0], size[1] * aspect), min(size[1], size[0] / aspect)
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height


def empty_image(call: Call) -> tuple[Any, ...]:
    """EmptyImage: one colour, given as 0xRRGGBB."""
    value = int(call.inputs["color"])
    return (Picture(Image.new("RGB", call.size(), (value >> 16 & 255, value >> 8 & 255, value & 255))),)


def invert_mask(call: Call) -> tuple[Any, ...]:
    """InvertMask."""
    return (ImageChops.invert(call.mask("mask")),)


def threshold(call: Call) -> tuple[Any, ...]:
    """ThresholdMask: white where the mask is above the value."""
    least = float(call.inputs["value"]) * 255
    return (call.mask("mask").point([255 if value > least else 0 for value in range(256)]),)


def grow_mask(call: Call) -> tuple[Any, ...]:
    """GrowMask; corners are not tapered."""
    return (grow(call.mask("mask"), int(call.inputs["expand"])),)


_COMBINE: dict[str, Callable[[Image.Image, Image.Image], Image.Image]] = {
    "multiply": ImageChops.multiply, "add": ImageChops.add, "subtract": ImageChops.subtract,
    "and": ImageChops.darker, "or": ImageChops.lighter, "xor": ImageChops.difference,
}  # fmt: skip


def mask_composite(call: Call) -> tuple[Any, ...]:
    """MaskComposite: two masks combined."""
    whole, source = call.mask("destination").copy(), call.mask("source")
    at = (int(call.inputs["x"]), int(call.inputs["y"]))
    here = (at[0], at[1], at[0] + source.width, at[1] + source.height)
    combine = _COMBINE[str(call.inputs["operation"])]
    whole.paste(combine(whole.crop(here), source), at)
    return (whole,)


def image_to_mask(call: Call) -> tuple[Any, ...]:
    """ImageToMask: one channel."""
    image = call.picture("image").image.convert("RGBA")
    channel = {"red": "R", "green": "G", "blue": "B", "alpha": "A"}[str(call.inputs["channel"])]
    return (image.getchannel(channel),)


def mask_to_image(call: Call) -> tuple[Any, ...]:
    """MaskToImage: grey."""
    return (Picture(call.mask("mask").convert("RGB")),)


def composite(call: Call) -> tuple[Any, ...]:
    """ImageCompositeMasked: a picture laid on another through a mask."""
    base, source = call.picture("destination"), call.picture("source")
    mask = call.inputs.get("mask")
    top = source.image.resize(base.size) if call.inputs.get("resize_source") else source.image
    fitted = Image.new("L", top.size, 255) if mask is None else _fit(mask, top.size)
    image = base.image.copy()
    image.paste(top, (int(call.inputs["x"]), int(call.inputs["y"])), fitted)
    return (Picture(image, marked=base.marked),)


def join_alpha(call: Call) -> tuple[Any, ...]:
    """Its mask means transparency: alpha is what the mask leaves."""
    image = call.picture("image").image.convert("RGB")
    image.putalpha(ImageChops.invert(_fit(call.mask("alpha"), image.size)))
    return (Picture(image),)


def _fit(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    return mask if mask.size == size else mask.resize(size, Image.Resampling.BILINEAR)
