"""An endpoint as plans and books name it: where jobs go, in which protocol, and what they cost there.

A plain value: nothing here asks the environment or a network. How a name or an address becomes one stands in
`endpoints`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from assetmill.errors import UsageError
from assetmill.money import PriceList, published_prices

DRAFT = "draft"
OWN = "local"
"""Id of an endpoint of `assetmill serve --no-draft`: RunPod's protocol, GPUs of one's own."""

RUNPOD = "runpod"
SCENARIO = "scenario"
COMFYUI = "comfyui"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def address_parts(address: str, like: str) -> SplitResult:
    """Parts of an http(s) address that keys may travel to.

    Args:
        address: as somebody has written it; one that holds a password is not repeated.
        like: what a usable one looks like, for the error's hint.

    Raises:
        UsageError: it is no such address.
    """
    if "@" in address:
        raise UsageError("an address with a user or password is no endpoint address", hint="put keys in the settings")
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise UsageError(f"{address!r} is no endpoint address", hint=f"like {like}")
    return parts


def refuse_in_the_clear(parts: SplitResult) -> None:
    """Refuse an address of another machine to which a key would travel in the clear.

    Raises:
        UsageError: it is one.
    """
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise UsageError("an endpoint on another machine needs https", hint="the key would travel in the clear")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, as plans and books name it.

    Args:
        name: short name; written to the ledger.
        kind: `draft`, `runpod`, `scenario` or `comfyui`: the protocol that it speaks.
        url: what the books call it: its base address, of RunPod up to the endpoint id, of others with `scenario+` or
            `comfyui+` before it; empty for a draft endpoint that is still to be started.
        key: bearer key; of Scenario the name that belongs to its secret.
        model: identity of the model that answers; part of every fingerprint.
        max_workers: workers that RunPod may run at once.
        usd_per_s: price of one worker-second; None when nobody knows it.
        price_source: where the price comes from.
        gpu: GPU pool that the price is for.
        id: RunPod's id of the endpoint.
        management_url: base address of the API that knows the endpoint's settings and workers, and takes the same
            key; empty where there is none.
        prices: what GPUs cost there, as far as it is known without asking.
        secret: Scenario's second key.
        project: Scenario's project; None for the key's own.
        placeholders: it draws placeholder art, whatever protocol it speaks.
        usd_per_unit: price of a unit of its own currency; None when it has none, or nobody knows.
        standing: its workers are there anyhow: no job starts one, and none is paid for being idle.
    """

    name: str
    kind: str
    url: str
    key: SecretStr | None
    model: str
    max_workers: int
    usd_per_s: Decimal | None
    price_source: str
    gpu: str | None = None
    id: str = ""
    management_url: str = ""
    prices: PriceList = field(default_factory=published_prices, compare=False, repr=False)
    secret: SecretStr | None = None
    project: str | None = None
    placeholders: bool = False
    usd_per_unit: Decimal | None = None
    standing: bool = False

    @property
    def draft(self) -> bool:
        """Whether the pictures are placeholders."""
        return self.placeholders or self.kind == DRAFT

    @property
    def by_units(self) -> bool:
        """Whether it charges in units of its own, and not for time."""
        return self.kind == SCENARIO

    @property
    def paid(self) -> bool:
        """Whether using it may cost money: true also where the price is unknown."""
        if self.draft:
            return False
        price = self.usd_per_unit if self.by_units else self.usd_per_s
        return price is None or price > 0

    @property
    def address(self) -> str:
        """Where requests go: its name in the books without what stands before `+`."""
        return self.url.removeprefix(f"{self.kind}+")
