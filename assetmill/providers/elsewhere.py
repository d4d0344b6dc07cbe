"""Endpoints that are not RunPod's: Scenario's API, and a ComfyUI server by its address.

Keys go to the addresses of the settings and to this machine, never to any other host. A stand-in that draws
placeholders has the word `draft` in the path of its address, and only one of this machine may.
"""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import SplitResult

from assetmill.errors import ProviderRefused
from assetmill.money import unit_prices
from assetmill.money.prices import hourly
from assetmill.providers.endpoint import (
    COMFYUI,
    DRAFT,
    LOOPBACK,
    SCENARIO,
    Endpoint,
    address_parts,
    refuse_in_the_clear,
)
from assetmill.settings import Settings

DRAFT_MODEL = "draft-1"
FREE = "local draft endpoint"


def scenario(settings: Settings, address: str) -> Endpoint:
    """Scenario's API at an address.

    Raises:
        UsageError: it is no usable address.
        ProviderRefused: keys are missing, or must not go there.
    """
    parts = address_parts(address, "https://api.cloud.scenario.com/v1")
    refuse_in_the_clear(parts)
    drafts = _draws_drafts(parts)
    local = parts.hostname in LOOPBACK
    if not local and address.rstrip("/") != settings.scenario_api_url.rstrip("/"):
        raise ProviderRefused(
            f"no key may be sent to {parts.hostname}: it is not the host of SCENARIO_API_URL",
            hint="set SCENARIO_API_URL if your Scenario is there",
        )
    if not local and (settings.scenario_api_key is None or settings.scenario_secret is None):
        missing = "SCENARIO_API_KEY" if settings.scenario_api_key is None else "SCENARIO_SECRET_API_KEY"
        raise ProviderRefused(f"{missing} is not set", hint="put the key there, or use --provider draft")
    usd, source = _unit_price(settings)
    return Endpoint(
        name=_name(SCENARIO, settings.scenario_api_url, address, parts),
        kind=SCENARIO,
        url=f"{SCENARIO}+{address.rstrip('/')}",
        key=settings.scenario_api_key,
        secret=settings.scenario_secret,
        project=settings.scenario_project_id,
        model=DRAFT_MODEL if drafts else settings.scenario_model,
        max_workers=settings.scenario_max_jobs,
        usd_per_s=Decimal(0) if drafts else None,
        price_source=FREE if drafts else source,
        id=SCENARIO,
        placeholders=drafts,
        usd_per_unit=Decimal(0) if drafts else usd,
    )


def comfyui(settings: Settings, address: str) -> Endpoint:
    """A ComfyUI server at an address.

    Raises:
        UsageError: it is no usable address.
        ProviderRefused: the key must not go there.
    """
    parts = address_parts(address, "http://gpu-box:8188")
    drafts = _draws_drafts(parts)
    ours = settings.comfyui_url is not None and address.rstrip("/") == settings.comfyui_url.rstrip("/")
    if not ours and parts.hostname not in LOOPBACK and settings.comfyui_api_key is not None:
        raise ProviderRefused(
            f"no key may be sent to {parts.hostname}: it is not the host of COMFYUI_URL",
            hint="set COMFYUI_URL if your ComfyUI is there",
        )
    if settings.comfyui_api_key is not None:
        refuse_in_the_clear(parts)
    hour = Decimal(0) if drafts else settings.comfyui_usd_per_hour
    told = "COMFYUI_USD_PER_HOUR" if hour is not None else "unknown: COMFYUI_USD_PER_HOUR is not set"
    return Endpoint(
        name=_name(COMFYUI, settings.comfyui_url or "", address, parts),
        kind=COMFYUI,
        url=f"{COMFYUI}+{address.rstrip('/')}",
        key=settings.comfyui_api_key,
        model=DRAFT_MODEL if drafts else settings.model_identity,
        max_workers=1,
        usd_per_s=None if hour is None else hourly(hour),
        price_source=FREE if drafts else told,
        id=COMFYUI,
        placeholders=drafts,
        standing=True,
    )


def _unit_price(settings: Settings) -> tuple[Decimal | None, str]:
    if settings.scenario_usd_per_unit is not None:
        return settings.scenario_usd_per_unit, "SCENARIO_USD_PER_UNIT"
    known = unit_prices().get(SCENARIO)
    return (
        (known.usd, f"{known.source}, {known.date}") if known else (None, "unknown: SCENARIO_USD_PER_UNIT is not set")
    )


def _name(kind: str, configured: str, address: str, parts: SplitResult) -> str:
    """What the books call it: the one of the settings by its kind alone."""
    return kind if address.rstrip("/") == configured.rstrip("/") else f"{kind}@{parts.netloc}"


def _draws_drafts(parts: SplitResult) -> bool:
    """Whether placeholders are drawn there; on this machine alone."""
    return parts.hostname in LOOPBACK and DRAFT in parts.path.split("/")
