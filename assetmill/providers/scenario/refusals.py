"""What a refusal of Scenario's API means, by its status and its words.

Errors come as `{reason, apiInfo|infos, trace_id}`, some as `{message}` or `{error: {message}}`. A 429 is one of two
things: a ceiling of jobs at once (`actionName` "parallel-...", `actionLimit`), which a free place ends, or a cool-down
(`remainingSeconds`). Whatever JSON stands there becomes one sentence that holds no address, no data and no key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import httpx

from assetmill.errors import AssetmillError, ProviderRefused, RequestRejected, RequestTooLarge, Throttled
from assetmill.providers.wire import json_object, retry_after_s
from assetmill.providers.words import one_line

_PLAN = re.compile(r"\bplans?\b|subscription|upgrade|\bmodels?\b|feature", re.IGNORECASE)
_UNITS = re.compile(r"(?:not enough|insufficient|no more|out of).{0,40}(?:unit|credit)", re.IGNORECASE)
_OF_THE_KEY = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.PAYMENT_REQUIRED, httpx.codes.FORBIDDEN})
_PARALLEL = "parallel-"
_EXCERPT = 300


class CeilingReachedError(Exception):
    """As many jobs are out as the key's plan allows. Stays inside this package.

    Args:
        limit: jobs that may be out at once; None where the answer does not say.
    """

    def __init__(self, limit: int | None) -> None:
        super().__init__(f"at most {limit} jobs at once")
        self.limit = limit


def refusal(response: httpx.Response, what: str, now: datetime) -> AssetmillError | CeilingReachedError | None:
    """The error that an answer below 500 means; None where it is no refusal.

    Args:
        response: any answer.
        what: what was asked, in words.
        now: aware; a Retry-After may be a date.

    Returns:
        `CeilingReachedError` or `Throttled` for 429; `ProviderRefused` for a wrong key, a missing right or a team
        without units; `RequestRejected` for everything that this very request is refused for.
    """
    status, words = response.status_code, words_of(response)
    if status < httpx.codes.BAD_REQUEST or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return None
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return _throttled(response, words, now)
    if status in _OF_THE_KEY or _UNITS.search(words):
        return _not_ours(status, what, words)
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return RequestTooLarge(f"Scenario finds {what} too large: {words}")
    hint = "check SCENARIO_MODEL" if status == httpx.codes.NOT_FOUND else ""
    return RequestRejected(f"Scenario refused {what}: {words}", hint=hint)


def words_of(response: httpx.Response) -> str:
    """Status and reason on one line, fit to be repeated."""
    body = json_object(response)
    if body is None:
        return f"HTTP {response.status_code} {one_line(response.text)[:_EXCERPT]}".rstrip()
    nested = body.get("error")
    inner = nested if isinstance(nested, Mapping) else {}
    told = next((text for text in (body.get("reason"), body.get("message"), inner.get("message"), nested) if text), "")
    beside = [value for value in (body.get("apiInfo"), body.get("infos")) if value]
    trace = body.get("trace_id")
    parts = [told, *beside, f"trace {trace}" if trace else ""]
    return f"HTTP {response.status_code} {'; '.join(one_line(part)[:_EXCERPT] for part in parts if part)}".rstrip()


def _not_ours(status: int, what: str, words: str) -> AssetmillError:
    if status == httpx.codes.PAYMENT_REQUIRED or _UNITS.search(words):
        return ProviderRefused(f"Scenario has no creative units left for us: {words}", hint="top the team up")
    if status == httpx.codes.UNAUTHORIZED:
        return ProviderRefused(
            "Scenario refused the keys (HTTP 401)", hint="check SCENARIO_API_KEY and SCENARIO_SECRET_API_KEY"
        )
    if _PLAN.search(words):
        return RequestRejected(
            f"the plan of this key lacks what {what} needs: {words}",
            hint="choose another SCENARIO_MODEL, or have it made by another provider",
        )
    return ProviderRefused(f"Scenario refused the key: {words}", hint="check the rights of SCENARIO_API_KEY")


def _throttled(response: httpx.Response, words: str, now: datetime) -> Throttled | CeilingReachedError:
    told = {name: value for part in _parts(json_object(response)) for name, value in part.items()}
    name, limit = told.get("actionName"), _number(told.get("actionLimit"))
    remaining = _number(told.get("remainingSeconds"))
    if (isinstance(name, str) and name.startswith(_PARALLEL)) or (limit is not None and remaining is None):
        return CeilingReachedError(max(1, int(limit)) if limit is not None else None)
    asked_s = remaining if remaining is not None else retry_after_s(response.headers.get("retry-after", ""), now)
    return Throttled(f"Scenario wants a pause: {words}", retry_after_s=asked_s)


def _parts(body: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """The answer and what lies one level within: figures stand at its top, or in `apiInfo`, `infos` or `error`."""
    for value in (body or {}).values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Mapping):
                yield part
    yield body or {}


def _number(value: Any) -> float | None:
    sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if sound else None
