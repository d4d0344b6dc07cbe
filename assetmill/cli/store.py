"""`store copy`: everything that packs and receipts need, from one store to another; the books stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from assetmill.cli.outcome import ERR, guarded, many, print_json

if TYPE_CHECKING:
    from assetmill.packs.copying import Copied, Problem
    from assetmill.settings import Settings
    from assetmill.storage import Store

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

store_app = typer.Typer(help="Where files are kept: moving from one store to another.", no_args_is_help=True)
SHOWN = 20
STEP = 1024

From = Annotated[str, typer.Argument(metavar="FROM_URL", help="The old store: file:///folder or s3://bucket/prefix.")]
To = Annotated[str | None, typer.Option("--to", metavar="URL", help="The new store; the configured one if not given.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be copied; no file is read.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@store_app.command("copy")
@guarded
def copy(old: From, *, to: To = None, dry_run: DryRun = False, as_json: AsJson = False) -> int:
    """Copy files, packs, histories, galleries and receipts that the new store has not; ends with 1 if some stay."""
    from assetmill.packs import copying
    from assetmill.settings import load_settings

    settings = load_settings()
    source, target = _opened(settings, old), _opened(settings, settings.store_url if to is None else to)
    done = copying.copy(source, target, copying.compare(source, target), dry_run=dry_run, told=_progress(dry_run))
    code = 1 if done.problems else 0
    if as_json:
        print_json(_document(source, target, done) | {"dry_run": dry_run, "exit_code": code})
        return code
    _print_copied(target, done, Console(highlight=False), dry_run=dry_run)
    if target.url != settings.store_url:
        ERR.print(f"to work there from now on: ASSETMILL_STORE_URL={escape(target.url)}")
    return code


def _opened(settings: Settings, url: str) -> Store:
    """A store by its URL; whichever is an s3:// one is reached as the settings say."""
    from assetmill.storage import open_store

    return open_store(url, settings.model_copy(update={"store": url}).store_access)


def _progress(dry_run: bool) -> Any:
    """Words on stderr about objects that are copied by the thousand."""

    def told(kind: str, done: int, todo: int) -> None:
        if not dry_run and done < todo:
            ERR.print(f"{kind}: {done:,} of {todo:,}")

    return told


def _document(source: Store, target: Store, done: Copied) -> dict[str, Any]:
    """The object that `store copy --json` prints, but for its end."""
    return {
        "from": source.url,
        "to": target.url,
        "kinds": {
            str(kind): {"copied": tally.copied, "bytes": tally.bytes, "there": tally.there}
            for kind, tally in done.tallies.items()
        },
        "foreign": done.foreign,
        "problems": [{"key": one.key, "message": one.message, "hint": one.hint} for one in done.problems],
    }


def _print_copied(target: Store, done: Copied, console: Console, *, dry_run: bool) -> None:
    """What was left out and why on stderr, how much of each kind, and one line that sums it up."""
    _print_problems(done.problems)
    verb = "to copy" if dry_run else "copied"
    for kind, tally in done.tallies.items():
        if tally.copied or tally.there:
            console.print(f"{kind}: {tally.copied:,} {verb} ({_size(tally.bytes)}), {tally.there:,} there already")
    if done.foreign:
        console.print(f"left alone: {many(done.foreign, 'object')} whose name is not assetmill's")
    copied = sum(tally.copied for tally in done.tallies.values())
    where = escape(target.url)
    if done.problems:
        left = many(len(done.problems), "object")
        console.print(f"[bold red]{left} not {'to be ' if dry_run else ''}copied[/] to {where}", soft_wrap=True)
    elif dry_run and copied:
        console.print(f"[bold]{many(copied, 'object')} would be copied[/] to {where}", soft_wrap=True)
    else:
        console.print(f"[green]{where} holds everything[/]", soft_wrap=True)


def _print_problems(problems: tuple[Problem, ...]) -> None:
    for one in problems[:SHOWN]:
        ERR.print(f"[bold red]not copied:[/] {escape(one.message)}")
    if len(problems) > SHOWN:
        ERR.print(f"... and {len(problems) - SHOWN} more (--json lists all)")
    for hint in dict.fromkeys(one.hint for one in problems[:SHOWN]):
        ERR.print(f"[bold]hint:[/] {escape(hint)}")


def _size(count: float) -> str:
    """A number of bytes for people."""
    if count < STEP:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= STEP
        if count < STEP:
            return f"{count:.1f} {unit}"
    return f"{count / STEP:.1f} TiB"
