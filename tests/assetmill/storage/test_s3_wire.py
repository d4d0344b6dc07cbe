"""What goes over the wire to a store behind TLS: R2 refuses much that the S3 libraries send unless told not to.

Servers over plain HTTP never see it, because the libraries send otherwise there.
"""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import s3fs

from assetmill.errors import StoreUnreachable
from assetmill.storage import S3Access, open_store

DATA = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 500
IMMUTABLE = "public, max-age=31536000, immutable"


def refused_by_r2(headers: dict[str, str]) -> list[str]:
    """Headers of a PUT that R2 does not implement: chunks with a trailer, checksums of the default kind, ACLs."""
    wrong = [name for name in headers if name.startswith(("x-amz-checksum-", "x-amz-grant-", "x-amz-sdk-checksum"))]
    wrong += [name for name in ("x-amz-acl", "x-amz-trailer", "x-amz-tagging", "transfer-encoding") if name in headers]
    wrong += ["content-encoding"] * ("aws-chunked" in headers.get("content-encoding", ""))
    return wrong + ["x-amz-content-sha256"] * headers["x-amz-content-sha256"].startswith("STREAMING-")


@pytest.mark.parametrize("method", ("put", "create", "swap"))
def test_a_write_goes_out_whole_signed_and_without_what_r2_refuses(recorder: Any, method: str) -> None:
    store = recorder.store()
    extra = {"etag": store.put("k.png", b"old", content_type="image/png")} if method == "swap" else {}
    getattr(store, method)("k.png", DATA, content_type="image/png", cache_control=IMMUTABLE, **extra)
    sent, path, headers, body = recorder.requests[-1]
    assert (sent, path, body) == ("PUT", "/assets/scripted/k.png", DATA)
    assert refused_by_r2(headers) == []
    assert headers["content-length"] == str(len(DATA))
    assert headers["x-amz-content-sha256"] == headers["x-amz-meta-sha256"] == hashlib.sha256(DATA).hexdigest()
    assert headers["content-type"] == "image/png"
    assert headers["cache-control"] == IMMUTABLE
    assert "/auto/s3/aws4_request" in headers["authorization"]
    conditions = {name: value for name, value in headers.items() if name.startswith("if-")}
    old = hashlib.md5(b"old").hexdigest()  # noqa: S324  what the server names it by
    assert conditions == {"put": {}, "create": {"if-none-match": "*"}, "swap": {"if-match": f'"{old}"'}}[method]


def test_the_recorder_would_show_what_r2_refuses(recorder: Any) -> None:
    filesystem = s3fs.S3FileSystem(
        key="k", secret="s", endpoint_url=recorder.endpoint_url,
        client_kwargs={"region_name": "auto", "verify": str(recorder.ca_file)}, s3_additional_kwargs={"ACL": "private"},
    )  # fmt: skip
    filesystem.pipe_file("assets/k.png", DATA)
    _, _, headers, body = recorder.requests[-1]
    assert {"x-amz-trailer", "transfer-encoding", "content-encoding", "x-amz-content-sha256", "x-amz-acl"} <= {
        *refused_by_r2(headers)
    }
    assert body != DATA


def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_way_out(recorder: Any) -> None:
    with pytest.raises(StoreUnreachable, match="no safe connection") as caught:
        open_store("s3://assets", S3Access(recorder.endpoint_url, "k", "s", retries=0)).get("k")
    assert "ASSETMILL_STORE_CA_FILE" in caught.value.hint
    assert recorder.requests == []


def test_an_authority_that_is_no_certificate_is_refused_too(recorder: Any, tmp_path: Path) -> None:
    garbage = tmp_path / "authority.pem"
    garbage.write_text("no certificate")
    with pytest.raises(StoreUnreachable) as caught:
        open_store("s3://assets", S3Access(recorder.endpoint_url, "k", "s", ca_file=garbage, retries=0)).get("k")
    assert "ASSETMILL_STORE_CA_FILE" in caught.value.hint
