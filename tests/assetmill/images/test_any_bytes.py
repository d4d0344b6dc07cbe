"""Whatever the bytes, there is a picture or a sentence: real files are mutated, cut, spliced, given new checksums."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from assetmill.errors import ResultInvalid
from assetmill.images import MAX_PIXELS, decode, encode_png, read_text, sniff

BLIND = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def corpus(make) -> list[bytes]:
    """One small file of each form that a worker or a service might send."""
    plain, clear = make.coloured(), make.coloured().convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    few = plain.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    exif = make.exif(6)
    return [
        make.written(plain, exif=exif, icc_profile=b"profile", dpi=(72, 72)),
        make.written(clear),
        make.written(few, transparency=3),
        make.written(plain.convert("1")),
        make.written(plain.convert("LA")),
        make.png((3, 1), 16, 0, [make.shorts(1, 2, 3)], make.chunk(b"tRNS", make.shorts(2))),
        make.png((1, 1), 16, 6, [make.shorts(1, 2, 3, 4)]),
        make.written(plain, save_all=True, append_images=[plain.rotate(180)]),
        make.written(plain, "JPEG", exif=exif, icc_profile=b"profile", comment=b"made up"),
        make.written(plain, "JPEG", progressive=True),
        make.written(plain.convert("CMYK"), "JPEG"),
        make.written(plain.convert("L"), "JPEG"),
        make.written(plain, "WEBP", exif=exif, icc_profile=b"profile"),
        make.written(clear, "WEBP", lossless=True),
        make.written(clear, "WEBP", save_all=True, append_images=[clear.rotate(180)], duration=9),
    ]


def tried(read: Callable[[bytes], Any], data: bytes) -> Any:
    """What it gives, or the error in our own words; any other is raised."""
    try:
        return read(data)
    except ResultInvalid as error:
        return error


def judged(data: bytes) -> Image.Image | None:
    """The picture, or None when it was refused in our own words."""
    answer = tried(decode, data)
    if isinstance(answer, ResultInvalid):
        assert answer.message
        assert answer.hint
        return None
    image: Image.Image = answer
    assert image.mode in ("RGB", "RGBA")
    assert 0 < image.width * image.height <= MAX_PIXELS
    assert encode_png(image).startswith(b"\x89PNG")
    return image


def edited(draw: st.DrawFn, data: bytes) -> bytes:
    """A few bytes changed, put in, taken out or repeated."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        span = draw(st.integers(0, 8))
        changed[at : at + span] = draw(st.one_of(st.binary(max_size=8), st.just(bytes(changed[: 2 * span]))))
    return bytes(changed[: draw(st.one_of(st.just(len(changed)), st.integers(0, len(changed))))])


def resealed(data: bytes) -> bytes:
    """A PNG whose checksums are right again, so that what is inside the chunks gets a hearing."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        whole = data[at + 4 : at + 8 + length]
        out += struct.pack(">I", max(0, len(whole) - 4)) + whole + struct.pack(">I", zlib.crc32(whole))
        at += 12 + length
    return bytes(out)


@BLIND
@given(data=st.data())
def test_a_real_file_with_any_bytes_changed_is_a_picture_or_refused(corpus, data):
    mutant = edited(data.draw, data.draw(st.sampled_from(corpus)))
    judged(mutant)
    if sniff(mutant) == "png":
        judged(resealed(mutant))


@BLIND
@given(data=st.data())
def test_parts_of_two_files_put_together_are_a_picture_or_refused(corpus, data):
    one, two = data.draw(st.sampled_from(corpus)), data.draw(st.sampled_from(corpus))
    judged(one[: data.draw(st.integers(0, len(one)))] + two[data.draw(st.integers(0, len(two))) :])


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8X", b"")), st.binary(max_size=200)
)
def test_noise_behind_a_good_beginning_is_refused(magic, noise):
    judged(magic + noise)
    assert tried(read_text, magic + noise) is not None


def cuts(data: bytes) -> Iterator[bytes]:
    yield from (data[:length] for length in range(len(data)))


def test_a_cut_shows_every_pixel_or_nothing(corpus):
    for whole in corpus:
        expected = np.asarray(decode(whole))
        shown = [cut for cut in cuts(whole) if (image := judged(cut)) is not None and not same(image, expected)]
        assert not shown, f"{whole[:16]!r} cut to {len(shown[0])} of {len(whole)} bytes shows another picture"


def same(image: Image.Image, expected: NDArray[np.uint8]) -> bool:
    return np.array_equal(np.asarray(image), expected)


def test_the_files_that_are_mutated_are_good_ones(corpus):
    assert all(judged(data) is not None for data in corpus)
    assert len({re.sub(rb"[^A-Za-z]", b"", data[:16]) for data in corpus}) >= 3
