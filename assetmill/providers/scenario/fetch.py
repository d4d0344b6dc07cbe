"""Getting the pictures of a finished pipeline: from asset ids to bytes.

Addresses are signed: they are used exactly as they came, no key goes with them, and no error repeats one. One that has
expired is asked for anew. A file is what its first bytes say: Scenario answers JPEG and WebP under any name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import httpx

from assetmill.clock import Clock
from assetmill.errors import InvalidImage, NotDelivered, ResultExpired, Throttled, WrongCount
from assetmill.providers.base import Collected, Job, JobState
from assetmill.providers.pictures import all_decode
from assetmill.providers.scenario.answers import failure_of
from assetmill.providers.scenario.api import ScenarioApi, UnknownHereError

DOWNLOAD_S = 60.0
PAUSES_S = (1.0, 3.0)
MOST_BYTES = 64 * 1024 * 1024
_ADDRESS = re.compile(r"https?://[^/?#\s]+(?P<target>/[!-~]*?)?(?:#.*)?", re.IGNORECASE)


class Fetcher:
    """Fetches pictures of one endpoint.

    Args:
        api: its verbs.
        client: HTTP client for signed addresses.
        clock: time.
    """

    def __init__(self, api: ScenarioApi, client: httpx.AsyncClient, clock: Clock) -> None:
        self._api = api
        self._client = client
        self._clock = clock

    async def collect(self, job: Job, outputs: Mapping[str, str]) -> Collected:
        """Pictures of an attempt by role; all that were asked for are there, and are whole.

        Raises:
            JobFailed, ResultExpired, ResultInvalid; NotDelivered when a download fails (the job is done).
        """
        if job.state is not JobState.COMPLETED:
            raise failure_of(job)
        made: Mapping[str, str] = job.output if isinstance(job.output, Mapping) else {}
        missing = sorted(set(outputs) - set(made))
        if missing:
            raise WrongCount(
                f"{len(missing)} of {len(outputs)} pictures are missing: {', '.join(missing)}",
                job_id=job.id,
                hint="Scenario made fewer than it was asked for",
            )
        images, drafts = {}, False
        for role in outputs:
            images[role], draft = await self._picture(made[role], job.id)
            drafts = drafts or draft
        return Collected(images, drafts, await asyncio.to_thread(all_decode, images, job.id))

    async def _picture(self, asset_id: str, job_id: str) -> tuple[bytes, bool]:
        """Bytes of an asset, and whether it says that it is a placeholder."""
        for pause in PAUSES_S:
            try:
                return await self._once(asset_id, job_id)
            except (NotDelivered, Throttled):
                await self._clock.sleep(pause)
        try:
            return await self._once(asset_id, job_id)
        except Throttled as error:
            raise NotDelivered(f"a picture cannot be asked for now: {error.message}", job_id=job_id) from error

    async def _once(self, asset_id: str, job_id: str) -> tuple[bytes, bool]:
        try:
            asset = await self._api.asset(asset_id)
        except UnknownHereError:
            raise ResultExpired(f"Scenario has no asset {asset_id} any more", job_id=job_id) from None
        return await self._bytes(asset.url, job_id), asset.draft

    async def _bytes(self, url: str, job_id: str) -> bytes:
        found = _ADDRESS.fullmatch(url)
        if found is None:
            raise InvalidImage("an asset has an address that is none", job_id=job_id)
        exact = {"target": (found["target"] or "/").encode("ascii")}  # a client would spell some characters anew
        data = bytearray()
        try:
            async with self._client.stream("GET", url, timeout=DOWNLOAD_S, extensions=exact) as answer:
                answer.raise_for_status()
                async for chunk in answer.aiter_bytes():
                    data += chunk
                    if len(data) > MOST_BYTES:
                        raise InvalidImage(f"a picture is larger than {MOST_BYTES:,} bytes", job_id=job_id)
        except httpx.HTTPStatusError as error:
            words = f"a picture could not be fetched: HTTP {error.response.status_code}"
            raise NotDelivered(words, job_id=job_id) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(f"a picture could not be fetched: {type(error).__name__}", job_id=job_id) from None
        return bytes(data)
