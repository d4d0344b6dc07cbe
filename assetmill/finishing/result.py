"""What finishing hands back. Plain values; nothing here opens a picture."""

from __future__ import annotations

from dataclasses import dataclass

from assetmill.quality.verdict import Quality


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A PNG ready to publish; width and height in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Finished:
    """All files of one asset by role, and the verdict on the picture that came back."""

    files: dict[str, FinishedFile]
    quality: Quality
