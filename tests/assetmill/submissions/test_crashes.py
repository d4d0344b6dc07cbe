"""Killed between any two of its writes, an ingest is carried on by the next one, and nothing happens twice."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from typing import Any

from assetmill.submissions import FlowRun, ingest
from assetmill.submissions.desk import Desk
from assetmill.submissions.office import open_office
from assetmill.submissions.shelf import Shelf


class PowerCut(BaseException):
    """What nobody catches."""


class Dying:
    """A store, or an inbox, whose machine loses its power before the n-th write."""

    def __init__(self, real, power) -> None:
        self.real = real
        self.power = power

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.real, name)
        if name not in ("put", "create", "swap", "delete", "write", "show", "clear"):
            return method

        def write(*args: Any, **kwargs: Any) -> Any:
            if next(self.power, None) is None:
                raise PowerCut
            return method(*args, **kwargs)

        return write


def dying_desk(studio, writes: int) -> Desk:
    office, power = open_office(studio.settings(), studio.clock()), iter(range(writes))
    inboxes = {name: Dying(inbox, power) for name, inbox in office.inboxes.items()}
    return Desk(replace(office, shelf=Shelf(Dying(office.shelf.store, power)), inboxes=inboxes))


def survived(studio, step, writes: int) -> bool:
    """Whether a step came to its end before the power was cut."""
    try:
        step(dying_desk(studio, writes))
    except PowerCut:
        return False
    return True


def copied(studio, number: int):
    """The studio as it is, with everything in it, in a place of its own."""
    home = studio.home.with_name(f"home-{number}")
    shutil.copytree(studio.home, home)
    return replace(studio, home=home)


def test_an_ingest_that_dies_anywhere_is_carried_on(studio, text, wrong):
    """A new version of one file and a wrong one, through every write before which the power may fail."""
    studio.drop("my-game.yaml", text("a slime"))
    ingest(studio.desk())
    studio.drop("my-game.yaml", text("a toad"))
    studio.drop("wrong.yaml", wrong)
    for writes in range(60):
        one = copied(studio, writes)
        ended = survived(one, ingest, writes)
        one.ahead_s += 600  # claims of the dead have run out
        ingest(one.desk())
        assert one.states() == {
            ("my-game.yaml", 1): "superseded", ("my-game.yaml", 2): "planned", ("wrong.yaml", 1): "invalid",
        }  # fmt: skip
        assert one.beside() == {
            "my-game.yaml", "my-game.yaml.plan.html", "wrong.yaml", "wrong.yaml.errors.html", "wrong.yaml.errors.json",
        }  # fmt: skip
        assert "a toad" in one.page("my-game.yaml.plan.html")
        records = one.desk().records()
        assert [record.id for record in records if record.shown < len(record.history)] == []
        again = ingest(one.desk())
        assert (again.taken, again.examined, again.trouble) == ((), (), ())
        assert [record.name for record in one.desk().open_records()] == ["my-game.yaml"]
        if ended:
            break
    assert ended
    assert writes > 20


def test_a_file_whose_artist_takes_it_away_after_a_crash_is_not_lost(studio, text):
    """As soon as the order of arrival is written, the submission counts, even if the file has gone."""
    studio.drop("my-game.yaml", text())
    found = Counter()
    for writes in range(6):
        one = copied(studio, writes)
        survived(one, ingest, writes)
        (one.inbox / "my-game.yaml").unlink()
        one.ahead_s += 600
        ingest(one.desk())
        lined = list(one.store.list("private/submissions/lines/"))
        assert list(one.states().values()) == ["planned"] * len(lined)
        found[len(lined)] += 1
    assert found[0]
    assert found[1]


def test_a_run_that_dies_at_its_end_is_taken_over_and_ends_once(studio, text):
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    record = studio.only()
    assert studio.desk().begin(record.id, FlowRun(id="flow-1"))
    for writes in range(9):
        one = copied(studio, writes)
        ended = survived(one, lambda desk: desk.fail(record.id, "no way", flow_run_id="flow-1"), writes)
        one.ahead_s += 600
        taken_over = one.desk().begin(record.id, FlowRun(id="flow-2"))
        if one.only().state.final:
            assert taken_over is None
        else:
            assert one.desk().fail(record.id, "no way", flow_run_id="flow-2")
        ingest(one.desk())
        assert str(one.only().state) == "failed"
        assert "no way" in one.page("my-game.yaml.result.html")
        assert "my-game.yaml.plan.html" not in one.beside()
        assert one.desk().open_records() == []
    assert ended
