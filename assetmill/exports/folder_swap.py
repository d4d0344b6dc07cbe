"""One folder in the place of another, so that whoever looks sees the old one or the new one and nothing between.

The new one grows beside the old one under a hidden name, locked as long as its export lives: a lock ends with its
process, so what a killed export left behind is known for certain and cleared away by the next. What was in the old
folder is deleted only when the new one, complete with its marker, stands in its place.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from assetmill.errors import UsageError
from assetmill.exports.folder_marker import MARKER

_OLD = "old"


@contextmanager
def growing(to: Path, token: str) -> Iterator[Path]:
    """A new hidden folder beside `to`; it is removed if what is done with it fails.

    Args:
        to: the folder whose place it will take; those above it are made.
        token: makes its name unique; a-z 0-9.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    new = _beside(to, token)
    new.mkdir()
    handle = os.open(new, os.O_RDONLY)
    try:
        with suppress(OSError):  # a disk without locks: nothing there is ever taken for a dead one's either
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    finally:
        os.close(handle)


def change_places(to: Path, new: Path) -> None:
    """Put `new` where `to` is, and delete what was there."""
    if not to.exists():
        new.rename(to)
        return
    aside = _beside(to, _OLD)
    shutil.copymode(to, new)
    to.rename(aside)
    try:
        new.rename(to)
    except BaseException:
        aside.rename(to)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def recover(to: Path) -> None:
    """Put back, or clear away, what exports into `to` left that were killed.

    Raises:
        UsageError: one was killed between its two renames, and since then somebody put files where the folder was.
    """
    aside = _beside(to, _OLD)
    if aside.is_dir() and (to / MARKER).is_file():
        shutil.rmtree(aside, ignore_errors=True)
    elif aside.is_dir() and to.exists() and next(to.iterdir(), None) is not None:
        raise UsageError(
            f"an export into {to} was broken off, and there are other files now; what was in it is in {aside}",
            hint="move one of the two away",
        )
    elif aside.is_dir():
        aside.rename(to)
    for dead in _dead(to):
        shutil.rmtree(dead, ignore_errors=True)


def _beside(to: Path, token: str) -> Path:
    return to.parent / f".{to.name}.assetmill-{token}"


def _dead(to: Path) -> Iterator[Path]:
    """Hidden folders of exports into `to` that no process holds."""
    if not to.parent.is_dir():
        return
    begins = _beside(to, "").name
    for path in list(to.parent.iterdir()):
        if path.name.startswith(begins) and path != _beside(to, _OLD) and path.is_dir() and not _held(path):
            yield path


def _held(folder: Path) -> bool:
    """Whether an export that is still at work holds the lock of its folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)
