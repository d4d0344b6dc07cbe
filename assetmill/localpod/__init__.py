"""A RunPod-compatible queue endpoint on this machine.

`serve` runs one until it is told to end, `running_pod` runs one inside a block, and `draft_endpoint` (in
`process`) runs one as a child process. What carries the jobs out is a function that is passed in; the room knows
nothing of manifests, ledgers or stores.
"""

from __future__ import annotations

from assetmill.localpod.config import DRAFT_ENDPOINT, Limits, PodConfig, Rate
from assetmill.localpod.endpoint import Pod
from assetmill.localpod.queue import Counts
from assetmill.localpod.server import running_pod, serve
from assetmill.localpod.workers import Worker

__all__ = [
    "DRAFT_ENDPOINT",
    "Counts",
    "Limits",
    "Pod",
    "PodConfig",
    "Rate",
    "Worker",
    "running_pod",
    "serve",
]
