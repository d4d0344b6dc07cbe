"""A RunPod-compatible queue endpoint on this machine.

`serve` runs one until it is told to end, `running_pod` runs one inside a block, and `draft_endpoint` (in
`process`) runs one as a child process. What carries the jobs out is a function that is passed in; the room knows
nothing of manifests, ledgers or stores.
"""

from __future__ import annotations

from assetmill.localpod.config import DRAFT_ENDPOINT, Limits, PodConfig, Rate
from assetmill.localpod.endpoint import Pod
from assetmill.localpod.executions import Ending, Execution
from assetmill.localpod.fault_reading import read_faults, read_faults_file
from assetmill.localpod.faults import NO_FAULTS, Faults, Kind, Rule
from assetmill.localpod.gpus import LOCAL_GPU, Gpu, gpus_named, known_gpus
from assetmill.localpod.injector import FAULT_KEY, Injection
from assetmill.localpod.interference import FAULT_HEADER
from assetmill.localpod.meter import Charge
from assetmill.localpod.pace import scaled
from assetmill.localpod.queue import Counts
from assetmill.localpod.server import running_pod, serve
from assetmill.localpod.workers import Worker

__all__ = [
    "DRAFT_ENDPOINT",
    "FAULT_HEADER",
    "FAULT_KEY",
    "LOCAL_GPU",
    "NO_FAULTS",
    "Charge",
    "Counts",
    "Ending",
    "Execution",
    "Faults",
    "Gpu",
    "Injection",
    "Kind",
    "Limits",
    "Pod",
    "PodConfig",
    "Rate",
    "Rule",
    "Worker",
    "gpus_named",
    "known_gpus",
    "read_faults",
    "read_faults_file",
    "running_pod",
    "scaled",
    "serve",
]
