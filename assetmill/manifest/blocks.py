"""Plain values that remember where they stand in their file.

Errors found late (after inheritance and matrix expansion) still have to name a line and a column, and
10,000 assets must not pay for positions that nobody asks for. So a mapping is a dict with a shared table
of spots relative to its own first line: all rows of a CSV file share one table, and copies of an asset
made by a matrix share that of the original. Nothing here reads files or judges values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from assetmill.manifest.problems import Place


class Spot(NamedTuple):
    """Where one entry stands; lines count from the line of the block or list that holds it.

    Args:
        line: line of the key (in a list: of the item), relative.
        column: its 1-based column.
        value_line: line of the value, relative.
        value_column: 1-based column of the value.
        raw: text of an unquoted scalar as written; None for quoted text and collections.
        name: the key as written, where it differs from the canonical one.
    """

    line: int
    column: int
    value_line: int
    value_column: int
    raw: str | None = None
    name: str = ""


class Block(dict[str, Any]):
    """A mapping of the manifest.

    Args:
        file: file name as the user gave it.
        line: 1-based line where it starts.
        column: 1-based column where it starts.
        spots: key -> spot.
        flow: written in braces.
        cells: from CSV, where every value is text and a spot's column is the number of the cell.
    """

    __slots__ = ("cells", "column", "file", "flow", "line", "spots")

    def __init__(
        self,
        file: str,
        line: int = 1,
        column: int = 1,
        spots: Mapping[str, Spot] | None = None,
        *,
        flow: bool = False,
        cells: bool = False,
    ) -> None:
        super().__init__()
        self.file = file
        self.line = line
        self.column = column
        self.spots: Mapping[str, Spot] = {} if spots is None else spots
        self.flow = flow
        self.cells = cells

    def twin(self, spots: Mapping[str, Spot] | None = None) -> Block:
        """An empty block at the same place; it shares the spots unless others are given."""
        return Block(
            self.file, self.line, self.column, self.spots if spots is None else spots, flow=self.flow, cells=self.cells
        )

    def place(self, key: str | None = None, *, value: bool = False) -> Place:
        """Where the block, one of its keys, or that key's value stands."""
        spot = None if key is None else self.spots.get(key)
        if spot is None:
            return Place(self.file, self.line, self.column)
        if self.cells:
            return Place(self.file, self.line + spot.line, spot.column, spot.name)
        if value:
            return Place(self.file, self.line + spot.value_line, spot.value_column)
        return Place(self.file, self.line + spot.line, spot.column)

    def written(self, key: str) -> str:
        """The key as the author wrote it."""
        spot = self.spots.get(key)
        return (spot.name if spot is not None and not self.cells else "") or key

    def raw(self, key: str) -> str | None:
        """Text of an unquoted scalar as written, else None."""
        spot = self.spots.get(key)
        return spot.raw if spot is not None else None


class Items(list[Any]):
    """A list of the manifest; `spots` has one entry an item, or none where the list came from one cell."""

    __slots__ = ("column", "file", "line", "spots")

    def __init__(self, file: str, line: int, column: int, spots: Sequence[Spot] = ()) -> None:
        super().__init__()
        self.file = file
        self.line = line
        self.column = column
        self.spots: Sequence[Spot] = spots

    def twin(self) -> Items:
        """An empty list at the same place with the same spots."""
        return Items(self.file, self.line, self.column, self.spots)

    def place(self, index: int) -> Place | None:
        """Where an item stands; None where only the whole list has a place."""
        if not 0 <= index < len(self.spots):
            return None
        spot = self.spots[index]
        return Place(self.file, self.line + spot.value_line, spot.value_column)

    def raw(self, index: int) -> str | None:
        """Text of an unquoted item as written, else None."""
        return self.spots[index].raw if 0 <= index < len(self.spots) else None


def mapped(value: Any, change: Callable[[str], Any]) -> Any:
    """A copy of a value in which every text has been changed; places stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Block):
        block = value.twin()
        for key, inner in value.items():
            block[key] = mapped(inner, change)
        return block
    if isinstance(value, Items):
        items = value.twin()
        items.extend(mapped(inner, change) for inner in value)
        return items
    return value


def locate(root: Any, path: Sequence[str | int]) -> tuple[Place | None, str, bool]:
    """Follow a path as far as it goes.

    Returns:
        The place of the deepest entry found, its path as the author wrote it, and whether the whole
        path was there.
    """
    place: Place | None = root.place() if isinstance(root, Block) else None
    names = ""
    here = root
    for step in path:
        if isinstance(here, Block) and str(step) in here:
            key = str(step)
            place = here.place(key, value=not isinstance(here[key], Block))
            name = here.written(key)
            names += f".{name}" if names else name
            here = here[key]
        elif isinstance(here, Items) and isinstance(step, int) and 0 <= step < len(here):
            place = here.place(step) or place
            names += f"[{step}]"
            here = here[step]
        else:
            return place, names, False
    return place, names, True
