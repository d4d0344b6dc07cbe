"""`deploy`: what prefect.yaml and the settings ask for, put into effect on the configured Prefect server.

Prefect is imported only when the work begins, after its settings are in place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from assetmill.cli.outcome import ERR, guarded, many, print_json
from assetmill.errors import UsageError

if TYPE_CHECKING:
    from assetmill.settings import Settings
    from flows.setup.deploy import Deployed

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="Another prefect.yaml than the one that came along.")
]
Endpoints = Annotated[
    list[str] | None,
    typer.Option("--endpoint", metavar="ID_OR_URL", help="An endpoint beside those of the settings; repeatable."),
]
ResetLimits = Annotated[
    bool, typer.Option("--reset-limits", help="Limits that somebody has changed get the settings' value again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@guarded
def deploy(
    *, file: File = None, endpoints: Endpoints = None, reset_limits: ResetLimits = False, as_json: AsJson = False
) -> int:
    """Set up the Prefect server: work pool, limits, variables, alerts, deployments. May be repeated at any time."""
    from assetmill.cli.prefect_server import prefect_api
    from assetmill.settings import load_settings, reach_this_machine_directly, set_environment

    settings = load_settings()
    api_url = configured_api(settings)
    reach_this_machine_directly()
    with prefect_api(settings.home, api_url):
        set_environment({"DO_NOT_TRACK": "1", "PREFECT_API_URL": api_url})
        from flows.setup.deploy import Wish, run_deploy

        done = run_deploy(settings, Wish(file, tuple(endpoints or ()), reset_limits))
    if as_json:
        print_json(_document(done) | {"exit_code": 0})
    else:
        _print(done, Console(highlight=False))
    return 0


def configured_api(settings: Settings) -> str:
    """Address of the Prefect API. A run starts a server of its own where none is configured; nothing else can.

    Raises:
        UsageError: none is configured.
    """
    if settings.prefect_api_url:
        return settings.prefect_api_url
    raise UsageError(
        "PREFECT_API_URL is not set",
        hint="`make server` (or `assetmill server`) starts one; then set PREFECT_API_URL=http://127.0.0.1:4200/api",
    )


def _document(done: Deployed) -> dict[str, object]:
    return {"file": done.file, "deployments": done.deployments, "changes": done.changes, "notes": done.notes}


def _print(done: Deployed, console: Console) -> None:
    for words in done.changes:
        console.print(escape(words), soft_wrap=True)
    for words in done.notes:
        ERR.print(f"[yellow]note:[/] {escape(words)}")
    changed = many(len(done.changes), "change") if done.changes else "unchanged"
    console.print(f"{many(len(done.deployments), 'deployment')} in effect; {changed}")
