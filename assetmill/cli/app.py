"""All commands and their options. The work is done elsewhere; this is the list that `--help` shows."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from assetmill import __version__
from assetmill.cli.active import active_app
from assetmill.cli.compare import compare_app
from assetmill.cli.deploy import deploy
from assetmill.cli.endpoint import endpoint_app
from assetmill.cli.export import export
from assetmill.cli.ledger import ledger_app
from assetmill.cli.outcome import ERR, guarded
from assetmill.cli.pack import pack_app
from assetmill.cli.services import server, worker
from assetmill.cli.store import store_app
from assetmill.cli.submissions import submissions_app, submit
from assetmill.cli.worker_image import worker_image_app
from assetmill.errors import UsageError

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

app = typer.Typer(
    name="assetmill",
    help="Batch generation of game art: a manifest in, a published and accounted asset pack out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
workflows_app = typer.Typer(help="The ComfyUI workflows.", no_args_is_help=True)
app.add_typer(workflows_app, name="workflows")
app.add_typer(ledger_app, name="ledger")
app.add_typer(pack_app, name="pack")
app.add_typer(store_app, name="store")
app.add_typer(active_app, name="active")
app.add_typer(submissions_app, name="submissions")
app.add_typer(compare_app, name="compare")
app.add_typer(endpoint_app, name="endpoint")
app.add_typer(worker_image_app, name="worker-image")
app.command("export")(export)
app.command("submit")(submit)
app.command("deploy")(deploy)
app.command("server")(server)
app.command("worker")(worker)

Manifest = Annotated[Path, typer.Argument(help="YAML or CSV manifest.", metavar="MANIFEST")]
Source = Annotated[
    str, typer.Argument(help="YAML or CSV manifest: a path, an address or store:KEY.", metavar="MANIFEST")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Only = Annotated[str | None, typer.Option("--only", metavar="ID,..", help="Only these assets.")]
Types = Annotated[str | None, typer.Option("--type", metavar="T,..", help="Only these asset types.")]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--provider",
        "--endpoint",
        metavar="NAME_OR_URL,..",
        help="Who draws: draft, runpod, custom, scenario, comfyui, a RunPod id or a URL. Further names take over.",
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Set a field for all assets; repeatable.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"assetmill {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options that come before the command."""


@app.command()
@guarded
def validate(manifest: Manifest, overrides: Overrides = None, as_json: AsJson = False) -> int:
    """Check a manifest; every error says file, line, column and what was expected."""
    from assetmill.cli.validate import validate_manifest

    return validate_manifest(manifest, parse_overrides(overrides), as_json=as_json)


@app.command()
@guarded
def plan(
    manifest: Manifest, *, only: Only = None, types: Types = None, endpoint: Endpoint = None,
    overrides: Overrides = None, as_json: AsJson = False,
) -> int:  # fmt: skip
    """Say what a run would do, why, and what it would cost. Asks no network."""
    from assetmill.cli.plan import show_plan

    return show_plan(_request(manifest, endpoint, only, types, overrides), as_json=as_json)


@app.command()
@guarded
def run(
    manifest: Source, *, yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to what it costs.")] = False,
    only: Only = None, types: Types = None, endpoint: Endpoint = None, overrides: Overrides = None,
    max_cost: Annotated[
        str | None, typer.Option(metavar="USD", help="The most that it may cost; what does not fit is left.")
    ] = None,
    priority: Annotated[
        Literal["urgent", "normal", "backfill"], typer.Option(help="Among runs that share an endpoint.")
    ] = "normal",
    scale: Annotated[
        Literal["keep", "restore", "around"] | None,
        typer.Option(help="Raise the endpoint's max workers before the run, and lower them to 0 after it."),
    ] = None,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Generate what is missing, publish the pack, write the books."""
    from dataclasses import replace

    from assetmill.cli.run import run_manifest

    request = _request(Path(manifest), endpoint, only, types, overrides)
    limited = replace(request, budget_usd=parse_usd("--max-cost", max_cost), priority=priority, scale=scale)
    return run_manifest(manifest, limited, yes=yes, as_json=as_json)


@app.command()
@guarded
def settle(
    *, game: Annotated[str | None, typer.Option("--game", metavar="ID", help="Only this game.")] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", metavar="URL", help="Only this address.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch jobs that still run to their end.")] = False,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Collect jobs that were sent and never settled; begins nothing new. RunPod keeps results for 30 minutes."""
    from assetmill.cli.settle import settle as settle_open

    return settle_open(game, endpoint, wait=wait, as_json=as_json)


@app.command()
@guarded
def report(
    *, by: Annotated[
        str, typer.Option("--by", metavar="COLUMN,..", help="Group by: day, game, type, run, gpu, status ...")
    ] = "day,game,type,provider",
    form: Annotated[
        str, typer.Option("--format", metavar="table|csv|json|parquet|xlsx|html", help="How to write it.")
    ] = "table",
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="From this date or time on.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this date or time.")] = None,
    timezone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Of days, dates and times.")] = "UTC",
    game: Annotated[str | None, typer.Option("--game", metavar="ID", help="Only this game.")] = None,
    run_id: Annotated[str | None, typer.Option("--run", metavar="ID", help="Only this run.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it here.")] = None,
) -> int:  # fmt: skip
    """Cost and latency of every image, from the ledger; html is a page with charts."""
    from assetmill.cli.report import Asked, print_report

    return print_report(Asked(split(by), form, since, until, timezone, game, run_id, out))


@app.command()
@guarded
def reconcile(
    *, endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="NAME_OR_URL", help="Only this one; else all that were paid.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="From this date or time.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Up to this date or time.")] = None,
    timezone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Of dates and times.")] = "UTC",
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Ask what was billed, hour by hour, and set it beside what was estimated; the last 30 days."""
    from assetmill.cli.reconcile import show_reconciliation

    return show_reconciliation(endpoint, since, until, timezone, as_json=as_json)


@app.command()
@guarded
def prices(
    *,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask the provider's catalogue, and keep it.")] = False,
    endpoint: Endpoint = None,
    as_json: AsJson = False,
) -> int:
    """What a second of each GPU costs, with source and date; asks no network without --refresh."""
    from assetmill.cli.prices import show_prices

    return show_prices(endpoint, refresh=refresh, as_json=as_json)


@app.command()
@guarded
def doctor(
    *, endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="NAME_OR_URL", help="Ask this one, by a job that cannot run.")
    ] = None,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """What an endpoint can do, and what it lacks; without one, whether all that is configured stands."""
    from assetmill.cli.doctor import show_doctor

    return show_doctor(endpoint, as_json=as_json)


@app.command()
@guarded
def smoke(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="txt2img, img2img, remove-background, entity, background, title-hero, sheet, parallax, or full.",
        ),
    ],
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="Words; our own without.")] = None,
    image: Annotated[Path | None, typer.Argument(metavar="IMAGE", help="Picture to start from.")] = None,
    *, endpoint: Annotated[
        str | None, typer.Option("--endpoint", metavar="NAME_OR_URL", help="Who is tested; else who is configured.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Save the pictures here.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Each kind once, and not a second time warm.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to what it costs.")] = False,
    max_cost: Annotated[
        str | None, typer.Option("--max-cost", metavar="USD", help="The most that all of it may cost.")
    ] = None,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Send one real job, save what comes back, and say where its time and money went."""
    from assetmill.cli.smoke import run_smoke
    from assetmill.smoke.run import Wanted

    wanted = Wanted(kind, prompt or None, image, out, once, parse_usd("--max-cost", max_cost))
    return run_smoke(endpoint, wanted, yes=yes, as_json=as_json)


@app.command()
@guarded
def schema(out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there.")] = None) -> int:
    """The JSON Schema of manifests, for editors."""
    from assetmill.manifest.schema import schema_text

    text = schema_text()
    if out is None:
        sys.stdout.write(text)
    else:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {out}: {error.strerror}", hint="--out names a file") from error
        ERR.print(f"wrote {out}")
    return 0


@workflows_app.command("lint")
@guarded
def lint(
    *, against: Annotated[
        str | None, typer.Option("--against", metavar="URL_OR_FILE", help="A ComfyUI that runs, or its /object_info.")
    ] = None,
    ignore_models: Annotated[
        bool, typer.Option("--ignore-models", help="That ComfyUI has no model files: look at its nodes only.")
    ] = False,
    ignore_packs: Annotated[
        bool, typer.Option("--ignore-packs", help="It is bare: leave out node packs that it has nothing of.")
    ] = False,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Check every graph against the node contract, and against a ComfyUI that runs or what one told of its nodes."""
    from assetmill.cli.workflows import lint_workflows

    return lint_workflows(against, ignore_models=ignore_models, ignore_packs=ignore_packs, as_json=as_json)


@app.command()
@guarded
def serve(
    *, protocol: Annotated[
        Literal["runpod", "scenario", "comfyui"], typer.Option(help="Whose API the endpoint has.")
    ] = "runpod",
    workers: Annotated[int, typer.Option(min=1, max=100, help="Most workers at once.")] = 3,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    exec_seconds: Annotated[float, typer.Option(min=0, help="A job takes at least this long.")] = 0.0,
    cold_start: Annotated[float, typer.Option(min=0, help="Seconds before a worker's first job.")] = 0.0,
    idle_timeout: Annotated[float, typer.Option(min=0, help="Seconds until an idle worker goes away.")] = 5.0,
    announce: Annotated[bool, typer.Option(help="Print one JSON line with the address when ready.")] = False,
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON rules of what goes wrong.")] = None,
    faults_by_request: Annotated[
        bool, typer.Option("--faults-by-request", help="Jobs and calls may ask for faults of their own.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the faults' luck; the same one, the same luck.")] = None,
    speed: Annotated[float, typer.Option(help="Let the endpoint's time run this many times as fast.")] = 1.0,
    no_draft: Annotated[
        bool, typer.Option("--no-draft", help="Draw nothing: workers on RunPod's SDK, on your GPUs, do the jobs.")
    ] = False,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; beyond this machine only with a key.")
    ] = "127.0.0.1",
    reached_at: Annotated[
        str | None, typer.Option("--reached-at", metavar="URL", help="What workers call this machine, if not so.")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", metavar="POOL_OR_MODEL,..", help="GPUs of its workers, for prices.")
    ] = None,
    as_real: Annotated[
        bool, typer.Option("--as-real", help="Scenario and ComfyUI: pass for the real thing; for rehearsals.")
    ] = False,
) -> int:  # fmt: skip
    """Run an endpoint on this machine, RunPod's, Scenario's or ComfyUI's API: placeholder art, or your own GPUs."""
    from assetmill.cli.serve import LOOPBACK, Asked, pod_clock, serve_other, serve_runpod
    from assetmill.localpod import (
        DRAFT_ENDPOINT,
        LOCAL_GPU,
        NO_FAULTS,
        PodConfig,
        gpus_named,
        known_gpus,
        read_faults_file,
    )
    from assetmill.providers.endpoint import OWN
    from assetmill.settings import load_settings

    settings = load_settings()
    clock = pod_clock(seed, speed)
    if protocol != "runpod":
        if no_draft or gpu is not None or reached_at is not None or host != LOOPBACK:
            raise UsageError(f"--no-draft, --gpu, --host and --reached-at mean nothing to {protocol}")
        asked = Asked(port, workers, exec_seconds, cold_start, as_real, faults, faults_by_request)
        return serve_other(protocol, asked, settings, clock, announce=announce)
    if as_real:
        raise UsageError("--as-real is for scenario and comfyui", hint="RunPod's endpoint passes for real by its id")
    if reached_at is not None and not no_draft:
        raise UsageError("--reached-at is for the workers of --no-draft")
    key = settings.serve_key
    config = PodConfig(
        api_key=key.get_secret_value() if key else None, workers=workers, port=port, exec_seconds=exec_seconds,
        cold_start_s=cold_start, idle_timeout_s=idle_timeout, faults_by_request=faults_by_request,
        faults=read_faults_file(faults) if faults else NO_FAULTS, remote_workers=no_draft,
        endpoint_id=OWN if no_draft else DRAFT_ENDPOINT, host=host, allow_remote=host != LOOPBACK,
        gpus=(LOCAL_GPU,) if gpu is None else gpus_named(split(gpu)), catalog=known_gpus(),
    )  # fmt: skip
    return serve_runpod(config, clock, reached_at, announce=announce)


@app.command()
@guarded
def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")] = 4200) -> int:
    """Show past runs in the Prefect UI, until Ctrl-C."""
    from assetmill.cli.prefect_server import serve_ui
    from assetmill.settings import load_settings

    return serve_ui(load_settings().home, port)


def split(text: str) -> tuple[str, ...]:
    """Parts of a comma-separated option."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_usd(option: str, text: str | None) -> Decimal | None:
    """An amount of US dollars, with or without its sign; None if the option is not given.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{option} {text!r} is no amount of US dollars", hint="such as 2.50")
    return amount


def parse_overrides(pairs: list[str] | None) -> dict[str, Any]:
    """`FIELD=VALUE` options by dotted field; a later one goes above an earlier one.

    Raises:
        UsageError: a pair has no `=`.
    """
    fields: dict[str, Any] = {}
    for pair in pairs or ():
        name, separator, value = pair.partition("=")
        if not separator or not name.strip():
            raise UsageError(f"--set {pair!r} is not FIELD=VALUE", hint="such as --set candidates=2")
        fields[name.strip()] = _value(value.strip())
    return fields


def _value(text: str) -> Any:
    """Text as it stands: its field decides what it means, as in a CSV cell.

    YAML would make 750 of the title 12:30, False of the prompt `no` and nothing of #ff8800. It reads only what
    begins as its lists, maps and quoted texts do.
    """
    import yaml

    if not text.startswith(("[", "{", "'", '"')):
        return text or None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def chosen(option: str, text: str | None) -> tuple[str, ...]:
    """Names that an option gives; none at all is a shell variable that was empty, and not everything."""
    names = split(text or "")
    if text is not None and not names:
        raise UsageError(f"{option} names nothing", hint=f"leave {option} out to choose everything")
    return names


def _request(
    manifest: Path, endpoint: str | None, only: str | None, types: str | None, overrides: list[str] | None
) -> Any:
    from assetmill.batch.prepare import Request
    from assetmill.planning.plan import Selection

    selection = Selection(chosen("--only", only), chosen("--type", types))
    return Request(manifest, endpoint, selection, parse_overrides(overrides))
