"""Chains in a plan: who is asked, who is passed over and why, and whose picture counts as there."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from assetmill.ledger import Details, Learned, Outage, Picture
from assetmill.manifest import load_pack
from assetmill.planning.history import NOTHING, History
from assetmill.planning.plan import State
from assetmill.planning.planner import make_plan
from assetmill.providers.base import Ability
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.routing import Routes
from assetmill.workflows.library import load_library

LIBRARY = load_library()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GPU = Endpoint("runpod", "runpod", "https://api.runpod.ai/v2/abc", None, "flux1-dev-fp8", 3, Decimal("0.00031"), "list")
SCENARIO = Endpoint(
    "scenario", "scenario", "scenario+https://api.cloud.scenario.com/v1", None, "flux.1-dev", 4, None, "list",
    usd_per_unit=Decimal("0.01"),
)  # fmt: skip
MANIFEST = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default, seed: 1}
assets:
  - {id: slime, type: entity, prompt: a slime}
  - {id: sky, type: background, prompt: a sky}
  - {id: hills, type: parallax, prompt: hills, layer_count: 3}
"""


@pytest.fixture
def pack(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(MANIFEST)
    return load_pack(path)


def chain(*endpoints: Endpoint) -> Routes:
    return Routes(endpoints[0], dict.fromkeys(("entity", "background", "parallax"), endpoints))


def planned(pack, history: History = NOTHING, routes: Routes | None = None):
    plan = make_plan(pack, history, routes or chain(GPU, SCENARIO), LIBRARY)
    return plan, {item.asset.id: item for item in plan.items}


def test_the_first_is_asked_and_the_others_stand_behind_it_with_their_own_cost(pack):
    _, items = planned(pack)
    slime = items["slime"]
    assert (slime.state, slime.road.endpoint, slime.instead_of) == (State.NEW, GPU, None)
    assert [road.endpoint for road in slime.fallbacks] == [SCENARIO]
    assert slime.fallbacks[0].cost.estimate == Decimal("0.10"), "two calls of about five units"
    assert slime.made.fingerprint != slime.fallbacks[0].made.fingerprint


def test_what_has_no_way_at_a_fallback_has_nobody_behind_it(pack):
    _, items = planned(pack)
    assert items["hills"].fallbacks == (), "Scenario splits nothing by depth"
    _, items = planned(pack, routes=chain(SCENARIO, GPU))
    assert items["hills"].road.endpoint == GPU
    assert items["hills"].instead_of == "scenario"
    assert "depth" in items["hills"].instead_why
    _, items = planned(pack, routes=chain(SCENARIO))
    assert items["hills"].state is State.BLOCKED


def kept(fingerprint: str) -> Picture:
    return Picture("a1", "slime", 0, fingerprint, draft=False)


def test_a_picture_that_anybody_of_the_chain_has_made_is_there_and_says_whose_it_is(pack):
    _, items = planned(pack)
    theirs = items["slime"].fallbacks[0].made.fingerprint
    history = History(by_fingerprint={theirs: kept(theirs)}, latest={("slime", 0): kept(theirs)})
    _, items = planned(pack, history)
    assert (items["slime"].state, items["slime"].road.endpoint) == (State.CACHED, SCENARIO)
    assert "made by scenario, in place of runpod" in items["slime"].reason


def test_what_an_endpoint_cannot_run_is_not_sent_there_and_without_anybody_else_blocked_with_the_reason(pack):
    _, items = planned(pack)
    workflow, graph = items["slime"].made.workflow, items["slime"].made.origin["workflow_hash"]
    unable = Learned(GPU.url, Ability(workflow, able=False, why="it has no node BiRefNetRMBG"), graph, NOW)
    history = History(abilities={GPU.url: {workflow: unable}})
    _, items = planned(pack, history)
    assert (items["slime"].road.endpoint, items["slime"].instead_of) == (SCENARIO, "runpod")
    assert "BiRefNetRMBG" in items["slime"].instead_why
    _, items = planned(pack, history, chain(GPU))
    assert items["slime"].state is State.BLOCKED
    assert "BiRefNetRMBG" in items["slime"].reason
    old = Learned(GPU.url, unable.ability, "another graph", NOW)
    _, items = planned(pack, History(abilities={GPU.url: {workflow: old}}), chain(GPU))
    assert items["slime"].state is State.NEW, "the graph was changed since"


def test_an_endpoint_that_failed_lately_is_left_alone_where_somebody_else_can_be_asked(pack):
    outage = Outage(GPU.url, NOW, NOW + timedelta(minutes=10), "it cannot be reached")
    history = History(outages={GPU.url: outage})
    _, items = planned(pack, history)
    assert (items["slime"].road.endpoint, items["slime"].instead_of) == (SCENARIO, "runpod")
    assert items["slime"].instead_why == "left alone until 12:10 UTC: it cannot be reached"
    assert items["hills"].road.endpoint == GPU, "nobody else can make it, so it is tried"
    _, items = planned(pack, history, chain(GPU))
    assert items["slime"].road.endpoint == GPU


def test_the_total_is_the_sum_over_endpoints_and_unknown_where_one_part_is(pack):
    routes = Routes(GPU, {"entity": (SCENARIO,), "background": (GPU,), "parallax": (GPU,)})
    plan, _ = planned(pack, routes=routes)
    parts = plan.by_endpoint
    assert set(parts) == {"runpod", "scenario"}
    assert plan.total.jobs == 3
    assert plan.total.cost.estimate == parts["runpod"].cost.estimate + parts["scenario"].cost.estimate
    unpriced = Endpoint("scenario", "scenario", SCENARIO.url, None, "flux.1-dev", 4, None, "unknown")
    plan, _ = planned(pack, routes=Routes(GPU, {**routes.by_type, "entity": (unpriced,)}))
    assert plan.total.cost.estimate is None


def test_units_are_those_that_were_charged_before_or_that_a_dry_run_told(pack):
    _, items = planned(pack, routes=chain(SCENARIO))
    slime = items["slime"]
    learned = Learned(
        SCENARIO.url, Ability(slime.made.workflow, able=True, units=12.0), str(slime.made.origin["workflow_hash"]), NOW
    )
    told = History(abilities={SCENARIO.url: {slime.made.workflow: learned}})
    _, items = planned(pack, told, chain(SCENARIO))
    assert items["slime"].cost.estimate == items["slime"].cost.high == Decimal("0.12")
    _, items = planned(pack, History(units=lambda _workflow: [8.0] * 40), chain(SCENARIO))
    assert items["slime"].cost.estimate == Decimal("0.08")


def test_what_a_model_does_not_take_is_said_and_not_dropped_in_silence(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(MANIFEST.replace("prompt: a slime", "prompt: a slime, negative_prompt: blurry"))
    _, items = planned(load_pack(path), routes=chain(SCENARIO))
    assert items["slime"].reason == "its negative prompt is left out: flux.1-dev takes none"
    _, items = planned(load_pack(path), routes=chain(GPU))
    assert items["slime"].reason == ""


def test_what_may_have_been_charged_by_one_of_a_chain_counts_whoever_would_be_asked_now(pack):
    _, items = planned(pack)
    theirs = items["slime"].road.made.fingerprint
    away = {GPU.url: Outage(GPU.url, NOW, NOW + timedelta(minutes=10), "it cannot be reached")}
    history = History(unknowns={theirs: 1}, outages=away)
    plan = make_plan(pack, history, chain(GPU, SCENARIO), LIBRARY, resend_unknown=0)
    slime = next(item for item in plan.items if item.asset.id == "slime")
    assert slime.state is State.BLOCKED, "Scenario would be the second to be paid for it"
    _, items = planned(pack, history)
    assert (items["slime"].state, items["slime"].road.endpoint) == (State.NEW, SCENARIO)


def test_a_locked_picture_stays_and_stays_whose_it_is_whatever_an_endpoint_can_do_now(tmp_path):
    path = tmp_path / "game.yaml"
    path.write_text(MANIFEST.replace("prompt: a slime", "prompt: a slime, locked: true"))
    pack = load_pack(path)
    _, items = planned(pack)
    inputs = items["slime"].made.fields | {"prompt": "as it was"}
    details = {"a1": Details("a1", json.dumps(inputs), "{}")}
    unable = {
        road.endpoint.url: {
            road.made.workflow: Learned(
                road.endpoint.url,
                Ability(road.made.workflow, able=False, why="no"),
                str(road.made.origin["workflow_hash"]),
                NOW,
            )
        }
        for road in (items["slime"].road, *items["slime"].fallbacks)
    }
    for abilities in ({}, {GPU.url: unable[GPU.url]}, unable):
        history = History(latest={("slime", 0): kept("old")}, load_details=lambda: details, abilities=abilities)
        _, items = planned(pack, history)
        slime = items["slime"]
        assert (slime.state, slime.attempt_id, slime.instead_of) == (State.CACHED, "a1", None)
        assert "prompt" in slime.reason


def test_a_job_that_comes_back_late_does_not_replace_the_picture_that_was_used_meanwhile(pack):
    _, items = planned(pack)
    slime = items["slime"]
    first, theirs = slime.made.fingerprint, slime.fallbacks[0].made.fingerprint
    late, used = Picture("late", "slime", 0, first, draft=False), Picture("used", "slime", 0, theirs, draft=False)
    both = {first: late, theirs: used}
    _, items = planned(pack, History(by_fingerprint=both, verdicts={("used", slime.finish_fingerprint): None}))
    assert (items["slime"].attempt_id, items["slime"].road.endpoint) == ("used", SCENARIO)
    _, items = planned(pack, History(by_fingerprint=both))
    assert items["slime"].attempt_id == "late", "where neither was used the first in the chain counts"
