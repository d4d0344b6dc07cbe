"""The first two phases: the worker image in its registry, and the endpoint that a file describes.

Both are only looked at: the file is read, the registry is asked for a manifest and RunPod's management API for its
endpoints, each for a few seconds at most. What nobody answers is unknown. Nothing is pulled, made or changed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from assetmill.clock import Clock
from assetmill.doctor.phases import Phase, Stands
from assetmill.doctor.registry import Presence, image_named, presence_of
from assetmill.errors import AssetmillError, NoSuchEndpoint
from assetmill.manifest.problems import ManifestError
from assetmill.provisioning import EndpointSpec, load_spec
from assetmill.provisioning.access import managing
from assetmill.provisioning.flaws import PLACEHOLDER
from assetmill.provisioning.standing import Standing, standing
from assetmill.settings import Settings
from assetmill.workerimage import check_image, read_lock
from assetmill.workerimage.lock import LOCK
from assetmill.workerimage.recipe import DOCKERFILE
from assetmill.workflows.library import load_library

LOOK_S = 6.0
"""s for all questions to the management API together; it is asked again after faults, which may take longer."""

BUILD = "push to your repository: .github/workflows/build-runpod-worker.yml builds and pushes it (docs/worker-image.md)"
SHOWN = 4
"""Changed fields that are named."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found.

    Args:
        image: phase `image`.
        endpoint: phase `endpoint`.
        endpoint_id: the endpoint that the file describes; None where there is none, or nobody could tell.
        released_at: since when that endpoint has had the file's very image, as far as it is known.
    """

    image: Phase
    endpoint: Phase
    endpoint_id: str | None = None
    released_at: datetime | None = None


async def look(settings: Settings, clock: Clock) -> Looked:
    """Look at the image and at the endpoint; never raises."""
    file = settings.endpoint_file
    spec = _spec(file)
    image, (endpoint, found) = await asyncio.gather(_image(file, spec), _endpoint(settings, clock, spec))
    if found is None:
        return Looked(image, endpoint)
    same = all(change.field != "image" for change in found.plan.changes)
    released_at = found.release.at if same and found.release else None
    return Looked(image, endpoint, found.endpoint_id, released_at)


def _spec(file: Path) -> EndpointSpec | str:
    """The endpoint file, or why it cannot be used; its image may still be the placeholder."""
    try:
        return load_spec(file, to_deploy=False)
    except ManifestError as error:
        return str(error.problems[0])
    except AssetmillError as error:
        return error.message


async def _image(file: Path, spec: EndpointSpec | str) -> Phase:
    if isinstance(spec, str):
        return Phase("image", Stands.UNKNOWN, f"nobody knows its name: {spec}", "mend that file; docs/endpoint.md")
    files = await asyncio.to_thread(_files, file.parent)
    if PLACEHOLDER in spec.image:
        then = f"{BUILD}; then its name into {file}"
        return Phase("image", Stands.NOT_YET, f"{file} still names the placeholder {spec.image}{files}", then)
    found = await _presence(spec.image)
    words = f"{spec.image}: {found.why}{files}"
    if found.there:
        return Phase("image", Stands.DONE, words)
    if found.there is False:
        return Phase("image", Stands.NOT_YET, words, BUILD)
    return Phase("image", Stands.UNKNOWN, words, f"docker manifest inspect {spec.image}, where somebody is logged in")


async def _presence(name: str) -> Presence:
    image = image_named(name)
    if image is None:
        return Presence(None, "that is no image name")
    async with httpx.AsyncClient(follow_redirects=False) as client:
        return await presence_of(image, client)


def _files(folder: Path) -> str:
    """What is to be said of the files that the image is built from; nothing where it is built elsewhere."""
    if not (folder / DOCKERFILE).exists():
        return ""
    try:
        findings, lock = check_image(folder, load_library()), read_lock(folder / LOCK)
    except AssetmillError as error:
        return f"; {error.message}"
    if findings:
        return f"; `assetmill worker-image lint` finds {len(findings)} faults in {folder}"
    missing, unproven = len(lock.unlocked), sum(not model.verified for model in lock.model if model.locked)
    told = (f"{missing} without" if missing else "", f"{unproven} not verified yet" if unproven else "")
    words = ", ".join(filter(None, told))
    return f"; {folder} fits the graphs{f' (checksums: {words})' if words else ''}"


async def _endpoint(settings: Settings, clock: Clock, spec: EndpointSpec | str) -> tuple[Phase, Standing | None]:
    name, file = "endpoint", settings.endpoint_file
    if isinstance(spec, str):
        then = "assetmill endpoint plan, once that is mended; docs/endpoint.md"
        return Phase(name, Stands.NOT_YET, f"its file is not ready: {spec}", then), None
    if PLACEHOLDER in spec.image:
        then = "assetmill endpoint apply, once the image is there"
        return Phase(name, Stands.NOT_YET, "its file still names the placeholder image", then), None
    try:
        async with asyncio.timeout(LOOK_S), managing(settings, clock) as api:
            found = await standing(api, settings, file)
    except TimeoutError:
        return Phase(name, Stands.UNKNOWN, f"no answer within {LOOK_S:g} s", "assetmill endpoint plan"), None
    except NoSuchEndpoint:
        return Phase(name, Stands.NOT_YET, f"there is no endpoint {spec.name} yet", "assetmill endpoint apply"), None
    except AssetmillError as error:
        return Phase(name, Stands.UNKNOWN, error.message, error.hint), None
    return _planned(found, file), found


def _planned(found: Standing, file: Path) -> Phase:
    name, spec, changes = "endpoint", found.plan.spec, found.plan.changes
    there = f"{spec.name} ({found.endpoint_id})"
    if not changes:
        rolling = "; a release is still rolling out" if found.release and found.release.rolling_out else ""
        words = f"{there} is as {file} says: {', '.join(spec.gpu.pools)}, at most {spec.workers.max} workers{rolling}"
        return Phase(name, Stands.DONE, words)
    told = [f"{one.field} is {one.old or 'not set'}, not {one.new or 'absent'}" for one in changes[:SHOWN]]
    more = len(changes) - len(told)
    words = f"{there} differs from {file}: {'; '.join(told)}{f'; and {more} more' if more > 0 else ''}"
    only_scaled = {one.field for one in changes} == {"workers.max"}
    return Phase(name, Stands.NOT_YET, words, f"assetmill endpoint {'scale file' if only_scaled else 'apply'}")
