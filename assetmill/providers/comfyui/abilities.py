"""What a ComfyUI server can do, told from its own list of nodes: nothing is queued, and nothing is paid.

GET /object_info holds every node that has loaded and every model file that its folders have. Files that a custom
node fetches by itself at its first use (BiRefNet, Depth Anything) are in no list; that is said and not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from assetmill.clock import Clock
from assetmill.errors import NotDelivered
from assetmill.providers.base import Ability
from assetmill.providers.endpoint import Endpoint
from assetmill.providers.lacks import Lack, ability_of, missing_node, other_fault, wrong_value
from assetmill.workflows.contract import Contract
from assetmill.workflows.library import Library, Workflow
from assetmill.workflows.lint import Code, Finding
from assetmill.workflows.live import fetch_object_info, lint_against

AGAIN_S = 1.0
NOT_OFFERED = frozenset({Code.MODEL_MISSING, Code.VALUE_NOT_ALLOWED})


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
        ability_of(
            workflow,
            [
                _lack(workflow, finding, object_info, library.contract)
                for finding in findings
                if finding.workflow == workflow.name
            ],
        )
        for workflow in library
    )


def _lack(workflow: Workflow, finding: Finding, object_info: Mapping[str, Any], contract: Contract) -> Lack:
    node = workflow.graph.get(finding.node)
    if node is None:
        return other_fault("graph", "", finding.message, "")
    kind, name = node["class_type"], finding.input
    if finding.code is Code.UNKNOWN_NODE:
        return missing_node(kind, contract)
    if finding.code in NOT_OFFERED:
        return wrong_value(kind, name, node["inputs"][name], _offered(object_info[kind]["input"], name), contract)
    return other_fault(kind, name, finding.message, "")


def _offered(inputs: Mapping[str, Any], name: str) -> Iterable[object]:
    """The choices of an input, in both spellings: `[[...], {}]` and `["COMBO", {"options": [...]}]`."""
    head, *rest = next(entries[name] for entries in inputs.values() if entries and name in entries)
    options: object = head if isinstance(head, list) else (rest[0] if rest else {}).get("options")
    return options if isinstance(options, list) else ()
