"""`run`: consent first, then the flow, then where to look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import typer
from rich.console import Console
from rich.markup import escape

from assetmill.batch.prepare import Request, plan_only
from assetmill.batch.progress import listening
from assetmill.cli.outcome import ERR, print_json
from assetmill.cli.plan import print_plan
from assetmill.cli.prefect_server import SERVER_SETTINGS, prefect_api, prefect_home, wait_until_recorded
from assetmill.cli.progress import shown_progress
from assetmill.errors import ConsentMissing
from assetmill.planning.plan import Plan
from assetmill.settings import Settings, load_settings, reach_this_machine_directly, set_environment

if TYPE_CHECKING:
    from assetmill.batch.report import BatchReport
    from flows.in_process import FlowResult


def run_manifest(request: Request, *, yes: bool, as_json: bool) -> int:
    """Run a manifest and print its report; the exit code is the report's."""
    settings = load_settings()
    plan = plan_only(settings, request)
    ask_consent(plan, yes=yes, console=ERR)
    reach_this_machine_directly()
    with prefect_api(settings.home, settings.prefect_api_url) as api_url:
        with shown_progress(ERR) as listener, listening(listener):
            result = _run_flow(settings, api_url, request)
        if not wait_until_recorded(api_url, result.flow_run_id):
            ERR.print("[yellow]the Prefect server has not recorded every task run yet[/]")
    if result.error is not None:
        raise result.error
    if result.report is None:
        raise RuntimeError("the flow ended without a report")
    if as_json:
        print_json(result.report.model_dump(mode="json"))
    else:
        print_result(result.report, settings, Console(highlight=False))
    return result.report.exit_code


def ask_consent(plan: Plan, *, yes: bool, console: Console) -> None:
    """Show what would be paid and ask; without a terminal, refuse unless `--yes` was given.

    Raises:
        ConsentMissing: nobody agreed; nothing was sent.
    """
    if yes or not plan.may_pay or not plan.endpoint.paid:
        return
    print_plan(plan, console)
    if not console.is_terminal:
        raise ConsentMissing(
            "this run costs money and nobody has agreed to it", hint="look at the plan, then add --yes"
        )
    if not typer.confirm("Spend this?", err=True):
        raise ConsentMissing("not agreed; nothing was sent")


def print_result(report: BatchReport, settings: Settings, console: Console) -> None:
    """Say what came out and where to look."""
    for line in report.failures:
        what = f"{line.type}/{line.asset}" + (f"#{line.candidate}" if line.candidate else "")
        hint = f" ({line.hint})" if line.hint else ""
        console.print(f"[red]{line.state}[/] {what}: {escape(line.message + hint)}", soft_wrap=True)
    if report.stopped:
        console.print(f"[bold red]stopped:[/] {escape(report.stopped)}", soft_wrap=True)
    console.print(f"[bold]{escape(report.sentence)}[/]" + (" [yellow](draft art)[/]" if report.draft else ""))
    if report.cached and not report.generated and not report.failed:
        console.print("nothing was generated: every picture is there already")
    for name, key in (("gallery", report.gallery), ("pack index", report.index)):
        if key:
            console.print(f"{name:13} {_place(report.store, key)}", soft_wrap=True)
    console.print(f"{'results table':13} {_shown(settings.ledger_url)}  (assetmill report)", soft_wrap=True)


def _place(store: str, key: str) -> str:
    """Path of an object in a local store, its address elsewhere."""
    if store.startswith("file:"):
        return str(Path(url2pathname(urlsplit(store).path)) / key)
    return f"{store.rstrip('/')}/{key}"


def _shown(ledger_url: str) -> str:
    """The ledger's address without user and password."""
    if ledger_url.startswith("sqlite:///"):
        return ledger_url.removeprefix("sqlite:///")
    parts = urlsplit(ledger_url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def _run_flow(settings: Settings, api_url: str, request: Request) -> FlowResult:
    """Run the flow in this process. Prefect is imported only here, after its settings are in place."""
    set_environment(
        {
            **SERVER_SETTINGS,
            "PREFECT_API_URL": api_url,
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the terminal has our own lines; the API gets all
            **({} if settings.prefect_api_url else {"PREFECT_HOME": str(prefect_home(settings.home))}),
        }
    )
    from flows.in_process import run_generate_batch  # noqa: PLC0415  the only door to Prefect

    return run_generate_batch(
        {
            "manifest": str(request.manifest),
            "endpoint": request.endpoint,
            "only": list(request.selection.only),
            "types": list(request.selection.types),
            "overrides": dict(request.overrides),
        }
    )
