"""A picture of ours becomes an asset of Scenario's: in one call, or in parts where it is large.

An upload is free and may be repeated at will; a second asset of the same picture does no harm.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, RequestRejected
from assetmill.images import sniff
from assetmill.providers.base import InputImage, JobState
from assetmill.providers.scenario.answers import read_id
from assetmill.providers.scenario.api import ScenarioApi, UnknownHereError

MOST_AT_ONCE = 3_500_000  # bytes; what POST /assets takes, before base64
PART_BYTES = 5 * 1024 * 1024
PUT_S = 120.0
READY_S = 120.0
POLL_S = 1.0


class Uploader:
    """Uploads to one endpoint.

    Args:
        api: its verbs.
        client: HTTP client for the signed addresses of parts, which get no key.
        clock: time.
    """

    def __init__(self, api: ScenarioApi, client: httpx.AsyncClient, clock: Clock) -> None:
        self._api = api
        self._client = client
        self._clock = clock

    async def upload(self, image: InputImage) -> str:
        """Upload a picture and return its asset's id.

        Raises:
            RequestRejected: Scenario does not take it.
            NotDelivered, Throttled, ProviderRefused.
        """
        try:
            if len(image.data) <= MOST_AT_ONCE:
                return await self._at_once(image)
            return await self._in_parts(image)
        except UnknownHereError as error:
            raise NotDelivered(f"Scenario knows no {error} to upload to", hint="check SCENARIO_API_URL") from None

    async def _at_once(self, image: InputImage) -> str:
        body = {"image": base64.b64encode(image.data).decode("ascii"), "name": image.name}
        answer = _inner(await self._api.action("assets", body), "asset")
        return _asset_id(answer.get("id"))

    async def _in_parts(self, image: InputImage) -> str:
        parts = [image.data[at : at + PART_BYTES] for at in range(0, len(image.data), PART_BYTES)]
        body = {
            "fileName": image.name,
            "contentType": f"image/{sniff(image.data) or 'png'}",
            "fileSize": len(image.data),
            "parts": len(parts),
            "kind": "image",
        }
        upload = _inner(await self._api.action("uploads", body), "upload")
        for entry in upload.get("parts") or ():
            await self._put(entry, parts)
        path = f"uploads/{quote(_asset_id(upload.get('id')), safe='')}/action"
        done = _inner(await self._api.action(path, {"action": "complete"}), "upload")
        job_id = read_id(done.get("jobId"))
        return _asset_id(done.get("entityId")) if job_id is None else await self._validated(job_id)

    async def _put(self, entry: Any, parts: list[bytes]) -> None:
        number, url = (entry.get("number"), entry.get("url")) if isinstance(entry, Mapping) else (None, None)
        if not isinstance(number, int | float) or not isinstance(url, str) or not 1 <= int(number) <= len(parts):
            raise NotDelivered("Scenario names no usable address for a part of an upload")
        try:
            answer = await self._client.put(url, content=parts[int(number) - 1], timeout=PUT_S)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(f"part {number} of an upload did not arrive: {type(error).__name__}") from None
        if not answer.is_success:
            raise NotDelivered(f"part {number} of an upload was not taken: HTTP {answer.status_code}")

    async def _validated(self, job_id: str) -> str:
        """The asset that the upload's own job makes; it costs nothing."""
        ends = self._clock.monotonic() + READY_S
        while self._clock.monotonic() < ends:
            job = await self._api.job(job_id)
            if job.state is JobState.COMPLETED and job.assets:
                return job.assets[0]
            if job.state.terminal:
                raise RequestRejected(f"Scenario does not take the picture: {job.error or job.status}")
            await self._clock.sleep(POLL_S)
        raise NotDelivered("an upload was not ready in time")


def _inner(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def _asset_id(value: Any) -> str:
    found = read_id(value)
    if found is None:
        raise NotDelivered("Scenario names no asset for an upload")
    return found
