"""`pack show|history|rollback|gc`: what games load now, what they loaded before, and what nobody loads any more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from assetmill.cli.outcome import ERR, guarded, print_json
from assetmill.errors import ConsentMissing, StorageError, UsageError

if TYPE_CHECKING:
    from assetmill.storage import Store

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

pack_app = typer.Typer(help="Published packs: what is current, what was, and the way back.", no_args_is_help=True)

Game = Annotated[str, typer.Argument(metavar="GAME", help="Game id.")]
Channel = Annotated[
    str | None, typer.Option("--channel", metavar="NAME", help="Channel; ASSETMILL_CHANNEL (main) if not given.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Show only the newest.")]
To = Annotated[str | None, typer.Option("--to", metavar="RECORD", help="Name of a record, or how it starts.")]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="N", min=1, help="So many publishes back; 1 if not given.")
]
Go = Annotated[bool, typer.Option("--yes", "-y", help="Agree to what games will load.")]
Grace = Annotated[int, typer.Option("--grace", metavar="DAYS", min=1, help="Nothing younger is deleted.")]
Keep = Annotated[
    int | None, typer.Option("--keep", metavar="N", min=1, help="Give up all but the newest N publishes of a channel.")
]
Delete = Annotated[bool, typer.Option("--yes", "-y", help="Delete; without it, only say what would be deleted.")]


@pack_app.command("show")
@guarded
def show(game: Game, *, channel: Channel = None, as_json: AsJson = False) -> int:
    """What a channel publishes now; ends with 1 if a file of it is gone."""
    from assetmill.cli.pack_words import print_shown, shown
    from assetmill.packs.blobs import sizes
    from assetmill.packs.history import read_history
    from assetmill.packs.pointers import RESTORE_HINT, read_current

    store, name = _store_and_channel(channel)
    current = read_current(store, game, name)
    if current is None:
        problem = read_history(store, game, name, newest=0).problem  # refuses if there is no such channel at all
        raise StorageError(problem or f"channel {name} of {game} has just changed", hint=RESTORE_HINT)
    there = sizes(store, current.index.blobs())
    missing = sorted(current.index.blobs() - there.keys())
    code = 1 if missing else 0
    if as_json:
        print_json(shown(current, name, there, missing) | {"exit_code": code})
    else:
        print_shown(current, name, there, missing, Console(highlight=False))
    return code


@pack_app.command("history")
@guarded
def history(game: Game, *, channel: Channel = None, limit: Limit = 20, as_json: AsJson = False) -> int:
    """Every publish of a channel, newest first, and what each changed."""
    from assetmill.cli.pack_words import history_document, print_history
    from assetmill.packs.history import read_history

    store, name = _store_and_channel(channel)
    read = read_history(store, game, name, newest=limit + 1)  # one more: what the last one shown is compared with
    if as_json:
        print_json(history_document(read, limit))
    else:
        print_history(read, limit, Console(highlight=False))
    return 0


@pack_app.command("rollback")
@guarded
def rollback(
    game: Game, *, channel: Channel = None, to: To = None, steps: Steps = None, yes: Go = False, as_json: AsJson = False
) -> int:
    """Make an older pack current again; a publish like any other, and undone by another rollback."""
    from assetmill.cli.pack_words import in_words, rolled_back
    from assetmill.clock import Clock
    from assetmill.packs.history import changes, named, older, opened, read_history, roll_back

    if to is not None and steps is not None:
        raise UsageError("--to and --steps both say where to go", hint="give one of them")
    store, name = _store_and_channel(channel)
    read = read_history(store, game, name, indexes=False)
    target = opened(store, read, named(read, to) if to is not None else older(read, steps or 1))
    now = opened(store, read, read.current).stored if read.current else None
    difference = changes(now.index if now else None, target.stored.index) if target.stored else None
    if target.stored is not None and target.stored != now:
        against = "" if now else " (what is published now cannot be read)"
        ERR.print(f"{escape(game)}, channel {escape(name)}, back to {target.name}{against}: {in_words(difference)}")
        if not yes:
            _ask()
    done = roll_back(store, read, target, now=Clock().now())
    if as_json:
        print_json(rolled_back(read, target, difference) | {"changed": done.changed, "index": done.index_key})
        return 0
    says = "now" if done.changed else "already"
    words = f"channel {name} of {game} publishes the pack of {target.name} {says}"
    Console(highlight=False).print(escape(words), soft_wrap=True)
    ERR.print(f"the next run of {escape(game)} publishes what its manifest says, and so leaves this pack again")
    return 0


@pack_app.command("gc")
@guarded
def gc(*, grace: Grace = 14, keep: Keep = None, yes: Delete = False, as_json: AsJson = False) -> int:
    """Say what nobody needs any more, of all games, and delete it with --yes; never what was paid for."""
    from assetmill.audit.garbage import delete_garbage, find_garbage
    from assetmill.cli.pack_words import garbage_document, print_garbage
    from assetmill.clock import Clock
    from assetmill.ledger import Ledger
    from assetmill.settings import load_settings
    from assetmill.storage import open_store

    settings = load_settings()
    store = open_store(settings.store_url, settings.store_access)
    with Ledger.open(settings.ledger_url) as ledger:
        found = find_garbage(ledger, store, now=Clock().now(), grace=timedelta(days=grace), keep=keep)
        if yes:
            delete_garbage(ledger, store, found)
    if as_json:
        print_json(garbage_document(found) | {"deleted": yes})
    else:
        print_garbage(found, deleted=yes, console=Console(highlight=False))
    return 0


def _store_and_channel(channel: str | None) -> tuple[Store, str]:
    from assetmill.settings import load_settings
    from assetmill.storage import open_store

    settings = load_settings()
    return open_store(settings.store_url, settings.store_access), channel or settings.channel


def _ask() -> None:
    """Ask whether games shall load that; without a terminal, refuse.

    Raises:
        ConsentMissing: nobody agreed; nothing was changed.
    """
    if not ERR.is_terminal:
        raise ConsentMissing("games would load another pack, and nobody has agreed to it", hint="add --yes")
    if not typer.confirm("Publish this?", err=True):
        raise ConsentMissing("not agreed; nothing was changed")
