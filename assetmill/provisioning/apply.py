"""Bringing an endpoint about: made or changed as a plan says, scaled, ended. Nothing happens here unasked.

A create whose answer is lost is never sent again before the endpoint has been looked for by its name: two endpoints of
one name would both be paid for, and nobody could tell which is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from assetmill.clock import Clock
from assetmill.errors import NoSuchEndpoint, OutcomeUnknown, ProviderAway, Refused, UsageError
from assetmill.providers.runpod.manage import ManagementApi
from assetmill.provisioning.fields import found
from assetmill.provisioning.plan import EndpointPlan, look_up, plain_name

LOOKS_S: Final = (2.0, 5.0, 10.0, 20.0)
"""How long to wait before each look for an endpoint whose create had no answer: a list may lag behind."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done.

    Args:
        endpoint_id: the endpoint.
        name: its name.
        made: it is new.
        changed: fields that were changed.
        found_again: its create had no answer, and it was found by its name.
    """

    endpoint_id: str
    name: str
    made: bool
    changed: tuple[str, ...]
    found_again: bool = False


async def apply(api: ManagementApi, plan: EndpointPlan, clock: Clock) -> Applied:
    """Do what a plan says.

    Raises:
        Refused: an endpoint of this name has come into being since the plan was made.
        ProviderRefused: RunPod refused it, or is away; the endpoint is as it was.
        OutcomeUnknown: a create had no answer, and no endpoint has shown up: it may yet.
    """
    fields = tuple(change.field for change in plan.changes)
    if plan.endpoint_id is not None:
        if fields:
            await api.update(plan.endpoint_id, plan.body)
        return Applied(plan.endpoint_id, plan.spec.name, made=False, changed=fields)
    meanwhile = await look_up(api, plan.spec.name)
    if meanwhile is not None:
        raise Refused(
            f"an endpoint {plan.spec.name} is there now ({meanwhile['id']}); nothing was changed",
            hint="somebody else has made it: plan again",
        )
    made, again = await _create(api, plan, clock)
    return Applied(str(made["id"]), plan.spec.name, made=True, changed=fields, found_again=again)


async def _create(api: ManagementApi, plan: EndpointPlan, clock: Clock) -> tuple[Mapping[str, Any], bool]:
    """Send the create once, and look for its endpoint where nobody said what became of it."""
    try:
        return await api.create(plan.body), False
    except OutcomeUnknown as error:
        for pause_s in LOOKS_S:
            await clock.sleep(pause_s)
            with suppress(ProviderAway):  # in trouble still: it may have been made all the same
                there = await look_up(api, plan.spec.name)
                if there is not None:
                    return there, True
        raise OutcomeUnknown(
            f"{error.message}, and no endpoint {plan.spec.name} has shown up; nothing was sent again",
            hint="look at RunPod's console in a minute, then `assetmill endpoint plan`: it adopts what it finds",
        ) from error


async def one_called(api: ManagementApi, name: str, endpoint_id: str | None) -> Mapping[str, Any]:
    """The endpoint of a file, which has to be there.

    Raises:
        NoSuchEndpoint: there is none.
        Refused: several have the name.
    """
    there = await look_up(api, name, endpoint_id)
    if there is None:
        raise NoSuchEndpoint(f"there is no endpoint {name}", hint="assetmill endpoint apply makes it")
    return there


async def scale(api: ManagementApi, endpoint_id: str, most: int) -> tuple[int | None, int]:
    """Set the most workers of an endpoint, and its least no higher than that.

    Args:
        api: the account's endpoints.
        endpoint_id: which.
        most: workers, 0 and up.

    Returns:
        The most before, as far as it was told, and now.

    Raises:
        UsageError: less than none.
        ProviderAway: RunPod has answered with another figure.
        ProviderRefused: it was refused.
    """
    if most < 0:
        raise UsageError(f"{most} workers cannot be", hint="0 and up")
    before = found(await api.endpoint(endpoint_id))
    if before["workers.max"] == most:
        return most, most
    lowered = {"min": most} if (before["workers.min"] or 0) > most else {}
    now = found(await api.update(endpoint_id, {"workers": {"max": most, **lowered}}))["workers.max"]
    if now != most:
        raise ProviderAway(f"max workers of {endpoint_id} is {now}, and not {most}", hint="try again")
    return before["workers.max"], most


async def delete(api: ManagementApi, endpoint: Mapping[str, Any], typed: str) -> None:
    """End an endpoint for good, and cancel its jobs.

    Args:
        api: the account's endpoints.
        endpoint: which, as it was looked up.
        typed: its name, as somebody has typed it.

    Raises:
        Refused: that is another name; nothing was deleted.
        ProviderRefused: it was refused.
    """
    if typed != plain_name(endpoint):
        raise Refused(
            f"{typed!r} is not the name of {endpoint['id']}; nothing was deleted",
            hint=f"its name is {plain_name(endpoint)}",
        )
    await api.delete(str(endpoint["id"]))
