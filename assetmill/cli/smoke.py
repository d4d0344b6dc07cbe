"""`smoke`: one real job of each kind at an endpoint, its picture on disk, where its time went and what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assetmill.batch.progress import Progress, listening
from assetmill.cli.outcome import ERR, Interrupted, many, print_json
from assetmill.cli.plan import duration_words, money_words
from assetmill.cli.run import agree, interrupted_words
from assetmill.clock import Clock
from assetmill.money import usd
from assetmill.planning.choices import BatchEstimate
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings, load_settings, reach_this_machine_directly
from assetmill.smoke import GAME, Report, Shot, State
from assetmill.smoke.run import Wanted
from assetmill.smoke.run import smoke as smoke_tests

COLOURS = {
    State.PASSED: "green", State.REJECTED: "bold red", State.FAILED: "bold red", State.OPEN: "yellow",
    State.UNSENT: "yellow",
}  # fmt: skip
LEAST_WIDTH = 100  # of the table: figures that are cut off say nothing
COLD = {True: "cold", False: "warm", None: "?"}


def run_smoke(endpoint: str | None, wanted: Wanted, *, yes: bool, as_json: bool) -> int:
    """Run smoke tests, print what was found, and return the exit code that goes with it.

    Args:
        endpoint: name or address of who is tested; None for who is configured.
        wanted: what is tested.
        yes: whether the cost is agreed to already.
        as_json: one JSON object on stdout.
    """
    settings = load_settings()
    reach_this_machine_directly()
    told = Console(stderr=as_json, highlight=False, soft_wrap=True)
    report = _run(settings, resolve_endpoint(settings, endpoint), wanted, yes=yes, tell=lambda shot: _tell(shot, told))
    if as_json:
        print_json(report.as_json())
    else:
        _print(report, told)
    return report.exit_code


def _run(settings: Settings, endpoint: Endpoint, wanted: Wanted, *, yes: bool, tell: Callable[[Shot], None]) -> Report:
    """Run the tests.

    Raises:
        Interrupted: they were ended at once; says what is still out.
    """
    budgeted = wanted.budget_usd is not None or settings.run_budget_usd is not None

    def agreed(running: Endpoint, total: BatchEstimate) -> None:
        if running.paid and total.jobs:
            agree(
                lambda: _show_cost(running, total, wanted.kind), "this smoke test", yes=yes, budgeted=budgeted,
                console=ERR,
            )  # fmt: skip

    try:
        with listening(_Said()):
            return asyncio.run(smoke_tests(settings, endpoint, Clock(), wanted, agreed, tell))
    except (asyncio.CancelledError, KeyboardInterrupt) as interruption:
        raise Interrupted(interrupted_words(settings.ledger_url, GAME)) from interruption


def _show_cost(endpoint: Endpoint, total: BatchEstimate, kind: str) -> None:
    words = f"{many(total.jobs, 'job')} ({kind}) at {endpoint.name}, {endpoint.price_source}"
    ERR.print(f"{escape(words)}: {duration_words(total.elapsed)}, {money_words(total.cost)}")


class _Said:
    """Says on stderr what happens, each thing once."""

    def __init__(self) -> None:
        self._message = ""

    def __call__(self, progress: Progress) -> None:
        if progress.message != self._message:
            self._message = progress.message
            ERR.print(progress.message, markup=False)


def _tell(shot: Shot, console: Console) -> None:
    """One job in a few lines, as soon as it has ended."""
    console.print(f"[{COLOURS[shot.state]}]{shot.state}[/] {escape(f'{shot.name}: {_times(shot)}')}")
    if shot.cold_why:
        console.print(f"  {COLD[shot.cold]}: {escape(shot.cold_why)}")
    for problem in shot.problems:
        console.print(f"  [red]{escape(problem)}[/]")
    if shot.hint:
        console.print(f"  {escape(shot.hint)}")
    for file in shot.files:
        where = file.path or f"only in the store, as {file.key}"
        console.print(f"  {escape(f'{file.role}: {where}')} ({file.width} x {file.height})")


def _times(shot: Shot) -> str:
    if shot.split is None:
        return "not sent" if shot.state is State.UNSENT else "no times"
    parts = [
        f"start {_seconds(shot.split.start_ms)}", f"execution {_seconds(shot.split.execution_ms)}",
        f"transfer {_seconds(shot.split.transfer_ms)}", f"whole {_seconds(shot.split.whole_ms)}",
    ]  # fmt: skip
    return f"{', '.join(parts)}; {_money(shot)}"


def _money(shot: Shot) -> str:
    if shot.cost is None:
        return "no cost"
    if shot.cost.estimate is None and shot.cost.high is not None:
        return f"at most {usd(shot.cost.high)} ({shot.cost.source})"
    return f"{usd(shot.cost.estimate)} ({shot.cost.source})"


def _print(report: Report, console: Console) -> None:
    """All jobs side by side, and what it comes to."""
    console.print()
    console.width = max(LEAST_WIDTH, console.width)  # print(width=..) goes no wider than the console
    console.print(_table(report))
    if report.stopped:
        console.print(f"[bold red]stopped:[/] {escape(report.stopped)}")
    drafts = " [yellow](draft art)[/]" if report.draft else ""
    console.print(f"[bold]{escape(report.sentence)}[/], {_total(report)}{drafts}")
    console.print(f"pictures      {escape(report.folder)}")
    console.print(f"results table assetmill report --game {GAME} --run {report.run_id}")


def _total(report: Report) -> str:
    return "cost unknown" if report.cost_usd is None else usd(report.cost_usd)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("test", "result", "", "start", "execution", "transfer", "whole", "cost"):
        table.add_column(name, justify="left" if name in ("test", "result", "") else "right", no_wrap=True)
    for shot in report.shots:
        split = shot.split
        times = [None] * 4 if split is None else [
            split.start_ms, split.execution_ms, split.transfer_ms, split.whole_ms,
        ]  # fmt: skip
        cost = "" if shot.cost is None else usd(shot.cost.estimate)
        cells = [_seconds(one) for one in times]
        table.add_row(
            shot.name, f"[{COLOURS[shot.state]}]{shot.state}[/]", COLD[shot.cold] if split else "", *cells, cost
        )
    return table


def _seconds(value_ms: int | None) -> str:
    return "-" if value_ms is None else f"{value_ms / 1000:.2f} s"
