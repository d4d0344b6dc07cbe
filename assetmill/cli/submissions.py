"""`submit` and `submissions`: handing manifests in, and what became of them."""

from __future__ import annotations

import getpass
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assetmill.cli.outcome import ERR, guarded, many, print_json, tell
from assetmill.errors import UsageError

if TYPE_CHECKING:
    from assetmill.submissions import Desk, Record
    from assetmill.submissions.handing import HandedIn

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

Provider = Literal["draft", "runpod", "custom", "scenario", "comfyui"]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Manifests, YAML or CSV; each is one submission.")]
WAITING = "waiting"

submissions_app = typer.Typer(help="What artists have handed in, and what became of it.", invoke_without_command=True)
_COLOURS = {"done": "green", "done_with_failures": "yellow", "awaiting_approval": "yellow", "running": "cyan"}
_BAD = ("invalid", "failed", "rejected", "expired")


@guarded
def submit(
    files: Files,
    *,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="For whoever approves.")] = "",
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who hands in; your user name if not.")] = None,
    provider: Annotated[Provider | None, typer.Option("--provider", help="Who draws; as configured if not.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Even if exactly this was handed in before.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even if it is wrong; the errors come as a page.")] = False,
    as_json: AsJson = False,
) -> int:
    """Hand manifests in: they are planned, agreed to where they cost money, and run. Checked here before that."""
    from assetmill.clock import Clock
    from assetmill.settings import load_settings
    from assetmill.submissions import open_desk
    from assetmill.submissions.names import name_with

    read = [(name_with(path.name, provider), _checked(path, force=force)) for path in files]
    desk = open_desk(load_settings(), Clock())
    who = _user() if by is None else by
    done = [desk.hand_in(name, data, by=who, note=note, again=again) for name, data in read]
    if as_json:
        print_json({"submissions": [_handed(one) for one in done], "exit_code": 0})
    else:
        _print_handed(done, Console(highlight=False))
    return 0


def list_submissions(state: str | None, *, as_json: bool) -> int:
    """Print all submissions, or those in one state; ends with 1 if one cannot be read."""
    from assetmill.submissions import State

    known = [*map(str, State), WAITING]
    if state is not None and state not in known:
        raise UsageError(f"no submission is ever {state!r}", hint=f"states are {', '.join(known)}")
    desk = _desk()
    unreadable: list[str] = []
    records = [] if state == WAITING else desk.records([State(state)] if state else [], unreadable)
    for words in unreadable:
        ERR.print(f"[bold red]unreadable:[/] {escape(words)}")
    waiting = _waiting(desk) if state in (None, WAITING) else []
    if as_json:
        listed = [record.model_dump(mode="json", exclude={"outcome": {"costs", "failures"}}) for record in records]
        print_json({"submissions": listed, "waiting": waiting})
    else:
        _print_list(records, waiting, Console(highlight=False))
    return 1 if unreadable else 0


@submissions_app.callback()
def submissions(
    context: typer.Context,
    state: Annotated[str | None, typer.Option("--state", metavar="S", help="Only those in this state.")] = None,
    as_json: AsJson = False,
) -> None:
    """List submissions with their states, oldest first."""
    if context.invoked_subcommand is None:
        guarded(list_submissions)(state, as_json=as_json)


@submissions_app.command("show")
@guarded
def show(
    submission: Annotated[str, typer.Argument(metavar="ID", help="Id of a submission, as the list has it.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Everything about one submission: states, what is wrong, what it costs, who agreed, where its page lies."""
    desk = _desk()
    record = desk.get(submission)
    details = desk.details(record)
    place = desk.page_place(record.id)
    if as_json:
        print_json({"submission": record.model_dump(mode="json"), "details": details, "page": place})
    else:
        _print_record(record, details, place, Console(highlight=False))
    return 0


def _desk() -> Desk:
    from assetmill.clock import Clock
    from assetmill.settings import load_settings
    from assetmill.submissions import open_desk

    return open_desk(load_settings(), Clock())


def _checked(path: Path, *, force: bool) -> bytes:
    """The bytes of a manifest without errors; with `force` of any.

    Raises:
        UsageError: it cannot be read.
        ManifestError: what is wrong with it; nothing was handed in.
    """
    from assetmill.manifest import ManifestError
    from assetmill.manifest.limits import MAX_FILE_BYTES
    from assetmill.submissions.examining import read_manifest
    from assetmill.submissions.inbox import why_foreign

    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="give the path of a manifest") from None
    why = why_foreign(path.name, len(data))
    if why:
        raise UsageError(f"{path}: {why}", hint="see docs/submissions.md")
    try:
        read_manifest(path.name, data)
    except ManifestError as error:
        located = ManifestError(replace(one, file=_given(one.file, path)) for one in error.problems)
        if not force:
            raise located from None
        tell(located)
    return data


def _given(file: str, path: Path) -> str:
    """The file of a problem as the command was given it."""
    return str(path) if file == path.name else file


def _user() -> str:
    """Who sits here; empty where the system does not say."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _waiting(desk: Desk) -> list[dict[str, str]]:
    """Files that nobody has picked up yet."""
    from assetmill.submissions.names import readable

    return [
        {"name": readable(one.name), "inbox": one.inbox, "why": one.waiting or "not picked up yet"}
        for one in desk.arrivals()
        if not one.foreign
    ]


def _handed(one: HandedIn) -> dict[str, Any]:
    record = one.record
    return {
        "id": record.id, "name": record.name, "version": record.version, "state": str(record.state),
        "fresh": one.fresh, "points_at": record.points_at, "place": one.place,
    }  # fmt: skip


def _print_handed(done: list[HandedIn], console: Console) -> None:
    for one in done:
        record = one.record
        words = (
            "handed in" if one.fresh else f"was handed in before and is {_spaced(record.state)} (--again runs it again)"
        )
        if one.fresh and record.points_at:
            words = f"repeats {record.points_at}: nothing is made twice"
        console.print(f"{escape(record.name)} version {record.version}: {words}", soft_wrap=True)
        console.print(f"  [dim]{record.id}[/]", soft_wrap=True)
    places = {str(Path(one.place).parent) if "://" not in one.place else one.place for one in done}
    for place in sorted(places):
        ERR.print(f"pages will lie beside {escape(place)}; `assetmill submissions` lists states")


def _print_list(records: list[Record], waiting: list[dict[str, str]], console: Console) -> None:
    if not records and not waiting:
        console.print("no submissions")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("submission", "file", "state", "since", "cost", "why"):
        number = column == "cost"
        table.add_column(column, overflow="fold", justify="right" if number else "left", no_wrap=column == "submission")
    for record in records:
        state = str(record.state)
        colour = "red" if state in _BAD else _COLOURS.get(state, "default")
        table.add_row(
            record.id, escape(f"{record.name} v{record.version}"), f"[{colour}]{_spaced(state)}[/]",
            f"{record.since:%Y-%m-%d %H:%M}", _cost(record), escape(record.trouble or record.words),
        )  # fmt: skip
    for one in waiting:
        table.add_row("", escape(one["name"]), WAITING, "", "", escape(one["why"]))
    console.print(table)


def _cost(record: Record) -> str:
    """What it cost, or what it is estimated to."""
    from assetmill.money import usd

    if record.outcome is not None:
        return usd(record.outcome.cost_usd)
    return f"~{usd(record.plan.estimate_usd)}" if record.plan is not None else ""


def _spaced(state: str) -> str:
    return str(state).replace("_", " ")


def _print_record(record: Record, details: dict[str, Any], place: str | None, console: Console) -> None:
    console.print(f"[bold]{escape(record.name)}[/] version {record.version}: {_spaced(record.state)}", soft_wrap=True)
    for label, text in _facts(record, place):
        console.print(f"{label:13} {escape(text)}", soft_wrap=True)
    for one in details.get("problems", ()):
        words = "; ".join(filter(None, (one["message"], one["expected"] and f"expected {one['expected']}")))
        nearest = f"; did you mean {one['nearest']!r}?" if one["nearest"] else ""
        where = f"{one['file']}:{one['line']}:{one['column']}: {one['path']}".rstrip(": ")
        console.print(f"[red]{escape(where)}[/]: {escape(words + nearest)}", soft_wrap=True)
    for failure in record.outcome.failures if record.outcome else ():
        console.print(f"[red]{failure.state}[/] {escape(f'{failure.asset}: {failure.message}')}", soft_wrap=True)
    for step in record.history:
        words = f": {step.words}" if step.words else ""
        console.print(f"[dim]{step.at:%Y-%m-%d %H:%M:%S}[/] {_spaced(step.state)}{escape(words)}", soft_wrap=True)


def _facts(record: Record, place: str | None) -> list[tuple[str, str]]:
    """Labels and texts, without those that have nothing to say."""
    from assetmill.money import usd

    plan, said = record.plan, record.approval
    facts = [
        ("submission", record.id),
        ("handed in by", record.by),
        ("note", record.note),
        ("made by", plan.endpoint if plan else record.provider or ""),
        ("plan", f"{many(plan.jobs, 'job')}, {_range(plan)}" if plan else ""),
        ("budget", usd(record.budget_usd) if record.budget_usd is not None else ""),
        (
            "decided by",
            f"{said.by}{f': {said.note or said.reason}' if said.note or said.reason else ''}" if said else "",
        ),
        ("approve by", f"{record.approve_by:%Y-%m-%d %H:%M} UTC" if record.approve_by and not said else ""),
        ("repeats", record.points_at or ""),
        ("trouble", record.trouble),
        ("flow run", (record.flow_run.url or record.flow_run.id) if record.flow_run else ""),
        ("gallery", (record.outcome.gallery or "") if record.outcome else ""),
        ("page", place or ""),
    ]
    return [(label, text) for label, text in facts if text]


def _range(plan: Any) -> str:
    from assetmill.money import usd

    if plan.estimate_usd is None:
        return "cost unknown"
    return f"{usd(plan.estimate_usd)} ({usd(plan.low_usd)} to {usd(plan.high_usd)})"
