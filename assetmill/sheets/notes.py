"""What people are told about a sheet that was cut up: a sentence each, in the voice of the quality notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assetmill.sheets.model import Spill

_NAMED = 5
_GROUPS = 3


def spill_notes(spills: Sequence[Spill]) -> Iterator[str]:
    """Sentences on what left its cell: what was kept, what was cut off, and what nobody owns."""
    for kept, done in ((True, "was kept"), (False, "was cut off")):
        owned = {spill.frame: None for spill in spills if spill.frame is not None and spill.kept is kept}
        if owned:
            over = max(spill.over for spill in spills if spill.frame in owned and spill.kept is kept)
            cells = "its cell" if len(owned) == 1 else "their cells"
            yield f"content of {_named(list(owned))} reached out of {cells} by up to {_pixels(over)} and {done}"
    yield from _unowned([spill for spill in spills if spill.frame is None])


def empty_note(names: Sequence[str]) -> Iterator[str]:
    """A sentence on frames in which nothing can be seen, if there are any."""
    if names:
        yield f"nothing can be seen in {_named(names)}"


def _unowned(spills: Sequence[Spill]) -> Iterator[str]:
    met = [spill.into for spill in spills if len(spill.into) > 1]
    if met:
        more = f" and {len(met) - _GROUPS} more groups" if len(met) > _GROUPS else ""
        groups = "; ".join(_named(group) for group in met[:_GROUPS])
        yield f"these ran into each other and were cut apart at the edges of their cells: {groups}{more}"
    mostly_out = [spill.into[0] for spill in spills if len(spill.into) == 1]
    if mostly_out:
        yield f"content that lies mostly outside a cell was cut off at the edge: {_named(mostly_out)}"
    if pixels := sum(spill.pixels for spill in spills if not spill.into):
        yield f"content beside the cells belongs to no frame and was cut off: {_pixels(pixels)}"


def _pixels(count: int) -> str:
    return "1 pixel" if count == 1 else f"{count} pixels"


def _named(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
