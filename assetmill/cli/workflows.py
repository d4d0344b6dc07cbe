"""`workflows lint`: every graph against the node contract, against a ComfyUI that runs, or against what one told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape

from assetmill.cli.outcome import many, print_json
from assetmill.errors import NotDelivered, ProviderRefused, UsageError
from assetmill.settings import reach_this_machine_directly
from assetmill.workflows import Finding, lint_library, load_library
from assetmill.workflows.live import fetch_object_info, lint_against, read_object_info, without_files, without_packs


def lint_workflows(
    against: str | None, *, ignore_models: bool = False, ignore_packs: bool = False, as_json: bool
) -> int:
    """Print what is wrong; exit code 2 if anything is.

    Args:
        against: address of a ComfyUI, or a file with its /object_info; None for the node contract alone.
        ignore_models: model files that this ComfyUI has not are no fault; how many there are, is said.
        ignore_packs: nor are nodes of a pack that it has nothing of; the same.
        as_json: one JSON object on stdout.

    Raises:
        UsageError: `against` is neither, or is no node list.
        ProviderRefused: no ComfyUI answers at the address.
    """
    if (ignore_models or ignore_packs) and against is None:
        option = "--ignore-models" if ignore_models else "--ignore-packs"
        raise UsageError(f"{option} goes with --against", hint="it says what that ComfyUI has not")
    library = load_library()
    findings: tuple[Finding, ...] = lint_library(library, library.contract)
    models = nodes = 0
    if against is not None:
        told = _told(against)
        found = lint_against(library, told)
        of_files = without_files(library, found) if ignore_models else found
        kept = without_packs(library, of_files, told) if ignore_packs else of_files
        models, nodes = len(found) - len(of_files), len(of_files) - len(kept)
        findings += kept
    if as_json:
        rows = [
            {"code": f.code, "workflow": f.workflow, "node": f.node, "input": f.input, "message": f.message}
            for f in findings
        ]
        ignored = {"ignored_models": models, "ignored_nodes": nodes}
        print_json({"workflows": list(library.names), "findings": rows, **ignored})
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            console.print(escape(str(finding)))
        parts = ((models, "model file"), (nodes, "custom node"))
        left_out = ", ".join(many(count, thing) for count, thing in parts if count)
        told_of = f", {left_out} not looked for" if left_out else ""
        console.print(f"{many(len(library.names), 'workflow')}, {many(len(findings), 'finding')}{told_of}")
    return 2 if findings else 0


def _told(against: str) -> Mapping[str, Any]:
    """What a ComfyUI says of its nodes: asked at its address, or read from the file that it was saved to."""
    if "://" in against:
        reach_this_machine_directly()
        return asyncio.run(_object_info(against))
    path = Path(against)
    if not path.exists():
        hint = "write an address as http://host:8188"
        raise UsageError(f"{against!r} is neither a file nor an address", hint=hint)
    return read_object_info(path)


async def _object_info(url: str) -> Mapping[str, Any]:
    try:
        async with httpx.AsyncClient() as client:
            return await fetch_object_info(url, client)
    except NotDelivered as error:
        raise ProviderRefused(error.message, hint=error.hint) from error
