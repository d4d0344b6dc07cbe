"""A short form of the chaos proof, and proof that its oracle sees what is wrong.

The runs are those of fixed seeds; `make chaos` plays hundreds. What the oracle is shown here is a finished run with
one thing changed behind the books' back.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SEEDS = 3
FIRST = 3
Doctor = Callable[[Path], None]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of the runs of a few seeds, all of which went well."""
    folder = tmp_path_factory.mktemp("chaos")
    command = [sys.executable, str(HERE / "chaos.py"), "--runs", str(SEEDS), "--seed", str(FIRST), "--keep"]
    done = subprocess.run([*command, "--scratch", str(folder)], capture_output=True, text=True, check=False)
    (folder / "told.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], list[str]]]:
    """The oracle, as a function from a folder to violations."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(HERE))
    judge = importlib.import_module("oracle").judge
    yield lambda folder: list(judge(folder).violations)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(HERE)):
            del sys.modules[name]


@pytest.fixture
def state(scratch: Path, tmp_path: Path) -> Path:
    """A copy of a finished run that has several kept pictures."""
    folders = sorted(folder for folder in scratch.iterdir() if folder.name.startswith("seed-"))
    richest = max(folders, key=lambda folder: len(truth_of(folder)["ran"]))
    return Path(shutil.copytree(richest, tmp_path / "state"))


def truth_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "truth.json").read_text()))


def write_truth(folder: Path, truth: dict[str, Any]) -> None:
    (folder / "truth.json").write_text(json.dumps(truth))


def books(folder: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "out" / "ledger.db")) as database, database:
        return list(database.execute(statement, values))


def kept(folder: Path, column: str) -> Any:
    ran = {one["attempt"] for one in truth_of(folder)["ran"]}
    rows = books(folder, f"select attempt_id, {column} from attempts where status = 'kept' order by attempt_id")  # noqa: S608  our own words
    return next(value for attempt_id, value in rows if attempt_id in ran)


def stored(folder: Path, key: str) -> Path:
    return folder / "out" / "store" / key


def receipt(folder: Path) -> Path:
    return next((folder / "out" / "store" / "private" / "receipts").rglob(f"{kept(folder, 'attempt_id')}.json"))


def lose_a_row(folder: Path) -> None:
    gone = kept(folder, "attempt_id")
    books(folder, "delete from finishes where attempt_id = ?", gone)
    books(folder, "delete from attempts where attempt_id = ?", gone)


def open_a_row(folder: Path) -> None:
    books(folder, "update attempts set status = 'submitted' where attempt_id = ?", kept(folder, "attempt_id"))


def pay_for_a_picture_again(folder: Path) -> None:
    truth, job = truth_of(folder), kept(folder, "job_id")
    truth["ran"].append(next(one for one in truth["ran"] if one["job_id"] == job))
    write_truth(folder, truth)


def keep_a_picture_twice(folder: Path) -> None:
    columns = [name for _, name, *_ in books(folder, "pragma table_info(attempts)")]
    rest = ", ".join(name for name in columns if name not in ("attempt_id", "job_id", "intended_at"))
    later = "datetime(intended_at, '+1 hour')"
    books(
        folder,
        f"insert into attempts (attempt_id, job_id, intended_at, {rest}) "  # noqa: S608  our own words
        f"select 'another', 'another-job', {later}, {rest} from attempts where attempt_id = ?",
        kept(folder, "attempt_id"),
    )


def run_a_job_behind_the_books(folder: Path) -> None:
    truth = truth_of(folder)
    truth["ran"].append({"job_id": "x", "attempt": "nobody's", "status": "COMPLETED", "started_s": 1, "ended_s": 2})
    write_truth(folder, truth)


def say_that_it_never_arrived(folder: Path) -> None:
    gone = kept(folder, "attempt_id")
    free = "cost_low_usd = 0, cost_estimate_usd = 0, cost_high_usd = 0"
    never = "status = 'failed', error_class = 'never_arrived', job_id = null"
    books(folder, f"update attempts set {never}, {free} where attempt_id = ?", gone)  # noqa: S608  our own words


def spoil_a_picture(folder: Path) -> None:
    stored(folder, kept(folder, "key")).write_bytes(b"\x89PNG\r\n\x1a\n and no more")


def lose_a_published_file(folder: Path) -> None:
    pointer = json.loads(stored(folder, "packs/tiny/main/latest.json").read_text())
    index = json.loads((stored(folder, "packs/tiny/main") / pointer["index"]).resolve().read_text())
    stored(folder, next(iter(index["assets"].values()))["file"]).unlink()


def lose_a_receipt(folder: Path) -> None:
    receipt(folder).unlink()


def change_a_receipt(folder: Path) -> None:
    document = json.loads(receipt(folder).read_text())
    document["attempt"]["seed"] += 1
    receipt(folder).write_text(json.dumps(document))


def change_a_cost(folder: Path) -> None:
    books(folder, "update attempts set cost_low_usd = 0 where attempt_id = ?", kept(folder, "attempt_id"))
    document = json.loads(receipt(folder).read_text())
    document["attempt"]["cost_low_usd"] = "0.00000000"
    receipt(folder).write_text(json.dumps(document))


DOCTORED: dict[Doctor, tuple[str, ...]] = {
    lose_a_row: ("counted_once", "receipted"),
    open_a_row: ("open", "rebuilt"),
    pay_for_a_picture_again: ("never_twice",),
    keep_a_picture_twice: ("never_twice", "receipted", "audited"),
    run_a_job_behind_the_books: ("counted_once",),
    say_that_it_never_arrived: ("nothing_unsent_ran", "counted_once", "added_up"),
    spoil_a_picture: ("kept_whole", "audited"),
    lose_a_published_file: ("indexed", "audited"),
    lose_a_receipt: ("receipted", "rebuilt"),
    change_a_receipt: ("receipted", "rebuilt"),
    change_a_cost: ("added_up",),
}


def test_the_books_balance_after_faults_and_kills(scratch: Path) -> None:
    told = (scratch / "told.txt").read_text()
    assert re.search(rf"^runs +{SEEDS} in ", told, re.MULTILINE)
    assert re.search(r"^violations +0$", told, re.MULTILINE)
    assert sum(len(truth_of(folder)["ran"]) for folder in scratch.iterdir() if folder.is_dir()) > SEEDS


def test_the_short_form_kills_and_meets_faults(scratch: Path) -> None:
    folders = [folder for folder in scratch.iterdir() if folder.is_dir()]
    assert sum(1 for folder in folders for _ in (folder / "processes").glob("*.killed")) >= 2
    assert len({kind for folder in folders for kind, _ in truth_of(folder)["struck"]}) >= 4


def test_a_run_that_nobody_touched_is_found_sound_again(state: Path, judged: Callable[[Path], list[str]]) -> None:
    assert judged(state) == []


@pytest.mark.parametrize("doctor", DOCTORED, ids=lambda doctor: doctor.__name__)
def test_the_oracle_sees_what_was_changed(state: Path, judged: Callable[[Path], list[str]], doctor: Doctor) -> None:
    doctor(state)
    seen = {violation.partition(":")[0] for violation in judged(state)}
    assert set(DOCTORED[doctor]) <= seen


@pytest.mark.parametrize("scenario", sorted((HERE / "found").glob("*.json")), ids=lambda path: path.stem)
def test_what_a_run_once_found_stays_mended(scenario: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "chaos.py"), "--scenario", str(scenario), "--scratch", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_seed_draws_the_same_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    draw = importlib.import_module("scenario").draw
    assert draw(17) == draw(17)
    assert draw(17).document != draw(18).document
    every = importlib.import_module("faults").KINDS
    assert {draw(seed).rules[0]["kind"] for seed in range(len(every))} == set(every)
