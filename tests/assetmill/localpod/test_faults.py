"""Rules of faults: what may be said, how it is read, and whom it hits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from assetmill.clock import Clock
from assetmill.errors import RequestRejected, UsageError
from assetmill.localpod import FAULT_KEY, NO_FAULTS, Faults, Kind, Rule, read_faults, read_faults_file
from assetmill.localpod.fault_reading import CONDITIONS, read_header, read_rules
from assetmill.localpod.faults import SPECS, STATES, Stage
from assetmill.localpod.injector import Injector, Subject

CALL = Subject(operation="run", outline={"prompt": "a red dragon"})


def injector(*rules: Rule, seed: int = 1, by_request: bool = False) -> Injector:
    return Injector(Faults(rules), Clock(random=Random(seed)), by_request=by_request)


def strikes(made: Injector, count: int, subject: Subject = CALL) -> list[bool]:
    return [made.draw(Stage.CALL, subject) is not None for _ in range(count)]


def test_every_kind_is_specified_and_can_be_had_by_its_name_alone() -> None:
    assert SPECS.keys() == set(Kind)
    for kind in Kind:
        assert read_rules(kind.value) == (Rule(kind),)


def test_a_rule_without_words_takes_the_figures_of_its_kind() -> None:
    assert Rule(Kind.NOT_YET).seconds == 2.0
    assert Rule(Kind.BAD_GATEWAY).status == 502
    assert Rule(Kind.PARTIAL_OUTPUTS, count=3).count == 3


def test_a_file_holds_rules_or_rules_and_the_endpoints_condition(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"kind": "throttle", "times": 3, "seconds": 1.5}, "reset"]), encoding="utf-8")
    assert read_faults_file(path) == Faults((Rule(Kind.THROTTLE, times=3, seconds=1.5), Rule(Kind.RESET)))
    assert read_faults({"census": {"throttled": 2}, "max_workers": 4}) == Faults((), {"throttled": 2}, 4)


@pytest.mark.parametrize("condition", tuple(CONDITIONS))
def test_a_condition_by_name_is_a_census_that_can_be(condition: str) -> None:
    (rule,) = read_rules({"kind": "stuck_queue", "census": condition})
    assert rule.census is not None
    assert rule.census.keys() <= STATES
    assert (rule.max_workers == 0) == (condition == "max_zero")
    assert read_faults({"census": condition}) == Faults((), rule.census, rule.max_workers)


@pytest.mark.parametrize(
    ("document", "message", "hint"),
    (
        ("throtle", "no fault 'throtle'", "throttle"), ({"kind": 3}, "no fault 3", "throttle"), (3, "kind", "throttle"),
        ({"kind": "reset", "chnce": 1}, "has no 'chnce'", "chance"), ({"chance": 1}, "kind", "throttle"),
        ({"kind": "reset", "chance": 1.1}, "chance 1.1", "0 to 1"), ({"kind": "reset", "chance": "1"}, "number", ""),
        ({"kind": "reset", "times": -1}, "negative", ""), ({"kind": "reset", "times": 1.5}, "whole number", ""),
        ({"kind": "reset", "after": True}, "whole number", ""), ({"kind": "reset", "seconds": 1}, "no seconds", ""),
        ({"kind": "throttle", "seconds": -1}, "seconds -1", "0 or more"),
        ({"kind": "throttle", "seconds": float("nan")}, "seconds nan", "0 or more"),
        ({"kind": "bad_gateway", "status": 200}, "no error", "400 to 599"),
        ({"kind": "slow_trickle", "size_bytes": 0}, "at least one byte", ""),
        ({"kind": "stuck_queue", "census": "thottled"}, "no condition", "throttled"),
        ({"kind": "stuck_queue", "census": {"asleep": 1}}, "ever 'asleep'", "idle"),
        ({"kind": "stuck_queue", "census": {"idle": -1}}, "-1 workers", ""),
        ({"kind": "stuck_queue", "census": 3}, "a census is", ""),
        ({"kind": "partial_outputs", "errors": 1}, "true or false", ""), ({"kind": "reset", "match": 1}, "text", ""),
    ),
)  # fmt: skip
def test_what_cannot_be_understood_says_so_and_what_could(document: Any, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_rules(document)
    assert hint in caught.value.hint


def test_a_wrong_rule_among_several_is_named_by_its_number() -> None:
    with pytest.raises(UsageError, match="rule 2: there is no fault 'rest'"):
        read_faults(["throttle", "rest"])


@pytest.mark.parametrize("document", ("throttle", 3, None, {"rules": "throttle"}, {"rule": []}, {"max_workers": -1}))
def test_a_document_of_another_shape_is_refused(document: Any) -> None:
    with pytest.raises(UsageError):
        read_faults(document)


@pytest.mark.parametrize("text", ("", "{", "[" * 100_000, '{"kind": "reset"} x'))
def test_a_file_or_header_that_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError):
        read_faults_file(tmp_path / "faults.json")
    with pytest.raises(UsageError):
        read_header(text)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_faults_file(tmp_path / "none.json")


def test_a_header_is_a_kind_or_json() -> None:
    assert read_header(" reset ") == (Rule(Kind.RESET),)
    assert read_header('{"kind": "throttle", "seconds": 2}') == (Rule(Kind.THROTTLE, seconds=2),)


def test_nothing_strikes_unless_it_is_said() -> None:
    assert not Injector(NO_FAULTS, Clock(), by_request=False).active
    assert injector(by_request=True).active
    assert injector(Rule(Kind.RESET)).active


def test_a_rule_spares_the_first_and_ends_after_its_times() -> None:
    assert strikes(injector(Rule(Kind.THROTTLE, after=2, times=3)), 7) == [False] * 2 + [True] * 3 + [False] * 2


def test_a_spared_or_unfitting_moment_is_no_match() -> None:
    made = injector(Rule(Kind.THROTTLE, after=1, match="dragon"))
    other = Subject(operation="run", outline={"prompt": "a blue cat"})
    assert strikes(made, 3, other) == [False] * 3
    assert strikes(made, 2) == [False, True]


def test_a_text_is_found_in_the_input_whatever_its_letters() -> None:
    made = injector(Rule(Kind.THROTTLE, match="Übergröße"))
    assert strikes(made, 1, Subject(operation="run", outline={"a": {"b": ["eine Übergröße"]}})) == [True]
    deep: Mapping[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert strikes(made, 1, Subject(operation="run", outline=deep)) == [False]


def test_chance_is_kept_over_many_moments() -> None:
    hits = sum(strikes(injector(Rule(Kind.THROTTLE, chance=0.3)), 2_000))
    assert 500 < hits < 700
    assert not any(strikes(injector(Rule(Kind.THROTTLE, chance=0)), 100))


def test_one_seed_is_one_luck_and_another_is_another() -> None:
    def drawn(seed: int) -> list[bool]:
        return strikes(injector(Rule(Kind.THROTTLE, chance=0.5), seed=seed), 64)

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_two_rules_have_luck_of_their_own() -> None:
    made = injector(Rule(Kind.THROTTLE, chance=0.5, match="dragon"), Rule(Kind.RESET, chance=0.5))
    drawn = [(made.draw(Stage.CALL, CALL) is None, made.draw(Stage.ANSWER, CALL) is None) for _ in range(64)]
    assert len(set(drawn)) == 4


def test_how_often_one_rule_is_asked_does_not_change_the_luck_of_another() -> None:
    rules = (Rule(Kind.THROTTLE, chance=0.5), Rule(Kind.EXPIRY, chance=0.5))

    def expiries(calls: int) -> list[bool]:
        made = injector(*rules)
        drawn = []
        for _ in range(64):
            strikes(made, calls)
            drawn.append(made.draw(Stage.END, CALL) is not None)
        return drawn

    assert expiries(0) == expiries(5)


def test_the_first_rule_that_strikes_is_the_only_one() -> None:
    made = injector(Rule(Kind.THROTTLE, times=1), Rule(Kind.BAD_GATEWAY))
    kinds = [rule.kind for _ in range(3) if (rule := made.draw(Stage.CALL, CALL))]
    assert kinds == [Kind.THROTTLE, Kind.BAD_GATEWAY, Kind.BAD_GATEWAY]


def test_a_jobs_own_fault_strikes_once_unless_it_says_more() -> None:
    made = injector(by_request=True)
    for asked, struck in (("no_output", 1), ({"kind": "no_output", "times": 2}, 2)):
        rules = made.asked_by({FAULT_KEY: asked})
        subject = Subject(job_id=str(asked), asked=rules)
        assert sum(made.draw(Stage.RESULT, subject) is not None for _ in range(4)) == struck


def test_a_stray_key_does_nothing_and_a_wrong_one_is_refused() -> None:
    assert injector().asked_by({FAULT_KEY: "reset"}) == ()
    with pytest.raises(RequestRejected, match="assetmill_fault: there is no fault 'rest'"):
        injector(by_request=True).asked_by({FAULT_KEY: "rest"})


def test_the_record_holds_what_took_effect_and_not_what_was_drawn() -> None:
    made = injector(Rule(Kind.THROTTLE))
    strikes(made, 3)
    assert (made.counts(), made.log()) == ({}, ())
    made.note(Kind.THROTTLE, "run")
    made.note(Kind.RESET, "job-1")
    assert made.counts() == {"throttle": 1, "reset": 1}
    assert [(one.kind, one.subject) for one in made.log()] == [(Kind.THROTTLE, "run"), (Kind.RESET, "job-1")]


def test_the_manual_names_every_fault_with_its_parameters_and_what_they_are_when_left_out() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "local-endpoint.md").read_text(encoding="utf-8")
    rows = {row.split("|")[1].strip(" `"): row.split("|")[2] for row in manual.splitlines() if row.startswith("| `")}
    for kind, spec in SPECS.items():
        told = dict(re.findall(r"`(\w+)`(?: \(([\d.]+)\))?", rows[kind.value]))
        assert told.keys() == spec.takes - {"operation", "worker"}, kind
        assert {name: float(value) for name, value in told.items() if value} == spec.defaults, kind
