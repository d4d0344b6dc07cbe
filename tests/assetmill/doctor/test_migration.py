"""The status page of the migration, from a fresh folder to workers of our own: each phase by what is really there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assetmill.clock import Clock
from assetmill.doctor import Phase, Stands, status
from assetmill.doctor.migration import migration
from assetmill.doctor.planned import look
from assetmill.provisioning import plan
from assetmill.provisioning.access import managing
from assetmill.provisioning.apply import apply, scale
from assetmill.settings import Settings

FILE = """version: 1
name: assetmill
image: {image}
disk_gb: 30
gpu: {{pools: [ADA_24]}}
workers: {{min: 0, max: 3}}
"""
NAMES = ["image", "endpoint", "environment", "smoke", "switch"]


def stands(found: tuple[Phase, ...]) -> dict[str, Stands]:
    return {phase.name: phase.stands for phase in found}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], None]:
    """Writes the endpoint file with an image."""

    def written(image: str) -> None:
        (tmp_path / "endpoint.yaml").write_text(FILE.format(image=image))

    return written


@pytest.fixture
def at(clinic: Any, settings_with: Callable[..., Settings]) -> Callable[..., Settings]:
    """Settings for which a local endpoint is RunPod."""

    def made(pod: Any, **variables: str) -> Settings:
        base = pod.url.removesuffix("/ep")
        key = clinic.key.get_secret_value()
        own = {"RUNPOD_API_URL": base, "RUNPOD_MANAGEMENT_URL": base, "RUNPOD_API_KEY": key}
        return settings_with(**own | variables)

    return made


async def test_nothing_is_done_in_a_fresh_folder_and_that_is_no_fault(settings_with):
    found = await status(settings_with(), Clock())
    assert [phase.name for phase in found.phases] == NAMES
    assert Stands.DONE not in stands(found.phases).values()
    assert found.exit_code == 0
    assert found.as_json()["phases"][2]["then"].startswith("put RUNPOD_API_KEY into .env")


async def test_the_placeholder_is_not_looked_for_anywhere(settings_with, write, registry):
    write(f"{registry.host}/your-name/worker:0.1.0")
    image, endpoint, *_ = await migration(settings_with(), Clock())
    assert (image.stands, endpoint.stands, registry.calls) == (Stands.NOT_YET, Stands.NOT_YET, [])
    assert "placeholder" in image.words


async def test_an_image_is_done_when_its_registry_has_it(settings_with, write, registry):
    seen = {}
    for name in ("you/worker:0.1.0", "you/worker:0.2.0", "you/private:1.0"):
        write(f"{registry.host}/{name}")
        image, *_ = await migration(settings_with(), Clock())
        seen[name] = image.stands
    assert list(seen.values()) == [Stands.DONE, Stands.NOT_YET, Stands.UNKNOWN]


async def test_the_files_of_the_image_are_held_against_the_graphs(settings_with, write, registry, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text("FROM runpod/worker-comfyui:latest\n")
    write(f"{registry.host}/you/worker:0.1.0")
    image, *_ = await migration(settings_with(), Clock())
    assert "cannot read" in image.words, "there is no lock beside it"
    assert image.stands is Stands.DONE, "the image itself is there"


async def test_every_phase_from_an_endpoint_that_is_not_there_to_one_that_is(clinic, at, write, registry):
    write(f"{registry.host}/you/worker:0.1.0")
    async with clinic.pod() as pod:
        settings = at(pod)
        before = dict(zip(NAMES, await migration(settings, Clock()), strict=True))
        assert before["endpoint"].then == "assetmill endpoint apply"
        assert before["environment"].stands is Stands.NOT_YET
        async with managing(settings, Clock()) as api:
            done = await apply(api, await plan(settings, Clock()), Clock())
            made = dict(zip(NAMES, await migration(settings, Clock()), strict=True))
            assert made["endpoint"].stands is Stands.DONE
            assert made["environment"].then == f"RUNPOD_COMFYUI_ENDPOINT_ID={done.endpoint_id} in .env"
            set_up = at(pod, RUNPOD_COMFYUI_ENDPOINT_ID=done.endpoint_id, IMAGE_GENERATION_PROVIDER="runpod")
            after = dict(zip(NAMES, await migration(set_up, Clock()), strict=True))
            assert (await look(set_up, Clock())).released_at is not None, "since when it has this very image"
            await scale(api, done.endpoint_id, 0)
        lowered = dict(zip(NAMES, await migration(set_up, Clock()), strict=True))
    assert stands(tuple(after.values())) == dict.fromkeys(NAMES, Stands.DONE) | {"smoke": Stands.NOT_YET}
    assert "0 of 8 kinds passed at runpod; never tried: txt2img" in after["smoke"].words
    assert (lowered["endpoint"].stands, lowered["endpoint"].then) == (Stands.NOT_YET, "assetmill endpoint scale file")
    assert "workers.max is 0, not 3" in lowered["endpoint"].words
    assert pod.executions() == (), "nothing was sent"


async def test_an_api_that_does_not_answer_leaves_its_phase_unknown_and_the_others_told(clinic, at, write, registry):
    write(f"{registry.host}/you/worker:0.1.0")
    async with clinic.pod() as pod:
        settings = at(pod, RUNPOD_API_KEY="another-key-0123456789")
        found = await migration(settings, Clock())
    assert stands(found)["endpoint"] is Stands.UNKNOWN
    assert stands(found)["image"] is Stands.DONE
    assert "another-key" not in json.dumps([phase.as_json() for phase in found])


async def test_books_that_cannot_be_read_leave_what_they_know_unknown(settings_with, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    settings = settings_with(ASSETMILL_LEDGER_URL=f"sqlite:///{tmp_path / 'file' / 'ledger.db'}")
    found = stands(await migration(settings, Clock()))
    assert (found["smoke"], found["switch"]) == (Stands.UNKNOWN, Stands.UNKNOWN)


@pytest.mark.parametrize(
    ("variables", "state", "words"),
    (
        ({}, Stands.NOT_YET, "images come from draft"),
        ({"IMAGE_GENERATION_PROVIDER": "scenario"}, Stands.NOT_YET, "images come from scenario"),
        ({"IMAGE_GENERATION_PROVIDER": "runpod"}, Stands.DONE, "images come from runpod"),
        ({"IMAGE_GENERATION_PROVIDER": "comfyui", "COMFYUI_URL": "http://127.0.0.1:8188"}, Stands.DONE, "from comfyui"),
        ({"ASSETMILL_ROUTES": "*=custom>scenario"}, Stands.DONE, "images come from custom;"),
        (
            {"ASSETMILL_ROUTES": "parallax=scenario, *=runpod>scenario"},
            Stands.NOT_YET,
            "runpod (entity, background, title_hero, sheet), scenario (parallax)",
        ),
        ({"ASSETMILL_ROUTES": "nonsense"}, Stands.UNKNOWN, "cannot be read"),
    ),
)
async def test_the_switch_is_what_the_settings_say_of_who_is_asked_first(
    settings_with, variables: dict[str, str], state: Stands, words: str
):
    *_, switch = await migration(settings_with(**variables), Clock())
    assert (switch.stands, words in switch.words) == (state, True), switch.words
