"""What finishing hands back. Plain values; nothing here opens a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from assetmill.quality.verdict import Quality
from assetmill.sheets.model import SheetModel

Box = tuple[int, int, int, int]
"""(x, y, width, height) in pixels."""


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A PNG ready to publish; width and height in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Placement:
    """How a trimmed picture came into its canvas.

    Args:
        source: size (width, height) of the picture as it came back, decoded and upright.
        crop: what of it was kept.
        at: where that lies in the finished picture.
    """

    source: tuple[int, int]
    crop: Box
    at: Box

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values, as the pack index has them: `source` [w, h], `crop` and `at` {x, y, w, h}."""
        crop, at = (dict(zip("xywh", box, strict=True)) for box in (self.crop, self.at))
        return {"source": list(self.source), "crop": crop, "at": at}


@dataclass(frozen=True, slots=True)
class Finished:
    """All files of one asset by role, and the verdict on the picture that came back.

    Args:
        files: `image`, or the layers of a parallax; of a sheet also its pages: `atlas`, `atlas_1`, ...
        quality: the verdict.
        placements: by role, of cut-outs that were trimmed.
        model: what the pages of a sheet show; None for everything else.
    """

    files: dict[str, FinishedFile]
    quality: Quality
    placements: dict[str, Placement] = field(default_factory=dict)
    model: SheetModel | None = None
