"""An image is looked for as anybody may look: no key, no pull, no wait; and what a registry hides stays unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from assetmill.doctor.registry import DOCKER_HUB, Image, Presence, image_named, presence_of

DIGEST = "sha256:" + "0a" * 32


@pytest.fixture
def ask(registry) -> Callable[[str], Any]:
    async def asked(name: str) -> Presence:
        image = image_named(name.replace("REGISTRY", registry.host))
        assert image is not None
        async with httpx.AsyncClient(trust_env=False) as client:
            return await presence_of(image, client)

    return asked


@pytest.mark.parametrize(
    ("text", "image"),
    (
        ("you/worker:1", Image(DOCKER_HUB, "you/worker", "1")),
        ("docker.io/you/worker:1", Image(DOCKER_HUB, "you/worker", "1")),
        ("ubuntu", Image(DOCKER_HUB, "library/ubuntu", "latest")),
        ("ghcr.io/you/team/worker:1-a_b", Image("ghcr.io", "you/team/worker", "1-a_b")),
        ("localhost/worker:1", Image("localhost", "worker", "1")),
        (f"reg.example:5000/w:1@{DIGEST}", Image("reg.example:5000", "w", DIGEST)),
        ("<your-docker-hub-name>/worker:1", None),
        ("you/Worker:1", None),
        ("me:secret@host.example/worker:1", None),
        ("", None),
        ("a b", None),
    ),
)
def test_a_name_is_read_as_docker_reads_it(text: str, image: Image | None):
    assert image_named(text) == image


def test_a_registry_elsewhere_is_never_asked_in_the_clear():
    assert Image("ghcr.io", "w", "1").manifest_url.startswith("https://")
    assert Image("127.0.0.1:5000", "w", "1").manifest_url.startswith("http://")
    assert Image("127.0.0.1.example.com", "w", "1").manifest_url.startswith("https://")


@pytest.mark.parametrize("name", ("REGISTRY/you/worker:0.1.0", f"REGISTRY/you/worker:9@{DIGEST}"))
async def test_an_image_that_anybody_may_fetch_is_there_and_is_not_fetched(ask, registry, name: str):
    assert (await ask(name)).there is True
    assert registry.calls == [("HEAD", "401"), ("GET", "200"), ("HEAD", "200")]


async def test_a_tag_that_was_never_pushed_is_not_there(ask):
    found = await ask("REGISTRY/you/worker:0.2.0")
    assert found.there is False
    assert "has no you/worker:0.2.0" in found.why


async def test_a_private_image_and_a_busy_registry_are_unknown_and_not_absent(ask, registry):
    private = await ask("REGISTRY/you/private:1")
    assert (private.there, "private, or not there" in private.why) == (None, True)
    registry.busy = True
    assert await ask("REGISTRY/you/worker:0.1.0") == Presence(None, f"{registry.host} answers 429")


async def test_a_token_is_never_fetched_in_the_clear_from_elsewhere(ask, registry):
    registry.realm = "http://127.0.0.2:9/token"  # not the name of this machine, and nobody listens there
    found = await ask("REGISTRY/you/worker:0.1.0")
    assert (found.there, "private, or not there" in found.why) == (None, True), "whoever asked there would not connect"
    assert registry.calls == [("HEAD", "401")]


async def test_a_registry_that_is_away_is_unknown():
    async with httpx.AsyncClient(trust_env=False) as client:
        found = await presence_of(Image("127.0.0.1:9", "w", "1"), client)
    assert (found.there, "could not be asked: ConnectError" in found.why) == (None, True)
