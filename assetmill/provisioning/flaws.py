"""What is wrong with an endpoint file beyond its types: each rule names the field that breaks it, and what is right.

They are the refusals that RunPod would make, those that it would not make and should (an image that floats, a pool in
which the models do not fit), and one of our own: no secret stands in a file that is kept in a repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assetmill.manifest.problems import nearest_name
from assetmill.money import PriceList
from assetmill.provisioning.spec import FLASHBOOT_SUFFIX, LEAST_MEMORY_GB, EndpointSpec

PLACEHOLDER = "your-name/"
FLOATING = frozenset({"latest", "dev", "main", "master", "edge", "stable", "nightly", "base"})
SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|(?:^|_)KEY(?:_ID)?$|ACCESS_KEY", re.IGNORECASE)
SECRET_REFERENCE = re.compile(r"\{\{\s*RUNPOD_SECRET_[A-Za-z0-9_]+\s*\}\}")
"""How a value names a secret that RunPod keeps. Source: docs.runpod.io, pods/templates/secrets."""

_URL_PASSWORD = re.compile(r"://[^/\s@]+:[^/\s@]+@")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_IMAGE = re.compile(r"(?:[a-z0-9.-]+(?::\d+)?/)?[a-z0-9._-]+(?:/[a-z0-9._-]+)*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One broken rule.

    Args:
        path: the field, step by step.
        message: what is wrong.
        expected: what would be right.
        nearest: the valid name that was probably meant.
    """

    path: tuple[str | int, ...]
    message: str
    expected: str = ""
    nearest: str = ""


def spec_flaws(spec: EndpointSpec, prices: PriceList, *, to_deploy: bool) -> Iterator[Flaw]:
    """Everything that is wrong.

    Args:
        spec: the file.
        prices: knows the pools and models that there are.
        to_deploy: the image is to be put to work, so it has to be somebody's.
    """
    if spec.name.endswith(FLASHBOOT_SUFFIX):
        words = f"{FLASHBOOT_SUFFIX!r} is how RunPod notes FlashBoot, and belongs to no name: it would never be found"
        yield Flaw(("name",), words, spec.name.removesuffix(FLASHBOOT_SUFFIX))
    yield from _image(spec.image, to_deploy=to_deploy)
    yield from _gpus(spec, prices)
    yield from _workers(spec)
    for name, value in spec.env.items():
        if not SECRET_REFERENCE.fullmatch(value) and (SECRET_NAME.search(name) or _URL_PASSWORD.search(value)):
            yield Flaw(
                ("env", name),
                "a secret does not stand in a file",
                "a secret kept at RunPod, by its name: '{{ RUNPOD_SECRET_name }}'",
            )


def _image(image: str, *, to_deploy: bool) -> Iterator[Flaw]:
    if to_deploy and PLACEHOLDER in image:
        expected = "the image that you have pushed: your Docker Hub name in place of `your-name`"
        yield Flaw(("image",), "the image is still the placeholder", expected)
        return
    if not _IMAGE.fullmatch(image):
        yield Flaw(("image",), f"{image!r} is no image name", "such as name/assetmill-worker:0.1.0")
        return
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    if _DIGEST.search(image) or (re.search(r"\d", tag) and tag not in FLOATING):
        return
    words = f"the tag {tag!r} moves on" if tag else "the image has no tag"
    yield Flaw(("image",), words, "a tag with a version, or a digest: RunPod keeps what it has pulled under a name")


def _gpus(spec: EndpointSpec, prices: PriceList) -> Iterator[Flaw]:
    gpu = spec.gpu
    for place, pool in enumerate(gpu.pools):
        price = prices.pools.get(pool)
        if price is None:
            large = (one.pool or "" for one in prices.pools.values() if (one.memory_gb or 0) >= LEAST_MEMORY_GB)
            expected = "one of " + ", ".join(large)
            nearest = nearest_name(pool, prices.pools)
            yield Flaw(("gpu", "pools", place), f"RunPod has no GPU pool {pool}", expected, nearest)
        elif price.memory_gb is not None and price.memory_gb * gpu.count < LEAST_MEMORY_GB:
            words = f"{pool} has {price.memory_gb} GB: the models need {LEAST_MEMORY_GB}"
            yield Flaw(("gpu", "pools", place), words, f"a pool of {LEAST_MEMORY_GB} GB and more")
    if len(set(gpu.pools)) != len(gpu.pools):
        yield Flaw(("gpu", "pools"), "a pool is named twice")
    for place, model in enumerate(gpu.exclude):
        mine = [name for name, one in prices.models.items() if one.pool in gpu.pools]
        if model not in mine:
            near = nearest_name(model, mine)
            yield Flaw(("gpu", "exclude", place), f"{model} is no GPU of these pools", ", ".join(mine), near)


def _workers(spec: EndpointSpec) -> Iterator[Flaw]:
    workers, scaling = spec.workers, spec.scaling
    if workers.min > workers.max:
        yield Flaw(("workers", "min"), "min is above max", f"at most {workers.max}")
    if scaling.queue_delay_s is not None and scaling.jobs_per_worker is not None:
        yield Flaw(("scaling",), "an endpoint scales by one rule", "`queue_delay_s` or `jobs_per_worker`")
    if scaling.jobs_per_worker is not None and workers.idle_timeout_s is not None:
        words = "RunPod takes no idle timeout where a queue scales by jobs_per_worker"
        yield Flaw(("workers", "idle_timeout_s"), words, "leave it out")
