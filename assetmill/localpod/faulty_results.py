"""Answers of a worker, spoilt: images missing, in another order, cut, blank, or none at all.

What comes out has the shapes that worker-comfyui gives (`images` of filename, type and data); an answer of another
shape is left alone. The mark of a draft stays where it was.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from PIL.Image import DecompressionBombError

from assetmill.localpod.faults import Kind, Rule
from assetmill.localpod.limits import fits
from assetmill.localpod.odd_pictures import REDRAWN, opened

HTML_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n"
    b"<body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body></html>\n"
)

Spoiler = Callable[[bytes, Rule], bytes]


def can_spoil(rule: Rule, output: Any) -> bool:
    """Whether a fault of results would change this one."""
    if output is None:
        return False
    if rule.kind is Kind.NO_OUTPUT:
        return True
    if rule.kind is Kind.OVERSIZE_RESULT:
        return not fits(output, rule.size_bytes or 0)
    images = _images(output)
    if rule.kind in REDRAWN:
        return bool(images) and all(_opens(one["data"]) for one in images)
    return len(images) > (rule.kind is Kind.REORDERED_OUTPUTS)


def spoilt(rule: Rule, output: Any) -> Any:
    """The answer as the fault leaves it; None for one that is gone. The one given is not changed."""
    if rule.kind in (Kind.NO_OUTPUT, Kind.OVERSIZE_RESULT):
        return None
    if rule.kind is Kind.PARTIAL_OUTPUTS:
        return _partial(rule, output)
    if rule.kind is Kind.REORDERED_OUTPUTS:
        return {**output, "images": output["images"][::-1]}
    most = rule.count if rule.count is not None else len(output["images"])
    spoil = _SPOILERS[rule.kind]
    images = [_spoilt_image(one, spoil, rule) if at < most else one for at, one in enumerate(output["images"])]
    return {**output, "images": images}


def _images(output: Any) -> list[Any]:
    images = output.get("images") if isinstance(output, Mapping) else None
    whole = isinstance(images, list) and all(
        isinstance(one, Mapping) and isinstance(one.get("data"), str) for one in images
    )
    return images if whole and images is not None else []


def _opens(data: Any) -> bool:
    """Whether this is a whole picture: only one that can be opened can be drawn anew."""
    try:
        opened(base64.b64decode(data))
    except (ValueError, TypeError, OSError, SyntaxError, DecompressionBombError):
        return False
    return True


def _partial(rule: Rule, output: Mapping[str, Any]) -> dict[str, Any]:
    """Fewer images. Without a word, as partial validation does; with `errors`, as a failed download does."""
    images = output["images"]
    left = max(0, len(images) - (rule.count or 0))
    told = [f"Failed to fetch image data for {one.get('filename')} from /view endpoint." for one in images[left:]]
    return {**output, "images": images[:left]} | ({"errors": told} if rule.errors else {})


def _spoilt_image(image: Mapping[str, Any], spoil: Spoiler, rule: Rule) -> Mapping[str, Any]:
    try:
        data = base64.b64decode(image["data"], validate=True)
    except ValueError:  # an address, not bytes
        return image
    return {**image, "data": base64.b64encode(spoil(data, rule)).decode("ascii")}


def _truncated(data: bytes, rule: Rule) -> bytes:
    return data[: len(data) // 2 if rule.size_bytes is None else rule.size_bytes]


def _page(_data: bytes, _rule: Rule) -> bytes:
    return HTML_PAGE


_SPOILERS: Final[Mapping[Kind, Spoiler]] = MappingProxyType(
    {Kind.TRUNCATED_IMAGE: _truncated, Kind.NOT_AN_IMAGE: _page, **REDRAWN}
)
