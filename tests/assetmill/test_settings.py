"""What the environment says of an s3:// store, and what is told to whoever has left something out."""

from pathlib import Path

import pytest

from assetmill.errors import UsageError
from assetmill.settings import Settings, load_settings

KEYS = {"R2_ACCESS_KEY_ID": "0123456789abcdef" * 2, "R2_SECRET_ACCESS_KEY": "fedcba9876543210" * 4}
BUCKET = {"ASSETMILL_STORE_URL": "s3://assets/games", "R2_ACCOUNT_ID": "a1b2c3", **KEYS}


@pytest.fixture
def settings_of(monkeypatch, tmp_path):
    """Settings of an environment that holds these variables and no others of ours."""

    def made(**variables: str) -> Settings:
        monkeypatch.chdir(tmp_path)  # away from the .env of whoever runs the tests
        for name in (*BUCKET, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ASSETMILL_STORE_ENDPOINT_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return made


@pytest.mark.parametrize(
    ("jurisdiction", "host"),
    (
        ("", "a1b2c3.r2.cloudflarestorage.com"),
        ("eu", "a1b2c3.eu.r2.cloudflarestorage.com"),
        ("us", "a1b2c3.us.r2.cloudflarestorage.com"),
        ("fedramp", "a1b2c3.fedramp.r2.cloudflarestorage.com"),
    ),
)
def test_the_endpoint_of_r2_follows_from_account_and_jurisdiction(settings_of, jurisdiction, host):
    access = settings_of(**BUCKET, R2_JURISDICTION=jurisdiction).store_access
    assert access.endpoint_url == f"https://{host}"
    assert (access.key, access.secret) == (KEYS["R2_ACCESS_KEY_ID"], KEYS["R2_SECRET_ACCESS_KEY"])
    assert access.region == "auto"


def test_an_endpoint_of_its_own_wins_and_needs_no_account(settings_of):
    bucket = {name: value for name, value in BUCKET.items() if name != "R2_ACCOUNT_ID"}
    settings = settings_of(**bucket, ASSETMILL_STORE_ENDPOINT_URL="http://127.0.0.1:8333")
    assert settings.store_access.endpoint_url == "http://127.0.0.1:8333"


def test_the_names_of_the_keys_that_other_tools_use_do_as_well(settings_of):
    access = settings_of(
        ASSETMILL_STORE_URL="S3://assets", R2_ACCOUNT_ID="a1", AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="word"
    ).store_access
    assert (access.key, access.secret) == ("id", "word")


@pytest.mark.parametrize("missing", ("R2_ACCOUNT_ID", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"))
def test_what_a_bucket_needs_and_lacks_is_named(settings_of, missing):
    settings = settings_of(**{name: value for name, value in BUCKET.items() if name != missing})
    with pytest.raises(UsageError, match=missing) as caught:
        _ = settings.store_access
    assert caught.value.exit_code == 2
    assert ".env.example" in caught.value.hint


def test_a_folder_needs_none_of_it(settings_of):
    assert settings_of().store_access is None
    assert settings_of(ASSETMILL_STORE_URL="file:///srv/store", R2_ACCOUNT_ID="not one!").store_access is None


@pytest.mark.parametrize("name", ("R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_ACCOUNT_ID"))
def test_a_space_that_was_pasted_with_a_key_is_found_and_the_key_is_not_repeated(settings_of, name):
    settings = settings_of(**BUCKET | {name: BUCKET[name] + " "})
    with pytest.raises(UsageError, match=f"{name} begins or ends with a space") as caught:
        _ = settings.store_access
    assert BUCKET[name] not in str(caught.value)


def test_the_public_address_and_the_authority_reach_the_store(settings_of, tmp_path):
    authority = tmp_path / "authority.pem"
    authority.write_text("")
    access = settings_of(
        **BUCKET, ASSETMILL_PUBLIC_URL="https://assets.example.com", ASSETMILL_STORE_CA_FILE=str(authority)
    ).store_access
    assert (access.public_url, access.ca_file) == ("https://assets.example.com", Path(authority))


def test_neither_settings_nor_access_show_a_key(settings_of):
    settings = settings_of(**BUCKET)
    shown = repr(settings) + str(settings) + repr(settings.store_access)
    assert not [value for value in KEYS.values() if value in shown]
    assert set(KEYS.values()) <= set(settings.secrets)
