"""Any number of ingesters at a time, as threads and as programs: each submission ends in exactly one right state."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assetmill.submissions import Desk, FlowRun, ingest
from assetmill.submissions.keys import DESK

INGESTER = Path(__file__).parents[2] / "fixtures" / "submissions" / "ingester.py"


def together(count, work):
    """Results of doing something so many times at once."""
    start = threading.Barrier(count)

    def one(number):
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@pytest.mark.timeout(300)
def test_ten_threads_pick_one_file_up_once_and_examine_it_once(any_studio, text):
    any_studio.drop("my-game.yaml", text())
    desks = [any_studio.desk() for _ in range(10)]
    done = together(10, lambda number: ingest(desks[number]))
    assert [record.version for one in done for record in one.taken] == [1]
    assert [str(record.state) for one in done for record in one.examined] == ["planned"]
    assert [words for one in done for words in one.trouble] == []
    assert any_studio.states() == {("my-game.yaml", 1): "planned"}


@pytest.mark.timeout(300)
def test_the_same_content_under_many_names_at_once_has_one_original(any_studio, text):
    for number in range(6):
        any_studio.drop(f"name-{number}.yaml", text())
    desks = [any_studio.desk() for _ in range(4)]
    together(4, lambda number: ingest(desks[number]))
    ingest(any_studio.desk())
    counts = Counter(any_studio.states().values())
    assert counts == {"planned": 1, "duplicate": 5}
    (original,) = [record for record in any_studio.desk().records() if str(record.state) == "planned"]
    assert {record.points_at for record in any_studio.desk().records()} == {None, original.id}


@pytest.mark.timeout(300)
def test_of_ten_flow_runs_one_begins_and_one_decides(any_studio, text, priced):
    any_studio.more |= priced
    any_studio.drop("my-game.yaml", text())
    ingest(any_studio.desk())
    record = any_studio.only()

    def decide(number):
        try:
            if number % 2:
                return str(any_studio.desk().approve(record.id, by=f"person {number}").state)
            return str(any_studio.desk().reject(record.id, by=f"person {number}", reason="no").state)
        except Exception as error:  # noqa: BLE001  the type is what is looked at
            return type(error).__name__

    decided = Counter(together(6, decide))
    assert decided["UsageError"] == 5
    assert decided["approved"] + decided["rejected"] == 1
    other = any_studio
    other.drop("draft.draft.yaml", text("a toad"))
    ingest(other.desk())
    draft = other.only("draft.draft.yaml")
    begun = together(6, lambda number: other.desk().begin(draft.id, FlowRun(id=f"flow-{number}")))
    (winner,) = [one for one in begun if one is not None]
    assert other.only("draft.draft.yaml").flow_run == winner.flow_run


def test_a_version_that_comes_while_an_older_one_begins_leaves_one_of_them_to_run(studio, text):
    for turn in range(6):
        name = f"game-{turn}.yaml"
        studio.drop(name, text(f"a slime {turn}"))
        ingest(studio.desk())
        record = studio.only(name)
        studio.drop(name, text(f"a toad {turn}"))

        def race(number, record=record):
            if number:
                return ingest(studio.desk())
            return studio.desk().begin(record.id, FlowRun(id="flow"))

        begun, _ = together(2, race)
        ingest(studio.desk())
        old, new = studio.only(name, 1), studio.only(name, 2)
        assert str(old.state) == ("running" if begun else "superseded")
        begins = studio.desk().begin(new.id, FlowRun(id="next"))
        assert (begins is None) is bool(begun)


FORTY = (
    *((f"good-{number}.yaml", "good", number) for number in range(16)),
    *((f"wrong-{number}.yaml", "wrong", number) for number in range(8)),
    *((f"copy-{number}.yaml", "good", number) for number in range(6)),
    *((f"half-{number}.yaml.part", "good", 100 + number) for number in range(3)),
    *((f"dear-{number}.runpod.yaml", "good", 200 + number) for number in range(4)),
    *((f"notes-{number}.txt", "good", 300 + number) for number in range(3)),
)


def expected(name: str) -> set[str]:
    """States in which a file may rightly end; of two with one content, either may have been the first."""
    sort, _, rest = name.partition("-")
    number = int(rest.partition(".")[0])
    if sort in ("good", "copy") and number < 6:
        return {"planned", "duplicate"}
    return {"good": {"planned"}, "wrong": {"invalid"}, "dear": {"awaiting_approval"}}.get(sort, set())


@pytest.mark.timeout(400)
def test_forty_files_at_once_and_two_programs_each_ends_in_one_right_state(bucket, text, wrong, priced):
    bucket.more |= priced | {"IMAGE_GENERATION_PROVIDER": "draft"}
    for name, sort, number in FORTY:
        bucket.drop(name, text(f"a slime {number}") if sort == "good" else wrong.replace("crate", f"crate-{number}"))
    environment = {"PATH": "", "SHIFT_S": "60", **bucket.more, "ASSETMILL_HOME": str(bucket.home)}
    programs = [
        subprocess.Popen([sys.executable, str(INGESTER)], stdout=subprocess.PIPE, env=environment, cwd=Path.cwd())
        for _ in range(2)
    ]
    done = [json.loads(program.communicate(timeout=300)[0]) for program in programs]
    states = bucket.states()
    manifests = [name for name, _, _ in FORTY if expected(name)]
    assert {name for name, _ in states} == set(manifests)
    assert {name: state for (name, _), state in states.items() if state not in expected(name)} == {}
    assert Counter(states.values()) == {"planned": 16, "invalid": 8, "duplicate": 6, "awaiting_approval": 4}
    taken = [name for one in done for name in one["taken"]]
    assert sorted(taken) == sorted(manifests)
    examined = Counter(name for one in done for name in one["examined"])
    assert max(examined.values()) == 1
    assert [words for one in done for words in one["trouble"]] == []
    for name in manifests:
        ends = [page.removeprefix(name) for page in bucket.beside() if page.startswith(name) and page != name]
        sort = next(state for (other, _), state in states.items() if other == name)
        assert sorted(ends) == {
            "invalid": [".errors.html", ".errors.json"], "duplicate": [".result.html"],
        }.get(sort, [".plan.html"])  # fmt: skip
    assert not [info.key for info in bucket.store.list(DESK) if "half-" in info.key or "notes-" in info.key]


class Slow:
    """An inbox from which somebody reads slowly: meanwhile something else happens."""

    def __init__(self, real, meanwhile) -> None:
        self.real = real
        self.meanwhile = [meanwhile]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def read(self, arrival):
        data = self.real.read(arrival)
        while self.meanwhile:
            self.meanwhile.pop()()
        return data


def test_who_read_an_old_content_slowly_does_not_bring_it_back(any_studio, text):
    def replaced():
        any_studio.drop("my-game.yaml", text("a toad"))
        ingest(any_studio.desk())

    any_studio.drop("my-game.yaml", text("a slime"))
    seen = any_studio.arrival("my-game.yaml")
    office = any_studio.desk()._office
    slow = {name: Slow(inbox, replaced) for name, inbox in office.inboxes.items()}
    Desk(replace(office, inboxes=slow)).take(seen)
    ingest(any_studio.desk())
    assert any_studio.states() == {("my-game.yaml", 1): "planned"}
    assert any_studio.store.get(any_studio.only().manifest.removeprefix("store:")).decode() == text("a toad")
