"""A store in a bucket of Cloudflare R2, or of any server that speaks S3 and writes on conditions.

An object is one PUT, so a reader sees the old one or the new one. Creating and exchanging are conditions that the
server checks (If-None-Match, If-Match); nothing is looked up first and then hoped to be still so.

A PUT whose answer is lost is sent again, by layers below us that do not all say so, and then meets itself: the server
answers 412 to a create that was carried out. So every PUT bears an id of its own in the metadata, and a 412 on an
object with this very id is success. The hash of the bytes would not do: another creator may have the same bytes.

Objects in the bucket whose names are not keys of ours are neither listed nor touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from assetmill.errors import BucketMissing, Conflict, KeyMissing, StorageError
from assetmill.storage.access import S3Access
from assetmill.storage.base import (
    KEY_HINT,
    MAX_KEY_BYTES,
    ObjectInfo,
    Store,
    check_headers,
    check_key,
    check_prefix,
    is_key,
)
from assetmill.storage.s3_bucket import Bucket

PRIVATE = "private/"  # what is under it has no public address, whatever else has
SHA256 = "sha256"  # metadata: hash of the bytes, in hex
WRITER = "writer"  # metadata: id of the very call that wrote the object


class S3Store(Store):
    """Objects of a bucket, or of all that starts with a prefix in it. The etag is the server's.

    Args:
        access: where the bucket is and how it lets us in.
        bucket: its name; it has to exist.
        prefix: what stands before every key, without a slash at its end; empty for the whole bucket.
        new_id: makes an id for each write.

    Raises:
        StorageError: the prefix could not be part of a key.
    """

    def __init__(self, access: S3Access, bucket: str, prefix: str = "", *, new_id: Callable[[], str]) -> None:
        self._url = f"s3://{bucket}" + (f"/{check_key(prefix)}" if prefix else "")
        self._root = f"{prefix}/" if prefix else ""
        self._public = f"{access.public_url.rstrip('/')}/" if access.public_url else None
        self._bucket = Bucket(access, bucket)
        self._new_id = new_id
        self._met = False

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return self._url

    def get(self, key: str) -> bytes:
        """Bytes of one object."""
        return self.read(key)[0]

    def read(self, key: str) -> tuple[bytes, str]:
        """Bytes of one object and the etag that came with them, in one answer."""
        answer = self._ask("get_object", key, Key=self._name(key))
        return answer["Body"], _etag(answer)

    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an object, replacing what is there in one step."""
        request = self._put_request(key, data, content_type, cache_control, metadata)
        return _etag(self._ask("put_object", key, missing=BucketMissing, **request))

    def create(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an object that does not exist yet; the server lets one of several callers win."""
        request = self._put_request(key, data, content_type, cache_control, metadata)
        try:
            return _etag(self._ask("put_object", key, missing=BucketMissing, IfNoneMatch="*", **request))
        except Conflict:
            conflict = Conflict(f"{key} exists already", hint="created objects are never overwritten")
        return self._own_etag(key, request, conflict)

    def swap(
        self,
        key: str,
        data: bytes,
        *,
        etag: str | None,
        content_type: str,
        cache_control: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Replace the object that has this etag; the server compares."""
        if etag is None:
            return self.create(key, data, content_type=content_type, cache_control=cache_control, metadata=metadata)
        request = self._put_request(key, data, content_type, cache_control, metadata)
        try:
            return _etag(self._ask("put_object", key, missing=Conflict, IfMatch=f'"{etag}"', **request))
        except Conflict:
            conflict = Conflict(f"{key} has changed since it was read", hint="read it again and decide anew")
        return self._own_etag(key, request, conflict)

    def head(self, key: str) -> ObjectInfo | None:
        """Size and etag of an object, or None when there is none."""
        try:
            answer = self._head(key)
        except KeyMissing:
            self._make_sure_of_bucket()
            return None
        return ObjectInfo(key, answer["ContentLength"], _etag(answer), answer.get("LastModified"))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, a thousand a request, in the server's order, with etags."""
        start = self._root + check_prefix(prefix)
        more: dict[str, str] = {}
        while True:
            page = self._ask("list_objects_v2", prefix or self.url, missing=BucketMissing, Prefix=start, **more)
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._root)
                if entry["Key"].startswith(start) and is_key(key):
                    yield ObjectInfo(key, entry["Size"], _etag(entry), entry.get("LastModified"))
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        try:
            self._ask("delete_object", key, Key=self._name(key))
        except KeyMissing:
            return

    def public_url(self, key: str) -> str | None:
        """Address under which anybody can fetch the object; None for private ones, and where nothing is public."""
        name = self._name(key)
        return None if self._public is None or key.startswith(PRIVATE) else self._public + name

    def _name(self, key: str) -> str:
        """What the object is called in the bucket."""
        name = self._root + check_key(key)
        if len(name) > MAX_KEY_BYTES:
            raise StorageError(f"not a storage key in {self.url}: {key[:200]!r} is too long there", hint=KEY_HINT)
        return name

    def _ask(
        self, operation: str, subject: str, *, missing: type[StorageError] = KeyMissing, **request: Any
    ) -> dict[str, Any]:
        answer = self._bucket.ask(operation, subject, missing=missing, **request)
        self._met = True
        return answer

    def _put_request(
        self, key: str, data: bytes, content_type: str, cache_control: str | None, metadata: Mapping[str, str] | None
    ) -> dict[str, Any]:
        name = self._name(key)
        check_headers(content_type, cache_control, metadata)
        own = {SHA256: hashlib.sha256(data).hexdigest(), WRITER: self._new_id()}
        request = {"Key": name, "Body": data, "ContentType": content_type, "Metadata": {**(metadata or {}), **own}}
        return request | ({"CacheControl": cache_control} if cache_control is not None else {})

    def _own_etag(self, key: str, request: dict[str, Any], conflict: Conflict) -> str:
        """Etag of the object if this very request has written it, and its answer got lost.

        Raises:
            Conflict: somebody else did, or it is gone.
            BucketMissing: there is not even a bucket; SeaweedFS answers 412 then, too.
        """
        try:
            there = self._head(key)
        except KeyMissing:
            self._make_sure_of_bucket()
            raise conflict from None
        if there.get("Metadata", {}).get(WRITER) != request["Metadata"][WRITER]:
            raise conflict
        return _etag(there)

    def _head(self, key: str) -> dict[str, Any]:
        return self._ask("head_object", key, Key=self._name(key))

    def _make_sure_of_bucket(self) -> None:
        """Ask once, by a request whose answer has a body: that of HEAD has none that could say it is missing."""
        if not self._met:
            self._ask("list_objects_v2", self.url, missing=BucketMissing, MaxKeys=1)


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')
