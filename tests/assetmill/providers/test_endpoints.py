"""A name becomes an endpoint, or an error that says what to set."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assetmill.errors import AssetmillError, ProviderRefused, UsageError
from assetmill.providers.endpoints import endpoint_of, resolve_endpoint
from assetmill.settings import Settings, load_settings

RUNPOD = {"RUNPOD_API_KEY": "made-up", "RUNPOD_COMFYUI_ENDPOINT_ID": "abc123def456", "ASSETMILL_GPU_POOL": "ADA_24"}


@pytest.fixture
def settings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def make(**variables: str) -> Settings:
        for name in Settings.model_fields.values():
            monkeypatch.delenv(str(name.alias), raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return make


def test_without_any_setting_drafts_are_made_for_free(settings):
    endpoint = resolve_endpoint(settings())
    assert (endpoint.kind, endpoint.draft, endpoint.paid, endpoint.usd_per_s) == ("draft", True, False, 0)


@pytest.mark.parametrize("provider", ("runpod", "comfyui"))
def test_the_studios_own_variables_lead_to_runpod(settings, provider):
    endpoint = resolve_endpoint(settings(IMAGE_GENERATION_PROVIDER=provider, **RUNPOD))
    assert endpoint.url == "https://api.runpod.ai/v2/abc123def456"
    assert endpoint.usd_per_s == Decimal("0.00031")
    assert "20" in endpoint.price_source, "a price carries its date"


def test_the_custom_endpoint_is_a_name_of_its_own(settings):
    made = settings(RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID="custom999999", RUNPOD_API_KEY="made-up")
    assert resolve_endpoint(made, "custom").url.endswith("/custom999999")


def test_a_price_that_nobody_gave_is_unknown_and_counts_as_paid(settings):
    endpoint = resolve_endpoint(settings(RUNPOD_API_KEY="made-up"), "abcdefghij1234")
    assert endpoint.usd_per_s is None
    assert endpoint.paid


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    (
        ("runpod", ProviderRefused, "RUNPOD_COMFYUI_ENDPOINT_ID"),
        ("custom", ProviderRefused, "RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID"),
        ("abcdefghij1234", ProviderRefused, "RUNPOD_API_KEY"),
        ("scenario", ProviderRefused, "SCENARIO_API_KEY"),
        ("darft", UsageError, "did you mean 'draft'"),
        ("http://example.invalid/v2/x", UsageError, "https"),
        ("ftp://127.0.0.1/v2/x", UsageError, "no endpoint address"),
        ("http://user@127.0.0.1/v2/x", UsageError, "no endpoint address"),
        ("https://:secret@example.invalid/v2/x", UsageError, "^an address with a user or password is no"),
    ),
)
def test_what_cannot_be_used_is_refused_with_advice(settings, wanted, error, words):
    with pytest.raises(error, match=words):
        resolve_endpoint(settings(), wanted)


def test_a_local_address_named_draft_is_a_draft_endpoint(settings):
    endpoint = resolve_endpoint(settings(ASSETMILL_SERVE_KEY="local-key"), "http://127.0.0.1:8000/v2/draft/")
    assert endpoint.draft
    assert endpoint.url == "http://127.0.0.1:8000/v2/draft"
    assert endpoint.key is not None
    assert endpoint.key.get_secret_value() == "local-key"


def test_another_local_address_is_real_and_never_shares_fingerprints_with_drafts(settings):
    endpoint = resolve_endpoint(settings(), "http://127.0.0.1:8000/v2/gpu")
    assert not endpoint.draft
    assert endpoint.model == "flux1-dev-fp8"


@pytest.mark.parametrize(
    ("url", "name"),
    (
        ("https://api.runpod.ai/v2/abc123def456", "runpod"),
        ("https://api.runpod.ai/v2/custom999999/", "custom"),
        ("https://api.runpod.ai/v2/another12345", "another12345"),
    ),
)
def test_the_endpoint_of_an_old_attempt_is_reached_by_its_stored_address(settings, url, name):
    endpoint = endpoint_of(settings(RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID="custom999999", **RUNPOD), url)
    assert (endpoint.name, endpoint.kind, endpoint.url) == (name, "runpod", url.rstrip("/"))
    assert endpoint.id == url.rstrip("/").rsplit("/", 1)[1]
    assert endpoint.management_url == "https://api.runpod.io/v2"
    assert endpoint.key is not None
    assert endpoint.key.get_secret_value() == "made-up"


def test_a_stored_address_gives_the_same_endpoint_as_its_name_did(settings):
    made = settings(**RUNPOD)
    named = resolve_endpoint(made, "runpod")
    assert endpoint_of(made, named.url) == named


@pytest.mark.parametrize("find", (endpoint_of, resolve_endpoint))
@pytest.mark.parametrize(
    ("url", "error", "words"),
    (
        ("https://example.invalid/v2/abc123def456", ProviderRefused, "no key may be sent to example.invalid"),
        ("https://api.runpod.ai.example.invalid/v2/abc123def456", ProviderRefused, "no key may be sent"),
        ("https://api.runpod.ai:444/v2/abc123def456", ProviderRefused, "no key may be sent"),
        ("https://api.runpod.ai/v3/abc123def456", ProviderRefused, "no key may be sent"),
        ("http://api.runpod.ai/v2/abc123def456", UsageError, "https"),
        ("https://api.runpod.ai@example.invalid/v2/abc", UsageError, "user or password"),
        ("https://api.runpod.ai/v2/../abc", UsageError, "no endpoint address"),
        ("https://api.runpod.ai/v2/abc#x", UsageError, "no endpoint address"),
        ("https://api.runpod.ai:x/v2/abc", UsageError, "no endpoint address"),
        ("https://[::1/v2/abc", UsageError, "no endpoint address"),
        ("https://api.runpod.ai", UsageError, "no endpoint address"),
    ),
)
def test_the_runpod_key_goes_to_no_other_host(settings, find, url, error, words):
    with pytest.raises(error, match=words) as caught:
        find(settings(**RUNPOD), url)
    assert caught.value.hint


def test_a_stored_address_without_a_key_is_refused(settings):
    with pytest.raises(ProviderRefused, match="RUNPOD_API_KEY"):
        endpoint_of(settings(), "https://api.runpod.ai/v2/abc123def456")


def test_a_server_on_this_machine_is_its_own_management_api(settings):
    endpoint = endpoint_of(settings(ASSETMILL_SERVE_KEY="local-key", **RUNPOD), "http://127.0.0.1:8000/v2/gpu")
    assert (endpoint.id, endpoint.management_url) == ("gpu", "http://127.0.0.1:8000/v2")
    assert endpoint.key is not None
    assert endpoint.key.get_secret_value() == "local-key", "RunPod's key is not for it"


def test_an_api_of_runpod_on_this_machine_never_sends_its_key_to_the_real_one(settings):
    made = settings(RUNPOD_API_URL="http://127.0.0.1:8000/v2/", **RUNPOD)
    for endpoint in (resolve_endpoint(made, "runpod"), endpoint_of(made, "http://127.0.0.1:8000/v2/abc123def456")):
        assert (endpoint.name, endpoint.management_url) == ("runpod", "http://127.0.0.1:8000/v2")


@pytest.mark.parametrize("variable", ("RUNPOD_API_URL", "RUNPOD_MANAGEMENT_URL"))
def test_keys_never_travel_in_the_clear(settings, variable):
    with pytest.raises(UsageError, match="https"):
        resolve_endpoint(settings(**{variable: "http://example.invalid/v2"}, **RUNPOD), "runpod")


@pytest.mark.parametrize(
    "address", ("https://[", "http://[::1", "https://127.0.0.1:99999/v2", "https://h:0/v2", "https://")
)
def test_a_management_address_that_is_none_is_told_in_words(settings, address):
    with pytest.raises(UsageError, match="RUNPOD_MANAGEMENT_URL is no address"):
        resolve_endpoint(settings(RUNPOD_MANAGEMENT_URL=address, **RUNPOD), "runpod")


def test_an_address_with_a_password_is_refused_and_not_repeated(settings):
    made = settings(RUNPOD_MANAGEMENT_URL="https://me:pass-word@api.example/v2", **RUNPOD)
    with pytest.raises(UsageError, match="RUNPOD_MANAGEMENT_URL has a user or password") as caught:
        resolve_endpoint(made, "runpod")
    assert "pass-word" not in str(caught.value) + caught.value.hint


def test_a_draft_that_has_ended_is_still_a_draft_endpoint(settings):
    endpoint = endpoint_of(settings(), "http://127.0.0.1:8000/v2/draft")
    assert endpoint.draft
    assert endpoint.id == "draft"


def test_secrets_do_not_show(settings):
    made = settings(**RUNPOD)
    endpoint = resolve_endpoint(made, "runpod")
    assert "made-up" not in repr(made) + repr(endpoint)


def test_a_setting_that_cannot_be_is_named_without_its_value(settings):
    with pytest.raises(UsageError, match="ASSETMILL_MAX_WORKERS") as caught:
        settings(ASSETMILL_MAX_WORKERS="many-secret")
    assert "many-secret" not in str(caught.value)
    assert isinstance(caught.value, AssetmillError)


def test_the_second_endpoint_may_hold_another_model(settings):
    made = settings(
        RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID="custom999999", ASSETMILL_CUSTOM_MODEL_IDENTITY="qwen-image", **RUNPOD
    )
    assert resolve_endpoint(made, "custom").model == "qwen-image"
    assert resolve_endpoint(made, "runpod").model == "flux1-dev-fp8"


@pytest.mark.parametrize(
    ("wanted", "kind", "draft", "address"),
    (
        ("scenario+http://127.0.0.1:8100/draft/v1", "scenario", True, "http://127.0.0.1:8100/draft/v1"),
        ("scenario+http://127.0.0.1:8100/v1", "scenario", False, "http://127.0.0.1:8100/v1"),
        ("comfyui+http://127.0.0.1:8188/draft", "comfyui", True, "http://127.0.0.1:8188/draft"),
        ("comfyui+http://gpu-box:8188", "comfyui", False, "http://gpu-box:8188"),
    ),
)
def test_an_address_says_which_protocol_is_spoken_there(settings, wanted, kind, draft, address):
    endpoint = resolve_endpoint(settings(), wanted)
    assert (endpoint.kind, endpoint.draft, endpoint.address, endpoint.url) == (kind, draft, address, wanted)
    assert endpoint_of(settings(), endpoint.url) == endpoint, "the books find it again"
    assert endpoint.paid is not draft


@pytest.mark.parametrize(
    ("variables", "wanted", "words"),
    (
        (
            {"SCENARIO_API_KEY": "k", "SCENARIO_SECRET_API_KEY": "s"},
            "scenario+https://example.invalid/v1",
            "no key may",
        ),
        ({"SCENARIO_API_KEY": "k"}, "scenario", "SCENARIO_SECRET_API_KEY"),
        ({"COMFYUI_API_KEY": "k"}, "comfyui+http://gpu-box:8188", "no key may"),
    ),
)
def test_keys_of_other_providers_go_nowhere_but_to_their_own_hosts(settings, variables, wanted, words):
    with pytest.raises(ProviderRefused, match=words):
        resolve_endpoint(settings(**variables), wanted)


def test_comfyui_without_a_server_of_its_own_is_runpods_as_it_always_was(settings):
    assert resolve_endpoint(settings(**RUNPOD), "comfyui").kind == "runpod"
    made = settings(COMFYUI_URL="http://gpu-box:8188", COMFYUI_USD_PER_HOUR="0", **RUNPOD)
    assert (resolve_endpoint(made, "comfyui").kind, resolve_endpoint(made, "comfyui").paid) == ("comfyui", False)


def test_a_key_of_comfyui_never_travels_in_the_clear_to_another_machine(settings):
    made = settings(COMFYUI_URL="http://gpu-box:8188", COMFYUI_API_KEY="made-up")
    with pytest.raises(UsageError, match="needs https"):
        resolve_endpoint(made, "comfyui")


def test_a_gpu_of_ones_own_costs_what_the_settings_say_and_is_there_anyhow(settings):
    address = "http://127.0.0.1:8000/v2/local"
    unknown = resolve_endpoint(settings(), address)
    assert (unknown.usd_per_s, unknown.paid, unknown.standing) == (None, True, True)
    beside = resolve_endpoint(settings(ASSETMILL_GPU_POOL="ADA_24"), address)
    assert (beside.usd_per_s, beside.gpu, beside.standing) == (None, None, True), "what RunPod asks is not its price"
    assert beside.price_source == "unknown: OWN_GPU_USD_PER_HOUR is not set"
    priced = resolve_endpoint(settings(OWN_GPU_USD_PER_HOUR="0.36"), address)
    assert (priced.usd_per_s, priced.price_source, priced.standing) == (Decimal("0.0001"), "OWN_GPU_USD_PER_HOUR", True)
    free = resolve_endpoint(settings(OWN_GPU_USD_PER_HOUR="0"), address)
    assert (free.paid, free.draft) == (False, False)
    assert resolve_endpoint(settings(OWN_GPU_USD_PER_HOUR="0", **RUNPOD), "runpod").paid, "RunPod is not one's own"
