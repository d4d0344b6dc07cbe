"""`doctor`: what an endpoint can do; without one, whether everything that is configured stands, and what is next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape

from assetmill.cli.outcome import many, print_json
from assetmill.clock import Clock
from assetmill.doctor import Check, Examination, Phase, Stands, State, status
from assetmill.doctor import examine as examine_endpoint
from assetmill.money import usd
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import load_settings, reach_this_machine_directly

MARKS = {State.OK: "green", State.WARN: "yellow", State.BAD: "bold red", State.UNKNOWN: "yellow"}
PHASES = {Stands.DONE: "green", Stands.NOT_YET: "bold", Stands.UNKNOWN: "yellow"}
ABLE = {True: "[green]yes[/]    ", False: "[bold red]no[/]     ", None: "[yellow]unknown[/]"}


def show_doctor(endpoint: str | None, *, as_json: bool) -> int:
    """Print what was found out, and return the exit code that goes with it.

    Args:
        endpoint: who is examined, if need be by a job that is refused; None for a look at everything, which is free.
        as_json: one JSON object on stdout.
    """
    settings, clock = load_settings(), Clock()
    reach_this_machine_directly()
    console = Console(highlight=False, soft_wrap=True)
    if endpoint is None:
        everything = asyncio.run(status(settings, clock))
        if as_json:
            print_json(everything.as_json())
            return everything.exit_code
        _print_checks(everything.checks, console)
        _print_phases(everything.phases, console)
        for one in everything.endpoints:
            console.print()
            _print(one, console)
        return everything.exit_code
    found = asyncio.run(examine_endpoint(settings, resolve_endpoint(settings, endpoint), clock))
    if as_json:
        print_json(found.as_json())
    else:
        _print(found, console)
    return found.exit_code


def _print(found: Examination, console: Console) -> None:
    where = f" at {found.url}" if found.url else ""
    drafts = ", draws placeholders" if found.draft else ""
    console.print(f"[bold]{escape(found.endpoint)}[/] ({escape(found.kind or 'not usable')}{drafts}){escape(where)}")
    _print_checks(found.checks, console)
    for (able, why), names in _alike(found).items():
        words = f"{', '.join(names)}{f': {why}' if why else ''}"
        console.print(f"  {ABLE[able]} {escape(words)}")
    if found.jobs:
        cost = "nobody knows what they cost" if found.cost_usd is None else f"about {usd(found.cost_usd)}"
        console.print(f"  asked by {many(found.jobs, 'job')} that could not run, {cost}")
    console.print(escape(found.sentence))


def _alike(found: Examination) -> dict[tuple[bool | None, str], list[str]]:
    """What stands alike for the same reason is told together: (able, why) -> names."""
    used = {way.workflow for way in found.ways}
    every = [(way.able, way.why, way.name) for way in found.ways]
    every += [(one.able, one.why, f"workflow {one.workflow}") for one in found.abilities if one.workflow not in used]
    groups: dict[tuple[bool | None, str], list[str]] = {}
    for able, why, name in every:
        groups.setdefault((able, why), []).append(name)
    return groups


def _print_checks(checks: Iterable[Check], console: Console) -> None:
    for check in checks:
        hint = f" ({check.hint})" if check.hint else ""
        console.print(f"  [{MARKS[check.state]}]{check.state:<7}[/] {escape(f'{check.name}: {check.words}{hint}')}")


def _print_phases(phases: Iterable[Phase], console: Console) -> None:
    console.print("\n[bold]workers of our own[/] (docs/runbook.md)")
    for number, phase in enumerate(phases, 1):
        mark = f"[{PHASES[phase.stands]}]{phase.stands.replace('_', ' '):<7}[/]"
        console.print(f"  {mark} {number} {escape(f'{phase.name}: {phase.words}')}")
        if phase.then:
            console.print(f"            {escape(f'next: {phase.then}')}")
