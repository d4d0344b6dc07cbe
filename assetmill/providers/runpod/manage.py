"""The verbs of RunPod's management API that make, change and end endpoints.

Reads, updates and deletes say the same however often they are said, so they are said again after a fault that may
pass. A create is not: when its answer is lost, or is that of a server in trouble, nobody knows whether there is an
endpoint now, and the error says so. What the rate-limit headers say is believed: a window that is used up is waited
for, up to a minute. Problems (RFC 9457) become words. Nothing here logs a key or a body, and no answer is read
before the key is hidden in it. Source: docs.runpod.io, api-reference-v2/openapi.json and rate-limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import httpx
from pydantic import SecretStr

from assetmill.clock import Clock
from assetmill.errors import NoSuchEndpoint, NotDelivered, OutcomeUnknown, ProviderAway, ProviderRefused
from assetmill.providers.runpod.management import bearer
from assetmill.providers.wire import NEVER_LEFT, retry_after_s
from assetmill.providers.words import one_line
from assetmill.redaction import Redaction

ANSWER_S: Final = 30.0
TRIES: Final = 4
PAUSES_S: Final = (1.0, 3.0, 9.0)
LONGEST_WAIT_S: Final = 60.0
MOST_ERRORS: Final = 5
_REMAINING = re.compile(r'"?[\w-]+"?((?:;\w+=\d+)+)')
_UNAUTHORISED = frozenset({401, 403})

Method = Literal["GET", "POST", "PATCH", "DELETE"]


class ManagementApi:
    """The account's endpoints.

    Args:
        client: shared HTTP client.
        address: base address, such as `https://api.runpod.io/v2`, without a slash at its end.
        key: bearer key, or None for a server of this machine that asks for none.
        clock: time and waiting.
        secrets: values that are hidden in every answer before it is read; the key always is.
    """

    def __init__(
        self, client: httpx.AsyncClient, address: str, key: SecretStr | None, clock: Clock, secrets: Iterable[str] = ()
    ) -> None:
        self._client = client
        self._base = f"{address.rstrip('/')}/serverless"
        self._headers = bearer(key)
        self._clock = clock
        self._redaction = Redaction((*secrets, key.get_secret_value()) if key else secrets)
        self._free_at = 0.0

    async def endpoints(self) -> tuple[Mapping[str, Any], ...]:
        """Every endpoint of the account.

        Raises:
            ProviderRefused: key or permission is wrong.
            ProviderAway: no answer that can be read, or too many calls.
        """
        body = await self._said("GET", "", "the endpoints cannot be listed")
        rows = body.get("endpoints") if isinstance(body, Mapping) else None
        if not isinstance(rows, list):
            raise ProviderAway("the management API listed no endpoints", hint="try again")
        return tuple(row for row in rows if isinstance(row, Mapping) and isinstance(row.get("id"), str))

    async def endpoint(self, endpoint_id: str) -> Mapping[str, Any]:
        """One endpoint.

        Raises:
            NoSuchEndpoint: there is none of this id.
            ProviderRefused, ProviderAway: as `endpoints`.
        """
        return await self._object("GET", f"/{endpoint_id}", f"endpoint {endpoint_id} cannot be read")

    async def workers(self, endpoint_id: str) -> Mapping[str, Any]:
        """Its workers, as they are listed. Raises as `endpoint`."""
        return await self._object("GET", f"/{endpoint_id}/workers", f"workers of {endpoint_id} cannot be read")

    async def releases(self, endpoint_id: str) -> Mapping[str, Any]:
        """Its releases, newest first. Raises as `endpoint`."""
        return await self._object("GET", f"/{endpoint_id}/releases", f"releases of {endpoint_id} cannot be read")

    async def create(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make an endpoint.

        Raises:
            OutcomeUnknown: nobody knows whether it was made: look for it before anything is sent again.
            ProviderRefused, ProviderAway: nothing was made.
        """
        made = await self._object("POST", "", "the endpoint was not made", body)
        if not isinstance(made.get("id"), str):
            raise OutcomeUnknown("the management API answered without an id", hint="the endpoint may have been made")
        return made

    async def update(self, endpoint_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change what the body names. Raises as `endpoint`; what is refused has changed nothing."""
        return await self._object("PATCH", f"/{endpoint_id}", f"endpoint {endpoint_id} was not changed", body)

    async def delete(self, endpoint_id: str) -> None:
        """End an endpoint for good; one that is gone is fine. Raises as `endpoints`."""
        try:
            await self._said("DELETE", f"/{endpoint_id}", f"endpoint {endpoint_id} was not deleted")
        except NoSuchEndpoint:
            return

    async def _object(
        self, method: Method, path: str, failed: str, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        said = await self._said(method, path, failed, body)
        if isinstance(said, Mapping):
            return said
        if method == "POST":
            raise OutcomeUnknown("the management API's answer cannot be read", hint="the endpoint may have been made")
        raise ProviderAway(f"{failed}: the answer cannot be read", hint="try again")

    async def _said(self, method: Method, path: str, failed: str, body: Mapping[str, Any] | None = None) -> Any:
        """Say it until there is an answer that means something; None for an answer without a readable body."""
        for number in range(TRIES):
            await self._wait_for_the_window(failed)
            try:
                response = await self._once(method, path, body)
            except NotDelivered as error:
                if number + 1 == TRIES:
                    raise ProviderAway(f"{failed}: {error.message}", hint="check the network, and try again") from error
                await self._clock.sleep(PAUSES_S[number])
                continue
            content = self._redaction.hide(response.content)
            if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                self._note_pause(response)
            elif response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                return self._meant(response, content, failed)
            elif number + 1 < TRIES:
                await self._clock.sleep(PAUSES_S[number])
        raise ProviderAway(f"{failed}: HTTP {response.status_code} {_words(content)}".rstrip(), hint="try again later")

    async def _once(self, method: Method, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """Send it once.

        Raises:
            NotDelivered: it may be sent again.
            OutcomeUnknown: it was a create that may have been carried out.
        """
        url, content = self._base + path, None if body is None else json.dumps(body).encode()
        headers = self._headers | ({"Content-Type": "application/json"} if content is not None else {})
        try:
            response = await self._client.request(
                method, url, content=content, headers=headers, timeout=ANSWER_S, follow_redirects=False
            )
        except NEVER_LEFT as error:
            raise NotDelivered(f"no connection ({type(error).__name__})") from None
        except httpx.HTTPError as error:
            if method == "POST":
                words = f"the create left and no answer came ({type(error).__name__})"
                raise OutcomeUnknown(words, hint="the endpoint may have been made") from None
            raise NotDelivered(f"no answer ({type(error).__name__})") from None
        if method == "POST" and response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            words = f"the management API broke down at the create (HTTP {response.status_code})"
            raise OutcomeUnknown(words, hint="the endpoint may have been made")
        self._note_window(response)
        return response

    def _meant(self, response: httpx.Response, content: bytes, failed: str) -> Any:
        """The parsed body of a success, or the error that another answer means."""
        status = response.status_code
        if response.is_success:
            return _parsed(content)
        words = f"{failed}: HTTP {status} {_words(content)}".rstrip()
        if status in _UNAUTHORISED:
            raise ProviderRefused(words, hint="RUNPOD_API_KEY needs the permission to manage serverless endpoints")
        if status == httpx.codes.NOT_FOUND:
            raise NoSuchEndpoint(words, hint="assetmill endpoint status tells which there are")
        raise ProviderRefused(words, hint="mend the endpoint file; nothing was changed")

    def _note_window(self, response: httpx.Response) -> None:
        """Remember until when no call may be made, where a window is used up."""
        for counts in _REMAINING.findall(response.headers.get("ratelimit", "")):
            state = dict(part.split("=", 1) for part in counts.strip(";").split(";"))
            if state.get("r") == "0" and "t" in state:
                self._not_before(float(state["t"]))

    def _note_pause(self, response: httpx.Response) -> None:
        told = retry_after_s(response.headers.get("retry-after", ""), self._clock.now())
        self._not_before(PAUSES_S[-1] if told is None else told)

    def _not_before(self, seconds: float) -> None:
        self._free_at = max(self._free_at, self._clock.monotonic() + seconds)

    async def _wait_for_the_window(self, failed: str) -> None:
        """Wait until calls may be made again.

        Raises:
            ProviderAway: it would take too long.
        """
        wait_s = self._free_at - self._clock.monotonic()
        if wait_s > LONGEST_WAIT_S:
            words = f"{failed}: RunPod takes no more calls of this account for {wait_s:.0f} s"
            raise ProviderAway(words, hint="try again then")
        if wait_s > 0:
            await self._clock.sleep(wait_s)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None


def _words(content: bytes) -> str:
    """A problem in words: its detail and what it says field by field; the beginning of any other body."""
    body = _parsed(content)
    if not isinstance(body, Mapping):
        return one_line(content[:400].decode("utf-8", "replace"))[:200]
    detail = body.get("detail") or body.get("title") or body.get("error") or ""
    errors = body.get("errors")
    fields = [_field(error) for error in errors[:MOST_ERRORS]] if isinstance(errors, list) else []
    return one_line("; ".join(filter(None, (str(detail), *fields))))[:600]


def _field(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    where = error.get("location") or error.get("pointer") or error.get("field") or ""
    what = error.get("message") or error.get("detail") or ""
    return f"{where}: {what}".strip(": ")
