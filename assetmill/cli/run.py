"""`run`: consent first, then the flow, then where to look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from assetmill.batch.places import place
from assetmill.batch.prepare import Request, budget_outlook, plan_only
from assetmill.batch.progress import listening
from assetmill.batch.source import manifest_from
from assetmill.cli.outcome import ERR, NOTHING_LOST, Interrupted, many, print_json
from assetmill.cli.plan import print_plan
from assetmill.cli.prefect_server import SERVER_SETTINGS, prefect_api, prefect_home, wait_until_recorded
from assetmill.cli.progress import shown_progress
from assetmill.clock import Clock
from assetmill.errors import ConsentMissing, LedgerError
from assetmill.ledger import Ledger
from assetmill.planning.plan import Plan
from assetmill.settings import Settings, load_settings, reach_this_machine_directly, set_environment

if TYPE_CHECKING:
    from assetmill.batch.report import BatchReport, Line
    from flows.in_process import FlowResult

NAMES_SHOWN = 3
RUN_SETTINGS = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
"""A deployed server takes a run for dead that has been silent for 90 s; by itself Prefect tells of one every 180 s."""


def run_manifest(name: str, request: Request, *, yes: bool, as_json: bool) -> int:
    """Run a manifest and print its report; the exit code is the report's.

    Args:
        name: path or address of the manifest. What is fetched is fetched once: the run makes what was agreed to.
        request: all else that the run is asked for.
        yes: whether the cost is agreed to already.
        as_json: print the report as one object.
    """
    reach_this_machine_directly()
    settings = load_settings()
    with manifest_from(name, settings, Clock()) as local:
        return _run(settings, replace(request, manifest=local.path, source=local.source), yes=yes, as_json=as_json)


def _run(settings: Settings, request: Request, *, yes: bool, as_json: bool) -> int:
    plan = plan_only(settings, request)
    outlook = budget_outlook(settings, request, plan, Clock().now())
    untold = any(one.paid and not one.by_units and one.usd_per_s is None for one in plan.endpoints)
    note = outlook.words if untold else outlook.check()  # an endpoint may tell its price
    # A manifest's own budget agrees to nothing: whoever runs it has not said anything.
    budgeted = request.budget_usd is not None or settings.run_budget_usd is not None
    ask_consent(plan, yes=yes, budgeted=budgeted, note=note, console=ERR)
    with prefect_api(settings.home, settings.prefect_api_url) as api_url:
        with shown_progress(ERR) as listener, listening(listener):
            result = _run_or_say_what_is_open(settings, api_url, request, plan.pack.game.id)
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


def ask_consent(plan: Plan, *, yes: bool, budgeted: bool, note: str, console: Console) -> None:
    """Show what would be paid and ask; without a terminal, refuse unless `--yes` or a budget was given.

    Args:
        plan: what would be sent.
        yes: `--yes` was given.
        budgeted: it was said what the run may cost at most.
        note: what the budgets leave of the plan, if not all of it.
        console: where to ask.

    Raises:
        ConsentMissing: nobody agreed; nothing was sent.
    """
    if not plan.may_pay or not plan.paid:
        return

    def show() -> None:
        print_plan(plan, console)
        if note:
            console.print(f"[yellow]{escape(note)}[/]", soft_wrap=True)

    agree(show, "this run", yes=yes, budgeted=budgeted, console=console)


def agree(show: Callable[[], None], what: str, *, yes: bool, budgeted: bool, console: Console) -> None:
    """Show what something would cost and ask; without a terminal, `--yes` or a budget has to have agreed.

    Args:
        show: shows what would be paid for.
        what: what costs money, as a sentence begins with it.
        yes: `--yes` was given.
        budgeted: it was said what it may cost at most.
        console: where to ask.

    Raises:
        ConsentMissing: nobody agreed; nothing was sent.
    """
    if yes or (budgeted and not console.is_terminal):
        return
    show()
    if not console.is_terminal:
        raise ConsentMissing(
            f"{what} costs money and nobody has agreed to it",
            hint="look at the plan, then add --yes, or --max-cost USD for the most that it may cost",
        )
    if not typer.confirm("Spend this?", err=True):
        raise ConsentMissing("not agreed; nothing was sent")


def print_result(report: BatchReport, settings: Settings, console: Console) -> None:
    """Say what came out and where to look."""
    for state, words in failure_lines(report):
        console.print(f"[red]{state}[/] {escape(words)}", soft_wrap=True)
    if report.stopped:
        hints = {line.hint for line in report.failures if line.message == report.stopped and line.hint}
        words = _with_hint(report.stopped, min(hints, default=""))
        console.print(f"[bold red]stopped:[/] {escape(words)}", soft_wrap=True)
    draft = " [yellow](draft art)[/]" if report.draft else ""
    console.print(f"[bold]{escape(report.sentence)}[/]{draft}", soft_wrap=True)
    if report.cached and not report.generated and not report.failed:
        console.print("nothing was generated: every picture is there already")
    for name, key in (("gallery", report.gallery), ("pack index", report.index)):
        if key:
            console.print(f"{name:13} {place(report.store, key)}", soft_wrap=True)
    console.print(f"{'results table':13} {_shown(settings.ledger_url)}  (assetmill report)", soft_wrap=True)


def failure_lines(report: BatchReport) -> list[tuple[str, str]]:
    """Pictures that are not there as (state, words), one line for all that failed alike.

    Pictures that were not sent because the run stopped are not told why each: the run says that once.
    """
    alike: dict[tuple[str, str], list[Line]] = {}
    for line in report.failures:
        because_stopped = line.state == "unsent" and line.message == report.stopped
        words = "" if because_stopped else _with_hint(line.message, line.hint)
        alike.setdefault((line.state, words), []).append(line)
    return [(state, _named(lines) + (f": {words}" if words else "")) for (state, words), lines in alike.items()]


def _named(lines: Sequence[Line]) -> str:
    """Pictures in a few words; of many, the first and the last."""
    names = [f"{line.type}/{line.asset}" + (f"#{line.candidate}" if line.candidate else "") for line in lines]
    if len(names) == 1:
        return names[0]
    shown = ", ".join(names) if len(names) <= NAMES_SHOWN else f"{names[0]} … {names[-1]}"
    return f"{len(names)} pictures ({shown})"


def _with_hint(message: str, hint: str) -> str:
    return f"{message} ({hint})" if hint else message


def interrupted_words(ledger_url: str, game: str) -> str:
    """What somebody has to know who has ended a run at once: jobs that run on are charged, and results do not last."""
    collect = "`assetmill settle --wait` within 30 minutes"
    try:
        with Ledger.open(ledger_url) as ledger:
            out = sum(not one.draft for one in ledger.open_attempts(game=game))
    except LedgerError as error:
        return f"interrupted; the books cannot be read ({error.message}): jobs may run on, {collect} collects them"
    if not out:
        return NOTHING_LOST
    are, them = ("is", "it") if out == 1 else ("are", "them")
    jobs = f"{many(out, 'job')} of {game} {are} still open in the books and charged"
    return f"interrupted; {jobs}: {collect} collects {them}, later the results are gone"


def _shown(ledger_url: str) -> str:
    """The ledger's address without user and password."""
    if ledger_url.startswith("sqlite:///"):
        return ledger_url.removeprefix("sqlite:///")
    parts = urlsplit(ledger_url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def _run_or_say_what_is_open(settings: Settings, api_url: str, request: Request, game: str) -> FlowResult:
    """Run the flow.

    Raises:
        Interrupted: it was ended at once; says what is still out.
    """
    try:
        return _run_flow(settings, api_url, request)
    except KeyboardInterrupt as interruption:
        raise Interrupted(interrupted_words(settings.ledger_url, game)) from interruption


def set_for_prefect(settings: Settings, api_url: str) -> None:
    """Set what Prefect reads when it is imported, for a flow that runs in this process."""
    set_environment(
        {
            **SERVER_SETTINGS,
            **RUN_SETTINGS,
            "PREFECT_API_URL": api_url,
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the terminal has our own lines; the API gets all
            **({} if settings.prefect_api_url else {"PREFECT_HOME": str(prefect_home(settings.home))}),
        }
    )


def _run_flow(settings: Settings, api_url: str, request: Request) -> FlowResult:
    """Run the flow in this process. Prefect is imported only here, after its settings are in place."""
    set_for_prefect(settings, api_url)
    from flows.in_process import run_generate_batch  # noqa: PLC0415  the only door to Prefect

    return run_generate_batch(
        {
            "manifest": str(request.manifest),
            "endpoint": request.endpoint,
            "only": list(request.selection.only),
            "types": list(request.selection.types),
            "overrides": dict(request.overrides),
            "source": request.source,
            "priority": request.priority,
            "scale": request.scale,
            "budget_usd": None if request.budget_usd is None else float(request.budget_usd),
        },
        own_server=settings.prefect_api_url is None,
    )
