"""How EXIF says that a picture has to be turned before it stands upright.

Only this one value is read, straight from the first directory: whatever else is broken in a camera's or a
program's metadata is no reason to lose a picture.
"""

from __future__ import annotations

import struct

from PIL import Image

_ORIENTATION = 0x0112
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_FORMS = {1: "B", 3: "H", 4: "I"}  # byte, short and long, as TIFF 6.0 numbers them
_ENTRY_BYTES = 12

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(exif: bytes) -> int:
    """Orientation that an EXIF block tells, 1 (upright) to 8; 1 when there is none, or none that makes sense."""
    tiff = exif[6:] if exif.startswith(b"Exif\0") else exif
    order = _ORDERS.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for at in range(directory + 2, directory + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES):
            tag, form = struct.unpack_from(order + "HH", tiff, at)
            if tag == _ORIENTATION:
                (value,) = struct.unpack_from(order + _FORMS.get(form, "H"), tiff, at + 8)
                return int(value) if value in _TURNS else 1
    except struct.error:  # it points outside itself
        pass
    return 1


def turned(picture: Image.Image, value: int) -> Image.Image:
    """The picture as it has to be seen."""
    return picture.transpose(_TURNS[value]) if value in _TURNS else picture
