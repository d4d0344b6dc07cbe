"""Borders of a stretched element where an engine measures them from the packed rectangle.

A model's borders are those of the untrimmed frame. Godot and Unity know only the rectangle that lies on the page,
so whatever trimming took off a side is no part of its border there.
"""

from __future__ import annotations

from assetmill.sheets.model import Borders, Frame


def borders_in_rect(borders: Borders, frame: Frame) -> Borders:
    """The borders that are left within the frame's rectangle."""
    left, top = frame.offset
    right, bottom = frame.source[0] - left - frame.rect.w, frame.source[1] - top - frame.rect.h
    return Borders(
        left=max(0, borders.left - left),
        top=max(0, borders.top - top),
        right=max(0, borders.right - right),
        bottom=max(0, borders.bottom - bottom),
    )
