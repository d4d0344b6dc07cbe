"""How published packs, their history and what nobody needs are told: as JSON for programs, in lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assetmill.cli.outcome import ERR, many
from assetmill.packs import PackAsset, PackIndex
from assetmill.packs.history import Changes, History, Publish, changes
from assetmill.packs.pointers import Current

if TYPE_CHECKING:
    from assetmill.audit.garbage import Garbage

SHOWN = 8
KIB = 1024


def shown(current: Current, channel: str, there: Mapping[str, int], missing: Sequence[str]) -> dict[str, Any]:
    """The object that `pack show --json` prints."""
    index = current.index
    return {
        "game": index.game,
        "pack": index.pack,
        "channel": channel,
        "published_at": current.pointer.published_at.isoformat(),
        "run_id": index.run_id,
        "index": current.index_key,
        "assets": {name: _asset(asset, there) for name, asset in sorted(index.assets.items())},
        "files": dict(sorted(index.files.items())),
        "bytes": sum(there.values()),
        "missing": list(missing),
    }


def _asset(asset: PackAsset, there: Mapping[str, int]) -> dict[str, Any]:
    return {
        "type": asset.type, "width": asset.width, "height": asset.height, "draft": asset.draft,
        "bytes": _bytes(asset, there), "exports": list(asset.exports), "files": sorted(set(asset.blobs())),
        "made_in_run": asset.made_in_run, "made_at": asset.made_at and asset.made_at.isoformat(),
        "over": asset.over and asset.over.model_dump(mode="json"),
    }  # fmt: skip


def _bytes(asset: PackAsset, there: Mapping[str, int]) -> int:
    """Length of all files of an asset that are there."""
    return sum(there.get(key, 0) for key in set(asset.blobs()))


def print_shown(
    current: Current, channel: str, there: Mapping[str, int], missing: Sequence[str], console: Console
) -> None:
    """Assets in a table, files that are gone on stderr, and one line that sums it up."""
    index = current.index
    table = Table(box=None, pad_edge=False)
    for column in ("asset", "type", "size", "bytes", "files", "exports", ""):
        table.add_column(column, justify="right" if column in {"size", "bytes", "files"} else "left", overflow="fold")
    for name, asset in sorted(index.assets.items()):
        table.add_row(
            escape(name), asset.type, f"{asset.width}x{asset.height}", _size(_bytes(asset, there)),
            str(len(set(asset.blobs()))), " ".join(asset.exports), _remark(asset),
        )  # fmt: skip
    console.print(table)
    for role, key in sorted(index.files.items()):
        console.print(f"{escape(role)}: {key}", soft_wrap=True)
    for key in missing:
        ERR.print(f"[bold red]gone:[/] {key}")
    total = f"{many(len(index.assets), 'asset')}, {many(len(index.blobs()), 'file')}, {_size(sum(there.values()))}"
    when = _time(current.pointer.published_at)
    console.print(
        f"[bold]{escape(index.game)}[/] {escape(index.pack)} in channel {escape(channel)}: {total}; "
        f"published {when} by run {escape(index.run_id)}",
        soft_wrap=True,
    )


def _remark(asset: PackAsset) -> str:
    draft = "[yellow]draft[/]" if asset.draft else ""
    over = f"over one of run {escape(asset.over.run)}" if asset.over else ""
    return " ".join(filter(None, (draft, over)))


def history_document(read: History, limit: int) -> dict[str, Any]:
    """The object that `pack history --json` prints."""
    publishes = [
        {
            "record": publish.name,
            "current": publish.current,
            "published_at": publish.pointer and publish.pointer.published_at.isoformat(),
            "run_id": publish.pointer and publish.pointer.run_id,
            "index": publish.stored and publish.stored.key,
            "assets": len(publish.stored.index.assets) if publish.stored else None,
            "back_to": _back_to(read.publishes, place),
            **(_changes(_against(read.publishes, place))),
            "problem": publish.problem,
        }
        for place, publish in enumerate(read.publishes[:limit])
    ]
    return {
        "game": read.game, "channel": read.channel, "publishes": publishes, "problem": read.problem,
        "more": len(read.publishes) > limit,
    }  # fmt: skip


def _changes(difference: Changes | None) -> dict[str, Any]:
    names = ("added", "changed", "removed", "files")
    return {name: None if difference is None else list(getattr(difference, name)) for name in names}


def _against(publishes: Sequence[Publish], place: int) -> Changes | None:
    """What a publish changed against the one before it; None when one of them cannot be read."""
    before: PackIndex | None = None
    if place + 1 < len(publishes):
        older = publishes[place + 1].stored
        if older is None:
            return None
        before = older.index
    stored = publishes[place].stored
    return None if stored is None else changes(before, stored.index)


def _back_to(publishes: Sequence[Publish], place: int) -> str | None:
    """The earlier record of the very same index, which only going back makes."""
    stored = publishes[place].stored
    earlier = (one for one in publishes[place + 1 :] if one.stored and stored and one.stored.key == stored.key)
    return next((one.name for one in earlier), None)


def print_history(read: History, limit: int, console: Console) -> None:
    """A line for each publish, newest first."""
    for place, publish in enumerate(read.publishes[:limit]):
        mark = "[green]current[/]" if publish.current else "       "
        if publish.problem is not None:
            console.print(f"{mark} {publish.name}  [red]{escape(publish.problem)}[/]", soft_wrap=True)
            continue
        run = publish.pointer.run_id if publish.pointer else ""
        assets = many(len(publish.stored.index.assets), "asset") if publish.stored else ""
        back = _back_to(read.publishes, place)
        words = (f"back to {back}: " if back else "") + in_words(_against(read.publishes, place))
        console.print(f"{mark} {publish.name}  run {escape(run)}  {assets}  {words}", soft_wrap=True)
    if len(read.publishes) > limit:
        console.print("        ... and earlier ones (--limit N shows more)")
    if read.problem is not None:
        ERR.print(f"[bold red]nothing is current:[/] {escape(read.problem)}")
        ERR.print("[bold]hint:[/] `assetmill pack rollback GAME --to RECORD` makes one of these current")


def in_words(difference: Changes | None) -> str:
    """What changed, in a few words."""
    if difference is None:
        return "compared with nothing: the one before cannot be read"
    signs = (("+", difference.added), ("~", difference.changed), ("-", difference.removed))
    parts = [f"{sign}{escape(name)}" for sign, names in signs for name in names]
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    files = f"files of the pack: {', '.join(difference.files)}" if difference.files and not parts else ""
    return " ".join(parts[:SHOWN]) + more + files or "no difference to a game"


def rolled_back(read: History, target: Publish, difference: Changes | None) -> dict[str, Any]:
    """The object that `pack rollback --json` prints, but for its end."""
    before = read.current.name if read.current else None
    return {"game": read.game, "channel": read.channel, "from": before, "to": target.name, **_changes(difference)}


def garbage_document(found: Garbage) -> dict[str, Any]:
    """The object that `pack gc --json` prints, but for its end."""
    return {
        "blobs": dict(found.blobs), "bytes": found.bytes, "indexes": list(found.indexes),
        "records": list(found.records), "finishes": found.finishes, "needed": found.needed,
        "needed_bytes": found.needed_bytes, "young": found.young, "ageless": found.ageless,
        "under_way": list(found.under_way),
    }  # fmt: skip


def print_garbage(found: Garbage, *, deleted: bool, console: Console) -> None:
    """The first keys that go, how much stays and why, and one line that sums it up."""
    names = [*found.records, *found.indexes, *found.blobs]
    for key in names[:SHOWN]:
        console.print(f"  {key}", soft_wrap=True)
    if len(names) > SHOWN:
        console.print(f"  ... and {len(names) - SHOWN} more (--json lists all)")
    console.print(f"needed: {many(found.needed, 'file')}, {_size(found.needed_bytes)}")
    if found.young:
        ageless = f", {found.ageless} of which the store tells no age" if found.ageless else ""
        console.print(f"too young to go: {many(found.young, 'file')}{ageless}")
    parts = [f"{many(len(found.blobs), 'file')} ({_size(found.bytes)})"]
    parts += [many(len(found.records), "record")] if found.records else []
    parts += [_several(len(found.indexes), "index")] if found.indexes else []
    what = ", ".join(parts)
    if not names:
        console.print("[green]nothing to delete[/]")
    elif deleted:
        again = f"; {_several(found.finishes, 'finish')} can be made again for free" if found.finishes else ""
        console.print(f"[bold]deleted {what}[/]{again}")
    else:
        console.print(f"[bold]{what} could go[/]: --yes deletes")
    for run_id in found.under_way if not deleted else ():
        ERR.print(f"run {escape(run_id)} may be going on: nothing can be deleted before it ends")


def _several(count: int, thing: str) -> str:
    """A number and a noun whose plural ends in es."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}es"


def _size(count: int) -> str:
    """A number of bytes for people."""
    if count < KIB:
        return f"{count} B"
    if count < KIB * KIB:
        return f"{count / KIB:.0f} KiB"
    return f"{count / KIB / KIB:.1f} MiB"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
