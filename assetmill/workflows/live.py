"""Check the workflows against one ComfyUI: its own nodes, its own versions, its own model files.

The recorded contract says what holds in general; only the machine itself knows which custom nodes failed to load
(their imports fail without a word) and which model files it has. It is asked while it runs, or its answer is read
from a file that was saved from it, such as from an image that nobody has put to work yet. This is the one module of
the room that speaks HTTP, and only when it is asked to; it never queues anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from assetmill.errors import NotDelivered, ProviderRefused, UsageError
from assetmill.workflows.contract import FILE_INPUTS, Contract, contract_from_object_info
from assetmill.workflows.library import Library
from assetmill.workflows.lint import Code, Finding, lint_graph

TIMEOUT_S = 30.0
"""s; /object_info of an installation with many custom nodes is several megabytes and is put together on request."""

LIVE = "this ComfyUI"

PACKS = "custom_nodes."
"""How the Python module of a node begins that does not come with ComfyUI itself."""

SAVE_IT = "save it with: curl -o FILE http://HOST:8188/object_info"


async def fetch_object_info(url: str, client: httpx.AsyncClient) -> dict[str, Any]:
    """GET /object_info.

    Args:
        url: address of ComfyUI, with or without a path before /object_info.
        client: the caller's client.

    Raises:
        UsageError: `url` is no http address.
        NotDelivered: nothing answered in 30 s, or ComfyUI is in trouble (5xx).
        ProviderRefused: something answered that is no ComfyUI, or wants a password.
    """
    address = _address(url)
    try:
        answer = await client.get(address, timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        raise NotDelivered(
            f"no ComfyUI answers at {_public(address)}: {type(error).__name__}", hint="is it running, and reachable?"
        ) from error
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NotDelivered(f"{_public(address)} answers {answer.status_code}", hint="look at ComfyUI's own log")
    if answer.status_code != HTTPStatus.OK:
        raise ProviderRefused(
            f"{_public(address)} answers {answer.status_code}", hint="is this ComfyUI's address, and open to you?"
        )
    return _parsed(answer, address)


def read_object_info(path: Path) -> dict[str, Any]:
    """An /object_info answer that was saved as a file, in any of JSON's encodings.

    Raises:
        UsageError: there is no such file, or it is no such answer.
    """
    try:
        info = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint=SAVE_IT) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {error}", hint=SAVE_IT) from error
    if not _sound(info):
        raise UsageError(f"{path} is no ComfyUI node list", hint=SAVE_IT)
    return dict(info)


def lint_against(library: Library, object_info: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Every fault that the library's graphs have on one ComfyUI, model files that it lacks included.

    An input that our contract calls optional and that this ComfyUI does not know is no fault: it ignores it.

    Raises:
        WorkflowError: `object_info` describes a node in a shape that cannot be read.
    """
    used = {node["class_type"] for workflow in library for node in workflow.graph.values()}
    present = used & set(object_info)
    live = Contract.model_validate(contract_from_object_info({LIVE: object_info}, present))
    found = (finding for workflow in library for finding in lint_graph(workflow.graph, live, workflow=workflow.name))
    return tuple(finding for finding in found if not _ignored_by_older(finding, library))


def without_files(library: Library, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings that are not only about a model file that the machine has not.

    A ComfyUI that was started to look at its nodes has no models; that says nothing about its version. A model that
    is chosen from a list in a node's own code is no file, and stays a fault.
    """
    return tuple(finding for finding in findings if not _about_a_file(finding, library))


def without_packs(library: Library, findings: Iterable[Finding], object_info: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Findings that are not only about a node pack that the machine has nothing of.

    A base image has none of the packs that our image adds. Where one is there and lacks a node that we know of it, it
    has been changed, or did not load: that stays a fault.
    """
    packs = {kind: spec.module for kind, spec in library.contract.nodes.items() if spec.module.startswith(PACKS)}
    there = {module for kind, module in packs.items() if kind in object_info}

    def absent(finding: Finding) -> bool:
        if finding.code is not Code.UNKNOWN_NODE:
            return False
        module = packs.get(library.get(finding.workflow).graph[finding.node]["class_type"])
        return module is not None and module not in there

    return tuple(finding for finding in findings if not absent(finding))


def _about_a_file(finding: Finding, library: Library) -> bool:
    if finding.code is not Code.MODEL_MISSING:
        return False
    kind = library.get(finding.workflow).graph[finding.node]["class_type"]
    return finding.input in FILE_INPUTS.get(kind, ())


def _ignored_by_older(finding: Finding, library: Library) -> bool:
    if finding.code is not Code.EXTRA_INPUT:
        return False
    kind = library.get(finding.workflow).graph[finding.node]["class_type"]
    spec = library.contract.nodes.get(kind)
    known = spec.inputs.get(finding.input) if spec else None
    return known is not None and not known.required


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise UsageError(f"{url!r} is no address: {error}", hint="write it as http://host:8188") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise UsageError(
            f"{str(address.copy_with(userinfo=b''))!r} is no http address", hint="write it as http://host:8188"
        )
    path = address.path.rstrip("/").removesuffix("/object_info")
    return address.copy_with(path=f"{path}/object_info", query=None, fragment=None)


def _public(address: httpx.URL) -> str:
    """The address without a password that may stand in it."""
    return str(address.copy_with(userinfo=b""))


def _parsed(answer: httpx.Response, address: httpx.URL) -> dict[str, Any]:
    try:
        info = answer.json()
    except (ValueError, RecursionError):
        info = None
    if not _sound(info):
        raise ProviderRefused(f"{_public(address)} is no ComfyUI node list", hint="is this ComfyUI's address?")
    return dict(info)


def _sound(info: Any) -> bool:
    """Whether it looks like a node list: node class -> its description."""
    if not isinstance(info, dict) or not info:
        return False
    return all(isinstance(node, dict) and isinstance(node.get("input"), dict) for node in info.values())
