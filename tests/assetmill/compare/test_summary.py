"""What follows from votes, checks and prices: a route where the evidence holds, and `undecided` where it does not."""

from __future__ import annotations

from decimal import Decimal

import pytest
import yaml

from assetmill.compare.policy import policy_text, routes
from assetmill.compare.summary import by_chance, opinions, verdicts
from assetmill.manifest.models import Routing
from assetmill.providers.routing import read_routes

A, B = "runpod", "scenario"


@pytest.mark.parametrize(
    ("first", "second", "decided"),
    (
        (5, 0, True),
        (0, 5, True),
        (4, 0, False),
        (6, 1, False),
        (7, 1, True),
        (8, 2, False),
        (9, 2, True),
        (0, 0, False),
    ),
)
def test_votes_decide_only_where_equals_would_hardly_look_so(first, second, decided):
    assert (by_chance(first, second) <= 0.1) is decided


def test_votes_decide_a_type_and_leave_another_open(store, make_comparison, said):
    comparison = make_comparison(store, entity=6, background=6)
    votes = said(comparison, "entity", *[A] * 5, B) + said(comparison, "background", A, A, A)
    entity, background = verdicts(comparison, [*votes, *said(comparison, "entity", *[A] * 6, voter="bob")])
    assert (entity.winner, entity.basis, entity.sides[0].better, entity.equal) == (A, "votes", 5, 1)
    assert (background.winner, background.judged) == (None, 3)
    assert "undecided" in background.words


def test_a_lead_that_may_be_chance_decides_nothing(store, make_comparison, said):
    comparison = make_comparison(store, entity=7)
    verdict = verdicts(comparison, said(comparison, "entity", *[A] * 6, B))[0]
    assert (verdict.winner, verdict.basis) == (None, "none")
    assert "may be chance" in verdict.words


def test_pairs_are_counted_and_not_people(store, make_comparison, said):
    comparison = make_comparison(store, entity=6)
    crowd = [vote for name in "abcdefgh" for vote in said(comparison, "entity", B, voter=name)]
    assert opinions(comparison, crowd) == {("entity-0", 0): B}
    assert verdicts(comparison, crowd)[0].winner is None


def test_as_many_votes_for_one_as_for_the_other_are_equal(store, make_comparison, said):
    comparison = make_comparison(store, entity=1)
    votes = said(comparison, "entity", A) + said(comparison, "entity", B, voter="bob")
    assert opinions(comparison, votes) == {("entity-0", 0): "equal"}


def test_of_two_as_good_the_cheaper_one_is_taken_and_else_the_faster(store, make_comparison, said):
    cheap = {(f"entity-{n}", 1): {"spent_usd": Decimal("0.004")} for n in range(6)}
    comparison = make_comparison(store, entity=6, shots=cheap)
    verdict = verdicts(comparison, said(comparison, "entity", *["equal"] * 5))[0]
    assert (verdict.winner, verdict.basis) == (B, "cost")
    fast = {(f"entity-{n}", 0): {"latency_ms": 1000} for n in range(6)}
    quick = make_comparison(store, entity=6, shots=fast)
    assert verdicts(quick, said(quick, "entity", *["equal"] * 5))[0].basis == "latency"
    assert verdicts(quick, [])[0].winner is None  # nobody has found them as good


def test_an_unknown_price_is_no_price_of_zero(store, make_comparison, said):
    unknown = {("entity-0", 1): {"spent_usd": None}, ("entity-1", 1): {"spent_usd": Decimal(0)}}
    comparison = make_comparison(store, entity=6, shots=unknown)
    verdict = verdicts(comparison, said(comparison, "entity", *["equal"] * 6))[0]
    assert (verdict.sides[1].each_usd, verdict.winner) == (None, None)


def test_checks_decide_where_one_side_alone_fails_them(store, make_comparison, said):
    failed = {(f"entity-{n}", 1): {"state": "rejected", "why": "empty"} for n in range(5)}
    comparison = make_comparison(store, entity=6, shots=failed)
    assert (verdicts(comparison, [])[0].winner, verdicts(comparison, [])[0].basis) == (A, "checks")
    against = said(comparison, "entity", B, B, B)
    assert verdicts(comparison, against)[0].winner is None  # people lean the other way


def test_who_has_no_way_to_a_type_does_not_get_it_and_who_failed_once_may(store, make_comparison):
    blocked = {("parallax-0", 1): {"state": "blocked", "why": "no split by depth", "views": (), "tries": 0}}
    comparison = make_comparison(store, parallax=1, shots=blocked)
    assert verdicts(comparison, [])[0].winner == A
    missing = {("parallax-0", 1): {"state": "missing", "why": "worker died", "views": ()}}
    assert verdicts(make_comparison(store, parallax=1, shots=missing), [])[0].winner is None


def test_two_that_nobody_wants_make_no_route(store, make_comparison, said):
    comparison = make_comparison(store, entity=9)
    votes = said(comparison, "entity", *["neither"] * 6, A, A, A)
    assert verdicts(comparison, votes)[0].winner is None


def test_the_policy_is_what_a_manifest_and_the_settings_read(store, make_comparison, said):
    comparison = make_comparison(store, entity=6, background=6, title_hero=1)
    votes = said(comparison, "entity", *[A] * 6) + said(comparison, "background", *[B] * 6)
    found = verdicts(comparison, votes)
    text = policy_text(comparison, found, fallback=True)
    read = Routing.model_validate(yaml.safe_load(text)["routing"])
    assert (read.entity, read.background, read.title_hero) == ((A, B), (B, A), ())
    line = text.rstrip().rpartition("# ASSETMILL_ROUTES=")[2]
    assert read_routes(line) == {"entity": (A, B), "background": (B, A)}
    assert routes(comparison, found) == {"entity": (A,), "background": (B,)}
    assert "title_hero: undecided" in text


def test_placeholders_and_addresses_make_no_route(store, make_comparison, said):
    drafts = make_comparison(store, ("draft", "comfyui"), draft=True, entity=6)
    text = policy_text(drafts, verdicts(drafts, said(drafts, "entity", *["comfyui"] * 6)))
    assert yaml.safe_load(text) is None
    there = make_comparison(store, ("alpha@127.0.0.1:8000", B), entity=6)
    votes = said(there, "entity", *["alpha@127.0.0.1:8000"] * 6)
    assert routes(there, verdicts(there, votes)) == {}
    assert "an address is no name" in policy_text(there, verdicts(there, votes))
