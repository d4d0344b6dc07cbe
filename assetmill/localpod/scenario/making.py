"""Carries orders out: which files a job makes, and what their metadata says of them.

It joins orders, studio and shelf; none of them knows the others. Everything here runs in a worker's thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from assetmill.clock import Clock
from assetmill.localpod.scenario.models import Does
from assetmill.localpod.scenario.orders import USUAL_SIDE, USUAL_STRENGTH, Order
from assetmill.localpod.scenario.painting import Drawing, Studio
from assetmill.localpod.scenario.shelf import Asset, Shelf
from assetmill.localpod.scenario.works import Job

_SEEDS = 2**31


class Maker:
    """Makes what orders ask for.

    Args:
        shelf: where files come from and go.
        studio: draws.
        clock: chance, for orders that name no seed.
        drafts: what is made is marked as placeholder art.
    """

    def __init__(self, shelf: Shelf, studio: Studio, clock: Clock, *, drafts: bool) -> None:
        self._shelf = shelf
        self._studio = studio
        self._clock = clock
        self._drafts = drafts

    def work(self, order: Order) -> Callable[[Job], list[str]]:
        """What a job of this order does: a function for a thread, which gives the ids of the assets it made.

        Chance is drawn here and now, so that the order in which threads run changes no picture.
        """
        seed = order.fields.get("seed")
        first = self._clock.random.randrange(_SEEDS) if seed is None else int(seed)
        return lambda job: self._made(order, first, job)

    def _made(self, order: Order, seed: int, job: Job) -> list[str]:
        match order.does:
            case Does.TXT2IMG | Does.IMG2IMG:
                return [self._picture(order, seed + place, place, job) for place in range(order.count)]
            case Does.REMOVE_BACKGROUND:
                return [self._cut_out(order, job)]
            case _:
                return self._layers(order, job)

    def _picture(self, order: Order, seed: int, place: int, job: Job) -> str:
        fields = order.fields
        source = self._source(order) if order.image is not None else None
        size = _size(order, has_source=source is not None)
        strength = float(fields.get("strength", USUAL_STRENGTH)) if source is not None else 1.0
        drawing = Drawing(order.prompt, seed, size, None if source is None else source.file, strength)
        kind = "img2img" if source is not None else "txt2img"
        metadata: dict[str, Any] = {"seed": str(seed), "prompt": order.prompt, "modelId": order.model}
        if source is not None:
            metadata |= {"parentId": source.id, "strength": strength}
        type_ = kind if order.call == "custom" else f"inference-{kind}"
        return self._keep(self._studio.picture(drawing), type_, job, place, metadata, drawing)

    def _cut_out(self, order: Order, job: Job) -> str:
        source, fields = self._source(order), order.fields
        form = str(fields.get("format", "png"))
        file = self._studio.cut_out(source.file, source.drawing, form, fields.get("backgroundColor"))
        return self._keep(file, "background-removal", job, 0, {"parentId": source.id})

    def _layers(self, order: Order, job: Job) -> list[str]:
        """Layers of a fixed number come the farthest first; extracted ones nearest first, and what is left last."""
        source = self._source(order)
        extracts = order.does is Does.EXTRACTION
        files = self._studio.layers(source.file, source.drawing, order.count + extracts)
        ordered = files[::-1] if extracts else files
        metadata = {"parentId": source.id, "modelId": order.model}
        return [self._keep(file, "img2img", job, place, metadata) for place, file in enumerate(ordered)]

    def _source(self, order: Order) -> Asset:
        return self._shelf.asset(order.image or "")

    def _keep(
        self, file: bytes, type_: str, job: Job, place: int, metadata: dict[str, Any], drawing: Drawing | None = None
    ) -> str:
        told = metadata | ({"draft": True} if self._drafts else {})
        return self._shelf.put(
            file, type_, job_id=job.id, index=place, metadata=told, prompt=job.prompt, drawing=drawing
        ).id


def _size(order: Order, *, has_source: bool) -> tuple[int, int] | None:
    """(width, height); None for that of the picture that it starts from."""
    width, height = (int(order.fields.get(name, 0)) for name in ("width", "height"))
    if width or height:
        return width or height, height or width
    across, _, down = str(order.fields.get("aspectRatio", "")).partition(":")
    if across.isdigit() and down.isdigit() and int(across) and int(down):
        side = math.sqrt(int(across) / int(down))
        return round(USUAL_SIDE * side / 8) * 8, round(USUAL_SIDE / side / 8) * 8
    return None if has_source else (USUAL_SIDE, USUAL_SIDE)
