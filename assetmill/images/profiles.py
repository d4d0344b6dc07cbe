"""Colours as sRGB, which is what every engine takes them for.

A picture whose profile says otherwise would be published in other colours than its maker saw. A profile that is
broken, or belongs to another kind of picture, is no reason to lose one: it is then taken as if it had none.
"""

from __future__ import annotations

from io import BytesIO
from itertools import product

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_STEPS = (0, 51, 102, 153, 204, 255)
_SAME = 1  # levels: two makers' sRGB differ by their rounding


def to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Mode RGB in sRGB.

    Args:
        picture: mode L, RGB or CMYK.
        profile: ICC profile that its levels are meant in; empty for none.
    """
    if not profile:
        return picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[picture.mode]:
            return picture.convert("RGB")
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            picture.mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if _changes_nothing(transform, picture.mode):
            return picture.convert("RGB")
        made = ImageCms.applyTransform(picture, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # what the library says to a broken profile
        return picture.convert("RGB")
    return picture.convert("RGB") if made is None else made


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether it is sRGB under another name: such a picture keeps its levels to the last bit."""
    samples = np.array(list(product(_STEPS, repeat=3)) if mode == "RGB" else [[n] * 3 for n in range(256)], np.uint8)
    if mode == "CMYK":
        return False
    before = Image.fromarray(samples[None], "RGB")
    after = ImageCms.applyTransform(before if mode == "RGB" else before.getchannel(0), transform)
    if after is None:
        return True
    return int(np.abs(np.asarray(after, np.int16) - samples[None]).max()) <= _SAME
