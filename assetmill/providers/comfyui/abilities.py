"""What a ComfyUI server can do, told from its own list of nodes: nothing is queued, and nothing is paid.

GET /object_info holds every node that has loaded and every model file that its folders have. Files that a custom
node fetches by itself at its first use (BiRefNet, Depth Anything) are in no list, so nobody can miss them here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from assetmill.clock import Clock
from assetmill.errors import NotDelivered
from assetmill.providers.base import Ability
from assetmill.providers.endpoint import Endpoint
from assetmill.workflows.contract import Contract
from assetmill.workflows.library import Library, Workflow
from assetmill.workflows.lint import Code, Finding
from assetmill.workflows.live import fetch_object_info, lint_against

FOLDERS: Mapping[str, str] = {
    "CheckpointLoaderSimple": "checkpoints",
    "UNETLoader": "diffusion_models",
    "VAELoader": "vae",
    "CLIPLoader": "text_encoders",
    "DualCLIPLoader": "text_encoders",
    "LoraLoader": "loras",
    "LoraLoaderModelOnly": "loras",
    "UpscaleModelLoader": "upscale_models",
    "ControlNetLoader": "controlnet",
}
"""Loader -> folder below `models/` whose files it offers."""

CUSTOM = "custom_nodes."
AGAIN_S = 1.0


async def abilities(endpoint: Endpoint, clock: Clock, library: Library) -> tuple[Ability, ...]:
    """Whether a server can run each workflow of the library, in its order.

    Raises:
        NotDelivered: it cannot be reached, twice in a row.
        ProviderRefused: something answers that is no ComfyUI, or wants a key.
        WorkflowError: it describes a node in a shape that cannot be read.
    """
    key = endpoint.key.get_secret_value() if endpoint.key else None
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"} if key else {}) as client:
        try:
            info = await fetch_object_info(endpoint.address, client)
        except NotDelivered:
            await clock.sleep(AGAIN_S)
            info = await fetch_object_info(endpoint.address, client)
    return judged(library, info)


def judged(library: Library, object_info: Mapping[str, Any]) -> tuple[Ability, ...]:
    """What a list of nodes means for each workflow."""
    findings = lint_against(library, object_info)
    return tuple(
        _ability(workflow, [finding for finding in findings if finding.workflow == workflow.name], library.contract)
        for workflow in library
    )


def _ability(workflow: Workflow, findings: Sequence[Finding], contract: Contract) -> Ability:
    if not findings:
        return Ability(workflow.name, able=True)
    said = dict.fromkeys(_words(workflow, finding, contract) for finding in findings)
    missing = dict.fromkeys(name for finding in findings if (name := _missing(workflow, finding)))
    return Ability(workflow.name, able=False, why="; ".join(said), missing=tuple(missing))


def _missing(workflow: Workflow, finding: Finding) -> str:
    """Name of the node or model that is not there."""
    if finding.code is Code.UNKNOWN_NODE:
        return str(workflow.graph[finding.node]["class_type"])
    if finding.code is Code.MODEL_MISSING:
        return str(workflow.graph[finding.node]["inputs"].get(finding.input))
    return ""


def _words(workflow: Workflow, finding: Finding, contract: Contract) -> str:
    name = _missing(workflow, finding)
    if finding.code is Code.UNKNOWN_NODE:
        spec = contract.nodes.get(name)
        custom = spec is not None and spec.module.startswith(CUSTOM)
        pack = f" of the node pack {spec.module.removeprefix(CUSTOM)}" if spec and custom else " of ComfyUI itself"
        return f"it has no node {name}{pack if spec else ''}"
    if finding.code is Code.MODEL_MISSING:
        folder = FOLDERS.get(workflow.graph[finding.node]["class_type"])
        return f"it has no model {name}" + (f" in models/{folder}" if folder else "")
    place = " ".join(part for part in (f"node {finding.node}" if finding.node else "", finding.input) if part)
    return f"{place}: {finding.message}" if place else finding.message
