"""`worker-image lint` and `worker-image lock`: the GPU worker's image as files, before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from assetmill.cli.outcome import ERR, guarded, many, print_json

if TYPE_CHECKING:
    from assetmill.workerimage.hub import Answer
    from assetmill.workerimage.lock import WorkerLock

# ruff: noqa: PLC0415  commands import what they need when they run, so that the light ones stay light

worker_image_app = typer.Typer(help="The GPU worker's image: its Dockerfile and lock.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Holds Dockerfile and models.lock.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Let the hub's word stand where the lock has another checksum.")
]
RUNPOD_WORKER = Path("runpod-worker")


@worker_image_app.command("lint")
@guarded
def lint(folder: Folder = RUNPOD_WORKER, as_json: AsJson = False) -> int:
    """Check that the image has every node and model that a graph names, none besides, and that each pin pins."""
    from assetmill.workerimage import check_image, read_lock
    from assetmill.workerimage.lock import LOCK
    from assetmill.workflows import load_library

    findings = check_image(folder, load_library())
    lock = read_lock(folder / LOCK)
    code = 2 if findings else 0
    if as_json:
        rows = [{"code": one.code, "where": one.where, "message": one.message} for one in findings]
        print_json({"findings": rows, **_state(lock), "exit_code": code})
        return code
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(escape(str(finding)))
    _print_open(lock)
    console.print(
        f"{many(len(lock.model), 'model file')}, {many(len(lock.node), 'node pack')}, {many(len(findings), 'finding')}"
    )
    return code


@worker_image_app.command("lock")
@guarded
def lock(folder: Folder = RUNPOD_WORKER, *, replace: Replace = False, as_json: AsJson = False) -> int:
    """Ask the hub for checksum, size and revision of every model and write them down; 1 if one could not be had."""
    import asyncio

    import httpx

    from assetmill.settings import reach_this_machine_directly
    from assetmill.workerimage import read_lock, render_lock
    from assetmill.workerimage.hub import ask_hub, with_answers
    from assetmill.workerimage.lock import LOCK

    reach_this_machine_directly()
    path = folder / LOCK
    before = read_lock(path)

    async def ask() -> tuple[Answer, ...]:
        async with httpx.AsyncClient() as client:
            return await ask_hub(before, client, replace=replace)

    answers = asyncio.run(ask())
    after = with_answers(before, answers)
    _write(path, render_lock(after))
    code = 1 if any(answer.problem for answer in answers) else 0
    if as_json:
        rows = [{"file": one.model.file, "changed": one.changed, "problem": one.problem} for one in answers]
        print_json({"models": rows, **_state(after), "exit_code": code})
    else:
        _print_answers(answers)
        _print_open(after)
    return code


def _write(path: Path, text: str) -> None:
    """In one piece, so that a lock is never half written."""
    from assetmill.errors import UsageError

    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _state(lock: WorkerLock) -> dict[str, list[str]]:
    """Files that cannot be built, and those of which the hub was never asked."""
    unverified = [model.file for model in lock.model if model.locked and not model.verified]
    return {"without_checksum": [model.file for model in lock.unlocked], "unverified": unverified}


def _print_open(lock: WorkerLock) -> None:
    for words, files in zip(
        ("no checksum, so the build refuses them", "checksums from public lists, proven by the first build"),
        _state(lock).values(),
        strict=True,
    ):
        if files:
            ERR.print(f"[yellow]{words}:[/] {escape(', '.join(files))}")


def _print_answers(answers: tuple[Answer, ...]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for one in answers:
        if one.problem:
            ERR.print(f"[bold red]{escape(one.model.file)}:[/] {escape(one.problem)}")
        else:
            console.print(f"{escape(one.model.file)}: {', '.join(one.changed) or 'as it was'}")
    if any(one.problem and " at the hub" in one.problem for one in answers):
        ERR.print("[bold]hint:[/] at one revision a file does not change: find out which is wrong, then --replace")
