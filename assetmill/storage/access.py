"""How an S3 store is reached: endpoint, key, secret. Judged before anything is sent.

An endpoint with a slip in it fails late and darkly: a bucket in its path reads as a missing bucket, a key in it ends
up in logs, and plain HTTP shows every picture to whoever is on the way. So it is refused here, in words. What an
address holds is never repeated, because it may hold a key.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from assetmill.errors import UsageError

Jurisdiction = Literal["", "eu", "us", "fedramp"]

REGION = "auto"  # what R2 calls its one region; SeaweedFS and others take any name
ATTEMPTS_AGAIN = 5  # how often botocore sends a failed request again: waits grow from up to 1 s to up to 16 s
READ_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class S3Access:
    """Where an S3 store is and how it lets us in. Key and secret never show in its text.

    Args:
        endpoint_url: `https://host`, without a bucket; `http://` only for this machine.
        key: access key id.
        secret: secret access key.
        region: name of the region that requests are signed for.
        public_url: address under which the bucket's root can be fetched by anybody, if it can.
        ca_file: PEM file of the certificate authority, for an endpoint that has one of its own.
        retries: how often a failed request is sent again.
        read_timeout_s: how long an answer may take.

    Raises:
        UsageError: an address that cannot be, or that would send pictures in clear over a network.
    """

    endpoint_url: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    region: str = REGION
    public_url: str | None = None
    ca_file: Path | None = None
    retries: int = ATTEMPTS_AGAIN
    read_timeout_s: float = READ_TIMEOUT_S

    def __post_init__(self) -> None:
        parts = _address(self.endpoint_url, "ASSETMILL_STORE_ENDPOINT_URL")
        if parts.path.strip("/"):
            raise UsageError(
                "the store's endpoint has a path",
                hint="leave it out: the bucket belongs into ASSETMILL_STORE_URL=s3://bucket/prefix",
            )
        if self.public_url is not None:
            _address(self.public_url, "ASSETMILL_PUBLIC_URL")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise UsageError(
                f"no file {self.ca_file}", hint="ASSETMILL_STORE_CA_FILE names a PEM file, or is left empty"
            )


def r2_endpoint(account_id: str, jurisdiction: Jurisdiction = "") -> str:
    """Address of Cloudflare R2's S3 API for an account; a bucket lives in one jurisdiction for good.

    Raises:
        UsageError: the account id is none.
    """
    if not (account_id.isascii() and account_id.isalnum()):
        raise UsageError("R2_ACCOUNT_ID is no account id", hint="the R2 overview page shows it: 32 hex digits")
    return f"https://{account_id}{'.' if jurisdiction else ''}{jurisdiction}.r2.cloudflarestorage.com"


def _address(url: str, variable: str) -> SplitResult:
    """Parts of an address that may be used; the errors name the variable that usually holds it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{variable} is no address", hint="write https://host") from None
    if parts.scheme not in ("https", "http") or not host:
        raise UsageError(f"{variable} is no address", hint="write https://host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            f"{variable} holds more than an address", hint="write https://host, without keys or parameters"
        )
    if parts.scheme == "http" and not _on_this_machine(host):
        raise UsageError(
            f"{variable}: plain http:// to {host} would send everything in clear",
            hint="write https://; http:// is for servers on this machine",
        )
    return parts


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
