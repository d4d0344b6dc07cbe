"""Writing an exported folder so that nobody ever finds half of it, and nothing of theirs is lost.

All of it is written beside the folder, under a hidden name. Files of other people in the old folder are linked
into the new one, and then the two change places (see `folder_swap`); until that moment nothing in the folder has
changed. A file that an export wrote and somebody changed stops the next export, unless it is told to go over it;
what anybody does to the folder while it is being exported stops it in any case.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assetmill.errors import StorageError, StoreFull, UsageError
from assetmill.exports.folder_marker import MARKER, Marker, files_in, in_the_way, intact, read_marker
from assetmill.exports.folder_place import Contents
from assetmill.exports.folder_swap import change_places, growing, recover
from assetmill.packs.keys import sha256_of
from assetmill.packs.parallel import in_threads

Fetch = Callable[[str], bytes]
Stamp = tuple[int, int, int]
_SHOWN = 10
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a folder.

    Args:
        files: how many files of ours it holds, the marker apart.
        changed: False when it was like this already, and nothing was written.
        removed: files of the last export that are gone, because the pack has them no longer.
        kept: files of other people that are still there.
    """

    files: int
    changed: bool
    removed: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Old:
    """The folder as it is now: what we wrote and nobody changed, by path, what is somebody's, and how all of it was."""

    ours: Mapping[str, str]
    others: tuple[str, ...]
    seen: Mapping[str, Stamp]


def write_folder(to: Path, contents: Contents, marker: Marker, fetch: Fetch, *, force: bool, token: str) -> Written:
    """Make a folder hold these files, and those of other people that are in it already.

    Args:
        to: the folder; it and those above it are made if they are not there.
        contents: what it is to hold.
        marker: what is exported; its `files` are filled in here.
        fetch: bytes of a blob; called from several threads.
        force: go over files that people changed or put in the way.
        token: makes the name of the hidden folder unique.

    Raises:
        UsageError: the folder is not one of ours or holds another export, files of people are in the way, or
            somebody changed the folder meanwhile.
        StorageError: the store or the disk failed; the folder is as it was.
    """
    to = to.resolve()
    with _told(to):
        recover(to)
        last = read_marker(to)
        if last is not None and not force:
            _refuse_other_export(to, last, marker)
        marker = marker.model_copy(update={"files": _hashes(contents)})
        old = _look(to, last, marker.files, force=force)
        removed = tuple(sorted((last.files.keys() if last else set()) - marker.files.keys()))
        changed = last is None or not (old.ours == marker.files == last.files)
        if changed:
            _replace(to, contents, marker, old, fetch, token)
    return Written(len(marker.files), changed, removed, old.others)


def _hashes(contents: Contents) -> dict[str, str]:
    """Hash of every file by path; a blob has it in its name."""
    pictures = {path: key.rpartition("/")[2].partition(".")[0] for path, key in contents.pictures.items()}
    documents = {path: sha256_of(data) for path, data in contents.documents.items()}
    return dict(sorted((pictures | documents).items()))


def _refuse_other_export(to: Path, last: Marker, marker: Marker) -> None:
    """Going over another export would remove it, although its files are ours."""
    if (last.game, last.format) != (marker.game, marker.format):
        raise UsageError(f"{to} holds {last.game} as {last.format}", hint="choose another folder, or say --force")
    lost = set(last.only or ("",)) - set(marker.only)
    if marker.only and lost:
        held = f"only {', '.join(last.only[:_SHOWN])}" if last.only else "all assets"
        raise UsageError(
            f"{to} holds {held} of {last.game}, and --only would remove what it does not name",
            hint="choose another folder, or say --force",
        )


def _look(to: Path, last: Marker | None, wanted: Mapping[str, str], *, force: bool) -> _Old:
    """Tell our files from those of people, and refuse if theirs are in the way."""
    known = last.files if last else {}
    seen = _seen(to) if last else {}
    present = list(seen)
    ours = dict(zip(present, in_threads(lambda path: _ours(to, path, known, wanted), present), strict=True))
    theirs = [path for path in present if ours[path] is None]
    blocks = in_the_way(to, wanted)
    blocked = [path for path in theirs if path in known or blocks(path)]
    if blocked and not force:
        raise UsageError(
            f"somebody changed or added files that would be overwritten or removed in {to}: {_listed(blocked)}",
            hint="move them away, or say --force to go over them",
        )
    others = tuple(path for path in theirs if path not in set(blocked))
    return _Old({path: sha for path, sha in ours.items() if sha}, others, seen)


def _ours(to: Path, path: str, known: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    """Hash of a file that we wrote, or that is what we would write; None for a file of somebody's."""
    candidates = (known.get(path), wanted.get(path))
    return next((sha for sha in candidates if sha and intact(to / path, sha)), None)


def _replace(to: Path, contents: Contents, marker: Marker, old: _Old, fetch: Fetch, token: str) -> None:
    with growing(to, token) as new:
        _fill(new, to, contents, marker, old, fetch)
        _carry(to, new, old.others)
        (new / MARKER).write_bytes(marker.encoded())
        _refuse_changes(to, old.seen)
        change_places(to, new)


def _seen(to: Path) -> dict[str, Stamp]:
    """Everything in a folder with what tells whether it was touched: inode, time of change in ns, size."""
    found = {path: (to / path).lstat() for path in files_in(to)}
    return {path: (one.st_ino, one.st_mtime_ns, one.st_size) for path, one in sorted(found.items())}


def _refuse_changes(to: Path, seen: Mapping[str, Stamp]) -> None:
    """Fetching may take minutes; what people or engines did to the folder in the meantime would be lost."""
    now = _seen(to)
    if now != seen:
        touched = sorted(path for path in now.keys() | seen.keys() if now.get(path) != seen.get(path))
        raise UsageError(
            f"files in {to} changed while it was exported: {_listed(touched)}; nothing was written",
            hint="export again",
        )


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


def _fill(new: Path, to: Path, contents: Contents, marker: Marker, old: _Old, fetch: Fetch) -> None:
    """Write all files of ours: taken from the old folder where it has them, else fetched, each blob once."""
    for folder in sorted({(new / path).parent for path in marker.files}):
        folder.mkdir(parents=True, exist_ok=True)
    there = {sha: to / path for path, sha in old.ours.items()}
    for path, data in contents.documents.items():
        if held := there.get(marker.files[path]):
            shutil.copy2(held, new / path)  # with its time, so that engines do not import it anew
        else:
            (new / path).write_bytes(data)
    places: dict[str, list[Path]] = defaultdict(list)
    for path, key in contents.pictures.items():
        places[key].append(new / path)

    def place(key: str) -> None:
        first, *more = places[key]
        if held := there.get(marker.files[first.relative_to(new).as_posix()]):
            shutil.copy2(held, first)
        else:
            first.write_bytes(fetch(key))
        for path in more:
            shutil.copyfile(first, path)

    in_threads(place, sorted(places))


def _carry(to: Path, new: Path, others: Sequence[str]) -> None:
    """Bring files of other people into the new folder without copying a byte, where the disk can."""
    for path in others:
        held, target = to / path, new / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if held.is_symlink():
            target.symlink_to(held.readlink())
        elif held.is_dir():
            target.mkdir(exist_ok=True)
            shutil.copystat(held, target)
        else:
            try:
                os.link(held, target)
            except OSError:
                shutil.copy2(held, target)


@contextmanager
def _told(to: Path) -> Iterator[None]:
    """Turn the system's errors into errors of ours that say what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in _FULL:
            raise StoreFull(f"{to}: {reason}", hint="free some space; the folder is as it was") from error
        raise StorageError(f"cannot write {to}: {reason}", hint="--to names a folder that can be written") from error
