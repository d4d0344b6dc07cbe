"""The verbs of a ComfyUI server, each turned into a value or into a typed error.

None retries, and none waits for a job. Taking a graph is the only call after which something may run, so it is the
only one whose lost answer is an unknown outcome. Nothing here logs a key, a picture or a graph.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn

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
from assetmill.providers.base import InputImage, JobRequest
from assetmill.providers.comfyui.answers import (
    ATTEMPT_KEY,
    Accepted,
    File,
    QueueLook,
    node_errors,
    prompt_id_of,
    read_queue,
    refusal,
)
from assetmill.providers.wire import NEVER_LEFT, json_object, retry_after_s
from assetmill.providers.words import one_line
from assetmill.redaction import Redaction

CONNECT_S = 10.0
READ_S = 30.0
PROMPT_S = 60.0  # a graph is checked before the answer, and a server with many model folders lists them all for it
FETCH_S = 120.0
LAST_IN_LINE = 1e9  # ComfyUI takes the smallest number first and counts its own up from 0
MAY_PASS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})
NO_COMFYUI = "is this ComfyUI's address, without a path behind it?"


class ComfyApi:
    """Verbs of one server.

    Args:
        client: shared HTTP client.
        base_url: `http://host:8188`, without a slash at the end.
        key: bearer key for what stands before the server; ComfyUI itself asks for none.
        clock: time source.
        secrets: values that are hidden in every answer before it is read; the key always is.
    """

    def __init__(
        self, client: httpx.AsyncClient, base_url: str, key: str | None, clock: Clock, secrets: Iterable[str] = ()
    ) -> None:
        self._client = client
        self._base = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._clock = clock
        self._redaction = Redaction((*secrets, key) if key else secrets)
        self.skew_s = 0.0
        """Seconds that the server's clock is ahead of ours, by its last answer; to the second."""

    async def upload(self, image: InputImage) -> None:
        """POST /upload/image: put a picture into the input folder, in place of one of the same name.

        Raises:
            NotDelivered, Throttled, RequestRejected, ProviderRefused.
        """
        files = {"image": (image.name, image.data, "image/png")}
        try:
            response = await self._call(
                "POST", "upload/image", files=files, data={"overwrite": "true", "type": "input"}, read_s=PROMPT_S
            )
        except httpx.HTTPError as error:
            raise NotDelivered(f"a picture did not arrive: {type(error).__name__}", hint="check the network") from error
        body = self._taken(response, "the picture", NotDelivered)
        if body.get("name") != image.name or body.get("subfolder"):
            raise RequestRejected(
                "the server keeps an uploaded picture under another name",
                hint="a proxy or an extension renames uploads; graphs name them",
            )

    async def prompt(self, request: JobRequest) -> Accepted:
        """POST /prompt: queue a graph under the id that its attempt has.

        Raises:
            RequestRejected: the server lacks a node or a model, or refuses a value; the message names each.
            NotDelivered: no connection was made.
            OutcomeUnknown: it left and no usable answer came.
            Throttled, ProviderRefused.
        """
        job_id = prompt_id_of(request.attempt_id)
        body: dict[str, Any] = {
            "prompt": request.graph,
            "prompt_id": job_id,
            "extra_data": {ATTEMPT_KEY: request.attempt_id},
        }
        if request.low_priority:
            body["number"] = LAST_IN_LINE
        try:
            response = await self._call("POST", "prompt", content=json.dumps(body).encode(), read_s=PROMPT_S)
        except NEVER_LEFT as error:
            raise NotDelivered(f"no connection to ComfyUI: {type(error).__name__}", hint="is it running?") from error
        except httpx.HTTPError as error:
            raise OutcomeUnknown(
                f"the graph left and no answer came ({type(error).__name__})", hint="it may be running"
            ) from error
        told = self._taken(response, "the graph", OutcomeUnknown)
        given = told.get("prompt_id")
        if not isinstance(given, str) or not given:
            raise OutcomeUnknown(f"answer without an id: {_excerpt(response)}", hint="the graph may be running")
        return Accepted(given, node_errors(told.get("node_errors")))

    async def queue(self) -> QueueLook:
        """GET /queue. Raises as `_get`."""
        return read_queue(await self._get("queue"))

    async def history(self, job_id: str) -> Any:
        """GET /history/{id}: the entry of a job that has ended; None where there is none. Raises as `_get`."""
        return (await self._get(f"history/{job_id}")).get(job_id)

    async def oldest(self) -> Mapping[str, Any]:
        """The history's oldest entry, by its id. Raises as `_get`."""
        return await self._get("history?max_items=1&offset=0")

    async def newest(self, count: int) -> Mapping[str, Any]:
        """The history's latest entries, by their ids. Raises as `_get`."""
        return await self._get(f"history?max_items={count}")

    async def fetch(self, file: File) -> bytes | None:
        """GET /view: a picture, exactly as it lies there; None where there is none.

        Raises:
            NotDelivered, Throttled, ProviderRefused.
        """
        query = {"filename": file.name, "subfolder": file.subfolder, "type": file.type}
        try:
            response = await self._call("GET", "view", params=query, read_s=FETCH_S, hide=False)
        except httpx.HTTPError as error:
            raise NotDelivered(f"a picture could not be fetched: {type(error).__name__}") from error
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        self._refuse(response)
        if response.status_code != HTTPStatus.OK:
            raise NotDelivered(f"a picture could not be fetched: HTTP {response.status_code}")
        return response.content

    async def has(self, file: File) -> bool:
        """HEAD /view: whether a picture lies there. Raises as `fetch`."""
        query = {"filename": file.name, "subfolder": file.subfolder, "type": file.type}
        try:
            response = await self._call("HEAD", "view", params=query)
        except httpx.HTTPError as error:
            raise NotDelivered(f"no answer from ComfyUI: {type(error).__name__}") from error
        self._refuse(response)
        if response.status_code not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            raise NotDelivered(f"ComfyUI cannot say whether a picture is there: HTTP {response.status_code}")
        return response.status_code == HTTPStatus.OK

    async def drop(self, job_id: str) -> bool:
        """POST /api/jobs/{id}/cancel, whether it waits or runs; False where the server has no such call.

        Raises:
            NotDelivered, Throttled, ProviderRefused.
        """
        response = await self._post(f"api/jobs/{job_id}/cancel", {})
        return response.is_success and "cancelled" in (json_object(response) or {})

    async def delete(self, job_id: str) -> None:
        """POST /queue: take a job that waits out of the queue. Raises as `drop`."""
        self._done(await self._post("queue", {"delete": [job_id]}))

    async def interrupt(self, job_id: str) -> None:
        """POST /interrupt: end a job that runs; before September 2025 a server ends whatever runs. Raises as `drop`."""
        response = await self._post("interrupt", {"prompt_id": job_id})
        if response.status_code != HTTPStatus.NOT_FOUND:  # it runs no more
            self._done(response)

    async def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        try:
            response = await self._call("POST", path, content=json.dumps(body).encode())
        except httpx.HTTPError as error:
            raise NotDelivered(f"no answer from ComfyUI: {type(error).__name__}") from error
        self._refuse(response)
        return response

    def _done(self, response: httpx.Response) -> None:
        if not response.is_success:
            raise NotDelivered(f"ComfyUI has not done it: {_excerpt(response)}")

    async def _get(self, path: str) -> Mapping[str, Any]:
        """A JSON object.

        Raises:
            NotDelivered: no usable answer this time.
            Throttled, ProviderRefused.
        """
        try:
            response = await self._call("GET", path)
        except httpx.HTTPError as error:
            raise NotDelivered(f"no answer from ComfyUI: {type(error).__name__}") from error
        self._refuse(response)
        body = json_object(response)
        if not response.is_success or body is None:
            raise NotDelivered(f"unusable answer: {_excerpt(response)}")
        return body

    def _taken(
        self, response: httpx.Response, what: str, broken: type[NotDelivered | OutcomeUnknown]
    ) -> dict[str, Any]:
        """JSON body of a call that was carried out, or the error that its status means."""
        self._refuse(response)
        status = response.status_code
        if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise RequestTooLarge(f"{what} is larger than the server takes", hint="see ComfyUI's --max-upload-size")
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED) or response.is_redirect:
            raise ProviderRefused(f"no ComfyUI answers here (HTTP {status})", hint=NO_COMFYUI)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in MAY_PASS:
            raise broken(f"ComfyUI broke down over {what}: {_excerpt(response)}", hint="look at ComfyUI's own log")
        body = json_object(response)
        if status >= HTTPStatus.BAD_REQUEST:
            _reject(what, response, body)
        return body or {}

    def _refuse(self, response: httpx.Response) -> None:
        if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ProviderRefused(
                f"ComfyUI refused the call (HTTP {response.status_code})", hint="check COMFYUI_API_KEY and COMFYUI_URL"
            )
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            asked = retry_after_s(response.headers.get("retry-after", ""), self._clock.now())
            raise Throttled("the server is throttling us", retry_after_s=asked)

    async def _call(
        self, method: str, path: str, *, read_s: float = READ_S, hide: bool = True, **parts: Any
    ) -> httpx.Response:
        timeout = httpx.Timeout(read_s, connect=CONNECT_S)
        headers = self._headers | ({"Content-Type": "application/json"} if "content" in parts else {})
        response = await self._client.request(method, f"{self._base}/{path}", headers=headers, timeout=timeout, **parts)
        self._set_clock(response)
        content = self._redaction.hide(response.content) if hide else response.content
        return response if content is response.content else _with_content(response, content)

    def _set_clock(self, response: httpx.Response) -> None:
        try:
            told: datetime = parsedate_to_datetime(response.headers.get("date", ""))
        except (ValueError, TypeError, OverflowError):
            return
        if told.tzinfo is not None:
            self.skew_s = (told - self._clock.now()).total_seconds()


def _reject(what: str, response: httpx.Response, body: Mapping[str, Any] | None) -> NoReturn:
    words = refusal(body) if body else _excerpt(response)
    raise RequestRejected(
        f"ComfyUI refused {what}: {words}",
        hint="it lacks a node or a model, or refuses a value: assetmill doctor says what it can do",
    )


def _with_content(response: httpx.Response, content: bytes) -> httpx.Response:
    kept = {name: response.headers[name] for name in ("content-type", "retry-after") if name in response.headers}
    return httpx.Response(response.status_code, headers=kept, content=content, request=response.request)


def _excerpt(response: httpx.Response) -> str:
    """Status and the beginning of the body, on one line; never a whole page."""
    return f"HTTP {response.status_code} {one_line(response.text)[:200]}"
