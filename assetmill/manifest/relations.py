"""What assets have to be to each other: names that differ, references that lead somewhere and end.

A reference is an order of making: the asset referred to is made first, so a circle could never be made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assetmill.manifest.layers import Layered
from assetmill.manifest.models import AssetBase, Entity, Sheet
from assetmill.manifest.problems import Problems, nearest_name

_REFERABLE = (Entity, Sheet)
_REFERENCE = ("references", 0)


@dataclass(frozen=True, slots=True)
class Known:
    """A valid asset and where it came from."""

    asset: AssetBase
    origin: Layered


def check_ids(known: Sequence[Known], problems: Problems) -> None:
    """Note ids that stand twice, after matrix expansion."""
    first: dict[str, Known] = {}
    for entry in known:
        earlier = first.setdefault(entry.asset.id, entry)
        if earlier is entry:
            continue
        place, path = entry.origin.find(("id",))
        other, other_path = earlier.origin.find(("id",))
        if place == other:
            message = f"the matrix makes several assets with the id {entry.asset.id!r}: put its {{axes}} into the id"
        else:
            message = f"{entry.asset.id!r} is already the id of {other_path} ({other.file}:{other.line})"
        problems.add(place, path, message)


def check_references(known: Sequence[Known], problems: Problems) -> None:
    """Note references that lead nowhere, to an asset that cannot be redrawn, or round in a circle."""
    by_id = {entry.asset.id: entry for entry in known}
    for entry in known:
        for target in entry.asset.references:
            _check_one(entry, target, by_id, problems)


def _check_one(entry: Known, target: str, by_id: Mapping[str, Known], problems: Problems) -> None:
    if not isinstance(entry.asset, _REFERABLE):
        entry.origin.note(problems, ("references",), "only entities and sheets are redrawn from a reference")
    elif target not in by_id:
        nearest = nearest_name(target, by_id)
        expected = "" if nearest else "the id of an entity or a sheet of this manifest"
        entry.origin.note(problems, _REFERENCE, f"there is no asset {target!r}", expected=expected, nearest=nearest)
    elif not isinstance(by_id[target].asset, _REFERABLE):
        entry.origin.note(problems, _REFERENCE, f"{target!r} is neither an entity nor a sheet, so it cannot be redrawn")
    elif circle := _circle(entry.asset, by_id):
        entry.origin.note(problems, _REFERENCE, f"references go round in a circle: {' -> '.join(circle)}")


def _circle(asset: AssetBase, by_id: Mapping[str, Known]) -> tuple[str, ...]:
    """Ids from an asset back to itself, or nothing; an asset has at most one reference."""
    way = [asset.id]
    here: AssetBase = asset
    while here.references and here.references[0] in by_id:
        target = here.references[0]
        if target == asset.id:
            return (*way, target)
        if target in way:
            return ()
        way.append(target)
        here = by_id[target].asset
    return ()
