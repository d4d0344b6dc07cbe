"""What assets have to be to each other: names that differ, references that lead somewhere and end.

A reference is an order of making: the asset referred to is made first, so a circle could never be made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assetmill.manifest.layers import Layered
from assetmill.manifest.models import AssetBase, Entity, Sheet
from assetmill.manifest.problems import SHOWN_PROBLEMS, Problems, nearest_name

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
    for entry, circle in _circles(by_id):
        if all(isinstance(by_id[name].asset, _REFERABLE) for name in circle):
            entry.origin.note(problems, _REFERENCE, f"references go round in a circle: {' -> '.join(circle)}")


def _check_one(entry: Known, target: str, by_id: Mapping[str, Known], problems: Problems) -> None:
    if not isinstance(entry.asset, _REFERABLE):
        entry.origin.note(problems, ("references",), "only entities and sheets are redrawn from a reference")
    elif target not in by_id:
        nearest = nearest_name(target, by_id) if len(problems) < SHOWN_PROBLEMS else ""  # it takes long
        expected = "" if nearest else "the id of an entity or a sheet of this manifest"
        entry.origin.note(problems, _REFERENCE, f"there is no asset {target!r}", expected=expected, nearest=nearest)
    elif not isinstance(by_id[target].asset, _REFERABLE):
        entry.origin.note(problems, _REFERENCE, f"{target!r} is neither an entity nor a sheet, so it cannot be redrawn")


def _circles(by_id: Mapping[str, Known]) -> Iterator[tuple[Known, tuple[str, ...]]]:
    """Every asset that leads back to itself, and the ids on the way; each id is walked over once or twice."""
    done: set[str] = set()
    for start in by_id:
        way: dict[str, None] = {}
        here: str | None = start
        while here is not None and here not in done and here not in way:
            way[here] = None
            here = _target(by_id[here].asset, by_id)
        if here is not None and here in way:
            circle = list(way)[list(way).index(here) :]
            for index, name in enumerate(circle):
                yield by_id[name], (*circle[index:], *circle[: index + 1])
        done.update(way)


def _target(asset: AssetBase, by_id: Mapping[str, Known]) -> str | None:
    """What an asset is drawn from, if that is there; an asset has at most one reference."""
    return next((name for name in asset.references if name in by_id), None)
