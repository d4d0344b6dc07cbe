"""Deployments on the server brought to what prefect.yaml asks for; what is right already is not touched.

An operator switches schedules on and off and pauses deployments in the UI: that is theirs and stays, whatever the
file says, which only decides how a new schedule begins. Everything else is the file's: what was changed elsewhere is
put right and named. Deployments and schedules that the file no longer has are removed, but only deployments that bear
our tag and run our flows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions, DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from flows.setup.specs import DeploymentSpec, ScheduleSpec, Specs

TAG = "assetmill"
OURS = "flows."
PAGE = 200


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of the deployments.

    Args:
        changes: what was done, in words; empty if all was right already.
        notes: where the server differs from the file and is left so.
    """

    changes: tuple[str, ...]
    notes: tuple[str, ...]


async def ensure_deployments(client: PrefectClient, specs: Specs) -> Applied:
    """Create, change and remove deployments and their schedules.

    Raises:
        UsageError: an entrypoint names no flow; nothing was changed.
    """
    wanted = [(spec, spec.flow().name, _fields(spec)) for spec in specs.deployments]
    changes: list[str] = []
    notes: list[str] = []
    for spec, flow_name, fields in wanted:
        try:
            there = await client.read_deployment_by_name(f"{flow_name}/{spec.name}")
        except ObjectNotFound:
            await _create(client, spec, flow_name, fields)
            changes.append(f"deployment {spec.name} created")
            continue
        changes += await _change(client, spec, fields, there)
        changes += await _schedules(client, spec, there)
        notes += _notes(spec, there)
    changes += await _remove(client, {(flow_name, spec.name) for spec, flow_name, _ in wanted})
    return Applied(tuple(changes), tuple(notes))


def _fields(spec: DeploymentSpec) -> dict[str, Any]:
    """All that the file decides, but the schedules."""
    schema = spec.flow().parameters.model_dump(mode="json", exclude_unset=True)
    return {
        "entrypoint": spec.entrypoint,
        "description": spec.description,
        "parameters": spec.parameters,
        "tags": spec.tags,
        "work_pool_name": spec.work_pool.name,
        "job_variables": spec.work_pool.job_variables,
        "enforce_parameter_schema": spec.enforce_parameter_schema,
        "parameter_openapi_schema": schema,
        "pull_steps": [],
        "concurrency_limit": spec.concurrency_limit.limit,
        "concurrency_options": ConcurrencyOptions(
            collision_strategy=ConcurrencyLimitStrategy(spec.concurrency_limit.collision_strategy)
        ),
    }


async def _create(client: PrefectClient, spec: DeploymentSpec, flow_name: str, fields: dict[str, Any]) -> None:
    flow_id = await client.create_flow_from_name(flow_name)
    await client.create_deployment(flow_id, spec.name, schedules=[_new(one) for one in spec.schedules], **fields)


def _new(spec: ScheduleSpec) -> DeploymentScheduleCreate:
    return DeploymentScheduleCreate(
        schedule=spec.schedule(), active=spec.active, parameters=spec.parameters, slug=spec.slug
    )


async def _change(
    client: PrefectClient, spec: DeploymentSpec, fields: dict[str, Any], there: DeploymentResponse
) -> list[str]:
    """Put right whatever differs, all of it at once."""
    differing = sorted(name for name, value in fields.items() if _shape(name, value) != _on_server(name, there))
    if not differing:
        return []
    await client.update_deployment(there.id, DeploymentUpdate(**fields))
    return [f"deployment {spec.name} changed: {', '.join(name.replace('_', ' ') for name in differing)}"]


def _shape(name: str, value: Any) -> Any:
    """A value as it compares: tags have no order, options only their strategy."""
    if name == "tags":
        return sorted(value)
    return value.collision_strategy if isinstance(value, ConcurrencyOptions) else value


def _on_server(name: str, there: DeploymentResponse) -> Any:
    if name == "concurrency_limit":  # the field of that name is always None
        return there.global_concurrency_limit.limit if there.global_concurrency_limit else None
    value = getattr(there, name)
    if name == "pull_steps":
        return value or []
    return None if value is None else _shape(name, value)


async def _schedules(client: PrefectClient, spec: DeploymentSpec, there: DeploymentResponse) -> list[str]:
    """Schedules by their slug; one without a slug is nobody's that the file knows."""
    known = {one.slug: one for one in there.schedules}
    words = []
    for wanted in spec.schedules:
        name, found = f"schedule {spec.name}/{wanted.slug}", known.pop(wanted.slug, None)
        if found is None:
            await client.create_deployment_schedules(there.id, [_new(wanted)])
            words.append(f"{name} created")
        elif _differs(wanted, found):
            await client.update_deployment_schedule(
                there.id, found.id, schedule=wanted.schedule(), parameters=wanted.parameters
            )
            words.append(f"{name} changed")
    for slug, left in known.items():
        await client.delete_deployment_schedule(there.id, left.id)
        words.append(f"schedule {spec.name}/{slug or 'without a name'} removed")
    return words


def _differs(wanted: ScheduleSpec, found: DeploymentSchedule) -> bool:
    return wanted.schedule() != found.schedule or wanted.parameters != found.parameters


def _notes(spec: DeploymentSpec, there: DeploymentResponse) -> list[str]:
    """What an operator has switched, and we leave."""
    active = {one.slug: one.active for one in there.schedules}
    words = [f"deployment {spec.name} is paused and stays so"] if there.paused else []
    for wanted in spec.schedules:
        now = active.get(wanted.slug, wanted.active)
        if now != wanted.active:
            words.append(f"schedule {spec.name}/{wanted.slug} was switched {'on' if now else 'off'} and stays so")
    return words


async def _remove(client: PrefectClient, wanted: set[tuple[str, str]]) -> list[str]:
    """Take away deployments of ours that the file does not have."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    there: list[DeploymentResponse] = []
    while page := await client.read_deployments(deployment_filter=tagged, limit=PAGE, offset=len(there)):
        there += page
    words = []
    for one in there:
        flow = await client.read_flow(one.flow_id)
        if (flow.name, one.name) in wanted or not (one.entrypoint or "").startswith(OURS):
            continue
        await client.delete_deployment(one.id)
        words.append(f"deployment {one.name} removed")
    return words
