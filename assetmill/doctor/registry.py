"""Whether an image lies in its registry, asked as anybody may ask: without a key, and without fetching it.

It speaks the registry protocol that Docker Hub and every other registry speak (GET token, HEAD manifest). A HEAD of a
manifest counts as no pull. It never raises, never waits long, and sends no secret: a registry that wants to know who
asks keeps its answer to itself, and then nobody knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from assetmill.providers.endpoint import LOOPBACK

ASK_S = 5.0
"""s for each of at most three questions; doctor is to stay quick."""

DOCKER_HUB = "registry-1.docker.io"
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
_PARTS = re.compile(r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>\w+:\w+))?")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")
_BEARER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Image:
    """An image by name.

    Args:
        host: its registry, with a port if it has one.
        name: repository within that registry.
        which: digest if one is given, else the tag.
    """

    host: str
    name: str
    which: str

    @property
    def manifest_url(self) -> str:
        """Where its manifest is; a registry on this machine is asked in the clear, as Docker does."""
        scheme = "http" if self.host.partition(":")[0] in LOOPBACK else "https"
        return f"{scheme}://{self.host}/v2/{self.name}/manifests/{self.which}"


@dataclass(frozen=True, slots=True)
class Presence:
    """What a registry said.

    Args:
        there: whether it has the image; None where nobody could tell.
        why: what is known of it, in words.
    """

    there: bool | None
    why: str


def image_named(text: str) -> Image | None:
    """An image as Docker reads its name: `name:tag`, `you/name:tag`, `host/you/name@sha256:...`; None for no name."""
    first, slash, rest = text.partition("/")
    elsewhere = bool(slash) and ("." in first or ":" in first or first == "localhost")
    found = _PARTS.fullmatch(rest if elsewhere else text)
    if found is None or (elsewhere and not _HOST.fullmatch(first)):
        return None
    name = found["name"]
    host = first if elsewhere else DOCKER_HUB
    if host in ("docker.io", "index.docker.io"):
        host = DOCKER_HUB
    if host == DOCKER_HUB and "/" not in name:
        name = f"library/{name}"
    return Image(host, name, found["digest"] or found["tag"] or "latest")


async def presence_of(image: Image, client: httpx.AsyncClient) -> Presence:
    """Ask the registry whether it has an image.

    Args:
        image: which.
        client: the caller's; redirects are not followed.
    """
    try:
        answer = await _manifest(image, client, token=None)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            token = await _token(answer.headers.get("www-authenticate", ""), client)
            answer = await _manifest(image, client, token=token) if token else answer
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return Presence(None, f"{image.host} could not be asked: {type(error).__name__}")
    return _read(image, answer)


def _read(image: Image, answer: httpx.Response) -> Presence:
    match answer.status_code:
        case HTTPStatus.OK:
            return Presence(there=True, why=f"{image.host} has it")
        case HTTPStatus.NOT_FOUND:
            return Presence(there=False, why=f"{image.host} has no {image.name}:{image.which}")
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Presence(None, f"{image.host} tells nobody: it is private, or not there")
        case other:
            return Presence(None, f"{image.host} answers {other}")


async def _manifest(image: Image, client: httpx.AsyncClient, *, token: str | None) -> httpx.Response:
    headers = {"accept": MANIFESTS} | ({"authorization": f"Bearer {token}"} if token else {})
    return await client.head(image.manifest_url, headers=headers, timeout=ASK_S)


async def _token(challenge: str, client: httpx.AsyncClient) -> str | None:
    """A token for anybody, from where the registry says that it is given; None where it gives none."""
    scheme, _, rest = challenge.partition(" ")
    asked = dict(_BEARER.findall(rest))
    realm = asked.pop("realm", "")
    where = urlsplit(realm)
    if scheme.lower() != "bearer" or not (where.scheme == "https" or where.hostname in LOOPBACK):
        return None
    answer = await client.get(realm, params=asked, timeout=ASK_S)
    if answer.status_code != HTTPStatus.OK:
        return None
    body = answer.json()
    token = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
    return token if isinstance(token, str) else None
