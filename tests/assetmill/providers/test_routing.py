"""Who makes which type: the nearest word counts, and what cannot be read is refused with the part that is wrong."""

from __future__ import annotations

import pytest

from assetmill.errors import ProviderRefused, UsageError
from assetmill.manifest import load_pack
from assetmill.providers.routing import read_routes, routes_for
from assetmill.settings import Settings

MANIFEST = """version: 1
game: {{id: tiny, title: Tiny}}
pack: {{id: default, name: Default, seed: 1}}
{routing}
assets:
  - {{id: slime, type: entity, prompt: a slime}}
  - {{id: sky, type: background, prompt: a sky}}
  - {{id: own, type: background, prompt: another, provider: scenario}}
"""
KEYS = {
    "RUNPOD_API_KEY": "made-up",
    "RUNPOD_COMFYUI_ENDPOINT_ID": "abc123def456",
    "RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID": "custom999999",
    "SCENARIO_API_KEY": "made-up",
    "SCENARIO_SECRET_API_KEY": "made-up",
    "COMFYUI_URL": "http://gpu-box:8188",
}


@pytest.fixture
def names(tmp_path, monkeypatch):
    """Chains by asset id, as names."""
    monkeypatch.chdir(tmp_path)

    def make(routing: str = "", wanted: str | None = None, **variables: str):
        for field in Settings.model_fields.values():
            monkeypatch.delenv(str(field.alias), raising=False)
        for name, value in (KEYS | variables).items():
            monkeypatch.setenv(name, value)
        path = tmp_path / "game.yaml"
        path.write_text(MANIFEST.format(routing=routing))
        pack = load_pack(path)
        routes = routes_for(Settings(), pack, wanted)
        return {asset.id: [endpoint.name for endpoint in routes.of(asset)] for asset in pack.assets}

    return make


def test_without_a_word_the_configured_provider_makes_everything(names):
    assert names(IMAGE_GENERATION_PROVIDER="runpod") == {"slime": ["runpod"], "sky": ["runpod"], "own": ["scenario"]}


def test_the_settings_say_it_by_type_and_for_all_others(names):
    found = names(IMAGE_GENERATION_PROVIDER="runpod", ASSETMILL_ROUTES="entity=custom>scenario, *=runpod>comfyui")
    assert found == {"slime": ["custom", "scenario"], "sky": ["runpod", "comfyui"], "own": ["scenario"]}


def test_the_manifest_goes_before_the_settings_type_by_type(names):
    routing = "routing: {default: [comfyui], entity: [runpod, scenario]}"
    found = names(routing, ASSETMILL_ROUTES="entity=custom, background=custom")
    assert found == {"slime": ["runpod", "scenario"], "sky": ["comfyui"], "own": ["scenario"]}


def test_the_command_goes_before_everything_and_may_name_who_takes_over(names):
    found = names("routing: {default: [comfyui]}", "runpod,scenario", ASSETMILL_ROUTES="*=custom")
    assert set(map(tuple, found.values())) == {("runpod", "scenario")}
    assert set(map(tuple, names(wanted="draft").values())) == {("draft",)}


def test_where_drafts_are_configured_a_manifest_does_not_make_them_paid(names):
    found = names("routing: {default: [runpod]}", IMAGE_GENERATION_PROVIDER="draft")
    assert set(map(tuple, found.values())) == {("draft",)}


def test_whoever_is_named_has_to_be_set_up_before_anything_is_sent(names):
    with pytest.raises(ProviderRefused, match="SCENARIO_API_KEY"):
        names(wanted="runpod,scenario", SCENARIO_API_KEY="")


def test_placeholders_and_real_art_are_never_in_one_run(names):
    with pytest.raises(UsageError, match="cannot be in one run: runpod, draft"):
        names(wanted="runpod,draft")


@pytest.mark.parametrize(
    ("text", "words"),
    (
        ("entity", "'entity' cannot be read"),
        ("entity=", "cannot be read"),
        ("monster=runpod", "'monster=runpod' cannot be read"),
        ("entity=runpod, entity=custom", "twice"),
        ("entity=runpod>runpod", "twice"),
    ),
)
def test_routes_that_cannot_be_read_are_refused_with_the_part_that_is_wrong(text, words):
    with pytest.raises(UsageError, match=words):
        read_routes(text)


def test_a_manifest_that_names_somebody_twice_is_refused(names):
    with pytest.raises(Exception, match="names somebody twice"):
        names("routing: {entity: [runpod, runpod]}")


def test_a_command_that_names_nobody_is_refused(names):
    with pytest.raises(UsageError, match="no endpoint is named"):
        names(wanted=" , ")
