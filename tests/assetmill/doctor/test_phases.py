"""A phase is done only where that is known; what is not done says what is next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assetmill.doctor.history import Made, Smoked
from assetmill.doctor.phases import Phase, Stands, ago, drawn, environment, smoke, switch
from assetmill.providers.endpoint import Endpoint

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ENDPOINT = Endpoint("runpod", "runpod", "https://api.example/v2/ep", None, "flux", 3, None, "a list")
KINDS = ("txt2img", "entity", "sheet")


def passed(kind: str, **changes: Any) -> Smoked:
    return replace(Smoked(kind, passed=True, at=NOW - timedelta(hours=3)), **changes)


def test_an_environment_without_a_key_or_an_id_is_not_ready():
    assert "RUNPOD_API_KEY" in environment({}, key=False, made=None).words
    found = environment({}, key=True, made=None)
    assert (found.stands, "endpoint apply" in found.then) == (Stands.NOT_YET, True)


def test_an_environment_that_knows_another_endpoint_than_the_file_is_told_the_line_to_set():
    assert environment({"runpod": "abc"}, key=True, made="abc").stands is Stands.DONE
    found = environment({"runpod": "abc"}, key=True, made="def")
    assert found.stands is Stands.NOT_YET
    assert "RUNPOD_COMFYUI_ENDPOINT_ID is abc" in found.words
    assert found.then == "RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID=def in .env"
    assert environment({}, key=True, made="def").then == "RUNPOD_COMFYUI_ENDPOINT_ID=def in .env"


def test_an_environment_is_ready_where_nobody_could_ask_for_the_files_endpoint():
    assert environment({"custom": "abc"}, key=True, made=None).stands is Stands.DONE


def test_an_environment_without_a_gpu_pool_is_ready_and_told_that_plans_know_no_price():
    found = environment({"custom": "abc"}, key=True, made=None)
    assert (found.stands, "ASSETMILL_GPU_POOL" in found.then) == (Stands.DONE, True)
    assert environment({"custom": "abc"}, key=True, made=None, pool="ADA_24").then == ""


def test_an_image_that_its_registry_hides_is_there_once_workers_have_drawn_with_it():
    hidden = Phase("image", Stands.UNKNOWN, "private")
    before, after = NOW - timedelta(hours=4), NOW - timedelta(hours=2)
    found = {"entity": passed("entity"), "sheet": passed("sheet", passed=False, at=NOW)}
    assert drawn(hidden, before, found).stands is Stands.DONE
    assert drawn(hidden, after, found) == hidden, "that was drawn with the image before"
    assert drawn(hidden, None, found) == hidden
    absent = Phase("image", Stands.NOT_YET, "not pushed")
    assert drawn(absent, before, found) == absent


def test_smoke_is_done_when_the_newest_of_every_kind_has_passed():
    found = smoke(ENDPOINT, KINDS, {kind: passed(kind) for kind in KINDS}, NOW)
    assert (found.stands, found.then) == (Stands.DONE, "")
    assert found.words == "3 of 3 kinds passed at runpod, the newest 3 hours ago"


def test_what_failed_what_is_stale_and_what_was_never_tried_are_told_apart():
    told = {"txt2img": passed("txt2img", passed=False, why="timed_out"), "entity": passed("entity", stale=True)}
    found = smoke(ENDPOINT, KINDS, told, NOW)
    assert found.stands is Stands.NOT_YET
    assert "failed: txt2img (timed_out)" in found.words
    assert "its graph has changed since: entity" in found.words
    assert "never tried: sheet" in found.words
    assert " full " in found.then


def test_one_kind_that_is_missing_is_tested_alone():
    found = smoke(ENDPOINT, KINDS, {kind: passed(kind) for kind in KINDS[:2]}, NOW)
    assert found.then.startswith("assetmill smoke --endpoint runpod sheet ")
    assert smoke(None, KINDS, {}, NOW).stands is Stands.NOT_YET


def test_the_switch_is_done_when_all_types_are_made_by_workers_of_our_own():
    made = {"scenario": Made(120, 3.2), "runpod": Made(1, 0.00529)}
    found = switch({"entity": "runpod", "sheet": "runpod"}, ["runpod"], made, target="runpod")
    assert found.stands is Stands.DONE
    assert (
        found.words == "images come from runpod; this month: 120 by scenario (about $3.20), 1 by runpod (about $0.0053)"
    )
    partly = switch({"entity": "runpod", "sheet": "scenario"}, ["runpod"], {}, target="runpod")
    assert partly.stands is Stands.NOT_YET
    assert partly.words == "images come from runpod (entity), scenario (sheet); this month: none yet"
    assert "ASSETMILL_ROUTES" in partly.then


@pytest.mark.parametrize(
    ("target", "fallback", "line"),
    (
        ("runpod", "", "IMAGE_GENERATION_PROVIDER=runpod in .env"),
        ("runpod", "scenario", 'ASSETMILL_ROUTES="*=runpod>scenario" in .env'),
        ("custom", "", 'ASSETMILL_ROUTES="*=custom" in .env'),
    ),
)
def test_the_line_that_switches_keeps_who_can_take_over(target: str, fallback: str, line: str):
    assert switch({"entity": "scenario"}, [], {}, target=target, fallback=fallback).then == line


@pytest.mark.parametrize(
    ("seconds", "words"),
    ((0, "just now"), (-90, "just now"), (60, "1 minute ago"), (7300, "2 hours ago"), (90_000, "1 day ago")),
)
def test_how_long_ago_something_was_is_told_in_whole_units(seconds: int, words: str):
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words
