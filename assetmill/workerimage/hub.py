"""Ask the hub what its files are: checksum, size and revision, so that the lock says what the publisher says.

For a large file the hub tells its sha256 in the answer's headers (`X-Linked-Etag`, `X-Linked-Size`) and the revision in
`X-Repo-Commit`; a small one is fetched and hashed. Nothing large is ever fetched here, and a checksum that stands in
the lock is never replaced unless that was asked for: at one revision a file does not change, so either is wrong.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from assetmill.workerimage.lock import CHECKSUM, COMMIT, UNKNOWN, Model, WorkerLock

SMALL = 1 << 25
"""Bytes up to which a file is fetched to be hashed, where the hub tells no checksum."""
AT_ONCE = 4
TIMEOUT_S = 60.0
VERIFIED = "the hub itself"

_REVISION = re.compile(r"(https?://[^/]+/[^/]+/[^/]+/resolve/)([^/]+)(/.+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of asking for one model.

    Args:
        model: the model as it stands now.
        changed: fields that differ from before.
        problem: why it stays as it was; empty if the hub's word is in it.
    """

    model: Model
    changed: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Told:
    sha256: str
    size: int
    revision: str


class _Unanswered(Exception):  # noqa: N818  it says what happened
    """The hub does not tell."""


async def ask_hub(lock: WorkerLock, client: httpx.AsyncClient, *, replace: bool) -> tuple[Answer, ...]:
    """Ask for every model of a lock, in its order.

    Args:
        lock: the lock; it is not changed.
        client: whoever asks.
        replace: let the hub's word stand where the lock has another checksum or size.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(model: Model) -> Answer:
        async with gate:
            try:
                return _answer(model, await _told(model, client), replace=replace)
            except httpx.HTTPError as error:
                return Answer(model, problem=f"{model.url} cannot be reached: {type(error).__name__}")
            except _Unanswered as error:
                return Answer(model, problem=str(error))

    return tuple(await asyncio.gather(*(one(model) for model in lock.model)))


def with_answers(lock: WorkerLock, answers: Sequence[Answer]) -> WorkerLock:
    """The lock with what the hub told."""
    return lock.model_copy(update={"model": [answer.model for answer in answers]})


async def _told(model: Model, client: httpx.AsyncClient) -> _Told:
    head = await client.head(model.url, follow_redirects=False, timeout=TIMEOUT_S)
    if head.is_error:
        raise _Unanswered(f"{model.url} answers {head.status_code}")
    revision = head.headers.get("x-repo-commit", "")
    checksum = head.headers.get("x-linked-etag", "").removeprefix("W/").strip('"')
    size = head.headers.get("x-linked-size", "")
    if CHECKSUM.fullmatch(checksum) and size.isdecimal():
        return _Told(checksum, int(size), revision)
    return await _hashed(model, client, revision)


async def _hashed(model: Model, client: httpx.AsyncClient, revision: str) -> _Told:
    digest, size = hashlib.sha256(), 0
    async with client.stream("GET", model.url, follow_redirects=True, timeout=TIMEOUT_S) as answer:
        if answer.is_error:
            raise _Unanswered(f"{model.url} answers {answer.status_code}")
        async for chunk in answer.aiter_bytes():
            size += len(chunk)
            if size > SMALL:
                raise _Unanswered(f"{model.url} tells no checksum and is too large to fetch for one")
            digest.update(chunk)
        return _Told(digest.hexdigest(), size, revision or answer.headers.get("x-repo-commit", ""))


def _answer(model: Model, told: _Told, *, replace: bool) -> Answer:
    differs = [
        f"{name} {mine} in the lock, {theirs} at the hub"
        for name, mine, theirs in (("sha256", model.sha256, told.sha256), ("size", model.size, told.size))
        if mine not in ("", 0, UNKNOWN, theirs)
    ]
    if differs and not replace:
        return Answer(model, problem="; ".join(differs))
    url = _at_revision(model.url, told.revision)
    new = model.model_copy(
        update={"url": url, "size": told.size, "sha256": told.sha256, "verified": True, "source": VERIFIED}
    )
    return Answer(new, tuple(name for name in Model.model_fields if getattr(new, name) != getattr(model, name)))


def _at_revision(url: str, revision: str) -> str:
    """The address of one revision; one that has its own keeps it."""
    parts = _REVISION.fullmatch(url)
    if parts is None or COMMIT.fullmatch(parts[2]) or not COMMIT.fullmatch(revision):
        return url
    return f"{parts[1]}{revision}{parts[3]}"
