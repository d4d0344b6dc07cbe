"""Answers in Scenario's shapes: jobs, assets, models, uploads, usages.

After the types of Scenario's own SDK, 2.4.0: every field that it calls required is there. It only translates.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from assetmill.localpod.scenario.models import Model
from assetmill.localpod.scenario.shelf import Asset, Upload
from assetmill.localpod.scenario.works import Job

_OWNER: Final = "proj_local"
_AUTHOR: Final = "user_local"
_SOURCES: Final = {"inference-txt2img": "inference-txt", "inference-img2img": "inference-img"}
_ACTIONS: Final = {"remove-background": "background-removal"}


def stamp(moment: datetime) -> str:
    """A time as Scenario writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_body(job: Job, *, with_input: bool = True) -> dict[str, Any]:
    """A job, with or without what it was asked for."""
    metadata: dict[str, Any] = {"assetIds": list(job.asset_ids)} | ({"input": dict(job.input)} if with_input else {})
    if job.error is not None:
        metadata |= {"error": job.error, "hint": "Try again, or change the input"}
    return {
        "jobId": job.id,
        "jobType": job.type,
        "status": job.status.value,
        "progress": job.progress,
        "metadata": metadata,
        "statusHistory": [{"status": status.value, "date": stamp(since)} for status, since in job.history],
        "billing": {"cuCost": job.units, "cuDiscount": 0} | ({} if job.refund else {"disableRefund": True}),
        "authorId": _AUTHOR,
        "ownerId": _OWNER,
        "createdAt": stamp(job.created_at),
        "updatedAt": stamp(job.updated_at),
    }


def asset_body(asset: Asset, url: str) -> dict[str, Any]:
    """An asset, with an address that leads to it."""
    width, height = asset.size
    return {
        "id": asset.id,
        "url": url,
        "mimeType": asset.media_type,
        "kind": "image",
        "status": "success",
        "source": _SOURCES.get(asset.type, asset.type),
        "properties": {"size": len(asset.file), "width": width, "height": height},
        "metadata": {"kind": "image", "type": asset.type, "name": asset.name} | asset.metadata,
        "outputIndex": asset.index,
        "nsfw": [],
        "tags": [],
        "collectionIds": [],
        "privacy": "private",
        "editCapabilities": ["PIXELATE", "UPSCALE", "REMOVE_BACKGROUND"],
        "authorId": _AUTHOR,
        "ownerId": _OWNER,
        "createdAt": stamp(asset.created_at),
        "updatedAt": stamp(asset.created_at),
    }


def upload_body(upload: Upload, urls: Iterable[str], expires: datetime) -> dict[str, Any]:
    """An upload, with the addresses of its parts."""
    parts = [{"number": number, "url": url, "expires": stamp(expires)} for number, url in enumerate(urls, 1)]
    told = {
        "id": upload.id,
        "fileName": upload.name,
        "contentType": upload.media_type,
        "fileSize": upload.size_bytes,
        "kind": "image",
        "source": "multipart",
        "status": upload.status,
        "partsCount": upload.count,
        "parts": parts,
        "authorId": _AUTHOR,
        "ownerId": _OWNER,
        "createdAt": stamp(upload.created_at),
        "updatedAt": stamp(upload.created_at),
    }
    further = {"jobId": upload.job_id, "entityId": upload.asset_id, "errorMessage": upload.error}
    return told | {name: value for name, value in further.items() if value is not None}


def model_body(model: Model, since: datetime) -> dict[str, Any]:
    """A model, with what it takes."""
    told: dict[str, Any] = {
        "id": model.id,
        "name": model.name,
        "type": model.type,
        "status": "trained",
        "source": "scenario",
        "privacy": "public",
        "custom": model.custom,
        "capabilities": model.capabilities(),
        "collectionIds": [],
        "exampleAssetIds": [],
        "tags": [],
        "trainingImagesNumber": 0,
        "createdAt": stamp(since),
        "updatedAt": stamp(since),
    }
    if model.custom:
        return told | {"inputs": [one.schema() for one in model.inputs]}
    least, usual, most = model.guidance
    return told | {"inputs": [{"name": "guidance", "type": "number", "min": least, "max": most, "default": usual}]}


def usage_body(jobs: Iterable[Job], now: datetime) -> dict[str, Any]:
    """What was used: units taken, and units paid back."""
    counted = [job for job in jobs if job.units]
    cost = sum(job.units for job in counted)
    back = sum(job.units for job in counted if job.refunded)
    names = {"creative-unit-cost": cost, "refunds": back}
    return {
        "usages": [
            {
                "usageName": name,
                "granularity": "1d",
                "points": [{"time": stamp(now), "value": f"{value:g}", "apiKey": f"{value:g}"}],
            }
            for name, value in names.items()
        ],
        "consumption": [{"userId": _AUTHOR, "value": cost - back, "discount": 0, "total": cost - back}],
        "activity": [
            {
                "action": _ACTIONS.get(job.call, job.call),
                "time": stamp(job.created_at),
                "userId": _AUTHOR,
                "projectId": _OWNER,
                "data": {"jobId": job.id, "isApiKey": True},
                "creativeUnitsCost": job.units,
            }
            for job in reversed(counted[-100:])
        ],
    }
