"""`ledger check` and `ledger rebuild`: proof that the books agree, and the way back from receipts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assetmill.cli.outcome import ERR, guarded, many, print_json

if TYPE_CHECKING:
    from assetmill.audit import Finding, Rebuilt, Snapshot

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

ledger_app = typer.Typer(help="The books: proof that they agree, and the way back.", no_args_is_help=True)
SHOWN = 20

Game = Annotated[str | None, typer.Option("--game", metavar="G", help="Only this game.")]
Deep = Annotated[bool, typer.Option("--deep", help="Read and hash every file.")]
Mend = Annotated[bool, typer.Option("--mend", help="Store missing receipts of settled rows; changes nothing else.")]
Into = Annotated[
    str | None, typer.Option("--into", metavar="URL", help="Database URL of another ledger than the configured one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@ledger_app.command("check")
@guarded
def check(*, game: Game = None, deep: Deep = False, mend: Mend = False, as_json: AsJson = False) -> int:
    """Prove that rows, receipts, files and packs agree; name what does not, and end with 1."""
    from assetmill import audit
    from assetmill.clock import Clock
    from assetmill.ledger import Ledger
    from assetmill.settings import load_settings
    from assetmill.storage import open_store

    settings = load_settings()
    store = open_store(settings.store_url, settings.store_access)
    mended: tuple[str, ...] = ()
    with Ledger.open(settings.ledger_url) as ledger:
        snapshot = audit.read_snapshot(ledger, store, game=game, deep=deep and not mend)
        if mend:
            mended = audit.mend(store, snapshot)
            snapshot = audit.read_snapshot(ledger, store, game=game, deep=deep)
    found = audit.findings(snapshot, Clock().now())
    code = 1 if any(one.kind.violation for one in found) else 0
    if as_json:
        print_json(_document(snapshot, found, mended, code))
    else:
        _print_check(snapshot, found, mended, Console(highlight=False))
    return code


@ledger_app.command("rebuild")
@guarded
def rebuild(*, into: Into = None, as_json: AsJson = False) -> int:
    """Restore the books from the receipts in the store; what is settled in them never changes."""
    from assetmill import audit
    from assetmill.ledger import Ledger
    from assetmill.settings import load_settings
    from assetmill.storage import open_store

    settings = load_settings()
    store = open_store(settings.store_url, settings.store_access)
    with Ledger.open(into or settings.ledger_url) as ledger:
        done = audit.rebuild(ledger, store)
        where = ledger.url
    code = 1 if done.damaged or done.refused else 0
    if as_json:
        print_json(_rebuilt(done, where) | {"exit_code": code})
    else:
        _print_rebuilt(done, where, Console(highlight=False))
    return code


def _document(snapshot: Snapshot, found: Iterable[Finding], mended: tuple[str, ...], code: int) -> dict[str, Any]:
    """The object that `ledger check --json` prints."""
    rows = [(one.kind.violation, _as_json(one)) for one in found]
    return {
        "agree": code == 0,
        "deep": snapshot.deep,
        "counts": _counts(snapshot),
        "findings": [row for violation, row in rows if violation],
        "information": [row for violation, row in rows if not violation],
        "mended": list(mended),
        "exit_code": code,
    }


def _as_json(one: Finding) -> dict[str, str]:
    return {
        "kind": str(one.kind), "subject": one.subject, "game": one.game, "message": one.message, "hint": one.hint,
    }  # fmt: skip


def _counts(snapshot: Snapshot) -> dict[str, int]:
    return {
        "attempts": len(snapshot.rows),
        "receipts": len(snapshot.receipts) + len(snapshot.damaged),
        "finishes": len(snapshot.finishes),
        "files": len(snapshot.blobs),
        "indexes": len({published.key for published in snapshot.indexes}),
    }


def _print_check(snapshot: Snapshot, found: tuple[Finding, ...], mended: tuple[str, ...], console: Console) -> None:
    """Findings by kind with what to do about them, information below, and one line that sums it up."""
    for violation in (True, False):
        chosen = [one for one in found if one.kind.violation is violation]
        for _, group in groupby(chosen, key=lambda one: one.kind):
            _print_kind(list(group), console)
    if mended:
        console.print(f"stored {many(len(mended), 'receipt')} of rows that had none")
    looked = ", ".join(f"{count} {thing}" for thing, count in _counts(snapshot).items())
    wrong = sum(one.kind.violation for one in found)
    verdict = f"[bold red]{many(wrong, 'finding')}[/]" if wrong else "[green]everything agrees[/]"
    files = "every file was read" if snapshot.deep else "files were listed, not read (--deep reads them)"
    console.print(f"{verdict}: {looked}; {files}", soft_wrap=True)


def _print_kind(group: list[Finding], console: Console) -> None:
    from assetmill.audit.findings import TITLES

    kind = group[0].kind
    colour = "red" if kind.violation else "cyan"
    console.print(f"[bold {colour}]{kind}[/] ({len(group)}): {TITLES[kind]}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    for column in ("game", "subject", "message"):
        table.add_column(column, overflow="fold")
    for one in group[:SHOWN]:
        table.add_row(f"  {escape(one.game)}", escape(one.subject), escape(one.message))
    console.print(table)
    if len(group) > SHOWN:
        console.print(f"  ... and {len(group) - SHOWN} more (--json lists all)")
    for hint in dict.fromkeys(one.hint for one in group if one.hint):
        console.print(f"  [bold]hint:[/] {escape(hint)}", soft_wrap=True)
    console.print()


def _rebuilt(done: Rebuilt, where: str) -> dict[str, Any]:
    """The object that `ledger rebuild --json` prints."""
    return {
        "ledger": where,
        "restored": list(done.restored),
        "present": done.present,
        "damaged": dict(done.damaged),
        "refused": dict(done.refused),
        "finishes_left_out": done.left_out,
    }


def _print_rebuilt(done: Rebuilt, where: str, console: Console) -> None:
    for key, why in done.damaged.items():
        ERR.print(f"[bold red]damaged:[/] {escape(why if key in why else f'{key}: {why}')}")
    for attempt_id, why in done.refused.items():
        ERR.print(f"[bold red]refused:[/] {escape(attempt_id)}: {escape(why)}")
    if done.left_out:
        ERR.print(f"{done.left_out} finishes of unknown runs left out; the next run makes them again for free")
    counts = f"{many(len(done.restored), 'attempt')} restored, {done.present} there already"
    wrong = (
        f", {len(done.damaged)} receipts damaged, {len(done.refused)} refused" if done.damaged or done.refused else ""
    )
    console.print(f"{counts}{wrong} in {escape(where)}", soft_wrap=True)
