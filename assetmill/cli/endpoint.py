"""`endpoint`: the endpoint file and RunPod: what differs, bring it about, look at it, scale it, end it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from assetmill.cli.outcome import ERR, guarded, print_json
from assetmill.errors import ConsentMissing, UsageError

if TYPE_CHECKING:
    from assetmill.provisioning import EndpointPlan
    from assetmill.provisioning.apply import Applied
    from assetmill.settings import Settings

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

endpoint_app = typer.Typer(help="The endpoint at RunPod, as the endpoint file describes it.", no_args_is_help=True)
DIFFERS = 1

File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="The endpoint file, in place of ASSETMILL_ENDPOINT_FILE.")
]
Id = Annotated[str | None, typer.Option("--id", metavar="ID", help="Which one, where several have the name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree to it.")]


@endpoint_app.command("plan")
@guarded
def show_plan(*, file: File = None, id_: Id = None, as_json: AsJson = False) -> int:
    """Say what the file would change, what it causes and what it may cost; ends with 1 if something differs."""
    from assetmill.cli import endpoint_words as words
    from assetmill.clock import Clock
    from assetmill.provisioning import plan

    settings = _settings()
    found = asyncio.run(plan(settings, Clock(), file, endpoint_id=id_))
    code = DIFFERS if found.changes else 0
    if as_json:
        print_json(words.plan_document(found) | {"exit_code": code})
    else:
        words.print_plan(found, _console())
    return code


@endpoint_app.command("apply")
@guarded
def apply_plan(*, file: File = None, id_: Id = None, yes: Yes = False, as_json: AsJson = False) -> int:
    """Make the endpoint, or change it to what the file says; shows the difference first, and asks."""
    from assetmill.cli import endpoint_words as words

    settings = _settings()
    done, planned = asyncio.run(_apply(settings, file, id_, yes=yes))
    if as_json:
        print_json(words.applied_document(done, planned) | {"exit_code": 0})
    else:
        words.print_applied(done, settings, _console())
    return 0


@endpoint_app.command("status")
@guarded
def show_status(*, file: File = None, id_: Id = None, as_json: AsJson = False) -> int:
    """Say how the endpoint stands: its workers, its newest release, and whether it is as the file says."""
    from assetmill.cli import endpoint_words as words
    from assetmill.clock import Clock
    from assetmill.provisioning.access import managing
    from assetmill.provisioning.standing import standing

    settings = _settings()

    async def look() -> words.Standing:
        async with managing(settings, Clock()) as api:
            return await standing(api, settings, file or settings.endpoint_file, id_)

    found = asyncio.run(look())
    if as_json:
        print_json(words.standing_document(found) | {"exit_code": 0})
    else:
        words.print_standing(found, _console())
    return 0


@endpoint_app.command("scale")
@guarded
def scale_workers(
    most: Annotated[str, typer.Argument(metavar="N|file", help="Most workers; `file`: what the endpoint file says.")],
    *,
    file: File = None,
    id_: Id = None,
    as_json: AsJson = False,
) -> int:
    """Set the most workers. 0: no job is begun, and nothing is paid."""
    from assetmill.clock import Clock
    from assetmill.provisioning import load_spec
    from assetmill.provisioning.access import managing
    from assetmill.provisioning.apply import one_called, scale

    settings = _settings()
    spec = load_spec(file or settings.endpoint_file, to_deploy=False)
    wanted = spec.workers.max if most == "file" else _count(most)

    async def work() -> tuple[str, int | None, int]:
        async with managing(settings, Clock()) as api:
            endpoint_id = str((await one_called(api, spec.name, id_))["id"])
            return endpoint_id, *(await scale(api, endpoint_id, wanted))

    endpoint_id, before, now = asyncio.run(work())
    if as_json:
        document = {"endpoint_id": endpoint_id, "name": spec.name, "before": before, "max_workers": now}
        print_json(document | {"exit_code": 0})
    else:
        was = "unknown" if before is None else str(before)
        change = f"is {now}, as it was" if before == now else f"was {was}, and is {now} now"
        _console().print(f"max workers of {spec.name} ({endpoint_id}) {change}")
    return 0


@endpoint_app.command("delete")
@guarded
def delete_endpoint(
    *,
    confirm: Annotated[str | None, typer.Option("--confirm", metavar="NAME", help="The endpoint's name.")] = None,
    file: File = None,
    id_: Id = None,
    as_json: AsJson = False,
) -> int:
    """End the endpoint for good: its workers stop, its jobs are cancelled. Its name has to be typed."""
    settings = _settings()
    endpoint_id, name = asyncio.run(_delete(settings, file, id_, confirm))
    if as_json:
        print_json({"endpoint_id": endpoint_id, "name": name, "deleted": True, "exit_code": 0})
    else:
        _console().print(f"deleted {name} ({endpoint_id})")
        if endpoint_id in (settings.runpod_endpoint_id, settings.runpod_custom_endpoint_id):
            ERR.print("its id is still in your settings: take it out of .env")
    return 0


async def _apply(settings: Settings, file: Path | None, id_: str | None, *, yes: bool) -> tuple[Applied, EndpointPlan]:
    from assetmill.cli import endpoint_words as words
    from assetmill.clock import Clock
    from assetmill.provisioning import load_spec
    from assetmill.provisioning.access import managing, prices_there
    from assetmill.provisioning.apply import apply
    from assetmill.provisioning.plan import plan_with

    spec, clock = load_spec(file or settings.endpoint_file, prices_there(settings)), Clock()
    async with managing(settings, clock) as api:
        planned = await plan_with(api, spec, settings, endpoint_id=id_)
        words.print_plan(planned, ERR)
        if planned.changes and not yes:
            _ask("Do this?")
        return await apply(api, planned, clock), planned


async def _delete(settings: Settings, file: Path | None, id_: str | None, confirm: str | None) -> tuple[str, str]:
    from assetmill.clock import Clock
    from assetmill.provisioning import load_spec
    from assetmill.provisioning.access import managing
    from assetmill.provisioning.apply import delete, one_called

    spec = load_spec(file or settings.endpoint_file, to_deploy=False)
    async with managing(settings, Clock()) as api:
        endpoint = await one_called(api, spec.name, id_)
        if confirm is None:
            if not ERR.is_terminal:
                hint = f"add --confirm {spec.name}, if you mean {endpoint['id']}"
                raise ConsentMissing("an endpoint is only deleted by its name", hint=hint)
            confirm = typer.prompt(f"Type the name of {endpoint['id']} to delete it for good", err=True)
        await delete(api, endpoint, confirm)
        return str(endpoint["id"]), spec.name


def _ask(question: str) -> None:
    if not ERR.is_terminal:
        raise ConsentMissing("nobody has agreed to this", hint="look at the plan, then add --yes")
    if not typer.confirm(question, err=True):
        raise ConsentMissing("not agreed; nothing was changed")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(
            f"{text!r} is no number of workers", hint="0 and up, or `file` for what the endpoint file says"
        )
    return int(text)


def _settings() -> Settings:
    from assetmill.settings import load_settings, reach_this_machine_directly

    reach_this_machine_directly()
    return load_settings()


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)
