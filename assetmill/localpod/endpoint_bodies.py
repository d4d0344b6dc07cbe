"""Bodies that RunPod's management API takes for an endpoint, and what it refuses in them.

They are checked as strictly as its published schema has it, so that a body that passes here is no surprise there:
unknown fields and wrong types are 422, fields that contradict each other 400. It never fills in more than the
documented defaults. Source: docs.runpod.io, api-reference-v2/openapi.json (schemas CreateEndpointRequest,
UpdateEndpointRequest, CreateEndpointGpuConfig, EndpointWorkers, EndpointScaling).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

DEFAULT_WORKERS: Final = {"min": 0, "max": 3, "idleTimeout": 10}
DEFAULT_TIMEOUT_MS: Final = 300_000
DEFAULT_DISK_GB: Final = 20  # of the schema's examples; no default is published

CudaVersion = Annotated[str, Field(pattern=r"^\d+\.\d+$")]


class ProblemError(Exception):
    """A refusal of the management API; becomes an answer as RFC 9457 has it. Stays inside this package.

    Args:
        status: HTTP status.
        detail: what is wrong, in words.
        errors: the same, field by field.
    """

    def __init__(self, status: int, detail: str, errors: tuple[Mapping[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class GpuBody(_Body):
    """GPU selection of a create."""

    pools: Annotated[list[str], Field(min_length=1)]
    count: Annotated[int, Field(ge=1)] = 1
    excluded_types: list[Annotated[str, Field(pattern=r"^\s*[^-\s]")]] | None = None
    allowed_cuda_versions: list[CudaVersion] | None = None
    min_cuda_version: CudaVersion | None = None


class GpuChange(_Body):
    """GPU selection of an update: whatever is left out stays, but exclusions go with their pools."""

    pools: Annotated[list[str], Field(min_length=1)] | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    excluded_types: list[Annotated[str, Field(pattern=r"^\s*[^-\s]")]] | None = None
    allowed_cuda_versions: list[CudaVersion] | None = None
    min_cuda_version: Annotated[str, Field(pattern=r"^$|^\d+\.\d+$")] | None = None


class WorkersBody(_Body):
    """How many workers, and how long an idle one stays."""

    min: Annotated[int, Field(ge=0)] | None = None
    max: Annotated[int, Field(ge=0)] | None = None
    idle_timeout: Annotated[int, Field(ge=1, le=3600)] | None = None


class QueueDelay(_Body):
    """Scaling on the time that jobs wait."""

    type: Literal["QUEUE_DELAY"]
    queue_delay: Annotated[float, Field(ge=0.5)]


class RequestCount(_Body):
    """Scaling on the number of jobs."""

    type: Literal["REQUEST_COUNT"]
    request_count: Annotated[int, Field(ge=1)]


class _Settings(_Body):
    """What a create and an update both take."""

    image: str | None = None
    args: str | None = None
    disk: Annotated[int, Field(ge=1)] | None = None
    env: dict[str, str] | None = None
    ports: list[str] | None = None
    registry: str | None = None
    workers: WorkersBody | None = None
    data_center_ids: list[str] | None = None
    network_volumes: list[str] | None = None
    flashboot: Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"] | None = None
    timeout: int | None = None
    template_id: str | None = None
    cpu: list[Any] | None = None


class CreateBody(_Settings):
    """POST /v2/serverless."""

    name: Annotated[str, Field(min_length=1)]
    type: Literal["QUEUE", "LOAD_BALANCER"]
    scaling: Annotated[QueueDelay | RequestCount, Field(discriminator="type")]
    gpu: GpuBody | None = None


class ChangeBody(_Settings):
    """PATCH /v2/serverless/{id}."""

    name: Annotated[str, Field(min_length=1)] | None = None
    scaling: Annotated[QueueDelay | RequestCount, Field(discriminator="type")] | None = None
    gpu: GpuChange | None = None


def created(body: Any, pool_of: Mapping[str, str], most_workers: int) -> dict[str, Any]:
    """Settings of a new endpoint, with the documented defaults filled in, as its GET tells them.

    Args:
        body: parsed JSON of the request.
        pool_of: GPU type id -> pool, of all that there are.
        most_workers: the account's quota.

    Raises:
        ProblemError: 400, 404 or 422.
    """
    given = _given(CreateBody, body)
    _refuse_what_is_not_here(given)
    if "image" not in given:
        raise ProblemError(422, "Request validation failed.", ({"location": "body.image", "message": "required"},))
    if "gpu" not in given:
        raise ProblemError(400, "gpu is required: CPU serverless endpoints are read-only")
    settings: dict[str, Any] = {
        "args": "",
        "disk": DEFAULT_DISK_GB,
        "ports": [],
        "env": {},
        "registry": None,
        "dataCenterIds": [],
        "networkVolumes": [],
        "timeout": DEFAULT_TIMEOUT_MS,
        "flashboot": "OFF",
    }
    settings |= given
    gpu = {"count": 1, "excludedTypes": [], "allowedCudaVersions": [], "minCudaVersion": None} | given["gpu"]
    settings["gpu"] = gpu
    settings["workers"] = _idle(given.get("workers", {}), settings) | given.get("workers", {})
    _check(settings, given, pool_of, most_workers)
    return settings


def changed(settings: Mapping[str, Any], body: Any, pool_of: Mapping[str, str], most_workers: int) -> dict[str, Any]:
    """Settings of an endpoint after an update; only what the body names is another than before.

    Args:
        settings: as they are.
        body: parsed JSON of the request.
        pool_of: GPU type id -> pool, of all that there are.
        most_workers: the account's quota.

    Raises:
        ProblemError: 400, 404 or 422; nothing is changed.
    """
    given = _given(ChangeBody, body)
    _refuse_what_is_not_here(given)
    after = dict(settings) | given
    if "gpu" in given:
        if "excludedTypes" in given["gpu"] and "pools" not in given["gpu"]:
            errors = ({"location": "body.gpu.excludedTypes", "message": "requires pools"},)
            raise ProblemError(422, "Request validation failed.", errors)
        cleared: dict[str, Any] = {"excludedTypes": []} if "pools" in given["gpu"] else {}
        after["gpu"] = dict(settings["gpu"]) | cleared | given["gpu"]
        after["gpu"]["minCudaVersion"] = after["gpu"]["minCudaVersion"] or None
    after["workers"] = dict(settings["workers"]) | given.get("workers", {})
    if after["scaling"]["type"] == "REQUEST_COUNT" and "idleTimeout" not in given.get("workers", {}):
        after["workers"].pop("idleTimeout", None)
    elif after["scaling"]["type"] == "QUEUE_DELAY":
        after["workers"].setdefault("idleTimeout", DEFAULT_WORKERS["idleTimeout"])
    _check(after, given, pool_of, most_workers)
    return after


def _given(model: type[_Body], body: Any) -> dict[str, Any]:
    """What a body names, and nothing else."""
    try:
        read = model.model_validate(body)
    except ValidationError as error:
        errors = tuple(
            {"location": ".".join(("body", *map(str, one["loc"]))), "message": one["msg"]}
            for one in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise ProblemError(422, "Request validation failed.", errors) from None
    return read.model_dump(by_alias=True, exclude_unset=True)


def _idle(given: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, int]:
    """Defaults of a new endpoint's workers; no idle timeout where a queue scales on requests."""
    counted = settings["scaling"]["type"] == "REQUEST_COUNT"
    return {key: value for key, value in DEFAULT_WORKERS.items() if key != "idleTimeout" or not counted or key in given}


def _refuse_what_is_not_here(given: Mapping[str, Any]) -> None:
    if given.get("templateId"):
        raise ProblemError(404, "no such template")
    if "cpu" in given:
        raise ProblemError(400, "cpu is not for an endpoint with GPUs")


def _check(
    settings: Mapping[str, Any], given: Mapping[str, Any], pool_of: Mapping[str, str], most_workers: int
) -> None:
    """What the schema cannot say."""
    workers, gpu = settings["workers"], settings["gpu"]
    counted = settings["scaling"]["type"] == "REQUEST_COUNT"
    if settings["type"] == "LOAD_BALANCER" and not counted:
        raise ProblemError(422, "a load balancer scales on REQUEST_COUNT")
    if settings["type"] == "QUEUE" and counted and "idleTimeout" in given.get("workers", {}):
        raise ProblemError(400, "workers.idleTimeout does not apply to a queue that scales on REQUEST_COUNT")
    if workers["min"] > workers["max"]:
        raise ProblemError(400, "workers.min is above workers.max")
    if "max" in given.get("workers", {}) and workers["max"] > most_workers:
        raise ProblemError(400, f"workers.max is above the account's quota of {most_workers}")
    if gpu["allowedCudaVersions"] and gpu["minCudaVersion"]:
        raise ProblemError(400, "gpu.minCudaVersion and gpu.allowedCudaVersions exclude each other")
    if "pools" in given.get("gpu", {}):
        _check_pools(gpu["pools"], gpu["excludedTypes"] or [], pool_of)


def _check_pools(pools: Collection[str], excluded: Collection[str], pool_of: Mapping[str, str]) -> None:
    for pool in pools:
        if pool not in pool_of.values():
            raise ProblemError(400, f"gpu.pools: there is no pool {pool}")
    for gpu in excluded:
        if pool_of.get(gpu.strip()) not in pools:
            raise ProblemError(400, f"gpu.excludedTypes: {gpu} is no GPU type of these pools")
