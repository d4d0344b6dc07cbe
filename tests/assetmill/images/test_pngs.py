import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from assetmill.errors import ResultInvalid
from assetmill.images import decode


def row(data: bytes) -> list[tuple[int, ...]]:
    image = decode(data)
    return [tuple(pixel) for pixel in np.asarray(image)[0].tolist()]


@pytest.mark.parametrize(
    ("depth", "packed", "levels"),
    ((1, b"\x60", (0, 255, 255, 0)), (2, b"\x1b", (0, 85, 170, 255)), (4, b"\x05\xaf", (0, 85, 170, 255))),
)
def test_grey_of_few_bits_is_spread_from_black_to_white(make, depth, packed, levels):
    assert row(make.png((4, 1), depth, 0, [packed])) == [(level,) * 3 for level in levels]


@pytest.mark.parametrize(
    ("depth", "packed", "key", "hidden"), ((1, b"\x60", 1, [1, 2]), (2, b"\x1b", 2, [2]), (4, b"\x05\xaf", 10, [2]))
)
def test_the_transparent_level_of_grey_is_meant_at_the_files_own_depth(make, depth, packed, key, hidden):
    data = make.png((4, 1), depth, 0, [packed], make.chunk(b"tRNS", make.shorts(key)))
    assert [x for x, pixel in enumerate(row(data)) if pixel[3] == 0] == hidden
    assert {pixel[3] for x, pixel in enumerate(row(data)) if x not in hidden} == {255}


def test_grey_of_16_bits_is_divided_and_not_cut_off(make):
    pixels = make.shorts(0, 257, 32_768, 65_535)
    assert row(make.png((4, 1), 16, 0, [pixels])) == [(0,) * 3, (1,) * 3, (127,) * 3, (255,) * 3]


def test_the_transparent_level_of_16_bits_is_told_from_its_neighbours(make):
    data = make.png((3, 1), 16, 0, [make.shorts(0x1233, 0x1234, 0x1235)], make.chunk(b"tRNS", make.shorts(0x1234)))
    assert [pixel[3] for pixel in row(data)] == [255, 0, 255]


def test_colours_of_16_bits_keep_their_upper_half_and_their_alpha(make):
    data = make.png((2, 1), 16, 6, [make.shorts(0x1234, 0x8000, 0xFFFF, 0x8080, 0, 0x0100, 0xFF00, 0)])
    assert row(data) == [(0x12, 0x80, 0xFF, 0x80), (0, 1, 0xFF, 0)]
    assert row(make.png((1, 1), 16, 2, [make.shorts(0x1234, 0x8000, 0xFFFF)])) == [(0x12, 0x80, 0xFF)]


@pytest.mark.parametrize(
    ("depth", "pixels", "key"), ((8, bytes((1, 2, 3, 1, 2, 4)), (1, 2, 3)), (16, None, (0x0102, 0x0304, 0x0506)))
)
def test_the_transparent_colour_of_rgb_becomes_alpha(make, depth, pixels, key):
    pixels = pixels or make.shorts(*key, 0x0102, 0x0304, 0x0706)
    data = make.png((2, 1), depth, 2, [pixels], make.chunk(b"tRNS", make.shorts(*key)))
    assert [pixel[3] for pixel in row(data)] == [0, 255]


def test_grey_with_alpha_keeps_it_at_both_depths(make):
    assert row(make.png((2, 1), 8, 4, [bytes((10, 255, 20, 7))])) == [(10, 10, 10, 255), (20, 20, 20, 7)]
    assert row(make.png((1, 1), 16, 4, [make.shorts(0x1234, 0x8080)])) == [(0x12, 0x12, 0x12, 0x80)]


def test_a_palette_has_its_colours_and_as_many_alphas_as_are_given(make):
    palette = make.chunk(b"PLTE", bytes((255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9)))
    data = make.png((4, 1), 2, 3, [b"\x1b"], palette, make.chunk(b"tRNS", bytes((0, 128))))
    assert row(data) == [(255, 0, 0, 0), (0, 255, 0, 128), (0, 0, 255, 255), (9, 9, 9, 255)]
    assert row(make.png((4, 1), 2, 3, [b"\x1b"], palette)) == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)]


def test_an_interlaced_picture_is_put_together(make):
    """Adam7 by hand: seven passes over 8 x 8 grey pixels whose level says where they stand."""
    levels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = (b"\0" + line.tobytes() for y, x, dy, dx in starts for line in levels[y::dy, x::dx])
    head = make.chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1))
    pixels = make.chunk(b"IDAT", zlib.compress(b"".join(rows)))
    data = b"\x89PNG\r\n\x1a\n" + head + pixels + make.chunk(b"IEND", b"")
    assert np.array_equal(np.asarray(decode(data))[..., 0], levels)


@pytest.mark.parametrize("size", ((1, 1), (2, 2), (3, 5), (9, 4), (17, 1), (1, 17)))
def test_small_interlaced_pictures_have_all_their_rows(make, size):
    width, height = size
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    passes = ((len(range(x, width, dx)), len(range(y, height, dy))) for y, x, dy, dx in starts)
    packed = b"".join(b"\0" + bytes(across * 3) for across, down in passes if across for _ in range(down))
    head = b"\x89PNG\r\n\x1a\n" + make.chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1))
    assert decode(head + make.chunk(b"IDAT", zlib.compress(packed))).size == size
    with pytest.raises(ResultInvalid, match="pixels end early"):
        decode(head + make.chunk(b"IDAT", zlib.compress(packed[:-1])))


def frames(make, *, default_moves: bool) -> bytes:
    """An animated PNG: the still picture is black; the frames that move are white and cover it from the first on."""

    def control(number: int) -> bytes:
        return make.chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 2, 2, 0, 0, 1, 10, 0, 0))

    white = zlib.compress(b"".join(b"\0" + b"\xff" * 6 for _ in range(2)))
    before = (make.chunk(b"acTL", struct.pack(">II", 2 if default_moves else 1, 0)), *[control(0)] * default_moves)
    after = (control(1 if default_moves else 0), make.chunk(b"fdAT", struct.pack(">I", 1 + default_moves) + white))
    return make.png((2, 2), 8, 2, [bytes(6)] * 2, *before, after=after)


@pytest.mark.parametrize("default_moves", (True, False))
def test_of_an_animation_the_still_picture_is_taken_whether_it_is_a_frame_or_not(make, default_moves):
    data = frames(make, default_moves=default_moves)
    assert row(data) == [(0, 0, 0)] * 2
    with Image.open(BytesIO(data)) as opened:
        opened.seek(1)  # it does move
        assert opened.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_gamma_and_chromaticity_change_nothing(make):
    plain = make.png((2, 1), 8, 2, [bytes((10, 100, 200, 3, 2, 1))])
    marked = make.png(
        (2, 1), 8, 2, [bytes((10, 100, 200, 3, 2, 1))],
        make.chunk(b"gAMA", struct.pack(">I", 100_000)), make.chunk(b"cHRM", struct.pack(">8I", *range(1, 9))),
    )  # fmt: skip
    assert row(marked) == row(plain)


def test_texts_that_unpack_without_end_are_never_unpacked(make):
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    texts = (make.chunk(b"zTXt", b"k\0\0" + bomb), make.chunk(b"iTXt", b"k\0\1\0\0\0" + bomb))
    assert row(make.png((1, 1), 8, 2, [bytes((1, 2, 3))], *texts, after=texts)) == [(1, 2, 3)]


@pytest.mark.parametrize("body", (b"", b"\0", b"name\0\0", b"name\0\0not packed at all", b"no zero"))
def test_a_broken_colour_profile_is_no_reason_to_lose_a_picture(make, body):
    assert row(make.png((1, 1), 8, 2, [bytes((1, 2, 3))], make.chunk(b"iCCP", body))) == [(1, 2, 3)]


def test_a_colour_profile_that_unpacks_without_end_is_left_packed(make):
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert row(make.png((1, 1), 8, 2, [bytes((1, 2, 3))], make.chunk(b"iCCP", b"p\0\0" + bomb))) == [(1, 2, 3)]


@pytest.mark.parametrize("name", (b"IHDR", b"PLTE", b"IDAT"))
def test_a_bit_that_flipped_on_its_way_is_found_by_the_checksum(make, name):
    data = bytearray(make.png((1, 1), 8, 3, [b"\0"], make.chunk(b"PLTE", bytes((1, 2, 3)))))
    data[data.index(name) + 4] ^= 1
    with pytest.raises(ResultInvalid, match=f"checksum of its chunk {name.decode()} is wrong"):
        decode(bytes(data))


def test_a_picture_that_lacks_only_its_end_mark_is_whole(make):
    data = make.png((1, 1), 8, 2, [bytes((1, 2, 3))], after=(make.chunk(b"tEXt", b"k\0value"),))
    end = data.index(b"tEXt")
    assert row(data[: end + 6]) == row(data[: end - 4]) == [(1, 2, 3)]
    with pytest.raises(ResultInvalid, match="ends within its chunk IDAT"):
        decode(data[: end - 6])


@pytest.mark.parametrize(
    "data",
    (
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
        b"\x89PNG\r\n\x1a\n" + b"\xff" * 50,
        b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xaeB`\x82",
    ),
)
def test_bytes_that_only_begin_like_one_are_damaged(data):
    with pytest.raises(ResultInvalid, match="damaged PNG"):
        decode(data)


@pytest.mark.parametrize(("depth", "colour"), ((3, 0), (8, 1), (16, 3), (8, 7), (255, 255), (4, 2)))
def test_depths_that_do_not_exist_are_damaged(make, depth, colour):
    with pytest.raises(ResultInvalid, match="damaged PNG"):
        decode(make.png((1, 1), depth, colour, [bytes(16)]))


def test_a_picture_without_pixels_is_damaged(make):
    for size in ((0, 1), (1, 0)):
        with pytest.raises(ResultInvalid, match="damaged PNG"):
            decode(make.png(size, 8, 2, [bytes(3)]))


@pytest.mark.parametrize(("depth", "colour"), ((1, 0), (8, 2), (16, 6), (4, 3)))
@pytest.mark.parametrize("size", ((1, 1), (3, 2), (8, 8), (9, 17)))
def test_a_picture_whose_rows_end_early_is_damaged(make, size, depth, colour):
    """The library would show black for what is missing."""
    palette = make.chunk(b"PLTE", bytes(48))
    wide = (size[0] * depth * {0: 1, 2: 3, 3: 1, 6: 4}[colour] + 7) // 8
    rows = [bytes(wide)] * size[1]
    assert decode(make.png(size, depth, colour, rows, palette)).size == size
    with pytest.raises(ResultInvalid, match="pixels end early"):
        decode(make.png(size, depth, colour, [*rows[:-1], rows[-1][:-1]], palette))
