"""The verbs of Scenario's API, each turned into a value or into a typed error.

No verb retries; the errors say what a caller may do. A POST that may be charged is never repeated here: where its
answer is lost, that is `OutcomeUnknown`. Every call has a timeout. Nothing here logs a key, a picture or a signed
address, and no key is sent to where pictures are fetched from. ADR 0018 says why this is no foreign client.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import httpx

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, OutcomeUnknown, ProviderRefused, RequestRejected, Throttled
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.scenario.answers import RemoteJob, read_job, read_units
from assetmill.providers.scenario.refusals import CeilingReachedError, refusal, words_of
from assetmill.providers.wire import json_object
from assetmill.redaction import Redaction

CONNECT_S = 10.0
READ_S = 60.0
PAGE_SIZE = 100  # the most that a listing gives at once
SURE_PAUSE_S = 1.0  # a refusal that is still there after this is meant
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
READ_HEADERS = ("content-type", "retry-after")
NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class UnknownHereError(Exception):
    """Scenario answered 404 for a job, an asset or a model. Stays inside this package."""


@dataclass(frozen=True, slots=True)
class Started:
    """A job that was accepted, and what Scenario says that it costs."""

    job_id: str
    units: float | None


@dataclass(frozen=True, slots=True)
class RemoteAsset:
    """A picture at Scenario. Its address is signed: it is used exactly as it came, and never repeated.

    Args:
        url: where its bytes are.
        draft: whether it says of itself that it is a placeholder.
    """

    url: str
    draft: bool


class ScenarioApi:
    """Verbs of one Scenario project.

    Args:
        client: shared HTTP client.
        base_url: `https://api.cloud.scenario.com/v1`, without a slash at the end.
        key: the key's name.
        secret: the key's secret.
        project: id of the project; None for the key's own.
        clock: time.
        secrets: values that are hidden in every answer before it is read; the keys always are.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        base_url: str,
        key: str,
        secret: str,
        project: str | None,
        clock: Clock,
        secrets: Iterable[str] = (),
    ) -> None:
        basic = base64.b64encode(f"{key}:{secret}".encode()).decode("ascii")
        self._client = client
        self._base = base_url.rstrip("/")
        self._headers = {"Authorization": f"Basic {basic}"} if key or secret else {}
        self._params = {"projectId": project} if project else {}
        self._clock = clock
        self._redaction = Redaction((*secrets, key, secret, basic))

    async def start(self, call: str, body: Mapping[str, Any]) -> Started:
        """POST a call that may be charged, and return its job.

        Args:
            call: `txt2img`, `img2img`, `remove-background`, or `custom` with the model's id as `modelId`.
            body: its body.

        Raises:
            CeilingReachedError, Throttled, RequestRejected, ProviderRefused, NotDelivered: nothing was accepted.
            OutcomeUnknown: the request left and no usable answer came.
        """
        try:
            response = await self._generate(call, body)
        except NEVER_LEFT as error:
            raise NotDelivered(f"no connection to Scenario: {error}", hint="check the network") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(
                f"{call} left and no answer came ({type(error).__name__})", hint="the job may be running and charged"
            ) from error
        if response.status_code == httpx.codes.REQUEST_TIMEOUT:  # an edge's word: what lies behind may have it
            raise OutcomeUnknown(f"Scenario ran out of time: {words_of(response)}", hint="the job may be running")
        self._refuse(response, call)
        if not response.is_success:
            raise OutcomeUnknown(f"Scenario broke down: {words_of(response)}", hint="the job may be running")
        answer = json_object(response) or {}
        job = read_job(answer.get("job"))
        if job is None:
            raise OutcomeUnknown(f"answer without a job: {words_of(response)}", hint="the job may be running")
        return Started(job.id, read_units(answer.get("creativeUnitsCost")))

    async def dry_run(self, call: str, body: Mapping[str, Any]) -> float | None:
        """Ask what a call would cost (HTTP 269); None where the answer does not tell. Nothing is made or charged.

        Raises:
            CeilingReachedError, Throttled, RequestRejected, ProviderRefused, NotDelivered.
        """
        try:
            response = await self._generate(call, body, dryRun="true")
        except httpx.HTTPError as error:
            raise NotDelivered(f"no answer from Scenario: {type(error).__name__}") from error
        self._refuse(response, call)
        if not response.is_success:
            raise NotDelivered(f"unusable answer: {words_of(response)}")
        return read_units((json_object(response) or {}).get("creativeUnitsCost"))

    async def job(self, job_id: str) -> RemoteJob:
        """GET a job; a refusal is asked for a second time before it is believed.

        Raises:
            UnknownHereError: 404.
            ProviderRefused: twice in a row.
            Throttled, NotDelivered: this may pass.
        """
        try:
            return await self._job(job_id)
        except ProviderRefused:
            await self._clock.sleep(SURE_PAUSE_S)
        return await self._job(job_id)

    async def jobs(self, after: datetime, token: str | None) -> tuple[list[RemoteJob], str | None]:
        """GET a page of the jobs that were accepted after a moment, newest first, and the token of the next page.

        Raises:
            NotDelivered, Throttled, ProviderRefused: it cannot be had now; RequestRejected: nor ever.
        """
        params = {"pageSize": str(PAGE_SIZE), "createdAfter": after.isoformat()}
        body = await self._get("jobs", **params, **({"paginationToken": token} if token else {}))
        listed = body.get("jobs")
        if not isinstance(listed, list):
            raise NotDelivered("the list of jobs has an unknown shape")
        following = body.get("nextPaginationToken")
        return [job for entry in listed if (job := read_job(entry))], following if isinstance(following, str) else None

    async def cancel(self, job_id: str) -> bool:
        """Ask for a job to be cancelled; False where Scenario will not. A job that is gone is fine.

        Raises:
            NotDelivered, Throttled, ProviderRefused.
        """
        try:
            await self.action(f"jobs/{quote(job_id, safe='')}/action", {"action": "cancel"})
        except RequestRejected:
            return False
        except UnknownHereError:
            return True
        return True

    async def action(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """POST what costs nothing and may be repeated at will, and return the answer.

        Raises:
            UnknownHereError: 404.
            NotDelivered, Throttled, RequestRejected, ProviderRefused.
        """
        try:
            response = await self._call("POST", path, json.dumps(body).encode())
        except httpx.HTTPError as error:
            raise NotDelivered(f"no answer from Scenario: {type(error).__name__}") from error
        return self._usable(response, path.partition("/")[0])

    async def asset(self, asset_id: str) -> RemoteAsset:
        """GET an asset.

        Raises:
            UnknownHereError: 404.
            NotDelivered, Throttled, ProviderRefused.
        """
        body = await self._get(f"assets/{quote(asset_id, safe='')}")
        asset = body.get("asset")
        url = asset.get("url") if isinstance(asset, Mapping) else None
        if not isinstance(asset, Mapping) or not isinstance(url, str):
            raise NotDelivered("Scenario describes an asset without its address")
        metadata = asset.get("metadata")
        return RemoteAsset(url, isinstance(metadata, Mapping) and metadata.get("draft") is True)

    async def model(self, model_id: str) -> Mapping[str, Any]:
        """GET a model: its inputs and capabilities.

        Raises:
            UnknownHereError: 404.
            RequestRejected: the plan lacks it.
            NotDelivered, Throttled, ProviderRefused.
        """
        body = await self._get(f"models/{quote(model_id, safe='')}")
        model = body.get("model")
        return model if isinstance(model, Mapping) else {}

    async def _job(self, job_id: str) -> RemoteJob:
        body = await self._get(f"jobs/{quote(job_id, safe='')}")
        job = read_job(body.get("job"))
        if job is None or job.id != job_id:
            raise NotDelivered("unusable answer: it describes no job, or another one", job_id=job_id)
        return job

    async def _generate(self, call: str, body: Mapping[str, Any], **params: str) -> httpx.Response:
        path, sent = f"generate/{call}", dict(body)
        if call == "custom":
            path = f"generate/custom/{quote(str(sent.pop('modelId')), safe='')}"
        return await self._call("POST", path, json.dumps(sent).encode(), params)

    async def _get(self, path: str, **params: str) -> Mapping[str, Any]:
        try:
            response = await self._call("GET", path, params=params)
        except httpx.HTTPError as error:
            raise NotDelivered(f"no answer from Scenario: {type(error).__name__}") from error
        return self._usable(response, path.partition("/")[0])

    def _usable(self, response: httpx.Response, what: str) -> Mapping[str, Any]:
        """JSON of an answer to what costs nothing."""
        body = json_object(response)
        if response.status_code == httpx.codes.NOT_FOUND and body is not None:
            raise UnknownHereError(what)
        try:
            self._refuse(response, what)
        except CeilingReachedError as error:
            raise Throttled(f"Scenario takes no more questions: {error}") from None
        if not response.is_success or body is None:
            raise NotDelivered(f"unusable answer: {words_of(response)}")
        return body

    def _refuse(self, response: httpx.Response, what: str) -> None:
        if error := refusal(response, what, self._clock.now()):
            raise error

    async def _call(
        self, method: str, path: str, content: bytes | None = None, params: Mapping[str, str] = NO_PARAMS
    ) -> httpx.Response:
        headers = self._headers | ({"Content-Type": "application/json"} if content is not None else {})
        response = await self._client.request(
            method,
            f"{self._base}/{path}",
            content=content,
            headers=headers,
            params={**self._params, **params},
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
        )
        hidden = self._redaction.hide(response.content)
        if hidden is response.content:
            return response
        kept = {name: response.headers[name] for name in READ_HEADERS if name in response.headers}
        return httpx.Response(response.status_code, headers=kept, content=hidden, request=response.request)


def api_of(client: httpx.AsyncClient, endpoint: Endpoint, clock: Clock, secrets: Iterable[str] = ()) -> ScenarioApi:
    """Verbs of an endpoint, with its keys."""
    key = endpoint.key.get_secret_value() if endpoint.key else ""
    secret = endpoint.secret.get_secret_value() if endpoint.secret else ""
    return ScenarioApi(client, endpoint.address, key, secret, endpoint.project, clock, secrets)
