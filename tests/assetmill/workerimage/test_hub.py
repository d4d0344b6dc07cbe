"""What the hub tells goes into the lock; what the lock knew is not thrown away for it."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from assetmill.workerimage import Model, read_lock
from assetmill.workerimage.hub import SMALL, ask_hub, with_answers
from assetmill.workerimage.lock import UNKNOWN

REVISION = "4d000788a9698c7f8d67c8c6ce2b40c768f5b909"
LARGE = "77277264c0e8c74149d3ff2fade4fd8176965b7108f3c5fc3b8c9c811edb4519"
TEXT = b'{"model": 1}'


@dataclass
class Hub:
    """A hub as its public answers are: a large file's checksum in headers of a redirect, a small file itself."""

    gets: list[str] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        name = request.path_params["name"]
        if request.method == "GET":
            self.gets.append(name)
        headers = {"x-repo-commit": REVISION}
        if name == "large.safetensors":
            linked = {"x-linked-etag": f'"{LARGE}"', "x-linked-size": "884878856"}
            return RedirectResponse("/elsewhere", 302, headers | linked)
        if name == "small.json":
            return Response(TEXT, headers=headers | {"etag": '"b1946ac92492d2347c6235b4d2611184"'})
        if name == "huge.bin":
            return Response(b"x" * (SMALL + 1), headers=headers)
        return PlainTextResponse("gated", 403)


@pytest.fixture
def hub():
    return Hub()


@asynccontextmanager
async def client_of(hub):
    app = Starlette(routes=[Route("/o/r/resolve/{revision}/{name}", hub.answer, methods=["GET", "HEAD"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub.test") as client:
        yield client


@pytest.fixture
def lock_of(image):
    def lock(*models: Model):
        return read_lock(image / "models.lock").model_copy(update={"model": list(models)})

    return lock


def model(name, *, sha256=UNKNOWN, size=0, revision="main") -> Model:
    return Model(
        file=name, folder="checkpoints", name=name, set="layered", place="anywhere",
        url=f"http://hub.test/o/r/resolve/{revision}/{name}", size=size, sha256=sha256, licence="MIT",
    )  # fmt: skip


async def asked(hub, lock, *, replace=False):
    async with client_of(hub) as client:
        return await ask_hub(lock, client, replace=replace)


async def test_a_large_files_checksum_is_taken_from_its_headers_and_never_fetched(hub, lock_of):
    (answer,) = await asked(hub, lock_of(model("large.safetensors")))
    assert (answer.model.sha256, answer.model.size, answer.model.verified) == (LARGE, 884_878_856, True)
    assert answer.model.url == f"http://hub.test/o/r/resolve/{REVISION}/large.safetensors"
    assert answer.changed == ("url", "size", "sha256", "verified", "source")
    assert hub.gets == []


async def test_a_small_file_is_fetched_and_hashed(hub, lock_of):
    (answer,) = await asked(hub, lock_of(model("small.json")))
    assert (answer.model.sha256, answer.model.size) == (hashlib.sha256(TEXT).hexdigest(), len(TEXT))


async def test_a_revision_that_is_pinned_stays_so(hub, lock_of):
    other = "0" * 39 + "1"
    (answer,) = await asked(hub, lock_of(model("small.json", revision=other)))
    assert f"/resolve/{other}/" in answer.model.url


async def test_what_agrees_is_verified(hub, lock_of):
    before = model("large.safetensors", sha256=LARGE, size=884_878_856, revision=REVISION)
    (answer,) = await asked(hub, lock_of(before))
    assert answer.changed == ("verified", "source")
    (again,) = await asked(hub, lock_of(answer.model))
    assert again.changed == ()


@pytest.mark.parametrize("known", ({"sha256": "0" * 64}, {"sha256": LARGE, "size": 5}))
async def test_what_disagrees_stays_and_is_said_unless_told_otherwise(hub, lock_of, known):
    before = model("large.safetensors", **known)
    (answer,) = await asked(hub, lock_of(before))
    assert answer.model == before
    assert "in the lock" in answer.problem
    assert "at the hub" in answer.problem
    (replaced,) = await asked(hub, lock_of(before), replace=True)
    assert (replaced.model.sha256, replaced.model.size) == (LARGE, 884_878_856)


async def test_what_cannot_be_had_leaves_its_line_and_the_others_alone(hub, lock_of):
    gated, huge = model("gated.bin"), model("huge.bin")
    lock = lock_of(gated, huge, model("small.json"))
    answers = await asked(hub, lock)
    assert [bool(answer.problem) for answer in answers] == [True, True, False]
    assert "403" in answers[0].problem
    assert "too large" in answers[1].problem
    after = with_answers(lock, answers)
    assert after.model[:2] == [gated, huge]
    assert after.model[2].locked


async def test_a_hub_out_of_reach_is_said(lock_of):
    async with httpx.AsyncClient() as client:
        (answer,) = await ask_hub(
            lock_of(model("a.bin").model_copy(update={"url": "http://127.0.0.1:9/o/r/resolve/main/a.bin"})),
            client,
            replace=False,
        )
    assert "cannot be reached" in answer.problem
