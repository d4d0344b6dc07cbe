"""What fields of one asset have to be to each other: counted, fitting, and belonging to its kind.

The models hold what one field may be; these rules need several fields and say which of them is wrong.
They see resolved assets only and read no file. A sheet that breaks one of them would be paid for and
then cut wrongly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assetmill.manifest.models import (
    AUTOTILE_CELLS,
    MAX_LAYERS,
    MAX_SIDE,
    AssetBase,
    Entity,
    Grid,
    PackInfo,
    Parallax,
    Qa,
    Sheet,
    TitleHero,
)
from assetmill.manifest.problems import nearest_name

_BELONGS = {
    "animations": "sprite", "variants": "variation", "tiles": "tile", "autotile": "tile",
    "component": "ui_component", "states": "ui_component", "nine_slice": "ui_component",
}  # fmt: skip
_NEEDS = {
    "sprite": ("animations",), "variation": ("variants",), "tile": ("tiles", "autotile"),
    "ui_component": ("component", "states"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flaw:
    """A broken rule: the field that breaks it, and the words for it."""

    path: tuple[str | int, ...]
    message: str
    expected: str = ""
    nearest: str = ""


def asset_flaws(asset: AssetBase, pack: PackInfo | None) -> Iterator[Flaw]:
    """Every rule that an asset breaks by itself; `pack` is None when the pack could not be read."""
    if asset.post.palette == "pack" and pack is not None and not pack.palette:
        yield Flaw(("post", "palette"), "the pack has no palette: give `pack.palette`, or palette none")
    yield from _padding_flaws(asset)
    if isinstance(asset, Parallax):
        yield from _layer_flaws(asset)
    if isinstance(asset, Sheet):
        yield from _sheet_flaws(asset)


def _layer_flaws(asset: Parallax) -> Iterator[Flaw]:
    """Layers that could not be told apart, that lie in another order than they are listed, or that hide others."""
    layers = asset.layers
    yield from _twice([layer.id for layer in layers], ("layers",), "id", "layer")
    if len(layers) == 1:
        yield Flaw(("layers",), "one layer has nothing to scroll against", expected=f"2 to {MAX_LAYERS} layers")
    for index, (behind, layer) in enumerate(itertools.pairwise(layers), start=1):
        if layer.depth < behind.depth:
            message = f"layer {layer.id!r} lies farther away than {behind.id!r}, which stands before it in the list"
            yield Flaw(("layers", index, "depth"), message, expected=f"at least {behind.depth:g}: the farthest first")
        if layer.opaque:
            message = f"layer {layer.id!r} would hide all that lie behind it"
            yield Flaw(("layers", index, "opaque"), message, expected="true for the first layer alone")


def _padding_flaws(asset: AssetBase) -> Iterator[Flaw]:
    """Padding that leaves no pixel for the picture: it would come out as a dot, or not as it was asked for."""
    post = asset.post
    if isinstance(asset, Entity):
        width, height = asset.silhouette.canvas
    elif isinstance(asset, TitleHero) and asset.transparent:
        width, height = asset.width, asset.height
    else:
        return
    cells = -(-min(width, height) // post.pixel_scale)  # padding is kept in whole squares of pixel art
    most = (cells - 1) // 2 * post.pixel_scale
    if post.pad > most:
        art = f" drawn in squares of {post.pixel_scale}" if post.pixel_scale > 1 else ""
        message = f"{post.pad} px on each side leave nothing of a picture of {width}x{height} px{art}"
        yield Flaw(("post", "pad"), message, expected=f"at most {most}")


def qa_flaws(qa: Qa) -> Iterator[Flaw]:
    """Limits that no picture can keep."""
    if qa.min_coverage >= qa.max_coverage:
        yield Flaw(("min_coverage",), f"min_coverage {qa.min_coverage:g} is not below max_coverage {qa.max_coverage:g}")


def _sheet_flaws(sheet: Sheet) -> Iterator[Flaw]:
    wrong_kind = list(_kind_flaws(sheet))
    yield from wrong_kind
    yield from _post_flaws(sheet)
    yield from _square_flaws(sheet)
    yield from _outer_size(sheet)
    if wrong_kind:
        return
    yield from _name_flaws(sheet)
    yield from _count_flaws(sheet)
    yield from _override_flaws(sheet)
    yield from _duration_flaws(sheet)
    yield from _nine_slice_flaws(sheet)


def _kind_flaws(sheet: Sheet) -> Iterator[Flaw]:
    for name, kind in _BELONGS.items():
        if getattr(sheet, name) and sheet.kind != kind:
            yield Flaw((name,), f"`{name}` belongs to sheets of kind {kind}, not {sheet.kind}")
    needs = _NEEDS[sheet.kind]
    missing = [f"`{name}`" for name in needs if not getattr(sheet, name)]
    if sheet.kind == "tile" and len(missing) == len(needs):
        yield Flaw(("kind",), "a sheet of kind tile needs `tiles` or `autotile`")
    elif sheet.kind != "tile" and missing:
        yield Flaw(("kind",), f"a sheet of kind {sheet.kind} needs {' and '.join(missing)}")


def _post_flaws(sheet: Sheet) -> Iterator[Flaw]:
    for name in ("trim", "pad"):
        if getattr(sheet.post, name):
            yield Flaw(("post", name), f"`post.{name}` would move the cells of a sheet out of their places")


def _square_flaws(sheet: Sheet) -> Iterator[Flaw]:
    """Squares of pixel art that lie across a cell's edge: half of each would be cut into the neighbour's frame."""
    layout, side = sheet.layout, sheet.post.pixel_scale
    lengths = {name: getattr(layout, name) for name in ("cell_width", "cell_height", "spacing", "margin")}
    broken = [f"{name} {length}" for name, length in lengths.items() if length % side]
    if broken:
        message = f"squares of {side} px (post.pixel_scale) do not fit into {' and '.join(broken)}"
        yield Flaw(("layout",), message, expected=f"multiples of {side}")


def _outer_size(sheet: Sheet) -> Iterator[Flaw]:
    layout = sheet.layout
    across = layout.columns if isinstance(layout, Grid) else layout.frame_count
    down = layout.rows if isinstance(layout, Grid) else 1
    if not isinstance(layout, Grid) and layout.direction == "vertical":
        across, down = down, across
    gaps = 2 * layout.margin - layout.spacing
    width = across * (layout.cell_width + layout.spacing) + gaps
    height = down * (layout.cell_height + layout.spacing) + gaps
    if max(width, height) > MAX_SIDE:
        yield Flaw(("layout",), f"the sheet is {width}x{height} px", expected=f"at most {MAX_SIDE} px a side")


def _name_flaws(sheet: Sheet) -> Iterator[Flaw]:
    if sheet.kind == "variation":
        yield from _twice([variant.key for variant in sheet.variants], ("variants",), "key", "variant")
    if sheet.kind == "ui_component":
        yield from _twice(list(sheet.states), ("states",), "", "state")
    if sheet.kind == "tile":
        seen: dict[str, int] = {}
        for index, name in sheet.cell_ids().items():
            if name in seen:
                path = ("tiles", str(index if index in sheet.tiles else seen[name]), "name")
                yield Flaw(path, f"tiles {seen[name]} and {index} are both named {name!r}")
            seen.setdefault(name, index)


def _twice(names: Sequence[str], path: tuple[str, ...], field: str, noun: str) -> Iterator[Flaw]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Flaw((*path, index, field) if field else (*path, index), f"{noun} {name!r} stands twice")
        seen.add(name)


def _count_flaws(sheet: Sheet) -> Iterator[Flaw]:
    cells = sheet.cell_count
    autotile = AUTOTILE_CELLS.get(sheet.autotile or "", 0)
    if autotile > cells:
        yield Flaw(("layout",), f"autotile {sheet.autotile} needs {autotile} cells; the layout has {cells}")
    for index in sheet.tiles:
        if not 0 <= index < cells:
            yield Flaw(("tiles", str(index)), f"there is no cell {index}", expected=f"0 to {cells - 1}")
    used = len(sheet.cell_ids())
    if sheet.kind != "tile" and used > cells:
        yield Flaw(("layout",), f"{used} cells are needed; the layout has {cells}")


def _override_flaws(sheet: Sheet) -> Iterator[Flaw]:
    names = list(dict.fromkeys(sheet.cell_ids().values()))
    for key in sheet.overrides:
        if key not in names:
            shown = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")  # noqa: PLR2004  one line of a message
            yield Flaw(
                ("overrides", key), f"no cell is named {key!r}", f"one of {shown}", nearest_name(key, names)
            )  # fmt: skip


def _duration_flaws(sheet: Sheet) -> Iterator[Flaw]:
    for name, animation in sheet.animations.items():
        frames, durations = len(sheet.frame_ids(name)), len(animation.durations_ms)
        path = ("animations", name)
        if not frames:
            yield Flaw((*path, "frames"), "an animation needs at least one frame")
        if durations and durations != frames:
            yield Flaw((*path, "durations_ms"), f"{durations} durations for {frames} frames", "one for each frame")


def _nine_slice_flaws(sheet: Sheet) -> Iterator[Flaw]:
    borders, layout = sheet.nine_slice, sheet.layout
    if borders is None:
        return
    if borders.left + borders.right >= layout.cell_width:
        yield Flaw(
            ("nine_slice",),
            f"left {borders.left} and right {borders.right} leave no centre in a cell {layout.cell_width} px wide",
        )
    if borders.top + borders.bottom >= layout.cell_height:
        yield Flaw(
            ("nine_slice",),
            f"top {borders.top} and bottom {borders.bottom} leave no centre in a cell {layout.cell_height} px high",
        )
