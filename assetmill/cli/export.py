"""`export`: a published pack as a folder with human names, for an engine or for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from assetmill.cli.outcome import ERR, guarded, many, print_json
from assetmill.errors import UsageError

if TYPE_CHECKING:
    from assetmill.exports.folder_source import Source
    from assetmill.exports.folder_write import Written

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

SHOWN = 10
FORMATS = "plain|assetsheet|texturepacker|phaser|pixi|godot|tiled|aseprite|unity|all"

Game = Annotated[str, typer.Argument(help="Game whose published pack is exported.", metavar="GAME")]
Form = Annotated[str, typer.Option("--format", metavar=FORMATS, help="What it is for.")]
To = Annotated[Path, typer.Option("--to", metavar="DIR", help="A folder that is new, empty, or of an earlier export.")]
Channel = Annotated[str | None, typer.Option("--channel", metavar="C", help="Another channel than the configured one.")]
Only = Annotated[str | None, typer.Option("--only", metavar="ID,..", help="Only these assets.")]
ResPrefix = Annotated[
    str | None,
    typer.Option(
        "--res-prefix", metavar="RES", help="Godot: where the folder will be; default res://art/GAME, '' is relative."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Go over files in DIR that somebody changed or added.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@guarded
def export(
    game: Game, form: Form, to: To, *, channel: Channel = None, only: Only = None, res_prefix: ResPrefix = None,
    force: Force = False, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Write a published pack into a folder, as an engine or an artist wants it."""
    from assetmill.clock import Clock
    from assetmill.exports.folder import contents_of
    from assetmill.exports.folder_marker import Marker
    from assetmill.exports.folder_source import read_blob, read_source
    from assetmill.exports.folder_write import write_folder
    from assetmill.settings import load_settings
    from assetmill.storage import open_store

    settings = load_settings()
    store = open_store(settings.store_url, settings.store_access)
    chosen = _chosen(only)
    source = read_source(store, game, channel or settings.channel, chosen)
    root = f"res://art/{game}" if res_prefix is None else res_prefix
    contents = contents_of(source, form, root=root)
    marker = Marker(
        game=game, channel=channel or settings.channel, format=form, only=chosen, index=source.index_sha256, files={}
    )
    written = write_folder(
        to, contents, marker, lambda key: read_blob(store, key), force=force, token=Clock().new_id()[:12]
    )
    _tell(source, written, marker, to, as_json=as_json)
    return 0


def _chosen(only: str | None) -> tuple[str, ...]:
    names = tuple(sorted({name.strip() for name in (only or "").split(",") if name.strip()}))
    if only is not None and not names:
        raise UsageError("--only names nothing", hint="leave --only out to choose everything")
    return names


def _tell(source: Source, written: Written, marker: Any, to: Path, *, as_json: bool) -> None:
    """Result on stdout; what somebody should know beside it on stderr."""
    drafts = [name for name, asset in source.index.assets.items() if asset.draft]
    if source.without_model:
        _warn(source.without_model, "published before sheets were packed: as drawn, without documents of this format")
    if drafts:
        _warn(drafts, "placeholder art, not for release")
    if as_json:
        print_json(_document(source, written, marker, to, drafts))
        return
    assets = many(len(source.index.assets), "asset")
    done = "wrote" if written.changed else "nothing to do: it holds"
    removed = f", {many(len(written.removed), 'old file')} removed" if written.removed else ""
    kept = f", {many(len(written.kept), 'file')} of others kept" if written.kept else ""
    where = f"{escape(str(to))}: {done} {many(written.files, 'file')}{removed}{kept}"
    Console(highlight=False).print(
        f"{marker.game} ({marker.channel}), {assets} as {marker.format} in {where}", soft_wrap=True
    )


def _warn(names: tuple[str, ...] | list[str], words: str) -> None:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    ERR.print(f"[yellow]warning:[/] {escape(', '.join(names[:SHOWN]))}{more}: {escape(words)}")


def _document(source: Source, written: Written, marker: Any, to: Path, drafts: list[str]) -> dict[str, Any]:
    """The object that `export --json` prints."""
    return {
        "game": marker.game,
        "pack": source.index.pack,
        "channel": marker.channel,
        "format": marker.format,
        "to": str(to.resolve()),
        "assets": sorted(source.index.assets),
        "files": written.files,
        "changed": written.changed,
        "removed": list(written.removed),
        "kept": list(written.kept),
        "without_model": list(source.without_model),
        "drafts": drafts,
        "exit_code": 0,
    }
