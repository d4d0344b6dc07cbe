"""What an export left in a folder, so that the next one knows its own files from those of people.

Whatever is not in this list, or is not as it was written, belongs to somebody: it is neither changed nor removed
unless they say so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from assetmill.errors import UsageError
from assetmill.packs.keys import sha256_of

MARKER = ".assetmill-export.json"


class Marker(BaseModel):
    """The file that says what an export wrote.

    Args:
        version: of this format.
        game, channel, format, only: what was exported; `only` is empty for the whole pack.
        index: hash of the pack's index.
        files: hash of each file by its path in the folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    game: str
    channel: str
    format: str
    only: tuple[str, ...] = ()
    index: str
    files: dict[str, str]

    def encoded(self) -> bytes:
        """The file as it is written."""
        return self.model_dump_json(indent=1).encode()


def read_marker(folder: Path) -> Marker | None:
    """The marker of a folder, None for one that is empty or not there.

    Raises:
        UsageError: it is no folder, or holds files and no marker that this version understands.
    """
    if not folder.is_dir():
        if folder.exists():
            raise UsageError(f"{folder} is a file", hint="--to names a folder")
        return None
    try:
        return Marker.model_validate_json((folder / MARKER).read_bytes())
    except FileNotFoundError:
        if next(folder.iterdir(), None) is None:
            return None
        raise UsageError(
            f"{folder} holds files, and no export of assetmill", hint="export into a folder that is new or empty"
        ) from None
    except ValidationError:
        raise UsageError(
            f"{folder / MARKER} is damaged, or of a newer assetmill", hint="export into a folder that is new or empty"
        ) from None


def files_in(folder: Path) -> Iterator[str]:
    """Paths of everything in a folder but its marker: files, links, and folders that hold nothing."""
    for at, folders, names in os.walk(folder):
        here = Path(at)
        links = [name for name in folders if (here / name).is_symlink()]
        for name in (*names, *links):
            path = (here / name).relative_to(folder).as_posix()
            if path != MARKER:
                yield path
        if not names and not folders and here != folder:
            yield here.relative_to(folder).as_posix()


def intact(path: Path, sha256: str) -> bool:
    """Whether this is a plain file that has this hash."""
    return path.is_file() and not path.is_symlink() and sha256_of(path.read_bytes()) == sha256


def in_the_way(folder: Path, wanted: Mapping[str, str]) -> Callable[[str], bool]:
    """Tells whether what is at a path of the folder would keep a wanted file from being written."""
    above = {str(one) for path in wanted for one in PurePosixPath(path).parents}

    def blocks(path: str) -> bool:
        if path in wanted or any(str(one) in wanted for one in PurePosixPath(path).parents):
            return True
        there = folder / path
        return path in above and (there.is_symlink() or not there.is_dir())

    return blocks
