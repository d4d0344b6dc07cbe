"""A Scenario API on this machine: placeholder art, honest errors, and the faults that one asks for.

`serve_scenario` runs one until it is told to end, `running_scenario` runs one inside a block. It shares with the
RunPod endpoint beside it the draft artist and the way of listening, and nothing of either protocol; it knows nothing
of manifests, ledgers or stores.
"""

from __future__ import annotations

from assetmill.localpod.scenario.config import ScenarioConfig, Stages
from assetmill.localpod.scenario.endpoint import DRY_RUN, LocalScenario
from assetmill.localpod.scenario.faults import Fault, Kind, read_faults_file
from assetmill.localpod.scenario.models import MODELS, Does, Input, Model
from assetmill.localpod.scenario.prices import Prices
from assetmill.localpod.scenario.server import running_scenario, serve_scenario
from assetmill.localpod.scenario.works import Job, Status

__all__ = [
    "DRY_RUN",
    "MODELS",
    "Does",
    "Fault",
    "Input",
    "Job",
    "Kind",
    "LocalScenario",
    "Model",
    "Prices",
    "ScenarioConfig",
    "Stages",
    "Status",
    "read_faults_file",
    "running_scenario",
    "serve_scenario",
]
