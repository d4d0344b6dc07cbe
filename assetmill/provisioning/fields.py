"""The settings of an endpoint, one by one: what each is called in the file and at RunPod, and what changing it causes.

The file and RunPod's answer become the same flat table, so that they can be compared field by field; what RunPod has
beyond it (who made it, its addresses) is not compared. Values of the environment are only ever shown where the file
itself shows them. Source: docs.runpod.io, api-reference-v2/openapi.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from assetmill.provisioning.spec import EndpointSpec

IDLE_TIMEOUT_S: Final = 5
QUEUE_DELAY_S: Final = 4.0
ENV: Final = "env."
FLASHBOOT: Final = {"off": "OFF", "on": "FLASHBOOT", "priority": "PRIORITY_FLASHBOOT"}
UNORDERED: Final = frozenset({"data_centers", "network_volumes", "gpu.exclude"})


class Effect(StrEnum):
    """What a change causes."""

    CREATE = "a new endpoint"
    RELEASE = "a new release: workers are replaced as they end"
    AT_ONCE = "holds at once, no worker is replaced"


AT_ONCE: Final = ("workers.", "scaling", "execution_timeout_s")


def effect_of(field: str) -> Effect:
    """What changing a field of an endpoint that is there causes."""
    return Effect.AT_ONCE if field.startswith(AT_ONCE) else Effect.RELEASE


def wanted(spec: EndpointSpec) -> dict[str, Any]:
    """The table of a file: field -> value. A field that the file leaves to RunPod is not in it."""
    table: dict[str, Any] = {
        "image": spec.image,
        "args": "",
        "registry": spec.registry,
        "disk_gb": spec.disk_gb,
        "gpu.pools": list(spec.gpu.pools),
        "gpu.exclude": list(spec.gpu.exclude),
        "gpu.count": spec.gpu.count,
        "gpu.min_cuda": spec.gpu.min_cuda,
        "gpu.allowed_cuda": [],
        "workers.min": spec.workers.min,
        "workers.max": spec.workers.max,
        "scaling": _scaling(spec),
        "execution_timeout_s": spec.execution_timeout_s,
        "flashboot": spec.flashboot,
        "data_centers": list(spec.data_centers),
        "network_volumes": list(spec.network_volumes),
    }
    if spec.scaling.jobs_per_worker is None:
        idle_s = spec.workers.idle_timeout_s
        table["workers.idle_timeout_s"] = IDLE_TIMEOUT_S if idle_s is None else idle_s
    return table | {f"{ENV}{name}": value for name, value in spec.env.items()}


def found(body: Mapping[str, Any]) -> dict[str, Any]:
    """The table of an endpoint as RunPod tells it; what it does not tell is None or empty."""
    gpu, workers = _part(body, "gpu"), _part(body, "workers")
    timeout_ms = body.get("timeout")
    flashboot = {theirs: ours for ours, theirs in FLASHBOOT.items()}
    table: dict[str, Any] = {
        "image": body.get("image"),
        "args": body.get("args") or "",
        "registry": body.get("registry"),
        "disk_gb": body.get("disk"),
        "gpu.pools": _texts(gpu.get("pools")),
        "gpu.exclude": [name.strip() for name in _texts(gpu.get("excludedTypes"))],
        "gpu.count": gpu.get("count", 1),
        "gpu.min_cuda": gpu.get("minCudaVersion") or None,
        "gpu.allowed_cuda": _texts(gpu.get("allowedCudaVersions")),
        "workers.min": workers.get("min"),
        "workers.max": workers.get("max"),
        "workers.idle_timeout_s": workers.get("idleTimeout"),
        "scaling": _plain_scaling(_part(body, "scaling")),
        "execution_timeout_s": timeout_ms / 1000 if isinstance(timeout_ms, int | float) else None,
        "flashboot": flashboot.get(str(body.get("flashboot"))),
        "data_centers": _texts(body.get("dataCenterIds")),
        "network_volumes": _texts(body.get("networkVolumes")),
    }
    return table | {f"{ENV}{name}": value for name, value in _part(body, "env").items()}


def create_body(spec: EndpointSpec) -> dict[str, Any]:
    """The whole endpoint, as a create takes it."""
    table = wanted(spec)
    body = {"name": spec.name, "type": "QUEUE", **change_body(table, table)}
    for name, nothing in (("gpu", ("minCudaVersion", "allowedCudaVersions")), ("", ("registry", "args"))):
        part = body[name] if name else body
        for key in nothing:
            if not part.get(key):  # what clears a setting is no value for a new one
                part.pop(key, None)
    return body


def change_body(table: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """What an update takes to bring some fields to what a table says; values that belong together go together.

    Args:
        table: what is wanted, whole.
        fields: those of it that differ; of these only the names count.
    """
    body: dict[str, Any] = {}
    for ours, theirs in (("image", "image"), ("args", "args"), ("registry", "registry"), ("disk_gb", "disk")):
        if ours in fields:
            body[theirs] = table[ours]
    body |= _gpu(table, fields)
    workers = {"workers.min": "min", "workers.max": "max", "workers.idle_timeout_s": "idleTimeout"}
    given = {theirs: table[ours] for ours, theirs in workers.items() if ours in fields}
    if "scaling" in fields:
        body["scaling"] = table["scaling"]
        if "workers.idle_timeout_s" in table:  # the other rule has taken it away
            given["idleTimeout"] = table["workers.idle_timeout_s"]
    body |= {"workers": given} if given else {}
    if "execution_timeout_s" in fields:
        body["timeout"] = round(table["execution_timeout_s"] * 1000)
    if "flashboot" in fields:
        body["flashboot"] = FLASHBOOT[table["flashboot"]]
    for ours, theirs in (("data_centers", "dataCenterIds"), ("network_volumes", "networkVolumes")):
        if ours in fields:
            body[theirs] = table[ours]
    if any(name.startswith(ENV) for name in fields):
        body["env"] = {name.removeprefix(ENV): value for name, value in table.items() if name.startswith(ENV)}
    return body


def _gpu(table: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Pools and exclusions are one selection there, and so are both rules about CUDA."""
    gpu: dict[str, Any] = {}
    if {"gpu.pools", "gpu.exclude"} & fields.keys():
        gpu |= {"pools": table["gpu.pools"], "excludedTypes": table["gpu.exclude"]}
    if "gpu.count" in fields:
        gpu["count"] = table["gpu.count"]
    if {"gpu.min_cuda", "gpu.allowed_cuda"} & fields.keys():
        gpu |= {"minCudaVersion": table["gpu.min_cuda"] or "", "allowedCudaVersions": []}
    return {"gpu": gpu} if gpu else {}


def _scaling(spec: EndpointSpec) -> dict[str, Any]:
    if spec.scaling.jobs_per_worker is not None:
        return {"type": "REQUEST_COUNT", "requestCount": spec.scaling.jobs_per_worker}
    delay_s = spec.scaling.queue_delay_s
    return {"type": "QUEUE_DELAY", "queueDelay": QUEUE_DELAY_S if delay_s is None else delay_s}


def _plain_scaling(scaling: Mapping[str, Any]) -> dict[str, Any]:
    return {name: scaling[name] for name in ("type", "queueDelay", "requestCount") if scaling.get(name) is not None}


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
