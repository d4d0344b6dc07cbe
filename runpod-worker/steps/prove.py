"""Prove, while the image is built, that its ComfyUI knows every node and every file that our graphs name.

A custom node whose import fails vanishes without a word, and a job that needs it fails an hour later, on a GPU that is
paid for. So the build starts the image's own ComfyUI as the worker would, without a GPU, asks it what it knows, and
holds that against the graphs, the node contract and the lock. Python that a node loads only with its first job
(BiRefNet's, and the lock's `imports`) is imported too. It must never pass by not looking: whatever cannot be asked is
a failure.

    python prove.py --comfyui /comfyui --workflows workflows --lock models.lock --sets core --models baked
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

UP_WITHIN_S = 300.0
LOOK_EVERY_S = 0.2
TIMEOUT_S = 60
NOT_GRAPHS = frozenset({"bindings", "contract"})


class Failed(Exception):  # noqa: N818  it says what happened
    """ComfyUI cannot be asked."""


def graphs(folder: Path) -> dict[str, dict[str, Any]]:
    """Name -> graph, of a workflows folder."""
    files = sorted(path for path in folder.glob("*.json") if path.stem not in NOT_GRAPHS)
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}


def missing(
    info: Mapping[str, Any],
    workflows: Mapping[str, Mapping[str, Any]],
    contract: Mapping[str, Any],
    here: frozenset[str],
) -> Iterator[str]:
    """What a ComfyUI lacks, in words.

    Args:
        info: its /object_info.
        workflows: graphs by name.
        contract: the node contract.
        here: model names of the lock that this image holds; the others come with a network volume, or not at all.
    """
    for name, graph in workflows.items():
        for node_id, node in graph.items():
            kind = node["class_type"]
            known = info.get(kind)
            if known is None:
                yield f"{name}: node {node_id}: ComfyUI does not know {kind}"
                continue
            specs = contract["nodes"].get(kind, {}).get("inputs", {})
            yield from (
                f"{name}: node {node_id}: {words}" for words in _lacks(kind, known, node["inputs"], specs, here)
            )


def _lacks(
    kind: str, known: Mapping[str, Any], given: Mapping[str, Any], specs: Mapping[str, Any], here: frozenset[str]
) -> Iterator[str]:
    """What one node lacks; an input that only some recorded versions know may be missing, as ComfyUI leaves it out."""
    groups = known.get("input", {})
    inputs = {**groups.get("required", {}), **groups.get("optional", {})}
    for key, value in given.items():
        spec = specs.get(key, {})
        if key not in inputs:
            if not spec.get("versions"):
                yield f"{kind} has no input {key}"
        elif spec.get("model") and value in here and value not in _options(inputs[key]):
            yield f"{kind} does not see {value}"


def _options(entry: Sequence[Any]) -> list[Any]:
    """Choices of an input, as older nodes and newer ones write them."""
    if isinstance(entry[0], list):
        return entry[0]
    return list(entry[1].get("options", [])) if len(entry) > 1 else []


def names_here(lock: Mapping[str, Any], sets: Sequence[str], *, baked: bool) -> frozenset[str]:
    """Names under which graphs know the models that an image of these sets holds."""
    return frozenset(
        model["name"] for model in lock["model"] if model["set"] in sets and (baked or model["place"] == "image")
    )


def import_model_code(models: Path, lock: Mapping[str, Any], here: frozenset[str]) -> Iterator[str]:
    """Import the Python files among the models as their node will, each in a process of its own; words on failures."""
    for model in lock["model"]:
        if model["name"] not in here or not model["file"].endswith(".py"):
            continue
        with tempfile.TemporaryDirectory() as folder:
            for source in (models / model["folder"]).glob("*.py"):
                text = source.read_text(encoding="utf-8").replace("from .", "from ")
                (Path(folder) / source.name).write_text(text, encoding="utf-8")
            command = [sys.executable, "-c", f"import {Path(model['file']).stem}"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  see above
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no words"]
            yield f"{model['folder']}/{model['file']} cannot be imported: {last[0]}"


def import_modules(lock: Mapping[str, Any]) -> Iterator[str]:
    """Import what node packs import only when a job comes, or do without until then; words on failures."""
    for pack in lock["node"]:
        for module in pack.get("imports", ()):
            command = [sys.executable, "-c", f"import {module}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  see above
            if done.returncode:
                last = done.stderr.strip().splitlines()[-1:] or ["no words"]
                yield f"{pack['name']} needs {module}, which cannot be imported: {last[0]}"


def ask(url: str, path: str) -> Any:
    """One answer of ComfyUI, asked past any proxy that the build has for fetching."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{url}{path}", timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def wait_until_up(url: str, comfyui: subprocess.Popen[bytes]) -> None:
    """Come back when ComfyUI answers.

    Raises:
        Failed: it ended, or did not answer in time.
    """
    until = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < until:
        if comfyui.poll() is not None:
            raise Failed(f"ComfyUI ended with {comfyui.returncode}")
        try:
            ask(url, "/system_stats")
        except (urllib.error.URLError, OSError, ValueError):
            time.sleep(LOOK_EVERY_S)
        else:
            return
    raise Failed(f"ComfyUI did not answer within {UP_WITHIN_S:.0f} s")


def _end(comfyui: subprocess.Popen[bytes]) -> None:
    comfyui.terminate()
    try:
        comfyui.wait(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        comfyui.kill()
        comfyui.wait()


def prove(asked: argparse.Namespace) -> list[str]:
    """Start ComfyUI, ask it, and end it; what is wrong."""
    lock = tomllib.loads(asked.lock.read_text(encoding="utf-8"))
    contract = json.loads((asked.workflows / "contract.json").read_text(encoding="utf-8"))
    here = names_here(lock, asked.sets.split(","), baked=asked.models == "baked")
    command = [sys.executable, "main.py", "--cpu", "--disable-auto-launch", "--port", str(asked.port)]
    comfyui = subprocess.Popen(command, cwd=asked.comfyui)  # noqa: S603  the image's own ComfyUI
    try:
        url = f"http://127.0.0.1:{asked.port}"
        wait_until_up(url, comfyui)
        version = str(ask(url, "/system_stats")["system"]["comfyui_version"]).removeprefix("v")
        wrong = list(missing(ask(url, "/object_info"), graphs(asked.workflows), contract, here))
    finally:
        _end(comfyui)
    if version != lock["base"]["comfyui"]:
        wrong.append(f"the base holds ComfyUI {version}, and the lock says {lock['base']['comfyui']}")
    return wrong + list(import_modules(lock)) + list(import_model_code(asked.comfyui / "models", lock, here))


def main(arguments: Sequence[str] | None = None) -> int:
    """Say what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(description="Prove that this ComfyUI runs our graphs.")
    parser.add_argument("--comfyui", type=Path, required=True, help="folder of ComfyUI")
    parser.add_argument("--workflows", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--sets", default="core", help="names behind commas")
    parser.add_argument("--models", choices=("baked", "volume"), default="baked")
    parser.add_argument("--port", type=int, default=8199)
    asked = parser.parse_args(arguments)
    try:
        wrong = prove(asked)
    except (Failed, OSError, ValueError, KeyError) as error:
        wrong = [f"cannot be asked: {error}"]
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    print(f"{len(graphs(asked.workflows))} graphs, {len(wrong)} findings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
