"""A home of its own with books and a store, and real local endpoints whose worker brings what a test says, at once."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import Pod, PodConfig, Worker, known_gpus, running_pod
from assetmill.providers.endpoints import resolve_endpoint
from assetmill.settings import Settings, variables_of
from assetmill.smoke import Report, Shot
from assetmill.smoke.run import Wanted, smoke

KEY = "smoke-key-0123456789"
SIZES = {"parallax": (1344, 768)}


@cache
def picture(size: tuple[int, int], look: str) -> bytes:
    """A PNG: `whole`, `cut` out, `opaque` RGBA, `empty` RGBA, or `flat`."""
    image = Image.new("RGBA" if look in ("cut", "opaque", "empty") else "RGB", size, "#808890")
    if look == "empty":
        image.putalpha(0)
    if look in ("whole", "cut", "opaque"):
        ImageDraw.Draw(image).ellipse((100, 100, size[0] - 100, size[1] - 100), fill="#ff8800", outline="#000000")
    if look == "cut":
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).ellipse((100, 100, size[0] - 100, size[1] - 100), fill=255)
        image.putalpha(mask)
    stream = BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def answer(job_input: Mapping[str, Any], look: str | None = None, size: tuple[int, int] | None = None) -> Any:
    """What a good worker answers to a graph, by its SaveImage nodes; or pictures of another look or size."""
    graph = job_input["workflow"]
    kinds = {node["class_type"] for node in graph.values()}
    images = []
    for node in graph.values():
        if node["class_type"] != "SaveImage":
            continue
        prefix = node["inputs"]["filename_prefix"]
        role = prefix.split("-", 1)[1]
        cut = (
            role in ("mid", "near") if "far" in str(graph) and "DepthAnything_V2" in kinds else "BiRefNetRMBG" in kinds
        )
        bounds = size or ((1344, 768) if "DepthAnything_V2" in kinds else (1024, 1024))
        data = picture(bounds, look or ("cut" if cut else "whole"))
        images.append({"filename": f"{prefix}_00001_.png", "type": "base64", "data": base64.b64encode(data).decode()})
    return {"images": images}


class Lab:
    """Smoke tests at endpoints of this machine."""

    key = KEY
    answer = staticmethod(answer)
    picture = staticmethod(picture)

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.told: list[Shot] = []

    @asynccontextmanager
    async def pod(self, worker: Worker = answer, **config: Any) -> AsyncIterator[Pod]:
        """An endpoint that is no draft and has a price."""
        gpus = tuple(gpu for gpu in known_gpus() if gpu.pool == "ADA_24")[:1]
        values = {"endpoint_id": "ep", "api_key": KEY, "gpus": gpus, "catalog": known_gpus(), **config}
        async with running_pod(PodConfig(**values), worker, Clock()) as pod:
            yield pod

    async def smoke(self, url: str, kind: str, clock: Clock | None = None, **wanted: Any) -> Report:
        """Run smoke tests that everybody agrees to."""
        asked = Wanted(kind, folder=self.folder, **wanted)
        endpoint = resolve_endpoint(self.settings, url)
        return await smoke(self.settings, endpoint, clock or Clock(), asked, lambda *_: None, self.told.append)

    def rows(self) -> list[dict[str, Any]]:
        """The books, in the order of sending."""
        with Ledger.open(self.settings.ledger_url) as ledger:
            return sorted((dict(row) for row in ledger.rows()), key=lambda row: row["intended_at"])


@pytest.fixture
def settings_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings of a home of its own, with no variable from outside but those given."""
    for name in Settings.model_fields:
        for variable in variables_of(name):
            monkeypatch.delenv(variable, raising=False)

    def make(**variables: str) -> Settings:
        given: dict[str, Any] = {"ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_SERVE_KEY": KEY} | variables
        return Settings(_env_file=None, **given)

    return make


@pytest.fixture
def lab(settings_with: Callable[..., Settings], tmp_path: Path) -> Lab:
    return Lab(settings_with(), tmp_path / "pictures")
