"""What a run leaves for people beside its gallery: a contact sheet, and its report.

Nothing of it is needed by a game or by the books: whoever calls this goes on where it fails. It reads finished files
and writes under the run's own keys; it never changes what is published.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from assetmill.batch.context import Batch
from assetmill.batch.report import BatchReport
from assetmill.batch.results import Choice, choose
from assetmill.errors import KeyMissing
from assetmill.ledger import Output
from assetmill.packs import contact_sheet_key, report_key
from assetmill.packs.kinds import JPEG
from assetmill.packs.parallel import in_threads
from assetmill.packs.pointers import JSON_TYPE, NO_CACHE
from assetmill.planning.plan import Plan, State
from assetmill.reports.contact_sheet import MAX_THUMBS, Thumb, render_contact_sheet, small
from assetmill.storage import Store

AT_ONCE = 8  # decoded pictures are large


@dataclass(frozen=True, slots=True)
class ContactSheet:
    """A contact sheet that is stored.

    Args:
        key: where.
        data: the JPEG.
    """

    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Cell:
    """What is known of an asset before its picture is read."""

    label: str
    file: Output | None
    mark: str
    old: bool


def write_contact_sheet(batch: Batch, plan: Plan, title: str) -> ContactSheet:
    """Draw every asset of a run small, and store the sheet beside the gallery.

    Raises:
        StorageError: a picture could not be read, or the sheet not be written.
    """
    order = {asset.id: index for index, asset in enumerate(batch.pack.assets)}
    cells = [cell for _, cell in sorted(_cells(batch, plan), key=lambda pair: order[pair[0]])]
    read = _worth_reading(cells)
    pictures = dict(zip(read, in_threads(lambda at: _picture(batch, cells[at]), read, at_once=AT_ONCE), strict=True))
    gone = {at for at, picture in pictures.items() if picture is None}
    thumbs = [
        Thumb(cell.label, pictures.get(at), cell.mark or ("gone" if at in gone else ""), cell.old)
        for at, cell in enumerate(cells)
    ]
    data = render_contact_sheet(thumbs, title=title)
    key = contact_sheet_key(batch.pack.game.id, batch.run_id)
    batch.store.put(key, data, content_type=JPEG, cache_control=NO_CACHE)
    return ContactSheet(key, data)


def write_report(store: Store, report: BatchReport) -> str:
    """Store what `assetmill run --json` prints, and return its key.

    Raises:
        StorageError: it could not be written.
    """
    key = report_key(report.game, report.run_id)
    store.put(key, report.model_dump_json(indent=2).encode(), content_type=JSON_TYPE, cache_control=NO_CACHE)
    return key


def _cells(batch: Batch, plan: Plan) -> Iterator[tuple[str, _Cell]]:
    choices = choose(batch)
    for asset_id, choice in choices.items():
        yield asset_id, _cell(choice)
    for item in plan.items:
        if item.state is State.BLOCKED and item.asset.id not in choices:
            yield item.asset.id, _Cell(item.asset.id, None, "blocked", old=False)


def _cell(choice: Choice) -> _Cell:
    shown = choice.chosen or choice.all[0]
    files = shown.finish.by_role if shown.finish else {}
    file = files.get("image") or files.get("full") or next(iter(files.values()), None)
    old = shown.item.state is State.CACHED
    return _Cell(choice.asset.id, file, "" if choice.chosen else shown.status, old)


def _worth_reading(cells: list[_Cell]) -> list[int]:
    """Of very many pictures, only those that have a chance to be shown."""
    there = sorted((cell.old, at) for at, cell in enumerate(cells) if cell.file is not None)
    return [at for _, at in there[:MAX_THUMBS]]


def _picture(batch: Batch, cell: _Cell) -> Image.Image | None:
    try:
        return small(batch.store.get(cell.file.key)) if cell.file is not None else None
    except KeyMissing:
        return None
