"""The verbs of RunPod's queue API, each turned into a value or into a typed error.

Bodies are parsed only when they are JSON objects: edges answer with HTML pages. No verb retries; the
errors say what a caller may do. Every call has a timeout. Nothing here logs a key or a body.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from assetmill.clock import Clock
from assetmill.errors import (
    NotDelivered,
    OutcomeUnknown,
    ProviderRefused,
    RequestRejected,
    RequestTooLarge,
    Throttled,
)
from assetmill.providers.base import Job, JobRequest
from assetmill.providers.runpod.answers import request_body, to_job
from assetmill.providers.runpod.limits import Operation, RateLimits
from assetmill.providers.runpod.listing import JOB_ID
from assetmill.providers.wire import NEVER_LEFT, json_object, retry_after_s
from assetmill.providers.words import one_line
from assetmill.redaction import Redaction

MAX_RUN_BYTES = 10 * 1024 * 1024  # RunPod refuses a larger /run body with 400 "exceeded max body size of 10MiB"
CONNECT_S = 10.0
READ_S = 30.0
LONG_POLL_SLACK_S = 15.0
ASIDE_S = 10.0  # for questions on the side: nobody's job waits for them
MAX_LISTING_BYTES = 64 * 1024 * 1024  # a listing may repeat every input, pictures and all
UNAUTHORISED = frozenset({401, 403})
SURE_PAUSES_S = (1.0, 1.5)  # a 404 or a refusal that is still there after these is meant
READ_HEADERS = ("content-type", "retry-after")


class JobUnknownError(Exception):
    """The endpoint answered 404 for a job: too young, expired, or never there. Stays inside this package."""


class NoListingError(Exception):
    """The endpoint has no list of requests that can be read, and will not have one. Stays inside this package."""


class JobApi:
    """Verbs of one endpoint.

    Args:
        client: shared HTTP client.
        base_url: `https://api.runpod.ai/v2/<endpoint id>`, without a slash at the end.
        key: bearer key, or None for an endpoint that asks for none.
        clock: time source for the rate limits.
        secrets: values that are hidden in every answer before it is read; the key always is.
    """

    def __init__(
        self, client: httpx.AsyncClient, base_url: str, key: str | None, clock: Clock, secrets: Iterable[str] = ()
    ) -> None:
        self._client = client
        self._base = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._clock = clock
        self._limits = RateLimits(clock)
        self._redaction = Redaction((*secrets, key) if key else secrets)

    async def run(self, request: JobRequest) -> str:
        """POST /run and return the job id.

        Raises:
            RequestRejected: too large, or refused by the endpoint.
            NotDelivered: no connection was made.
            Throttled: 429.
            OutcomeUnknown: the request left and no usable answer came.
            ProviderRefused: key or endpoint is wrong.
        """
        content = json.dumps(request_body(request)).encode()
        if len(content) > MAX_RUN_BYTES:
            raise RequestTooLarge(
                f"the request is {len(content):,} bytes; RunPod takes at most {MAX_RUN_BYTES:,}",
                hint="make the guide or reference image smaller",
            )
        try:
            response = await self._call("run", "POST", "run", content=content)
        except NEVER_LEFT as error:
            raise NotDelivered(f"no connection to the endpoint: {error}", hint="check the network") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(
                f"the request left and no answer came ({type(error).__name__})",
                hint="the job may be running and charged",
            ) from error
        body = self._accepted(response)
        job_id = body.get("id")
        if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
            raise OutcomeUnknown(f"answer without a job id: {_excerpt(response)}", hint="the job may be running")
        return job_id

    async def status(self, job_id: str) -> Job:
        """GET /status, for somebody who asks only once: a 404 is believed when it has come three times in 2.5 s.

        Raises:
            JobUnknownError, ProviderRefused, NotDelivered, Throttled: as `glance`.
        """
        for pause_s in SURE_PAUSES_S:
            try:
                return await self.glance(job_id)
            except JobUnknownError:
                await self._clock.sleep(pause_s)
        return await self.glance(job_id)

    async def glance(self, job_id: str) -> Job:
        """GET /status; a refusal is asked for a second time before it is believed.

        Raises:
            JobUnknownError: 404, said in JSON.
            ProviderRefused: 401 or 403, said in JSON, twice in a row.
            Throttled: 429.
            NotDelivered: anything else that may pass.
        """
        try:
            return await self._look(f"status/{job_id}", job_id, READ_S)
        except ProviderRefused:
            await self._clock.sleep(SURE_PAUSES_S[0])
        return await self._look(f"status/{job_id}", job_id, READ_S)

    async def status_sync(self, job_id: str, wait_s: float) -> Job:
        """GET /status-sync, which holds the answer back until the job ends or `wait_s` has passed.

        Raises:
            JobUnknownError, ProviderRefused, NotDelivered, Throttled: as `glance`, but at the first answer.
        """
        path = f"status-sync/{job_id}?wait={int(wait_s * 1000)}"
        return await self._look(path, job_id, wait_s + LONG_POLL_SLACK_S)

    async def cancel(self, job_id: str) -> None:
        """POST /cancel; a job that is gone is fine. NotDelivered: the endpoint has not done it."""
        try:
            response = await self._call("cancel", "POST", f"cancel/{job_id}")
        except httpx.HTTPError as error:
            raise NotDelivered(f"cancel did not arrive: {type(error).__name__}", job_id=job_id) from error
        if not response.is_success and response.status_code != httpx.codes.NOT_FOUND:
            raise NotDelivered(f"cancel was not carried out: {_excerpt(response)}", job_id=job_id)

    async def health(self) -> Mapping[str, Any]:
        """GET /health: counts of jobs and workers; every field may be missing."""
        try:
            response = await self._call("health", "GET", "health", read_s=ASIDE_S)
        except httpx.HTTPError as error:
            raise NotDelivered(f"no answer from the endpoint: {type(error).__name__}") from error
        self._refuse_unauthorised(response)
        return (json_object(response) or {}) if response.is_success else {}

    async def raw_status(self, job_id: str) -> Mapping[str, Any]:
        """GET /status as it came: it shows the input of a job that has not ended. Raises as `status_sync` does."""
        return await self._look_raw(f"status/{job_id}", job_id, ASIDE_S)

    async def requests(self) -> Any:
        """GET /requests, which no documentation describes: the parsed JSON value, of whatever shape.

        Raises:
            NoListingError: there is none (404, 405), we may not read it, or it is no JSON of a bearable size.
            NotDelivered, Throttled: no answer this time.
        """
        try:
            async with (
                self._limits.admitted("requests"),
                self._client.stream("GET", f"{self._base}/requests", headers=self._headers, timeout=READ_S) as response,
            ):
                content = await _bounded(response)
        except httpx.HTTPError as error:
            raise NotDelivered(f"no answer from the endpoint: {type(error).__name__}") from error
        self._raise_if_passing(response, "the listing")
        if not response.is_success:
            raise NoListingError(f"HTTP {response.status_code}")
        if content is None:
            raise NoListingError(f"it is larger than {MAX_LISTING_BYTES:,} bytes")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise NoListingError("it is no JSON") from None

    async def _call(
        self, operation: Operation, method: str, path: str, *, content: bytes | None = None, read_s: float = READ_S
    ) -> httpx.Response:
        headers = self._headers | ({"Content-Type": "application/json"} if content is not None else {})
        timeout = httpx.Timeout(READ_S, connect=CONNECT_S, read=read_s)
        async with self._limits.admitted(operation):
            response = await self._client.request(
                method, f"{self._base}/{path}", content=content, headers=headers, timeout=timeout
            )
        return _with_content(response, self._redaction.hide(response.content))

    async def _look(self, path: str, job_id: str, read_s: float) -> Job:
        return to_job(await self._look_raw(path, job_id, read_s), job_id)

    async def _look_raw(self, path: str, job_id: str, read_s: float) -> Mapping[str, Any]:
        try:
            response = await self._call("status", "GET", path, read_s=read_s)
        except httpx.HTTPError as error:
            raise NotDelivered(f"no answer from the endpoint: {type(error).__name__}", job_id=job_id) from error
        if _in_json(response):  # pages in other forms come from what lies before the endpoint, and pass
            self._refuse_unauthorised(response)
            if response.status_code == httpx.codes.NOT_FOUND:
                raise JobUnknownError(job_id)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Throttled("status is throttled", retry_after_s=self._retry_after(response))
        body = json_object(response)
        if response.status_code >= httpx.codes.BAD_REQUEST or not body or not body.get("status"):
            raise NotDelivered(f"unusable answer: {_excerpt(response)}", job_id=job_id)
        return body

    def _raise_if_passing(self, response: httpx.Response, what: str) -> None:
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Throttled(f"{what} is throttled", retry_after_s=self._retry_after(response))
        if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise NotDelivered(f"{what} cannot be read: HTTP {response.status_code}")

    def _accepted(self, response: httpx.Response) -> dict[str, Any]:
        """JSON body of a successful /run, or the error that its status means."""
        self._refuse_unauthorised(response)
        status = response.status_code
        if status == httpx.codes.NOT_FOUND:
            raise ProviderRefused("the provider knows no such endpoint", hint="check the endpoint id")
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise Throttled("the endpoint is throttling us", retry_after_s=self._retry_after(response))
        if httpx.codes.BAD_REQUEST <= status < httpx.codes.INTERNAL_SERVER_ERROR:
            told = f"the endpoint refused the request: {_excerpt(response)}"
            large = status == httpx.codes.REQUEST_ENTITY_TOO_LARGE or "max body size" in told
            raise RequestTooLarge(told) if large else RequestRejected(told)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise OutcomeUnknown(f"the endpoint broke down: {_excerpt(response)}", hint="the job may be running")
        return json_object(response) or {}

    def _refuse_unauthorised(self, response: httpx.Response) -> None:
        if response.status_code in UNAUTHORISED:
            raise ProviderRefused(
                f"the provider refused the key (HTTP {response.status_code})",
                hint="check RUNPOD_API_KEY and its rights",
            )

    def _retry_after(self, response: httpx.Response) -> float | None:
        return retry_after_s(response.headers.get("retry-after", ""), self._clock.now())


def _with_content(response: httpx.Response, content: bytes) -> httpx.Response:
    """The answer with another body; the headers that anybody here reads stay."""
    if content is response.content:
        return response
    headers = {name: response.headers[name] for name in READ_HEADERS if name in response.headers}
    return httpx.Response(response.status_code, headers=headers, content=content, request=response.request)


async def _bounded(response: httpx.Response) -> bytes | None:
    """The body, or None where it is too large to keep."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_LISTING_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _in_json(response: httpx.Response) -> bool:
    """Whether the endpoint itself speaks: a JSON object, whatever it is called, or JSON that says so."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) or "json" in response.headers.get("content-type", "")


def _excerpt(response: httpx.Response) -> str:
    """Status and the beginning of the body, on one line, fit to be repeated; never a whole page."""
    return f"HTTP {response.status_code} {one_line(response.text)[:200]}"
