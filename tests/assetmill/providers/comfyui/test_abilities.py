from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse, Response

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, ProviderRefused
from assetmill.providers.base import Ability
from assetmill.providers.comfyui import abilities
from assetmill.providers.comfyui.abilities import judged
from assetmill.providers.endpoint import Endpoint
from assetmill.workflows.library import Library, load_library

RECORDED = Path(__file__).parents[3] / "fixtures" / "object_info"
CHECKPOINT = "flux1-dev-fp8.safetensors"


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


def at(url: str, key: str | None = None) -> Endpoint:
    return Endpoint("comfyui", "comfyui", f"comfyui+{url}", SecretStr(key) if key else None, "flux", 1, None, "")


def by_name(found: tuple[Ability, ...]) -> dict[str, Ability]:
    return {ability.workflow: ability for ability in found}


async def test_a_server_with_everything_can_do_everything(open_comfy: Any, clock: Clock, library: Library) -> None:
    async with open_comfy(api_key="made-up-key") as comfy:
        found = await abilities(at(comfy.url, "made-up-key"), clock, library)
        assert {ability.workflow for ability in found if ability.able} == set(library.names)
        assert not comfy.ran
        with pytest.raises(ProviderRefused):
            await abilities(at(comfy.url), clock, library)


async def test_what_is_missing_is_named_with_its_pack_or_folder(
    open_comfy: Any, clock: Clock, library: Library
) -> None:
    async with open_comfy(lacks=frozenset({"BiRefNetRMBG", CHECKPOINT, "FluxGuidance"})) as comfy:
        found = by_name(await abilities(at(comfy.url), clock, library))
    assert not found["remove-background"].able
    assert found["remove-background"].why == "it has no node BiRefNetRMBG of the node pack comfyui-rmbg"
    assert found["remove-background"].missing == ("BiRefNetRMBG",)
    entity = found["entity"]
    assert set(entity.missing) == {"BiRefNetRMBG", CHECKPOINT, "FluxGuidance"}
    assert f"it has no model {CHECKPOINT} in models/checkpoints" in entity.why
    assert "it has no node FluxGuidance of ComfyUI itself" in entity.why


@pytest.mark.parametrize("version", ("0.3.77", "0.17.0", "0.25.1"))
def test_real_servers_are_judged_by_what_they_say_of_themselves(version: str, library: Library) -> None:
    info = json.loads((RECORDED / f"{version}.json").read_text(encoding="utf-8"))
    info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = [CHECKPOINT]
    found = by_name(judged(library, info))
    plain = ("entity", "background", "title-hero", "sheet", "parallax-depth", "txt2img", "img2img", "remove-background")
    assert [name for name in plain if not found[name].able] == []
    bare = copy.deepcopy(info)
    bare["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = []
    assert by_name(judged(library, bare))["background"].missing == (CHECKPOINT,)
    other = copy.deepcopy(info)
    other["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = ["a.safetensors", "b.safetensors"]
    why = by_name(judged(library, other))["background"].why
    assert why == f"it has no model {CHECKPOINT} in models/checkpoints (but a.safetensors, b.safetensors)"


async def test_a_server_that_is_away_for_a_moment_is_asked_again(script: Any, clock: Clock, library: Library) -> None:
    script.say("object_info", Response(status_code=502), JSONResponse({"SaveImage": {"input": {}, "output": []}}))
    found = await abilities(at(script.url), clock, library)
    assert not any(ability.able for ability in found)
    script.say_now("object_info", Response(status_code=502))
    with pytest.raises(NotDelivered):
        await abilities(at(script.url), clock, library)
