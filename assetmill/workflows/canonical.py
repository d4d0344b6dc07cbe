"""One spelling for one graph, so that equal graphs hash equally.

Titles (`_meta`) and SaveImage's `filename_prefix` never count: neither touches a pixel, and the prefix is new with
every attempt. Nothing here changes a graph.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

PREFIX_INPUT = "filename_prefix"
SAVE_IMAGE = "SaveImage"
PARAMETER_KEY = "$parameter"


class Target(NamedTuple):
    """One input of one node."""

    node: str
    input: str


def canonical_hash(graph: Mapping[str, Any], stand_ins: Mapping[Target, str]) -> str:
    """Sha256, in hex, over a graph.

    Args:
        graph: ComfyUI API graph.
        stand_ins: inputs whose value does not count, each with the name of the parameter that stands in its place.
    """
    spelled = {
        node_id: {
            "class_type": node["class_type"],
            "inputs": {
                name: {PARAMETER_KEY: stand_ins[target]} if (target := Target(node_id, name)) in stand_ins else value
                for name, value in node["inputs"].items()
                if not (name == PREFIX_INPUT and node["class_type"] == SAVE_IMAGE)
            },
        }
        for node_id, node in graph.items()
    }
    text = json.dumps(spelled, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
