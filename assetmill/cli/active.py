"""`active list|add|remove`: which manifests are run every night."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assetmill.cli.outcome import ERR, guarded, print_json
from assetmill.errors import UsageError

if TYPE_CHECKING:
    from assetmill.active import Entry
    from assetmill.batch.prepare import Priority
    from assetmill.storage import Store

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

active_app = typer.Typer(help="Manifests that are run every night.", no_args_is_help=True)
PROVIDERS = ("draft", "runpod", "custom", "scenario", "comfyui")

File = Annotated[str, typer.Argument(metavar="FILE", help="Manifest; a copy of it goes into the store.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its name on the list; else its file's.")]
Budget = Annotated[
    str | None, typer.Option("--budget", metavar="USD", help="Most that it may cost in one night; else no limit.")
]
Prio = Annotated[
    str, typer.Option("--priority", metavar="urgent|normal|backfill", help="Among runs that share an endpoint.")
]
Provider = Annotated[
    str | None, typer.Option("--provider", metavar="|".join(PROVIDERS), help="Who draws; else as the worker is set.")
]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", metavar="ID_OR_URL", help="RunPod endpoint id or address; above --provider.")
]
Only = Annotated[str | None, typer.Option("--only", metavar="ID,..", help="Only these assets.")]
Types = Annotated[str | None, typer.Option("--type", metavar="T,..", help="Only these asset types.")]
ByPath = Annotated[
    bool, typer.Option("--by-path", help="Copy nothing: FILE is a path on the workers, or an address, read each night.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@active_app.command("list")
@guarded
def list_entries(*, as_json: AsJson = False) -> int:
    """What is run every night, and what it may cost."""
    from assetmill.active import read_active

    entries = read_active(_store()).entries
    if as_json:
        print_json({"entries": [entry.model_dump(mode="json") for entry in entries], "exit_code": 0})
    elif not entries:
        ERR.print("nothing is on the active list; `assetmill active add FILE` puts a manifest there")
    else:
        Console(highlight=False).print(_table(entries))
    return 0


@active_app.command("add")
@guarded
def add_entry(
    file: File, *, name: Name = None, budget: Budget = None, priority: Prio = "normal", provider: Provider = None,
    endpoint: Endpoint = None, only: Only = None, types: Types = None, by_path: ByPath = False, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Check a manifest, keep a copy of it in the store and run that every night; one of the same name is replaced."""
    from assetmill import active
    from assetmill.clock import Clock
    from assetmill.planning.plan import Selection

    store = _store()
    fields: dict[str, Any] = {
        "name": name or _name_of(file), "budget_usd": _usd(budget), "priority": _priority(priority),
        "provider": provider, "endpoint": endpoint, "only": _split(only), "types": _split(types),
        "manifest": file, "added_at": Clock().now(),
    }  # fmt: skip
    active.checked(fields)  # before anything is written
    if not by_path:
        copied, _ = active.keep_manifest(store, Path(file), Selection(fields["only"], fields["types"]))
        fields |= {"manifest": copied, "source": Path(file).name}
    entry = active.checked(fields)
    new = active.add(store, entry)
    if as_json:
        print_json({"added": entry.model_dump(mode="json"), "replaced": not new, "exit_code": 0})
    else:
        ERR.print(f"{escape(entry.name)} is {'on the active list' if new else 'replaced on the active list'}")
    return 0


@active_app.command("remove")
@guarded
def remove_entry(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name on the list.")], *, as_json: AsJson = False
) -> int:
    """Run a manifest no more; the copy of it stays in the store."""
    from assetmill.active import remove

    entry = remove(_store(), name)
    if as_json:
        print_json({"removed": entry.model_dump(mode="json"), "exit_code": 0})
    else:
        ERR.print(f"{escape(name)} is off the active list")
    return 0


def _store() -> Store:
    from assetmill.settings import load_settings
    from assetmill.storage import open_store

    settings = load_settings()
    return open_store(settings.store_url, settings.store_access)


def _name_of(file: str) -> str:
    """A name from a file or an address: its last part without what comes after the dot."""
    stem = Path(file.rstrip("/").rpartition("/")[2]).stem
    return re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:64]


def _usd(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UsageError(f"--budget {text!r} is no amount", hint="US dollars, such as 2.50") from None


def _priority(text: str) -> Priority:
    from assetmill.batch.prepare import Priority

    if text not in get_args(Priority):
        raise UsageError(f"no priority is called {text!r}", hint=f"one of {', '.join(get_args(Priority))}")
    return cast("Priority", text)


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _table(entries: tuple[Entry, ...]) -> Table:
    from assetmill.money import usd

    table = Table("name", "manifest", "at", "budget", "priority", "part", box=None, pad_edge=False)
    for entry in entries:
        cells = (
            entry.name,
            entry.source or entry.manifest,
            entry.endpoint or entry.provider or "as configured",
            "no limit" if entry.budget_usd is None else usd(entry.budget_usd),
            entry.priority,
            ", ".join((*entry.only, *entry.types)) or "all",
        )
        table.add_row(*map(escape, cells))
    return table
