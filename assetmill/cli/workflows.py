"""`workflows lint`: every graph against the node contract, or against a ComfyUI that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape

from assetmill.cli.outcome import print_json
from assetmill.errors import NotDelivered, ProviderRefused
from assetmill.settings import reach_this_machine_directly
from assetmill.workflows import Finding, lint_library, load_library
from assetmill.workflows.live import fetch_object_info, lint_against


def lint_workflows(against: str | None, *, as_json: bool) -> int:
    """Print what is wrong; exit code 2 if anything is."""
    library = load_library()
    findings: tuple[Finding, ...] = lint_library(library, library.contract)
    if against is not None:
        reach_this_machine_directly()
        findings += lint_against(library, asyncio.run(_object_info(against)))
    if as_json:
        rows = [
            {"code": f.code, "workflow": f.workflow, "node": f.node, "input": f.input, "message": f.message}
            for f in findings
        ]
        print_json({"workflows": list(library.names), "findings": rows})
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            console.print(escape(str(finding)))
        console.print(f"{len(library.names)} workflows, {len(findings)} findings")
    return 2 if findings else 0


async def _object_info(url: str) -> Mapping[str, Any]:
    try:
        async with httpx.AsyncClient() as client:
            return await fetch_object_info(url, client)
    except NotDelivered as error:
        raise ProviderRefused(error.message, hint=error.hint) from error
