"""A look at everything that is configured: free, complete whatever is broken, and without a secret."""

from __future__ import annotations

import json
from pathlib import Path

from assetmill.clock import Clock
from assetmill.doctor import State, status
from assetmill.doctor.findings import Check, Way, named
from assetmill.doctor.status import Status

SECRET = "a-secret-of-sixteen"


def states(found: Status) -> dict[str, State]:
    return {check.name: check.state for check in found.checks}


async def test_a_fresh_home_stands_and_has_no_endpoint_but_drafts(settings_with):
    found = await status(settings_with(), Clock())
    assert set(states(found).values()) == {State.OK}
    assert (found.endpoints, found.exit_code) == ((), 0)


async def test_what_is_broken_keeps_nothing_else_from_being_looked_at(settings_with, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    settings = settings_with(
        ASSETMILL_LEDGER_URL=f"sqlite:///{tmp_path / 'file' / 'ledger.db'}",
        ASSETMILL_ROUTES="nonsense",
        PREFECT_API_URL=f"http://me:{SECRET}@127.0.0.1:9/api",
        RUNPOD_COMFYUI_ENDPOINT_ID="abcdefghij0",
    )
    found = await status(settings, Clock())
    assert states(found) == {
        "settings": State.BAD, "books": State.BAD, "store": State.OK, "prefect": State.BAD,
    }  # fmt: skip
    [endpoint] = found.endpoints
    assert "RUNPOD_API_KEY is not set" in endpoint.checks[0].words
    assert found.exit_code == 5, "without books nothing can be paid for"
    assert SECRET not in json.dumps(found.as_json())


async def test_a_missing_key_is_a_refusal_and_ends_with_4(settings_with):
    found = await status(settings_with(RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID="abcdefghij0"), Clock())
    assert [one.endpoint for one in found.endpoints] == ["custom"]
    assert found.exit_code == 4


async def test_endpoints_that_are_configured_or_routed_to_are_looked_at_once_and_for_free(clinic, settings_with):
    async with clinic.pod("BiRefNetRMBG") as pod:
        base = pod.url.removesuffix("/ep")
        clinic.settings = settings_with(
            RUNPOD_API_URL=base, RUNPOD_API_KEY=clinic.key.get_secret_value(), RUNPOD_COMFYUI_ENDPOINT_ID="ep",
            ASSETMILL_ROUTES=f"*=runpod>{pod.url}", IMAGE_GENERATION_PROVIDER="runpod",
        )  # fmt: skip
        asked = await clinic.examine(pod)
        found = await status(clinic.settings, Clock())
        assert len(pod.executions()) == asked.jobs
    assert {one.endpoint for one in found.endpoints} == {"runpod"}
    assert [one.able for one in found.endpoints[0].abilities] == [one.able for one in asked.abilities]
    assert found.exit_code == 1, "what was found missing before is still missing"


def test_a_type_is_named_once_where_all_of_it_stands_alike():
    ways = (
        Way("sheet", "cut out", "sheet", able=True),
        Way("sheet", "opaque", "img2img", able=True),
        Way("parallax", "depth", None, able=False),
        Way("parallax", "per_layer", "x", able=True),
    )
    assert named(ways, able=True) == ["sheet", "parallax (per_layer)"]
    assert named(ways, able=False) == ["parallax (depth)"]


def test_nothing_amiss_is_0_and_a_warning_is_nothing_amiss():
    warned = Check("books", State.WARN, "1 attempt is open")
    assert Status((warned,), ()).exit_code == 0
    assert Status((warned, Check("prefect", State.BAD, "away")), ()).exit_code == 1
