"""A name becomes an endpoint, or an error that says what to set."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assetmill.errors import AssetmillError, ProviderRefused, UsageError
from assetmill.providers.endpoints import resolve_endpoint
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
        ("scenario", UsageError, "not available"),
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


def test_secrets_do_not_show(settings):
    made = settings(**RUNPOD)
    endpoint = resolve_endpoint(made, "runpod")
    assert "made-up" not in repr(made) + repr(endpoint)


def test_a_setting_that_cannot_be_is_named_without_its_value(settings):
    with pytest.raises(UsageError, match="ASSETMILL_MAX_WORKERS") as caught:
        settings(ASSETMILL_MAX_WORKERS="many-secret")
    assert "many-secret" not in str(caught.value)
    assert isinstance(caught.value, AssetmillError)
