"""`compare MANIFEST`, and what comes after it: `compare list|serve|votes|summary|page`."""

from __future__ import annotations

import asyncio
import webbrowser
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from assetmill.cli.outcome import ERR, guarded, many, print_json
from assetmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assetmill.compare.making import Wanted
    from assetmill.compare.shelf import Compared
    from assetmill.compare.values import Comparison
    from assetmill.settings import Settings
    from assetmill.storage import Store
    from flows.in_process import CompareResult

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

NAME = "run"


class _ManifestFirst(TyperGroup):
    """`compare MANIFEST` is `compare run MANIFEST`; a manifest that is called like a command is written ./list."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in that is left out."""
        asked = args[0] if args else "--help"
        if asked not in self.commands and asked not in ("--help", "--install-completion", "--show-completion"):
            args.insert(0, NAME)
        return super().parse_args(ctx, args)


compare_app = typer.Typer(
    cls=_ManifestFirst,
    help="The same pictures by two providers, side by side: compare MANIFEST --providers a,b.",
    no_args_is_help=True,
)

Source = Annotated[
    str, typer.Argument(help="YAML or CSV manifest: a path, an address or store:KEY.", metavar="MANIFEST")
]
Game = Annotated[str, typer.Argument(metavar="GAME", help="Game id.")]
Identity = Annotated[str | None, typer.Argument(metavar="ID", help="Comparison; the newest if not given.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")]
Open = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]


@compare_app.command(NAME)
@guarded
def run(
    manifest: Source, *,
    providers: Annotated[
        str, typer.Option("--providers", metavar="A,B", help="Two of draft, runpod, custom, scenario, comfyui, ...")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to what it costs.")] = False,
    only: Annotated[str | None, typer.Option("--only", metavar="ID,..", help="Only these assets.")] = None,
    types: Annotated[str | None, typer.Option("--type", metavar="T,..", help="Only these asset types.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Set a field for all assets; repeatable.")
    ] = None,
    max_cost: Annotated[
        str | None, typer.Option(metavar="USD", help="The most that both together may cost.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the page for votes afterwards.")] = False,
    open_page: Open = False, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Make what is missing by both providers, and the page that shows them; publishes nothing."""
    from assetmill.batch.source import manifest_from
    from assetmill.cli.app import chosen, parse_overrides, parse_usd, split
    from assetmill.clock import Clock
    from assetmill.compare.making import Wanted
    from assetmill.planning.plan import Selection
    from assetmill.settings import load_settings, reach_this_machine_directly

    reach_this_machine_directly()
    settings = load_settings()
    selection = Selection(chosen("--only", only), chosen("--type", types))
    with manifest_from(manifest, settings, Clock()) as local:
        wanted = Wanted(
            local.path, split(providers), selection, parse_overrides(overrides), local.source,
            parse_usd("--max-cost", max_cost),
        )  # fmt: skip
        compared = _run(settings, wanted, yes=yes)
    if as_json:
        print_json(compared.model_dump(mode="json"))
    else:
        _print(compared)
    in_folder = compared.store.startswith("file:")
    if serve or (open_page and not in_folder):  # a browser gets pictures of another store from us only
        _serve(settings, compared.game, compared.id, 0, open_page=open_page)
    elif open_page:
        from assetmill.batch.places import place

        webbrowser.open(Path(place(compared.store, compared.page)).as_uri())
    return compared.exit_code


@compare_app.command("list")
@guarded
def list_comparisons(game: Game, *, as_json: AsJson = False) -> int:
    """The comparisons of a game, newest first."""
    from assetmill.compare.shelf import listed

    found = listed(_store(), game)
    if as_json:
        print_json({"comparisons": [_described(one) for one in found], "exit_code": 0})
        return 0
    for one in found:
        Console(highlight=False).print(
            f"{one.id}  {one.made_at:%Y-%m-%d %H:%M}  {' and '.join(map(escape, one.names))}, {len(one.pairs)} pairs",
            soft_wrap=True,
        )
    if not found:
        ERR.print(f"{escape(game)} has no comparison yet")
    return 0


@compare_app.command("serve")
@guarded
def serve_page(game: Game, identity: Identity = None, *, port: Port = 0, open_page: Open = False) -> int:
    """Show the page on this machine and take votes, until Ctrl-C."""
    from assetmill.settings import load_settings

    _serve(load_settings(), game, identity, port, open_page=open_page)
    return 0


@compare_app.command("votes")
@guarded
def votes(
    game: Game, identity: Identity = None, *,
    file: Annotated[Path | None, typer.Option("--import", metavar="FILE", help="Take in what a page saved.")] = None,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """What people said; with --import, take in the file that a page has saved."""
    from assetmill.clock import Clock
    from assetmill.compare.ballots import read_file
    from assetmill.compare.page import vote_json
    from assetmill.compare.shelf import read
    from assetmill.ledger import Ledger
    from assetmill.settings import load_settings

    comparison = read(_store(), game, identity)
    with Ledger.open(load_settings().ledger_url) as ledger:
        if file is not None:
            taken = read_file(comparison, file, now=Clock().now())
            ledger.votes.cast(taken)
            ERR.print(f"{len(taken)} votes taken in")
        said = ledger.votes.of(comparison.id)
    if as_json:
        print_json({"comparison": comparison.id, "votes": [vote_json(vote) for vote in said], "exit_code": 0})
        return 0
    for vote in said:
        number = f"#{vote.candidate}" if vote.candidate else ""
        note = f": {vote.note}" if vote.note else ""
        words = f"{vote.asset_id}{number}  {vote.choice}  ({vote.voter}, {vote.voted_at:%Y-%m-%d %H:%M}){note}"
        Console(highlight=False).print(escape(words), soft_wrap=True)
    if not said:
        ERR.print("nobody has voted yet")
    return 0


@compare_app.command("summary")
@guarded
def summary(
    game: Game, identity: Identity = None, *,
    fallback: Annotated[bool, typer.Option("--fallback", help="Let the other one take over.")] = False,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Who should make which type, as a `routing` block for the manifest, with the evidence for it."""
    from assetmill.compare.policy import policy_text, routes
    from assetmill.compare.shelf import read
    from assetmill.compare.summary import verdicts
    from assetmill.ledger import Ledger
    from assetmill.settings import load_settings

    comparison = read(_store(), game, identity)
    with Ledger.open(load_settings().ledger_url) as ledger:
        found = verdicts(comparison, ledger.votes.of(comparison.id))
    if as_json:
        decided = routes(comparison, found, fallback=fallback)
        told = [asdict(verdict) for verdict in found]
        print_json({"comparison": comparison.id, "routing": decided, "types": _plain(told), "exit_code": 0})
    else:
        typer.echo(policy_text(comparison, found, fallback=fallback), nl=False)
    return 0


@compare_app.command("page")
@guarded
def page(
    game: Game, identity: Identity = None, *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Write it here.")],
) -> int:  # fmt: skip
    """One HTML file with all pictures in it, to send to somebody; they send back the votes that it saves."""
    from assetmill.compare.page import render
    from assetmill.compare.shelf import inlined, read

    store = _store()
    comparison = read(store, game, identity)
    text = render(comparison, (), href=inlined(store))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}", hint="--out names a file") from error
    ERR.print(f"{escape(str(out))}, {len(text) // 1_000_000} MB")
    return 0


def _run(settings: Settings, wanted: Wanted, *, yes: bool) -> Compared:
    """Ask for both sides at once, run the flow, and give what it left.

    Raises:
        AssetmillError: it came to no comparison.
    """
    from assetmill.batch.progress import listening
    from assetmill.cli.prefect_server import prefect_api, wait_until_recorded
    from assetmill.cli.progress import shown_progress
    from assetmill.cli.run import ask_consent
    from assetmill.compare.making import prepare

    prepared = prepare(settings, wanted)
    for plan in prepared.plans:
        ask_consent(plan, yes=yes, budgeted=wanted.budget_usd is not None, note="", console=ERR)
    with prefect_api(settings.home, settings.prefect_api_url) as api_url:
        with shown_progress(ERR) as listener, listening(listener):
            result = _flow(settings, api_url, wanted, prepared.plans[0].pack.game.id)
        if not wait_until_recorded(api_url, result.flow_run_id):
            ERR.print("[yellow]the Prefect server has not recorded every task run yet[/]")
    if result.error is not None:
        raise result.error
    if result.compared is None:
        raise RuntimeError("the flow ended without a comparison")
    return result.compared


def _flow(settings: Settings, api_url: str, wanted: Wanted, game: str) -> CompareResult:
    from assetmill.cli.outcome import Interrupted
    from assetmill.cli.run import interrupted_words, set_for_prefect

    set_for_prefect(settings, api_url)
    from flows.in_process import run_compare

    parameters = {
        "manifest": str(wanted.manifest),
        "providers": list(wanted.providers),
        "only": list(wanted.selection.only),
        "types": list(wanted.selection.types),
        "overrides": dict(wanted.overrides),
        "source": wanted.source,
        "budget_usd": None if wanted.budget_usd is None else float(wanted.budget_usd),
    }
    try:
        return run_compare(parameters, own_server=settings.prefect_api_url is None)
    except KeyboardInterrupt as interruption:
        raise Interrupted(interrupted_words(settings.ledger_url, game)) from interruption


def _serve(settings: Settings, game: str, identity: str | None, port: int, *, open_page: bool) -> None:
    """Run the page until Ctrl-C or SIGTERM."""
    from assetmill.clock import Clock
    from assetmill.compare.serving import Booth, Place
    from assetmill.compare.shelf import read
    from assetmill.ledger import Ledger
    from assetmill.localpod.server import hosting, until_told
    from assetmill.storage import open_store

    store, clock = open_store(settings.store_url, settings.store_access), Clock()
    comparison = read(store, game, identity)

    def ready(url: str) -> None:
        typer.echo(url)
        ERR.print("votes go into the books; Ctrl-C ends this")
        if open_page:
            webbrowser.open(url)

    with Ledger.open(settings.ledger_url) as ledger:
        booth = hosting(Place(port), lambda taken: Booth(comparison, store, ledger, clock, taken))
        try:
            asyncio.run(until_told(booth, ready=ready, clock=clock))
        except KeyboardInterrupt:
            ERR.print("ended")


def _store() -> Store:
    from assetmill.settings import load_settings
    from assetmill.storage import open_store

    settings = load_settings()
    return open_store(settings.store_url, settings.store_access)


def _print(compared: Compared) -> None:
    from assetmill.batch.places import place

    draft = " [yellow](draft art)[/]" if compared.draft else ""
    console = Console(highlight=False)
    for why, count in compared.reasons.items():
        console.print(f"[red]{many(count, 'picture')}[/] {escape(why)}", soft_wrap=True)
    console.print(f"[bold]{escape(compared.sentence)}[/]{draft}", soft_wrap=True)
    console.print(f"{'page':13} {escape(place(compared.store, compared.page))}", soft_wrap=True)
    console.print(f"{'votes':13} assetmill compare serve {compared.game} {compared.id}", soft_wrap=True)
    console.print(f"{'then':13} assetmill compare summary {compared.game} {compared.id}", soft_wrap=True)


def _described(comparison: Comparison) -> Mapping[str, Any]:
    return {
        "id": comparison.id, "made_at": comparison.made_at.isoformat(), "sides": list(comparison.names),
        "pairs": len(comparison.pairs), "left_out": len(comparison.left_out), "draft": comparison.draft,
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """JSON values; money as text, exactly."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Decimal) else value
