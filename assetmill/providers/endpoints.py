"""Which endpoint a run talks to: a name from the settings, a RunPod endpoint id, or an address.

`draft` is reserved: an endpoint of that id draws placeholder art, and its pictures never count as real ones.
The RunPod key goes to RUNPOD_API_URL, to RUNPOD_MANAGEMENT_URL and to this machine, never to any other host; how the
addresses of other providers are read stands in `elsewhere`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from decimal import Decimal
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from assetmill.errors import ProviderRefused, UsageError
from assetmill.money import DRAFT_PRICE
from assetmill.money.kept import known_prices
from assetmill.money.prices import hourly
from assetmill.providers.elsewhere import comfyui, scenario
from assetmill.providers.endpoint import (
    COMFYUI,
    DRAFT,
    LOOPBACK,
    OWN,
    SCENARIO,
    Endpoint,
    address_parts,
    refuse_in_the_clear,
)
from assetmill.settings import Settings

DRAFT_MODEL = "draft-1"
RUNPOD_LIKE = "http://127.0.0.1:8000/v2/draft"
OWN_PRICE = "OWN_GPU_USD_PER_HOUR"
NAMES = ("draft", "runpod", "custom", "scenario", "comfyui")
ENDPOINT_PATH = re.compile(r"(?:/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)+/?")  # ends in an id, and leads nowhere else


def resolve_endpoint(settings: Settings, wanted: str | None = None) -> Endpoint:
    """The endpoint that a run uses.

    Args:
        settings: the environment.
        wanted: `draft`, `runpod`, `custom`, `scenario`, `comfyui`, a RunPod endpoint id, or an address, which for
            Scenario begins with `scenario+` and for a ComfyUI server with `comfyui+`; None for the configured provider.

    Raises:
        UsageError: the name means nothing.
        ProviderRefused: key or endpoint id is missing.
    """
    name = wanted or settings.provider
    if name == DRAFT:
        return draft_endpoint(settings)
    if "://" in name:
        return _by_address(settings, name)
    if name == SCENARIO:
        return scenario(settings, settings.scenario_api_url)
    if name == COMFYUI:  # without a server of its own it has always meant the one on RunPod
        return comfyui(settings, settings.comfyui_url) if settings.comfyui_url else _by_name(settings, "runpod")
    if name in NAMES:
        return _by_name(settings, name)
    if re.fullmatch(r"[a-z0-9]{10,20}", name):
        return _runpod(settings, name, name, _key(settings))
    near = difflib.get_close_matches(name, NAMES, 1)
    raise UsageError(
        f"no endpoint is called {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        hint=f"give {', '.join(NAMES)}, a RunPod endpoint id or an address",
    )


def endpoint_of(settings: Settings, url: str) -> Endpoint:
    """The endpoint that an earlier attempt was sent to, by the address that was stored with it.

    Raises:
        UsageError: it is no endpoint address.
        ProviderRefused: the key is missing, or the address is on a host that must not get it.
    """
    return _by_address(settings, url)


def catalog_of(settings: Settings, wanted: str | None) -> tuple[str, SecretStr | None]:
    """Base address of the API that knows prices, and the key for it.

    Args:
        settings: the environment.
        wanted: an endpoint, as `resolve_endpoint` takes it; None for RunPod itself.

    Raises:
        UsageError, ProviderRefused: no such endpoint, or it has no prices.
    """
    if wanted is None:
        return _runpod_management(settings), settings.runpod_api_key
    endpoint = resolve_endpoint(settings, wanted)
    if not endpoint.management_url:
        raise UsageError(f"endpoint {endpoint.name} has no prices", hint="it is free, or not started yet")
    return endpoint.management_url, endpoint.key


def draft_endpoint(settings: Settings, url: str = "", key: SecretStr | None = None, name: str = DRAFT) -> Endpoint:
    """The draft endpoint, free of charge; with an address once it runs."""
    workers, price = settings.max_workers, DRAFT_PRICE
    return Endpoint(
        name, DRAFT, url, key, DRAFT_MODEL, workers, Decimal(0), price.cited, None, DRAFT, _management(settings, url)
    )


def _by_name(settings: Settings, name: str) -> Endpoint:
    variable, endpoint_id = {
        "runpod": ("RUNPOD_COMFYUI_ENDPOINT_ID", settings.runpod_endpoint_id),
        "custom": ("RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID", settings.runpod_custom_endpoint_id),
    }[name]
    if not endpoint_id:
        raise ProviderRefused(f"{variable} is not set", hint="put the endpoint id there, or use --endpoint draft")
    return _runpod(settings, name, endpoint_id, _key(settings))


def _by_address(settings: Settings, address: str) -> Endpoint:
    kind, plus, rest = address.partition("+")
    if plus and kind == SCENARIO:
        return scenario(settings, rest)
    if plus and kind == COMFYUI:
        return comfyui(settings, rest)
    parts, url = _endpoint_parts(address), address.rstrip("/")
    base, _, endpoint_id = url.rpartition("/")
    local, runpod = parts.hostname in LOOPBACK, base == settings.runpod_api_url.rstrip("/")
    if not local and not runpod:
        raise ProviderRefused(
            f"no key may be sent to {parts.hostname}: it is not the host of RUNPOD_API_URL",
            hint="set RUNPOD_API_URL if your endpoints are there",
        )
    if endpoint_id == DRAFT:
        key = _local_key(settings) if local else _key(settings)
        return draft_endpoint(settings, url, key, name=f"{DRAFT}@{parts.netloc}")
    if runpod and (settings.runpod_api_key or not local):
        return _runpod(settings, _name_of(settings, endpoint_id), endpoint_id, _key(settings))
    name = f"{endpoint_id}@{parts.netloc}"
    return _endpoint(settings, name, url, _local_key(settings))


def _endpoint_parts(address: str) -> SplitResult:
    """Parts of an address that keys may travel to."""
    parts = address_parts(address, RUNPOD_LIKE)
    if not ENDPOINT_PATH.fullmatch(parts.path):
        raise UsageError(f"{address!r} is no endpoint address", hint=f"like {RUNPOD_LIKE}")
    refuse_in_the_clear(parts)
    return parts


def _runpod(settings: Settings, name: str, endpoint_id: str, key: SecretStr) -> Endpoint:
    url = f"{settings.runpod_api_url.rstrip('/')}/{endpoint_id}"
    _endpoint_parts(url)
    return _endpoint(settings, name, url, key)


def _endpoint(settings: Settings, name: str, url: str, key: SecretStr | None) -> Endpoint:
    management_url = _management(settings, url)
    prices = known_prices(settings.home, management_url)
    price = prices.of_pool(settings.gpu_pool)
    endpoint = Endpoint(
        name=name,
        kind="runpod",
        url=url,
        key=key,
        model=_model_of(settings, name),
        max_workers=settings.max_workers,
        usd_per_s=price.usd_per_s,
        price_source=price.cited,
        gpu=settings.gpu_pool,
        id=url.rsplit("/", 1)[-1],
        management_url=management_url,
        prices=prices,
    )
    return _own(endpoint, settings.own_gpu_usd_per_hour) if endpoint.id == OWN else endpoint


def _own(endpoint: Endpoint, hour: Decimal | None) -> Endpoint:
    """A machine that stands there anyhow: what RunPod asks for a GPU pool says nothing of what it costs."""
    own = replace(endpoint, usd_per_s=None, price_source=f"unknown: {OWN_PRICE} is not set", gpu=None, standing=True)
    return own if hour is None else replace(own, usd_per_s=hourly(hour), price_source=OWN_PRICE)


def _model_of(settings: Settings, name: str) -> str:
    """Model of an endpoint's workers; that of the second endpoint may be another one."""
    return (settings.custom_model_identity if name == "custom" else None) or settings.model_identity


def _management(settings: Settings, url: str) -> str:
    """Management API of an endpoint. A server on this machine is its own: a key for it means nothing to RunPod."""
    parts = urlsplit(url)
    if not parts.hostname:
        return ""
    if parts.hostname in LOOPBACK:
        return f"{parts.scheme}://{parts.netloc}/v2"
    return _runpod_management(settings)


def _runpod_management(settings: Settings) -> str:
    management = settings.runpod_management_url.rstrip("/")
    try:
        parts = urlsplit(management)
        host = parts.hostname if parts.port != 0 else None  # a port that cannot be raises
    except ValueError:
        host = None
    if not host:
        raise UsageError("RUNPOD_MANAGEMENT_URL is no address", hint="like https://api.runpod.io/v2")
    local = management.startswith("http://") and host in LOOPBACK
    if not local and not management.startswith("https://"):
        raise UsageError("RUNPOD_MANAGEMENT_URL needs https", hint="the key would travel in the clear")
    if "@" in management:  # it is cited as the source of prices
        raise UsageError("RUNPOD_MANAGEMENT_URL has a user or password", hint="put the key into RUNPOD_API_KEY")
    return management


def _name_of(settings: Settings, endpoint_id: str) -> str:
    """Name that the books use for an endpoint of this id."""
    named = {settings.runpod_custom_endpoint_id: "custom", settings.runpod_endpoint_id: "runpod"}
    return named.get(endpoint_id, endpoint_id)


def _local_key(settings: Settings) -> SecretStr | None:
    return settings.serve_key or settings.runpod_api_key


def _key(settings: Settings) -> SecretStr:
    if settings.runpod_api_key is None:
        raise ProviderRefused("RUNPOD_API_KEY is not set", hint="put the key there, or use --endpoint draft")
    return settings.runpod_api_key
