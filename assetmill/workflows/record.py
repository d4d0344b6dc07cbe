"""Regenerate the node contract: `python -m assetmill.workflows.record RECORDINGS WORKFLOWS [--slim-into FOLDER]`.

RECORDINGS holds one `<ComfyUI version>.json` for each version that graphs have to run on: its GET /object_info. The
contract is written beside the graphs. With --slim-into, the parts of the recordings that the contract is made from
are kept as small files, from which it can be made again; that is how the files under tests/fixtures came about. It
never asks a server and is not imported by anything else.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assetmill.errors import UsageError
from assetmill.workflows.contract import FILE_INPUTS, contract_from_object_info
from assetmill.workflows.library import BINDINGS, CONTRACT, read_graph

SPARE_NODES = (
    "ConditioningZeroOut",
    "DualCLIPLoader",
    "EmptyLatentImage",
    "ImageCrop",
    "ImageScaleBy",
    "LoraLoader",
    "LoraLoaderModelOnly",
    "MaskToImage",
    "RandomNoise",
    "UNETLoader",
    "VAELoader",
)
"""Nodes that no graph uses yet and that a changed graph is most likely to need."""

_OPTIONS = ("default", "min", "max", "step", "options", "image_upload")


def read_recordings(folder: Path) -> dict[str, dict[str, Any]]:
    """Version -> /object_info answer, oldest version first.

    Raises:
        UsageError: the folder holds no `<version>.json`.
    """
    files = {_version(path.stem): path for path in folder.glob("*.json")}
    if not files:
        raise UsageError(f"{folder} holds no recordings", hint="save GET /object_info as <version>.json")
    return {
        ".".join(map(str, version)): json.loads(path.read_text(encoding="utf-8"))
        for version, path in sorted(files.items())
    }


def make_contract(recordings: Mapping[str, Mapping[str, Any]], workflows: Path) -> dict[str, Any]:
    """The contract for the graphs of a folder, as a JSON value."""
    names = json.loads((workflows / BINDINGS).read_text(encoding="utf-8"))["workflows"]
    graphs = [read_graph(workflows / f"{name}.json") for name in names]
    used = {node["class_type"] for graph in graphs for node in graph.values()}
    recorded = {name for info in recordings.values() for name in info}
    return contract_from_object_info(recordings, used | (set(SPARE_NODES) & recorded), graphs)


def slim(info: Mapping[str, Any], nodes: Sequence[str]) -> dict[str, Any]:
    """The parts of one recording that the contract is made from; file names of that machine are left out."""
    return {name: _slim_node(name, info[name]) for name in nodes if name in info}


def _slim_node(name: str, node: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: node[key] for key in ("output", "output_node", "python_module")}
    inputs = {
        kind: {key: _slim_input(name, key, entry) for key, entry in entries.items()}
        for kind, entries in node["input"].items()
        if kind != "hidden"
    }
    return {"input": inputs, **kept}


def _slim_input(node: str, name: str, entry: Sequence[Any]) -> list[Any]:
    head, *rest = entry
    options = {key: value for key, value in (rest[0] if rest else {}).items() if key in _OPTIONS}
    files = name in FILE_INPUTS.get(node, ()) or bool(options.get("image_upload"))
    if files:
        head = [] if isinstance(head, list) else head
        options = {key: value for key, value in options.items() if key != "options"}
    return [head, *([options] if rest else [])]


def _version(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split("."))
    except ValueError:
        raise UsageError(f"{text}.json is not named for a ComfyUI version", hint="for example 0.17.0.json") from None


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the contract, and the slim recordings if asked."""
    parser = argparse.ArgumentParser(prog="python -m assetmill.workflows.record")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("workflows", type=Path)
    parser.add_argument("--slim-into", type=Path)
    asked = parser.parse_args(arguments)
    recordings = read_recordings(asked.recordings)
    contract = make_contract(recordings, asked.workflows)
    _write(asked.workflows / CONTRACT, contract)
    if asked.slim_into is not None:
        asked.slim_into.mkdir(parents=True, exist_ok=True)
        for version, info in recordings.items():
            _write(asked.slim_into / f"{version}.json", slim(info, list(contract["nodes"])))


if __name__ == "__main__":
    main()
