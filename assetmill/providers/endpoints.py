"""Which endpoint a run talks to: a name from the settings, a RunPod endpoint id, or an address.

`draft` is reserved: an endpoint of that id draws placeholder art, and its pictures never count as real ones.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from pydantic import SecretStr

from assetmill.errors import ProviderRefused, UsageError
from assetmill.money import DRAFT_PRICE, Price, price_of
from assetmill.settings import Settings

DRAFT = "draft"
DRAFT_MODEL = "draft-1"
NAMES = ("draft", "runpod", "custom")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, as plans and books name it.

    Args:
        name: short name; written to the ledger.
        kind: `draft` or `runpod`.
        url: base address up to the endpoint id; empty for a draft endpoint that is still to be started.
        key: bearer key.
        model: identity of the model that answers; part of every fingerprint.
        max_workers: workers that RunPod may run at once.
        usd_per_s: price of one worker-second; None when nobody knows it.
        price_source: where the price comes from.
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

    @property
    def draft(self) -> bool:
        """Whether the pictures are placeholders."""
        return self.kind == DRAFT

    @property
    def paid(self) -> bool:
        """Whether using it may cost money: true also where the price is unknown."""
        return self.usd_per_s is None or self.usd_per_s > 0


def resolve_endpoint(settings: Settings, wanted: str | None = None) -> Endpoint:
    """The endpoint that a run uses.

    Args:
        settings: the environment.
        wanted: `draft`, `runpod`, `custom`, a RunPod endpoint id, or an address; None for the configured provider.

    Raises:
        UsageError: the name means nothing, or the provider is not available in this version.
        ProviderRefused: key or endpoint id is missing.
    """
    name = wanted or ("runpod" if settings.provider == "comfyui" else settings.provider)
    if name == DRAFT:
        return draft_endpoint(settings)
    if "://" in name:
        return _by_address(settings, name)
    if name == "scenario":
        raise UsageError("provider scenario is not available in this version", hint="use runpod or draft")
    if name in NAMES:
        return _by_name(settings, name)
    if re.fullmatch(r"[a-z0-9]{10,20}", name):
        return _runpod(settings, name, name, _key(settings))
    near = difflib.get_close_matches(name, NAMES, 1)
    raise UsageError(
        f"no endpoint is called {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        hint=f"give {', '.join(NAMES)}, a RunPod endpoint id or an address",
    )


def draft_endpoint(settings: Settings, url: str = "", key: SecretStr | None = None, name: str = DRAFT) -> Endpoint:
    """The draft endpoint, free of charge; with an address once it runs."""
    return Endpoint(name, DRAFT, url, key, DRAFT_MODEL, settings.max_workers, Decimal(0), DRAFT_PRICE.cited)


def _by_name(settings: Settings, name: str) -> Endpoint:
    variable, endpoint_id = {
        "runpod": ("RUNPOD_COMFYUI_ENDPOINT_ID", settings.runpod_endpoint_id),
        "custom": ("RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID", settings.runpod_custom_endpoint_id),
    }[name]
    if not endpoint_id:
        raise ProviderRefused(f"{variable} is not set", hint="put the endpoint id there, or use --endpoint draft")
    return _runpod(settings, name, endpoint_id, _key(settings))


def _by_address(settings: Settings, address: str) -> Endpoint:
    if "@" in address:  # not repeated: it may hold a password
        raise UsageError("an address with a user or password is no endpoint address", hint="put keys in the settings")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise UsageError(f"{address!r} is no endpoint address", hint="like http://127.0.0.1:8000/v2/draft")
    local = parts.hostname in LOOPBACK
    if parts.scheme == "http" and not local:
        raise UsageError("an endpoint on another machine needs https", hint="the key would travel in the clear")
    url = address.rstrip("/")
    endpoint_id = url.rsplit("/", 1)[-1]
    key = settings.serve_key or settings.runpod_api_key if local else _key(settings)
    if endpoint_id == DRAFT:
        return draft_endpoint(settings, url, key, name=f"{DRAFT}@{parts.netloc}")
    price = price_of(settings.gpu_pool)
    return _endpoint(settings, f"{endpoint_id}@{parts.netloc}", url, key, price)


def _runpod(settings: Settings, name: str, endpoint_id: str, key: SecretStr) -> Endpoint:
    url = f"{settings.runpod_api_url.rstrip('/')}/{endpoint_id}"
    return _endpoint(settings, name, url, key, price_of(settings.gpu_pool))


def _endpoint(settings: Settings, name: str, url: str, key: SecretStr | None, price: Price) -> Endpoint:
    model, workers = settings.model_identity, settings.max_workers
    return Endpoint(name, "runpod", url, key, model, workers, price.usd_per_s, price.cited, settings.gpu_pool)


def _key(settings: Settings) -> SecretStr:
    if settings.runpod_api_key is None:
        raise ProviderRefused("RUNPOD_API_KEY is not set", hint="put the key there, or use --endpoint draft")
    return settings.runpod_api_key
