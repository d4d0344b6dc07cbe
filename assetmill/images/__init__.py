"""What came back from a worker: is it an image, which one, and how it is written again.

A file is what its first bytes say, whatever its name claims: JPEG bytes under a .png name are the most
common fault of image services. Every way in which bytes can fail to be a picture becomes `ResultInvalid`
with a sentence; nothing here guesses, repairs or resizes.

`decoding` is the way in and `writing` the way out. `pngs`, `jpegs` and `webps` take a file apart and hand on only
what decides its pixels, so that no text, clock, animation or preview in it can get in the way.
"""

from assetmill.images.bare import MAX_PIXELS, MAX_SIDE, Kind, is_png, sniff
from assetmill.images.decoding import decode, nothing_in
from assetmill.images.writing import encode_png, read_text

__all__ = ["MAX_PIXELS", "MAX_SIDE", "Kind", "decode", "encode_png", "is_png", "nothing_in", "read_text", "sniff"]
