"""One bucket behind the S3 API: operations go out, whole answers or our errors come back.

All stores of one access share one synchronous s3fs file system, whose connections run on a thread of its own: a new
client costs 65 ms, and per-loop clients die with their loops. The settings are those that R2 needs. Checksums only
where the API requires them, because the default sends bodies in chunks with a trailer, which R2 refuses; `legacy`
retries, because the newer modes do not send again after HTTP 429; a pool as wide as our threads; no cache of listings,
which would hide what other programs write. Nothing here ever asks for an ACL, and R2 has none.

An answer is believed only from the endpoint itself, and only when it says what S3 always says. aiohttp would follow a
redirect, which may take pictures in clear to another host and may make a GET of a PUT, whose answer then reads as
success. And a page of somebody in between that is no listing would read as a store in which there is nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
import s3fs
from aiobotocore.httpsession import AIOHTTPSession  # type: ignore[import-untyped]  # it has no types
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError
from fsspec.asyn import sync

from assetmill.errors import KeyMissing, StorageError
from assetmill.storage.access import S3Access
from assetmill.storage.s3_errors import REDIRECTS, Redirected, typed

POOL = 64  # connections; ten, the default, hold 32 threads back to a third of their pace
CONNECT_TIMEOUT_S = 5
ASKED_FOR_AGAIN = 2  # answers that broke off or make no sense; botocore looks at connections and status only

_SAID = {
    "get_object": ("ETag", "Body"),
    "head_object": ("ETag", "ContentLength"),
    "put_object": ("ETag",),
    "list_objects_v2": ("IsTruncated",),
}
"""What the answer to each operation never lacks."""
_BROKEN = (
    aiohttp.ClientError, IncompleteReadError, ResponseParserError, ResponseStreamingError, TimeoutError, ValueError,
)  # fmt: skip  # a ValueError is a number or a date that is none
_FAILED = (OSError, BotoCoreError, ClientError, ResponseParserError, aiohttp.ClientError, ValueError)


class _Straight:
    """An HTTP session that goes where it is sent, and nowhere else."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, method: str, **request: Any) -> aiohttp.ClientResponse:
        response = await self._session.request(method, allow_redirects=False, **request)
        if response.status in REDIRECTS:
            response.close()
            raise Redirected(response.status)
        return response


class _HTTPSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    """aiobotocore's own, which would follow redirects."""

    async def _get_session(self, proxy_url: str | None) -> _Straight:
        return _Straight(await super()._get_session(proxy_url))


def open_filesystem(access: S3Access) -> s3fs.S3FileSystem:
    """The file system of an access, the same one for everybody in this process; nothing is sent yet."""
    for name in ("botocore.auth", "botocore.endpoint"):  # at DEBUG they write down our key id, and what it has signed
        logging.getLogger(name).setLevel(logging.INFO)
    filesystem = s3fs.S3FileSystem(
        key=access.key,
        secret=access.secret,
        endpoint_url=access.endpoint_url,
        use_listings_cache=False,
        fixed_upload_size=True,
        client_kwargs={"region_name": access.region} | ({"verify": str(access.ca_file)} if access.ca_file else {}),
        config_kwargs={
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "http_session_cls": _HTTPSession,
            "max_pool_connections": POOL,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": access.read_timeout_s,
            "retries": {"mode": "legacy", "max_attempts": access.retries},
        },
    )
    filesystem.retries = 1  # its own tries would multiply with botocore's: half an hour until a dead host is given up
    return filesystem


class Bucket:
    """A bucket of an S3 store. Safe to use from several threads; each call blocks its own.

    Args:
        access: where the store is.
        name: of the bucket.
    """

    def __init__(self, access: S3Access, name: str) -> None:
        self._filesystem = open_filesystem(access)
        self._name = name

    def ask(
        self, operation: str, subject: str, *, missing: type[StorageError] = KeyMissing, **request: Any
    ) -> dict[str, Any]:
        """Send one operation, again where that may help, and return its answer, `Body` read to the end.

        Args:
            operation: name of it in boto's client, such as put_object.
            subject: what it is about, for the errors.
            missing: what HTTP 404 means where the bucket is not spoken of.
            request: parameters of the operation, without the bucket.

        Raises:
            StorageError: of the kind that tells what to do. An operation that failed for want of an answer may have
                been carried out all the same.
        """
        failure: StorageError
        try:
            return dict(sync(self._filesystem.loop, self._answer, operation, request))
        except _FAILED as error:
            failure = typed(error, subject, missing=missing)
        raise failure  # here, so that no provider's words are chained to it

    async def _answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        for left in reversed(range(ASKED_FOR_AGAIN + 1)):
            try:
                answer = await self._filesystem._call_s3(operation, Bucket=self._name, **request)  # noqa: SLF001  its coroutine: call_s3 would leave the body unread
                if "Body" in answer:
                    async with answer["Body"] as body:
                        answer["Body"] = await body.read()
                _refuse_partial(operation, answer)
            except _BROKEN:
                if not left:
                    raise
            else:
                return dict(answer)
        raise AssertionError("unreachable")


def _refuse_partial(operation: str, answer: Mapping[str, Any]) -> None:
    """Refuse an answer that is no answer to this operation.

    Raises:
        ResponseParserError: something is not there that a server that speaks S3 always says.
    """
    wanted = _SAID.get(operation, ()) + (("NextContinuationToken",) if answer.get("IsTruncated") else ())
    entries = answer.get("Contents", ())
    if not all(name in answer for name in wanted) or not all(
        {"Key", "Size", "ETag"} <= entry.keys() for entry in entries
    ):
        raise ResponseParserError(f"not an answer to {operation}")
