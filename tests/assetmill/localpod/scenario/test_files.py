"""Files of the local Scenario: signed addresses, uploads in parts, bulk answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from assetmill.clock import Clock
from assetmill.localpod.scenario import ScenarioConfig

ALTERED = (
    lambda url: f"{url}&width=100",
    lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
    lambda url: url.replace("Expires=", "Expires=9"),
    lambda url: url.partition("?")[0],
    lambda url: "?".join((url.partition("?")[0], "&".join(url.partition("?")[2].split("&")[::-1]))),
    lambda url: url.replace("sig=", "Sig="),
    lambda url: url.replace("/asset_", "/asset_0"),
)


async def test_an_address_opens_only_as_it_was_given_out(open_scenario, guide):
    async with open_scenario() as caller:
        url = (await caller.asset(await caller.uploaded(guide)))["url"]
        refused = [await caller.bare.get(altered(url)) for altered in ALTERED]
        given = await caller.bare.get(url)
    assert [answer.status_code for answer in refused] == [403] * len(ALTERED)
    assert all("AccessDenied" in answer.text for answer in refused)
    assert given.content == guide


async def test_an_address_expires_and_a_new_answer_brings_a_new_one(open_scenario, guide):
    moment = [datetime(2026, 1, 1, tzinfo=UTC)]
    clock = replace(Clock(), now=lambda: moment[0])
    async with open_scenario(ScenarioConfig(url_lifetime_s=60), clock) as caller:
        asset_id = await caller.uploaded(guide)
        old = (await caller.asset(asset_id))["url"]
        moment[0] += timedelta(seconds=61)
        assert (await caller.bare.get(old)).status_code == 403
        assert await caller.file(asset_id) == guide


async def test_a_key_has_no_business_at_the_host_of_the_files(open_scenario, guide):
    async with open_scenario() as caller:
        url = (await caller.asset(await caller.uploaded(guide)))["url"]
        assert (await caller.api.get(url)).status_code == 400


async def test_a_picture_comes_back_as_it_was_uploaded(open_scenario, guide):
    async with open_scenario() as caller:
        asset_id = await caller.uploaded(guide)
        asset, file = await caller.asset(asset_id), await caller.file(asset_id)
    assert file == guide
    assert (asset["metadata"]["type"], asset["mimeType"], asset["metadata"]["name"]) == (
        "uploaded", "image/png", "guide.png",
    )  # fmt: skip


@pytest.mark.parametrize(
    "body", ({}, {"name": "a"}, {"name": "a", "image": "no base64!"}, {"name": "a", "image": "aGk="})
)
async def test_what_is_no_picture_is_not_taken(open_scenario, body):
    async with open_scenario() as caller:
        answer = await caller.post("/assets", body)
    assert answer.status_code == 400
    assert set(answer.json()["infos"]) <= {"image", "name"}


async def test_several_assets_are_told_at_once_and_unknown_ones_left_out(open_scenario, guide):
    async with open_scenario() as caller:
        ids = [await caller.uploaded(guide) for _ in range(2)]
        found = (await caller.post("/assets/get-bulk", {"assetIds": [*ids, "asset_none", ids[0]]})).json()["assets"]
        refused = [await caller.post("/assets/get-bulk", body) for body in ({}, {"assetIds": []}, {"assetIds": [1]})]
    assert [asset["id"] for asset in found] == ids
    assert [answer.status_code for answer in refused] == [400] * 3


def parts_of(file: bytes, **fields: object) -> dict[str, object]:
    return {
        "fileName": "guide.png", "contentType": "image/png", "fileSize": len(file), "parts": 2, "kind": "image",
    } | fields  # fmt: skip


async def test_a_file_may_come_in_parts_in_any_order(open_scenario, guide):
    half = len(guide) // 2
    async with open_scenario() as caller:
        upload = (await caller.post("/uploads", parts_of(guide))).json()["upload"]
        for part, content in zip(upload["parts"][::-1], (guide[half:], guide[:half]), strict=True):
            answer = await caller.bare.put(part["url"], content=content)
            assert (answer.status_code, bool(answer.headers["etag"])) == (200, True)
        done = (await caller.post(f"/uploads/{upload['id']}/action", {"action": "complete"})).json()["upload"]
        await caller.server.settled()
        job = (await caller.get(f"/jobs/{done['jobId']}")).json()["job"]
        imported = (await caller.get(f"/uploads/{upload['id']}")).json()["upload"]
        file = await caller.file(job["metadata"]["assetIds"][0])
    assert file == guide
    assert (upload["status"], done["status"], imported["status"]) == ("pending", "validating", "imported")
    assert imported["entityId"] == job["metadata"]["assetIds"][0]
    assert (job["jobType"], job["billing"]["cuCost"]) == ("upload", 0)


async def test_a_file_of_which_a_part_is_missing_fails_its_job(open_scenario, guide):
    async with open_scenario() as caller:
        upload = (await caller.post("/uploads", parts_of(guide))).json()["upload"]
        await caller.bare.put(upload["parts"][0]["url"], content=guide[:10])
        wrong = urlsplit(upload["parts"][1]["url"])._replace(query="").geturl()
        assert (await caller.bare.put(wrong, content=guide[10:])).status_code == 403
        done = (await caller.post(f"/uploads/{upload['id']}/action", {"action": "complete"})).json()["upload"]
        await caller.server.settled()
        job = (await caller.get(f"/jobs/{done['jobId']}")).json()["job"]
        failed = (await caller.get(f"/uploads/{upload['id']}")).json()["upload"]
        late = await caller.bare.put(upload["parts"][1]["url"], content=guide[10:])
    assert job["status"] == "failure"
    assert failed["status"] == "failed"
    assert f"10 bytes came of {len(guide)}" in failed["errorMessage"]
    assert late.status_code == 403


WRONG_UPLOADS = ({"parts": 0}, {"parts": 101}, {"fileSize": None}, {"fileName": ""}, {"parts": True})


async def test_an_upload_that_cannot_be_is_refused(open_scenario, guide):
    async with open_scenario() as caller:
        answers = [await caller.post("/uploads", parts_of(guide, **wrong)) for wrong in WRONG_UPLOADS]
        missing = await caller.post("/uploads/upload_none/action", {"action": "complete"})
    assert [set(answer.json()["infos"]) for answer in answers] == [set(wrong) for wrong in WRONG_UPLOADS]
    assert [answer.status_code for answer in answers] == [400] * len(WRONG_UPLOADS)
    assert missing.status_code == 404
