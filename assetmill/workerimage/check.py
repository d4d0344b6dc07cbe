"""Whether the image as written is what the graphs need, and pinned: all findings at once, none of them by building.

Three questions: does every pin pin, does the lock provide what graphs name and nothing else, and does the Dockerfile
take everything by way of the lock. It reads what an honest hand would write; who wants to hide something from it can.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from assetmill.workerimage.lock import COMMIT, CORE, LOCK, UNKNOWN, Model, WorkerLock, read_lock
from assetmill.workerimage.needs import VARIANTS, Need, models_needed, packs_needed, unknown_classes
from assetmill.workerimage.recipe import (
    DOCKERFILE,
    INSTRUCTIONS,
    Instruction,
    defaults,
    environment,
    filled,
    read_dockerfile,
    stages,
)
from assetmill.workflows import Library

REQUIREMENTS = "node-requirements.txt"
STEPS = ("fetch_nodes.py", "fetch_models.py", "prove.py", "wire_start.py")
"""Programs of the build that it has to run, in this order."""
VENV = "/opt/venv"
"""The environment in which the base runs ComfyUI."""

_ONE_VERSION = re.compile(r"\d+\.\d+\.\d+\S*")
_FLOATING = re.compile(r"/(main|master|latest|head)(/|$)", re.IGNORECASE)
_HUB = re.compile(r"https?://[^/]+/[^/]+/[^/]+/(?:resolve|raw|blob)/([^/]+)/")
_BYPASS = re.compile(
    r"(\bgit\b[^;&|]*?\b(?:clone|fetch|pull)\b|\bcomfy-node-install\b|\bcomfy\s[^;&|]*?\b(?:node|model|install)\b|\bwget\b"
    r"|\bcurl\b|\baria2c\b|\bhf download\b|\bhuggingface-cli\b|\b(?:apt|apt-get|npm|conda)\s[^;&|]*?\binstall\b"
    r"|\buv (?:add|sync|run|tool|pip sync)\b|\b(?:https?|git|ssh)://[^\s/]+)"
)
_PIP = re.compile(r"\bpip[\d.]*\s([^;&|]*?)\binstall\b([^;&|]*)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BASES_OWN = ("handler.py", "start.sh")
_BASES_FOLDERS = ("/comfyui", "/opt/venv")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[^\s*;]+(\s+--hash=sha256:[0-9a-f]{64})+")


class Code(StrEnum):
    """What is wrong."""

    NO_CHECKSUM = "no-checksum"
    NO_SIZE = "no-size"
    NO_LICENCE = "no-licence"
    FLOATING = "floating"
    TWICE = "twice"
    NOT_ON_VOLUME = "not-on-volume"
    NODE_MISSING = "node-missing"
    NODE_UNUSED = "node-unused"
    MODEL_MISSING = "model-missing"
    MODEL_UNUSED = "model-unused"
    TOO_OLD = "too-old"
    OTHER_BASE = "other-base"
    PAST_THE_LOCK = "past-the-lock"
    START = "start"
    ENVIRONMENT = "environment"
    STEP_MISSING = "step-missing"
    FILE_MISSING = "file-missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Args:
        code: what.
        where: file, and line or entry.
        message: in words, with what to do.
    """

    code: Code
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} [{self.code}]"


def check_image(folder: Path, library: Library) -> tuple[Finding, ...]:
    """Everything that is wrong with the worker image of a folder.

    Args:
        folder: runpod-worker/ with its Dockerfile, models.lock and node-requirements.txt.
        library: workflows that the image has to run.

    Raises:
        UsageError: one of the files cannot be read, or the lock is none.
    """
    lock = read_lock(folder / LOCK)
    instructions = read_dockerfile(folder / DOCKERFILE)
    return (
        *_pins(lock),
        *_nodes(lock, library),
        *_models(lock, library),
        *_too_old(lock, library),
        *_recipe(instructions, lock),
        *_steps(instructions, folder),
        *_requirements(folder / REQUIREMENTS),
    )


def _pins(lock: WorkerLock) -> Iterator[Finding]:
    """Pins that do not pin, and licences that nobody noted."""
    for pack in lock.node:
        where = f"{LOCK}: node {pack.name}"
        if not COMMIT.fullmatch(pack.commit):
            yield Finding(Code.FLOATING, where, f"commit {pack.commit!r} is not a whole commit id of 40 digits")
        if not pack.licence.strip():
            yield Finding(Code.NO_LICENCE, where, "its licence is not noted")
    seen: set[tuple[str, str]] = set()
    for model in lock.model:
        yield from _model_pins(model, lock)
        if (model.folder, model.file) in seen:
            yield Finding(Code.TWICE, _at(model), f"{model.folder}/{model.file} stands in the lock twice")
        seen.add((model.folder, model.file))


def _model_pins(model: Model, lock: WorkerLock) -> Iterator[Finding]:
    where = _at(model)
    if not model.locked and not (model.sha256 == UNKNOWN and model.set != CORE):
        if model.size <= 0:
            yield Finding(Code.NO_SIZE, where, "it has no size; run `assetmill worker-image lock`")
        if model.size > 0 or model.sha256 == UNKNOWN:
            found = model.sha256 or "nothing"
            yield Finding(
                Code.NO_CHECKSUM, where, f"sha256 is {found}, not 64 hex digits; run `assetmill worker-image lock`"
            )
    hub = _HUB.match(model.url)
    if _FLOATING.search(model.url) or (hub and not COMMIT.fullmatch(hub[1])):
        yield Finding(Code.FLOATING, where, f"{model.url} names no revision: its content may change")
    if not model.licence.strip():
        yield Finding(Code.NO_LICENCE, where, "its licence is not noted")
    if model.place == "anywhere" and model.folder not in lock.base.volume_folders:
        known = ", ".join(lock.base.volume_folders)
        yield Finding(
            Code.NOT_ON_VOLUME, where, f"on a volume the base does not look into {model.folder}, only into {known}"
        )


def _nodes(lock: WorkerLock, library: Library) -> Iterator[Finding]:
    needed = packs_needed(library)
    provided = {pack.folder: set(pack.classes) for pack in lock.node}
    for kind, workflow in unknown_classes(library).items():
        yield Finding(
            Code.NODE_MISSING,
            LOCK,
            f"workflow {workflow} uses {kind}, which the node contract does not know: nobody can say what provides it",
        )
    for folder in sorted({pack.folder for pack in lock.node}):
        if sum(pack.folder == folder for pack in lock.node) > 1:
            yield Finding(Code.TWICE, LOCK, f"node packs of the folder {folder} stand in the lock twice")
    for folder, classes in needed.items():
        for kind, workflow in classes.items():
            if kind not in provided.get(folder, set()):
                yield Finding(
                    Code.NODE_MISSING, LOCK, f"workflow {workflow} uses {kind} of {folder}, which no [[node]] provides"
                )
    for pack in lock.node:
        for kind in sorted(set(pack.classes) - needed.get(pack.folder, {}).keys()):
            yield Finding(Code.NODE_UNUSED, f"{LOCK}: node {pack.name}", f"no graph uses {kind}")
        if not pack.classes:
            yield Finding(Code.NODE_UNUSED, f"{LOCK}: node {pack.name}", "it names no class that a graph uses")


def _models(lock: WorkerLock, library: Library) -> Iterator[Finding]:
    there = {(model.folder, model.file, model.name) for model in lock.model}
    used: set[tuple[str, str, str]] = set()
    told: set[tuple[str, str]] = set()
    for need in models_needed(library):
        for file in need.files:
            spots = {(folder, file, need.name) for folder in need.folders}
            used |= spots
            if not spots & there and (need.kind, file) not in told:
                told.add((need.kind, file))
                folders = " or ".join(need.folders) or f"a folder that nobody noted for {need.kind}"
                yield Finding(
                    Code.MODEL_MISSING,
                    LOCK,
                    f"workflow {need.workflow}: node {need.node} names {need.name}, and no [[model]] of that name puts"
                    f" {file} into {folders}",
                )
            yield from _in_a_variant(need, [one for one in lock.model if (one.folder, one.file, one.name) in spots])
    for model in lock.model:
        if (model.folder, model.file, model.name) not in used:
            yield Finding(Code.MODEL_UNUSED, _at(model), f"no graph names {model.name} with this file in this folder")


def _in_a_variant(need: Need, found: Sequence[Model]) -> Iterator[Finding]:
    """A file that only images of a set hold, for a workflow that every image has to run."""
    for model in found:
        if model.set != CORE and need.workflow not in VARIANTS.get(model.set, ()):
            yield Finding(
                Code.MODEL_MISSING,
                _at(model),
                f"workflow {need.workflow} names {need.name}, and only an image of the set {model.set} holds it",
            )


def _too_old(lock: WorkerLock, library: Library) -> Iterator[Finding]:
    for workflow in library:
        oldest = workflow.since or library.contract.versions[0]
        if _version(lock.base.comfyui) < _version(oldest):
            yield Finding(
                Code.TOO_OLD,
                f"{LOCK}: base",
                f"workflow {workflow.name} needs ComfyUI {oldest}, and the base holds {lock.base.comfyui}",
            )


def _recipe(instructions: Sequence[Instruction], lock: WorkerLock) -> Iterator[Finding]:
    """What a Dockerfile takes past the lock, or takes over from the base."""
    expected = f"{lock.base.image}:{lock.base.tag}"
    for at, one in enumerate(instructions):
        where, text = f"{DOCKERFILE}:{one.line}", filled(one.text, defaults(instructions[:at]))
        match one.name:
            case "FROM":
                yield from _base(where, text, expected)
            case name if name not in INSTRUCTIONS:
                yield Finding(Code.PAST_THE_LOCK, where, f"{name} is no instruction that this check can read")
            case "CMD" | "ENTRYPOINT":
                yield Finding(Code.START, where, f"{one.name} is the base's; its start script begins ComfyUI too")
            case "ADD":
                yield Finding(Code.PAST_THE_LOCK, where, "ADD may fetch what no checksum holds; COPY what lies here")
            case "COPY":
                yield from _copied(where, text, stages(instructions))
            case "RUN":
                yield from _past_the_lock(where, text)
    installs = next((at for at, one in enumerate(instructions) if one.name == "RUN" and _PIP.search(one.text)), None)
    for until in {installs, None}:
        if environment(instructions[:until]).get("VIRTUAL_ENV") != VENV:
            yield Finding(
                Code.ENVIRONMENT,
                DOCKERFILE,
                f"VIRTUAL_ENV is not {VENV}: packages would land where ComfyUI never looks",
            )
            return


def _copied(where: str, text: str, known: frozenset[str]) -> Iterator[Finding]:
    """What a COPY brings from elsewhere, or puts in the place of what is the base's."""
    stage = re.search(r"--from=(\S+)", text)
    if stage and stage[1] not in known:
        yield Finding(Code.PAST_THE_LOCK, where, f"{stage[1]} is an image that the lock does not hold")
    names = [word.strip('[]",') for word in text.split() if not word.startswith("--")]
    if any(Path(name).name in _BASES_OWN for name in names):
        yield Finding(Code.START, where, "/handler.py and /start.sh are the base's; ours only runs them")
    if names and names[-1].startswith(_BASES_FOLDERS):
        yield Finding(Code.PAST_THE_LOCK, where, f"what lies in {names[-1]} comes from the lock")


def _base(where: str, text: str, expected: str) -> Iterator[Finding]:
    image, pinned, digest = text.split(maxsplit=1)[0].partition("@")
    tag = image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else ""
    if not _ONE_VERSION.match(tag) or (pinned and not _DIGEST.fullmatch(digest)):
        yield Finding(Code.FLOATING, where, f"{text} is whatever its owner makes of it; name a version")
    elif image != expected:
        yield Finding(Code.OTHER_BASE, where, f"the lock was made for {expected}, not for {image}")


def _past_the_lock(where: str, text: str) -> Iterator[Finding]:
    if found := _BYPASS.search(text):
        yield Finding(Code.PAST_THE_LOCK, where, f"`{found[1]}` fetches what the lock does not hold")
    for found in _PIP.finditer(text):
        if "--require-hashes" not in found[2] or REQUIREMENTS not in found[2]:
            yield Finding(
                Code.FLOATING, where, f"packages come from {REQUIREMENTS} with --require-hashes, so that they stay so"
            )


def _steps(instructions: Sequence[Instruction], folder: Path) -> Iterator[Finding]:
    """Steps that the build does not run or not in order, and files that it copies and that are not there."""
    runs = [one.text for one in instructions if one.name == "RUN"]
    for one in instructions:
        if one.name == "RUN" and "||" in one.text and any(step in one.text for step in STEPS):
            yield Finding(
                Code.STEP_MISSING, f"{DOCKERFILE}:{one.line}", "after `||` the build goes on where a step has failed"
            )
    at = [next((i for i, text in enumerate(runs) if step in text), None) for step in STEPS]
    for step, place in zip(STEPS, at, strict=True):
        if place is None:
            yield Finding(Code.STEP_MISSING, DOCKERFILE, f"it never runs {step}")
    found = [place for place in at if place is not None]
    if found != sorted(found):
        yield Finding(Code.STEP_MISSING, DOCKERFILE, f"its steps run in another order than {', '.join(STEPS)}")
    for one in instructions:
        if one.name == "COPY" and "--from" not in one.text:
            for name in one.text.split()[:-1]:
                if not name.startswith("--") and not (folder.parent / name).exists():
                    yield Finding(Code.FILE_MISSING, f"{DOCKERFILE}:{one.line}", f"there is no {name} to copy")


def _requirements(path: Path) -> Iterator[Finding]:
    if not path.is_file():
        yield Finding(Code.FILE_MISSING, path.name, "it is not there")
        return
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        text = line.partition(" #")[0].strip()
        if text and not text.startswith("#") and not _REQUIREMENT.fullmatch(text):
            yield Finding(
                Code.FLOATING, f"{path.name}:{number}", f"{text} is not name==version with its --hash=sha256:..."
            )


def _at(model: Model) -> str:
    return f"{LOCK}: model {model.folder}/{model.file}"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))
