"""What every provider asks of the bytes that came back: that each output is a whole picture, and whether it is blank.

Nothing is fetched and nothing is stored here; a picture is judged as art elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from assetmill.errors import InvalidImage, ResultInvalid
from assetmill.images import decode, nothing_in

MAY_BE_EMPTY = frozenset({"depth", "mid", "near"})  # made by cutting up another output, not by the sampler
_NEARER_LAYER = re.compile(r"layer_[1-9]\d*")
_WHOLE = "full"


def all_decode(images: Mapping[str, bytes], job_id: str) -> tuple[str, ...]:
    """Check that every image is whole, and name the outputs in which there is nothing to see.

    A depth map may be flat, and a layer that depth cuts out of a picture may be empty: a wall seen from the front
    has neither a near nor a middle part; the same goes for layers that came with the whole picture, out of which they
    were taken. The checks of a finished asset judge those. Everything else is blank if all its pixels are equal, as
    they are where numbers overflowed, or all transparent, as where a cut-out found no subject.

    Raises:
        InvalidImage.
    """
    blank = []
    for role, data in images.items():
        try:
            image = decode(data)
        except ResultInvalid as error:
            raise InvalidImage(f"output {role}: {error.message}", job_id=job_id, hint=error.hint) from error
        except Exception as error:  # an image library may raise anything, and the job is paid for whatever it was
            raise InvalidImage(f"output {role} is no image: {type(error).__name__}", job_id=job_id) from error
        taken_out = _WHOLE in images and _NEARER_LAYER.fullmatch(role) is not None
        if role not in MAY_BE_EMPTY and not taken_out and (nothing := nothing_in(image)):
            blank.append(f"output {role} is blank: {nothing}")
    return tuple(blank)
