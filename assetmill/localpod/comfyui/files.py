"""The folders of the local ComfyUI: uploaded pictures, and what graphs have written.

They outlive a restart, as files do. Names follow ComfyUI's folder_paths: `<prefix>_00001_.png`, counted up for each
prefix; a folder before the last slash becomes the subfolder. Kept in memory up to a limit, the oldest output goes
first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from assetmill.localpod.draft import DRAFT_KEY

_PNG_HEAD = 8
_PNG_FRAME = 12  # length, kind and checksum of a chunk


class Files:
    """Input and output folder.

    Args:
        most_bytes: outputs are kept up to this.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept_bytes = 0
        self.input: dict[str, bytes] = {}
        self.output: dict[tuple[str, str], bytes] = {}

    def upload(self, name: str, data: bytes, *, overwrite: bool) -> str:
        """Keep a picture, under another name where this one is taken by another picture; returns the name."""
        stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
        number = 0
        while not overwrite and self.input.get(name, data) != data:
            number += 1
            name = f"{stem} ({number}){suffix}"
        self.input[name] = data
        return name

    def write(self, prefix: str, data: bytes) -> dict[str, str]:
        """Write an output, and say where, as the history does.

        Raises:
            ValueError: the prefix leads out of the folder.
        """
        path = PurePosixPath(prefix)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("**** ERROR: Saving image outside the output folder is not allowed.")
        subfolder = "" if str(path.parent) == "." else str(path.parent)
        number = 1
        while (subfolder, name := f"{path.name}_{number:05d}_.png") in self.output:
            number += 1
        self.output[subfolder, name] = data
        self._make_room(len(data))
        return {"filename": name, "subfolder": subfolder, "type": "output"}

    def find(self, kind: str, subfolder: str, name: str) -> bytes | None:
        """A picture, or None."""
        if kind == "input":
            return self.input.get(name) if not subfolder else None
        return self.output.get((subfolder, name)) if kind == "output" else None

    def _make_room(self, added: int) -> None:
        self._kept_bytes += added
        while self._kept_bytes > self._most_bytes and len(self.output) > 1:
            self._kept_bytes -= len(self.output.pop(next(iter(self.output))))


def unmarked(data: bytes) -> bytes:
    """A PNG without the chunk that says that it is a draft."""
    parts, place = [data[:_PNG_HEAD]], _PNG_HEAD
    while place < len(data):
        end = place + int.from_bytes(data[place : place + 4], "big") + _PNG_FRAME
        chunk = data[place:end]
        if chunk[4:8] != b"tEXt" or not chunk[8:].startswith(DRAFT_KEY.encode() + b"\x00"):
            parts.append(chunk)
        place = end
    return b"".join(parts)


def loaded(graph: Mapping[str, Mapping[str, object]], files: Files) -> dict[str, bytes]:
    """The uploaded pictures that a graph names."""
    values = {value for node in graph.values() for value in _values(node) if isinstance(value, str)}
    return {name: files.input[name] for name in sorted(values & set(files.input))}


def _values(node: Mapping[str, object]) -> list[object]:
    inputs = node.get("inputs")
    return list(inputs.values()) if isinstance(inputs, Mapping) else []
