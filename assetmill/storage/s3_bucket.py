"""One bucket behind the S3 API: operations go out, whole answers or our errors come back.

All stores of one access share one synchronous s3fs file system, whose connections run on a thread of its own: a new
client costs 65 ms, and per-loop clients die with their loops. The settings are those that R2 needs. Checksums only
where the API requires them, because the default sends bodies in chunks with a trailer, which R2 refuses; `legacy`
retries, because the newer modes do not send again after HTTP 429; a pool as wide as our threads; no cache of listings,
which would hide what other programs write. Nothing here ever asks for an ACL, and R2 has none.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import s3fs
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
from assetmill.storage.s3_errors import typed

POOL = 64  # connections; ten, the default, hold 32 threads back to a third of their pace
CONNECT_TIMEOUT_S = 5
ASKED_FOR_AGAIN = 2  # answers that broke off or make no sense; botocore looks at connections and status only

_BROKEN = (aiohttp.ClientError, IncompleteReadError, ResponseParserError, ResponseStreamingError, TimeoutError)
_FAILED = (OSError, BotoCoreError, ClientError, ResponseParserError, aiohttp.ClientError)


def open_filesystem(access: S3Access) -> s3fs.S3FileSystem:
    """The file system of an access, the same one for everybody in this process; nothing is sent yet."""
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
            except _BROKEN:
                if not left:
                    raise
            else:
                return dict(answer)
        raise AssertionError("unreachable")
