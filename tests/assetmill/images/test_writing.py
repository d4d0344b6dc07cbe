from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assetmill import images
from assetmill.errors import ResultInvalid

PIXELS = np.arange(12 * 8 * 3, dtype=np.uint16).astype(np.uint8).reshape(8, 12, 3)


def image_bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def coloured() -> Image.Image:
    return Image.fromarray(PIXELS, "RGB")


def test_pixels_and_texts_survive_the_way_there_and_back() -> None:
    text = {"assetmill:prompt": 'a "red" {slime}\nwaves 👋 ñ', "assetmill:seed": "42", "assetmill:draft": ""}
    data = images.encode_png(coloured(), text=text)
    assert images.read_text(data) == text
    assert np.array_equal(np.asarray(images.decode(data)), PIXELS)


def test_the_same_pixels_give_the_same_bytes_in_whatever_order_the_texts_are_given() -> None:
    text = {"b": "2", "a": "1"}
    one = images.encode_png(coloured(), text=text)
    assert one == images.encode_png(coloured(), text=dict(reversed(text.items())))
    assert one != images.encode_png(coloured(), text={"a": "1"})


def test_nothing_of_the_source_is_written_along() -> None:
    exif = Image.Exif()
    exif[0x0131] = "some program"
    source = image_bytes(coloured(), dpi=(300, 300), icc_profile=b"profile", exif=exif)
    assert all(name in source for name in (b"iCCP", b"pHYs", b"eXIf"))
    data = images.encode_png(images.decode(source))
    assert images.read_text(data) == {}
    assert not any(name in data for name in (b"iCCP", b"pHYs", b"eXIf", b"tEXt", b"iTXt"))


def test_texts_that_unicode_cannot_write_are_replaced_not_fatal() -> None:
    assert images.read_text(images.encode_png(coloured(), text={"k": "a\ud800b"})) == {"k": "a?b"}


def test_only_png_carries_texts() -> None:
    with pytest.raises(ResultInvalid, match="not a PNG"):
        images.read_text(image_bytes(coloured(), "JPEG"))
    with pytest.raises(ResultInvalid, match="damaged"):
        images.read_text(images.encode_png(coloured())[:40])
