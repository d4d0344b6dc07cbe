"""The handler: a job's input in, an answer in the shape of worker-comfyui out.

Answers and error texts are those that worker-comfyui 5 gives for the same input, so a client that gets
along with this worker gets along with a real one. Everything that comes back is marked as a draft: in the
answer, in each PNG, and on opaque scenes in a corner. Nothing is read but the job, nothing is written.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Collection, Mapping
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from assetmill.localpod.draft.graph import GraphRefused, Run, RunFailed, check
from assetmill.localpod.draft.stamp import stamped
from assetmill.localpod.draft.values import Picture

DRAFT_KEY = "assetmill:draft"
"""Text chunk of every PNG that this worker makes; its value is "1"."""

_COMPRESSION = 1  # of 9: a third larger than the best and several times as fast
_FAILED = "Job processing failed"


class _BadInput(Exception):  # noqa: N818  named for what the worker reports
    """The job's input is not what the worker takes; `details` as the worker lists them."""

    def __init__(self, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.details = details


def render(job_input: Mapping[str, Any], lacks: Collection[str] = ()) -> dict[str, Any]:
    """Draw what a job asks for.

    Args:
        job_input: `{"workflow": {API graph}, "images": [{"name", "image": base64 or data URI}]}`.
        lacks: node classes and model files that the worker is to be without, so that graphs that need them are refused.

    Returns:
        `{"images": [{"filename", "type": "base64", "data"}], "draft": True}`, or `{"error", ...}` in the words of
        worker-comfyui, with `details` where that lists them.
    """
    try:
        workflow, files = _read(job_input)
        outputs = check(workflow, files, lacks)
        images = _images(workflow, outputs, files)
    except _BadInput as error:
        return {"error": str(error)} | ({"details": list(error.details)} if error.details else {})
    except GraphRefused as error:
        return {"error": str(error)}
    except RunFailed as error:
        return {"error": _FAILED, "details": [str(error)]}
    if not images:
        return {"status": "success_no_images", "images": [], "draft": True}
    return {"images": images, "draft": True}


def _read(job_input: Any) -> tuple[dict[str, Any], dict[str, Image.Image]]:
    if job_input is None:
        raise _BadInput("Please provide input")
    if isinstance(job_input, str):
        try:
            job_input = json.loads(job_input)
        except json.JSONDecodeError:
            raise _BadInput("Invalid JSON format in input") from None
    workflow = job_input.get("workflow") if isinstance(job_input, Mapping) else None
    if workflow is None:
        raise _BadInput("Missing 'workflow' parameter")
    if not isinstance(workflow, Mapping):
        raise _BadInput(
            "Error queuing workflow: 500 Server Error: Internal Server Error for url: http://127.0.0.1:8188/prompt"
        )
    return {str(key): node for key, node in workflow.items()}, _files(job_input.get("images"))


def _files(sent: Any) -> dict[str, Image.Image]:
    """Input images by name.

    Raises:
        _BadInput: not a list of name and image, a name with a folder in it, or base64 that is none.
    """
    if sent is None:
        return {}
    if not isinstance(sent, list) or not all(
        isinstance(one, Mapping) and {"name", "image"} <= one.keys() for one in sent
    ):
        raise _BadInput("'images' must be a list of objects with 'name' and 'image' keys")
    files, errors = {}, []
    for one in sent:
        name = str(one["name"])
        try:
            files[name] = _file(name, str(one["image"]))
        except ValueError as error:
            errors.append(f"Error uploading {name}: {error}")
    if errors:
        raise _BadInput("Failed to upload one or more input images", tuple(errors))
    return files


def _file(name: str, text: str) -> Image.Image:
    if "/" in name or ".." in name:
        raise ValueError("400 Client Error: Bad Request for url: http://127.0.0.1:8188/upload/image")
    payload = text.split(",", 1)[1] if text.startswith("data:") and "," in text else text
    try:
        data = base64.b64decode(payload, validate=True)
    except binascii.Error as error:
        raise ValueError(f"Error decoding base64 for {name}: {error}") from None
    return _decoded(data)


def _decoded(data: bytes) -> Image.Image:
    """The picture; bytes that are none become an empty image, which LoadImage cannot open."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
            return image.convert("RGBA" if has_alpha else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        return Image.new("RGB", (0, 0))


def _images(workflow: dict[str, Any], outputs: list[str], files: Mapping[str, Image.Image]) -> list[dict[str, str]]:
    """Every picture of every SaveImage; a batch gives several a node."""
    savers = [key for key in outputs if workflow[key]["class_type"] == "SaveImage"]
    run = Run(workflow, files)
    images = [_image(workflow[key], run.picture(key), 1) for key in savers]
    for batch in range(1, run.batch_size()):
        again = Run(workflow, files, batch)
        images += [_image(workflow[key], again.picture(key), batch + 1) for key in savers]
    return images


def _image(node: Mapping[str, Any], picture: Picture, number: int) -> dict[str, str]:
    prefix = str(node["inputs"]["filename_prefix"]).rsplit("/", 1)[-1]
    return {"filename": f"{prefix}_{number:05d}_.png", "type": "base64", "data": _png(picture)}


def _png(picture: Picture) -> str:
    chunks = PngInfo()
    chunks.add_text(DRAFT_KEY, "1")
    image = stamped(picture.image) if picture.marked else picture.image
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=chunks, compress_level=_COMPRESSION)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
