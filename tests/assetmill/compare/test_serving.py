"""The page over HTTP: votes get into the ledger, and nothing else is handed out or taken in."""

from __future__ import annotations

import httpx
import pytest

from assetmill.clock import Clock
from assetmill.compare.serving import Booth, Place
from assetmill.localpod.server import hosting

SAID = {
    "asset": "entity-0",
    "candidate": 0,
    "voter": "ada",
    "choice": "scenario",
    "note": "",
    "voted_at": "2020-01-01T00:00Z",
}


@pytest.fixture
def comparison(store, make_comparison):
    return make_comparison(store, entity=2)


@pytest.fixture
async def page(store, ledger, comparison):
    """A client of the page."""
    async with (
        hosting(Place(0), lambda port: Booth(comparison, store, ledger, Clock(), port)) as booth,
        httpx.AsyncClient(base_url=booth.url, timeout=10) as client,
    ):
        yield client


async def test_a_vote_is_saved_as_it_is_cast_and_read_back(page, ledger, comparison):
    answer = await page.post("votes", json={"votes": [SAID]})
    assert (answer.status_code, answer.json()) == (200, {"saved": 1})
    (vote,) = ledger.votes.of(comparison.id)
    assert (vote.asset_id, vote.choice, vote.voter, vote.voted_at.year > 2020) == ("entity-0", "scenario", "ada", True)
    again = await page.post("votes", json={"votes": [SAID | {"choice": "neither", "note": "blurred"}]})
    assert again.status_code == 200
    (told,) = (await page.get("votes")).json()["votes"]
    assert (told["choice"], told["note"]) == ("neither", "blurred")
    assert "neither" in (await page.get("/")).text


async def test_pictures_of_the_comparison_are_handed_out_and_no_other_object(page, store, comparison):
    store.put("private/receipts/tiny/ab/a1.json", b"{}", content_type="application/json")
    store.put("blobs/ab/" + "ab" * 32 + ".png", b"png", content_type="image/png")
    key = comparison.pairs[0].shots[0].views[0].keys[0]
    good = await page.get(f"files/{key}")
    assert (good.status_code, good.headers["content-type"], good.content) == (200, "image/png", store.get(key))
    for path in ("private/receipts/tiny/ab/a1.json", "blobs/ab/" + "ab" * 32 + ".png", "../ledger.db"):
        assert (await page.get(f"files/{path}")).status_code == 404


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    (
        ({"host": "evil.example"}, {"votes": [SAID]}, 400),
        ({"origin": "https://evil.example"}, {"votes": [SAID]}, 400),
        ({"content-type": "text/plain"}, {"votes": [SAID]}, 400),
        ({}, {"votes": [SAID | {"choice": "draft"}]}, 400),
        ({}, {"votes": []}, 400),
        ({}, {"votes": [SAID | {"note": "x" * 200_000}]}, 400),
    ),
)
async def test_votes_from_elsewhere_or_about_nothing_are_refused(page, ledger, comparison, headers, body, status):
    sent = {"content-type": "application/json", **headers}
    request = page.build_request("POST", "votes", json=body, headers=sent)
    assert (await page.send(request)).status_code == status
    assert ledger.votes.of(comparison.id) == []


async def test_the_summary_follows_the_votes(page):
    before = (await page.get("summary")).text
    await page.post("votes", json={"votes": [SAID]})
    after = (await page.get("summary")).text
    assert "0 pairs were judged" in before
    assert "1 pairs were judged" in after
