"""What RunPod tells of an endpoint beside its jobs: the listing of requests, and the management resources.

A client that has lost an answer looks for its job in the first, and one whose jobs wait looks for the reason in the
others. The listing is undocumented at RunPod and can be switched off here as well. Never does an image's content
leave by it. The management resources live on another host there (`api.runpod.io`); here the same server has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assetmill.errors import RequestRejected
from assetmill.localpod.config import PodConfig
from assetmill.localpod.gpus import LOCAL_GPU, Gpu
from assetmill.localpod.jobs import Job

LONGEST_TEXT: Final = 4_000
DEEPEST: Final = 24
DATA_CENTER: Final = "LOCAL"
PRODUCTS: Final = ("POD", "CLUSTER", "SERVERLESS")
REASONS: Final[Mapping[int, str]] = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """One worker as a listing tells it.

    Args:
        id: its name.
        state: what it does, in the words of `health`.
        uptime_s: how long it has been there.
        gpu: id of its GPU model.
    """

    id: str
    state: str
    uptime_s: float
    gpu: str = LOCAL_GPU.id


def requests_body(jobs: Sequence[Job]) -> dict[str, Any]:
    """Jobs as the listing tells them, in the order given; inputs without their images."""
    told = [{"id": job.id, "status": job.status.value, "input": shortened(job.outline)} for job in jobs]
    return {"requests": told}


def shortened(value: Any, depth: int = DEEPEST) -> Any:
    """Parsed JSON with long texts replaced by their length, and cut off where it goes too deep."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else f"<{len(value)} characters>"
    if isinstance(value, Mapping):
        return {key: shortened(item, depth - 1) for key, item in value.items()} if depth else {}
    if isinstance(value, list):
        return [shortened(item, depth - 1) for item in value] if depth else []
    return value


def own_settings(config: PodConfig) -> dict[str, Any]:
    """Settings of the endpoint that this server is, as the management API has them; no image is behind it."""
    pools = [gpu.pool for gpu in config.gpus]
    return {
        "name": config.endpoint_id,
        "type": "QUEUE",
        "image": "localpod",
        "args": "",
        "disk": config.disk_gb,
        "ports": [],
        "env": {},
        "registry": None,
        "gpu": {
            "pools": list(dict.fromkeys(filter(None, pools))),
            "count": config.gpu_count,
            "excludedTypes": [],
            "allowedCudaVersions": [],
            "minCudaVersion": None,
        },
        "workers": {"min": 0, "max": config.workers, "idleTimeout": config.idle_timeout_s},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "dataCenterIds": [],
        "networkVolumes": [],
        "timeout": round(config.execution_timeout_s * 1000),
        "flashboot": "FLASHBOOT" if config.flashboot else "OFF",
    }


def workers_body(workers: Sequence[WorkerLine]) -> dict[str, Any]:
    """The endpoint's workers one by one, and how many are in which state."""
    told = [
        {
            "id": worker.id,
            "status": worker.state.upper(),
            "gpuTypeId": worker.gpu,
            "dataCenterId": DATA_CENTER,
            "uptimeSeconds": int(worker.uptime_s),
            "isStale": False,
        }
        for worker in workers
    ]
    states = ("running", "idle", "initializing", "throttled", "unhealthy")
    summary = {state: sum(worker.state == state for worker in workers) for state in states}
    return {"workers": told, "summary": summary | {"total": len(told)}}


def pretended_workers(census: Mapping[str, int], gpu: str) -> tuple[WorkerLine, ...]:
    """Workers for a census that is only told; `ready` ones are idle ones counted a second time."""
    return tuple(
        WorkerLine(f"told-{state}-{number}", state, 0.0, gpu)
        for state, count in sorted(census.items())
        for number in range(count)
        if state != "ready"
    )


def catalog_body(config: PodConfig, parameters: Mapping[str, str]) -> dict[str, Any]:
    """GPU models with their list prices, $ for a GPU-hour; stock only where it is asked for.

    Raises:
        RequestRejected: a parameter that the catalogue does not take.
    """
    include = parameters.get("include")
    if include not in (None, "AVAILABILITY"):
        raise RequestRejected("include must be AVAILABILITY")
    products = parameters.get("product", PRODUCTS[0]).split(",")
    if "product" in parameters and (include is None or not set(products) <= set(PRODUCTS)):
        raise RequestRejected(
            f"product must be one of {', '.join(PRODUCTS)}, and is valid only with include=AVAILABILITY"
        )
    stock = {} if include is None else {"availability": "HIGH"}
    return {"gpus": [_gpu_body(gpu) | stock for gpu in config.listed_gpus]}


def _gpu_body(gpu: Gpu) -> dict[str, Any]:
    return {
        "id": gpu.id,
        "name": gpu.name,
        "pool": gpu.pool,
        "manufacturer": gpu.id.partition(" ")[0],
        "memory": gpu.memory_gb,
        "price": {"serverless": None if gpu.usd_per_hour is None else float(gpu.usd_per_hour)},
    }


def problem_body(status: int, detail: str, errors: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """An error of a management resource, as RFC 9457 has it; `errors` says it field by field."""
    body: dict[str, Any] = {"title": REASONS.get(status, "Error"), "status": status, "detail": detail}
    return body | ({"errors": [dict(error) for error in errors]} if errors else {})
