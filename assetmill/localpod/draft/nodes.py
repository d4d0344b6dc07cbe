"""What each ComfyUI node means to the draft worker.

Masks and pictures are worked on for real; loaders are empty words; a sampler asks the artist; depth and
background removal answer from what the drawing knows. A node that is not in the table does not exist on
this worker. Inputs, outputs and defaults are those of the recorded node definitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image, ImageChops, ImageColor, ImageFilter

from assetmill.localpod.draft import imaging
from assetmill.localpod.draft.artist import draw
from assetmill.localpod.draft.calls import Call, NodeFailed, Operation, sized
from assetmill.localpod.draft.keying import key_out
from assetmill.localpod.draft.pixels import grow
from assetmill.localpod.draft.planes import taken_apart
from assetmill.localpod.draft.values import Brief, Latent, Layers, Picture, Words


def _nothing(_call: Call) -> tuple[Any, ...]:
    return (None, None, None)


def _words(call: Call) -> tuple[Any, ...]:
    return (Words(str(call.inputs["text"])),)


def _conditioning(call: Call) -> tuple[Any, ...]:
    return (call.inputs["conditioning"],)


def _no_words(_call: Call) -> tuple[Any, ...]:
    return (Words(""),)


def _empty_latent(call: Call) -> tuple[Any, ...]:
    width, height = call.size()
    batch = int(call.inputs.get("batch_size", 1))
    return (Latent((max(8, width // 8 * 8), max(8, height // 8 * 8)), batch=batch),)


def _encode(call: Call) -> tuple[Any, ...]:
    source = call.picture("pixels")
    width, height = (max(8, side // 8 * 8) for side in source.size)
    left, top = max(0, (source.size[0] - width) // 2), max(0, (source.size[1] - height) // 2)
    if (width, height) != source.size:
        source = source.scaled(
            (width, height),
            Image.Resampling.BILINEAR,
            (left, top, min(left + width, source.size[0]), min(top + height, source.size[1])),
        )
    return (Latent((width, height), source),)


def _noise_mask(call: Call) -> tuple[Any, ...]:
    latent: Latent = call.inputs["samples"]
    return (replace(latent, hole=call.mask("mask")),)


def _layered_latent(call: Call) -> tuple[Any, ...]:
    latent: Latent = _empty_latent(call)[0]
    return (replace(latent, layers=int(call.inputs["layers"])),)


def _with_reference(call: Call) -> tuple[Any, ...]:
    words: Words = call.inputs["conditioning"]
    latent: Latent | None = call.inputs.get("latent")
    return (replace(words, reference=latent.source if latent is not None else None),)


def _cut_latent(call: Call) -> tuple[Any, ...]:
    """LatentCut: of a picture taken apart the frames from an index on; anything else stays whole."""
    samples = call.inputs["samples"]
    if not isinstance(samples, Layers) or call.inputs["dim"] != "t":
        return (samples,)
    index, last = int(call.inputs["index"]), len(samples.frames) - 1
    index = min(index, last) if index >= 0 else max(index + last + 1, 0)
    return (Layers(samples.frames[index : index + int(call.inputs["amount"])]),)


def _in_layers(whole: Picture, latent: Latent) -> Layers:
    """A picture of the latent's size, followed by its layers."""
    if whole.size != latent.size:
        box = (0.0, 0.0, float(whole.size[0]), float(whole.size[1]))
        whole = whole.scaled(latent.size, Image.Resampling.BILINEAR, box)
    return Layers((replace(whole, marked=False), *taken_apart(whole, latent.layers)))


def _sample(call: Call) -> tuple[Any, ...]:
    words: Words = call.inputs["positive"]
    latent: Latent = call.inputs["latent_image"]
    brief = Brief(
        prompt=words.text,
        seed=int(call.inputs["seed"]) + call.batch,
        latent=latent,
        denoise=float(call.inputs["denoise"]),
        cut_out=call.cut_out,
        layered=call.layered,
    )
    if latent.layers:
        return (_in_layers(words.reference or draw(brief), latent),)  # without a picture: the one that the words mean
    return (draw(brief),)


def _decode(call: Call) -> tuple[Any, ...]:
    samples: Picture | Latent | Layers = call.inputs["samples"]
    if isinstance(samples, Layers):
        if len(samples.frames) != 1:
            raise NodeFailed(f"{len(samples.frames)} layers at once: this worker decodes them one by one (LatentCut)")
        return (samples.frames[0],)
    if isinstance(samples, Latent):
        samples = samples.source or Picture(Image.new("RGB", samples.size, (128, 128, 128)))
    return (samples,)


def _load_image(call: Call) -> tuple[Any, ...]:
    image = call.files[str(call.inputs["image"])]
    sized(*image.size)
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    mask = Image.new("L", image.size) if alpha is None else ImageChops.invert(alpha)
    return (Picture(image.convert("RGB")), mask)


def _depth(call: Call) -> tuple[Any, ...]:
    source = call.picture("images")
    depth = source.depth or Image.linear_gradient("L").resize(source.size)
    return (Picture(depth.convert("RGB")),)


def _remove_background(call: Call) -> tuple[Any, ...]:
    """1038lab's BiRefNetRMBG: it reads its optional inputs without defaults, and takes RGB only."""
    for name in ("mask_blur", "mask_offset", "invert_output", "background"):
        if name not in call.inputs:
            raise NodeFailed(f"Error in image processing: '{name}'")
    source = call.picture("image")
    if source.image.mode == "RGBA":
        raise NodeFailed("Error in image processing: The size of tensor a (4) must match the size of tensor b (3)")
    matte, fore = (source.matte, source.fore) if source.matte and source.fore else key_out(source.image)
    matte = _adjusted(matte, call.inputs)
    if call.inputs["background"] == "Color":
        ground = Image.new(
            "RGB", source.size, ImageColor.getrgb(str(call.inputs.get("background_color", "#222222")))[:3]
        )
        ground.paste(fore, mask=matte)
        return (Picture(ground), matte, Picture(matte.convert("RGB")))
    cut = fore.copy()
    cut.putalpha(matte)
    return (Picture(cut), matte, Picture(matte.convert("RGB")))


def _adjusted(matte: Image.Image, inputs: Mapping[str, Any]) -> Image.Image:
    """The matte after the node's own blur, offset and inversion."""
    blurred, offset = int(inputs["mask_blur"]), int(inputs["mask_offset"])
    if blurred:
        matte = matte.filter(ImageFilter.GaussianBlur(blurred))
    if offset:
        matte = grow(matte, offset)
    return ImageChops.invert(matte) if inputs["invert_output"] else matte


def _save(call: Call) -> tuple[Any, ...]:
    return (call.picture("images"),)


_SIZE = ("width", "height")
_SAMPLER = (
    "model",
    "seed",
    "steps",
    "cfg",
    "sampler_name",
    "scheduler",
    "positive",
    "negative",
    "latent_image",
    "denoise",
)
OPERATIONS: dict[str, Operation] = {
    "CheckpointLoaderSimple": Operation(_nothing, ("ckpt_name",)),
    "UNETLoader": Operation(_nothing, ("unet_name", "weight_dtype")),
    "DualCLIPLoader": Operation(_nothing, ("clip_name1", "clip_name2", "type")),
    "CLIPLoader": Operation(_nothing, ("clip_name", "type")),
    "ModelSamplingAuraFlow": Operation(_nothing, ("model", "shift"), ("shift",)),
    "VAELoader": Operation(_nothing, ("vae_name",)),
    "DownloadAndLoadDepthAnythingV2Model": Operation(_nothing, ("model",)),
    "CLIPTextEncode": Operation(_words, ("text", "clip")),
    "FluxGuidance": Operation(_conditioning, ("conditioning", "guidance"), ("guidance",)),
    "ConditioningZeroOut": Operation(_no_words, ("conditioning",)),
    "EmptySD3LatentImage": Operation(_empty_latent, (*_SIZE, "batch_size"), (*_SIZE, "batch_size")),
    "EmptyLatentImage": Operation(_empty_latent, (*_SIZE, "batch_size"), (*_SIZE, "batch_size")),
    "EmptyQwenImageLayeredLatentImage": Operation(
        _layered_latent, (*_SIZE, "layers", "batch_size"), (*_SIZE, "layers", "batch_size")
    ),
    "ReferenceLatent": Operation(_with_reference, ("conditioning",)),
    "LatentCut": Operation(_cut_latent, ("samples", "dim", "index", "amount"), ("index", "amount")),
    "VAEEncode": Operation(_encode, ("pixels", "vae")),
    "SetLatentNoiseMask": Operation(_noise_mask, ("samples", "mask")),
    "KSampler": Operation(_sample, _SAMPLER, ("seed", "steps", "cfg", "denoise")),
    "VAEDecode": Operation(_decode, ("samples", "vae")),
    "LoadImage": Operation(_load_image, ("image",)),
    "ImageScale": Operation(imaging.scale, ("image", "upscale_method", *_SIZE, "crop"), _SIZE),
    "EmptyImage": Operation(imaging.empty_image, (*_SIZE, "batch_size", "color"), (*_SIZE, "batch_size", "color")),
    "InvertMask": Operation(imaging.invert_mask, ("mask",)),
    "ThresholdMask": Operation(imaging.threshold, ("mask", "value"), ("value",)),
    "GrowMask": Operation(imaging.grow_mask, ("mask", "expand", "tapered_corners"), ("expand",)),
    "MaskComposite": Operation(imaging.mask_composite, ("destination", "source", "x", "y", "operation"), ("x", "y")),
    "ImageToMask": Operation(imaging.image_to_mask, ("image", "channel")),
    "MaskToImage": Operation(imaging.mask_to_image, ("mask",)),
    "ImageCompositeMasked": Operation(
        imaging.composite, ("destination", "source", "x", "y", "resize_source"), ("x", "y")
    ),
    "JoinImageWithAlpha": Operation(imaging.join_alpha, ("image", "alpha")),
    "DepthAnything_V2": Operation(_depth, ("da_model", "images")),
    "BiRefNetRMBG": Operation(_remove_background, ("image", "model")),
    "SaveImage": Operation(_save, ("images", "filename_prefix"), saves=True),
    "PreviewImage": Operation(_save, ("images",), saves=True),
}
"""Node class -> what it does here."""

REMOVERS = frozenset({"BiRefNetRMBG"})
LAYERERS = frozenset({"DepthAnything_V2", "ReferenceLatent"})
"""Nodes behind which a picture is cut into layers."""
