"""Whether everything is as it has to be after all files have been dealt with: pure reading, from outside.

The endpoint's own list of executed jobs is the truth that the books are compared with, and Prefect's flow runs are
compared with the records.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

from drops import Drop, Kind
from stage import Stage

from assetmill.submissions.desk import open_desk
from assetmill.submissions.records import Record, State

FLOW_STATES = {
    State.DONE: {"Completed"},
    State.REJECTED: {"Rejected"},
    State.EXPIRED: {"Expired"},
    State.SUPERSEDED: {"Superseded"},
}
PAGES = {
    "done": {"result.html"},
    "rejected": {"result.html"},
    "expired": {"result.html"},
    "duplicate": {"result.html"},
    "invalid": {"errors.html", "errors.json"},
}


def judge(stage: Stage, drops: list[Drop], executed: list[str], asked: int, refused: int) -> list[str]:
    """What is wrong, in words; nothing if all is right."""
    records = open_desk(stage.settings).records()
    by_name = defaultdict(list)
    for record in records:
        by_name[record.name].append(record)
    wrong = [words for drop in drops for words in _file(stage, drop, by_name[drop.name])]
    wrong += _duplicates(drops, by_name)
    wrong += _flow_runs(stage, records)
    wrong += _books(stage, drops, records, executed)
    decided = sum(drop.kind in (Kind.APPROVED, Kind.REJECTED) for drop in drops)
    if asked < decided or refused != 4 * asked:
        wrong.append(f"{asked} questions for {decided} files; {refused} of {4 * asked} wrong answers were refused")
    return wrong


def _file(stage: Stage, drop: Drop, records: list[Record]) -> Iterator[str]:
    """One file: as many records as it had contents, each at one right end, and its page."""
    versions = 0 if drop.kind is Kind.FOREIGN else 2 if drop.kind is Kind.NEWER else 1
    if len(records) != versions:
        yield f"{drop.name} ({drop.kind}): {len(records)} submissions instead of {versions}"
        return
    for record in records[:-1]:
        if record.state not in (State.DONE, State.SUPERSEDED):
            yield f"{drop.name} v{record.version}: {record.state}, and it was replaced"
    for record in records[-1:]:
        if str(record.state) not in drop.ends:
            yield f"{drop.name} ({drop.kind}): {record.state} ({record.words}) instead of {sorted(drop.ends)}"
        wanted = PAGES.get(str(record.state), set())
        found = _pages(stage, drop.name)
        if found != wanted:
            yield f"{drop.name} ({record.state}): pages {sorted(found)} instead of {sorted(wanted)}"
    for record in records:
        ran = [step.state for step in record.history].count(State.RUNNING)
        if ran != (record.state is State.DONE) or record.beginnings != ran:
            yield f"{drop.name}: ran {ran} times, begun {record.beginnings} times"
    if drop.kind is Kind.FOREIGN and not _pages(stage, drop.name):
        yield f"{drop.name}: nobody told its owner that it is no manifest"


def _pages(stage: Stage, name: str) -> set[str]:
    """Endings of the pages beside a file."""
    settings = stage.settings
    if settings.submissions_folder is not None:
        there = {path.name for path in settings.submissions_folder.iterdir()}
    else:
        there = {path.name for path in (stage.folder / "home" / "store" / "submissions" / "inbox").iterdir()}
    return {one.removeprefix(f"{name}.") for one in there if one.startswith(f"{name}.")}


def _duplicates(drops: list[Drop], by_name: dict[str, list[Record]]) -> Iterator[str]:
    """Of files with the same content exactly one is made."""
    games = Counter(drop.game for drop in drops if drop.kind is Kind.DUPLICATE)
    for game, files in games.items():
        ends = [by_name[drop.name][-1].state for drop in drops if drop.game == game and by_name[drop.name]]
        if ends.count(State.DONE) != 1 or ends.count(State.DUPLICATE) != files - 1:
            yield f"{game}: of {files} equal files {', '.join(ends)}"


def _flow_runs(stage: Stage, records: list[Record]) -> Iterator[str]:
    """Each submission that may run has exactly one flow run, whose end says what became of it."""
    runs = defaultdict(list)
    for run in stage.flow_runs():
        runs[run["parameters"]["submission"]].append(run)
    for record in records:
        every = runs.pop(record.id, [])
        mine = [run for run in every if run["state"]["name"] != "Crashed"]  # one that was lost was replaced
        wanted = 0 if record.state in (State.INVALID, State.DUPLICATE) else 1
        if len(mine) != wanted and record.state is not State.SUPERSEDED:
            yield f"{record.name} v{record.version} ({record.state}): {len(mine)} flow runs instead of {wanted}"
        for run in mine:
            name = run["state"]["name"]
            if name not in FLOW_STATES.get(record.state, {name}):
                yield f"{record.name} ({record.state}): its flow run is {name}: {run['state']['message']}"
            if record.words and run["state"]["message"] != record.words:
                yield f"{record.name}: flow run says {run['state']['message']!r}, the record {record.words!r}"
    for left in runs.values():
        yield f"flow runs of nobody: {[run['name'] for run in left]}"


def _books(stage: Stage, drops: list[Drop], records: list[Record], executed: list[str]) -> Iterator[str]:
    """Rows are the executed jobs; every picture is paid once, and nothing for what did not run."""
    path = stage.folder / "home" / "ledger.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as books:
        rows = books.execute("select attempt_id, cost_estimate_usd, run_id from attempts where not draft").fetchall()
    if sorted(row[0] for row in rows) != sorted(executed):
        yield f"{len(rows)} rows in the books, {len(executed)} jobs executed"
    done = {record.id: record for record in records if record.state is State.DONE}
    pictures = {(drop.name, drop.game): drop.pictures for drop in drops}
    expected: Counter[str] = Counter()
    for record in done.values():
        if record.plan is not None and not record.plan.draft:
            expected[record.id] = next(count for (name, _), count in pictures.items() if name == record.name)
    found = Counter(run_id for _, _, run_id in rows)
    if found != expected:
        yield f"jobs by submission: {dict(found - expected)} too many, {dict(expected - found)} missing"
    for record_id, record in done.items():
        paid = sum((Decimal(cost) for _, cost, run_id in rows if run_id == record_id), Decimal(0))
        if record.budget_usd is not None and paid > record.budget_usd:
            yield f"{record.name} cost {paid}, and {record.budget_usd} was agreed to"
