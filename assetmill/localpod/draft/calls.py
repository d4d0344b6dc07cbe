"""What a node gets when it runs, and what a node class is.

The table of node classes (nodes.py) and the functions behind it share these values. Nothing here draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from assetmill.localpod.draft.values import Picture

MAX_PIXELS = 4096 * 4096
"""Largest picture that is drawn; a GPU would run out of memory near here as well."""


class NodeFailed(Exception):  # noqa: N818  named for what the worker reports
    """A node raised while it ran; the message is the node's own."""


@dataclass(frozen=True, slots=True)
class Call:
    """One node about to run.

    Args:
        inputs: input name -> value, links already followed.
        cut_out: a background remover comes somewhere after this node.
        layered: a node that cuts pictures into layers comes somewhere after this node.
        files: input images by name.
        batch: which picture of a batch is drawn, from 0.
    """

    inputs: Mapping[str, Any]
    cut_out: bool
    layered: bool
    files: Mapping[str, Image.Image]
    batch: int = 0

    def picture(self, name: str) -> Picture:
        """An IMAGE input.

        Raises:
            NodeFailed: the link brings something else.
        """
        value = self.inputs[name]
        if not isinstance(value, Picture):
            raise NodeFailed(f"{name} is no IMAGE but {type(value).__name__}")
        return value

    def mask(self, name: str) -> Image.Image:
        """A MASK input, mode L.

        Raises:
            NodeFailed: the link brings something else.
        """
        value = self.inputs[name]
        if not isinstance(value, Image.Image):
            raise NodeFailed(f"{name} is no MASK but {type(value).__name__}")
        return value

    def size(self) -> tuple[int, int]:
        """Inputs width and height."""
        return sized(int(self.inputs["width"]), int(self.inputs["height"]))


@dataclass(frozen=True, slots=True)
class Operation:
    """A node class.

    Args:
        run: inputs -> outputs in the node's order.
        required: inputs that must be there.
        numbers: of these, the ones that must be numbers.
        saves: whether it is an output node.
    """

    run: Callable[[Call], tuple[Any, ...]]
    required: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    saves: bool = False


def sized(width: int, height: int) -> tuple[int, int]:
    """A size that can be drawn.

    Raises:
        NodeFailed: it is empty, or too large for any worker.
    """
    if width < 1 or height < 1:
        raise NodeFailed(f"height and width must be > 0, got {width}x{height}")
    if width * height > MAX_PIXELS:
        raise NodeFailed("Allocation on device would exceed allowed memory. (out of memory)")
    return width, height
