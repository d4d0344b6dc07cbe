"""What went wrong with a request to an S3 store, as a class of ours with words that say what to do.

Of a provider's answer only the status and the error code are repeated. Its text may hold our key id or the string that
was signed, and botocore's texts hold whole addresses: neither is ever part of an error here, nor chained to one.
"""

from __future__ import annotations

import re
import ssl
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnectionError

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

AGAIN = "run the same command again: what is stored is not sent again, what is paid is not paid again"
_CODE = re.compile(r"[A-Za-z0-9.]{1,60}")

_BY_CODE: dict[str, type[StorageError]] = {
    "NoSuchBucket": BucketMissing,
    "RequestTimeTooSkewed": ClockSkewed,
    "RequestExpired": ClockSkewed,
    "ExpiredRequest": ClockSkewed,  # R2's name for it
    "PreconditionFailed": Conflict,
    "ConditionalRequestConflict": Conflict,
    "SlowDown": StoreBusy,
    "ServiceUnavailable": StoreBusy,
    "QuotaExceeded": StoreFull,
    "InsufficientStorage": StoreFull,
    "InvalidAccessKeyId": StoreRefused,
    "SignatureDoesNotMatch": StoreRefused,
    "ExpiredToken": StoreRefused,
    "InvalidToken": StoreRefused,
}
_BY_STATUS: dict[int, type[StorageError]] = {
    401: StoreRefused,
    403: StoreRefused,
    412: Conflict,
    429: StoreBusy,
    503: StoreBusy,
    507: StoreFull,
}
_REFUSED_HINT = (
    "check R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY, that this key may read and write this very bucket, and "
    "R2_JURISDICTION: a bucket in another jurisdiction refuses like this"
)
_WORDS: dict[type[StorageError], tuple[str, str]] = {
    BucketMissing: (
        "the store has no such bucket",
        "check the bucket in ASSETMILL_STORE_URL, R2_ACCOUNT_ID and R2_JURISDICTION; assetmill makes no buckets",
    ),
    ClockSkewed: (
        "the store refuses signatures of this time",
        "this machine's clock is minutes off: set it (timedatectl set-ntp true), then run again",
    ),
    Conflict: ("somebody else wrote first", "read it again and decide anew"),
    KeyMissing: ("no such object", ""),
    StoreBusy: (
        "the store asks to slow down, and did so until we gave up",
        "wait a minute and " + AGAIN + "; R2 takes one write a second to one key, so let runs of one pack take turns",
    ),
    StoreFull: ("the store is full", "free some space, raise the quota or choose another store"),
    StoreRefused: ("the store refuses us", _REFUSED_HINT),
    StoreUnreachable: (
        "the store does not answer properly",
        "check the network, R2_ACCOUNT_ID and ASSETMILL_STORE_ENDPOINT_URL; " + AGAIN,
    ),
}
_SSL_HINT = (
    "the certificate is not one that this machine trusts: check ASSETMILL_STORE_ENDPOINT_URL, and set "
    "ASSETMILL_STORE_CA_FILE for a store with a certificate authority of its own"
)
_REQUEST_HINT = (
    "check R2_ACCESS_KEY_ID (32 characters; R2 answers HTTP 400 to any other length) and "
    "ASSETMILL_STORE_ENDPOINT_URL, which has to speak S3"
)


_ELSEWHERE_HINT = "check ASSETMILL_STORE_ENDPOINT_URL: name the server itself, with https://"
_CLIENT_HINT = "AWS_PROFILE and AWS_CONFIG_FILE steer it too: unset them, or mend what they name"
_ON_THE_WAY = (HTTPClientError, IncompleteReadError, NoConnectionError)

REDIRECTS = (301, 302, 303, 307, 308)


class Redirected(Exception):  # noqa: N818  never seen outside: botocore wraps it, and we say it in words
    """The endpoint names another address, which is not followed. Its argument is the HTTP status alone."""


def typed(error: Exception, subject: str, *, missing: type[StorageError] = KeyMissing) -> StorageError:
    """The error that a failed request is for us.

    Args:
        error: what s3fs, botocore or aiohttp raised.
        subject: what the request was about, a key or the store's URL.
        missing: what HTTP 404 means where it does not speak of the bucket.
    """
    response = _response(error)
    if response is None:
        return _transport(error, subject)
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(response.get("Error", {}).get("Code", ""))
    kind = _BY_CODE.get(code) or (missing if status == 404 else _BY_STATUS.get(status))  # noqa: PLR2004  not found
    said = f"HTTP {status}" + (f", {code}" if _CODE.fullmatch(code) and code != str(status) else "")
    if kind is None and (status < 500 or status == 501):  # noqa: PLR2004  the request is at fault, or not implemented
        return StorageError(f"{subject}: the store does not take this request ({said})", hint=_REQUEST_HINT)
    return _made(kind or StoreUnreachable, subject, said)


def _response(error: Exception) -> dict[str, Any] | None:
    """The parsed answer of a request that was answered; s3fs hides botocore's error as the cause of its own."""
    for one in (error, error.__cause__):
        if isinstance(one, ClientError):
            return dict(one.response)
    return None


def _transport(error: Exception, subject: str) -> StorageError:
    """No answer at all, or half of one; only the error's class is told, because its text holds addresses."""
    name = type(error).__name__
    wrapped = getattr(error, "kwargs", {}).get("error")  # botocore puts what it does not know into an error of its own
    if isinstance(error, SSLError) or isinstance(wrapped, ssl.SSLError):
        return StoreUnreachable(f"{subject}: no safe connection to the store ({name})", hint=_SSL_HINT)
    if isinstance(wrapped, Redirected):
        words = f"{subject}: the store's endpoint sends us elsewhere, and we do not go (HTTP {wrapped})"
        return StorageError(words, hint=_ELSEWHERE_HINT)
    if isinstance(error, BotoCoreError) and not isinstance(error, _ON_THE_WAY):
        return StorageError(f"{subject}: the S3 client cannot be used as it is set up ({name})", hint=_CLIENT_HINT)
    return _made(StoreUnreachable, subject, name)


def _made(kind: type[StorageError], subject: str, said: str) -> StorageError:
    words, hint = _WORDS[kind]
    return kind(f"{subject}: {words} ({said})", hint=hint)
