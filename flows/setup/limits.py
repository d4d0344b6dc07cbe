"""The concurrency limits by which runs share an endpoint: one for each endpoint, made as large as its window.

The value belongs to whoever operates the endpoint: a limit that is there keeps it, whatever the settings say, unless
the caller says otherwise. What a limit means stands in assetmill.batch.sharing, and how runs use it in flows/sharing.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from assetmill.batch.providers import window_of
from assetmill.batch.sharing import limit_name
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings


def endpoints_of(settings: Settings, also: Sequence[str] = ()) -> list[Endpoint]:
    """The endpoints that runs may share: those of the settings that have a key and an id, and others by name.

    Args:
        settings: the environment.
        also: names, RunPod endpoint ids or addresses.

    Raises:
        UsageError, ProviderRefused: one of `also` is no endpoint, or has no key.
    """
    key = settings.runpod_api_key
    needs = {
        "runpod": (settings.runpod_endpoint_id, key),
        "custom": (settings.runpod_custom_endpoint_id, key),
        "scenario": (settings.scenario_api_key, settings.scenario_secret),
        "comfyui": (settings.comfyui_url,),
    }
    set_up = [name for name, needed in needs.items() if all(needed)]
    found = [resolve_endpoint(settings, name) for name in (*set_up, *also)]
    return list({limit_name(endpoint): endpoint for endpoint in found if endpoint.url}.values())


async def ensure_limits(
    client: PrefectClient, endpoints: Sequence[Endpoint], settings: Settings, *, reset: bool = False
) -> list[str]:
    """Make the limits that are missing, each as large as its endpoint's window.

    Args:
        client: of the Prefect server.
        endpoints: endpoints with an address.
        settings: the queue ahead of each worker.
        reset: give limits that are there the value of the settings, too.

    Returns:
        What was created or changed, in words; nothing if all was in place.
    """
    done = []
    for endpoint in endpoints:
        done += await _ensure(client, limit_name(endpoint), window_of(endpoint, settings), reset=reset)
    return done


async def _ensure(client: PrefectClient, name: str, slots: int, *, reset: bool) -> list[str]:
    try:
        there = await client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        try:
            await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=slots))
        except ObjectAlreadyExists:  # somebody else sets up at the same time
            return []
        return [f"concurrency limit {name} created ({slots} slots)"]
    if not reset or (there.limit == slots and there.active):
        return []
    await client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(limit=slots, active=True))
    return [f"concurrency limit {name} set from {there.limit} to {slots} slots"]
