"""A worker that takes time: it draws a small picture for every output of a graph, fast, and waits for the rest."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from PIL import Image, ImageDraw

SIDE = 128
CUT_OUT = "BiRefNetRMBG"
FIRST_JOBS = 2  # so many pay for loading the model


class Painter:
    """Answers in the shape of worker-comfyui.

    Args:
        dice: chance; called from several threads, each call one draw.
        least: shortest job, seconds of ours.
        most: longest job.
        load: what the first jobs need beyond.
    """

    def __init__(self, dice: Random, least: float, most: float, load: float = 0.0) -> None:
        self._dice = dice
        self._least = least
        self._most = most
        self._load = load
        self._lock = threading.Lock()
        self._count = 0

    def __call__(self, job_input: Mapping[str, Any]) -> dict[str, Any]:
        """Draw, and be as long about it as the dice say."""
        with self._lock:
            self._count += 1
            lasts_s = self._dice.uniform(self._least, self._most) + (self._load if self._count <= FIRST_JOBS else 0)
        threading.Event().wait(lasts_s)
        return answer(job_input["workflow"])


def answer(graph: Mapping[str, Any], paint: Callable[[str, bool], str] | None = None) -> dict[str, Any]:
    """One picture for each output of a graph, no two alike."""
    cut_out = any(node["class_type"] == CUT_OUT for node in graph.values())
    prefixes = [str(node["inputs"]["filename_prefix"]) for node in graph.values() if node["class_type"] == "SaveImage"]
    draw = paint or picture
    return {
        "images": [
            {"filename": f"{prefix}_00001_.png", "type": "base64", "data": draw(prefix, cut_out)} for prefix in prefixes
        ]
    }


def picture(prefix: str, cut_out: bool) -> str:
    """Base64 of a PNG that passes the checks: a disc on nothing, or two bands of colour."""
    shade = hashlib.sha256(prefix.encode()).digest()
    colour = (shade[0] | 64, shade[1], shade[2])
    image = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0)) if cut_out else Image.new("RGB", (SIDE, SIDE), colour)
    pen = ImageDraw.Draw(image)
    if cut_out:
        pen.ellipse((12, 12, SIDE - 12, SIDE - 12), fill=colour)
        pen.rectangle((40, 50, 60, 70), fill=(shade[3], shade[4], shade[5]))
    else:
        pen.rectangle((0, SIDE // 2, SIDE, SIDE), fill=(shade[3], shade[4] ^ 128, shade[5]))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode()
