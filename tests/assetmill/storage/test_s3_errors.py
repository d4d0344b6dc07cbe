"""What becomes of a request that fails: sent again where that helps, and otherwise an error that says what to do."""

import logging
import re
import traceback
from typing import Any

import pytest

from assetmill.errors import (
    BucketMissing,
    ClockSkewed,
    Conflict,
    KeyMissing,
    StorageError,
    StoreBusy,
    StoreFull,
    StoreRefused,
    StoreUnreachable,
)
from assetmill.storage import S3Access, Store, open_store

BIN = "application/octet-stream"
WORDS_OF_THE_PROVIDER = ("made-up-key-id", "made-up-secret", "StringToSign", "AWS4-HMAC", "The words of the provider")

ANSWERS = (
    (401, "Unauthorized", StoreRefused, "R2_SECRET_ACCESS_KEY"),
    (403, "AccessDenied", StoreRefused, "R2_JURISDICTION"),
    (403, "InvalidAccessKeyId", StoreRefused, "R2_ACCESS_KEY_ID"),
    (403, "SignatureDoesNotMatch", StoreRefused, "R2_SECRET_ACCESS_KEY"),
    (403, "", StoreRefused, "R2_JURISDICTION"),
    (403, "RequestTimeTooSkewed", ClockSkewed, "clock"),
    (400, "ExpiredRequest", ClockSkewed, "clock"),
    (404, "NoSuchBucket", BucketMissing, "R2_JURISDICTION"),
    (404, "", BucketMissing, "R2_ACCOUNT_ID"),
    (400, "InvalidArgument", StorageError, "32 characters"),
    (501, "NotImplemented", StorageError, "ASSETMILL_STORE_ENDPOINT_URL"),
    (429, "TooManyRequests", StoreBusy, "one write a second"),
    (503, "SlowDown", StoreBusy, "wait a minute"),
    (503, "", StoreBusy, "wait a minute"),
    (500, "InternalError", StoreUnreachable, "run the same command again"),
    (502, "", StoreUnreachable, "run the same command again"),
    (507, "InsufficientStorage", StoreFull, "free some space"),
)  # fmt: skip


@pytest.mark.parametrize(("status", "code", "kind", "hint"), ANSWERS, ids=str)
def test_an_answer_becomes_an_error_that_says_what_to_do(
    scripted: Any, trouble: Any, status: int, code: str, kind: type[StorageError], hint: str
) -> None:
    scripted.says(*[trouble(status, code)] * 9)
    with pytest.raises(StorageError) as caught:
        scripted.store(retries=0).put("packs/k", b"x", content_type=BIN)
    assert type(caught.value) is kind
    assert hint in caught.value.hint
    assert caught.value.exit_code == 5
    assert re.match(rf"packs/k: .*\(HTTP {status}(, {code})?\)$", caught.value.message)
    assert scripted.objects == {}


@pytest.mark.parametrize("status", (403, 404, 429, 500))
@pytest.mark.parametrize("method", ("get", "head", "delete", "put"))
def test_no_error_repeats_what_the_provider_says(scripted: Any, trouble: Any, status: int, method: str) -> None:
    scripted.says(*[trouble(status, "NoSuchBucket" if status == 404 else "Whatever")] * 9)
    store = scripted.store(retries=0)
    extra = ((b"x",), {"content_type": BIN}) if method == "put" else ((), {})
    with pytest.raises(StorageError) as caught:
        getattr(store, method)("k", *extra[0], **extra[1])
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not [words for words in WORDS_OF_THE_PROVIDER if words in told]


@pytest.mark.parametrize(
    ("status", "code"), ((429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable"))
)
def test_a_store_that_fails_twice_is_asked_again(scripted: Any, trouble: Any, status: int, code: str) -> None:
    store = scripted.store()
    scripted.says(*[trouble(status, code)] * 2)
    etag = store.put("k", b"kept", content_type=BIN)
    assert len(scripted.requests) == 3
    assert store.read("k") == (b"kept", etag)


def test_a_store_that_goes_on_failing_is_given_up(scripted: Any, trouble: Any) -> None:
    scripted.says(*[trouble(429, "TooManyRequests")] * 9)
    with pytest.raises(StoreBusy):
        scripted.store(retries=1).put("k", b"x", content_type=BIN)
    assert len(scripted.requests) == 2


@pytest.mark.parametrize(("status", "code"), ((401, "Unauthorized"), (403, "AccessDenied"), (404, "NoSuchBucket")))
def test_a_refusal_is_not_sent_again(scripted: Any, trouble: Any, status: int, code: str) -> None:
    scripted.says(*[trouble(status, code)] * 9)
    with pytest.raises(StorageError):
        scripted.store().put("k", b"x", content_type=BIN)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("times", (1, 2))
@pytest.mark.parametrize("method", ("put", "create", "swap"))
def test_a_write_whose_answer_was_lost_is_a_success(scripted: Any, trouble: Any, method: str, times: int) -> None:
    """Lost once, the HTTP client sends again and tells nobody; lost twice, botocore does."""
    store = scripted.store()
    extra = {"etag": store.put("k", b"old", content_type=BIN)} if method == "swap" else {}
    before = len(scripted.requests)
    scripted.says(*[trouble(lost=True)] * times)
    etag = getattr(store, method)("k", b"new", content_type=BIN, **extra)
    assert store.read("k") == (b"new", etag)
    puts = [body for sent, _, _, body in scripted.requests[before:] if sent == "PUT"]
    assert puts == [b"new"] * (times + 1)


@pytest.mark.parametrize("method", ("create", "swap"))
def test_a_lost_answer_does_not_turn_somebody_elses_object_into_ours(scripted: Any, trouble: Any, method: str) -> None:
    """Even where their bytes are the same."""
    ours, theirs = scripted.store(), scripted.store()
    if method == "swap":
        etag = ours.put("k", b"old", content_type=BIN)
        theirs.swap("k", b"new", etag=etag, content_type=BIN)
    else:
        etag = None
        theirs.create("k", b"new", content_type=BIN)
    scripted.says(trouble(lost=True))
    with pytest.raises(Conflict):
        ours.swap("k", b"new", etag=etag, content_type=BIN)


def test_a_swap_of_an_object_that_is_gone_conflicts(scripted: Any) -> None:
    with pytest.raises(Conflict, match="has changed"):
        scripted.store().swap("k", b"new", etag="0" * 32, content_type=BIN)


@pytest.mark.parametrize("status", (404, 409))
def test_a_swap_that_the_store_words_differently_conflicts_too(scripted: Any, trouble: Any, status: int) -> None:
    scripted.says(trouble(status, "NoSuchKey" if status == 404 else "ConditionalRequestConflict"))
    with pytest.raises(Conflict):
        scripted.store().swap("k", b"new", etag="0" * 32, content_type=BIN)


@pytest.mark.parametrize("times", (1, 2))
def test_half_an_answer_is_asked_for_again(scripted: Any, trouble: Any, times: int) -> None:
    store, data = scripted.store(), bytes(range(256)) * 4000
    store.put("k", data, content_type=BIN)
    scripted.says(*[trouble(cut=1000)] * times)
    assert store.get("k") == data


def test_half_an_answer_is_never_taken_for_a_whole_one(scripted: Any, trouble: Any) -> None:
    store = scripted.store()
    store.put("k", b"x" * 100_000, content_type=BIN)
    scripted.says(*[trouble(cut=1)] * 9)
    with pytest.raises(StoreUnreachable):
        store.get("k")


LISTING = b"<ListBucketResult>%b<Contents><Key>scripted/k</Key>%b</Contents></ListBucketResult>"
ENTRY = b"<Size>1</Size><ETag>x</ETag>"
MORE, ALL = b"<IsTruncated>true</IsTruncated>", b"<IsTruncated>false</IsTruncated>"
OF_SOMEBODY_ELSE = (
    ("get", b"<html><body>Please log in</body></html>"),
    ("head", b""),
    ("put", b"<html><body>Please log in</body></html>"),
    ("create", b""),
    ("list", b"<html><body>Please log in</body></html>"),
    ("list", b""),
    ("list", LISTING % (MORE, ENTRY)),  # more there is, and no word of where
    ("list", LISTING % (ALL, b"<Size>1</Size>")),
    ("list", LISTING % (ALL, b"<Size>many</Size><ETag>x</ETag>")),
    ("list", LISTING % (ALL, ENTRY + b"<LastModified>yesterday</LastModified>")),
)  # fmt: skip


@pytest.mark.parametrize(("method", "page"), OF_SOMEBODY_ELSE)
def test_a_page_of_somebody_in_between_is_no_answer(scripted: Any, trouble: Any, method: str, page: bytes) -> None:
    """Read as a listing it would say that there is nothing, and on that word files are deleted."""
    store = scripted.store(retries=0)
    scripted.says(*[trouble(page=page)] * 9)
    with pytest.raises(StoreUnreachable, match="does not answer properly"):
        ask(store, method)


@pytest.mark.parametrize("method", ("get", "head", "put", "create", "list"))
def test_a_page_of_somebody_in_between_is_asked_past(scripted: Any, trouble: Any, method: str) -> None:
    store = scripted.store(retries=0)
    if method in ("get", "head"):
        store.put("k", b"x", content_type=BIN)
    scripted.says(trouble(page=b"<html></html>"), trouble(page=b""))
    ask(store, method)
    assert scripted.troubles == type(scripted.troubles)()


def test_an_object_of_which_nobody_says_when_it_was_written_is_listed(scripted: Any, trouble: Any) -> None:
    scripted.says(trouble(page=LISTING % (ALL, ENTRY)))
    assert [(info.key, info.modified) for info in scripted.store().list()] == [("k", None)]


@pytest.mark.parametrize("status", (301, 302, 303, 307, 308))
@pytest.mark.parametrize("method", ("get", "head", "put", "create", "list", "delete"))
def test_nobody_is_followed_to_another_address(scripted: Any, trouble: Any, method: str, status: int) -> None:
    """A PUT that is sent elsewhere shows the picture there, or becomes a GET whose answer reads like its own."""
    port = scripted.endpoint_url.rpartition(":")[2]
    elsewhere = f"http://localhost:{port}/assets/elsewhere?X-Amz-Signature=made-up-signature"
    scripted.says(trouble(status, to=elsewhere))
    with pytest.raises(StorageError, match=rf"sends us elsewhere.*\(HTTP {status}\)") as caught:
        ask(scripted.store(retries=0), method)
    assert "ASSETMILL_STORE_ENDPOINT_URL" in caught.value.hint
    assert "made-up-signature" not in "".join(traceback.format_exception(caught.value))
    assert len(scripted.requests) == 1
    assert scripted.objects == {}


def ask(store: Store, method: str) -> object:
    """Ask for one thing with whatever it takes."""
    if method in ("put", "create"):
        return getattr(store, method)("k", b"x", content_type=BIN)
    return list(store.list()) if method == "list" else getattr(store, method)("k")


def test_an_answer_that_does_not_come_is_not_waited_for_without_end(scripted: Any, trouble: Any) -> None:
    store = scripted.store(retries=0, read_timeout_s=0.2)
    scripted.says(*[trouble(hold=True)] * 9)
    with pytest.raises(StoreUnreachable, match="ReadTimeoutError") as caught:
        store.get("k")
    assert "run the same command again" in caught.value.hint
    assert len(scripted.requests) == 1


def test_nobody_at_the_address_is_said() -> None:
    access = S3Access("http://127.0.0.1:1", "k", "s", retries=0)  # where nobody can listen
    with pytest.raises(StoreUnreachable, match="EndpointConnectionError") as caught:
        open_store("s3://assets", access).get("k")
    assert "ASSETMILL_STORE_ENDPOINT_URL" in caught.value.hint


def test_a_client_that_cannot_be_made_is_said(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-nobody-has")
    with pytest.raises(StorageError, match="as it is set up") as caught:
        scripted.store(read_timeout_s=7.0).get("k")  # of its own settings, so that it is made here
    assert "AWS_PROFILE" in caught.value.hint


def test_an_object_that_is_missing_is_no_missing_bucket(scripted: Any) -> None:
    store = scripted.store()
    assert store.head("k") is None
    with pytest.raises(KeyMissing):
        store.get("k")
    store.delete("k")


def test_not_even_the_most_talkative_log_holds_the_key(scripted: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scripted.store().put("k", b"x", content_type=BIN)
    assert caplog.records
    assert [
        word for word in ("made-up-key-id", "made-up-secret", "Signature=", "StringToSign") if word in caplog.text
    ] == []
