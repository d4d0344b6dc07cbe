"""The checks, in the order in which they matter: is anything there, is it cut out, is it whole.

They look at the picture as it came back, before trimming and fitting hide its faults. Limits come from
the manifest's `qa`; those that stand here were measured on 188 cut-outs of the studio's earlier pipeline.
Same picture, same verdict: the score chooses among candidates, and a second run must choose the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from assetmill.manifest.models import AssetBase, Background, Qa, Sheet
from assetmill.quality import measure
from assetmill.quality.verdict import Quality
from assetmill.quality.wanted import is_cutout
from assetmill.sheets.cells import Cell, cells_of, scaled, sheet_size

FLAT = 1.0  # levels of contrast: a worker that ran out of numbers returns one flat colour
SOFT_LIMIT = 0.13
OVERLAP_LIMIT = 0.6
SEAM_LIMIT = 1.5
EMPTY_CELL = 0.01
EMPTY_CELLS_LIMIT = 0.25
ASPECT_LIMIT = 0.05
_DETAIL_ENOUGH = 6.0


@dataclass(frozen=True, slots=True)
class _Finding:
    """One objection: what it takes off the score, its sentence, and whether it forbids publishing."""

    cost: float
    text: str
    fatal: bool = False


def check(
    asset: AssetBase,
    image: Image.Image,
    qa: Qa,
    *,
    guide_mask: Image.Image | None = None,
    asked: tuple[int, int] | None = None,
) -> Quality:
    """Judge a picture as it came back, decoded.

    Args:
        asset: what was wanted.
        image: mode RGB or RGBA.
        qa: the pack's limits.
        guide_mask: mode L, where the guide's silhouette stood, in any size of the same aspect.
        asked: (width, height) in pixels that the finished picture will have.
    """
    findings = [*_shape(image, asked), *_content(asset, image, qa, guide_mask)]
    fatal = next((finding.text for finding in findings if finding.fatal), None)
    score = 1.0
    for finding in findings:
        score *= 1 - finding.cost
    return Quality(
        round(score, 4), tuple(finding.text for finding in findings if finding.text and not finding.fatal), fatal
    )


def merge(parts: Sequence[Quality]) -> Quality:
    """One verdict on an asset of several pictures: the least score, all notes, the first rejection."""
    return Quality(
        min((part.score for part in parts), default=0.0),
        tuple(note for part in parts for note in part.notes),
        next((part.rejected for part in parts if part.rejected), None),
    )


def _shape(image: Image.Image, asked: tuple[int, int] | None) -> Iterator[_Finding]:
    if asked is None:
        return
    wanted, got = asked[0] / asked[1], image.width / image.height
    if abs(got / wanted - 1) > ASPECT_LIMIT:
        yield _Finding(0.2, f"came back as {image.width} x {image.height}, another shape than {asked[0]} x {asked[1]}")
    if image.width * 2 < asked[0]:
        yield _Finding(0.1, f"came back {image.width} pixels wide and is enlarged to {asked[0]}")


def _content(asset: AssetBase, image: Image.Image, qa: Qa, guide_mask: Image.Image | None) -> Iterator[_Finding]:
    if is_cutout(asset):
        yield from _cutout(image, qa, guide_mask)
    else:
        yield from _opaque(image)
        yield from _seams(asset, image)
    if isinstance(asset, Sheet) and asset.cutout:
        yield from _cells(asset, image)


def _opaque(image: Image.Image) -> Iterator[_Finding]:
    if measure.contrast(image) < FLAT:
        yield _Finding(1.0, "the picture is one flat colour", fatal=True)
        return
    lack = 1 - min(1.0, measure.detail(image) / _DETAIL_ENOUGH)
    if lack > 0:
        # Ranks candidates only: a calm picture is no fault, so there is no sentence for it.
        yield _Finding(0.2 * lack, "")


def _seams(asset: AssetBase, image: Image.Image) -> Iterator[_Finding]:
    wanted = asset.seamless if isinstance(asset, Background) else "none"  # layers have checks of their own
    for letter, axis, names in (("x", 1, "left and right"), ("y", 0, "top and bottom")):
        if wanted != "none" and letter in wanted and (ratio := measure.seam(image, axis)) > SEAM_LIMIT:
            yield _Finding(0.2, f"a seam shows where {names} join ({ratio:.1f} times the sharpest edge)")


def _cutout(image: Image.Image, qa: Qa, guide_mask: Image.Image | None) -> Iterator[_Finding]:
    alpha = measure.alpha_of(image)
    guide = _mask(guide_mask, image.size)
    covered, guided = measure.coverage(alpha), float(guide.mean()) if guide is not None else 0.0
    if covered < qa.min_coverage:
        yield _Finding(
            1.0, f"the cut-out is empty: {covered:.1%} solid, the least is {qa.min_coverage:.1%}", fatal=True
        )
        return
    if covered > qa.max_coverage and guided <= qa.max_coverage:
        yield _Finding(
            1.0, f"the background was not removed: {covered:.1%} solid, the most is {qa.max_coverage:.1%}", fatal=True
        )
        return
    yield from _border(measure.border_touch(alpha), qa)
    if (soft := measure.soft_share(alpha)) > SOFT_LIMIT:
        yield _Finding(min(0.3, soft), f"smeared edges: {soft:.0%} as many half transparent pixels as solid ones")
    if guide is not None:
        yield from _agreement(measure.overlap(alpha, guide))


def _border(share: float, qa: Qa) -> Iterator[_Finding]:
    if share == 0 or qa.border_touch == "ignore":
        return
    fails = qa.border_touch == "fail"
    yield _Finding(0.15 + 0.5 * share, f"touches the edge of its canvas ({share:.1%} of the edge)", fatal=fails)


def _agreement(share: float) -> Iterator[_Finding]:
    if share < OVERLAP_LIMIT:
        yield _Finding(0.5 * (1 - share), f"left its silhouette: {share:.0%} in common")
    else:
        yield _Finding(0.1 * (1 - share), "")


def _mask(guide_mask: Image.Image | None, size: tuple[int, int]) -> measure.Mask | None:
    if guide_mask is None:
        return None
    fitted = guide_mask if guide_mask.size == size else guide_mask.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(fitted) >= measure.SOLID


def _cells(sheet: Sheet, image: Image.Image) -> Iterator[_Finding]:
    alpha, layout_size, cells = measure.alpha_of(image), sheet_size(sheet), cells_of(sheet)
    empty = [cell.id for cell in cells if _is_empty(cell, alpha, layout_size)]
    if not empty:
        return
    share = len(empty) / len(cells)
    named = ", ".join(empty[:5]) + (" and more" if len(empty) > 5 else "")  # noqa: PLR2004  a note stays one line
    text = f"{len(empty)} of {len(cells)} cells are empty: {named}"
    yield _Finding(0.3 + 0.7 * share, text, fatal=share >= EMPTY_CELLS_LIMIT)


def _is_empty(cell: Cell, alpha: measure.Levels, layout_size: tuple[int, int]) -> bool:
    x, y, w, h = scaled(cell, layout_size, (alpha.shape[1], alpha.shape[0]))
    return measure.coverage(alpha[y : y + h, x : x + w]) < EMPTY_CELL
