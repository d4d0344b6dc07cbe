import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from assetmill.images import decode
from assetmill.images.profiles import to_srgb


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65_536))


def profile(space: bytes, *tags: tuple[bytes, bytes]) -> bytes:
    """An ICC profile (version 2, display) by hand."""
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags:
        padded = data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += padded
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02100000, b"mntr", space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642) + fixed(1) + fixed(0.8249)
    return head.ljust(128, b"\0") + table + body


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(fixed(value) for value in values)


SRGB_PRIMARIES = ((b"rXYZ", (0.4361, 0.2225, 0.0139)), (b"gXYZ", (0.3851, 0.7169, 0.0971)),
                  (b"bXYZ", (0.1431, 0.0606, 0.7141)))  # fmt: skip
"""Of sRGB, brought to the D50 white of profiles."""


def rgb_profile(gamma: float, *, swap: bool = False) -> bytes:
    """sRGB's primaries with another gamma; `swap` takes red for green."""
    values = [value for _, value in SRGB_PRIMARIES]
    values = [values[1], values[0], values[2]] if swap else values
    primaries = [(name, xyz(*value)) for (name, _), value in zip(SRGB_PRIMARIES, values, strict=True)]
    curves = [(name, curve(gamma)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return profile(b"RGB ", *primaries, *curves, (b"wtpt", xyz(0.9642, 1, 0.8249)))


def grey_profile(gamma: float) -> bytes:
    return profile(b"GRAY", (b"kTRC", curve(gamma)), (b"wtpt", xyz(0.9642, 1, 0.8249)))


def srgb(level: float) -> float:
    """sRGB level of a linear share of light (IEC 61966-2-1)."""
    return 255 * (12.92 * level if level <= 0.0031308 else 1.055 * level ** (1 / 2.4) - 0.055)


KINDS = (("PNG", {}), ("JPEG", {"quality": 100, "subsampling": 0}), ("WEBP", {"lossless": True}))


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_colours_of_another_profile_become_what_they_look_like(make, kind, options):
    picture = Image.new("RGB", (16, 16), (128, 128, 128))
    decoded = decode(make.written(picture, kind, icc_profile=rgb_profile(1.0), **options))
    assert decoded.getpixel((8, 8)) == pytest.approx([srgb(128 / 255)] * 3, abs=2)
    assert "icc_profile" not in decoded.info


def test_channels_are_not_mixed_up(make):
    picture = Image.new("RGB", (4, 4), (255, 0, 0))
    red, green, blue = np.asarray(decode(make.written(picture, icc_profile=rgb_profile(2.2, swap=True))))[0, 0].tolist()
    assert (red, blue) == (pytest.approx(0, abs=6), pytest.approx(0, abs=6))
    assert green > 249


def test_alpha_and_palettes_are_converted_beside_it(make):
    clear = make.coloured().convert("RGBA")
    clear.putalpha(77)
    for picture in (clear, clear.convert("P", palette=Image.Palette.ADAPTIVE)):
        plain = np.asarray(decode(make.written(picture)), int)
        shown = np.asarray(decode(make.written(picture, icc_profile=rgb_profile(1.0))), int)
        assert (shown[..., 3:] == plain[..., 3:]).all()
        assert np.abs(shown[..., :3] - plain[..., :3]).max() > 30


def test_grey_has_its_own_profiles(make):
    picture = Image.new("L", (4, 4), 128)
    decoded = decode(make.written(picture, icc_profile=grey_profile(1.0)))
    assert decoded.getpixel((0, 0)) == pytest.approx([srgb(128 / 255)] * 3, abs=2)


def table(steps: int) -> bytes:
    """The curve of sRGB as a table, as older makers wrote it."""
    lights = [(n / (steps - 1) + 0.055) / 1.055 if n / (steps - 1) > 0.04045 else 0 for n in range(steps)]
    linear = [light**2.4 or n / (steps - 1) / 12.92 for n, light in enumerate(lights)]
    return b"curv" + bytes(4) + struct.pack(f">I{steps}H", steps, *(round(value * 65_535) for value in linear))


def older_srgb() -> bytes:
    """Another maker's rounding: converted, one colour in fifty would change by a level."""
    primaries = [(name, xyz(*(value + 0.0001 for value in values))) for name, values in SRGB_PRIMARIES]
    curves = [(name, table(1024)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return profile(b"RGB ", *primaries, *curves, (b"wtpt", xyz(0.9505, 1, 1.0891)))


@pytest.mark.parametrize("own", (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), older_srgb()))
def test_a_picture_in_srgb_keeps_its_levels_to_the_last_bit(make, own):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8), "RGB")
    assert np.array_equal(np.asarray(decode(make.written(picture, icc_profile=own))), np.asarray(picture))


@pytest.mark.parametrize(
    "broken",
    (b"profile", b"\0" * 128, rgb_profile(1.0)[:150], rgb_profile(1.0)[:-40], grey_profile(1.0),
     rgb_profile(1.0).replace(b"RGB ", b"CMYK", 1)),
)  # fmt: skip
def test_a_broken_profile_or_one_of_another_space_is_ignored(make, broken):
    levels = np.asarray(make.coloured())
    assert np.array_equal(np.asarray(decode(make.written(make.coloured(), icc_profile=broken))), levels)


def test_a_profile_in_many_parts_is_put_together_and_one_with_a_gap_is_ignored(make):
    large = rgb_profile(1.0) + bytes(150_000)
    data = make.written(Image.new("RGB", (16, 16), (128, 128, 128)), "JPEG", icc_profile=large)
    assert data.count(b"ICC_PROFILE\0") == 3
    assert decode(data).getpixel((8, 8)) == pytest.approx([srgb(128 / 255)] * 3, abs=2)
    gap = data.replace(b"ICC_PROFILE\0\x02", b"ICC_PROFILE\0\x07")
    assert decode(gap).getpixel((8, 8)) == (128, 128, 128)


def test_inks_without_a_usable_profile_are_printed_plainly():
    assert to_srgb(Image.new("CMYK", (1, 1), (0, 255, 255, 0)), rgb_profile(1.0)).getpixel((0, 0)) == (255, 0, 0)
