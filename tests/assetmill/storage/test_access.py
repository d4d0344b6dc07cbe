"""Which endpoints are taken, and that no word about a wrong one repeats what it holds."""

from pathlib import Path

import pytest

from assetmill.errors import UsageError
from assetmill.storage.access import S3Access, r2_endpoint


@pytest.mark.parametrize(
    "url",
    ("https://a1.r2.cloudflarestorage.com", "https://s3.example.com:9000/", "http://127.0.0.1:8333",
     "http://localhost:8333", "http://[::1]:8333", "http://127.8.8.8"),
)  # fmt: skip
def test_safe_endpoints_are_taken(url: str) -> None:
    assert S3Access(url, "k", "s").endpoint_url == url


@pytest.mark.parametrize(
    ("url", "hint"),
    (
        ("http://s3.example.com", "write https://"),
        ("http://192.168.1.2:8333", "write https://"),
        ("http://localhost.example.com", "write https://"),
        ("https://a1.r2.cloudflarestorage.com/assets", "ASSETMILL_STORE_URL=s3://"),
        ("https://key:hidden-word@s3.example.com", "without keys"),
        ("https://s3.example.com?token=hidden-word", "without keys"),
        ("https://s3.example.com#hidden-word", "without keys"),
        ("s3.example.com", "write https://host"),
        ("s3://hidden-word", "write https://host"),
        ("https://", "write https://host"),
        ("https://[hidden-word", "write https://host"),
        ("https://s3.example.com:hidden-word", "write https://host"),
        ("", "write https://host"),
    ),
)
def test_other_endpoints_are_refused_without_repeating_what_they_hold(url: str, hint: str) -> None:
    with pytest.raises(UsageError, match=r"endpoint|ASSETMILL_STORE_ENDPOINT_URL") as caught:
        S3Access(url, "k", "s")
    assert hint in caught.value.hint
    assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize("url", ("assets.example.com", "http://assets.example.com", "https://u:p@assets.example.com"))
def test_a_public_address_has_to_be_one(url: str) -> None:
    with pytest.raises(UsageError, match="ASSETMILL_PUBLIC_URL"):
        S3Access("https://s3.example.com", "k", "s", public_url=url)


def test_an_authority_that_is_no_file_is_said() -> None:
    with pytest.raises(UsageError, match=r"nowhere\.pem") as caught:
        S3Access("https://s3.example.com", "k", "s", ca_file=Path("nowhere.pem"))
    assert "ASSETMILL_STORE_CA_FILE" in caught.value.hint


@pytest.mark.parametrize("account", ("", "a.b", "a/b", "https://a1", "a1@b", "é"))
def test_an_account_that_is_none_is_refused(account: str) -> None:
    with pytest.raises(UsageError, match="R2_ACCOUNT_ID"):
        r2_endpoint(account)
