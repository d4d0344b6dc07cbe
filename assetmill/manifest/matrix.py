"""One authored asset to many: every combination of axes, or every row, put into the asset's texts.

`{axis}` in any text is replaced by the axis's value; a text that is nothing but one placeholder takes
the value with its sort, so that `width: "{w}"` may give a number. `{{axis}}` writes `{axis}`. Other
braces stay as they are. An asset without a matrix is never touched: prompts may hold any braces.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

from assetmill.manifest.authoring import matrix_shape
from assetmill.manifest.blocks import Block, Items, mapped
from assetmill.manifest.canonical import REFUSED, Canonical
from assetmill.manifest.limits import MAX_ASSETS, MAX_EXPANDED_CHARS
from assetmill.manifest.problems import Place, Problems, nearest_name

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_]\w*)\}\}|\{([A-Za-z_]\w*)\}")
_AXIS = re.compile(r"[A-Za-z_]\w*")
Row = Mapping[str, Any]


def expand(block: Block, path: str, room: int, canonical: Canonical, problems: Problems) -> list[Block]:
    """The assets that an authored asset stands for, without `matrix`.

    Args:
        block: the asset as written.
        path: its place in the document.
        room: assets that the pack may still have.
        canonical: checks the matrix's own form.
        problems: collector.

    Returns:
        The assets; none after a problem with the matrix, one without a matrix.
    """
    if "matrix" not in block:
        return [block]
    place = block.place("matrix", value=True)
    here = f"{path}.matrix"
    before = len(problems)
    matrix = canonical.value(block["matrix"], matrix_shape(), here, place, block.raw("matrix"), block)
    rows = (
        None
        if matrix is REFUSED or matrix is None or len(problems) > before
        else _rows(matrix, here, place, room, problems)
    )
    if rows is None:
        return []
    bare = block.twin()
    bare.update({key: value for key, value in block.items() if key != "matrix"})
    if not _placeholders_known(bare, rows[0], path, problems):
        return []
    made = len(rows) * (_chars(bare) + max(sum(len(str(value)) for value in row.values()) for row in rows))
    if made > MAX_EXPANDED_CHARS:
        problems.add(place, here, f"the matrix makes {made:,} characters; at most {MAX_EXPANDED_CHARS:,} are made")
        return []
    return [mapped(bare, partial(fill, row=row)) for row in rows]


def fill(text: str, row: Row) -> Any:
    """A text with its placeholders replaced; a lone placeholder gives the value itself."""
    if "{" not in text:
        return text
    whole = _PLACEHOLDER.fullmatch(text)
    if whole and whole[2]:
        return row[whole[2]]
    return _PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}" if found[1] else str(row[found[2]]), text)


def _rows(matrix: Block, path: str, place: Place, room: int, problems: Problems) -> list[Row] | None:
    if ("axes" in matrix) == ("include" in matrix):
        problems.add(place, path, "give exactly one of `axes` and `include`")
        return None
    table = matrix.get("axes", matrix.get("include"))
    if not table or (isinstance(table, Block) and not all(table.values())):
        problems.add(place, path, "an axis or the matrix has no values", expected="at least one value")
        return None
    names = list(table) if isinstance(table, Block) else list(table[0])
    if bad := next((name for name in names if not _AXIS.fullmatch(name)), None):
        problems.add(place, path, f"`{bad}` cannot be an axis", expected="letters, digits and _, no digit first")
        return None
    if isinstance(table, Items):
        return _listed(table, names, path, place, room, problems)
    count = math.prod(len(values) for values in table.values())
    if count > room:
        problems.add(place, path, f"the matrix makes {count:,} assets; a pack may have {MAX_ASSETS:,}")
        return None
    return [dict(zip(names, values, strict=True)) for values in product(*table.values())]


def _listed(table: Items, names: list[str], path: str, place: Place, room: int, problems: Problems) -> list[Row] | None:
    for index, row in enumerate(table):
        if set(row) != set(names):
            problems.add(
                table.place(index) or place, f"{path}.include[{index}]", "the rows do not have the same axes",
                expected=f"the axes of the first row: {', '.join(names)}",
            )  # fmt: skip
            return None
    if len(table) > room:
        problems.add(place, path, f"the matrix makes {len(table):,} assets; a pack may have {MAX_ASSETS:,}")
        return None
    return list(table)


def _placeholders_known(block: Block, axes: Row, path: str, problems: Problems) -> bool:
    known = True
    for text, place, where in _texts(block, block.place(), path):
        for found in _PLACEHOLDER.finditer(text):
            if found[2] and found[2] not in axes:
                known = False
                problems.add(
                    place, where, f"the matrix has no axis `{found[2]}`; {{{{{found[2]}}}}} writes it with its braces",
                    expected=f"one of {', '.join(axes)}", nearest=nearest_name(found[2], axes),
                )  # fmt: skip
    return known


def _chars(value: Any) -> int:
    """Characters of a value; what is no text counts for one."""
    if isinstance(value, Block):
        return 1 + sum(_chars(inner) for inner in value.values())
    if isinstance(value, Items):
        return 1 + sum(_chars(inner) for inner in value)
    return len(value) if isinstance(value, str) else 1


def _texts(value: Any, place: Place, path: str) -> Iterator[tuple[str, Place, str]]:
    if isinstance(value, str):
        yield value, place, path
    elif isinstance(value, Block):
        for key, inner in value.items():
            yield from _texts(inner, value.place(key, value=True), f"{path}.{key}" if path else key)
    elif isinstance(value, Items):
        for index, inner in enumerate(value):
            yield from _texts(inner, value.place(index) or place, f"{path}[{index}]")
